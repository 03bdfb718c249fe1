"""Films where all machines can read them: a path that each of them sees, or a URI of object storage.

A URI is one that Apache Arrow knows: `s3://bucket/films`, `gs://bucket/films`, `hdfs://host/films`. Who may read is settled by
the environment of each machine, as with the tools of these services.
"""

from pathlib import Path

import pyarrow as pa
from pyarrow import fs

from models.films.radiograph import MAX_BYTES, Radiograph, read_radiograph
from models.films.refusal import Refusal, RefusedError, attempt


def is_uri(source: str) -> bool:
    return "://" in source


def list_uri(uri: str) -> list[str]:
    """The file at a URI, or all below it in order, without hidden names.

    Raises:
        ValueError: where there is nothing, or nothing can be asked for.
    """
    try:
        system, path = fs.FileSystem.from_uri(uri)
        if system.get_file_info(path).type == fs.FileType.File:
            return [uri]
        infos = system.get_file_info(fs.FileSelector(path, recursive=True))
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"Films must lie where they can be listed. Received: {uri}, {error}") from error
    below = [info.path for info in infos if info.type == fs.FileType.File]
    start = uri[: -len(path.lstrip("/"))] if path.strip("/") else uri
    return [start + one.lstrip("/") for one in sorted(below) if not _hidden(one.removeprefix(path))]


def read_source(source: str) -> Radiograph | Refusal:
    """Read and decode a film at a path or a URI; or why it cannot be judged."""
    if is_uri(source):
        return attempt(lambda: read_radiograph(_read_uri(source)))
    return attempt(lambda: read_radiograph(Path(source)))


def _read_uri(uri: str) -> bytes:
    try:
        system, path = fs.FileSystem.from_uri(uri)
        with system.open_input_stream(path) as stream:
            return bytes(stream.read(MAX_BYTES + 1))
    except (OSError, pa.ArrowException) as error:
        raise RefusedError(
            "not_found", "No readable file is at this place. Check its name and that the workers may read it."
        ) from error


def _hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))
