"""What every outside format owes its users; a new folder under `opengato/sources` is tested the moment it exists.

An episode that is exported and imported is the one it was: an identity, whatever the format looks like inside.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from opengato.core.episode import Episode
from opengato.data.importing import export_store, format_of, formats, import_format
from opengato.data.store import EpisodeStore, StoreWriter
from opengato.data.validate import validate_store
from opengato.sources.format import Format, Labels, pixels
from tests.tiny import caption_episode, toy_episode

FORMATS = [name for name in formats() if not format_of(name).documents_only]


def lively(seed: int, steps: int) -> Episode:
    """Every kind of field, nested keys, rewards, success, provenance."""
    episode = toy_episode(seed, steps, instruction=f"go on, {seed}")
    nested = {f"arm/{key}" if key in ("joint", "arm") else key: value for key, value in episode.observations.items()}
    specs = {f"arm/{key}" if key in ("joint", "arm") else key: s for key, s in episode.observation_specs.items()}
    rewards = np.random.default_rng(seed).standard_normal(steps).astype(np.float32)
    provenance = {"seed": seed, "policy": "somebody", "versions": {"toy": "1"}}
    return replace(
        episode,
        observation_specs=specs,
        observations=nested,
        rewards=rewards,
        success=bool(seed % 2),
        terminated=bool(seed % 2),
        truncated=not seed % 2,
        provenance=provenance,
    )


def assert_equal(received: Episode, expected: Episode) -> None:
    names = ("task", "instruction", "terminated", "truncated", "success", "provenance")
    assert [getattr(received, name) for name in names] == [getattr(expected, name) for name in names]
    assert received.observation_specs == expected.observation_specs
    assert received.action_specs == expected.action_specs
    np.testing.assert_array_equal(received.rewards, expected.rewards)
    for mine, theirs, specs in (
        (received.observations, expected.observations, expected.observation_specs),
        (received.actions, expected.actions, expected.action_specs),
    ):
        assert mine.keys() == theirs.keys()
        for key, spec in specs.items():
            a, b = mine[key], theirs[key]
            if spec.kind == "image":
                a, b = pixels(a, spec), pixels(b, spec)
            elif spec.kind != "text":
                assert a.dtype == b.dtype, key
            np.testing.assert_array_equal(a, b, err_msg=key)


@pytest.fixture(params=FORMATS)
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    pytest.importorskip(request.param if request.param == "minari" else "pyarrow")
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return request.param


def store_of(folder: Path, episodes: list[Episode]) -> Path:
    with StoreWriter(folder) as writer:
        writer.append(episodes)
    return folder


def there_and_back(name: str, episodes: list[Episode], tmp_path: Path, labels: Labels | None = None) -> EpisodeStore:
    done = export_store(store_of(tmp_path / "store", episodes), name, tmp_path / "outside")
    assert done["episodes"] == len(episodes)
    import_format(f"{name}:{tmp_path / 'outside'}", tmp_path / "back", labels)
    (folder,) = (tmp_path / "back").iterdir()
    assert validate_store(folder) == []
    return EpisodeStore(folder)


def test_control_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    episodes = [lively(seed, steps) for seed, steps in ((0, 4), (1, 1), (2, 7))]
    store = there_and_back(name, episodes, tmp_path)
    for received, expected in zip(store, episodes, strict=True):
        assert_equal(received, expected)
    assert store.extra["source"].startswith(f"{name}:")
    assert store.extra["licence"]


def test_captioned_pictures_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    episodes = [caption_episode(seed, f"panda {seed}") for seed in range(3)]
    for received, expected in zip(there_and_back(name, episodes, tmp_path), episodes, strict=True):
        assert_equal(received, expected)


def test_episodes_are_called_as_asked(name: str, tmp_path: Path) -> None:
    labels = Labels(task="mine/pick", instruction="pick it")
    store = there_and_back(name, [lively(0, 3)], tmp_path, labels)
    assert store.folder.name == "pick"
    assert (store[0].task, store[0].instruction) == ("mine/pick", "pick it")


def test_tasks_of_several_kinds_are_exported_one_by_one(name: str, tmp_path: Path) -> None:
    store = store_of(tmp_path / "store", [lively(0, 3), caption_episode(1)])
    with pytest.raises(ValueError, match=r"hold other fields.*export one task at a time"):
        export_store(store, name, tmp_path / "outside")
    assert not (tmp_path / "outside").exists(), "whole or not at all"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    export_store(store, name, tmp_path / "outside", task="toy/task")
    with pytest.raises(ValueError, match="did you mean 'toy/task'"):
        export_store(store, name, tmp_path / "other", task="toy/tusk")
    with pytest.raises(FileExistsError, match="delete it or choose another"):
        export_store(store, name, tmp_path / "outside", task="toy/task")


def test_what_is_not_there_is_told(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"expected|no parquet"):
        import_format(f"{name}:{tmp_path / 'empty'}", tmp_path / "out")
    assert not (tmp_path / "out" / "empty").exists()


def test_it_says_what_it_is(name: str) -> None:
    reader = format_of(name)
    assert isinstance(reader, Format)
    assert len(reader.title) > 10
