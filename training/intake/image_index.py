"""Which file a label file means: by its path below the folder of images, by its name, or by its name without suffix."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from training.data.listing import files_below, is_image_name
from training.data.patients import DatasetError


class ImageIndex:
    """The pictures below a folder. Links to folders are not followed; nothing outside is ever found.

    Attributes:
        root: the folder, as an absolute path without links.
        files: every picture, relative to `root`.
        left_out: folders that were not looked into.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise DatasetError("not_a_folder", f"--images must be the folder of the films. Received: {folder}.")
        self.root = folder.resolve()
        found, self.left_out = files_below(self.root, self.root)
        self.files = [file.relative_to(self.root) for file in found if is_image_name(file)]
        if not self.files:
            but = "".join(f" Left out: {one.path}: {one.reason}." for one in self.left_out[:3])
            raise DatasetError("no_images", f"--images must hold films. Received: none in {folder}.{but}")
        self._by_path = {file.as_posix(): file for file in self.files}
        self._by_name: defaultdict[str, list[Path]] = defaultdict(list)
        self._by_stem: defaultdict[str, list[Path]] = defaultdict(list)
        for file in self.files:
            self._by_name[file.name].append(file)
            self._by_stem[file.stem].append(file)

    def find(self, places: Sequence[str]) -> list[Path]:
        """The files that the first place with any leads to: one, none, or several that bear the name.

        A place may begin with the folder of images itself, by its path or its name. With folders it is a path, with another
        suffix at most: `view1_frontal.jpg` lies with every patient, and must never be taken for another's.
        """
        for place in filter(None, places):
            path = place.removeprefix(f"{self.root.as_posix()}/").removeprefix(f"{self.root.name}/")
            if path in self._by_path:
                return [self._by_path[path]]
            name = PurePosixPath(path)
            bare = name.stem if is_image_name(Path(path)) else name.name
            if "/" not in path:
                if found := self._by_name.get(path) or self._by_stem.get(bare):
                    return found
            elif found := [file for file in self._by_stem.get(bare, ()) if file.parent.as_posix() == str(name.parent)]:
                return found
        return []
