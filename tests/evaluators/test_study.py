"""A study keeps what is finished, and its figures are means by hand."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from opengato.agent.model import Agent
from opengato.evaluators import Report, Settings, study
from opengato.evaluators.report import NORMALISED, TaskResult
from opengato.evaluators.statistics import Interval
from opengato.evaluators.study import Study, Variant, means, row_of, run_study
from opengato.evaluators.study_report import plot_study, study_lines, study_table
from opengato.recipes import load, studies
from tests.tiny import tiny_agent

BASE = load("tiny")


def scored(**scores: float) -> Report:
    """A report of tasks `family_name` as `family/name`."""
    results = [
        TaskResult(
            task=task.replace("_", "/"),
            metric=NORMALISED,
            score=Interval(value=score),
            figures={},
            references={},
            samples={"score": (score,)},
            num_samples=1,
            seed=0,
        )
        for task, score in scores.items()
    ]
    return Report(agent={"name": "x", "parameters": 2_000_000}, results=tuple(results))


def variant(name: str, steps: int, x: float | None = None, group: str = "") -> Variant:
    recipe = dataclasses.replace(BASE, train=dataclasses.replace(BASE.train, steps=steps))
    return Variant(name=name, recipe=recipe, x=x, group=group)


def toy_study(**changes: Any) -> Study:
    variants = (variant("short", 10, 10.0, "a"), variant("long", 20, 20.0, "a"))
    settings: dict[str, Any] = {"name": "toy", "variants": variants, "tasks": "babyai", **changes}
    return Study(**settings)


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """Instead of training and playing: what was asked for (folder, steps, seed), and a score that follows from it."""
    asked = []

    def train(recipe: Any, folder: Path, data: Path, workers: int | None) -> Agent:
        asked.append((folder.name, recipe.train.steps, recipe.train.seed))
        agent = tiny_agent()
        agent.card = {"training_seconds": 60 * recipe.train.steps}
        return agent

    def measure(agent: Agent, tasks: str, settings: Settings) -> Report:
        _, steps, seed = asked[-1]
        return scored(babyai_a=steps / 20, babyai_b=steps / 20 - 0.2 * seed, metaworld_c=0.5)

    monkeypatch.setattr(study, "prepare", lambda *_: None)
    monkeypatch.setattr(study, "run", train)
    monkeypatch.setattr(study, "evaluate", measure)
    return asked


def test_means_are_over_the_tasks_of_a_family() -> None:
    row = row_of(variant("v", 1), 3, scored(babyai_a=0.2, babyai_b=0.6, metaworld_c=1.0), 4096, 7.0)
    assert row["means"] == {"babyai": pytest.approx(0.4), "metaworld": 1.0}
    assert (row["seed"], row["positions"], row["training_seconds"], row["parameters"]) == (3, 4096, 7.0, 2_000_000)


def test_every_variant_is_trained_with_every_seed_and_nothing_twice(
    trained: list[tuple[str, int, int]], tmp_path: Path
) -> None:
    run_study(toy_study(seeds=1), tmp_path, Path("data"))
    assert trained == [("short-0", 10, 0), ("long-0", 20, 0)]
    rows = run_study(toy_study(seeds=2), tmp_path, Path("data"))
    assert trained[2:] == [("short-1", 10, 1), ("long-1", 20, 1)]
    assert [row["positions"] for row in rows] == [10 * 4096, 20 * 4096] * 2
    assert means(rows, "long", "babyai").tolist() == pytest.approx([1.0, 0.9])
    assert run_study(toy_study(seeds=2), tmp_path, Path("data")) == rows
    assert len(trained) == 4


def test_results_of_other_settings_are_not_mixed(trained: list[tuple[str, int, int]], tmp_path: Path) -> None:
    run_study(toy_study(seeds=1), tmp_path, Path("data"))
    with pytest.raises(ValueError, match="holds results of other settings"):
        run_study(toy_study(tasks="metaworld"), tmp_path, Path("data"))
    assert len(trained) == 2


def test_table_and_pictures(trained: list[tuple[str, int, int]], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    rows = run_study(toy_study(), tmp_path, Path("data"))
    table = study_table(rows)
    cells = {column.header: list(column.cells) for column in table.columns}
    assert cells["variant"] == ["short", "long"]
    assert cells["babyai"] == ["0.45 [0.40, 0.50]", "0.95 [0.90, 1.00]"]
    assert cells["minutes"] == ["10.0", "20.0"]
    bars = [{**row, "x": None} for row in rows]
    for name, drawn in (("curves.png", rows), ("bars.png", bars)):
        path = plot_study(drawn, tmp_path / name, "positions")
        assert path.read_bytes()[:4] == b"\x89PNG"
    with pytest.raises(ValueError, match="no results"):
        plot_study([], tmp_path / "none.png")


def test_variants_with_tasks_of_their_own_are_compared_task_by_task(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    found = {"joint": scored(label_a=0.5, vqa_b=0.25), "a": scored(label_a=0.75), "b": scored(vqa_b=1.0)}
    rows = [
        row_of(variant(name, 1, group="together" if name == "joint" else "alone"), seed, report, 4096, 7.0)
        for name, report in found.items()
        for seed in (range(2) if name == "joint" else range(1))
    ]
    assert study_lines(rows) == [
        ["task", "together", "alone"],
        ["label/a", "0.50 [0.50, 0.50]", "0.75"],
        ["vqa/b", "0.25 [0.25, 0.25]", "1.00"],
    ]
    assert plot_study(rows, tmp_path / "tasks.png").read_bytes()[:4] == b"\x89PNG"


def test_a_variant_is_measured_on_its_own_tasks(
    trained: list[tuple[str, int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(study, "evaluate", lambda agent, tasks, settings: asked.append(tasks) or scored(babyai_a=1.0))
    own = dataclasses.replace(variant("own", 5), tasks="text")
    run_study(toy_study(variants=(variant("other", 5), own), seeds=1), tmp_path, Path("data"))
    assert asked == ["babyai", "text"]


def test_a_study_needs_variants_of_different_names() -> None:
    for wrong in ({"variants": ()}, {"variants": (variant("a", 1), variant("a", 2))}, {"seeds": 0}):
        with pytest.raises(ValueError, match="expected at least one of each, of different names"):
            toy_study(**wrong)


@pytest.mark.parametrize("name", ["encodings", "scaling"])
def test_variants_compare_like_with_like(name: str) -> None:
    """The same positions a step, and the same tasks, which training knows."""
    found = studies.load(name)
    for each in found.variants:
        assert each.recipe.rows * each.recipe.train.agent.context == studies.POSITIONS
        assert {job.task for jobs in each.recipe.collect.values() for job in jobs} == set(found.tasks.split(","))
    if name == "encodings":
        assert len({(each.recipe.train.steps, each.recipe.train.agent.backbone.width) for each in found.variants}) == 1
        assert len(found.variants) == 8


def test_sharing_gives_each_part_alone_the_positions_that_it_has_together() -> None:
    joint, *parts = studies.load("sharing").variants
    whole = joint.recipe
    assert sum(part.recipe.train.steps for part in parts) == pytest.approx(whole.train.steps, rel=0.01)
    learned = [name for part in parts for name in part.recipe.weights]
    assert sorted(learned) == sorted(whole.weights), "each source in one part"
    for part in parts:
        share = sum(whole.weights[name] for name in part.recipe.weights) / sum(whole.weights.values())
        assert part.recipe.train.steps / whole.train.steps == pytest.approx(share, abs=1e-3)
        assert part.recipe.train.agent == whole.train.agent
        assert set(part.tasks.split(",")) < set(joint.tasks.split(","))
    assert sorted(",".join(part.tasks for part in parts).split(",")) == sorted(joint.tasks.split(","))


def test_an_unknown_study_suggests_the_near_one() -> None:
    with pytest.raises(ValueError, match="did you mean 'scaling'"):
        studies.load("scalin")
