"""What decoding a file told, kept by the digest of its bytes: a folder that was read once is not decoded again."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from models.films.radiograph import read_radiograph
from models.system.files import write_atomically
from training.data.perceptual_hash import perceptual_hash, pixels_sha256

# Raised when files are decoded or hashed in another way, so that what was told before is not believed.
_VERSION: Final = 1


@dataclass(frozen=True)
class Print:
    """A film without its pixels; attributes as those of `training.data.manifest.Entry`, the hash in hexadecimal digits."""

    pixels_sha256: str
    perceptual_hash: str
    facts: Mapping[str, str]


class Prints:
    """The prints of films, in a file where they are kept; without a file, of this run alone.

    They go by the bytes of a file, so that a changed file is always noticed. Threads may share it.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._known = _read(file) if file else {}
        self._new: dict[str, Print] = {}

    def find(self, content: bytes) -> tuple[str, Print | None]:
        """The SHA-256 of a file's bytes; and its print, where it is known."""
        sha256 = hashlib.sha256(content).hexdigest()
        return sha256, self._known.get(sha256)

    def make(self, content: bytes, sha256: str) -> Print:
        """Decode a film that is not known yet.

        Raises:
            RefusedError: where the file is not one readable radiograph; that is found out anew each time.
        """
        radiograph = read_radiograph(content)
        hashed = perceptual_hash(radiograph.pixels).hex()
        found = Print(pixels_sha256(radiograph.pixels), hashed, dict(radiograph.facts))
        self._new[sha256] = found
        return found

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
