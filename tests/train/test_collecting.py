"""Stores of collected episodes depend on their jobs alone, whoever plays and wherever it was broken off."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from opengato.core.episode import Episode
from opengato.data.store import EpisodeStore, StoreWriter, read_manifest
from opengato.data.validate import validate_store
from opengato.rollout import CollectJob, Limits, Outcome, collect
from opengato.train import ahead as ahead_module
from opengato.train import collecting
from opengato.train.accounts import plan_id
from opengato.train.ahead import Ahead
from opengato.train.collecting import Summary, collect_stores
from opengato.train.prepare import collect_store
from tests.crew import DIE, Script, ScriptedCrew, collected, episode_of
from tests.data.fakes import assert_equal

A, B = "babyai/GoToObj", "babyai/GoToLocal"
LIMITS = Limits(seconds=60, tries=1)


def jobs_of(first: int = 40, second: int = 25, seed: int = 100) -> list[CollectJob]:
    return [CollectJob(task=A, episodes=first, seed=seed), CollectJob(task=B, episodes=second, seed=seed)]


def eventful(job: CollectJob, seed: int) -> Outcome | str:
    """Every seventh episode dropped, some filtered, one lost, pairs that are the same."""
    if seed % 7 == 0:
        return Outcome(seed=seed, kind="dropped")
    if seed % 11 == 0:
        return Outcome(seed=seed, kind="filtered")
    if seed == 104:
        return DIE
    return Outcome(seed=seed, kind="collected", episode=same_in_pairs(job, seed))


def same_in_pairs(job: CollectJob, seed: int) -> Episode:
    made = episode_of(job, seed // 2)
    return replace(made, provenance={"seed": seed}, rewards=made.rewards + seed)


def run(folder: Path, jobs: list[CollectJob], crew: ScriptedCrew, *, dedupe: bool = False) -> Summary:
    [summary] = collect_stores({folder: jobs}, crew, LIMITS, dedupe=dedupe, quiet=True)
    return summary


def content(folder: Path) -> list[tuple[str, int]]:
    return [(episode.task, episode.provenance["seed"]) for episode in EpisodeStore(folder)]


@pytest.mark.parametrize("dedupe", [False, True])
def test_the_store_is_the_plan_in_order_whoever_plays(tmp_path: Path, dedupe: bool) -> None:
    fingerprints = set()
    for size, seed in ((1, 0), (2, 1), (5, 2)):
        summary = run(tmp_path / str(size), jobs_of(), ScriptedCrew(size, eventful, seed), dedupe=dedupe)
        fingerprints.add(EpisodeStore(tmp_path / str(size)).fingerprint)
    assert len(fingerprints) == 1
    kinds = {(job.task, s): eventful(job, s) for job in jobs_of() for s in range(100, 100 + job.episodes)}
    found = [key for key, made in kinds.items() if isinstance(made, Outcome) and made.kind == "collected"]
    expected = list({(task, s // 2): (task, s) for task, s in reversed(found)}.values())[::-1] if dedupe else found
    assert content(tmp_path / "5") == expected
    assert summary.collected == len(expected)
    counts = Counter(made.kind for made in kinds.values() if isinstance(made, Outcome))
    assert (summary.dropped, summary.filtered) == (counts["dropped"], counts["filtered"])
    assert summary.lost == [{"task": task, "seed": 104, "cause": "it burnt"} for task in (A, B)]
    assert summary.duplicate == len(found) - len(expected)
    assert (summary.duplicate > 0) == dedupe
    accounted = summary.collected + summary.dropped + summary.filtered + summary.duplicate + len(summary.lost)
    assert accounted == summary.asked == 65
    assert validate_store(tmp_path / "5") == []
    assert not (tmp_path / "5" / ".ahead").exists()


@pytest.mark.parametrize("shard_seconds", [0.0, 60.0])
def test_a_store_killed_at_any_moment_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shard_seconds: float
) -> None:
    """Copies of the folder are what a killed process leaves; each must become the same store."""
    whole = tmp_path / "whole"
    run(whole, jobs_of(20, 12), ScriptedCrew(2, eventful), dedupe=True)
    expected = EpisodeStore(whole)
    generator, copies = np.random.default_rng(3), []
    write = StoreWriter.__init__

    def impatient(self: StoreWriter, folder: Path, extra: dict | None = None, *, flush_seconds: float = shard_seconds):
        write(self, folder, extra, flush_seconds=flush_seconds)

    monkeypatch.setattr(StoreWriter, "__init__", impatient)
    monkeypatch.setattr(ahead_module, "PARK_SECONDS", 0.0)
    monkeypatch.setattr(collecting, "FLUSH_SECONDS", 0.0)

    def script(job: CollectJob, seed: int) -> Outcome | str:
        if generator.random() < 0.25 and (tmp_path / "broken").exists():
            copies.append(tmp_path / f"copy-{len(copies)}")
            shutil.copytree(tmp_path / "broken", copies[-1])
        return eventful(job, seed)

    run(tmp_path / "broken", jobs_of(20, 12), ScriptedCrew(3, script, seed=9), dedupe=True)
    assert len(copies) > 5
    held = []
    for copy in copies:
        manifest = read_manifest(copy)
        assert validate_store(copy) == []
        rows = manifest.get("collection", [])
        left_out = sum(row[kind] for row in rows for kind in ("dropped", "filtered", "duplicate"))
        lost = sum(len(row["lost"]) for row in rows)
        assert manifest["episodes"] == sum(row["settled"] for row in rows) - left_out - lost
        parked = len(EpisodeStore(copy / ".ahead")) if (copy / ".ahead" / "manifest.json").exists() else 0
        held.append(manifest["episodes"] + parked)
        crew = ScriptedCrew(2, eventful, seed=len(held))
        run(copy, jobs_of(20, 12), crew, dedupe=True)
        assert EpisodeStore(copy).fingerprint == expected.fingerprint
        assert validate_store(copy) == []
        assert not (copy / ".ahead").exists()
        assert max(crew.played.values(), default=0) <= 1
        assert len(crew.played) <= 32 - held[-1], "what is on the disk is not played again"
    assert max(held) > min(held)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_keeps_every_finished_episode(tmp_path: Path, number: signal.Signals) -> None:
    finished: list[tuple[str, int]] = []

    def script(job: CollectJob, seed: int) -> Outcome | str:
        finished.append((job.task, seed))
        if len(finished) == 30:
            os.kill(os.getpid(), number)
        return collected(job, seed)

    with pytest.raises(SystemExit) as stop:
        run(tmp_path / "a", jobs_of(), ScriptedCrew(3, script, seed=4))
    assert stop.value.code == 128 + number
    crew = ScriptedCrew(2)
    run(tmp_path / "a", jobs_of(), crew)
    assert not crew.played.keys() & set(finished)
    assert len(crew.played) == 65 - 30
    run(tmp_path / "b", jobs_of(), ScriptedCrew(1))
    assert EpisodeStore(tmp_path / "a").fingerprint == EpisodeStore(tmp_path / "b").fingerprint


def test_an_error_in_the_middle_keeps_them_too(tmp_path: Path) -> None:
    def script(job: CollectJob, seed: int) -> Outcome | str:
        if (job.task, seed) == (B, 105):
            raise MemoryError
        return collected(job, seed)

    with pytest.raises(MemoryError):
        run(tmp_path, jobs_of(), ScriptedCrew(2, script))
    crew = ScriptedCrew(2)
    assert run(tmp_path, jobs_of(), crew).collected == 65
    assert len(crew.played) < 25


def test_a_finished_collection_is_not_touched(tmp_path: Path) -> None:
    first = run(tmp_path, jobs_of(), ScriptedCrew(2, eventful))
    before = (tmp_path / "manifest.json").stat().st_mtime_ns
    crew = ScriptedCrew(2, eventful)
    assert run(tmp_path, jobs_of(), crew) == first, "the names of the lost are kept"
    assert not crew.played
    assert (tmp_path / "manifest.json").stat().st_mtime_ns == before


def test_more_episodes_and_tasks_add_to_a_store(tmp_path: Path) -> None:
    run(tmp_path, jobs_of(5, 5)[:1], ScriptedCrew(2))
    crew = ScriptedCrew(2)
    run(tmp_path, jobs_of(8, 5), crew)
    assert content(tmp_path) == [(A, 100 + i) for i in range(8)] + [(B, 100 + i) for i in range(5)]
    assert len(crew.played) == 8


def test_what_was_whole_is_not_while_more_is_added(tmp_path: Path) -> None:
    run(tmp_path, jobs_of(5, 5), ScriptedCrew(2))

    def script(job: CollectJob, seed: int) -> Outcome | str:
        if seed == 107:
            raise MemoryError
        return collected(job, seed)

    with pytest.raises(MemoryError):
        run(tmp_path, jobs_of(8, 8), ScriptedCrew(1, script))
    with pytest.raises(ValueError, match="asks for 5"):
        run(tmp_path, jobs_of(5, 5), ScriptedCrew(2))
    assert run(tmp_path, jobs_of(8, 8), ScriptedCrew(2)).collected == 16


def test_a_store_of_something_else_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "a", jobs_of(5, 5), ScriptedCrew(2))
    for jobs, said in (
        (jobs_of(4, 5), f"5 episodes of {A} .* asks for 4"),
        (jobs_of(5, 5)[:1], f"5 episodes of {B} .* asks for none"),
        ([replace(job, noise=(0.1,)) for job in jobs_of(5, 5)], r"noise \[0.0\].* asks for none"),
    ):
        with pytest.raises(ValueError, match=said):
            run(tmp_path / "a", jobs, ScriptedCrew(2))
    with pytest.raises(ValueError, match="dedupe False"):
        run(tmp_path / "a", jobs_of(5, 5), ScriptedCrew(2), dedupe=True)
    with pytest.raises(ValueError, match="asked for twice"):
        run(tmp_path / "b", [*jobs_of(5, 5), *jobs_of(3, 3)], ScriptedCrew(2))
    with StoreWriter(tmp_path / "foreign") as writer:
        writer.append([episode_of(jobs_of()[0], 1)])
    with pytest.raises(ValueError, match="holds 1 episodes that this collection did not bring"):
        run(tmp_path / "foreign", jobs_of(), ScriptedCrew(2))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "thesis.txt").touch()
    with pytest.raises(FileExistsError, match="is not empty"):
        run(tmp_path / "files", jobs_of(), ScriptedCrew(2))


OLD_PLAN = (
    '[{"type": "rollout/collect:CollectJob", "task": "babyai/GoToObj", "episodes": 3, "policy": "expert", '
    '"seed": 1000000, "noise": [0.0, 0.1], "only_success": true, "max_steps": null}]'
)


def test_a_whole_store_of_a_version_without_accounts_is_taken_as_it_is(tmp_path: Path) -> None:
    job = CollectJob(task=A, episodes=3, noise=(0.0, 0.1), only_success=True)
    old = hashlib.sha256(OLD_PLAN.encode()).hexdigest()[:16]
    assert plan_id([job], dedupe=False) == old, "as the first version wrote it"
    with StoreWriter(tmp_path, {"complete": old}) as writer:
        writer.append([episode_of(job, seed) for seed in (1, 2)])
    crew = ScriptedCrew(1)
    summary = run(tmp_path, [job], crew)
    assert not crew.played
    assert (summary.collected, summary.unknown, summary.left_out()) == (2, 1, "1 left out")
    collect_store((job,), tmp_path, workers=1)
    for other in (replace(job, episodes=4), replace(job, min_return=0.5)):
        with pytest.raises(ValueError, match="2 episodes that this collection did not bring"):
            run(tmp_path, [other], crew)


def broken(job: CollectJob, seed: int) -> Outcome | str:
    return DIE if job.task == A and seed > 105 else collected(job, seed)


def test_a_task_that_is_given_up_is_begun_again_by_the_next_run(tmp_path: Path) -> None:
    summary = run(tmp_path, jobs_of(), ScriptedCrew(2, broken))
    assert summary.given_up.keys() == {A}
    assert summary.lost == []
    assert summary.tasks == {A: 6, B: 25}
    assert read_manifest(tmp_path)["extra"]["complete"] is None
    summary = run(tmp_path, jobs_of(), ScriptedCrew(2))
    assert (summary.tasks, summary.given_up) == ({A: 40, B: 25}, {})
    assert sorted(content(tmp_path)) == sorted((job.task, 100 + i) for job in jobs_of() for i in range(job.episodes))


def test_a_recipe_hears_of_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crew_of(script: Script) -> None:
        monkeypatch.setattr("opengato.train.prepare.LocalCrew", lambda workers: ScriptedCrew(workers, script))

    crew_of(broken)
    with pytest.raises(RuntimeError, match=f"given up: {A}: 5 episodes in a row"):
        collect_store(tuple(jobs_of()), tmp_path / "a", workers=2)
    crew_of(eventful)
    with pytest.warns(UserWarning, match=r"8 dropped by the expert, .* lost; lost: .*seed 104: it burnt.* of 65"):
        collect_store(tuple(jobs_of()), tmp_path / "b", workers=2)


def test_several_stores_at_once(tmp_path: Path) -> None:
    metaworld = [CollectJob(task="metaworld/reach", episodes=9, seed=0)]
    pytest.importorskip("metaworld")
    summaries = collect_stores({tmp_path / "a": jobs_of(), tmp_path / "b": metaworld}, ScriptedCrew(4), quiet=True)
    assert [summary.collected for summary in summaries] == [65, 9]
    assert content(tmp_path / "b") == [("metaworld/reach", i) for i in range(9)]


def test_a_missing_simulator_is_named_before_anything_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "lacking", lambda family: f"{family.name} is not installed")
    with pytest.raises(ImportError, match="babyai is not installed"):
        run(tmp_path / "a", jobs_of(), ScriptedCrew(2))
    with pytest.raises(ValueError, match="did you mean 'babyai/GoToObj'"):
        run(tmp_path / "a", [CollectJob(task="babyai/GoToOb", episodes=1)], ScriptedCrew(2))
    assert not (tmp_path / "a").exists()
    monkeypatch.undo()
    run(tmp_path / "a", jobs_of(), ScriptedCrew(2))
    monkeypatch.setattr(collecting, "lacking", lambda family: f"{family.name} is not installed")
    assert run(tmp_path / "a", jobs_of(), ScriptedCrew(2)).collected == 65, "whole stores need no simulator"


def test_what_waits_for_its_turn_survives_on_disk(tmp_path: Path) -> None:
    [job, _] = jobs_of()
    waiting = Ahead(tmp_path / "ahead")
    for seed in (5, 3):
        waiting.put(("x", seed), collected(job, seed))
    waiting.put(("x", 4), Outcome(seed=4, kind="dropped"))
    assert waiting.pop(("x", 9)) is None
    waiting.park()
    waiting.put(("y", 5), collected(job, 6))
    waiting.park()
    again = Ahead(tmp_path / "ahead")
    assert ("x", 4) in waiting
    assert ("x", 4) not in again, "what has no episode is found again"
    for either in (waiting, again):
        for key, seed in ((("x", 3), 3), (("y", 5), 6), (("x", 5), 5)):
            assert not either.spent
            outcome = either.pop(key)
            assert outcome is not None
            assert outcome.episode is not None
            assert_equal(outcome.episode, episode_of(job, seed))
        assert either.spent
    again.remove()
    assert not (tmp_path / "ahead").exists()


def test_much_that_waits_is_parked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [job, _] = jobs_of()
    waiting = Ahead(tmp_path / "ahead")
    waiting.put(("x", 1), collected(job, 1))
    waiting.park_if_old()
    assert not (tmp_path / "ahead").exists()
    monkeypatch.setattr(ahead_module, "PARK_BYTES", 1)
    waiting.park_if_old()
    assert len(EpisodeStore(tmp_path / "ahead")) == 1


def test_real_episodes_come_as_by_one_process(tmp_path: Path) -> None:
    pytest.importorskip("minigrid")
    jobs = (CollectJob(task=A, episodes=4, noise=(0.0, 0.2)), CollectJob(task=B, episodes=2))
    collect_store(jobs, tmp_path, workers=2)
    expected = [*collect(A, episodes=4, noise=(0.0, 0.2)), *collect(B, episodes=2)]
    for ours, theirs in zip(EpisodeStore(tmp_path), expected, strict=True):
        assert_equal(ours, theirs)
    assert read_manifest(tmp_path)["collection"] == json.loads((tmp_path / "manifest.json").read_text())["collection"]
