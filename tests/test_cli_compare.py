"""`opengato compare` as a user gives it: contestants, suites, and what it says of both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opengato import cli
from opengato.cli import comparing
from opengato.evaluators import evaluators_by_family, select_tasks
from opengato.evaluators.arena import Contestant, Suite
from opengato.evaluators.arena_report import Body
from opengato.recipes import suites
from opengato.train.run import Recipe
from tests.evaluators.arena_toys import body
from tests.test_cli import Output, elsewhere, wrong  # noqa: F401 - `elsewhere` is a fixture

SUITE = """
from opengato.evaluators.arena import Source, Suite

def suite():
    return Suite(name="mine", sources={"austen": Source(weight=1.0, tasks=("text/austen",))}, collected="mine")
"""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What an arena was asked for, in the place of holding one."""
    found: list[Any] = []

    def compete(contestants: list[Contestant], suite: Suite, out: Path, *rest: Any) -> Body:
        found[:] = [contestants, suite, out, *rest]
        out.mkdir(parents=True)
        (out / "arena.json").write_text(json.dumps(body()))
        return body()

    monkeypatch.setattr(comparing, "compete", compete)
    return found


def test_an_arena(asked: list[Any], capsys: Output) -> None:
    words = "compare tiny tiny:train.agent.backbone.depth=3,train.optim.betas=0.8,0.9 --seeds 2 --steps 7 --episodes 4"
    assert cli.main(words.split()) == 0
    contestants, suite, out, data, config, _ = asked
    assert [one.name for one in contestants] == words.split()[1:3]
    train = contestants[1].recipe.train
    assert (train.agent.backbone.depth, train.optim.betas) == (3, (0.8, 0.9))
    assert (suite.name, suite.steps, suite.settings.episodes, suite.tries) == ("small", 7, 4, 3)
    assert (out, data, config.seeds, config.jobs, config.flops) == (Path("runs/arena-small"), Path("data"), 2, 1, None)
    printed = capsys.readouterr()
    assert "worse & worse is worse than plain" in printed.out
    assert "the baseline" in printed.out
    assert "written: runs/arena-small/arena.html" in printed.err
    assert "worse &amp; worse" in (out / "arena.html").read_text(encoding="utf-8")


def test_a_suite_of_one_s_own(asked: list[Any], capsys: Output) -> None:
    Path("mine.py").write_text(SUITE)
    assert cli.main("compare tiny tiny-tokens --suite mine.py --flops 1e12 --out here".split()) == 0
    assert (asked[1].name, asked[1].tasks, asked[2], asked[4].flops) == ("mine", "text/austen", Path("here"), 1e12)
    capsys.readouterr()
    Path("none.py").write_text("x = 1")
    assert "must define `suite() -> Suite`" in wrong(capsys, *"compare tiny tiny-tokens --suite none.py".split())
    assert "did you mean 'small'" in wrong(capsys, *"compare tiny tiny-tokens --suite smal".split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("tiny tiny:weights.babyai=3", "sets 'weights.babyai', which the arena gives to all contestants alike"),
        ("tiny tiny:train.steps=3", "sets 'train.steps'"),
        ("tiny tiny:rules.babyai.share=0.5", "sets 'rules.babyai.share'"),
        ("tiny tiny:train.step=3", "did you mean 'steps'"),
        ("tiny tinny", "did you mean 'tiny'"),
        ("tiny", "expected two or more of different names"),
        ("tiny tiny", "expected two or more of different names"),
        ("tiny tiny:start=tiny", "starts from the weights of 'tiny'"),
        ("tiny tiny-tokens --steps 3 --flops 3e9", "both say how long a run is"),
        ("tiny tiny-tokens --tries 99", "1 to 7 tries"),
        ("tiny tiny-tokens --seeds 0", "expected one or more of each"),
    ],
)
def test_wrong_use(words: str, said: str, capsys: Output) -> None:
    assert said in wrong(capsys, "compare", *words.split())


@pytest.mark.parametrize("name", suites.SUITES)
def test_suites_measure_what_they_teach(name: str) -> None:
    """Control tasks are collected; every other pattern names tasks that some evaluator knows."""
    suite = suites.load(name)
    assert sum(source.weight for source in suite.sources.values()) == pytest.approx(1.0)
    for source in suite.sources.values():
        collected = {job.task for job in source.jobs}
        assert not collected or collected == set(source.tasks)
        assert select_tasks(source.tasks, None)
    control = [name for name, source in suite.sources.items() if source.jobs]
    assert set(control) <= set(evaluators_by_family())


def test_small_is_a_few_of_each_and_full_is_all() -> None:
    small, full = (suites.load(name) for name in ("small", "full"))
    assert {task.partition("/")[0] for task in small.tasks.split(",")} == {"babyai", "metaworld", "text", "caption"}
    assert len(small.tasks.split(",")) == 14
    assert set(suites.FULL) | set(suites.senses.recipe().weights) == set(full.sources)


def test_settings_that_the_arena_gives() -> None:
    free = ("train.optim.warmup=3", "rules.babyai.prompt=0.25", "train.agent.context=512")
    found = comparing.contestant("tiny:" + ",".join(free)).recipe
    assert isinstance(found, Recipe)
    assert (found.train.optim.warmup, found.rules["babyai"].prompt, found.train.agent.context) == (3, 0.25, 512)
