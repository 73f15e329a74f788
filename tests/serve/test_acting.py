"""`POST /v1/act`: the action that the policy itself would take, and a clear word for everything else."""

from __future__ import annotations

import json
import time
from typing import Any

import msgpack
import numpy as np
import pytest
import requests

from opengato.agent.model import Agent
from opengato.agent.policy import AgentPolicy
from opengato.core.policy import Observed
from opengato.envs import find_task
from opengato.serve.wire import decode, encode
from tests.serve.asking import ARM, GRID, VIEW, Running, error_of


def states(count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.3, 0.7, (count, 39)).astype(np.float32)


def policy_actions(agent: Agent, task_id: str, field: str, seen: np.ndarray, instruction: str) -> list[np.ndarray]:
    """What the policy does at each step, without a server."""
    policy = AgentPolicy(agent, rows=1)
    policy.begin(0, find_task(task_id), instruction, None, seed=0)
    acted = []
    for values in seen:
        (action,) = policy.act([0], [Observed(None, {field: values})])
        assert action is not None
        acted.append(action["action"])
    return acted


def test_one_observation(server: Running, tiny: Agent) -> None:
    (state,) = states(1)
    told = "move the gripper to the goal"
    answer = server.post("/v1/act", {"task": ARM, "instruction": told, "observation": {"state": state.tolist()}}).json()
    (expected,) = policy_actions(tiny, ARM, "state", state[None], told)
    np.testing.assert_array_equal(np.array(answer["actions"]["action"], np.float32), expected)
    timing = answer["timing"]
    assert timing.keys() == {"queue_ms", "model_ms", "total_ms", "batch"}
    assert 0 <= timing["queue_ms"] + timing["model_ms"] <= timing["total_ms"]


def test_steps_that_are_over_count_as_in_a_session(server: Running, tiny: Agent) -> None:
    views, told = np.random.default_rng(1).integers(0, 11, (8, 50, 3)).astype(np.uint8), find_task(GRID).instruction
    acted = policy_actions(tiny, GRID, "view", views, told)
    alone = [policy_actions(tiny, GRID, "view", view[None], told)[0] for view in views]
    assert [*map(int, acted)] != [*map(int, alone)], "the test would notice that the past is not read"
    past: list[dict[str, Any]] = []
    for view, action in zip(views, acted, strict=True):
        body = {"task": GRID, "observation": {"view": view}, "past": past}
        response = requests.post(
            server.address + "/v1/act",
            encode(body, "msgpack"),
            headers={"content-type": "application/msgpack"},
            timeout=30,
        )
        assert response.headers["content-type"] == "application/msgpack"
        found = decode(response.content, "msgpack")["actions"]["action"]
        assert found.dtype == action.dtype
        assert found == action
        past.append({"observation": {"view": view}, "action": {"action": action}})


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ([], 400, None),
        ({"task": GRID}, 400, "observation"),
        ({"task": GRID, "observation": {"view": VIEW}, "extra": 1}, 400, "extra"),
        ({"task": 5, "observation": {}}, 400, "task"),
        ({"task": "babyai/GoToLocl", "observation": {}}, 404, "task"),
        ({"task": "../../etc/passwd", "observation": {}}, 404, "task"),
        ({"task": "babyai", "observation": {}}, 404, "task"),
        ({"task": GRID, "observation": {"x" * 2_000_000: VIEW}}, 400, "observation"),
        ({"task": "mujoco/Humanoid", "observation": {}}, 400, "task"),
        ({"task": GRID, "observation": {}}, 400, "observation.view"),
        ({"task": GRID, "observation": {"veiw": VIEW}}, 400, "observation.veiw"),
        ({"task": GRID, "observation": {"view": [[1, 2], [3]]}}, 400, "observation.view"),
        ({"task": GRID, "observation": {"view": VIEW[:6]}}, 400, "observation.view"),
        ({"task": GRID, "observation": {"view": "a string"}}, 400, "observation.view"),
        ({"task": GRID, "observation": {"view": None}}, 400, "observation.view"),
        ({"task": GRID, "observation": {"view": np.full((50, 3), 255).tolist()}}, 400, "observation.view"),
        ({"task": GRID, "observation": {"view": np.full((50, 3), 0.5).tolist()}}, 400, "observation.view"),
        ({"task": ARM, "observation": {"state": [1e400] + [0] * 38}}, 400, "observation.state"),
        ({"task": ARM, "observation": {"state": [1e300] + [0] * 38}}, 400, "observation.state"),
        ({"task": ARM, "observation": {"state": [10**40] + [0] * 38}}, 400, "observation.state"),
        ({"task": ARM, "observation": {"state": [[0]] * 39}}, 400, "observation.state"),
        ({"task": GRID, "observation": {"view": VIEW}, "seed": -1}, 400, "seed"),
        ({"task": GRID, "observation": {"view": VIEW}, "seed": 2**63}, 400, "seed"),
        ({"task": GRID, "observation": {"view": VIEW}, "instruction": "x" * 200_000}, 400, "instruction"),
        (
            {"task": GRID, "observation": {"view": VIEW}, "past": [{"observation": {"view": VIEW}, "action": {}}]},
            400,
            "past[0].action.action",
        ),
        (
            {"task": GRID, "observation": {"view": VIEW}, "past": [{"observation": {"view": VIEW}}]},
            400,
            "past[0].action",
        ),
        (
            {
                "task": GRID,
                "observation": {"view": VIEW},
                "past": [{"observation": {"view": VIEW}, "action": {"action": 7}}],
            },
            400,
            "past[0].action.action",
        ),
        (
            {
                "task": GRID,
                "observation": {"view": VIEW},
                "past": [{"observation": {"view": VIEW}, "action": {"action": 1}}] * 65,
            },
            413,
            "past",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_does_not_fit_is_told_by_its_field(server: Running, body: Any, status: int, field: str | None) -> None:
    data = json.dumps(body).replace("Infinity", "1e400")  # which JSON may say, and no float can hold
    response = requests.post(server.address + "/v1/act", data, headers={"content-type": "application/json"}, timeout=30)
    error = error_of(response, status)
    assert error["param"] == field
    if field is not None:
        assert error["message"].startswith(field)


def test_half_a_letter_is_no_text(server: Running) -> None:
    body = b'{"task": "babyai/GoToLocal", "instruction": "\\ud800", "observation": {}}'
    response = requests.post(server.address + "/v1/act", body, headers={"content-type": "application/json"}, timeout=30)
    assert error_of(response, 400)["param"] == "instruction"


def test_an_array_of_nan_is_refused(server: Running) -> None:
    body = msgpack.packb({"task": ARM, "observation": {"state": [float("nan")] * 39}})
    response = requests.post(
        server.address + "/v1/act", body, headers={"content-type": "application/msgpack"}, timeout=30
    )
    error = error_of(response, 400)
    assert error["param"] == "observation.state"
    assert "39 values that are not finite" in error["message"]


def test_more_steps_than_the_agent_reads(serving: Any) -> None:
    step = {"observation": {"view": VIEW}, "action": {"action": 1}}
    with serving(max_steps=1000) as server:
        response = server.post("/v1/act", {"task": GRID, "observation": {"view": VIEW}, "past": [step] * 200})
        assert "use a session" in error_of(response, 413)["message"]


def test_tasks_tell_what_to_send(server: Running) -> None:
    told = server.get("/v1/tasks").json()
    by_id = {task["id"]: task for task in told["tasks"]}
    assert by_id[ARM]["observation"]["state"]["shape"] == [39]
    assert by_id[ARM]["action"]["action"]["low"] == -1
    assert "caption/openclipart" in told["others"]
    for task_id in (ARM, GRID, "babyai/GoToLocal"):
        assert server.get(f"/v1/tasks/{task_id}").json() == by_id[task_id]
        example = server.get(f"/v1/tasks/{task_id}/example").json()
        assert server.post("/v1/act", example).status_code == 200
    assert error_of(server.get("/v1/tasks/babyai/Nowhere"), 404)["param"] == "task"
    begun = time.monotonic()
    error_of(server.get(f"/v1/tasks/babyai/{'x' * 30_000}"), 404)
    assert time.monotonic() - begun < 1, "near names of a long one are not looked for"
