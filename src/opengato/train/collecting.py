"""Stores of collected episodes: whole or going on, in the order of the plan, whoever plays and whatever stops it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from opengato.data.store import EpisodeStore, StoreWriter, read_manifest
from opengato.envs import family_of, find_task
from opengato.rollout import CollectJob, Crew, Limits, Outcome, digest, lacking, supervise
from opengato.train.accounts import LEFT_OUT, is_complete, open_accounts, plan_id, policy_name
from opengato.train.ahead import Ahead
from opengato.train.progress import CollectionProgress, shown
from opengato.train.stopping import StopRequest

Plans = Mapping[Path, Sequence[CollectJob]]
AHEAD = ".ahead"
FLUSH_SECONDS = 1.0  # how often buffers are looked at


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """What a store holds after a collection, and what became of the rest of the `asked` episodes.

    `lost` names task, seed and cause of each; `given_up` has the cause by task: these are tried again when the same
    collection is asked for again. `unknown` were left out by a version that kept no accounts.
    """

    folder: str
    asked: int
    tasks: dict[str, int]
    dropped: int = 0
    filtered: int = 0
    duplicate: int = 0
    unknown: int = 0
    lost: list[dict[str, Any]] = field(default_factory=list)
    given_up: dict[str, str] = field(default_factory=dict)

    @property
    def collected(self) -> int:
        """Episodes in the store."""
        return sum(self.tasks.values())

    def left_out(self) -> str:
        """What is not there and why, in words; empty if nothing is missing."""
        counts = {
            "dropped by the expert": self.dropped,
            "filtered out": self.filtered,
            "twice the same": self.duplicate,
            "lost": len(self.lost),
            "left out": self.unknown,
        }
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count)

    def names(self) -> list[str]:
        """A line for each episode lost and each task given up."""
        lost = [f"lost: {row['task']}, seed {row['seed']}: {row['cause']}" for row in self.lost]
        return lost + [f"given up: {task}: {cause}" for task, cause in self.given_up.items()]


def collect_stores(
    plans: Plans, crew: Crew, limits: Limits | None = None, *, dedupe: bool = False, quiet: bool = False
) -> list[Summary]:
    """Bring each folder's jobs into its store, going on where a former call was broken off; a summary for each.

    The episodes of a finished store and their order depend on its jobs alone, save for what was lost. `dedupe` leaves
    out episodes that are the same as one before (`digest`). Stopped by SIGTERM or Ctrl-C (SystemExit 143 or 130) or by
    an error, it keeps every finished episode; killed, all but those of the last minute. ImportError if a simulator is
    missing, ValueError or FileExistsError for a folder that holds something else.
    """
    open_plans = {folder: jobs for folder, jobs in plans.items() if not is_complete(folder, jobs, dedupe=dedupe)}
    _check([job for jobs in open_plans.values() for job in jobs])
    with ExitStack() as stack:
        stop = stack.enter_context(StopRequest())
        found = {folder: stack.enter_context(_Collection(folder, jobs, dedupe)) for folder, jobs in open_plans.items()}
        progress = stack.enter_context(shown(quiet or not found))
        _collect(list(found.values()), crew, limits or Limits(), stop, progress)
    given_up = {folder: collection.given_up_tasks() for folder, collection in found.items()}
    return [summarise(folder, jobs, given_up.get(folder, {})) for folder, jobs in plans.items()]


def _check(jobs: Sequence[CollectJob]) -> None:
    """Raise for what would fail in every worker: unknown tasks, simulators that are not there."""
    for family in dict.fromkeys(family_of(find_task(job.task).id) for job in jobs):
        if why := lacking(family):
            raise ImportError(why)


def summarise(folder: Path, jobs: Sequence[CollectJob], given_up: dict[str, str]) -> Summary:
    """The summary of a collection, from the manifest of its store."""
    manifest = read_manifest(folder)
    asked = sum(job.episodes for job in jobs)
    tasks = {task: counts["episodes"] for task, counts in manifest["tasks"].items()}
    if "collection" not in manifest:
        return Summary(folder=str(folder), asked=asked, tasks=tasks, unknown=asked - sum(tasks.values()))
    facts = manifest["collection"]
    return Summary(
        folder=str(folder),
        asked=asked,
        tasks=tasks,
        **{kind: sum(row[kind] for row in facts) for kind in LEFT_OUT},
        lost=[{"task": row["job"]["task"], "seed": seed, "cause": why} for row in facts for seed, why in row["lost"]],
        given_up=given_up,
    )


class _Collection:
    """One store and what is still to come into it."""

    def __init__(self, folder: Path, jobs: Sequence[CollectJob], dedupe: bool) -> None:
        self.folder, self.jobs, self.dedupe = folder, jobs, dedupe
        self.accounts = open_accounts(folder, jobs, dedupe=dedupe)
        self.ledger = [account.facts for account in self.accounts]
        # No plan is complete while another adds to what it brought.
        extra = {"licence": "made by this machine", "synthetic": _about(jobs), "complete": None}
        self.writer = StoreWriter(folder, extra)
        self.ahead = Ahead(folder / AHEAD)
        held = EpisodeStore(folder) if dedupe and len(self.writer) else ()
        self.seen = {digest(episode) for episode in held}
        self.given_up: dict[int, str] = {}
        self.turn = 0
        self._advance()

    def __enter__(self) -> _Collection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self.writer:  # closes, whatever becomes of the rest; flushes unless the disk is full
            self.ahead.park()

    def missing(self) -> Iterator[tuple[int, CollectJob]]:
        """What must still be played, as jobs without holes, each with the number of its account."""
        for number, account in enumerate(self.accounts):
            end = account.job.seed + account.job.episodes
            seeds = (s for s in range(account.next_seed, end) if (account.key, s) not in self.ahead)
            for first, count in _runs(seeds):
                yield number, replace(account.job, seed=first, episodes=count)

    def take(self, number: int, outcome: Outcome) -> None:
        """An outcome for account `number`."""
        if outcome.kind == "given up":
            self.given_up[number] = outcome.cause
        else:
            self.ahead.put((self.accounts[number].key, outcome.seed), outcome)
        self._advance()

    def save(self) -> None:
        """Bring to the disk what has waited long in memory."""
        self.writer.flush_if_old()
        self.ahead.park_if_old()
        if self.ahead.spent:
            self.writer.flush()
            self.ahead.remove()

    def given_up_tasks(self) -> dict[str, str]:
        """Causes by task."""
        return {self.accounts[number].job.task: cause for number, cause in self.given_up.items()}

    def _advance(self) -> None:
        """Write all outcomes whose turn it is; the last one completes the store."""
        while self.turn < len(self.accounts):
            account = self.accounts[self.turn]
            outcome = None if account.done else self.ahead.pop((account.key, account.next_seed))
            if outcome is not None:
                self._settle(outcome)
            elif account.done or self.turn in self.given_up:
                self.turn += 1
            else:
                return
        if not self.given_up:
            self.writer.note(self.ledger, complete=plan_id(self.jobs, dedupe=self.dedupe))
            self.writer.flush()
            self.ahead.remove()

    def _settle(self, outcome: Outcome) -> None:
        account, episode, duplicate = self.accounts[self.turn], outcome.episode, False
        if self.dedupe and episode is not None:
            mark = digest(episode)
            duplicate = mark in self.seen
            self.seen.add(mark)
        account.settle(outcome, duplicate=duplicate)
        self.writer.note(self.ledger)  # before the episode, which may cut a shard
        if episode is not None and not duplicate:
            self.writer.append([episode])


def _collect(
    collections: list[_Collection], crew: Crew, limits: Limits, stop: StopRequest, progress: CollectionProgress
) -> None:
    """Play what is missing of all collections, so that the end of one family and the start of the next overlap."""
    work = [(collection, number, job) for collection in collections for number, job in collection.missing()]
    for collection in collections:
        total = sum(job.episodes for job in collection.jobs)
        progress.expect(collection.folder, total, total - sum(job.episodes for _, job in collection.missing()))
    left = [job.episodes for _, _, job in work]
    look = time.monotonic() + FLUSH_SECONDS
    with contextlib.closing(supervise([job for _, _, job in work], crew, limits)) as events:
        for event in events:
            if event is not None:
                piece, outcome = event
                collection, number, _ = work[piece]
                collection.take(number, outcome)
                progress.count(collection.folder, collection.jobs[number].task, outcome)
                left[piece] = 0 if outcome.kind == "given up" else left[piece] - 1
                if not any(count for count, (owner, _, _) in zip(left, work, strict=True) if owner is collection):
                    progress.finish(collection.folder)
            if time.monotonic() >= look:
                for collection in collections:
                    collection.save()
                progress.tick()
                look = time.monotonic() + FLUSH_SECONDS
            stop.honour()


def _runs(seeds: Iterator[int]) -> Iterator[tuple[int, int]]:
    """(3, 4, 5, 9) as (3, 3), (9, 1): the first of each run and its length."""
    first, count = 0, 0
    for seed in seeds:
        if count and seed == first + count:
            count += 1
            continue
        if count:
            yield first, count
        first, count = seed, 1
    if count:
        yield first, count


def _about(jobs: Sequence[CollectJob]) -> str:
    """Who acted in these episodes."""
    policies = sorted({policy_name(job) for job in jobs})
    noise = sorted({level for job in jobs for level in job.noise})
    seeds = f"{min(job.seed for job in jobs)} on"
    return f"simulated episodes, policy {', '.join(policies)}, noise {noise}, seeds from {seeds}"
