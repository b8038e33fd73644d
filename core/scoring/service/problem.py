"""What went wrong, in the one form of service, client and command (RFC 9457); its sentence quotes no transcript."""

from http import HTTPStatus
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from core.errors import AppError, BadInput, NotFound, ServiceError, StoreError, TranscriptError, TranscriptTooLong

MEDIA_TYPE = "application/problem+json"
KINDS = {
    400: ("unreadable", "The request can't be read"),
    401: ("token", "The token is missing or wrong"),
    403: ("origin", "The request comes from elsewhere"),
    404: ("unknown", "There is no such thing here"),
    405: ("method", "The address takes no such request"),
    413: ("too-long", "There is too much of it"),
    415: ("not-json", "The body is not JSON"),
    422: ("invalid", "The request can't be scored"),
    429: ("busy", "Too many are waiting"),
    500: ("failed", "Scoring failed"),
    503: ("unready", "The service can't score now"),
    504: ("timeout", "It took too long"),
}


class Problem(BaseModel):
    """Why there is no score; `detail` is the sentence for a person."""

    model_config = ConfigDict(
        frozen=True,
        json_schema_extra={
            "examples": [
                {
                    "type": "urn:atelier:problem:invalid",
                    "title": "The request can't be scored",
                    "status": 422,
                    "detail": "`detail` must be scores or full.",
                }
            ]
        },
    )

    type: Annotated[str, Field(description="What kind of problem it is; the same for the same status.")]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str


class Refused(AppError):
    """A request that gets another answer than a score; `status` is HTTP's."""

    def __init__(self, status: int, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers or {}


def describe(status: int, detail: str) -> Problem:
    kind, title = KINDS.get(status, ("http", HTTPStatus(status).phrase))
    return Problem(type=f"urn:atelier:problem:{kind}", title=title, status=status, detail=detail)


def problem_of(error: AppError) -> Problem:
    """Return an expected failure as a problem; its sentence stays."""
    return describe(_status_of(error), str(error))


def _status_of(error: AppError) -> int:
    if isinstance(error, Refused):
        return error.status
    if isinstance(error, TranscriptTooLong):
        return 413
    if isinstance(error, NotFound):
        return 404
    if isinstance(error, BadInput):
        return 422
    if isinstance(error, ServiceError | StoreError):
        return 503
    return 500


def error_of(problem: Problem) -> AppError:
    """Return the failure that a command ends with: 2 for bad input, 1 for a service that can't."""
    bad_input = problem.status in (400, 413, 422)
    kind = TranscriptError if bad_input else NotFound if problem.status == 404 else ServiceError
    return kind(problem.detail)
