"""What Prometheus asks for: requests, how long they took, outcomes, refusals by code. No name of a file, no address."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from models.films.refusal import REFUSAL_CODES, Refusal
from models.prediction import Prediction
from models.predictor import Predictor

SECONDS: Final = (0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Upper ends of the histogram's bins."""


class Metrics:
    """The counts of one server since it started."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "pneumolens_requests", "Requests to the API", ("path", "method", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "pneumolens_request_seconds",
            "From request to response",
            ("path",),
            buckets=SECONDS,
            registry=self._registry,
        )
        self._films = Counter(
            "pneumolens_films", "Films that were judged, by verdict", ("verdict",), registry=self._registry
        )
        self._refusals = Counter(
            "pneumolens_refusals", "Files that were refused, by code", ("code",), registry=self._registry
        )
        self._model = Gauge(
            "pneumolens_model_info",
            "1 for the model that is served",
            ("bundle", "sha256", "engine"),
            registry=self._registry,
        )
        for code in REFUSAL_CODES:
            self._refusals.labels(code)

    def count_request(self, path: str, method: str, status: int, seconds: float) -> None:
        """Count a request to one of the API's paths."""
        self._requests.labels(path, method, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def count_file(self, outcome: Prediction | Refusal) -> None:
        """Count what came of one file."""
        if isinstance(outcome, Refusal):
            self._refusals.labels(outcome.code).inc()
        else:
            self._films.labels(outcome.verdict or "withheld").inc()

    def show_model(self, predictor: Predictor) -> None:
        """Say which model is served, and no other."""
        self._model.clear()
        self._model.labels(predictor.bundle.spec.name, predictor.bundle.sha256, predictor.engine.name).set(1)

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
