"""What became of every episode that a collection was asked for, as its store's manifest keeps it.

An account is a job's: the first `settled` of its seeds are done, in order, and those that no other count names are in
the store. So a broken-off collection knows where to go on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opengato.core.config import to_json
from opengato.data.store import MANIFEST, read_manifest
from opengato.rollout import CollectJob, Outcome, as_policy

LEFT_OUT = ("dropped", "filtered", "duplicate")
LEFTOVERS = (".lock", ".ahead")  # what a writer may leave before it has written its first manifest


class Account:
    """A job and what became of its episodes; `facts` is the part that the manifest keeps."""

    def __init__(self, job: CollectJob, facts: dict[str, Any]) -> None:
        self.job, self.facts = job, facts
        self.key = hashlib.sha256(json.dumps(facts["job"]).encode()).hexdigest()[:16]

    @property
    def next_seed(self) -> int:
        return self.job.seed + self.facts["settled"]

    @property
    def done(self) -> bool:
        return self.facts["settled"] >= self.job.episodes

    @property
    def collected(self) -> int:
        """Episodes of it in the store."""
        return self.facts["settled"] - sum(self.facts[kind] for kind in LEFT_OUT) - len(self.facts["lost"])

    def settle(self, outcome: Outcome, *, duplicate: bool = False) -> None:
        """Count the outcome of `next_seed`."""
        self.facts["settled"] += 1
        if outcome.kind == "lost":
            self.facts["lost"].append([outcome.seed, outcome.cause])
        elif duplicate or outcome.kind != "collected":
            self.facts["duplicate" if duplicate else outcome.kind] += 1


def plan_id(jobs: Sequence[CollectJob], *, dedupe: bool) -> str:
    """Names a whole collection. A setting that is younger than some stores counts only where it is used."""
    bodies = [{**to_json(job), "policy": policy_name(job)} for job in jobs]
    for body in bodies:
        if body["min_return"] is None:
            del body["min_return"]
    text = json.dumps([*bodies, {"dedupe": True}] if dedupe else bodies)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def policy_name(job: CollectJob) -> str:
    """What a manifest calls the policy of a job."""
    return job.policy if isinstance(job.policy, str) else as_policy(job.policy).name


def is_complete(folder: Path, jobs: Sequence[CollectJob], *, dedupe: bool) -> bool:
    """Whether a folder holds the whole collection, also one by a version that kept no accounts."""
    if not (folder / MANIFEST).is_file():
        return False
    return read_manifest(folder)["extra"].get("complete") == plan_id(jobs, dedupe=dedupe)


def open_accounts(folder: Path, jobs: Sequence[CollectJob], *, dedupe: bool) -> list[Account]:
    """An account for each job, going on with those of the folder.

    FileExistsError or ValueError if the folder holds anything that these jobs would not have brought: the episodes of a
    finished collection depend on its jobs alone.
    """
    accounts = [Account(job, _fresh(job, dedupe=dedupe)) for job in jobs]
    by_key = {account.key: account for account in accounts}
    if len(by_key) < len(accounts):
        raise ValueError(f"{folder.name}: a job is asked for twice, by task, policy, seed, noise and filters")
    if not (folder / MANIFEST).is_file():
        if folder.is_dir() and any(path.name not in LEFTOVERS for path in folder.iterdir()):
            raise FileExistsError(f"{str(folder)!r} is not empty and no store; name a new folder, or delete this one")
        return accounts
    manifest = read_manifest(folder)
    if "collection" not in manifest and (manifest["episodes"] or manifest["extra"].get("complete")):
        raise ValueError(
            f"{str(folder)!r} is not empty: it holds {manifest['episodes']} episodes that this collection did not "
            "bring; name a new folder, or delete this one"
        )
    for facts in manifest.get("collection", []):
        known = Account(jobs[0], facts)
        account = by_key.get(known.key)
        if account is None or account.job.episodes < facts["settled"]:
            asked = "none of them" if account is None else f"{account.job.episodes}"
            raise ValueError(
                f"{str(folder)!r} is not empty: it holds the collection of {facts['settled']} episodes of "
                f"{_words(facts['job'])}, this one asks for {asked}; name a new folder, or delete this one"
            )
        account.facts = facts
    return accounts


def _fresh(job: CollectJob, *, dedupe: bool) -> dict[str, Any]:
    identity = {**to_json(job), "policy": policy_name(job), "dedupe": dedupe}
    for name in ("type", "episodes"):
        del identity[name]
    return {"job": identity, "settled": 0, **dict.fromkeys(LEFT_OUT, 0), "lost": []}


def _words(identity: dict[str, Any]) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in identity.items() if name != "task")
    return f"{identity['task']} ({settings})"
