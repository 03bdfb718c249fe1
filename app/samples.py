"""The synthetic radiographs that come with the product."""

import json
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "data_samples"
_SUFFIXES: Final = (".jpeg", ".jpg", ".png", ".dcm")


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
