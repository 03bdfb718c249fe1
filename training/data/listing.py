"""What lies in a folder, by name: everything that can be told before a file is opened."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from training.data.patients import DatasetError, shortened

SPLITS: Final = ("train", "val", "test")

# Other words for splits: folders so called are never classes, and reading them as such would train nonsense silently.
_SPLIT_SYNONYMS: Final = {"training", "valid", "validation", "dev", "testing"}
_IMAGE_SUFFIXES: Final = {".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom", ".dic"}
_JUNK: Final = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx"}


def folders_and_files(parent: Path) -> tuple[list[Path], list[Path]]:
    """What a folder holds, by name, without hidden files and what operating systems leave behind.

    A broken link counts as a file, so that it is reported; a device or a pipe does not, as reading it might never end.
    """
    try:
        items = sorted(parent.iterdir())
    except OSError as error:
        raise DatasetError(
            "not_a_folder", f"Every folder of the data set must be readable. Received: {parent}, {error.strerror}."
        ) from error
    visible = [item for item in items if not item.name.startswith(".") and item.name.casefold() not in _JUNK]
    files = [item for item in visible if item.is_file() or not item.exists()]
    return [item for item in visible if item.is_dir()], files


def files_below(folder: Path) -> list[Path]:
    """All files at any depth, by path. Linked folders are followed, each real folder once, so that loops end."""
    found: list[Path] = []
    waiting, seen = [folder], {folder.resolve()}
    while waiting:
        folders, files = folders_and_files(waiting.pop())
        found += files
        for item in folders:
            if (real := item.resolve()) not in seen:
                seen.add(real)
                waiting.append(item)
    return sorted(found)


class Candidate(NamedTuple):
    """A file in a class folder, not yet opened."""

    path: Path
    label: str
    split: str


def list_candidates(root: Path) -> tuple[tuple[str, ...], list[Candidate]]:
    """The labels in order and every file in a class folder, by names alone, or the reason why there is no data set."""
    if not root.is_dir():
        found = "which is a file" if root.exists() else "where there is nothing"
        raise DatasetError("not_a_folder", f"A data set must be a folder of class folders. Received: {root}, {found}.")
    classes: dict[str, dict[str, list[Path]]] = {}
    loose: list[Path] = []
    for split, parent in _split_folders(root).items():
        folders, files = folders_and_files(parent)
        classes[split] = {folder.name: files_below(folder) for folder in folders}
        loose += [file for file in files if is_image_name(file)]
    _require_classes(root, classes, [file.relative_to(root).as_posix() for file in loose])
    candidates = [
        Candidate(file.relative_to(root), label, split)
        for split, of_split in classes.items()
        for label, files in of_split.items()
        for file in files
    ]
    return tuple(classes["train"]), candidates


def _split_folders(root: Path) -> dict[str, Path]:
    """The folder with the class folders of each split, in the order of `SPLITS`; the root where there are no splits."""
    folders, _ = folders_and_files(root)
    by_split = {folder.name.casefold(): folder for folder in folders if folder.name.casefold() in SPLITS}
    others = [folder.name for folder in folders if folder not in by_split.values()]
    if not by_split and not (folders and all(name.casefold() in _SPLIT_SYNONYMS for name in others)):
        return {"train": root}
    if others:
        raise DatasetError(
            "mixed_layout",
            f"Beside the splits train, val and test there must be no further folder. Received: {shortened(others)} in "
            f"{root}. Rename or move them, or name the folder that holds the classes.",
        )
    if "train" not in by_split:
        raise DatasetError(
            "mixed_layout",
            f"Where a folder has splits, one must be train. Received: {', '.join(by_split)} in {root}. "
            f"To use one split alone, name it: {root / next(iter(by_split.values())).name}",
        )
    return {split: by_split[split] for split in SPLITS if split in by_split}


def _require_classes(root: Path, classes: Mapping[str, Mapping[str, list[Path]]], loose: Sequence[str]) -> None:
    """Refuse what names alone show to be no data set; `loose` are the images beside the class folders."""
    labels = list(classes["train"])
    if not loose and not any(files for of_split in classes.values() for files in of_split.values()):
        raise DatasetError("no_images", f"A data set must hold images in class folders. Received: none in {root}.")
    for split, of_split in classes.items():
        if set(of_split) != set(labels):
            raise DatasetError(
                "mixed_layout",
                f"Each split must have the same class folders. Received: {', '.join(labels) or 'none'} in train, "
                f"{', '.join(of_split) or 'none'} in {split}.",
            )
    if len(labels) < 2:
        found = f"only {labels[0]}" if labels else f"{len(loose)} images directly in it and no folder"
        raise DatasetError(
            "single_class", f"A data set must have two or more class folders. Received: {found} in {root}."
        )
    if loose:
        raise DatasetError(
            "mixed_layout",
            f"Each image must be in a class folder. Received: {len(loose)} beside the class folders "
            f"({shortened(loose)}). Move them into a class folder or out of {root}.",
        )
    empty: list[str] = []
    several = len(classes) > 1
    for split, of_split in classes.items():
        empty += [f"{split}/{label}" if several else label for label, files in of_split.items() if not files]
    if empty:
        raise DatasetError(
            "empty_class",
            f"Each class folder must hold images. Received: no files in {shortened(empty)}. Add images, or remove the "
            "folder if it is no class.",
        )


def is_image_name(file: Path) -> bool:
    """Whether a name ends like that of a picture."""
    return file.suffix.lower() in _IMAGE_SUFFIXES
