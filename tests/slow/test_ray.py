"""Collecting on a Ray cluster of this machine: the same store, and the same care for what dies or hangs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from opengato.data.store import EpisodeStore
from opengato.data.validate import validate_store
from opengato.rollout import CollectJob, Limits, LocalCrew, RandomPolicy, rollout, supervise
from opengato.rollout.ray_workers import RayCrew
from opengato.train.collecting import collect_stores
from tests.crew import Trouble
from tests.data.fakes import assert_equal

pytest.importorskip("ray")
pytest.importorskip("minigrid")
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.timeout(900)]
TASK = "babyai/GoToRedBallNoDists"


@pytest.fixture(scope="module")
def crew() -> Iterator[RayCrew]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")  # on a busy machine, nice actors would hardly run
        made: Any = RayCrew(2)
    yield made
    made.ray.shutdown()


def test_a_cluster_brings_the_same_store(crew: RayCrew, tmp_path: Path) -> None:
    jobs = [CollectJob(task=TASK, episodes=30, noise=(0.0, 0.2)), CollectJob(task="babyai/GoToObj", episodes=5)]
    for name, who in (("ray", crew), ("local", LocalCrew(1))):
        [summary] = collect_stores({tmp_path / name: jobs}, who, dedupe=True, quiet=True)
        assert summary.collected + summary.duplicate == 35
    assert EpisodeStore(tmp_path / "ray").fingerprint == EpisodeStore(tmp_path / "local").fingerprint
    assert validate_store(tmp_path / "ray") == []


def test_an_actor_that_hangs_crashes_or_raises_costs_its_episode(crew: RayCrew) -> None:
    job = CollectJob(task=TASK, episodes=9, policy=Trouble(), seed=0, max_steps=4)
    events = supervise([job], crew, Limits(seconds=10.0, tries=1))
    outcomes = {event[1].seed: event[1] for event in events if event is not None}
    causes = {seed: outcome.cause for seed, outcome in outcomes.items() if outcome.kind == "lost"}
    assert causes.keys() == {1, 3, 4, 6}
    assert causes[1] == "it took longer than 10 s"
    assert causes[3].startswith("its process ended: ")
    assert causes[6] == "ZeroDivisionError: no luck"
    expected = list(rollout(TASK, RandomPolicy(), episodes=9, seed=0, max_steps=4))
    for seed, outcome in outcomes.items():
        if outcome.episode is not None:
            assert_equal(outcome.episode, expected[seed])
    assert outcomes.keys() == set(range(9))
