"""An error that nobody foresaw, planted into one kind of file: Pillow's JPEG decoder is exchanged for one that fails."""

from collections.abc import Callable
from typing import Any, Never

from PIL import Image

from tests.models.films.bad_input import saved, scene

FAILING = saved(Image.fromarray(scene()), "JPEG")


class UnforeseenError(Exception):
    """Of a kind that no list of codec errors holds."""


def fail(*_: object) -> Never:
    """Stands in the place of a decoder."""
    raise UnforeseenError("nobody foresaw this")


def fail_after(codec: str, count: int) -> Callable[..., Any]:
    """Stands in the place of one of Pillow's decoders: the first `count` pictures are decoded, further ones are not."""
    left = iter(range(count))

    def decoder(*arguments: object) -> Any:
        return fail() if next(left, None) is None else getattr(Image.core, f"{codec}_decoder")(*arguments)

    return decoder


def plant() -> None:
    """Let the decoder fail from now on; in a process of its own, or under `monkeypatch.setitem(Image.DECODERS, …)`."""
    Image.register_decoder("jpeg", fail)
