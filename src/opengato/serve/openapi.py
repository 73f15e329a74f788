"""The OpenAPI document, from the models of `bodies`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from opengato.serve import bodies
from opengato.serve.config import Config
from opengato.serve.service import version

REF = "#/components/schemas/"
MODELS: tuple[type[BaseModel], ...] = (
    bodies.ActRequest,
    bodies.ActAnswer,
    bodies.ChatRequest,
    bodies.ChatAnswer,
    bodies.EmbeddingsRequest,
    bodies.EmbeddingsAnswer,
    bodies.ErrorAnswer,
)
TASK = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
FAMILY = {"name": "family", "in": "path", "required": True, "schema": {"type": "string"}}


def document(config: Config) -> dict[str, Any]:
    """OpenAPI 3.1. What a WebSocket carries it cannot say; see docs/serving.md."""
    _, definitions = models_json_schema([(model, "validation") for model in MODELS], ref_template=REF + "{model}")
    security: dict[str, Any] = {} if config.token is None else {"security": [{"token": []}]}
    schemes: dict[str, Any] = (
        {} if config.token is None else {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}}
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "opengato", "version": version(), "license": {"name": "Apache-2.0"}},
        "paths": {
            "/healthz": {"get": _get("Whether it answers; 503 while it stops", also=(503,), secured=False)},
            "/metrics": {"get": _get("Counts for Prometheus", kind="text/plain; version=0.0.4; charset=utf-8")},
            "/openapi.json": {"get": _get("This document")},
            "/v1/models": {"get": _get("The agent, as OpenAI lists models")},
            "/v1/tasks": {"get": _get("What the agent was trained on, with the fields of observations and actions")},
            "/v1/tasks/{family}/{name}": {
                "get": _get("One task, trained on or not", also=(400, 404)),
                "parameters": [FAMILY, TASK],
            },
            "/v1/tasks/{family}/{name}/example": {
                "get": _get("A body that /v1/act takes", also=(400, 404)),
                "parameters": [FAMILY, TASK],
            },
            "/v1/act": {"post": _post("One action", bodies.ActRequest, bodies.ActAnswer, also=(404,))},
            "/v1/chat/completions": {
                "post": _post(
                    "Words, after words, pictures, sounds and films", bodies.ChatRequest, bodies.ChatAnswer, True
                )
            },
            "/v1/embeddings": {
                "post": _post("Vectors for retrieval", bodies.EmbeddingsRequest, bodies.EmbeddingsAnswer)
            },
        },
        "components": {"schemas": definitions["$defs"], **schemes},
        **security,
    }


def _error(status: int) -> tuple[str, dict[str, Any]]:
    content = {"application/json": {"schema": {"$ref": f"{REF}ErrorAnswer"}}}
    return str(status), {"description": "refused; `param` names the field", "content": content}


def _get(what: str, also: tuple[int, ...] = (), kind: str = "application/json", secured: bool = True) -> dict[str, Any]:
    schema = {"type": "string"} if kind.startswith("text") else {"type": "object"}
    answer = {"description": what, "content": {kind: {"schema": schema}}}
    answers: dict[str, Any] = {"200": answer, **dict(map(_error, (401, 403, 429, *also)))}
    if 503 in also:
        answers["503"] = answer
    body: dict[str, Any] = {"summary": what, "responses": answers}
    return body if secured else {**body, "security": []}


def _post(
    what: str, takes: type[BaseModel], gives: type[BaseModel], streams: bool = False, also: tuple[int, ...] = ()
) -> dict[str, Any]:
    given = {"application/json": {"schema": {"$ref": REF + takes.__name__}}}
    answer: dict[str, Any] = {"application/json": {"schema": {"$ref": REF + gives.__name__}}}
    if streams:
        answer["text/event-stream"] = {}
    errors = dict(map(_error, (400, 401, 403, 408, 413, 415, 429, 503, *also)))
    return {
        "summary": what,
        "requestBody": {"required": True, "content": given},
        "responses": {"200": {"description": what, "content": answer}, **errors},
    }
