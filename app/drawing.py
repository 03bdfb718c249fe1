"""Results as HTML. Every text is escaped here: file names, and even labels, are written by others."""

import json
from base64 import b64encode
from collections.abc import Iterable
from html import escape

from app.words.language import _
from app.words.wording import NOTICE, WHAT_WAS_SHOWN, interval_sentence, percent, verdict_sentence, zone_sentence
from models.films.refusal import Refusal
from models.prediction import INDETERMINATE, Prediction


def notice() -> str:
    """The strip that stays in sight on every page."""
    return f'<div class="pl-notice" role="note">{escape(_(NOTICE))}</div>'


def drop_zone_words() -> str:
    """A style that puts our own words into the drop zone; the catalogue's, and nobody else's."""
    words = json.dumps(_("Drop films here, or"), ensure_ascii=False)
    return f'<style>[data-testid="stFileUploaderDropzone"]::before {{ content: {words}; font-weight: 600; }}</style>'


def brand(icon: str) -> str:
    """The product's name with its icon, an SVG of ours."""
    address = data_address(icon.encode(), "image/svg+xml")
    return f'<div class="pl-brand"><img src="{address}" alt="" width="32" height="32">PneumoLens</div>'


def data_address(content: bytes, kind: str) -> str:
    """A picture as an address that holds it: it cannot be gone by the time a slow browser asks for it."""
    return f"data:{kind};base64,{b64encode(content).decode()}"


def file_name(name: str, remark: str = "") -> str:
    """A file's name as the heading of its card, and what was done to it under that."""
    under = f'<p class="pl-remark">{escape(remark)}</p>' if remark else ""
    return f'<h3 class="pl-file" dir="auto">{escape(name)}</h3>{under}'


def reading(prediction: Prediction) -> str:
    """Verdict, probability and bars of one prediction."""
    kinds = {prediction.positive: " pl-reached", INDETERMINATE: " pl-doubtful"} if prediction.positive else {}
    kind = kinds.get(prediction.verdict, "")
    verdict = f'<p class="pl-verdict{kind}">{escape(verdict_sentence(prediction))}</p>'
    if prediction.finding:
        verdict += _said(prediction.finding)
    for note in prediction.notes:
        verdict += f'<div class="pl-note" role="note"><strong>{escape(_("Note"))}</strong>{_said(note)}</div>'
    if prediction.positive is None:
        return verdict + "".join(_class_bar(prediction, label) for label in prediction.labels)
    probability = prediction.probability(prediction.positive)
    of_what = escape(_("probability of {label}", label=prediction.positive))
    return (
        f'<p class="pl-probability"><strong>{escape(percent(probability))}</strong> {of_what}</p>'
        f"{_zone_bar(prediction, probability)}{verdict}"
    )


def refusal(name: str, refused: Refusal) -> str:
    """The card of a file that was not judged."""
    return (
        f'<div class="pl-refusal">{file_name(name)}<p><strong>{escape(_("Not judged."))}</strong> '
        f'{escape(_(refused.sentence))}</p><p class="pl-small">{_code(refused)}</p></div>'
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
    """A style that keeps the place of a film before it has come, no higher than films are. `key` is one of ours."""
    size = f"aspect-ratio: {width} / {height}; width: min(100%, var(--pl-film) * {width / height:.4f})"
    return f"<style>.st-key-{key} img {{ {size} !important; }}</style>"


def similar_films(films: Iterable[tuple[str, str, bytes]]) -> str:
    """Name, class and picture of the synthetic films that a film looks most like."""
    figures = "".join(
        f'<figure><img src="{data_address(jpeg, "image/jpeg")}" alt="{escape(_("Synthetic film {name}", name=name))}">'
        f"<figcaption>{escape(label)}</figcaption></figure>"
        for name, label, jpeg in films
    )
    return f'<section class="pl-similar"><h4>{escape(_("Most similar synthetic films"))}</h4><div>{figures}</div></section>'


def shown_field(png: bytes, attention: str) -> str:
    """What the model was shown of a film, and how much of its attention lies within the lungs."""
    said = f'<span class="pl-attention">{escape(attention)}</span>' if attention else ""
    alt = escape(_("The part of the film that was judged"))
    return (
        f'<figure class="pl-shown"><img src="{data_address(png, "image/png")}" alt="{alt}">'
        f"<figcaption><strong>{escape(_(WHAT_WAS_SHOWN))}</strong>{said}</figcaption></figure>"
    )


def preview(jpeg: bytes, what: str) -> str:
    """A film as it would be judged, small, with what was done to it."""
    alt = escape(_("Preview of the film: {what}", what=what))
    return (
        f'<figure class="pl-preview"><img src="{data_address(jpeg, "image/jpeg")}" alt="{alt}">'
        f"<figcaption>{escape(what)}</figcaption></figure>"
    )


def _said(reason: Refusal) -> str:
    """A sentence with its code."""
    return f'<p>{escape(_(reason.sentence))}<br><span class="pl-small">{_code(reason)}</span></p>'


def _code(reason: Refusal) -> str:
    """The stable code, the same in every language."""
    return f"{escape(_('Code:'))} <code>{escape(reason.code)}</code>"


def _zone_bar(prediction: Prediction, probability: float) -> str:
    low, high = (100 * point.threshold for point in (prediction.deciding_points[0], prediction.deciding_points[-1]))
    zone = f'<i class="pl-zone" style="left:{low:.2f}%;width:{high - low:.2f}%"></i>'
    marks = "".join(f'<i class="pl-mark" style="left:{place:.2f}%"></i>' for place in sorted({low, high}))
    between, words = "", zone_sentence(prediction.deciding_points)
    if interval := interval_sentence(prediction):
        start, end = (100 * place for place in prediction.interval or (0, 1))
        between = f'<i class="pl-interval" style="left:min({start:.2f}%, 100% - 4px);width:{end - start:.2f}%"></i>'
        interval = _("95 % interval of the calibration: {interval}", interval=interval)
    label = _("Probability {share}. {zone}", share=percent(probability), zone=words)
    return (
        f'<div class="pl-bar pl-marked" role="img" aria-label="{escape(label)}">'
        f'<div class="pl-track"><b style="width:{100 * probability:.2f}%"></b>{zone}</div>{between}{marks}</div>'
        f'<p class="pl-small">{escape(interval)}</p><p class="pl-small"><i class="pl-key"></i>{escape(words)}</p>'
    )


def _class_bar(prediction: Prediction, label: str) -> str:
    probability = prediction.probability(label)
    likeliest = " pl-likeliest" if label == prediction.verdict else ""
    return (
        f'<div class="pl-class{likeliest}"><span>{escape(label)}</span><span>{escape(percent(probability))}</span>'
        f'<div class="pl-bar"><div class="pl-track"><b style="width:{100 * probability:.2f}%"></b></div></div></div>'
    )
