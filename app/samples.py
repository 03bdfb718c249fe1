"""The synthetic radiographs that come with the product."""

import json
from functools import cache
from pathlib import Path
from typing import Final

from app.pictures import thumbnail
from models.films.radiograph import read_radiograph

FOLDER: Final = Path(__file__).parents[1] / "data_samples"
_SUFFIXES: Final = (".jpeg", ".jpg", ".png", ".dcm")
_SIDE: Final = 240


def sample_names() -> list[str]:
    """The names of the samples, sorted; none where the folder was left out."""
    return sorted(path.name for path in FOLDER.glob("*_*") if path.suffix in _SUFFIXES)


def read_sample(name: str) -> bytes:
    """The bytes of one of `sample_names()`."""
    if name not in sample_names():
        raise ValueError(f"A sample must be one of {', '.join(sample_names())}. Received: {name!r}")
    return (FOLDER / name).read_bytes()


def sample_label(name: str) -> str:
    """The class that one of `sample_names()` was made from."""
    label: str = json.loads((FOLDER / "sources.json").read_text(encoding="utf-8"))[name]["label"]
    return label


@cache
def sample_thumbnail(name: str) -> bytes:
    """A small JPEG picture of one of `sample_names()`; made when it is first asked for."""
    return thumbnail(read_radiograph(read_sample(name)).pixels, _SIDE)
