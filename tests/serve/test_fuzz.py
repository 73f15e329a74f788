"""Thousands of wrong messages, the same ones each time: every one is answered, and the server lives on."""

from __future__ import annotations

import collections
import contextlib
import json
import math
import random
from typing import Any

import msgpack
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from tests.serve.asking import ARM, GRID, VIEW, Running, ask, begun, until
from tests.serve.conftest import Serving

GOOD: list[dict[str, Any]] = [
    {"type": "reset", "task": GRID, "instruction": "go", "seed": 3, "period_ms": 10.0},
    {"type": "reset", "task": ARM},
    {"type": "act", "observation": {"view": VIEW}, "reward": 0.0},
    {"type": "act", "observation": {"state": [0.1] * 39}},
    {"view": VIEW, "prompt": "go"},
    {"observation/state": {"__ndarray__": True, "data": b"\x00" * 8, "dtype": "<f8", "shape": [1]}},
]
STRANGE: list[Any] = [
    None, True, -1, 0, 2**63, 2**64 - 1, -(2**63), 1e308, 5e-324, "", "\x00", "ﷺ" * 100, "😀", "type", "../..",
    [], {}, [[]], [None], {"": {}}, [1, "a"], [[1], [2, 3]], b"", b"\xff" * 64, "data:image/png;base64,AAAA",
    "\ud800", "x" * 10_000,
]  # fmt: skip


def damaged(value: Any, generator: random.Random) -> Any:
    """A value with one of its parts replaced, dropped, doubled or nested."""
    if isinstance(value, dict) and value and generator.random() < 0.8:
        name = generator.choice([*value])
        changed = dict(value)
        kind = generator.randrange(4)
        if kind == 0:
            del changed[name]
        elif kind == 1:
            changed[str(generator.choice(STRANGE))] = changed.pop(name)
        else:
            changed[name] = damaged(changed[name], generator)
        return changed
    if isinstance(value, list) and value and generator.random() < 0.8:
        place = generator.randrange(len(value))
        changed_list = list(value)
        changed_list[place : place + 1] = [damaged(value[place], generator)] * generator.randrange(3)
        return changed_list
    nested = generator.choice(STRANGE)
    for _ in range(generator.choice((0, 0, 0, 2, 200))):
        nested = [nested]
    return nested


def as_json(message: Any) -> str:
    return json.dumps(message, default=lambda value: value.hex())


def as_msgpack(message: Any) -> bytes:
    return msgpack.packb(message, unicode_errors="surrogatepass")


def spoilt(data: str | bytes, generator: random.Random) -> str | bytes:
    """Bytes or letters exchanged, cut or doubled."""
    place = generator.randrange(len(data) + 1)
    kind = generator.randrange(3)
    if kind == 0:
        return data[:place]
    if kind == 1:
        return data[:place] + data[place // 2 :]  # ty: ignore[unsupported-operator]
    noise = bytes(generator.randrange(256) for _ in range(4))
    return data[:place] + (noise.decode("latin-1") if isinstance(data, str) else noise) + data[place + 4 :]  # ty: ignore[unsupported-operator]


@pytest.mark.parametrize("form", ["json", "msgpack"])
def test_a_session_survives_any_message(serving: Serving, form: str) -> None:
    generator = random.Random(f"fuzz {form}")
    seen: collections.Counter[str] = collections.Counter()
    with serving(max_sessions=2, messages_per_second=0) as server:
        for _ in range(6):
            with server.connect(f"?format={form}&task={GRID}") as socket:
                with contextlib.suppress(ConnectionClosed):
                    for _ in range(250):
                        seen[answered(socket, form, generator)] += 1
                # Hung up on for too many mistakes in a row, if at all.
                assert socket.protocol.close_rcvd is None or socket.protocol.close_rcvd.code == 1008
        until(lambda: server.service.num_sessions == 0, "all rows are free")
        act_as_any_other(server)
    assert {"actions", "error", "begun"} <= seen.keys(), seen
    assert seen["error"] > 200, seen


def answered(socket: ClientConnection, form: str, generator: random.Random) -> str:
    """Send something; which kind of answer came."""
    message = generator.choice(GOOD)
    for _ in range(generator.randrange(3)):
        message = damaged(message, generator)
    data: str | bytes = as_json(message) if form == "json" else as_msgpack(message)
    socket.send(spoilt(data, generator) if generator.random() < 0.2 else data)
    raw = socket.recv(timeout=60)
    answer = json.loads(raw) if isinstance(raw, str) else msgpack.unpackb(raw, strict_map_key=False)
    if answer.get("type") == "error":
        assert 400 <= answer["error"]["code"] < 500, ascii((answer, message))  # half letters are no report
        assert len(answer["error"]["message"]) <= 1003
    return "actions" if "actions" in answer else answer["type"]


def act_as_any_other(server: Running) -> None:
    """A session as any other."""
    with server.connect() as socket:
        begun(socket, ARM)
        action = ask(socket, {"type": "act", "observation": {"state": [0.0] * 39}})["actions"]["action"]
        assert all(math.isfinite(number) and abs(number) <= 1 for number in action)
