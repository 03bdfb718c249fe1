"""An error that nobody foresaw, planted into one kind of file: Pillow's JPEG decoder is exchanged for one that fails."""

from typing import Never

from PIL import Image

from tests.models.films.bad_input import saved, scene

FAILING = saved(Image.fromarray(scene()), "JPEG")


class UnforeseenError(Exception):
    """Of a kind that no list of codec errors holds."""


def fail(*_: object) -> Never:
    """Stands in the place of a decoder."""
    raise UnforeseenError("nobody foresaw this")


def plant() -> None:
    """Let the decoder fail from now on; in a process of its own, or under `monkeypatch.setitem(Image.DECODERS, …)`."""
    Image.register_decoder("jpeg", fail)
