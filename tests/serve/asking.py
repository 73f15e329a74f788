"""How tests ask a server: HTTP by `requests`, sessions by `websockets`, waiting for what happens elsewhere."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import requests
from websockets.sync.client import ClientConnection, connect

from opengato.serve.server import Server
from opengato.serve.service import Service

VIEW = np.ones((50, 3), int).tolist()
GRID, ARM = "babyai/GoToLocal", "metaworld/reach"


@dataclass(frozen=True)
class Running:
    address: str
    service: Service
    server: Server

    def get(self, path: str, **more: Any) -> requests.Response:
        return requests.get(self.address + path, timeout=30, **more)

    def post(self, path: str, body: Any = None, **more: Any) -> requests.Response:
        return requests.post(self.address + path, json=body, timeout=30, **more)

    @contextlib.contextmanager
    def connect(self, query: str = "?format=json", **more: Any) -> Generator[ClientConnection]:
        """A session that has heard the metadata."""
        with connect(f"{self.address.replace('http', 'ws')}/v1/session{query}", compression=None, **more) as socket:
            socket.recv(timeout=10)
            yield socket


def ask(socket: ClientConnection, message: Any) -> Any:
    """A message as JSON and its answer; text is sent as it is."""
    socket.send(message if isinstance(message, str) else json.dumps(message))
    return json.loads(socket.recv(timeout=30))


def begun(socket: ClientConnection, task: str = GRID, **more: Any) -> ClientConnection:
    assert ask(socket, {"type": "reset", "task": task, **more})["type"] == "begun"
    return socket


def error_of(response: requests.Response, status: int) -> dict[str, Any]:
    """The error of an answer, which must have this status and the form of errors."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["code"] == status
    assert "Traceback" not in response.text
    return error


def until(is_so: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    """Wait for something that another thread does."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.01)
