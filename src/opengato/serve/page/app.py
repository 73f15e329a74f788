"""The routes of the page."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from opengato.core.backbone import LayeredBackbone
from opengato.serve.app import read, reply, service_of
from opengato.serve.bodies import read_body
from opengato.serve.gate import PAGE, PAGE_FILES
from opengato.serve.page.chart import Draw, TaskMap
from opengato.serve.page.exhibits import Exhibits
from opengato.serve.page.looking import Find, Look, Looking
from opengato.serve.page.shelves import Shelves
from opengato.serve.page.watch import watch
from opengato.serve.refused import Refused
from opengato.serve.service import Service

STATIC = Path(__file__).parent / "static"
REPORT = "report.json"
SENSES = {"image": "pictures", "audio": "sounds", "video": "films"}
# Everything comes from here; nothing is written into the page but by its own scripts.
STRICT = {
    "content-security-policy": "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
}
Handler = Callable[[Request], Awaitable[Response]]


def page_routes(service: Service, exhibits: Exhibits) -> list[BaseRoute]:
    """What `make_app` and `Server` take as `also`."""
    looking, shelves = Looking(service, exhibits), Shelves(service.agent, exhibits)
    chart = TaskMap(exhibits.chart)
    routes: list[BaseRoute] = [
        Route(PAGE, index),
        Mount(PAGE_FILES.rstrip("/"), StaticFiles(directory=STATIC)),
        Route("/page/about", functools.partial(about, exhibits=exhibits)),
        Route("/page/scores", functools.partial(scores, exhibits=exhibits)),
        Route("/page/pictures", plain(looking.pictures)),
        Route("/page/find", posted(Find, looking.find), methods=["POST"]),
        Route("/page/look", posted(Look, looking.look), methods=["POST"]),
        Route("/page/map", plain(chart.state), methods=["GET"]),
        Route("/page/map", posted(Draw, chart.draw), methods=["POST"]),
        Route("/page/stores", plain(shelves.stores)),
        Route("/page/episodes", functools.partial(episodes, shelves=shelves)),
        Route("/page/episode", functools.partial(episode, shelves=shelves)),
        Route("/page/runs", plain(shelves.runs)),
        Route("/page/run", functools.partial(run, shelves=shelves)),
        WebSocketRoute("/page/watch", watch),
    ]
    if exhibits.report is not None:
        routes.append(Mount("/report", StaticFiles(directory=exhibits.report, html=True, check_dir=False)))
    return routes


async def index(_request: Request) -> Response:
    """The page itself."""
    return FileResponse(STATIC / "index.html", headers=STRICT)


def plain(told: Callable[[], Any]) -> Handler:
    """A route that says what `told` finds, on disk perhaps."""

    async def answer(_request: Request) -> Response:
        return reply(await asyncio.to_thread(told))

    return answer


def posted(model: Any, told: Callable[[Any], Awaitable[Any]]) -> Handler:
    """A route that takes a body of this model."""

    async def answer(request: Request) -> Response:
        value, form, _ = await read(request)
        return reply(await told(read_body(model, value)), form)

    return answer


async def about(request: Request, exhibits: Exhibits) -> Response:
    """What the agent is, and what of the page it can fill."""
    service = service_of(request)
    agent, trunk = service.agent, service.agent.backbone
    routes = agent.config.routes
    body = {
        "model": service.name,
        "parameters": agent.num_parameters,
        "context": agent.context,
        "layers": trunk.depth if isinstance(trunk, LayeredBackbone) else 0,
        "senses": [kind for kind in SENSES if f"observation/{kind}" in routes],
        "writes": "action/text" in routes,
        "pictures": len(exhibits.pictures),
        "looks": exhibits.look is not None,
        "report": exhibits.report is not None and (exhibits.report / "index.html").is_file(),
        "idle_seconds": service.config.idle_seconds,
        "max_bytes": service.config.max_bytes,
    }
    return reply(body)


async def scores(request: Request, exhibits: Exhibits) -> Response:
    """What the card says of the agent's scores, and what the demo on this machine measured."""
    here: dict[str, Any] | None = None
    if exhibits.report is not None and (exhibits.report / REPORT).is_file():
        here = json.loads(await asyncio.to_thread((exhibits.report / REPORT).read_text, encoding="utf-8"))
    results = [] if here is None else here.get("results", [])
    videos: dict[str, str] = {}
    if exhibits.report is not None:
        for path in sorted((exhibits.report / "videos").glob("*-0.*")):
            videos[path.stem.removesuffix("-0").replace("-", "/", 1)] = f"/report/videos/{path.name}"
    return reply({"card": service_of(request).agent.card.get("scored"), "here": results, "videos": videos})


def number_of(request: Request, name: str) -> int:
    """A whole number of the query; Refused for anything else."""
    text = request.query_params.get(name, "0")
    if not text.isdecimal() or len(text) > 15:
        raise Refused(400, f"{name}: received {text[:40]!r}, expected a whole number", name)
    return int(text)


async def episodes(request: Request, shelves: Shelves) -> Response:
    """A page of the episodes of a store."""
    query = request.query_params
    given = query.get("store", ""), query.get("task"), query.get("success"), number_of(request, "first")
    return reply(await asyncio.to_thread(shelves.episodes, *given))


async def episode(request: Request, shelves: Shelves) -> Response:
    """One episode."""
    store, number = request.query_params.get("store", ""), number_of(request, "number")
    return reply(await asyncio.to_thread(shelves.episode, store, number))


async def run(request: Request, shelves: Shelves) -> Response:
    """What a training has logged since."""
    name, after = request.query_params.get("run", ""), number_of(request, "after")
    return reply(await asyncio.to_thread(shelves.run, name, after))
