"""What lies in a folder, by name: everything that can be told before a file is opened.

Left out are hidden folders, those that programs leave behind, and links to folders: what such a link leads to is either read
where it lies, or was not named, and followed upwards it would give films a second time and under a wrong class. A link to a
file is read like the file.
"""

import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from training.data.patients import DatasetError, shortened

SPLITS: Final = ("train", "val", "test")

# Other words for splits: folders so called are never classes, and reading them as such would train nonsense silently.
_SPLIT_SYNONYMS: Final = {"training", "valid", "validation", "dev", "testing"}
_IMAGE_SUFFIXES: Final = {".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom", ".dic"}
_JUNK_FILES: Final = {"thumbs.db", "ehthumbs.db", "desktop.ini"}
_JUNK_FOLDERS: Final = {
    "__macosx": "left behind by macOS",
    "@eadir": "left behind by a storage device",
    "$recycle.bin": "left behind by Windows",
    "system volume information": "left behind by Windows",
    "lost+found": "left behind by the file system",
    "__pycache__": "left behind by Python",
    "checkpoint": "checkpoints",
    "checkpoints": "checkpoints",
}


class LeftOut(NamedTuple):
    """A folder that is not looked into, or a link that is not followed, and why."""

    path: Path
    reason: str


class Contents(NamedTuple):
    """What a folder holds, each by name."""

    folders: list[Path]
    files: list[Path]
    left_out: list[LeftOut]


def look_into(parent: Path, root: Path) -> Contents:
    """What a folder of the data set `root` holds, without hidden files and those that systems leave behind.

    A broken link counts as a file, so that it is reported; a device or a pipe does not, as reading it might never end.
    """
    try:
        with os.scandir(parent) as entries:  # which knows what is a folder without asking for each
            items = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DatasetError(
            "not_a_folder", f"Every folder of the data set must be readable. Received: {parent}, {error.strerror}."
        ) from error
    found = Contents([], [], [])
    for entry in items:
        item = parent / entry.name
        if entry.is_dir():
            reason = _reason_to_leave_out(item, root)
            found.left_out.append(LeftOut(item, reason)) if reason else found.folders.append(item)
        elif not _is_junk(item) and (entry.is_file() or not item.exists()):
            found.files.append(item)
    return found


def _is_junk(file: Path) -> bool:
    return file.name.startswith(".") or file.name.casefold() in _JUNK_FILES


def _reason_to_leave_out(folder: Path, root: Path) -> str | None:
    name = folder.name.casefold()
    if name in _JUNK_FOLDERS or name == ".ipynb_checkpoints":
        return _JUNK_FOLDERS.get(name, "checkpoints")
    if name.startswith("."):
        return "hidden"
    if not folder.is_symlink():
        return None
    target, here = folder.resolve(), folder.parent.resolve()
    if target == here or target in here.parents:
        return f"a link to a folder above it, {target}"
    if not target.is_relative_to(root.resolve()):
        return f"a link out of the data set, to {target}; name that folder, or link its files"
    return f"a link to another folder of the data set, {target}; films are read where they lie"


def files_below(folder: Path, root: Path) -> tuple[list[Path], list[LeftOut]]:
    """All files at any depth, by path, and what was left out; `folder` is one of the data set `root`."""
    files: list[Path] = []
    left_out: list[LeftOut] = []
    waiting = [folder]
    while waiting:
        found = look_into(waiting.pop(), root)
        files += found.files
        left_out += found.left_out
        waiting += found.folders
    return sorted(files, key=lambda file: file.parts), sorted(left_out)


class Candidate(NamedTuple):
    """A file in a class folder, not yet opened; `path` is relative to the root of the listing."""

    path: Path
    label: str
    split: str


class Listing(NamedTuple):
    """A data set by names alone: the labels in order, every file in a class folder, and what was left out."""

    root: Path
    labels: tuple[str, ...]
    candidates: list[Candidate]
    left_out: list[LeftOut]


def list_candidates(root: Path) -> Listing:
    """Read `root/CLASS/*` or `root/{train,val,test}/CLASS/*` by names alone.

    Raises:
        DatasetError: with the reason why there is no data set.
    """
    top = look_into(root, root)
    left_out = list(top.left_out)
    classes: dict[str, dict[str, list[Path]]] = {}
    loose: list[Path] = []
    for split, parent in _split_folders(root, top.folders).items():
        within = top if parent == root else look_into(parent, root)
        left_out += within.left_out if within is not top else []
        refuse_alike(folder.relative_to(root).as_posix() for folder in within.folders)
        classes[split] = {}
        for folder in within.folders:
            classes[split][folder.name], below = files_below(folder, root)
            _refuse_splits_within(folder, root)
            left_out += below
        loose += [file for file in within.files if is_image_name(file)]
    _require_classes(root, classes, [file.relative_to(root).as_posix() for file in loose], left_out)
    candidates = [
        Candidate(file.relative_to(root), label, split)
        for split, of_split in classes.items()
        for label, files in of_split.items()
        for file in files
    ]
    return Listing(root, tuple(classes["train"]), candidates, left_out)


def _split_folders(root: Path, folders: Sequence[Path]) -> dict[str, Path]:
    """The folder with the class folders of each split, in the order of `SPLITS`; the root where there are no splits."""
    of_splits = [folder for folder in folders if folder.name.casefold() in SPLITS]
    refuse_alike(folder.name for folder in of_splits)
    by_split = {folder.name.casefold(): folder for folder in of_splits}
    others = [folder.name for folder in folders if folder not in of_splits]
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


def refuse_alike(names: Iterable[str]) -> None:
    """Refuse names that a person would take for one and the same class, or split."""
    seen: dict[str, str] = {}
    for name in names:
        plain = "".join(unicodedata.normalize("NFC", name).casefold().split())
        if plain in seen:
            raise DatasetError(
                "alike_classes",
                f"The names of class folders must differ in more than case or blanks. Received: {seen[plain]!r} and {name!r}. "
                "Put their films into one folder, or give one of them another name.",
            )
        seen[plain] = name


def _refuse_splits_within(folder: Path, root: Path) -> None:
    """Refuse a class folder that is a data set of its own: training on several of them as classes would be nonsense."""
    with os.scandir(folder) as entries:  # which takes a tenth of looking into a large folder
        if all(entry.name.casefold() not in SPLITS for entry in entries):
            return
    for within in look_into(folder, root).folders:
        if within.name.casefold() in SPLITS and look_into(within, root).folders:
            raise DatasetError(
                "mixed_layout",
                f"A class folder must hold images. Received: {folder}, which is itself divided into splits and classes. "
                "Name that folder.",
            )


def _require_classes(
    root: Path, classes: Mapping[str, Mapping[str, list[Path]]], loose: Sequence[str], left_out: Sequence[LeftOut]
) -> None:
    """Refuse what names alone show to be no data set; `loose` are the images beside the class folders."""
    labels = list(classes["train"])
    but = "".join(f" Left out: {one.path}: {one.reason}." for one in left_out[:3])
    if not loose and not any(files for of_split in classes.values() for files in of_split.values()):
        raise DatasetError("no_images", f"A data set must hold images in class folders. Received: none in {root}.{but}")
    for split, of_split in classes.items():
        refuse_alike(dict.fromkeys([*labels, *of_split]))
        if set(of_split) != set(labels):
            raise DatasetError(
                "mixed_layout",
                f"Each split must have the same class folders. Received: {', '.join(labels) or 'none'} in train, "
                f"{', '.join(of_split) or 'none'} in {split}.{but}",
            )
    if len(labels) < 2:
        found = f"only {labels[0]}" if labels else f"{len(loose)} images directly in it and no folder"
        raise DatasetError(
            "single_class", f"A data set must have two or more class folders. Received: {found} in {root}.{but}"
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
            f"folder if it is no class.{but}",
        )


def is_image_name(file: Path) -> bool:
    """Whether a name ends like that of a picture."""
    return file.suffix.lower() in _IMAGE_SUFFIXES
