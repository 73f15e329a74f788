"""Pictures of a report, by what is drawn; and scores against people."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opengato.cli.arguments import Evaluate
from opengato.evaluators import Report, Settings
from opengato.evaluators import control as package
from opengato.evaluators import evaluate as evaluate_function
from opengato.evaluators.plots import score_figure, tasks_figure, tasks_reaching
from opengato.evaluators.statistics import bootstrap_family_mean
from opengato.evaluators.tables import OF_HUMAN
from tests.evaluators.test_evaluate import anchored, report, result

SCORES = {
    "alpha/a": (0.0,),
    "alpha/b": (0.5, 0.51),  # 0.505: reaches 50 % and not 51 %
    "alpha/c": (1.2,),
    "beta/a": (-0.3,),
    "beta/b": (0.5,),
}


def made_up() -> Report:
    return Report(
        agent={"name": "tiny"},
        results=tuple(result(task, scores) for task, scores in SCORES.items()),
        left_out={"beta/c": "the expert is not above random"},
    )


def test_tasks_that_reach_a_percentage_by_hand() -> None:
    families = {name: [one for one in made_up().results if one.family == name] for name in ("alpha", "beta")}
    alpha, beta = tasks_reaching(families["alpha"]), tasks_reaching(families["beta"])
    assert len(alpha) == len(beta) == 101
    assert [alpha[p] for p in (0, 1, 50, 51, 100)] == [3, 2, 2, 1, 1]
    assert [beta[p] for p in (0, 1, 50, 51, 100)] == [1, 1, 1, 0, 0]


def test_the_figure_stacks_a_layer_a_family() -> None:
    pytest.importorskip("matplotlib")
    (axes,) = tasks_figure(made_up()).axes
    assert len(axes.collections) == 2
    tops = []
    for layer in axes.collections:
        vertices = np.concatenate([path.vertices for path in layer.get_paths()])
        tops.append([vertices[np.isclose(vertices[:, 0], percent), 1].max() for percent in (0, 50, 51, 100)])
    assert tops == [[3, 2, 1, 1], [4, 3, 1, 1]], "the second lies on the first"
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["beta (2 tasks)", "alpha (3 tasks)"]
    assert axes.get_title(loc="left") == "tiny: 5 control tasks, 1 more left out"
    assert [text.get_text() for text in axes.texts] == ["3 of 5 tasks at ≥ 50 %"]
    assert axes.get_xlim() == (0, 100)


def test_the_bars_are_grouped_by_family_and_sorted() -> None:
    pytest.importorskip("matplotlib")
    (axes,) = score_figure(made_up()).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        *("alpha/c", "alpha/b", "alpha/a", "beta/b", "beta/a")
    ]
    widths = [bar.get_width() for bar in axes.patches]  # ty: ignore[missing-attribute]
    assert widths == pytest.approx([1.2, 0.505, 0.0, 0.5, -0.3])


def test_both_kinds_are_written(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    for kind in ("scores", "tasks"):
        with Image.open(made_up().plot(tmp_path / "deep" / f"{kind}.png", kind)) as picture:
            assert picture.size[0] > 600
    with pytest.raises(ValueError, match="unknown kind of plot 'task'; did you mean 'tasks'"):
        made_up().plot(tmp_path / "none.png", "task")
    with pytest.raises(ValueError, match="no control task"):
        Report(agent={}, results=()).plot(tmp_path / "none.png", "tasks")


def test_a_score_against_people_by_hand() -> None:
    samples = {"return": [1.0, 0.5], "length": [4.0, 64.0]}
    task = dataclasses.replace(anchored(0.25, 1.0), human_score=0.5)
    made = package.score(task, samples, Settings(episodes=2))
    assert made.figures[OF_HUMAN].value == pytest.approx(2.0)  # (0.75 - 0.25) / (0.5 - 0.25)
    assert made.references == {"random": 0.25, "expert": 1.0, "human": 0.5}
    weak = package.score(dataclasses.replace(task, human_score=0.1), samples, Settings(episodes=2))
    assert OF_HUMAN not in weak.figures, "people who are no better than random actions are nothing to divide by"
    slow = dataclasses.replace(
        package.score(dataclasses.replace(task, human_score=1.0), samples, Settings(episodes=2)), task="babyai/Slow"
    )
    both = Report(agent={"name": "tiny"}, results=(made, slow, result("metaworld/reach", (1.0,))))
    aggregate = both.aggregates()["babyai"]
    assert (aggregate.num_tasks, aggregate.num_human, aggregate.above_human) == (2, 2, {1.0: 1, 2.0: 1})
    for width in (80, 170):
        text = " ".join(both.table(width).split())
        assert "of human" in text
        assert " 2.00 " in text
        assert " 0.67 " in text  # (0.75 - 0.25) / (1.0 - 0.25)
        assert "1, 1 of 2" in text
    assert "human" not in report().table(170)


def test_a_family_counts_once_however_many_tasks_it_has() -> None:
    assert report().family_mean().value == pytest.approx(0.375)  # babyai 0.5, metaworld (1.0 - 0.5) / 2
    assert "mean of families" in report().table(140)
    with pytest.raises(ValueError, match="no control task"):
        Report(agent={}, results=()).family_mean()
    constant = bootstrap_family_mean([[[0.0], [1.0], [1.0]], [[0.5, 0.5]]], np.random.default_rng(0))
    assert constant.low == constant.value == constant.high == pytest.approx((2 / 3 + 0.5) / 2)
    # Of two families, one of a coin and one of nothing, the mean is 0, 1/4 or 1/2.
    coin = bootstrap_family_mean([[[0.0, 1.0]], [[0.0]]], np.random.default_rng(0))
    assert (coin.low, coin.value, coin.high) == (0.0, 0.25, 0.5)


def test_fifty_episodes_a_task_are_the_protocol() -> None:
    assert Settings().episodes == Evaluate(agent="tiny").episodes == 50
    assert inspect.signature(evaluate_function).parameters["episodes"].default == 50
