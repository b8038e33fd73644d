"""How the scoring service describes itself: bodies, results and problems of each address, with examples."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict

from core.scoring.result import Scored
from core.scoring.service.bodies import MOST_TRANSCRIPTS, BatchBody, ScoreBody
from core.scoring.service.problem import KINDS, MEDIA_TYPE, Problem, describe

EXAMPLE: dict[str, Any] = {
    "scores": {
        "empathy": {
            "score": 4,
            "expected": 4.1,
            "confidence": 0.62,
            "reason": "Names the worry and answers it.",
            "evidence": [
                {"utterance": 2, "start": 0, "end": 12, "text": "Many feel so.", "effect": 0.4},
            ],
        }
    },
    "overall": 4.1,
    "strengths": ["Asks what worries most"],
    "areas_for_improvement": ["Check that it was understood"],
    "flags": [],
    "adapter": "bundled",
    "rubric": "conversation",
    "calibration": "",
    "windows": 1,
    "milliseconds": 180.0,
}
EXAMPLE["scores"]["empathy"]["evidence"][0]["end"] = len(EXAMPLE["scores"]["empathy"]["evidence"][0]["text"])


class HealthDocument(BaseModel):
    """How the service is."""

    model_config = ConfigDict(extra="forbid")

    ready: bool
    model: str
    queue: int
    swaps: int
    problem: str


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    found: dict[int | str, dict[str, Any]] = {}
    for status in statuses:
        title = KINDS[status][1]
        found[status] = {
            "description": title,
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": describe(status, f"{title}.").model_dump(),
                }
            },
        }
    return found


def _json(schema: dict[str, Any], example: Any = None) -> dict[str, Any]:
    return {"application/json": {"schema": schema} | ({"example": example} if example is not None else {})}


def _ref(kind: type[BaseModel]) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _answer(description: str, schema: dict[str, Any], example: Any, *statuses: int) -> dict[str, Any]:
    own = {200: {"description": description, "content": _json(schema, example)}}
    return {"response_model": None, "responses": own | _problems(401, 403, *statuses)}


def _asking(kind: type[BaseModel]) -> dict[str, Any]:
    return {"openapi_extra": {"requestBody": {"required": True, "content": _json(_ref(kind))}}}


_EITHER = {"oneOf": [_ref(Scored), _ref(Problem)]}
_ASKED = (400, 404, 413, 415, 422, 429, 500, 503, 504)
_LIST = {"type": "array", "items": {"type": "object"}}

SCORE: dict[str, Any] = _asking(ScoreBody) | _answer("The scores", _ref(Scored), EXAMPLE, *_ASKED)
BATCH: dict[str, Any] = _asking(BatchBody) | _answer(
    f"For each of up to {MOST_TRANSCRIPTS} transcripts its scores or a problem, in their order",
    {"type": "array", "items": _EITHER},
    [
        EXAMPLE,
        describe(422, "The transcript is empty: there is no word in it. Give a conversation's text.").model_dump(),
    ],
    *_ASKED,
)
MODELS: dict[str, Any] = _answer(
    "What can score", _LIST, [{"id": "bundled", "name": "Shipped adapter", "scores": True}], 404, 422, 500
)
RUBRICS: dict[str, Any] = _answer(
    "The rubrics", _LIST, [{"id": "conversation", "title": "Professional conversation"}], 500
)
METRICS: dict[str, Any] = {
    "response_model": None,
    "responses": {200: {"description": "Prometheus text", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    | _problems(401, 403),
}
_WELL = {"ready": True, "model": "bundled", "queue": 0, "swaps": 0, "problem": ""}
HEALTH: dict[str, Any] = {
    "response_model": None,
    "responses": {
        200: {"description": "Ready", "content": _json(_ref(HealthDocument), _WELL)},
        503: {
            "description": "Not ready",
            "content": _json(_ref(HealthDocument), _WELL | {"ready": False, "model": ""}),
        },
    }
    | _problems(403),
}


def secure(app: FastAPI) -> None:
    """Describe the token and the schemas in the application's document."""
    made = app.openapi

    def describe_all() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = made()
            parts = document.setdefault("components", {})
            parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            schemas = parts.setdefault("schemas", {})
            for kind in (ScoreBody, BatchBody, Scored, Problem, HealthDocument):
                schema = kind.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas.update(schema.pop("$defs", {}))
                schemas[kind.__name__] = schema
            document["security"] = [{"token": []}]
            document["paths"]["/health"]["get"]["security"] = []
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = describe_all  # type: ignore[method-assign]
