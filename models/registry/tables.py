"""The registry's answers as rows, for a terminal or a page; plain text, for whoever draws it to escape."""

from collections.abc import Sequence

from models.registry.comparison import Comparison, Pair
from models.registry.listing import ListedBundle, estimate, out_of_fold_auroc
from models.registry.served import Period

_SHORT = 12  # hexadecimal digits: enough to tell bundles apart
_NOT_RECORDED = "not recorded"

Row = dict[str, str]


def short_digest(sha256: str | None) -> str:
    """The first digits of a digest."""
    return sha256[:_SHORT] if sha256 else "none"


def bundle_row(listed: ListedBundle) -> Row:
    """A bundle that is there."""
    row = {"bundle": listed.name, "current": "current" if listed.current else ""}
    if listed.bundle is None:
        return {**row, "SHA-256": "damaged"}
    spec = listed.bundle.spec
    return {
        **row,
        "SHA-256": short_digest(listed.bundle.sha256),
        "created": spec.created,
        "labels": ", ".join(spec.labels),
        "backbone": spec.backbone.id,
        "field": spec.field,
        "AUROC out of fold (95 % interval)": out_of_fold_auroc(spec.metrics),
    }


def period_row(period: Period) -> Row:
    """A time in which one bundle was the current one."""
    change = period.change
    return {
        "bundle": period.bundle.name,
        "SHA-256": short_digest(period.bundle.sha256),
        "from (UTC)": _time(period.since),
        "to (UTC)": "now" if period.current else _time(period.until),
        "how": change.event if change else _NOT_RECORDED,
        "by": change.by if change else "",
        "reason": change.reason if change else "",
    }


def difference_rows(comparison: Comparison, names: tuple[str, str]) -> list[Row]:
    """What two bundles state differently."""
    return [_pair_row("differs", key, pair, names) for key, pair in comparison.differences.items()]


def metric_rows(comparison: Comparison, names: tuple[str, str]) -> list[Row]:
    """What two bundles were measured to do on patients that no head had seen."""
    return [
        {"out of fold (95 % interval)": key, **_columns(names, [estimate(value) for value in pair])}
        for key, pair in comparison.metrics.items()
    ]


def _pair_row(title: str, key: str, pair: Pair, names: tuple[str, str]) -> Row:
    is_estimate = key.rpartition(".")[2] in ("sensitivity", "specificity")
    return {title: key, **_columns(names, [estimate(one) if is_estimate and one else _plain(one) for one in pair])}


def _columns(names: tuple[str, str], values: Sequence[str]) -> Row:
    """Two columns with headings that differ even for two copies of one name."""
    return {f"A: {names[0]}": values[0], f"B: {names[1]}": values[1]}


def _plain(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(_plain(one) for one in value)
    return str(value)


def _time(time: str | None) -> str:
    return time.removesuffix("+00:00").replace("T", " ") if time else _NOT_RECORDED
