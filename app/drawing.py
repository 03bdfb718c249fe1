"""Results as HTML. Every text is escaped here: file names, and even labels, are written by others."""

from base64 import b64encode
from collections.abc import Iterable
from html import escape

from app.wording import NOTICE, percent, verdict_sentence
from models.prediction import OperatingPoint, Prediction
from models.refusal import Refusal


def notice() -> str:
    """The strip that stays in sight on every page."""
    return f'<div class="pl-notice" role="note">{escape(NOTICE)}</div>'


def brand(icon: str) -> str:
    """The product's name with its icon, an SVG of ours."""
    address = data_address(icon.encode(), "image/svg+xml")
    return f'<div class="pl-brand"><img src="{address}" alt="" width="32" height="32">PneumoLens</div>'


def data_address(content: bytes, kind: str) -> str:
    """A picture as an address that holds it: it cannot be gone by the time a slow browser asks for it."""
    return f"data:{kind};base64,{b64encode(content).decode()}"


def file_name(name: str) -> str:
    """A file's name as the heading of its card."""
    return f'<h3 class="pl-file" dir="auto">{escape(name)}</h3>'


def reading(prediction: Prediction, points: Iterable[OperatingPoint]) -> str:
    """Verdict, probability and bars of one prediction; `points` are all operating points of its bundle."""
    reached = prediction.positive is not None and prediction.verdict == prediction.positive
    verdict = f'<p class="pl-verdict{" pl-reached" if reached else ""}">{escape(verdict_sentence(prediction))}</p>'
    if prediction.finding:
        code = f'<span class="pl-small">Code: <code>{escape(prediction.finding.code)}</code></span>'
        verdict += f"<p>{escape(prediction.finding.sentence)}<br>{code}</p>"
    if prediction.positive is None:
        return verdict + "".join(_class_bar(prediction, label) for label in prediction.labels)
    probability = prediction.probability(prediction.positive)
    return (
        f'<p class="pl-probability"><strong>{escape(percent(probability))}</strong> '
        f"probability of {escape(prediction.positive)}</p>"
        f"{_point_bar(prediction, probability, points)}{verdict}"
    )


def refusal(name: str, refused: Refusal) -> str:
    """The card of a file that was not judged."""
    return (
        f'<div class="pl-refusal">{file_name(name)}<p><strong>Not judged.</strong> {escape(refused.sentence)}</p>'
        f'<p class="pl-small">Code: <code>{escape(refused.code)}</code></p></div>'
    )


def definitions(rows: Iterable[tuple[str, str]]) -> str:
    """Names and values, side by side."""
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in rows)
    return f'<dl class="pl-facts">{cells}</dl>'


def counts(numbers: Iterable[tuple[str, int]]) -> str:
    """How many files came to which verdict."""
    cells = "".join(f"<li><strong>{number}</strong> {escape(name)}</li>" for name, number in numbers)
    return f'<ul class="pl-counts">{cells}</ul>'


def model_status(text: str, *, ready: bool) -> str:
    """One line that says whether the model is there; its place is kept."""
    return f'<p class="pl-status{" pl-ready" if ready else ""}" role="status">{escape(text)}</p>'


def film_frame(key: str, width: int, height: int) -> str:
    """A style that keeps the place of a film before it has come. `key` is one of ours."""
    return f"<style>.st-key-{key} img {{ aspect-ratio: {width} / {height}; width: 100%; }}</style>"


def _point_bar(prediction: Prediction, probability: float, points: Iterable[OperatingPoint]) -> str:
    current = prediction.operating_point
    others = "".join(
        f'<i class="pl-tick" style="left:{100 * point.threshold:.2f}%" title="{escape(point.name)}"></i>'
        for point in points
        if current is not None and point.name != current.name
    )
    mark = ""
    if current is not None:
        place = 100 * current.threshold
        side = "left" if place <= 50 else "right"
        text = f"{current.name} {percent(current.threshold)}"
        mark = (
            f'<i class="pl-mark" style="left:{place:.2f}%"></i>'
            f'<span class="pl-mark-name pl-{side}" style="{side}:{place if side == "left" else 100 - place:.2f}%">'
            f"{escape(text)}</span>"
        )
    return (
        f'<div class="pl-bar pl-marked" role="img" aria-label="{escape(_bar_text(prediction, probability))}">'
        f'<div class="pl-track"><b style="width:{100 * probability:.2f}%"></b></div>{others}{mark}</div>'
    )


def _bar_text(prediction: Prediction, probability: float) -> str:
    point = prediction.operating_point
    where = f"; operating point {point.name} at {percent(point.threshold)}" if point else ""
    return f"Probability {percent(probability)}{where}"


def _class_bar(prediction: Prediction, label: str) -> str:
    probability = prediction.probability(label)
    likeliest = " pl-likeliest" if label == prediction.verdict else ""
    return (
        f'<div class="pl-class{likeliest}"><span>{escape(label)}</span><span>{escape(percent(probability))}</span>'
        f'<div class="pl-bar"><div class="pl-track"><b style="width:{100 * probability:.2f}%"></b></div></div></div>'
    )
