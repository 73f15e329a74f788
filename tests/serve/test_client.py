"""Playing against a server, and the server as a process: what is printed works, and SIGTERM drains."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opengato import cli
from opengato.agent.model import Agent
from opengato.agent.policy import AgentPolicy
from opengato.rollout import rollout
from opengato.serve.client import RemotePolicy, RemoteSession, session_url
from tests.house import PACKAGE, ROOT
from tests.serve.asking import GRID, VIEW, Running, ask, begun
from tests.serve.conftest import Serving


def test_episodes_are_those_of_the_agent_itself(server: Running, tiny: Agent) -> None:
    pytest.importorskip("minigrid")
    settings: dict[str, Any] = {"episodes": 5, "seed": 3, "num_envs": 3, "max_steps": 12}
    policy = RemotePolicy(server.address)
    remote = list(rollout(GRID, policy, **settings))
    reports = policy.close()
    local = list(rollout(GRID, AgentPolicy(tiny, rows=3), **settings))
    for mine, theirs in zip(remote, local, strict=True):
        assert mine.instruction == theirs.instruction
        np.testing.assert_array_equal(mine.actions["action"], theirs.actions["action"])
        np.testing.assert_array_equal(mine.observations["view"], theirs.observations["view"])
    assert sum(report["steps"] for report in reports) == sum(episode.num_steps for episode in local)
    assert len(policy.round_trips) == sum(episode.num_steps for episode in local)


def test_the_client_needs_no_torch() -> None:
    code = "import sys, opengato.serve.client; print('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout == "False\n"


def test_what_a_server_says_is_told(serving: Serving) -> None:
    with serving(token="secret", max_sessions=1) as server:
        with pytest.raises(RuntimeError, match="no token, or a wrong one"):
            RemoteSession(server.address)
        session = RemoteSession(server.address, "secret")
        with pytest.raises(RuntimeError, match="all 1 sessions are taken"):
            RemoteSession(server.address, "secret")
        with pytest.raises(RuntimeError, match="did you mean 'babyai/GoToLocal'"):
            session.reset("babyai/GoToLocl")
        session.reset(GRID)
        assert session.act({"view": np.array(VIEW, np.uint8)})["actions"]["action"].shape == ()
        assert session.end()["steps"] == 1
        with pytest.raises(RuntimeError, match="hung up"):
            session.act({"view": np.array(VIEW, np.uint8)})
    with pytest.raises(RuntimeError, match=r"no server answers at ws://127\.0\.0\.1:1/v1/session"):
        RemoteSession("127.0.0.1:1")


def test_addresses() -> None:
    assert session_url("http://127.0.0.1:8400") == "ws://127.0.0.1:8400/v1/session"
    assert session_url("127.0.0.1:8400/") == "ws://127.0.0.1:8400/v1/session"
    assert session_url("https://example.com/gato/v1/session") == "wss://example.com/gato/v1/session"
    with pytest.raises(ValueError, match="ftp"):
        session_url("ftp://example.com")


def test_the_command_plays(server: Running, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("minigrid")
    words = ["client", server.address, "--task", GRID, "--episodes", "2", "--period-ms", "0.001"]
    assert cli.main(words) == cli.DONE
    printed = capsys.readouterr().out
    steps = list(map(int, re.findall(r"(\d+) steps, return", printed)))
    assert len(steps) == 2
    assert f"of {sum(steps)} steps, {sum(steps)} late" in printed
    assert cli.main([*words, "--json"]) == cli.DONE
    told = json.loads(capsys.readouterr().out)
    assert [episode["steps"] for episode in told["episodes"]] == steps
    assert told["server"][0]["missed"] == sum(steps)
    assert cli.main(["client", "127.0.0.1:1", "--task", GRID]) == cli.FAILED
    assert "opengato serve tiny" in capsys.readouterr().err


@contextlib.contextmanager
def process(*words: str) -> Generator[tuple[subprocess.Popen[str], list[str]]]:
    """`opengato serve`, and the lines of its greeting."""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "opengato", "serve", "tiny", "--port", "0", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as started:
        assert started.stderr is not None
        try:
            lines = []
            while not lines or "sessions" not in lines[-1]:
                lines.append(started.stderr.readline())
                assert lines[-1], "".join(lines)
            yield started, lines
        finally:
            started.kill()


@pytest.mark.usefixtures("tiny")
def test_the_greeting_is_true_and_a_signal_drains(tmp_path: Path) -> None:
    with process("--drain-seconds", "30") as (started, lines):
        greeting = "".join(lines)
        (address,) = re.findall(r"at (http://\S+)", lines[0])
        for line in greeting.splitlines():
            if " curl " in line:
                command = line[line.index("curl") :]
                done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, cwd=tmp_path)
                assert "timing" in json.loads(done.stdout), command
        assert greeting.count("curl") == 3
        (command,) = re.findall(r"opengato (client .*)", greeting)
        assert cli.parse(shlex.split(command))[1].url == address
        running = Running(address, None, None)  # ty: ignore[invalid-argument-type]
        with running.connect() as socket:
            begun(socket)
            started.send_signal(signal.SIGTERM)
            while not (answer := ask(socket, {"type": "act", "observation": {"view": VIEW}})).get("draining"):
                pass
            assert running.get("/healthz").status_code == 503
            assert answer["type"] == "action", "what goes on may go on"
            assert ask(socket, {"type": "end"})["cadence"]["steps"] >= 1
        assert started.wait(20) == 0, "nothing is left to wait for"
        assert started.stderr is not None
        assert "session ended" in (rest := started.stderr.read())
        assert "Traceback" not in rest


def test_a_port_that_is_taken_is_told_at_once(server: Running, capsys: pytest.CaptureFixture[str]) -> None:
    port = server.address.rpartition(":")[2]
    assert cli.main(["serve", "tiny", "--port", port]) == cli.WRONG_USE
    assert "--port 0 takes a free one" in capsys.readouterr().err
    assert cli.main(["serve", "tiny", "--port", "0", "--origin", "example.com"]) == cli.WRONG_USE
    assert "https://example.com" in capsys.readouterr().err
