"""The process: it listens, says how it is called, and when told to stop lets sessions go on for a while."""

from __future__ import annotations

import logging
import signal
import socket
import time
from collections.abc import Sequence
from types import FrameType

import uvicorn
from starlette.routing import BaseRoute

from opengato.serve.app import make_app
from opengato.serve.config import Config
from opengato.serve.service import Service

SPARE_CONNECTIONS = 64  # of those that ask for nothing yet
LAST_SECONDS = 2.0  # for the last words of sessions


def listen(config: Config) -> socket.socket:
    """A socket that listens; ValueError where the address cannot be had."""
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        return socket.create_server((config.host, config.port), family=family, backlog=512)
    except OSError as error:
        raise ValueError(
            f"cannot listen at {config.host}:{config.port}: {error.strerror or error}; --port 0 takes a free one"
        ) from error


def address_of(listening: socket.socket) -> str:
    """`http://127.0.0.1:8400`; one that listens everywhere is called by its name on this machine."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{port}"


def greeting(service: Service, address: str) -> str:
    """How to call a server: lines that work as they stand."""
    config, tasks = service.config, service.control_tasks()
    token = "" if config.token is None else " -H 'authorization: Bearer TOKEN'"
    post = f"curl -s{token} -H 'content-type: application/json' {address}"
    lines = [f"{service.name} at {address}   (Ctrl-C ends; {address}/openapi.json describes it)", ""]
    if tasks:
        example = f"curl -s{token} {address}/v1/tasks/{tasks[0].id}/example"
        lines += [f"one action   {example} | {post}/v1/act -d @-"]
    say = """{"messages": [{"role": "user", "content": "It was"}], "max_tokens": 20}"""
    lines += [f"words        {post}/v1/chat/completions -d '{say}'"]
    if tasks:
        told = "" if config.token is None else " --token TOKEN"
        lines += [f"an episode   opengato client {address} --task {tasks[0].id}{told}"]
        lines += [f"sessions     {address.replace('http', 'ws', 1)}/v1/session   (docs/serving.md)"]
    if not config.is_local and config.token is None:
        lines += ["", "Everybody who reaches this address may use it: --token TOKEN asks for a password."]
    return "\n".join(lines)


def is_true(record: logging.LogRecord) -> bool:
    """Whether a line of uvicorn's log is worth its place: it takes a handshake that was denied for one forgotten."""
    return "without completing handshake" not in record.getMessage()


class Server(uvicorn.Server):
    """Drains when told to stop; uvicorn's own way is to hang up on WebSockets at once."""

    def __init__(self, service: Service, also: Sequence[BaseRoute] = ()) -> None:
        self.service = service
        config = service.config
        super().__init__(
            uvicorn.Config(
                make_app(service, also),
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                lifespan="on",
                limit_concurrency=2 * (config.max_sessions + config.max_waiting) + SPARE_CONNECTIONS,
                ws_max_size=2 * config.max_bytes,  # above `max_bytes` a message is refused, above this hung up on
            )
        )
        logging.getLogger("uvicorn.error").addFilter(is_true)
        self._hurried = False
        self._deadline = 0.0

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM lets sessions go on for `drain_seconds`; Ctrl-C ends them after the answers under way."""
        if self._hurried:
            self.force_exit = self.should_exit = True
        self._hurried = self.service.draining or sig == signal.SIGINT
        self.service.draining = True
        seconds = LAST_SECONDS if self._hurried else self.service.config.drain_seconds
        self._deadline = time.monotonic() + (0 if self._hurried else seconds)
        self.config.timeout_graceful_shutdown = round(seconds + LAST_SECONDS)  # for texts under way

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to end."""
        if self.service.draining:
            late = time.monotonic() - self._deadline
            if late > 0:
                self.service.close()
            if late > LAST_SECONDS or (self.service.num_sessions == 0 and self.service.engine.is_idle):
                self.should_exit = True
        return await super().on_tick(counter)
