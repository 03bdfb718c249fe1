"""The OpenAPI document as one page for people: nothing is fetched from elsewhere, so it reads without a network."""

import json
from html import escape
from typing import Any, Final

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "h2{margin-top:2.5rem}td{padding:.25rem 1rem .25rem 0;vertical-align:top}pre{overflow-x:auto;padding:1rem;"
    "border:1px solid #8884;border-radius:.5rem}"
)
_EXAMPLE: Final = """curl -F files=@film.png -F files=@film.dcm 'http://127.0.0.1:8501/api/v1/predict?heatmap=png'
curl -H 'Authorization: Bearer TOKEN' -F files=@film.png https://pneumolens.example/api/v1/predict"""


def docs_page(document: dict[str, Any]) -> str:
    """The page, HTML."""
    info = document["info"]
    parts = [
        f"<h1>{escape(info['title'])}: HTTP API</h1><p>{escape(info['description'])}</p><pre>{escape(_EXAMPLE)}</pre>"
    ]
    parts.append(f"<p>{escape(document['components']['securitySchemes']['token']['description'])}</p>")
    for path, methods in document["paths"].items():
        parts += [_operation(path, method, operation) for method, operation in methods.items()]
    parts.append("<h2>What comes back</h2>")
    for name, schema in document["components"]["schemas"].items():
        parts.append(
            f"<details><summary>{escape(name)}</summary><pre>{escape(json.dumps(schema, indent=2))}</pre></details>"
        )
    parts.append('<p><a href="openapi.json">OpenAPI document</a></p>')
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>PneumoLens: HTTP API</title><style>{_STYLE}</style>{''.join(parts)}</html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<p><code>?{escape(one['name'])}={escape('|'.join(one['schema']['enum']))}</code> {escape(one['description'])}</p>"
        for one in operation.get("parameters", ())
    )
    rows = "".join(
        f"<tr><td>{status}</td><td>{escape(answer['description'])}</td></tr>"
        for status, answer in operation["responses"].items()
    )
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation['summary'])} "
        f"{escape(operation.get('description', ''))}</p>{parameters}<table>{rows}</table>"
    )
