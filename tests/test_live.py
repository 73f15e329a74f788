"""An environment in a process of its own: the same episode as here, and nothing of what goes wrong in it."""

from __future__ import annotations

import io
import os
import signal

import numpy as np
import pytest
from PIL import Image

from opengato.rollout import collect, live
from opengato.rollout.live import LiveEnvironment
from opengato.rollout.workers import WorkerDied

TASK = "babyai/GoToLocal"


def test_the_expert_plays_the_episode_that_is_collected() -> None:
    (expected,) = collect(TASK, "expert", episodes=1, seed=5)
    place = LiveEnvironment(TASK, "expert", size=96)
    try:
        scenes = [place.reset(5)]
        while not scenes[-1].is_over:
            scenes.append(place.step())
    finally:
        place.close()
    assert scenes[0].instruction == expected.instruction
    assert np.array_equal([scene.values["view"] for scene in scenes[:-1]], expected.observations["view"])
    assert [int(scene.action["action"]) for scene in scenes[1:] if scene.action] == expected.actions["action"].tolist()
    assert sum(scene.reward for scene in scenes) == pytest.approx(expected.episode_return)
    assert Image.open(io.BytesIO(scenes[-1].picture)).size == (96, 96)


def test_a_wrong_action_is_told_and_the_process_lives_on() -> None:
    place = LiveEnvironment(TASK)
    try:
        place.reset(0)
        with pytest.raises(RuntimeError):
            place.step({"nothing": np.array(0)})
        assert not place.step({"action": np.array(0)}).is_over
    finally:
        place.close()


def test_a_process_that_dies_or_hangs_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    place = LiveEnvironment(TASK)
    place.reset(0)
    os.kill(place.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match="exit code -9"):
        place.step({"action": np.array(0)})
    place.close()
    monkeypatch.setattr(live, "STEP_SECONDS", 0.5)
    place = LiveEnvironment(TASK)
    place.reset(0)
    os.kill(place.pid, signal.SIGSTOP)
    with pytest.raises(WorkerDied, match=r"within 0\.5 s"):
        place.step({"action": np.array(0)})
