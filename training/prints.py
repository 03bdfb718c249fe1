"""What decoding a file told, kept by the digest of its bytes: a folder that was read once is not decoded again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from models.files import write_atomically
from models.radiograph import read_bytes, read_radiograph
from training.perceptual_hash import perceptual_hash, pixels_sha256

# Raised when files are decoded or hashed in another way, so that what was told before is not believed.
_VERSION: Final = 1


@dataclass(frozen=True)
class Print:
    """A film without its pixels; attributes as those of `training.manifest.Entry`, the hash in hexadecimal digits."""

    pixels_sha256: str
    perceptual_hash: str
    facts: Mapping[str, str]


class Prints:
    """The prints of films, in a file where they are kept; without a file, of this run alone.

    A file's bytes are always read, so that a changed file is always noticed. Threads may share it.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known = _read(file) if file else {}
        self._new: dict[str, Print] = {}

    def of(self, path: Path) -> tuple[str, Print]:
        """The SHA-256 of a file and its print.

        Raises:
            RefusedError: where the file is not one readable radiograph; that is found out anew each time.
        """
        content = read_bytes(path)
        sha256 = hashlib.sha256(content).hexdigest()
        found = self._known.get(sha256)
        if found is None:
            radiograph = read_radiograph(content)
            hashed = perceptual_hash(radiograph.pixels).hex()
            found = Print(pixels_sha256(radiograph.pixels), hashed, dict(radiograph.facts))
            self._new[sha256] = found
        return sha256, found

    def save(self) -> None:
        """Keep what is new; a run that saves at the same time may take its place, and is then repeated."""
        if self._file is None or not self._new:
            return
        prints = {sha256: asdict(one) for sha256, one in {**_read(self._file), **self._known, **self._new}.items()}
        write_atomically(self._file, json.dumps({"version": _VERSION, "prints": prints}))


def _read(file: Path) -> dict[str, Print]:
    """What a file of prints holds; nothing where it is missing, damaged or of another version."""
    try:
        content: Any = json.loads(file.read_text(encoding="utf-8"))
        if content["version"] != _VERSION:
            return {}
        return {sha256: Print(**one) for sha256, one in content["prints"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
