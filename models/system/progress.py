"""One look for everything that takes more than two seconds in the terminal, and lines for whoever watches from elsewhere."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.status import Status

Advance = Callable[[int, int], None]
"""Called with how much is done and how much there is."""

_LINE_SECONDS: Final = 0.5


class WatchedConsole(Console):
    """A terminal that also adds a line of JSON to a file wherever it shows a bar or a status.

    `{"stage": …, "done": …, "total": …, "seconds": …}`: the last two of the stage so far and in all, or null; `seconds` since
    the stage began, by a clock that nobody sets. A disk that is full loses lines, and ends nothing.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._lines = file
        self._stage = ""
        self._began = self._told = 0.0

    def status(self, status: RenderableType, **options: Any) -> Status:
        """As usual, with a line."""
        self.tell(str(status))
        return super().status(status, **options)

    def tell(self, stage: str, done: int | None = None, total: int | None = None) -> None:
        """Add a line; of one stage not more than two in a second, but always its first and last."""
        now, first = time.monotonic(), stage != self._stage
        if first:
            self._stage, self._began = stage, now
        elif now - self._told < _LINE_SECONDS and done != total:
            return
        self._told = now
        line = {"stage": stage, "done": done, "total": total, "seconds": round(now - self._began, 3)}
        try:
            with self._lines.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(line) + "\n")
        except OSError:
            return


@contextmanager
def progress_bar(console: Console, what: str) -> Iterator[Advance]:
    """Show a bar with time spent and time left; yields the function that moves it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    tell = console.tell if isinstance(console, WatchedConsole) else None
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(what, total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)
            if tell:
                tell(what, done, total)

        if tell:
            tell(what)
        yield advance
