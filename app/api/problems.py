"""Why a request was not answered: RFC 9457 problem details, each with a stable code. (Why a file was not judged is a refusal.)"""

from collections.abc import Mapping
from typing import Final

from starlette.responses import JSONResponse

MEDIA_TYPE: Final = "application/problem+json"

# The whole vocabulary: code → HTTP status and title. A code never changes its meaning.
PROBLEMS: Final = {
    "broken_multipart": (400, "The body is not whole multipart/form-data"),
    "token_required": (401, "A token is required"),
    "loopback_only": (403, "Only this machine is answered"),
    "foreign_origin": (403, "Another site's page is not answered"),
    "no_such_path": (404, "There is nothing at this path"),
    "method_not_allowed": (405, "The path does not know this method"),
    "request_too_large": (413, "The request has too many bytes"),
    "not_multipart": (415, "The body must be multipart/form-data"),
    "bad_parameter": (422, "A parameter cannot be followed"),
    "no_files": (422, "The request holds no file"),
    "too_many_files": (422, "The request has too many files"),
    "too_many_requests": (429, "Too many films in too short a time"),
    "internal_error": (500, "Something went wrong within PneumoLens"),
    "model_unavailable": (503, "The model cannot judge"),
    "audit_unwritable": (503, "The audit log cannot be written"),
    "audit_broken": (503, "The audit log is not as it was left"),
}


class ProblemError(Exception):
    """Raised where a request cannot be answered.

    Attributes:
        code: one of `PROBLEMS`.
        detail: what is wrong with this request and what to do, for a person.
        headers: that the response must carry.
    """

    def __init__(self, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        if code not in PROBLEMS:
            raise ValueError(f"A problem's code must be one of {', '.join(PROBLEMS)}. Received: {code!r}")
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.headers = headers


def problem_response(problem: ProblemError) -> JSONResponse:
    """The response that tells a problem."""
    status, title = PROBLEMS[problem.code]
    content = {
        "type": f"urn:pneumolens:problem:{problem.code}",
        "title": title,
        "status": status,
        "detail": problem.detail,
        "code": problem.code,
    }
    return JSONResponse(content, status, problem.headers, MEDIA_TYPE)
