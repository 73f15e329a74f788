"""The arena gives all contestants the same, runs nothing twice, and sees what is there and nothing else."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from opengato.agent.model import Agent
from opengato.data.rules import Rules
from opengato.data.store import EpisodeStore, StoreWriter
from opengato.envs import all_tasks
from opengato.evaluators import arena_runs
from opengato.evaluators.arena import Contestant, Source, check, enter, given, unlike
from opengato.evaluators.arena_data import bring, divide, example, unreadable
from opengato.evaluators.arena_report import Config, arena_lines, compete, read
from opengato.evaluators.arena_runs import best_rate, folder_name, points, run_all, same_precision
from opengato.evaluators.report import NORMALISED, TaskResult
from opengato.evaluators.statistics import Interval
from opengato.nn import decision, private
from opengato.objectives import decision as naming_tasks
from opengato.recipes import load
from opengato.train.run import Recipe, mixture_config
from tests.evaluators.arena_toys import TASKS, starting, toy, toy_recipe, toy_suite, write_texts
from tests.tiny import ENCODINGS, tiny_agent

Silent = lambda _: None  # noqa: E731


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts, divided for the suite."""
    folder = tmp_path_factory.mktemp("data")
    write_texts(folder)
    bring(toy_suite(), [toy("a")], folder, 1)
    return folder


# What contestants are given


def test_all_are_given_the_same_data_in_the_same_order(data: Path) -> None:
    """Whatever a recipe says of its data; what it does with an episode stays its own."""
    own = dataclasses.replace(toy_recipe(), weights={"toy": 3.0}, rules={"toy": Rules(share=0.1, followed=0.2)})
    found = [given(recipe, "x", toy_suite(), data) for recipe in (toy_recipe(32), own)]
    stores, orders = zip(
        *((mixture_config(r, data).sources["toy"].path, (r.rows, r.train.seed)) for r in found), strict=True
    )
    assert stores == (str(data / "arena" / "toy" / "toy" / "train"),) * 2
    assert orders == ((4, 0), (4, 0))
    assert [recipe.rules["toy"] for recipe in found] == [Rules(), Rules(followed=0.2)]
    assert [recipe.weights for recipe in found] == [{"toy": 1.0}] * 2


def test_rows_must_make_up_a_step(data: Path) -> None:
    with pytest.raises(ValueError, match="rows of 64 positions, which do not divide the 200 of a step"):
        given(toy_recipe(), "x", toy_suite(positions=200), data)


def test_runs_compute_the_same_and_the_cheaper_contestant_gets_more_steps(data: Path) -> None:
    first, wide = enter([toy("first"), toy("wide", 64)], toy_suite(steps=40), data)
    assert first.steps == 40
    assert wide.flops > 3 * first.flops
    assert wide.steps * wide.flops == pytest.approx(first.steps * first.flops, rel=0.5 / wide.steps)
    again, _ = enter([toy("first"), toy("wide", 64)], toy_suite(), data, flops=7 * first.flops)
    assert again.steps == 7
    with pytest.raises(ValueError, match="are not one step of first"):
        enter([toy("first")], toy_suite(), data, flops=first.flops / 3)


def test_a_contestant_that_knows_tasks_knows_those_of_the_suite(data: Path) -> None:
    """As parts of its network for each, and as what it names."""
    recipe, plain = toy("any").recipe, toy("plain")

    def changed(objective: Any, **agent: Any) -> Contestant:
        network = dataclasses.replace(recipe.train.agent, **agent)
        train = dataclasses.replace(recipe.train, agent=network, objective=objective)
        return Contestant(name="changed", recipe=dataclasses.replace(recipe, train=train))

    parts = private.Config(task="adapter")
    first, parted = enter([plain, changed(recipe.train.objective, private=parts)], toy_suite(), data)
    known = dataclasses.replace(recipe.train.agent, private=parts, tasks=TASKS)
    assert parted.parameters == known.build().num_parameters > first.parameters
    naming = changed(naming_tasks.Config(task=0.1, alpha=0.1), decision=decision.Config())
    assert enter([plain, naming], toy_suite(), data)[1].flops > first.flops


def test_rates_are_multiples_of_a_recipe_s_own_and_warm_up_fits_the_run(data: Path) -> None:
    [entry] = enter([toy("a", matrix_learning_rate=0.2, warmup=15_000)], toy_suite(steps=40), data)
    train = entry.at(3.0, 7, 20).train
    assert (train.optim.learning_rate, train.optim.matrix_learning_rate) == pytest.approx((0.03, 0.6))
    assert (train.steps, train.seed, train.optim.warmup) == (20, 7, 2)


def test_contestants_have_names_and_start_from_nothing() -> None:
    for wrong in (["a"], ["a", "a"]):
        with pytest.raises(ValueError, match="expected two or more of different names"):
            check([toy(name) for name in wrong], wrong)
    with pytest.raises(ValueError, match="b starts from the weights of 'tiny'"):
        check([toy("a"), starting(toy("b"), "tiny")], ["a", "b"])
    names = [f"tiny:{'x' * 200}={number}" for number in range(2)]
    assert len({folder_name(name) for name in names}) == 2
    assert all(len(folder_name(name)) < 100 for name in names)
    assert folder_name("tiny:a.b=1,c=2") == "tiny-a.b=1-c=2"


def test_where_contestants_differ_is_said_once() -> None:
    changed = toy_recipe(32)
    assert unlike(toy_recipe(), changed) == [
        "train.agent.backbone.width: 32 in place of 16",
        "train.agent.backbone.hidden: 64 in place of 32",
    ]
    other = tiny_agent().config.modalities["cells"]
    agent = dataclasses.replace(changed.train.agent, backbone=other)
    swapped = dataclasses.replace(changed, train=dataclasses.replace(changed.train, agent=agent))
    assert unlike(changed, swapped) == [
        "train.agent.backbone: modalities/discrete/vector:Config in place of backbones/decoder:Config"
    ]


def test_the_number_format_is_measured_once_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fastest = [torch.bfloat16, torch.float32]
    monkeypatch.setattr(arena_runs, "resolve", lambda *_: fastest.pop(0))
    free = replaced(toy("free"), precision="auto")
    for _ in range(2):
        found = same_precision([free, toy("own"), free], tmp_path)
        assert [one.recipe.train.precision for one in found] == ["bfloat16", "float32", "bfloat16"]
    assert fastest == [torch.float32]


def replaced(contestant: Contestant, **changes: Any) -> Contestant:
    recipe = contestant.recipe
    recipe = dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, **changes))
    return dataclasses.replace(contestant, recipe=recipe)


# Data


def test_a_store_is_divided_once_and_whole(data: Path, tmp_path: Path) -> None:
    whole = data / "toy" / "train"
    divide(whole, tmp_path / "toy")
    parts = [EpisodeStore(tmp_path / "toy" / name) for name in ("train", "validation")]
    assert [store.tasks() for store in parts] == [dict.fromkeys(TASKS, 18), dict.fromkeys(TASKS, 2)]
    texts = [[str(episode.actions["text"][0]) for episode in store] for store in (*parts, EpisodeStore(whole))]
    assert sorted(texts[0] + texts[1]) == sorted(texts[2])
    kept = iter(texts[2])
    assert all(text in kept for text in texts[0]), "in the order of the whole"
    before = [store.fingerprint for store in parts]
    stamp = (tmp_path / "toy" / "train" / "manifest.json").stat().st_mtime_ns
    divide(whole, tmp_path / "toy")
    assert (tmp_path / "toy" / "train" / "manifest.json").stat().st_mtime_ns == stamp
    with StoreWriter(tmp_path / "more") as writer:
        writer.append(list(EpisodeStore(whole))[:60])
    divide(tmp_path / "more", tmp_path / "toy")
    assert [EpisodeStore(tmp_path / "toy" / name).fingerprint for name in ("train", "validation")] != before


def test_what_one_cannot_read_is_left_out_for_all(data: Path) -> None:
    """Before anything is collected: `toy` has no modality for what a robot sees."""
    jobs = load("tiny").collect["metaworld"][:2]
    suite = toy_suite()
    wider = dataclasses.replace(
        suite,
        sources={**suite.sources, "metaworld": Source(weight=1.0, tasks=tuple(job.task for job in jobs), jobs=jobs)},
    )
    common, left_out = bring(wider, [toy("a")], data, 1)
    assert common == suite
    assert list(left_out) == ["metaworld"]
    assert "a cannot read metaworld/reach: observation 'metaworld/state' is continuous" in left_out["metaworld"]
    assert not (data / "toy" / "metaworld").exists()
    with pytest.raises(ValueError, match="no source that all contestants can read"):
        bring(dataclasses.replace(wider, sources={"metaworld": wider.sources["metaworld"]}), [toy("a")], data, 1)


@pytest.mark.parametrize("family", ["babyai", "metaworld", "sokoban"])
def test_examples_have_the_shapes_of_their_tasks(family: str) -> None:
    episodes = [example(task).validate() for task in all_tasks(family)[:20]]
    agent = dataclasses.replace(toy_recipe().train.agent, **_modalities("tokens"))
    assert unreadable([replaced(toy("a"), agent=agent)], episodes) is None


def _modalities(encoding: str) -> dict[str, Any]:
    config = ENCODINGS[encoding]()
    return {"modalities": config.modalities, "routes": config.routes}


# Runs


def test_the_rate_of_the_least_validation_loss_wins() -> None:
    assert best_rate({1.0: 2.0, 3.0: 1.5, 1 / 3: math.inf}) == 3.0
    assert best_rate({}) == 1.0
    with pytest.raises(RuntimeError, match="every learning rate diverged"):
        best_rate({1.0: math.inf})


def test_the_validation_loss_is_of_all_tasks_also_for_who_trains_one_at_a_time(data: Path, tmp_path: Path) -> None:
    suite = toy_suite()
    (entry,) = enter([toy("a")], suite, data)
    recipe = entry.at(1.0, 0, 1)
    losses = []
    for groups in (0, 1):
        torch.manual_seed(0)
        job = arena_runs.Job(
            recipe=dataclasses.replace(recipe, groups_per_task=groups), folder=tmp_path, suite=suite, data=data
        )
        losses.append(arena_runs.validation_loss(recipe.train.agent.build(), job))
    assert losses[0] == losses[1]


def result(metric: str, score: float, higher: bool = True, **references: float) -> TaskResult:
    return TaskResult(
        task="a/b",
        metric=metric,
        score=Interval(value=score),
        figures={},
        references={name.replace("_", " "): value for name, value in references.items()},
        samples={"score": (score,)},
        num_samples=1,
        seed=0,
        higher_is_better=higher,
    )


def test_points_by_hand() -> None:
    assert points(result(NORMALISED, 0.7, random=3.0, expert=5.0)) == 0.7
    assert points(result("right caption of 16", 0.25, chance=0.0625)) == pytest.approx(0.2)
    assert points(result("accuracy", 0.8, chance=0.5, majority=0.6)) == pytest.approx(0.5)
    assert points(result("bits per byte", 1.0, False, frequencies_of_bytes=4.0)) == pytest.approx(0.75)
    assert points(result("word error rate", 0.2, False, empty=1.0)) == pytest.approx(0.8)
    assert points(result("chrF of a line", 0.2, copied_line=0.1)) is None
    assert points(result("accuracy", 1.0, majority=1.0)) is None


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, float, int, int]]:
    """Instead of training and measuring: what was asked for (name, rate, seed, steps), scores that follow from it."""
    asked: list[tuple[str, float, int, int]] = []

    def train(recipe: Recipe, folder: Path, data: Path) -> Agent:
        assert json.loads((folder / "settings.json").read_text())["recipe"]["name"] == recipe.name
        asked.append((recipe.name, recipe.train.optim.learning_rate, recipe.train.seed, recipe.train.steps))
        agent = tiny_agent()
        agent.card = {"training_seconds": 60.0}
        return agent

    def loss(agent: Agent, job: Any) -> float:
        if job.recipe.train.optim.learning_rate > 0.02:
            raise FloatingPointError("the loss is nan")
        return abs(job.recipe.train.optim.learning_rate - 0.0034)

    monkeypatch.setattr(arena_runs, "run", train)
    monkeypatch.setattr(arena_runs, "validation_loss", loss)
    monkeypatch.setattr(arena_runs, "evaluate", lambda *_, **__: FakeReport())
    return asked


class FakeReport:
    results = (result(NORMALISED, 0.5),)
    left_out: dict[str, str] = {}  # noqa: RUF012

    def to_json(self, path: Path) -> Path:
        path.write_text("{}")
        return path


def test_as_many_tries_for_each_then_every_seed_at_the_best_rate(
    trained: list[tuple[str, float, int, int]], data: Path, tmp_path: Path
) -> None:
    suite = toy_suite(tries=3)
    entries = enter([toy("a"), toy("b", 32)], suite, data)
    found = run_all(entries, suite, 2, tmp_path, data, 1, Silent)
    short = {entry.name: round(entry.steps / 2) for entry in entries}
    tries = [(name, pytest.approx(0.01 * rate), 1000, short[name]) for rate in (1, 1 / 3, 3) for name in "ab"]
    steps = {entry.name: entry.steps for entry in entries}
    finals = [(name, pytest.approx(0.01 / 3), seed, steps[name]) for seed in (0, 1) for name in "ab"]
    assert trained == tries + finals
    assert found["b"].rate == pytest.approx(1 / 3)
    assert list(found["b"].losses.values()) == [pytest.approx(0.0066), pytest.approx(0.0034 - 0.01 / 3), math.inf]
    assert [row["seed"] for row in found["b"].runs] == [0, 1]


def test_what_is_finished_is_not_run_again(
    trained: list[tuple[str, float, int, int]], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = toy_suite(tries=1)
    entries = enter([toy("a"), toy("b", 32)], suite, data)
    train = arena_runs.run

    def stopped(recipe: Recipe, folder: Path, data: Path) -> Agent:
        if (recipe.name, recipe.train.seed) == ("b", 1):
            raise SystemExit(143)
        return train(recipe, folder, data)

    monkeypatch.setattr(arena_runs, "run", stopped)
    with pytest.raises(SystemExit):
        run_all(entries, suite, 2, tmp_path, data, 1, Silent)
    monkeypatch.setattr(arena_runs, "run", train)
    told: list[str] = []
    run_all(entries, suite, 3, tmp_path, data, 1, told.append)
    assert [(name, seed) for name, _, seed, _ in trained] == [
        ("a", 0),
        ("b", 0),
        ("a", 1),
        ("b", 1),
        ("a", 2),
        ("b", 2),
    ]
    assert [line.partition(":")[0] for line in told] == ["1/3", "2/3", "3/3"]
    for path in tmp_path.rglob(arena_runs.SETTINGS):  # as a version without that setting wrote it
        begun = json.loads(path.read_text())
        del begun["recipe"]["train"]["checkpoint_minutes"]
        path.write_text(json.dumps(begun))
    run_all(entries, suite, 3, tmp_path, data, 1, Silent)
    assert len(trained) == 6
    with pytest.raises(ValueError, match=r"was begun with other settings: recipe\.train\.steps: 12 and 13"):
        run_all(enter([toy("a")], toy_suite(steps=13), data), suite, 2, tmp_path, data, 1, Silent)


# The whole


@pytest.mark.timeout(900)
def test_twins_do_not_differ_and_one_that_cannot_learn_loses(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    contestants = [toy("plain"), toy("twin"), toy("crippled", learning_rate=0.0)]
    body = compete(contestants, toy_suite(), tmp_path, data, Config(seeds=3))
    assert read(tmp_path) == body
    twin, crippled = body["verdicts"]
    assert twin["outcome"] == "no difference shown"
    assert twin["words"].endswith("the same mean in every task.")
    assert (twin["difference"]["value"], twin["p"]) == (0.0, 1.0)
    assert crippled["outcome"] == "worse"
    assert crippled["p_corrected"] < 0.05
    assert crippled["difference"]["high"] < 0
    plain = body["contestants"][0]
    assert np.mean([np.mean(task["points"]) for task in plain["tasks"].values()]) == pytest.approx(
        plain["score"]["value"]
    )
    assert len({tuple(one["tasks"][TASKS[0]]["scores"]) for one in body["contestants"][:2]}) == 1
    assert [line[0] for line in arena_lines(body)] == ["contestant", "plain", "twin", "crippled"]
    assert {one["steps"] for one in body["contestants"]} == {12}
    assert compete(contestants, toy_suite(), tmp_path, data, Config(seeds=3)) == body, "nothing is left to run"
