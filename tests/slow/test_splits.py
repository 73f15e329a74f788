"""On the real packages, where they are in the cache: nothing of the test split is in the train split."""

from __future__ import annotations

import hashlib

import pytest

from opengato.core.config import plugin
from opengato.core.episode import Episode
from opengato.data.importing import corpora
from opengato.sources.answers import normalised
from opengato.sources.fetch import RECEIPT, default_cache


def key(episode: Episode) -> str:
    """What an episode shows, or writes if it shows nothing: letters and digits of texts, hashes of all else."""
    parts = []
    for values in (episode.observations or episode.actions).values():
        for value in values:
            parts.append(normalised(value) if isinstance(value, str) else hashlib.sha256(bytes(value)).hexdigest())
    return f"{episode.task} {'|'.join(parts)}"


@pytest.mark.parametrize("name", corpora())
def test_splits_are_disjoint(name: str) -> None:
    source, cache = plugin("sources", name).Source(), default_cache()
    for package in source.card.packages:
        if not list(cache.glob(f"{package.registry}/{package.name.replace('/', '+')}-*/{RECEIPT}")):
            pytest.skip(f"{package.name} is not in {cache}: opengato import {name}")
    keys: dict[str, set[str]] = {"train": set(), "test": set()}
    for split, episode in source.episodes(cache):
        assert episode.task in source.card.tasks
        keys[split].add(key(episode))
    assert keys["train"]
    assert keys["test"]
    assert not keys["train"] & keys["test"]
