"""From an uploaded file to what the page shows of it; knows nothing of Streamlit."""

import hashlib
import io
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from PIL import Image

from app.words.language import N_
from models.bundle import Bundle
from models.command_line.csv_table import csv_row, write_csv
from models.films.patient_key import dicom_key
from models.films.radiograph import Radiograph, read_radiograph
from models.films.refusal import Refusal, attempt
from models.lungs.field import judged_field
from models.lungs.findings import Finding
from models.prediction import INDETERMINATE, Prediction
from models.predictor import Predictor

FILM_SIDE: Final = 1024
"""Pixels of the longer side at which a film is kept for display."""

MAX_FILES: Final = 200
"""Files that one session judges at a time; the command line has no such limit."""

KEPT_READINGS: Final = 256
"""More than MAX_FILES, so that what is on the page is never judged twice."""


@dataclass(frozen=True)
class Film:
    """A decoded radiograph, kept for display.

    Attributes:
        png: the film, no side longer than `FILM_SIDE`, losslessly encoded.
        shown: its width and height there.
        size: width and height of the radiograph in the file.
        format: of the file.
        facts: what the file said of itself.
        field: what the model was shown, a PNG picture; None where that is the whole film, or nothing was judged.
    """

    png: bytes
    shown: tuple[int, int]
    size: tuple[int, int]
    format: str
    facts: Mapping[str, str]
    field: bytes | None = None


@dataclass(frozen=True, eq=False)
class Screened:
    """What came of one file.

    Attributes:
        name: as it was uploaded; not to be trusted.
        sha256: of the file's bytes.
        outcome: the prediction or the refusal.
        bundle: what judged it; it keeps its answer where another one is served later.
        film: None where the file holds no chest film, or none that can be read.
        mended: findings of the film that were mended, in this order, before it was judged.
        content: the file's bytes, kept where its finding can be mended; None elsewhere.
        study: a digest that is equal for DICOM files of one study; None for others.
    """

    name: str
    sha256: str
    outcome: Prediction | Refusal
    bundle: Bundle
    film: Film | None = None
    mended: tuple[Finding, ...] = ()
    content: bytes | None = None
    study: str | None = None

    def judged_by(self, bundle: Bundle) -> bool:
        """Whether this very bundle judged it."""
        return self.bundle.sha256 == bundle.sha256


def screen(predictor: Predictor, name: str, content: bytes, *, mending: tuple[Finding, ...] = ()) -> Screened:
    """Decode one file, mend its findings, and judge it; what cannot be judged gives a refusal, never an error."""
    screened = attempt(lambda: _screen(predictor, name, content, mending))
    if isinstance(screened, Refusal):
        screened = Screened(name, _digest(content), screened, predictor.bundle)
    return replace(screened, study=dicom_key(content))


def _screen(predictor: Predictor, name: str, content: bytes, mending: tuple[Finding, ...]) -> Screened:
    radiograph = read_radiograph(content)
    for finding in mending:
        radiograph = replace(radiograph, pixels=finding.mended(radiograph.pixels))
    outcome = predictor.predict([radiograph], heatmaps=True)[0]
    screened = Screened(name, radiograph.sha256, outcome, predictor.bundle, mended=mending)
    if isinstance(outcome, Prediction):
        return replace(screened, film=_keep_film(radiograph, outcome, size=predictor.engine.backbone.input_size))
    if isinstance(outcome, Finding):
        return replace(screened, film=_keep_film(radiograph), content=content if outcome.mendable else None)
    return screened


def mend(predictor: Predictor, screened: Screened) -> Screened:
    """Judge a film whose finding can be mended, turned back or inverted."""
    finding = screened.outcome
    if not isinstance(finding, Finding) or screened.content is None:
        raise ValueError(f"Only a film that is turned or inverted can be mended. Received: {finding}")
    return screen(predictor, screened.name, screened.content, mending=(*screened.mended, finding))


@dataclass
class Readings:
    """The files that a session has had judged, the latest ones, by content: each bundle judges the same film once."""

    kept: int = KEPT_READINGS
    _by_content: OrderedDict[tuple[str, str], Screened] = field(default_factory=OrderedDict)

    def find(self, name: str, content: bytes, bundle: Bundle) -> Screened | None:
        """What a bundle has said of this content, under this name; None where it was not judged yet."""
        key = bundle.sha256, _digest(content)
        screened = self._by_content.get(key)
        if screened is None:
            return None
        self._by_content.move_to_end(key)
        return replace(screened, name=name)

    def keep(self, screened: Screened) -> None:
        """Remember, and forget the longest unused where there are too many."""
        key = screened.bundle.sha256, screened.sha256
        self._by_content[key] = screened
        self._by_content.move_to_end(key)
        while len(self._by_content) > self.kept:
            self._by_content.popitem(last=False)


def as_csv(results: Sequence[Screened], labels: Sequence[str], bundle: str) -> bytes:
    """The results as the CSV file that `python -m models predict --csv` writes."""
    stream = io.StringIO(newline="")
    write_csv(stream, labels, [csv_row(result.name, result.outcome, labels, bundle) for result in results])
    return stream.getvalue().encode()


def count_outcomes(results: Sequence[Screened], labels: Sequence[str]) -> dict[str, int]:
    """How many files have each verdict, in the bundle's order, and how many have none."""
    outcomes = [result.outcome for result in results]
    verdicts = Counter(outcome.verdict for outcome in outcomes if isinstance(outcome, Prediction))
    return named_counts(verdicts, sum(isinstance(outcome, Refusal) for outcome in outcomes), labels)


def named_counts(verdicts: Mapping[str | None, int], refused: int, labels: Sequence[str]) -> dict[str, int]:
    """How many films there are of each verdict, None among them, and how many refused files, with the names they go by."""
    doubtful = {INDETERMINATE: verdicts.get(INDETERMINATE, 0)} if len(labels) == 2 else {}
    given = {label: verdicts.get(label, 0) for label in labels}
    return {**given, **doubtful, N_("without verdict"): verdicts.get(None, 0), N_("refused"): refused}


def at_prevalence(result: Screened, prevalence: float | None) -> Screened:
    """The result for films of which a share is positive; None: as the model was calibrated."""
    if prevalence is None or not isinstance(result.outcome, Prediction):
        return result
    return replace(result, outcome=result.outcome.at_prevalence(prevalence))


def _keep_film(radiograph: Radiograph, prediction: Prediction | None = None, *, size: int = 0) -> Film:
    """The film for display, and of one that was judged by a part of it, this part as the backbone saw it at `size`."""
    height, width = radiograph.pixels.shape
    film = Image.fromarray(radiograph.pixels)
    film.thumbnail((FILM_SIDE, FILM_SIDE), Image.Resampling.LANCZOS)
    field = None
    if prediction is not None and prediction.field is not None:
        judged = judged_field(radiograph.pixels, prediction.field, size)
        field = _png(Image.fromarray(np.rint(judged).astype(np.uint8)))
    return Film(_png(film), film.size, (width, height), radiograph.format, radiograph.facts, field)


def _png(picture: Image.Image) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
