"""What the published file names of the paediatric pneumonia data say: whose film it is, and of which batch."""

import re
from typing import Final, NamedTuple

# The names under which doi:10.17632/rscbjbr9sj circulates. Whatever follows the running number is accepted, so that a
# crop or an augmented copy stays with its patient. Picture formats only: DICOM viewers export `IM-<series>-<n>.dcm`,
# where the first number says nothing about the patient.
_PICTURE: Final = r"(?!\d).*\.(?i:jpe?g|png|bmp|tiff?|webp)"
_PERSON: Final = re.compile(r"(?P<patient>person\d+)_(?P<batch>bacteria|virus)_\d+" + _PICTURE)
_IM: Final = re.compile(r"(?P<patient>(?P<batch>(?:NORMAL2-)?IM)-\d+)-\d+" + _PICTURE)


class PublishedName(NamedTuple):
    """What a published file name says."""

    patient: str
    batch: str


def published_name(file_name: str) -> PublishedName | None:
    """The patient and the acquisition batch of a published name of this data; None for any other name.

    `person12_virus_3.jpeg` gives ("person12", "virus"), `NORMAL2-IM-0115-0001.jpeg` gives ("NORMAL2-IM-0115",
    "NORMAL2-IM"). 808 numbers of the training split occur with both bacteria and virus. Whether they are the same
    children is not published, so they count as one patient: a patient too few costs nothing, a patient on both sides of
    a split does. The two IM series count separately, as their prefix is a part of the name.
    """
    match = _PERSON.fullmatch(file_name) or _IM.fullmatch(file_name)
    return PublishedName(match["patient"], match["batch"]) if match else None
