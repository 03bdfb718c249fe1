"""How it stands with a batch, in words."""

from app.batch.job import Status


def seconds_left(status: Status, done: int, total: int, now: float) -> float | None:
    """How long what is left takes at the pace since the batch was begun or went on; None before anything can be told."""
    judged, spent = done - status.done_before, now - status.since
    if judged <= 0 or spent <= 0:  # the clock may have been set back
        return None
    return spent / judged * (total - done)


def time_left_sentence(seconds: float | None) -> str:
    """The time that is left, in words, rounded up."""
    if seconds is None:
        return "How long it takes cannot be told yet."
    if seconds < 60:
        return "Less than a minute is left."
    minutes = int(seconds // 60) + 1
    if minutes < 90:
        return f"About {minutes} minutes are left."
    return f"About {round(minutes / 60)} hours are left."


def standing_sentence(status: Status, done: int, total: int, *, active: bool) -> str:
    """What became of a batch that nobody is judging now, or of one that waits."""
    if active:
        return "The batch waits for its turn, or for the model."
    if done == total and status.state == "done":
        return f"All {total} files are judged."
    sentences = {
        "cancelled": f"Cancelled. {done} of {total} files are judged.",
        "stopped": f"Stopped. {done} of {total} files are judged, and nothing of them is lost.",
    }
    interrupted = (
        f"The server ended while this batch was judged. {done} of {total} files are, and nothing of them is lost."
    )
    return sentences.get(status.state, interrupted)
