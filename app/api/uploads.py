"""The files of a request: multipart/form-data, within limits that are held while it is read."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from app.api.problems import ProblemError
from models.films.radiograph import MAX_BYTES

MOST_FILES: Final = 32
MOST_BYTES: Final = 2 * MAX_BYTES
"""Of a whole request; a single file of more than `MAX_BYTES` is refused as everywhere, and the others are judged."""

REQUESTS_AT_ONCE: Final = 16
"""Requests that are read and judged at a time, so that their files fit into memory; the others wait, first come, first served."""

_MOST_FIELDS: Final = 16  # that hold no file, and are not read


@asynccontextmanager
async def uploaded_files(request: Request) -> AsyncIterator[list[UploadFile]]:
    """The files of a request's form, in their order, whatever their fields are called, open within the block.

    Raises:
        ProblemError: where there is no form, no file in it, or more than the limits allow.
    """
    form = await _read_form(request)
    try:
        yield _files_of(form)
    finally:
        await form.close()


async def _read_form(request: Request) -> FormData:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise ProblemError(
            "not_multipart", f"Send the files as multipart/form-data. Received: {kind[:80] or 'no type'}."
        )
    # One more than is taken, so that too many can be told from a broken body.
    parser = _MemoryParser(request.headers, _limited(request), max_files=MOST_FILES + 1, max_fields=_MOST_FIELDS)
    try:
        return await parser.parse()
    except _TooLargeError as error:
        raise ProblemError("request_too_large", error.message) from error
    except MultiPartException as error:
        if "many files" in error.message:
            raise _too_many_files() from error
        raise ProblemError("broken_multipart", f"The body cannot be read: {error.message}") from error


def _files_of(form: FormData) -> list[UploadFile]:
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    if not files:
        raise ProblemError(
            "no_files", "Send one file or more, each as a part with a file name: curl -F files=@film.png"
        )
    if len(files) > MOST_FILES:
        raise _too_many_files()
    return files


class _MemoryParser(MultiPartParser):
    """Keeps whole files in memory: films are never written to disk, not even for a moment."""

    spool_max_size = MOST_BYTES + 1


class _TooLargeError(MultiPartException):
    """The parser closes what it has of a form when it sees one of its own errors, and only then."""


async def _limited(request: Request) -> AsyncIterator[bytes]:
    received = 0
    try:
        async for chunk in request.stream():
            received += len(chunk)
            if received > MOST_BYTES:
                raise _TooLargeError(
                    f"A request may have {MOST_BYTES // 2**20} MB. Send the files in several requests."
                )
            yield chunk
    except ClientDisconnect as error:
        raise MultiPartException("The client went away.") from error


def _too_many_files() -> ProblemError:
    return ProblemError("too_many_files", f"A request may have {MOST_FILES} files. Send them in several requests.")
