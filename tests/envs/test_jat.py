"""JAT's anchors: read right, found under our names, near what we measured ourselves where the task is the same."""

from __future__ import annotations

import dataclasses

import pytest

from opengato.core.config import plugins
from opengato.core.environment import TaskInfo
from opengato.envs import all_tasks, find_task, jat
from opengato.envs.babyai import Family

FAMILIES = {"atari": 57, "babyai": 39, "metaworld": 50, "mujoco": 11}


def test_every_task_of_jat_is_one_of_ours_where_we_have_the_family() -> None:
    rows = jat.FILE.read_text(encoding="utf-8").splitlines()[1:]
    for family, number in FAMILIES.items():
        ids = {row.partition(",")[0] for row in rows if row.startswith(f"{family}-")}
        assert len(ids) == number
        if family in plugins("envs"):
            found = [anchors.id for task in all_tasks(family) if (anchors := jat.anchors_of(task.id))]
            assert sorted(found) == sorted(ids), "each once"
    assert len(rows) == 157


def test_figures_by_hand() -> None:
    pong = jat.anchors_of("atari/Pong")
    assert pong is not None
    assert (pong.random, pong.expert, pong.human, pong.agent) == (-20.7, 20.9868, 14.6, 16.54)
    assert pong.agent_score == pytest.approx(37.24 / 41.6868)
    assert (pong.random_std, pong.agent_std) == (None, 10.34)
    walker = jat.anchors_of("mujoco/Walker2d")
    assert walker is not None
    assert walker.id == "mujoco-walker"
    put_next = jat.anchors_of("babyai/PutNextS7N4")
    assert put_next is not None
    assert put_next.id == "babyai-put-next"
    assert jat.anchors_of("babyai/PutNextS6N3") is None


def test_a_task_with_their_anchors_scores_against_them() -> None:
    task = jat.anchored(find_task("babyai/GoToLocal"))
    assert task.normalise(0.1625) == pytest.approx(0, abs=1e-3)
    assert task.normalise(0.54375) == pytest.approx(0.5, abs=1e-3)  # halfway from 0.1625 to 0.9250
    assert task.expert is not None
    assert "minigrid" in task.expert
    assert find_task("babyai/UnlockToUnlock").expert_score is None
    assert jat.anchored(find_task("babyai/UnlockToUnlock")).normalise(0.9639) == pytest.approx(1, abs=1e-3)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="another reward"):
        jat.anchored(find_task("metaworld/reach"))
    with pytest.raises(ValueError, match="no anchors of 'babyai/GoToObjS4'"):
        jat.anchored(find_task("babyai/GoToObjS4"))
    bowling = dataclasses.replace(find_task("babyai/GoToLocal"), id="atari/Bowling", family="atari")
    with pytest.raises(ValueError, match="not above random"):  # JAT's own code calls its agent's score there 1.0
        jat.anchored(bowling).normalise(22.32)
    venture = jat.anchors_of("atari/Venture")
    assert venture is not None
    with pytest.raises(ValueError, match="not above random"):
        _ = venture.agent_score


def shared() -> list[tuple[TaskInfo, jat.Anchors]]:
    pairs = [(task, jat.anchors_of(task.id)) for task in Family().tasks() if task.expert_score is not None]
    return [(task, anchors) for task, anchors in pairs if anchors is not None]


def test_our_ends_of_babyai_are_theirs() -> None:
    """The same reward, and the same bot, played by others: an independent measurement of `scores.json`."""
    for task, anchors in shared():
        for mine, theirs, std in (
            (task.random_score, anchors.random, anchors.random_std),
            (task.expert_score, anchors.expert, anchors.expert_std),
        ):
            assert mine is not None
            assert std is not None
            error = max(mine.std, std) / mine.episodes**0.5
            assert mine.mean == pytest.approx(theirs, abs=4 * error + 0.005), task.id
