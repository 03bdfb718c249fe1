"""What was the current bundle from when to when, as the lines of the history and `CURRENT` tell together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from models.registry.history import BundleRef, Change, read_changes
from models.system.sentence import Sentence


@dataclass(frozen=True)
class Period:
    """A time in which one bundle was the current one.

    Attributes:
        bundle: the bundle, by name and digest.
        since: ISO 8601, UTC; None where that is not recorded.
        until: the same; None where that is not recorded, or it is still the current one.
        current: whether it is.
        change: how it came to that; None where that is not recorded.
    """

    bundle: BundleRef
    since: str | None
    until: str | None = None
    current: bool = False
    change: Change | None = None


@dataclass(frozen=True)
class History:
    """What has served.

    Attributes:
        periods: the oldest first.
        notes: sentences on what is wrong with the record, or is not in it.
    """

    periods: tuple[Period, ...]
    notes: tuple[Sentence, ...]

    @property
    def before(self) -> BundleRef | None:
        """What a roll-back goes back to: what was there before the last promotion that has not been rolled back."""
        stack: list[BundleRef] = []
        for period in self.periods:
            if period.change and period.change.event == "rolled back" and period.bundle in stack:
                while stack[-1] != period.bundle:
                    stack.pop()
            else:
                stack.append(period.bundle)
        return stack[-2] if len(stack) > 1 else None


def read_history() -> History:
    """Read what has served, from the file and `CURRENT`; an OSError where they cannot be read."""
    changes, faults, current = read_changes()
    return combine(changes, faults, current)


def combine(changes: Sequence[Change], faults: Sequence[Sentence], current: BundleRef | None) -> History:
    """Lay the lines of the history and the bundle that is the current one now over each other."""
    periods: list[Period] = []
    notes = list(faults)
    for change in changes:
        notes += _observe(periods, change.before)
        if periods and periods[-1].bundle == change.before:
            periods[-1] = replace(periods[-1], until=change.time)
        periods.append(Period(change.bundle, change.time, change=change))
    notes += _observe(periods, current)
    if periods and periods[-1].bundle == current:
        periods[-1] = replace(periods[-1], current=True)
    return History(tuple(periods), tuple(notes))


def _observe(periods: list[Period], found: BundleRef | None) -> list[Sentence]:
    """Bring `periods` in line with what was found to be the current bundle; returns what is to be said of it."""
    if found is None or (periods and periods[-1].bundle == found):
        return []
    if len(periods) > 1 and periods[-1].change and periods[-2].bundle == found:
        undone = periods.pop()
        periods[-1] = replace(periods[-1], until=None)
        return [
            Sentence(
                "{bundle}, {when}, did not take effect: it was interrupted, or CURRENT was set back.",
                bundle=undone.bundle.name,
                when=_when(undone),
            )
        ]
    said = []
    if periods:
        said = [
            Sentence(
                "{bundle} came after {before} by other means: by hand, or its files were replaced.",
                bundle=found.name,
                before=periods[-1].bundle.name,
            )
        ]
    periods.append(Period(found, None))
    return said


def _when(period: Period) -> Sentence:
    if period.change is None:
        return Sentence("not recorded")
    return Sentence("{event} {time}", event=Sentence(period.change.event), time=period.since)
