"""How films come into a batch: handed in, packed in a ZIP archive, or lying in a folder of the server."""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from app.batch.job import Job
from app.batch.places import films_below
from app.server_folders import FOLDER_CODES
from models.system.sentence import Sentence


def job_of_uploads(spool: Path, user: str, uploads: Iterable[tuple[str, IO[bytes]]]) -> Job:
    """A batch of files that were handed in, by name; those whose name ends in .zip are archives.

    Raises:
        OSError, sqlite3.Error: where they cannot be kept; then nothing of them is.
    """
    with _whole_or_not(Job.create(spool, user=user)) as job:
        for number, (name, content) in enumerate(uploads, start=1):
            path = job.films / f"{number:06}"
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                shutil.copyfileobj(content, file)
            job.add([(name, path)], archive=name.lower().endswith(".zip"))
    return job


def job_of_folder(spool: Path, user: str, root: Path, below: str) -> Job:
    """A batch of a folder of the server, which is read where it lies.

    Args:
        root: one of `app.batch.places.allowed_folders()`.
        below: a path below it; empty: the whole of it.

    Raises:
        FolderError: where it may not be judged, or holds nothing.
        OSError, sqlite3.Error: where the batch cannot be kept.
    """
    files, left_out = films_below(root, below)
    said = Sentence(FOLDER_CODES["links_left_out"], count=left_out)
    with _whole_or_not(Job.create(spool, user=user, remarks=[("links_left_out", said)] if left_out else [])) as job:
        job.add((str(file.relative_to(root)), file) for file in files)
    return job


@contextmanager
def _whole_or_not(job: Job) -> Iterator[Job]:
    """Delete the batch where the block ends with an error."""
    whole = False
    try:
        yield job
        whole = True
    finally:
        if not whole:
            job.delete()
