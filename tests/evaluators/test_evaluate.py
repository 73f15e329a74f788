"""Choosing tasks, playing them, and the report of it."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from opengato import evaluators
from opengato.core.environment import Score, TaskInfo
from opengato.envs import find_task
from opengato.evaluators import Interval, Report, Settings, TaskResult, evaluate, evaluator_of, run_task, select_tasks
from opengato.evaluators import control as package
from opengato.evaluators.acting import demonstration
from opengato.evaluators.report import NORMALISED
from opengato.rollout import TRAIN_SEED, as_policy
from tests.evaluators.fakes import FakeAgent

TRAINED = ["babyai/GoToLocal", "babyai/PickupLoc", "metaworld/reach", "text/austen", "caption/emoji"]


def anchored(random: float, expert: float) -> TaskInfo:
    def measured(mean: float) -> Score:
        return Score(mean=mean, std=0.0, episodes=100, seed=0)

    return dataclasses.replace(
        find_task("babyai/GoToLocal"), random_score=measured(random), expert_score=measured(expert)
    )


def result(task: str, scores: tuple[float, ...]) -> TaskResult:
    mean = Interval(value=float(np.mean(scores)), low=min(scores), high=max(scores))
    return TaskResult(
        task=task,
        metric=NORMALISED,
        score=mean,
        figures={
            "return": mean,
            "return std": Interval(value=0.5),
            "success": Interval(value=0.5, low=0.25, high=0.75),
        },
        references={"random": 0.0, "expert": 1.0},
        samples={"score": scores, "return": scores},
        num_samples=len(scores),
        seed=0,
        notes={"expert": "a bot"},
    )


def report() -> Report:
    return Report(
        agent={"name": "tiny", "parameters": 5},
        results=(
            result("babyai/GoToLocal", (0.0, 1.0)),
            result("metaworld/reach", (1.0, 1.0)),
            result("metaworld/push", (-0.5,)),
        ),
        left_out={"metaworld/soccer": "the expert is not above random"},
        seconds=2.5,
        versions={"numpy": "2"},
    )


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("babyai", ["babyai/GoToLocal", "babyai/PickupLoc"]),
        ("metaworld, babyai", ["metaworld/reach", "babyai/GoToLocal", "babyai/PickupLoc"]),
        ("babyai/PickupLoc,babyai", ["babyai/PickupLoc", "babyai/GoToLocal"]),
        ("metaworld/drawer-open", ["metaworld/drawer-open"]),  # by name also what it was not trained on
        (["text", "caption"], ["text/austen", "caption/emoji"]),
        ("caption/op*", ["caption/openclipart"]),
        ("metaworld/drawer-*", ["metaworld/drawer-open", "metaworld/drawer-close"]),
    ],
)
def test_tasks_are_selected(expression: str | list[str], expected: list[str]) -> None:
    assert sorted(select_tasks(expression, TRAINED)) == sorted(expected)
    if "*" not in str(expression):
        assert select_tasks(expression, TRAINED) == expected


def test_all_is_what_was_learnt_and_what_can_be_asked_about_it() -> None:
    asked = {"anomaly/caption-emoji", "retrieve/caption-emoji", "retrieve/text-austen"}
    assert set(select_tasks("all", TRAINED)) == {*TRAINED, *asked}, "drawings were never taught"


def test_a_policy_without_training_knows_all() -> None:
    assert len(select_tasks("metaworld", None)) == 50


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("babyia", "did you mean 'babyai'"),
        ("babyai/GoToLocl", "did you mean 'babyai/GoToLocal'"),
        ("babyai/Fly*", r"no task matches 'babyai/Fly\*'"),
        (" , ", "expected at least one"),
    ],
)
def test_wrong_tasks_are_explained(expression: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        select_tasks(expression, TRAINED)


def test_a_family_without_training_is_explained() -> None:
    with pytest.raises(ValueError, match=r"trained on no task of 'text'.*'text/\*' names all"):
        select_tasks("text", ["babyai/GoToLocal"])


def test_score_by_hand() -> None:
    samples = {"return": [1.0, 0.2], "length": [4.0, 64.0], "success": [1.0, 0.0]}
    made = package.score(anchored(0.2, 1.0), samples, Settings(episodes=2))
    assert made.score.value == pytest.approx(0.5)  # (0.6 - 0.2) / 0.8
    assert (made.score.low, made.score.high) == (pytest.approx(0.0), pytest.approx(1.0))
    assert made.samples["score"] == pytest.approx((1.0, 0.0))
    assert made.figures["return"].value == pytest.approx(0.6)
    assert made.figures["return std"].value == pytest.approx(0.4)
    assert made.figures["length"].value == 34
    assert made.figures["success"].value == 0.5
    assert made.references == {"random": 0.2, "expert": 1.0}
    assert made.notes == {"expert": "BabyAIBot"}
    assert dict(made.values())["babyai/GoToLocal/normalised return"] == pytest.approx(0.5)


def test_episodes_that_the_policy_gave_up_are_named() -> None:
    made = package.score(anchored(0.0, 1.0), {"return": [1.0], "length": [3.0]}, Settings(episodes=4))
    assert made.num_samples == 1
    assert made.notes["given up"].startswith("3 of 4")
    assert "success" not in made.figures
    with pytest.raises(ValueError, match="0 episodes finished"):
        package.score(anchored(0.0, 1.0), {}, Settings(episodes=4))


def test_a_task_whose_expert_is_no_better_than_random_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    worthless = {"babyai/GoToLocal": anchored(0.5, 0.5)}
    monkeypatch.setattr(package, "find_task", lambda task_id: worthless.get(task_id) or find_task(task_id))
    made = evaluate("expert", "babyai/GoToLocal,babyai/GoToObjS4", episodes=2, progress=False)
    assert [one.task for one in made.results] == ["babyai/GoToObjS4"]
    assert "not above random" in made.left_out["babyai/GoToLocal"]
    assert "babyai/GoToLocal" in made.table()
    with pytest.raises(KeyError, match="not above random"):
        made["babyai/GoToLocal"]


def test_scores_against_the_anchors_of_jat() -> None:
    settings = Settings(episodes=2, anchors="jat")
    made = evaluate("expert", "babyai/GoToLocal,babyai/GoToObjS4,metaworld/reach", settings=settings, progress=False)
    [one] = made.results
    assert one.references == {"random": 0.162485, "expert": 0.925005}
    mean = np.mean(one.samples["return"])
    assert one.score.value == pytest.approx((mean - 0.162485) / (0.925005 - 0.162485))
    assert one.notes["expert"].startswith("JAT's")
    assert "no anchors" in made.left_out["babyai/GoToObjS4"]
    assert "another reward" in made.left_out["metaworld/reach"]


def test_the_expert_scores_about_one_and_the_number_of_environments_changes_nothing() -> None:
    task = "babyai/GoToObjS4"
    alone = run_task("expert", task, Settings(episodes=5, num_envs=1))
    beside = run_task("expert", task, Settings(episodes=5, num_envs=3))
    assert alone == beside
    assert 0.8 < alone.score.value < 1.2
    assert alone.figures["success"].value == 1.0
    part = run_task("expert", task, Settings(episodes=2, seed=3))
    assert part.samples["return"] == alone.samples["return"][3:], "episode i has seed `seed + i`"


def test_a_demonstration_is_a_success_that_evaluation_never_plays() -> None:
    shown = demonstration("babyai/GoToObjS4")
    assert shown.success
    assert shown.provenance["seed"] >= TRAIN_SEED
    assert shown.episode_return > 0


def test_prompted_agents_read_a_demonstration(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def spy(*arguments: Any) -> Any:
        made.append(arguments)
        return as_policy("random")

    monkeypatch.setattr(package, "policy_of", spy)
    for prompted in (False, True):
        run_task("random", "babyai/GoToObjS4", Settings(episodes=1, prompted=prompted))
    (*_, without), (*_, shown) = made
    assert without is None
    assert shown.task == "babyai/GoToObjS4"
    assert Settings(prompted=True).acting == "temperature 0, prompted"


@pytest.mark.parametrize("settings", [Settings(episodes=0), Settings(seed=-1), Settings(seed=TRAIN_SEED - 1)])
def test_training_seeds_are_refused(settings: Settings) -> None:
    with pytest.raises(ValueError, match="for training"):
        run_task("random", "babyai/GoToObjS4", settings)


def test_samples_are_counted_for_the_progress_bar() -> None:
    for task, settings in (("babyai/GoToObjS4", Settings(episodes=3)), ("caption/emoji", Settings(documents=4))):
        ticks: list[None] = []
        run_task(FakeAgent(), task, settings, on_sample=lambda ticks=ticks: ticks.append(None))
        assert len(ticks) == evaluator_of(task).num_samples(task, settings)


def test_evaluate_names_who_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = FakeAgent(card={"recipe": "tiny", "tasks": ["text/austen"]})
    assert evaluate("random", "babyai/GoToObjS4", episodes=1, progress=False).agent == {"name": "random"}
    made = evaluate(agent, "text/austen", settings=Settings(documents=2), progress=False)
    assert made["text/austen"].num_samples == 2
    assert made.seconds > 0
    assert "numpy" in made.versions


def test_report_json_round_trip(tmp_path: Path) -> None:
    path = report().to_json(tmp_path / "deep" / "report.json")
    assert Report.from_json(path) == report()
    body = json.loads(path.read_text())
    assert body["aggregates"]["metaworld"]["num_tasks"] == 2
    (tmp_path / "other.json").write_text('{"format": 99}')
    with pytest.raises(ValueError, match="not a report"):
        Report.from_json(tmp_path / "other.json")


def test_aggregates_by_hand() -> None:
    found = report().aggregates()
    assert list(found) == ["babyai", "metaworld", "all control"]
    assert found["metaworld"].mean.value == pytest.approx(0.25)
    assert found["all control"].mean.value == pytest.approx(1 / 3)
    assert found["all control"].median.value == pytest.approx(0.5)
    assert found["all control"].above == {0.25: 2, 0.5: 2, 0.75: 1, 0.9: 1}


@pytest.mark.parametrize("width", [80, 140])
def test_table_fits_and_says_all(width: int) -> None:
    text = report().table(width)
    assert max(len(line) for line in text.splitlines()) <= width
    for needed in (
        "babyai/GoToLocal",
        "metaworld/push",
        "-0.50",
        "0.50 [0.00, 1.00]",
        "all control",
        "left out: metaworld/soccer",
    ):
        assert needed in text
    coloured = Console(file=io.StringIO(), force_terminal=True, width=width)
    coloured.print(report())
    assert "\x1b[" in coloured.file.getvalue()  # ty: ignore[missing-attribute]


def test_plot(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = report().plot(tmp_path / "plots" / "scores.png")
    with Image.open(path) as picture:
        assert picture.size[0] > 600
    empty = dataclasses.replace(report(), results=())
    with pytest.raises(ValueError, match="no control task"):
        empty.plot(tmp_path / "none.png")
    assert "nothing was measured" in dataclasses.replace(empty, left_out={}).table()


def test_evaluators_are_found_by_folder() -> None:
    assert set(evaluators.evaluators_by_family()) >= {"babyai", "metaworld", "text", "caption"}
