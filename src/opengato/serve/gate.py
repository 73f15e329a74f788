"""Who may ask, and how often: host, origin, token and rate of everything that comes; counts of what went."""

from __future__ import annotations

import hmac
import logging
import time
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opengato.serve.cadence import Allowance
from opengato.serve.engine import stopping
from opengato.serve.refused import Refused
from opengato.serve.service import Service
from opengato.serve.wire import encode

OPEN = ("/healthz",)  # without a token: a balancer asks
PAGE, PAGE_FILES = "/", "/page/static/"  # nor has a browser one before the page asks for it; these hold no secrets
UNLIMITED = ("/healthz", "/metrics")
MOST_CLIENTS = 4096  # addresses that are remembered
SAFE = {b"x-content-type-options": b"nosniff", b"cache-control": b"no-store"}
log = logging.getLogger("opengato.serve")


def refusal(error: Refused) -> Response:
    """A refusal as an answer."""
    headers = {} if error.retry_after is None else {"retry-after": str(max(1, round(error.retry_after)))}
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return Response(encode(error.body(), "json"), error.status, headers, "application/json")


class Gate:
    """ASGI middleware. A page of a browser says its origin, which must be the server's own or one that is allowed."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app, self.service, self.config = app, service, service.config
        self._clients: dict[str, Allowance] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            try:
                self.check(scope)
            except Refused as error:
                self.count(error)
                await refusal(error)(scope, receive, send)  # Starlette denies a handshake by an HTTP answer
                return
            await self.app(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun, status = time.perf_counter(), 500

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), *SAFE.items()]
            await send(message)

        try:
            self.check(scope)
            await self.app(scope, receive, counted)
        except Refused as error:
            self.count(error)
            await refusal(error)(scope, receive, counted)
        finally:
            route = scope.get("route")
            path = route.path if route is not None else "none"  # not what was asked for: anybody may invent paths
            metrics = self.service.metrics
            metrics.requests.labels(path, str(status)).inc()
            metrics.seconds.labels(path).observe(time.perf_counter() - begun)

    def count(self, error: Refused) -> None:
        self.service.metrics.refused.labels(str(error.status)).inc()

    def check(self, scope: MutableMapping[str, Any]) -> None:
        """Refused says why a request may not pass."""
        headers, path = Headers(scope=scope), scope["path"]
        host = _hostname(headers.get("host", ""))
        if not self.config.knows_host(host):
            raise Refused(403, f"this server is not called {host!r}; start it with --origin to allow that name")
        origin = headers.get("origin")
        if origin is not None and origin not in self.config.origins and urlsplit(origin).netloc != headers.get("host"):
            raise Refused(403, f"pages of {origin[:100]!r} may not use this server; start it with --origin to allow it")
        if self.config.token is not None and not _is_open(scope):
            self._check_token(scope, headers, self.config.token)
        if path not in UNLIMITED and (wait := self._allowance(scope).take()):
            raise Refused(
                429,
                f"more than {self.config.requests_per_second:g} requests a second from one client",
                retry_after=wait,
            )
        if self.service.draining and path not in UNLIMITED:
            raise stopping()

    def _check_token(self, scope: MutableMapping[str, Any], headers: Headers, token: str) -> None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() not in ("bearer", "api-key"):  # openpi's clients say Api-Key
            given = ""
        if not given and scope["type"] == "websocket":  # a page cannot set a header of a WebSocket
            (given,) = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[-1:]
        if not hmac.compare_digest(given.encode(), token.encode()):
            raise Refused(401, "no token, or a wrong one; expected the header `Authorization: Bearer TOKEN`")

    def _allowance(self, scope: MutableMapping[str, Any]) -> Allowance:
        address = (scope.get("client") or ("unknown", 0))[0]
        if address not in self._clients:
            if len(self._clients) >= MOST_CLIENTS:
                self._clients = {name: one for name, one in self._clients.items() if not one.is_full}
            if len(self._clients) >= MOST_CLIENTS:
                raise Refused(429, "too many clients at once", retry_after=1)
            self._clients[address] = Allowance(self.config.requests_per_second)
        return self._clients[address]


def _is_open(scope: MutableMapping[str, Any]) -> bool:
    """Whether a request needs no token."""
    path = scope["path"]
    return path in OPEN or (scope["type"] == "http" and (path == PAGE or path.startswith(PAGE_FILES)))


def _hostname(host: str) -> str:
    """The name in a header `Host`, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
