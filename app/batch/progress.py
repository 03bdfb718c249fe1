"""How it stands with a batch, in words."""

from typing import Final

from app.batch.job import Status
from app.words.language import N_, _

_STANDING: Final = {
    "cancelled": N_("Cancelled. {done} of {total} files are judged."),
    "stopped": N_("Stopped. {done} of {total} files are judged, and nothing of them is lost."),
}
_INTERRUPTED: Final = N_(
    "The server ended while this batch was judged. {done} of {total} files are, and nothing of them is lost."
)


def seconds_left(status: Status, done: int, total: int, now: float) -> float | None:
    """How long what is left takes at the pace since the batch was begun or went on; None before anything can be told."""
    judged, spent = done - status.done_before, now - status.since
    if judged <= 0 or spent <= 0:  # the clock may have been set back
        return None
    return spent / judged * (total - done)


def time_left_sentence(seconds: float | None) -> str:
    """The time that is left, in words, rounded up."""
    if seconds is None:
        return _("How long it takes cannot be told yet.")
    if seconds < 60:
        return _("Less than a minute is left.")
    minutes = int(seconds // 60) + 1
    if minutes < 90:
        return _("About {count} minutes are left.", count=minutes)
    return _("About {count} hours are left.", count=round(minutes / 60))


def standing_sentence(status: Status, done: int, total: int, *, active: bool) -> str:
    """What became of a batch that nobody is judging now, or of one that waits."""
    if active:
        return _("The batch waits for its turn, or for the model.")
    if done == total and status.state == "done":
        return _("All {total} files are judged.", total=total)
    return _(_STANDING.get(status.state, _INTERRUPTED), done=done, total=total)
