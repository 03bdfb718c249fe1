"""The API as an OpenAPI 3.1 document; `/api/docs` is made from it, and a test holds the answers against it."""

from typing import Any, Final

from app.api.problems import MEDIA_TYPE, PROBLEMS
from app.api.uploads import MOST_BYTES, MOST_FILES
from app.words.wording import NOTICE
from models.films.refusal import REFUSAL_CODES

PREDICT: Final = "/api/v1/predict"
MODEL: Final = "/api/v1/model"
HEALTH: Final = "/api/v1/health"
METRICS: Final = "/metrics"
DOCUMENT: Final = "/api/openapi.json"
DOCS: Final = "/api/docs"

PUBLIC_PATHS: Final = (DOCUMENT, DOCS)
"""Where tokens are configured, these are read without one: they say nothing of any film."""

PATHS: Final = (PREDICT, MODEL, HEALTH, METRICS, *PUBLIC_PATHS)

Schema = dict[str, Any]

_ALWAYS: Final = ("token_required", "loopback_only", "foreign_origin", "too_many_requests", "internal_error")
_UPLOADS: Final = (
    "broken_multipart",
    "request_too_large",
    "too_many_files",
    "not_multipart",
    "bad_parameter",
    "no_files",
    "model_unavailable",
    "audit_unwritable",
    "audit_broken",
)
_TEXT: Final[Schema] = {"type": "string"}
_NUMBER: Final[Schema] = {"type": "number"}
_SHARE: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}
_DIGEST: Final[Schema] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}


def document() -> Schema:
    """The document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "PneumoLens",
            "version": "1",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": f"Judges chest radiographs as the page does, with the same model. {NOTICE}.",
        },
        "security": [{"token": []}, {}],
        "paths": {
            PREDICT: {"post": _predict()},
            MODEL: {"get": _get("The bundle that is served, its operating points, and the limits.", "Model", MODEL)},
            HEALTH: {"get": _get("Judges a picture of its own; 503 where it cannot.", "Health", HEALTH)},
            METRICS: {"get": _get("Counts for Prometheus.", None, METRICS)},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": _LET_IN}},
            "schemas": _schemas(),
        },
    }


_LET_IN: Final = (
    "Made by `python -m app token NAME`. Where none is configured, this machine alone is answered, without one."
)


def _predict() -> Schema:
    files = {"type": "array", "items": {"type": "string", "format": "binary"}, "minItems": 1, "maxItems": MOST_FILES}
    form = {"type": "object", "required": ["files"], "properties": {"files": files}}
    return {
        "operationId": "predict",
        "summary": f"Judges 1 to {MOST_FILES} files, {MOST_BYTES // 2**20} MB together: JPEG, PNG, TIFF, BMP, WebP or DICOM.",
        "description": "A file that is not one chest radiograph has a refusal; the others are judged.",
        "parameters": [
            {
                "name": "heatmap",
                "in": "query",
                "schema": {"type": "string", "enum": ["png"]},
                "description": "Adds each film with its heatmap, a PNG in base64.",
            }
        ],
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": form}}},
        "responses": {"200": _json("One answer for each file, in their order.", "Answers"), **_problems(*_UPLOADS)},
    }


def _get(summary: str, schema: str | None, path: str) -> Schema:
    plain = {"description": "Prometheus' text format", "content": {"text/plain": {"schema": _TEXT}}}
    return {
        "operationId": path.rpartition("/")[2],
        "summary": summary,
        "responses": {
            "200": _json(summary, schema) if schema else plain,
            **_problems(*(["model_unavailable"] if schema else [])),
        },
    }


def _json(description: str, schema: str) -> Schema:
    return {"description": description, "content": {"application/json": {"schema": _ref(schema)}}}


def _problems(*codes: str) -> Schema:
    """The responses of problems, by status, with their codes."""
    by_status: dict[str, list[str]] = {}
    for code in sorted((*_ALWAYS, *codes), key=lambda code: PROBLEMS[code]):
        by_status.setdefault(str(PROBLEMS[code][0]), []).append(code)
    return {
        status: {"description": ", ".join(names), "content": {MEDIA_TYPE: {"schema": _ref("Problem")}}}
        for status, names in by_status.items()
    }


def _schemas() -> Schema:
    bundle = _object(name=_TEXT, sha256=_DIGEST)
    engine = _object(name=_TEXT, precision=_TEXT)
    served = {"bundle": bundle, "engine": engine, "notice": _TEXT}
    warning = {**_maybe(_TEXT), "description": "Why the current bundle is not the one that answers; null where it is."}
    return {
        "Answers": _object(**served, files=_list(_ref("File"))),
        "File": _object(
            file={**_TEXT, "description": "The name as it was sent."},
            sha256=_DIGEST,
            refusal=_maybe(_ref("Said")),
            prediction=_maybe(_ref("Prediction")),
        ),
        "Prediction": _prediction(),
        "Said": _object(code={"type": "string", "enum": list(REFUSAL_CODES)}, message=_TEXT),
        "Model": _model(served),
        "Health": _object(status={"const": "ok"}, **served, device=_device(), seconds=_NUMBER, warning=warning),
        "Problem": _object(
            type=_TEXT,
            title=_TEXT,
            status={"type": "integer"},
            detail=_TEXT,
            code={"type": "string", "enum": list(PROBLEMS)},
        ),
    }


def _device() -> Schema:
    differences = {"type": "object", "additionalProperties": _NUMBER}
    differences["description"] = "From NumPy, of operations that were tried on a GPU, relative to the largest value."
    return _object(
        kind={"type": "string", "enum": ["GPU", "CPU"]},
        name=_TEXT,
        count={"type": "integer"},
        driver={**_maybe(_TEXT), "description": "The newest version of CUDA that it speaks."},
        compute_capability=_maybe(_TEXT),
        differences=differences,
        trouble={**_maybe(_TEXT), "description": "Why a GPU that is there does not compute."},
    )


def _prediction() -> Schema:
    box = _object(top=_SHARE, left=_SHARE, bottom=_SHARE, right=_SHARE)
    box["description"] = "The lungs with a margin of a twentieth, in fractions of the film: what was judged."
    return _object(
        verdict={**_maybe(_TEXT), "description": "A label or indeterminate; null where a finding withholds it."},
        probabilities={"type": "object", "additionalProperties": _SHARE},
        positive=_maybe(_TEXT),
        interval=_maybe({"type": "array", "items": _SHARE, "minItems": 2, "maxItems": 2}),
        prevalence=_maybe(_SHARE),
        distance={**_maybe(_NUMBER), "description": "From the training films; 1 for a typical one."},
        finding=_maybe(_ref("Said")),
        notes=_list(_ref("Said")),
        lung_box=_maybe(box),
        heatmap=_maybe({"type": "string", "contentEncoding": "base64", "contentMediaType": "image/png"}),
    )


def _model(served: Schema) -> Schema:
    estimate = _object(value=_SHARE, low=_SHARE, high=_SHARE)
    point = _object(name=_TEXT, threshold=_SHARE, sensitivity=estimate, specificity=estimate, promise=_maybe(_SHARE))
    whole = {"type": "integer"}
    return _object(
        **served,
        labels=_list(_TEXT),
        positive=_maybe(_TEXT),
        operating_points=_list(point),
        field={"type": "string", "enum": ["film", "lungs"]},
        backbone=_TEXT,
        population=_TEXT,
        created=_TEXT,
        limits=_object(files=whole, bytes=whole, bytes_of_a_file=whole, files_per_minute=whole),
    )


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _maybe(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}
