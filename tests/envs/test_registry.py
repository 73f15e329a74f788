"""Registered tasks: known everywhere, in other processes too, and measured with and without anchors."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest

import opengato
from opengato import cli
from opengato.core.environment import Score
from opengato.envs import all_tasks, families, family_of, find_task, make, registry
from opengato.evaluators import evaluate, measurable_families, trained_tasks
from opengato.evaluators.video import play
from opengato.rollout import CollectJob, Limits, LocalCrew, collect, supervise
from tests.envs.own import LENGTH, Guide, Line, goal_of
from tests.test_rollout import assert_same

OWN: dict[str, Any] = {"env": Line, "name": "own/line", "instruction": goal_of, "expert": Guide, "max_steps": 20}


@pytest.fixture(autouse=True)
def only_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the task of `own`, and nothing left behind."""
    monkeypatch.setattr(registry, "_families", {})
    monkeypatch.setattr(registry, "_imported", set())
    monkeypatch.setattr(registry, "_by_modules", set())
    monkeypatch.delenv("OPENGATO_ENVS", raising=False)
    opengato.register(**OWN)


def test_a_registered_task_is_found_like_any_other() -> None:
    task = find_task("own/line")
    assert task in all_tasks()
    assert all_tasks("own") == [task]
    assert families()[-1] == "own"
    assert task.instruction.startswith("go to place ")
    assert task.expert == "Guide"
    assert set(task.observation_specs) == {"place", "goal", "dark"}
    assert task.observation_specs["goal"].name == "own/line/observation/goal"
    assert task.action_specs["direction"].num_values == 2
    for wrong, said in {
        "own/lime": "did you mean 'own/line'",
        "onw/line": "did you mean 'own'",
        "line": "'own/line'",
    }.items():
        with pytest.raises(ValueError, match=said):
            find_task(wrong)


def test_actions_and_observations_are_those_of_the_environment() -> None:
    env = make("own/line", seed=3)
    raw, _ = env.reset()
    family = family_of("own/line")
    values = family.observation(raw)
    for name, spec in find_task("own/line").observation_specs.items():
        spec.validate(values[name])
    action = family.action({"direction": np.asarray(1), "speed": np.array([0.5], np.float32)})
    assert env.action_space.contains(action)
    assert action["direction"] == 0
    assert family.action_values(action)["direction"] == 1
    _, _, _, _, info = env.step(action)
    assert isinstance(info["success"], bool)


def test_the_expert_is_made_anew_and_the_instruction_follows_the_goal() -> None:
    episodes = list(collect("own/line", episodes=12))
    assert all(episode.success and episode.terminated for episode in episodes)
    for episode in episodes:
        assert episode.instruction == f"go to place {episode.observations['goal'][0]}"
    assert len({episode.instruction for episode in episodes}) > 3


def test_workers_know_it() -> None:
    job = CollectJob(task="own/line", episodes=4, noise=(0.0, 0.5))
    outcomes = [outcome for found in supervise([job], LocalCrew(1), Limits()) if found for outcome in found[1:]]
    there = [outcome.episode for outcome in outcomes if outcome.episode is not None]
    assert_same(there, collect("own/line", episodes=4, noise=(0.0, 0.5)))


def test_what_workers_cannot_import_is_told() -> None:
    opengato.register(lambda: Line(), name="own/lambda", instruction="go", max_steps=5)
    with pytest.raises(ValueError, match="which other processes cannot import; move it"):
        list(supervise([CollectJob(task="own/lambda", episodes=1, policy="random")], LocalCrew(1), Limits()))
    assert len(list(collect("own/lambda", "random", episodes=2))) == 2


def test_without_anchors_the_return_itself_is_reported(tmp_path: Path) -> None:
    report = evaluate("expert", "own/line,babyai/GoToObjS4", episodes=6, progress=False)
    result = report["own/line"]
    returns = [episode.episode_return for episode in collect("own/line", episodes=6, seed=0)]
    assert result.metric == "return"
    assert result.score.value == pytest.approx(np.mean(returns))
    assert result.figures["success"].value == 1.0
    assert list(report.aggregates()) == ["babyai"], "a return in its own unit is no part of a mean of scores"
    for width in (80, 140):
        text = report.table(width)
        assert "Control without known random and expert returns" in text
        assert max(map(len, text.splitlines())) <= width
    assert type(report).from_json(report.to_json(tmp_path / "report.json")) == report


def test_with_anchors_results_are_normalised() -> None:
    opengato.register(**OWN, random_score=-10, expert_score=Score(mean=-2.0, std=1.0, episodes=50, seed=0))
    made = evaluate("expert", "own/line", episodes=6, progress=False)["own/line"]
    assert made.metric == "normalised return"
    assert made.score.value == pytest.approx((made.figures["return"].value + 10) / 8)
    opengato.register(**OWN, random_score=-2, expert_score=-2)
    assert "not above random" in evaluate("expert", "own/line", episodes=1, progress=False).left_out["own/line"]


def test_a_video_shows_it(tmp_path: Path) -> None:
    played = play("expert", "own/line", 0, tmp_path / "line.webp", render_size=32)
    assert played.size[0] == 32
    opengato.register(lambda: Line(), name="own/blind", instruction="go", max_steps=5)
    with pytest.raises(RuntimeError, match=r"'own/blind' gives no pictures: .*NoneType; register a function"):
        play("random", "own/blind", 0, tmp_path)


def test_ids_of_gymnasium_have_a_time_limit_and_a_name() -> None:
    task = opengato.register("CartPole-v1", instruction="hold the pole upright")
    assert task.id == "mine/CartPole-v1"
    assert task.max_steps == 500
    assert task.expert is None
    made = gymnasium.make("CartPole-v1")
    assert opengato.register(made, instruction="hold the pole upright").id == "mine/CartPole-v1"
    (episode,) = collect("mine/CartPole-v1", lambda observation: int(observation[2] > 0), episodes=1)
    assert episode.actions["action"].dtype == np.int64
    with pytest.raises(ValueError, match="has no expert"):
        next(collect("mine/CartPole-v1"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "line"}, "expected `family/name`"),
        ({"name": "own/a,b"}, "expected `family/name`"),
        ({"name": "babyai/line"}, "the family 'babyai' is not free; call it 'mine/line'"),
        ({"name": "text/line"}, "is not free"),
        ({"instruction": " "}, "has no instruction"),
        ({"max_steps": None}, "say after how many steps to stop"),
        ({"env": dict}, "made a dict, expected a gymnasium.Env"),
        ({"env": Line()}, "give what makes them: a function or a class, such as Line"),
    ],
)
def test_wrong_registrations_say_what_is_right(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        opengato.register(**{**OWN, **changes})


def test_adopting_is_registering() -> None:
    sent = registry.for_workers(["own/line", "own/line", "babyai/GoToLocal"])
    (one,) = pickle.loads(sent)
    assert one.name == "own/line"
    registry._families.clear()
    registry.adopt(sent)
    assert find_task("own/line").max_steps == 20


MODULE = """
import gymnasium, opengato

def hold(observation):
    return int(observation[2] > 0)

opengato.register("CartPole-v1", name="pole/hold", instruction=lambda env: "hold it", expert=hold, max_steps=30)
"""


def test_the_command_line_takes_a_module(tmp_path: Path) -> None:
    """From a file to workers, as a user would: nothing is known but what `--env` says."""
    (tmp_path / "poles.py").write_text(MODULE)
    paths = {"PYTHONPATH": str(Path(opengato.__file__).parents[1])}
    words = ["collect", "pole/hold", "--env", "poles.py", "--episodes", "4", "--workers", "1", "--out", "data"]
    run = [sys.executable, "-m", "opengato"]
    done = subprocess.run([*run, *words], cwd=tmp_path, env=os.environ | paths, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "data: 4 of 4 episodes, 1 task" in done.stdout


def test_modules_are_named_for_one_command_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "more_poles.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert cli.main(["tasks", "--env=more_poles", "--family", "pole"]) == 0
    assert "pole/hold" in capsys.readouterr().out
    assert "OPENGATO_ENVS" not in os.environ
    assert cli.main(["tasks", "--env", "nowhere.py"]) == cli.WRONG_USE
    assert "no module 'nowhere.py' to take tasks from" in " ".join(capsys.readouterr().err.split())
    assert cli.main(["tasks", "--env"]) == cli.WRONG_USE
    assert "needs a module or a file" in capsys.readouterr().err


def test_an_agent_of_unknown_tasks_asks_for_their_module() -> None:
    agent: Any = SimpleNamespace(card={"tasks": ["nobody/knows"]})
    with pytest.raises(ValueError, match=r"was trained on nobody, .* with --env"):
        measurable_families(trained_tasks(agent))
    agent.card["tasks"].append("own/line")
    assert measurable_families(trained_tasks(agent)) == ["own"]


def test_the_line_is_walked_in_at_most_its_length() -> None:
    assert max(episode.num_steps for episode in collect("own/line", episodes=20)) <= LENGTH
