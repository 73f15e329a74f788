"""Minari against its own package: what it writes is read, what is written it reads."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from opengato import cli
from opengato.data.importing import export_store, import_format
from opengato.data.store import EpisodeStore, StoreWriter
from opengato.rollout import collect
from opengato.sources.format import Labels

minari = pytest.importorskip("minari")

SEEN = spaces.Dict(
    state=spaces.Box(-np.inf, np.inf, (3,), np.float64),
    camera=spaces.Box(0, 255, (16, 20, 3), np.uint8),
    pair=spaces.Tuple([spaces.Discrete(4, start=2), spaces.Box(-1, 1, (2,), np.float32)]),
)
DONE = spaces.Box(np.array([-1, 0], np.float32), np.array([1, 0.04], np.float32))


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    return tmp_path / "minari"


def written(steps: tuple[int, ...] = (3, 5), done: spaces.Space = DONE) -> tuple[Any, list[Any]]:
    """A dataset that the package itself wrote, and what went into it."""
    generator, buffers = np.random.default_rng(0), []
    for number, length in enumerate(steps):
        seen = {
            "state": generator.standard_normal((length + 1, 3)),
            "camera": generator.integers(0, 256, (length + 1, 16, 20, 3)).astype(np.uint8),
            "pair": (
                generator.integers(2, 6, length + 1),
                generator.uniform(-1, 1, (length + 1, 2)).astype(np.float32),
            ),
        }
        ends = np.arange(length) == length - 1
        from minari.data_collector import EpisodeBuffer

        buffers.append(
            EpisodeBuffer(
                seed=40 + number,
                observations=seen,
                actions=list(generator.uniform(0, 0.04, (length, 2)).astype(np.float32)),
                rewards=list(generator.standard_normal(length)),
                terminations=list(ends & (number == 0)),
                truncations=list(ends & (number > 0)),
                infos={"success": np.append(False, ends & (number == 0))},
            )
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = minari.create_dataset_from_buffers(
            dataset_id="toy/reach_far/human-v3",
            buffer=buffers,
            observation_space=SEEN,
            action_space=done,
            author="Ada",
            jpeg_encoding=False,
        )
    return dataset, buffers


@pytest.mark.parametrize("labels", [Labels(), Labels(task="mine/reach", instruction="reach")])
def test_what_minari_wrote_is_read(labels: Labels, tmp_path: Path) -> None:
    _, buffers = written()
    done = import_format("minari:toy/reach_far/human-v3", tmp_path / "data", labels)
    store = EpisodeStore(done["out"])
    assert done["episodes"] == len(store) == 2
    assert Path(done["out"]).name == ("reach" if labels.task else "reach_far-human-v3")
    assert "Ada" in store.extra["minari"]["author"]
    for episode, buffer in zip(store, buffers, strict=True):
        steps = len(buffer.rewards)
        assert episode.num_steps == steps, "the last observation answers no action"
        assert (episode.task, episode.instruction) == (
            ("mine/reach", "reach") if labels.task else ("minari/reach_far-human-v3", "reach far human")
        )
        np.testing.assert_array_equal(episode.observations["state"], buffer.observations["state"][:steps])
        assert episode.observations["state"].dtype == np.float64
        np.testing.assert_array_equal(episode.observations["camera"], buffer.observations["camera"][:steps])
        np.testing.assert_array_equal(episode.observations["pair/0"], buffer.observations["pair"][0][:steps] - 2)
        np.testing.assert_array_equal(episode.observations["pair/1"], buffer.observations["pair"][1][:steps])
        np.testing.assert_array_equal(episode.actions["action"], buffer.actions)
        np.testing.assert_array_equal(episode.rewards, np.asarray(buffer.rewards, np.float32))
        assert (episode.terminated, episode.truncated) == (bool(buffer.terminations[-1]), bool(buffer.truncations[-1]))
        assert episode.success == episode.terminated
        assert episode.provenance["seed"] == buffer.seed
    assert store[0].action_specs["action"].high == pytest.approx((1.0, 0.04))
    assert store[0].observation_specs["camera"].kind == "image"


def test_what_is_written_minari_reads(tmp_path: Path, root: Path) -> None:
    import opengato
    from opengato.envs import registry

    before = dict(registry._families)
    opengato.register("CartPole-v1", name="mine/pole", instruction="hold the pole", max_steps=12)
    episodes = list(collect("mine/pole", lambda observation: int(observation[2] > 0), episodes=3))
    registry._families.clear()
    registry._families.update(before)
    with StoreWriter(tmp_path / "store") as writer:
        writer.append(episodes)
    export_store(tmp_path / "store", "minari", root)
    dataset = minari.load_dataset("mine/pole-v0")
    env = gymnasium.make("CartPole-v1")
    assert dataset.observation_space.shape == env.observation_space.shape
    assert dataset.action_space == spaces.Discrete(2)
    assert (dataset.total_episodes, dataset.total_steps) == (3, sum(episode.num_steps for episode in episodes))
    for theirs, ours in zip(dataset, episodes, strict=True):
        np.testing.assert_array_equal(theirs.observations[:-1], ours.observations["observation"])
        np.testing.assert_array_equal(theirs.observations[-1], theirs.observations[-2], "the last one once more")
        np.testing.assert_array_equal(theirs.actions, ours.actions["action"])
        np.testing.assert_array_equal(theirs.rewards, ours.rewards)
        assert (theirs.terminations[-1], theirs.truncations[-1]) == (ours.terminated, ours.truncated)
    sampled = dataset.sample_episodes(2)
    assert len(sampled) == 2


def test_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    written()
    monkeypatch.chdir(tmp_path)
    assert cli.main("import minari:toy/reach_far/human-v3 --task mine/far".split()) == 0
    assert "data/far: 2 episodes" in capsys.readouterr().out
    assert cli.main("export data/far --to minari --out out/minari".split()) == 0
    assert "out/minari: 2 episodes" in capsys.readouterr().out
    assert cli.main("import minari:out/minari --out again --json".split()) == 0
    assert '"tasks": [\n  "mine/far"\n ]' in capsys.readouterr().out
    first, second = EpisodeStore("data/far"), EpisodeStore("again/minari")
    assert first.fingerprint == second.fingerprint, "there and back is nothing"


def test_actions_without_bounds_get_those_that_were_taken(tmp_path: Path) -> None:
    """An environment that declares none is common among old robots; its actions were bounded all the same."""
    free = spaces.Box(-np.inf, np.inf, (2,), np.float32)
    _, buffers = written(done=free)
    done = import_format("minari:toy/reach_far/human-v3", tmp_path / "data")
    taken = np.concatenate([buffer.actions for buffer in buffers])
    spec = EpisodeStore(done["out"])[0].action_specs["action"]
    assert spec.low == pytest.approx(tuple(taken.min(0)))
    assert spec.high == pytest.approx(tuple(taken.max(0)))


def test_what_is_nowhere_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no dataset 'human' here"):
        import_format("minari:human", tmp_path / "data")
