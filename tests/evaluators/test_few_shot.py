"""The few-shot study: subsets that are nested, averages by hand, results that outlive an interruption."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from opengato.agent.files import save_agent, shipped
from opengato.agent.model import Agent
from opengato.core.config import override, to_json
from opengato.data.loader import LoaderConfig
from opengato.data.store import EpisodeStore, StoreWriter
from opengato.evaluators import Interval, TaskResult, few_shot
from opengato.evaluators.contract import Settings
from opengato.evaluators.few_shot import Cell, Config, Result, draw, smooth, summary
from opengato.evaluators.few_shot_report import plot_few_shot, study_tables
from opengato.evaluators.report import NORMALISED
from opengato.train import finetune
from tests.tiny import tiny_agent, toy_episode

# Subsets and averages


def test_subsets_are_nested_and_of_the_best() -> None:
    returns = np.random.default_rng(0).permutation(50).astype(float)
    by_count = {count: draw(returns, 20, count, np.random.default_rng((0, 1))) for count in (1, 3, 5, 10, 20)}
    for count, drawn in by_count.items():
        assert len(set(drawn.tolist())) == count
        assert returns[drawn].min() >= 30, "of the best 20"
    sets = [set(drawn.tolist()) for drawn in by_count.values()]
    assert all(fewer < more for fewer, more in itertools.pairwise(sets))
    other = draw(returns, 20, 10, np.random.default_rng((0, 2)))
    assert set(other.tolist()) != sets[3], "another series, another draw"
    everyone = np.concatenate([draw(returns, 20, 1, np.random.default_rng((0, s))) for s in range(300)])
    assert set(returns[everyone].tolist()) == set(range(30, 50)), "each of the best can be drawn"
    with pytest.raises(ValueError, match="asked for 21 episodes of 20"):
        draw(returns, 20, 21, np.random.default_rng(0))


def test_averages_by_hand() -> None:
    assert smooth([0, 1, 2, 3, 4, 5, 7], 5).tolist() == pytest.approx([2.0, 3.0, 4.2])
    assert smooth([1.0, 2.0, 6.0], 5).tolist() == pytest.approx([3.0]), "fewer than a window: all of them"
    assert smooth([1.0, 2.0], 1).tolist() == [1.0, 2.0]


def result(start: str, episodes: int, series: int, scores: tuple[float, ...], task: str = "toy/new") -> Result:
    cell = Cell(task=task, mode="full", start=start, episodes=episodes, series=series)
    return Result(cell=cell, steps=tuple(range(1, 1 + len(scores))), scores=scores)


def study() -> list[Result]:
    return [
        result("all", 1, 0, (0.0, 1.0, 0.0)),
        result("all", 1, 1, (0.0, 0.0, 1.0)),
        result("all", 10, 0, (1.0, 1.0, 1.0)),
        result("scratch", 1, 0, (0.0, 0.0, 0.0)),
        result("all", 1, 0, (0.2, 0.2, 0.2), task="toy/other"),
    ]


def test_summary_by_hand() -> None:
    rows = summary(study(), window=2)
    assert rows[0] == {
        "task": "toy/new",
        "mode": "full",
        "start": "all",
        "episodes": 1,
        "series": 2,
        "maximum": {"mean": 0.5, "low": 0.5, "high": 0.5},
        "last": {"mean": 0.5, "low": 0.5, "high": 0.5},
    }
    (wide,) = (row for row in summary(study(), window=1) if row["episodes"] == 1 and row["series"] == 2)
    assert wide["maximum"] == {"mean": 1.0, "low": 1.0, "high": 1.0}
    assert wide["last"] == {"mean": 0.5, "low": 0.0, "high": 1.0}
    assert [(row["task"], row["start"], row["episodes"]) for row in rows] == [
        ("toy/new", "all", 1),
        ("toy/new", "all", 10),
        ("toy/new", "scratch", 1),
        ("toy/other", "all", 1),
    ]


def test_tables_and_picture(tmp_path: Path) -> None:
    rows = summary(study(), window=1)
    console = Console(width=100)
    with console.capture() as capture:
        console.print(study_tables(rows))
    text = capture.get()
    assert "1.00 (0.50)" in text
    assert "optimistic" in text
    pytest.importorskip("matplotlib")
    path = plot_few_shot(rows, tmp_path / "plots" / "study.png")
    with Image.open(path) as picture:
        assert picture.size == (2 * 690, 570)
    with pytest.raises(ValueError, match="no results to draw"):
        plot_few_shot([], tmp_path / "none.png")


# A study of a toy agent


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Two starts, two sizes, two series: eight cells of two evaluations each."""
    agent = tiny_agent()
    agent.card = {"tasks": ["toy/task"]}
    save_agent(agent, tmp_path / "base")
    with StoreWriter(tmp_path / "pool") as writer:
        writer.append(replace(toy_episode(seed, steps=2), task="toy/new", instruction=str(seed)) for seed in range(4))
        writer.append([replace(toy_episode(9, steps=2), task="toy/other", rewards=np.ones(2, np.float32))])
    training = finetune.Config(
        mode="full",  # the name of the mode in `training` counts
        optim=finetune.constant_adam(1e-3),
        loader=LoaderConfig(workers=0),
        rows_per_group=1,
        steps=2,
        precision="float32",
    )
    return Config(
        tasks=("toy/new",),
        starts={"base": str(tmp_path / "base")},
        episodes=(3, 1),
        series=2,
        best=4,
        stores={"toy/new": str(tmp_path / "pool")},
        training={"head": training},
        every=1,
        eval_episodes=3,
    )


class Judge:
    """Scores an agent by its weights, so that every score is a different one; may be interrupted at a call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_at: int | None = None) -> None:
        self.calls: list[int] = []
        self.stop_at = stop_at
        monkeypatch.setattr(few_shot, "run_task", self)
        monkeypatch.setattr(few_shot, "evaluator_of", lambda task: self)

    def unfit(self, task: str) -> str | None:
        return None

    def __call__(self, agent: Agent, task: str, settings: Settings) -> TaskResult:
        assert task == "toy/new"
        assert settings.episodes == 3
        assert not agent.training
        self.calls.append(settings.seed)
        if len(self.calls) == self.stop_at:
            raise KeyboardInterrupt
        score = Interval(value=sum(float(parameter.detach().double().sum()) for parameter in agent.parameters()))
        facts: dict[str, Any] = {"figures": {}, "references": {}, "samples": {}, "num_samples": 3, "seed": 0}
        return TaskResult(task=task, metric=NORMALISED, score=score, **facts)


def subsets(folder: Path) -> Iterator[list[str]]:
    for series in range(2):
        for count in (1, 3):
            store = EpisodeStore(folder / f"data/toy-new/series-{series}/episodes-{count}")
            yield [episode.instruction for episode in store]


def test_an_interrupted_study_goes_on(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Judge(monkeypatch)
    whole = few_shot.run(config, tmp_path / "whole")
    assert judge.calls == [0, 3] * 8, "new seeds at each evaluation, the same for each cell"
    assert len({result.scores for result in whole}) == 8
    starts = [result.cell.start for result in whole]
    assert starts == ["base", "scratch"] * 4
    assert [result.cell.series for result in whole] == [0] * 4 + [1] * 4
    first, second, *_ = subsets(tmp_path / "whole")
    assert len(first) == 1
    assert set(first) < set(second) <= {"0", "1", "2", "3"}, "nested, and of this task alone"
    assert not list((tmp_path / "whole" / "cells").rglob("*.safetensors")), "a finished cell leaves its result alone"

    interrupted = Judge(monkeypatch, stop_at=6)  # in the middle of the third cell
    with pytest.raises(KeyboardInterrupt):
        few_shot.run(config, tmp_path / "parts")
    body = json.loads((tmp_path / "parts" / few_shot.RESULTS).read_text())
    assert len(body["cells"]) == 2
    assert "optimistic" in body["note"]
    again = Judge(monkeypatch)
    parts = few_shot.run(config, tmp_path / "parts")
    assert len(interrupted.calls) + len(again.calls) == 17, "only what was interrupted is played again"
    assert parts == whole
    assert few_shot.run(config, tmp_path / "parts") == whole
    assert len(again.calls) == 11
    names = ("cells", "summary", "config", "starts")
    written = [json.loads((tmp_path / name / few_shot.RESULTS).read_text()) for name in ("whole", "parts")]
    assert all(written[0][name] == written[1][name] for name in names)

    wider = few_shot.run(replace(config, episodes=(1, 2, 3), window=1, scratch=False), tmp_path / "parts")
    assert wider[:8] == whole, "a wider study keeps what is there"
    assert [(result.cell.start, result.cell.episodes) for result in wider[8:]] == [("base", 2)] * 2
    for changed, said in (({"seed": 1}, "seed"), ({"eval_episodes": 2}, "eval_episodes")):
        with pytest.raises(ValueError, match=f"results with other {said}; choose another folder"):
            few_shot.run(replace(config, **changed), tmp_path / "parts")
    save_agent(tiny_agent(seed=5), tmp_path / "base")
    with pytest.raises(ValueError, match="weights of 'base'"):
        few_shot.run(config, tmp_path / "parts")


def test_a_task_that_a_start_knows_is_refused(config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Judge(monkeypatch)
    with pytest.raises(ValueError, match="toy/task is not new to base"):
        few_shot.run(replace(config, tasks=("toy/task",)), tmp_path / "out")
    monkeypatch.setattr(Judge, "unfit", lambda self, task: "nobody can")
    with pytest.raises(ValueError, match="toy/new cannot be scored: nobody can"):
        few_shot.run(config, tmp_path / "out")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("series=0", "at least one"),
        ("tasks=", "at least one"),
        ("episodes=5,1", r"only the `best` 4 are kept"),
        ("every=3", r"`training.head.steps` is 2, expected a multiple of 3"),
        ("training.head.steps=0", "expected a multiple of 1"),
    ],
)
def test_settings_that_fit_no_study(config: Config, setting: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        few_shot.run(override(config, [setting]), tmp_path / "out")


# Studies by name


def test_the_papers_study() -> None:
    gato = few_shot.load("gato")
    few_shot.check(gato)
    assert gato.episodes == (1, 3, 5, 10, 100, 1000)
    assert (gato.best, gato.series, gato.every, gato.eval_episodes, gato.window) == (2000, 3, 100, 10, 5)
    assert gato.training == {"full": finetune.Config()}


@pytest.mark.parametrize("name", few_shot.PRESETS)
def test_a_study_comes_back_from_json(name: str, tmp_path: Path) -> None:
    config = few_shot.load(name)
    few_shot.check(config)
    (tmp_path / "study.json").write_text(json.dumps(to_json(config)))
    assert few_shot.load(str(tmp_path / "study.json")) == config
    tasks = {"tasks": ["babyai/GoTo"], "starts": {"all": "tiny"}}
    (tmp_path / "short.json").write_text(json.dumps(tasks))
    assert few_shot.load(str(tmp_path / "short.json")) == Config(tasks=("babyai/GoTo",), starts={"all": "tiny"})
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(ValueError, match=r"is no study; `opengato few-shot small --show` prints one"):
        few_shot.load(str(tmp_path / "list.json"))
    with pytest.raises(ValueError, match=r"unknown study .* 'smal'; did you mean 'small'"):
        few_shot.load("smal")


@pytest.mark.skipif("tiny" not in shipped(), reason="the shipped agent is not there")
def test_tasks_of_the_presets_are_held_out_of_the_shipped_agent() -> None:
    start = finetune.Start.of("tiny")
    for preset in few_shot.PRESETS.values():
        few_shot.check_tasks(preset().tasks, {"tiny": start})
