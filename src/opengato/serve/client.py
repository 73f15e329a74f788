"""The other end: environments here, the agent at a server. Needs neither torch nor the weights."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from typing import Any
from urllib.parse import urlsplit

import gymnasium
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from opengato.core.environment import TaskInfo
from opengato.core.policy import Observed, Policy, Values
from opengato.serve.refused import Refused
from opengato.serve.wire import decode, encode

PATH = "/v1/session"


class RemoteSession:
    """One control session: `reset`, `act`, `end`. RuntimeError says what the server said of a mistake."""

    def __init__(self, url: str, token: str | None = None) -> None:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._open = ExitStack()
        self._socket = _connect(session_url(url), headers, self._open)
        self.metadata: dict[str, Any] = self._received()

    def reset(self, task: str, instruction: str | None = None, seed: int = 0, period_ms: float | None = None) -> Any:
        """Begin an episode; the answer describes the task."""
        asked = {"instruction": instruction, "period_ms": period_ms}
        self.send({"type": "reset", "task": task, "seed": seed, **{k: v for k, v in asked.items() if v is not None}})
        return self._received()

    def act(self, observation: Values, reward: float = 0.0) -> Any:
        """The answer to an observation: `actions` and `timing`."""
        self.ask(observation, reward)
        return self.answer()

    def ask(self, observation: Values, reward: float = 0.0) -> None:
        """Send an observation; `answer` gets what it is answered with."""
        self.send({"type": "act", "observation": observation, "reward": reward})

    def answer(self) -> Any:
        """What the last `ask` is answered with."""
        return self._received()

    def end(self) -> dict[str, Any]:
        """Hang up; the server's report of the cadence."""
        self.send({"type": "end"})
        report = self._received()["cadence"]
        self.close()
        return report

    def close(self) -> None:
        """Hang up without a word."""
        self._open.close()

    def send(self, message: dict[str, Any]) -> None:
        """Any message."""
        with _told_of_the_end():
            self._socket.send(encode(message, "msgpack"))

    def _received(self) -> Any:
        with _told_of_the_end():
            data = self._socket.recv()
        answer = decode(data.encode(), "json") if isinstance(data, str) else decode(data, "msgpack")
        if answer.get("type") == "error":
            raise RuntimeError(f"the server refused: {answer['error']['message']}")
        return answer


class RemotePolicy(Policy):
    """An agent at a server as a policy for `rollout`: a session for each slot, asked all at once."""

    looks_inside = False

    def __init__(self, url: str, token: str | None = None, period_ms: float | None = None) -> None:
        self.url, self.token, self.period_ms = url, token, period_ms
        self.name = f"agent at {url}"
        self.sessions: dict[int, RemoteSession] = {}
        self.round_trips: list[float] = []
        """Milliseconds from an observation to its action, of this side."""

    def begin(self, slot: int, task: TaskInfo, instruction: str, env: gymnasium.Env | None, seed: int) -> None:
        if slot not in self.sessions:
            self.sessions[slot] = RemoteSession(self.url, self.token)
        self.sessions[slot].reset(task.id, instruction, seed, self.period_ms)

    def act(self, slots: list[int], observed: list[Observed]) -> list[Values | None]:
        begun = time.perf_counter()
        for slot, seen in zip(slots, observed, strict=True):
            self.sessions[slot].ask(seen.values, seen.reward)
        answers: list[Values | None] = []
        for slot in slots:
            answers.append(self.sessions[slot].answer()["actions"])
            self.round_trips.append(1000 * (time.perf_counter() - begun))
        return answers

    def close(self) -> list[dict[str, Any]]:
        """End all sessions; their cadence reports."""
        return [session.end() for session in self.sessions.values()]


def session_url(url: str) -> str:
    """The address of sessions at a server that is named with `http:`, `https:`, `ws:`, `wss:` or as `host:port`."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    schemes = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
    if parts.scheme not in schemes or not parts.netloc:
        raise ValueError(f"received the address {url!r}, expected one such as http://127.0.0.1:8400")
    path = PATH if parts.path in ("", "/") else parts.path
    return f"{schemes[parts.scheme]}://{parts.netloc}{path}"


@contextmanager
def _told_of_the_end() -> Generator[None]:
    try:
        yield
    except ConnectionClosed as error:
        raise RuntimeError(f"the server hung up: {error}") from error


def _connect(url: str, headers: dict[str, str], until: ExitStack) -> ClientConnection:
    """A connection that lasts until `until` is closed; RuntimeError says why there is none."""
    try:
        return until.enter_context(connect(url, additional_headers=headers, compression=None, max_size=None))
    except InvalidStatus as error:
        try:
            said = decode(bytes(error.response.body or b""), "json")["error"]["message"]
        except (Refused, KeyError, TypeError):
            said = f"HTTP {error.response.status_code}"
        raise RuntimeError(f"the server at {url} refused the session: {said}") from error
    except OSError as error:
        raise RuntimeError(f"no server answers at {url}: {error}; start one with: opengato serve tiny") from error
