"""The routes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute

from opengato.serve import acting, chat
from opengato.serve.bodies import ActRequest, ChatRequest, EmbeddingsRequest, read_body
from opengato.serve.control import describe, example
from opengato.serve.engine import Clock
from opengato.serve.gate import Gate, refusal
from opengato.serve.openapi import document
from opengato.serve.refused import Refused
from opengato.serve.service import Service, version
from opengato.serve.session import LARGE, session
from opengato.serve.wire import TYPES, Format, decode, encode, form_of

log = logging.getLogger("opengato.serve")


def make_app(service: Service, also: Sequence[BaseRoute] = ()) -> Starlette:
    """An ASGI application, with the routes `also`; what serves it starts and stops the engine by ASGI's lifespan."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        service.engine.start()
        yield
        await asyncio.to_thread(service.engine.stop)

    app = Starlette(
        routes=[
            Route("/healthz", health),
            Route("/metrics", metrics),
            Route("/openapi.json", openapi),
            Route("/v1/models", models),
            Route("/v1/tasks", tasks),
            Route("/v1/tasks/{family}/{name}", one_task),
            Route("/v1/tasks/{family}/{name}/example", example_body),
            Route("/v1/act", act, methods=["POST"]),
            Route("/v1/chat/completions", completions, methods=["POST"]),
            Route("/v1/embeddings", embeddings, methods=["POST"]),
            WebSocketRoute("/v1/session", session),
            WebSocketRoute("/", session),  # where openpi's clients connect
            *also,
        ],
        middleware=[Middleware(Gate, service=service)],
        exception_handlers={Refused: refused, HTTPException: unknown, Exception: failed},
        lifespan=lifespan,
    )
    app.state.service = service
    return app


def service_of(request: Request) -> Service:
    """What all requests share."""
    return request.app.state.service


def reply(value: Any, form: Format = "json", status: int = 200) -> Response:
    """Values as an answer."""
    plain = value.model_dump() if isinstance(value, BaseModel) else value
    return Response(encode(plain, form), status, media_type=TYPES[form])


async def read(request: Request) -> tuple[Any, Format, Clock]:
    """What a request carries, in which format, and when it had come; Refused where that is too much or too slow."""
    config = service_of(request).config
    form = form_of(request.headers.get("content-type", ""))
    received = bytearray()
    try:
        async with asyncio.timeout(config.body_seconds):
            async for part in request.stream():
                received += part
                if len(received) > config.max_bytes:
                    raise Refused(413, f"the body is longer than {config.max_bytes} bytes")
    except TimeoutError:
        raise Refused(408, f"the body did not come within {config.body_seconds:g} s") from None
    except ClientDisconnect:
        raise Refused(400, "the client hung up") from None
    clock, data = Clock(), bytes(received)
    value = await asyncio.to_thread(decode, data, form) if len(data) > LARGE else decode(data, form)
    return value, form, clock


async def health(request: Request) -> Response:
    """Whether it answers, and how many sessions it holds."""
    service = service_of(request)
    status = "draining" if service.draining else "ok" if service.engine.is_alive else "failed"
    body = {
        "status": status,
        "model": service.name,
        "version": version(),
        "sessions": service.num_sessions,
        "max_sessions": service.config.max_sessions,
    }
    return reply(body, status=200 if status == "ok" else 503)


async def metrics(request: Request) -> Response:
    """Counts for Prometheus."""
    return Response(service_of(request).metrics.text(), media_type="text/plain; version=0.0.4")


async def openapi(request: Request) -> Response:
    """The OpenAPI document."""
    return reply(document(service_of(request).config))


async def models(request: Request) -> Response:
    """OpenAI's list of models: the one there is."""
    service = service_of(request)
    one = {"id": service.name, "object": "model", "created": int(service.begun), "owned_by": "opengato"}
    return reply({"object": "list", "data": [one]})


async def tasks(request: Request) -> Response:
    """What the agent was trained on: control tasks with their fields, and the names of other tasks."""
    service = service_of(request)
    trained, acted = service.trained(), service.control_tasks()
    others = sorted(set(trained) - {task.id for task in acted})
    return reply({"tasks": [describe(task, trained=True) for task in acted], "others": others})


async def one_task(request: Request) -> Response:
    """A task of the path, also one that the agent was not trained on."""
    service = service_of(request)
    task = service.task("{family}/{name}".format(**request.path_params))
    return reply(describe(task, task.id in service.trained()))


async def example_body(request: Request) -> Response:
    """A body that `/v1/act` takes, to be filled with what a robot sees."""
    task = service_of(request).task("{family}/{name}".format(**request.path_params))
    seen = example(task.observation_specs)
    if any(isinstance(value, bytes) for value in seen.values()):
        raise Refused(400, f"there is no example for {task.id!r}: it hears or sees films", "task")
    return reply({"task": task.id, "instruction": task.instruction, "observation": seen})


async def act(request: Request) -> Response:
    """One action, without a session."""
    value, form, clock = await read(request)
    body = read_body(ActRequest, value)
    return reply(await acting.act(service_of(request), body, clock), form)


async def completions(request: Request) -> Response:
    """Words, whole or as they are written."""
    service = service_of(request)
    value, form, _ = await read(request)
    body = read_body(ChatRequest, value)
    # Pictures are decoded beside the event loop: a large one takes a second.
    inputs = await asyncio.to_thread(chat.inputs_of, service, body.messages)
    writing = chat.Writing(service, body, inputs)
    if body.stream:
        with_usage = body.stream_options is not None and body.stream_options.include_usage
        return StreamingResponse(chat.events(writing, with_usage), media_type="text/event-stream")
    return reply(await chat.complete(writing, request.is_disconnected), form)


async def embeddings(request: Request) -> Response:
    """Vectors of texts and pictures."""
    value, form, _ = await read(request)
    return reply(await chat.embeddings(service_of(request), read_body(EmbeddingsRequest, value)), form)


async def refused(request: Request, error: Exception) -> Response:
    """A refusal as an answer, counted."""
    assert isinstance(error, Refused)
    service_of(request).metrics.refused.labels(str(error.status)).inc()
    return refusal(error)


async def unknown(request: Request, error: Exception) -> Response:
    """A path or a method that there is not."""
    assert isinstance(error, HTTPException)
    said = {404: f"there is nothing at {request.url.path[:200]!r}; /openapi.json lists what there is"}
    answer = refusal(Refused(error.status_code, said.get(error.status_code, error.detail)))
    answer.headers.update(error.headers or {})
    return answer


async def failed(_request: Request, _error: Exception) -> Response:
    """What nobody foresaw; the log has it, the client does not."""
    return refusal(Refused(500, "the server failed; its log says more"))
