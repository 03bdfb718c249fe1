"""Where in a folder the class folders are: archives unpack into a folder within a folder, and people name the outer one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from training.data.listing import SPLITS, LeftOut, Listing, is_image_name, list_candidates, look_into
from training.data.patients import DatasetError

DEPTH: Final = 2
"""How many levels below the named folder are looked at: the published archive unpacks as chest_xray/chest_xray/train."""

_CLASSES: Final = {"normal", "pneumonia"}  # a folder so called is a class, whatever it is divided into


def find_data_set(named: Path) -> Listing:
    """The listing of the named folder, or of the only data set up to two levels below it.

    Raises:
        DatasetError: where there is none, or where several could be meant; they are then the error's `candidates`.
    """
    if not named.is_dir():
        found = "which is a file" if named.exists() else "where there is nothing"
        raise DatasetError("not_a_folder", f"A data set must be a folder of class folders. Received: {named}, {found}.")
    try:
        return list_candidates(named)
    except DatasetError as error:
        if error.code == "not_a_folder" or not (below := _data_sets_below(named, named, DEPTH)):
            raise
        passed_by: list[LeftOut] = []
        only = below[0]
        if (
            len(below) == 1
            and only.root.name.casefold() not in SPLITS[1:]
            and not _films_beside(named, only, passed_by)
        ):
            return only._replace(left_out=[*passed_by, *only.left_out])
        raise DatasetError(error.code, _with_candidates(error, below), [one.root for one in below]) from error


def _data_sets_below(folder: Path, named: Path, levels: int) -> list[Listing]:
    """The data sets within a folder, those with splits first; within them it is not looked further."""
    found: list[Listing] = []
    for child in look_into(folder, named).folders:
        if child.name.casefold() in _CLASSES:
            continue
        try:
            found.append(list_candidates(child))
        except DatasetError as error:
            if error.code == "alike_classes":
                raise
            if levels > 1:
                found += _data_sets_below(child, named, levels - 1)
    return sorted(found, key=_order)


def _order(found: Listing) -> tuple[bool, int, Path]:
    undivided = {candidate.split for candidate in found.candidates} == {"train"}
    name = found.root.name.casefold()
    return undivided, SPLITS.index(name) if name in SPLITS else -1, found.root


def _films_beside(named: Path, only: Listing, left_out: list[LeftOut]) -> bool:
    """Whether there are images outside of the only data set; what is left out on the way to it is added to `left_out`."""

    def files_beside(folder: Path) -> Iterator[Path]:
        if folder != only.root:
            contents = look_into(folder, named)
            left_out.extend(contents.left_out)
            yield from contents.files
            for child in contents.folders:
                yield from files_beside(child)

    return any(is_image_name(file) for file in files_beside(named))


def _with_candidates(error: DatasetError, below: list[Listing]) -> str:
    places = "; ".join(f"{one.root} ({', '.join(one.labels)})" for one in below)
    return f"{error} Below it there is what could be meant: {places}. Name one of them."
