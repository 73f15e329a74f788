"""Control sessions: side by side as alone, in every format, and free again however they end."""

from __future__ import annotations

import json
import socket as sockets
import threading
import time
from typing import Any

import msgpack
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.http11 import Response
from websockets.sync.client import connect

from opengato.agent.model import Agent
from opengato.agent.policy import AgentPolicy
from opengato.core.policy import Observed
from opengato.envs import find_task
from tests.serve.asking import ARM, GRID, VIEW, Running, ask, begun, until
from tests.serve.conftest import Serving

OTHER_GRID = "babyai/GoToDoor"


def seen_by(number: int, steps: int, task_id: str) -> list[np.ndarray]:
    """Observations of a session of its own."""
    generator = np.random.default_rng(number)
    if task_id == ARM:
        return [*generator.uniform(-0.3, 0.7, (steps, 39)).astype(np.float32)]
    return [*generator.integers(0, 11, (steps, 50, 3)).astype(np.uint8)]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_sessions_side_by_side_act_as_alone(serving: Serving, tiny: Agent, temperature: float) -> None:
    """Twelve sessions of three tasks and different lengths, at once, against a policy that has one environment."""
    plans = [((GRID, OTHER_GRID, ARM)[number % 3], 5 + number % 4) for number in range(12)]
    received: dict[int, list[np.ndarray]] = {}
    batches: list[int] = []

    def play(server: Running, number: int) -> None:
        task_id, steps = plans[number]
        field = "state" if task_id == ARM else "view"
        with server.connect() as socket:
            begun(socket, task_id, instruction=f"do number {number}", seed=number)
            gate.wait()
            actions = []
            for values in seen_by(number, steps, task_id):
                answer = ask(socket, {"type": "act", "observation": {field: values.tolist()}})
                actions.append(np.array(answer["actions"]["action"]))
                batches.append(answer["timing"]["batch"])
            received[number] = actions

    gate = threading.Barrier(len(plans))
    with serving(max_sessions=12, policy={"temperature": temperature, "seed": 5}) as server:
        players = [threading.Thread(target=play, args=(server, number)) for number in range(len(plans))]
        for player in players:
            player.start()
        for player in players:
            player.join(60)
    assert max(batches) > 1, "no two of them shared a pass: the test says nothing"
    for number, (task_id, steps) in enumerate(plans):
        policy = AgentPolicy(tiny, temperature, 5, rows=1)
        policy.begin(0, find_task(task_id), f"do number {number}", None, seed=number)
        field = "state" if task_id == ARM else "view"
        for values, action in zip(seen_by(number, steps, task_id), received[number], strict=True):
            (expected,) = policy.act([0], [Observed(None, {field: values})])
            assert expected is not None
            np.testing.assert_array_equal(action.astype(expected["action"].dtype), expected["action"])


def test_the_course_of_a_session(server: Running) -> None:
    with server.connect() as socket:
        told = ask(socket, {"type": "reset", "task": GRID, "period_ms": 1e-6})
        assert told["instruction"] == find_task(GRID).instruction
        assert told["task"]["observation"]["view"]["shape"] == [50, 3]
        assert {"queue_ms", "model_ms", "total_ms", "batch"} == told["timing"].keys()
        first = ask(socket, {"type": "act", "observation": {"view": VIEW}})
        assert (first["type"], first["step"]) == ("action", 0)
        assert ask(socket, {"type": "act", "observation": {"view": VIEW}, "reward": 0.5})["step"] == 1
        again = ask(socket, {"type": "reset"})
        assert again["task"] == told["task"], "the same task as before"
        assert ask(socket, {"type": "act", "observation": {"view": VIEW}})["actions"] == first["actions"]
        report = ask(socket, {"type": "end"})["cadence"]
        assert report["steps"] == 3
        assert report["missed"] == 2, "the second episode gave no period"
        assert 0 < report["p50_ms"] <= report["p99_ms"] <= report["worst_ms"]
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=5)
    until(lambda: server.service.num_sessions == 0, "the session is free")


@pytest.mark.parametrize(
    ("message", "field", "says"),
    [
        ("{", None, "no json"),
        ("[" * 10_000, None, "nested too deep"),
        ("[1, 2]", "type", "expected reset, act, end"),
        ('{"type": "rest"}', "type", "'rest'"),
        ('{"type": ["act"]}', "type", "expected reset"),
        ('{"type": "act"}', "observation", "required"),
        ('{"type": "act", "observation": {}}', "observation.view", "missing"),
        ('{"type": "act", "observation": {"view": [NaN]}}', None, "NaN is no number"),
        ('{"type": "act", "observation": {"view": [1e400]}}', "observation.view", "shape"),
        ('{"type": "act", "observation": {"view": []}, "reward": 1e400}', "reward", "finite"),
        ('{"type": "reset", "task": "babyai/GoToLocl"}', "task", "did you mean"),
        ('{"type": "reset", "period_ms": 0}', "period_ms", "greater than 0"),
        ('{"type": "reset", "instruction": "\\udfff"}', "instruction", "unicode"),
        ('{"type": "act", "observation": {"\\ud800": 1}}', r"observation.\ud800", "unknown field"),
        (msgpack.packb({"type": "act", "observation": {"view": 5}}), "observation.view", "shape"),
        (b"\xc1", None, "no msgpack"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_a_mistake_is_told_and_the_session_goes_on(
    server: Running, message: str | bytes, field: str | None, says: str
) -> None:
    with server.connect() as socket:
        begun(socket)
        socket.send(message)
        raw = socket.recv(timeout=10)
        answer = json.loads(raw) if isinstance(raw, str) else msgpack.unpackb(raw)
        assert isinstance(raw, str) == isinstance(message, str), "answered in kind"
        assert answer["type"] == "error"
        assert answer["error"]["param"] == field
        assert says in answer["error"]["message"]
        assert ask(socket, {"type": "act", "observation": {"view": VIEW}})["step"] == 0


def test_an_action_needs_an_episode(server: Running) -> None:
    with server.connect() as socket:
        assert "reset" in ask(socket, {"type": "act", "observation": {"view": VIEW}})["error"]["message"]
        assert ask(socket, {"type": "reset"})["error"]["param"] == "task"


def test_who_only_makes_mistakes_is_hung_up_on(server: Running) -> None:
    with server.connect() as socket:
        for _ in range(32):
            assert ask(socket, "{")["type"] == "error"
        assert "32 messages" in json.loads(socket.recv(timeout=10))["reason"]
        with pytest.raises(ConnectionClosed) as found:
            socket.recv(timeout=10)
        assert found.value.rcvd is not None
        assert found.value.rcvd.code == 1008


def test_a_model_that_fails_ends_the_episode_and_nothing_else(
    serving: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving() as server, server.connect() as socket:
        begun(socket)
        with monkeypatch.context() as patch:
            patch.setattr(server.service.policy, "decide", lambda slots: int("no number"))
            assert ask(socket, {"type": "act", "observation": {"view": VIEW}})["error"]["code"] == 500
            assert server.post("/v1/act", {"task": GRID, "observation": {"view": VIEW}}).status_code == 500
        again = ask(socket, {"type": "act", "observation": {"view": VIEW}})
        assert "reset" in again["error"]["message"], "the episode is over"
        begun(socket)
        assert ask(socket, {"type": "act", "observation": {"view": VIEW}})["type"] == "action"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_server_whose_model_is_gone_says_so(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server, server.connect() as socket:
        assert server.get("/healthz").json()["status"] == "ok"
        monkeypatch.setattr(server.service.engine, "_control", lambda due: 1 / 0)
        socket.send(json.dumps({"type": "reset", "task": GRID}))
        until(lambda: server.get("/healthz").status_code == 503, "a balancer hears of it")
        assert server.get("/healthz").json()["status"] == "failed"


# What openpi's client sends and expects, written out here: maps of fields in msgpack, errors as text.


def openpi_packed(message: dict[str, Any]) -> bytes:
    def default(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            fields = {b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": value.shape}
            return {b"__ndarray__": True, **fields}
        return value

    return msgpack.packb(message, default=default)


def openpi_read(data: str | bytes) -> dict[str, Any]:
    if isinstance(data, str):
        raise RuntimeError(f"Error in inference server:\n{data}")

    def hook(fields: dict[Any, Any]) -> Any:
        if b"__ndarray__" in fields:
            return np.ndarray(buffer=fields[b"data"], dtype=np.dtype(fields[b"dtype"]), shape=fields[b"shape"])
        return fields

    return msgpack.unpackb(data, object_hook=hook)


@pytest.mark.parametrize("path", ["/", "/v1/session"])
def test_it_answers_as_the_servers_of_openpi_do(server: Running, tiny: Agent, path: str) -> None:
    states = seen_by(3, 3, ARM)
    policy = AgentPolicy(tiny, rows=1)
    told = "reach the goal"
    policy.begin(0, find_task(ARM), told, None, seed=0)
    with connect(f"{server.address.replace('http', 'ws')}{path}?task={ARM}", compression=None) as socket:
        assert openpi_read(socket.recv(timeout=10))["model"] == "tiny", "the server speaks first"
        for name, state in zip(("state", "observation/state", "state"), states, strict=True):
            socket.send(openpi_packed({name: state, "prompt": told}))
            answer = openpi_read(socket.recv(timeout=10))
            (expected,) = policy.act([0], [Observed(None, {"state": state})])
            assert expected is not None
            np.testing.assert_array_equal(answer["actions"], expected["action"][None])
            assert answer["server_timing"]["infer_ms"] > 0
        socket.send(openpi_packed({"state": states[0], "prompt": "another goal"}))
        renewed = openpi_read(socket.recv(timeout=10))["actions"]
        policy.begin(0, find_task(ARM), "another goal", None, seed=0)
        (expected,) = policy.act([0], [Observed(None, {"state": states[0]})])
        assert expected is not None
        np.testing.assert_array_equal(renewed[0], expected["action"])
        socket.send(openpi_packed({"state": states[0][:5], "prompt": "another goal"}))
        with pytest.raises(RuntimeError, match=r"observation\.state"):
            openpi_read(socket.recv(timeout=10))


# How many, how long, and how they end


def refused(server: Running, **more: Any) -> Response:
    """The answer to a handshake that fails."""
    with pytest.raises(InvalidStatus) as found, server.connect(**more):
        pass
    return found.value.response


def test_sessions_are_counted(serving: Serving) -> None:
    with serving(max_sessions=2) as server, server.connect():
        with server.connect():
            error = refused(server)
            assert error.status_code == 503
            assert b"all 2 sessions are taken" in (error.body or b"")
        until(lambda: server.service.num_sessions == 1, "a row is free")
        with server.connect() as socket:
            begun(socket)
            assert ask(socket, {"type": "act", "observation": {"view": VIEW}})["type"] == "action"


def test_a_killed_client_frees_its_session(serving: Serving) -> None:
    with serving(max_sessions=1) as server:
        for _ in range(3):
            with server.connect() as socket:
                begun(socket)
                for _ in range(5):  # answers that nobody will read
                    socket.send(json.dumps({"type": "act", "observation": {"view": VIEW}}))
                socket.socket.shutdown(sockets.SHUT_RDWR)
            until(lambda: server.service.num_sessions == 0, "the row of a killed client is free")
        with server.connect() as socket:
            begun(socket)


def test_who_says_nothing_is_hung_up_on(serving: Serving) -> None:
    with serving(idle_seconds=0.3) as server, server.connect() as socket:
        begun(socket)
        ended = json.loads(socket.recv(timeout=10))
        assert ended["type"] == "ended"
        assert "0.3 s" in ended["reason"]
        with pytest.raises(ConnectionClosed) as found:
            socket.recv(timeout=5)
        assert found.value.rcvd is not None
        assert found.value.rcvd.code == 1001
        until(lambda: server.service.num_sessions == 0, "the row of an idle client is free")


def test_messages_have_a_rate_and_a_size(serving: Serving) -> None:
    with serving(messages_per_second=3.0, max_bytes=4096) as server, server.connect() as socket:
        begun(socket)
        answers = [ask(socket, {"type": "act", "observation": {"view": VIEW}}) for _ in range(8)]
        codes = [answer["error"]["code"] for answer in answers if answer["type"] == "error"]
        assert 1 <= len(codes) <= 4
        assert {*codes} == {429}
        time.sleep(0.5)
        assert ask(socket, '{"type": "' + "x" * 4096 + '"}')["error"]["code"] == 413
        socket.send("x" * 20_000)
        with pytest.raises(ConnectionClosed) as found:
            socket.recv(timeout=5)
        assert found.value.rcvd is not None
        assert found.value.rcvd.code == 1009


def test_a_server_that_stops_lets_sessions_go_on_and_takes_no_others(serving: Serving) -> None:
    with serving(drain_seconds=1.5) as server, server.connect() as socket:
        begun(socket)
        server.server.handle_exit(15, None)
        assert refused(server).status_code == 503
        assert server.get("/healthz").status_code == 503
        answer = ask(socket, {"type": "act", "observation": {"view": VIEW}})
        assert answer["type"] == "action"
        assert answer["draining"]
        ended = json.loads(socket.recv(timeout=10))
        assert ended["cadence"]["steps"] == 1
        assert ended["reason"] == "the server is stopping"
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
        until(lambda: server.server.should_exit, "it ends by itself")
