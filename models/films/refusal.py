"""Why an input was not judged: a stable code for programs and a sentence for people."""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from models.system.sentence import Sentence

Result = TypeVar("Result")

# The whole vocabulary. A code never changes its meaning: pages, CSV files and JSON carry it.
REFUSAL_CODES: Final = {
    "not_found": "the path leads to no readable file",
    "empty_file": "the file has no bytes",
    "too_large": "more bytes or pixels than a radiograph has; refused before decoding",
    "too_small": "fewer pixels than a chest radiograph can be judged by",
    "not_an_image": "neither DICOM nor one of the accepted picture formats",
    "damaged": "the format is known, but the content is cut short or broken",
    "multi_frame": "several pictures in one file; one radiograph is expected",
    "no_pixels": "a DICOM object without pixel data",
    "unsupported_encoding": "a DICOM encoding or colour space that is not read here",
    "not_a_radiograph": "a picture, but not a chest radiograph",
    "no_lungs": "a picture in which no lungs are to be found",
    "turned": "a chest film that lies on its side or stands on its head",
    "inverted": "a chest film that is white where it should be black",
    "lungs_cut_off": "a chest film on which the lungs reach beyond the edge",
    "mirrored": "a chest film with the heart on the other side: mirrored, or situs inversus",
    "header_faults": "a DICOM file that states what cannot be followed; judged without it",
    "internal_error": "an error in the program that nobody foresaw, with a reference to the log",
    "unlike_training_data": "a film unlike those that the bundle was trained on; the verdict is withheld",
}


@dataclass(frozen=True)
class Refusal:
    """A refused input.

    Attributes:
        code: one of `REFUSAL_CODES`.
        sentence: what is wrong and what to do, in words for the person who supplied the file.
    """

    code: str
    sentence: str

    def __post_init__(self) -> None:
        if self.code not in REFUSAL_CODES:
            raise ValueError(f"A refusal code must be one of {', '.join(REFUSAL_CODES)}. Received: {self.code!r}")


class RefusedError(Exception):
    """Raised where an input is refused; callers that handle batches turn it into its `refusal`."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.refusal = Refusal(code, sentence)


def attempt(step: Callable[[], Result], *, otherwise: Callable[[], Result] | None = None) -> Result | Refusal:
    """What one step on one file gives, or why there is nothing: no file may end a batch.

    An error that nobody foresaw becomes an `internal_error` with a reference; under it the traceback stands in the log, the
    logger `pneumolens`, which writes to standard error where a program sets nothing else. The name of the file does not.
    A film for which there is not enough memory is such an error, too, and the next one may be smaller. Whoever stops the
    program, by `KeyboardInterrupt` or `SystemExit`, stops it.

    Args:
        step: what is done.
        otherwise: for a step on several files: what is done instead after such an error, one file at a time.
    """
    try:
        return step()
    except RefusedError as refused:
        return refused.refusal
    except Exception:  # the one broad `except`: whatever a codec or a model raises, the other files are judged
        if otherwise is not None:
            return otherwise()
        reference = secrets.token_hex(4)
        logging.getLogger("pneumolens").exception("internal_error, reference %s", reference)
        return Refusal(
            "internal_error",
            Sentence(
                "Something went wrong within PneumoLens on this file; the others are judged. Report the reference {reference} "
                "with what the log says under it.",
                reference=reference,
            ),
        )
