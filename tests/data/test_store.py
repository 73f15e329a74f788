"""The store gives back what was written, survives kills and full disks, and names what is corrupt."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from opengato.core.episode import ArraySpec, Episode, document, objects
from opengato.data import store as store_module
from opengato.data.store import MANIFEST, CorruptShardError, EpisodeStore, StoreWriter
from opengato.data.validate import main_show, main_stats, main_validate, show_episode, store_stats, validate_store
from tests.data.fakes import arm_episode, assert_equal, grid_episode, text_episode, write_store

ROOT = Path(__file__).parents[2]


def _mixed(seed: int) -> Episode:
    makers = (
        grid_episode,
        arm_episode,
        text_episode,
        lambda s: document("caption/x", "Vögel €", image=b"\x00png%d" % s),
    )
    return makers[seed % 4](seed)


def _dialogue() -> Episode:
    """Texts as observations, booleans, scalars, empty strings."""
    return Episode(
        task="talk/x",
        instruction="",
        observation_specs={
            "said": ArraySpec(name="said", kind="text", dtype="str"),
            "time": ArraySpec(name="time", kind="continuous", dtype="float64"),
        },
        action_specs={"answer": ArraySpec(name="answer", kind="text", dtype="str")},
        observations={"said": objects(["", "a", "日本"]), "time": np.arange(3.0)},
        actions={"answer": objects(["x", "", "y\x00z"])},
        rewards=np.zeros(3, np.float32),
        success=None,
        provenance={"seed": 1, "versions": {"numpy": "2"}, "list": [1, 2.5, None]},
    )


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("shard-*.arrow"))


def test_gives_back_what_was_written(tmp_path):
    episodes = [_mixed(seed) for seed in range(40)] + [_dialogue()]
    with StoreWriter(tmp_path, {"licence": "CC0"}, shard_episodes=7) as writer:
        assert writer.append(episodes) == 41
        assert len(writer) == 41
    store = EpisodeStore(tmp_path)
    assert len(store) == 41
    for received, expected in zip(store, episodes, strict=True):
        assert_equal(received.validate(), expected)
    assert_equal(store[-1], episodes[-1])
    assert [store.task(i) for i in range(41)] == [episode.task for episode in episodes]
    assert [store.num_steps(i) for i in range(41)] == [episode.num_steps for episode in episodes]
    assert store.tasks()["caption/x"] == 10
    assert store.extra == {"licence": "CC0"}
    assert store.column("success").tolist() == [episode.success for episode in episodes]
    assert validate_store(tmp_path) == []
    with pytest.raises(IndexError, match="41 episodes"):
        store[41]


def test_arrays_are_read_only_and_bytes_are_views(tmp_path):
    write_store(tmp_path, grid_episode, 3)
    episode = EpisodeStore(tmp_path)[1]
    assert not episode.observations["image"].flags.owndata
    assert episode.actions["action"].flags.aligned
    for array in (episode.observations["image"], episode.actions["action"], episode.rewards):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_appending_continues_and_the_fingerprint_ignores_the_cut(tmp_path):
    for seed in range(6):
        with StoreWriter(tmp_path / "a", {"part": seed}) as writer:
            writer.append([_mixed(seed)])
    with StoreWriter(tmp_path / "b") as writer:
        writer.append(_mixed(seed) for seed in range(6))
    a, b = EpisodeStore(tmp_path / "a"), EpisodeStore(tmp_path / "b")
    assert len(a.entries) == 6
    assert len(b.entries) == 1
    assert len(a) == len(b) == 6
    assert a.fingerprint == b.fingerprint != ""
    assert a.extra == {"part": 5}
    assert validate_store(tmp_path / "a") == []
    with StoreWriter(tmp_path / "b") as writer:
        writer.append([_mixed(99)])
    assert EpisodeStore(tmp_path / "b").fingerprint != a.fingerprint


def test_merged_shards_hold_the_same_episodes(tmp_path):
    with StoreWriter(tmp_path / "b") as writer:
        writer.append(_mixed(seed) for seed in range(6))
    with StoreWriter(tmp_path / "a", flush_seconds=0.0) as writer:
        writer.append(_mixed(seed) for seed in range(3))
        writer.merge(4)
        assert len(writer.manifest["shards"]) == 3, "too few to be worth it"
        writer.append([_mixed(3)])
        writer.merge(4)
        assert len(writer.manifest["shards"]) == 1
        writer.append(_mixed(seed) for seed in range(4, 6))
    a, b = EpisodeStore(tmp_path / "a"), EpisodeStore(tmp_path / "b")
    assert [entry["episodes"] for entry in a.entries] == [4, 1, 1]
    assert a.fingerprint == b.fingerprint
    for received, expected in zip(a, b, strict=True):
        assert_equal(received, expected)
    assert validate_store(tmp_path / "a") == []
    assert sorted(path.name for path in (tmp_path / "a").glob("shard-*")) == [entry["file"] for entry in a.entries]
    with StoreWriter(tmp_path / "a", shard_bytes=1) as writer:
        writer.merge()
        assert len(writer.manifest["shards"]) == 3, "none fits"


def test_shards_are_cut_by_bytes_episodes_and_age(tmp_path):
    for writer, shards in (
        (StoreWriter(tmp_path / "bytes", shard_bytes=20_000), range(3, 20)),
        (StoreWriter(tmp_path / "episodes", shard_episodes=10), [5]),
        (StoreWriter(tmp_path / "age", flush_seconds=0.0), [50]),
    ):
        with writer:
            writer.append(arm_episode(seed, 30) for seed in range(50))
        assert len(EpisodeStore(writer.folder).entries) in shards


def test_a_store_pickles_as_the_snapshot_it_is(tmp_path):
    write_store(tmp_path, grid_episode, 5)
    store = EpisodeStore(tmp_path)
    with StoreWriter(tmp_path) as writer:
        writer.append([grid_episode(5)])
    copy = pickle.loads(pickle.dumps(store))
    assert len(copy) == 5
    assert_equal(copy[4], store[4])
    assert len(EpisodeStore(tmp_path)) == 6


def test_other_arrow_programs_can_open_a_shard(tmp_path):
    write_store(tmp_path, grid_episode, 5)
    with pa.memory_map(str(_shards(tmp_path)[0])) as source, pa.ipc.open_stream(source) as reader:
        table = reader.read_all()
        specs = json.loads(reader.schema.metadata[b"opengato.specs"])
    assert table.num_rows == 5
    row = table.slice(2, 1).to_pylist()[0]
    image = row["fields"][0]
    expected = grid_episode(2).observations["image"]
    assert (image["role"], image["name"], image["shape"]) == ("observation", "image", list(expected.shape))
    np.testing.assert_array_equal(np.frombuffer(image["values"][0], image["dtype"]).reshape(image["shape"]), expected)
    assert specs["0"]["observation"]["image"]["num_values"] == 16


def test_an_invalid_episode_is_refused_and_those_before_it_kept(tmp_path):
    good, bad = grid_episode(0), grid_episode(1)
    bad.observations["image"][0, 0, 0] = 16
    with pytest.raises(ValueError, match=r"values in \[0, 16\]"), StoreWriter(tmp_path) as writer:
        writer.append([good, bad])
    assert len(EpisodeStore(tmp_path)) == 1


def test_an_error_of_the_collector_loses_nothing(tmp_path):
    def collect():
        yield from (grid_episode(seed) for seed in range(3))
        raise RuntimeError("simulator died")

    with pytest.raises(RuntimeError, match="simulator died"), StoreWriter(tmp_path) as writer:
        writer.append(collect())
    assert len(EpisodeStore(tmp_path)) == 3


def test_two_writers_are_one_too_many(tmp_path):
    with StoreWriter(tmp_path), pytest.raises(BlockingIOError, match="another process is writing"):
        StoreWriter(tmp_path)
    StoreWriter(tmp_path).close()


def test_what_is_not_a_store_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="opengato collect"):
        EpisodeStore(tmp_path)
    with StoreWriter(tmp_path):
        pass
    assert len(EpisodeStore(tmp_path)) == 0
    manifest = tmp_path / MANIFEST
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format": 7'))
    with pytest.raises(ValueError, match="format 7"):
        EpisodeStore(tmp_path)
    manifest.write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        EpisodeStore(tmp_path)


def _damaged(tmp_path: Path, damage: str) -> Path:
    with StoreWriter(tmp_path, shard_episodes=10) as writer:
        writer.append(grid_episode(seed) for seed in range(30))
    path = _shards(tmp_path)[1]
    data = bytearray(path.read_bytes())
    if damage == "truncated":
        path.write_bytes(data[:-100])
    elif damage == "missing":
        path.unlink()
    else:
        image = grid_episode(14).observations["image"].tobytes()
        data[bytes(data).index(image) + 3] ^= 4
        path.write_bytes(data)
    return path


@pytest.mark.parametrize("damage", ["truncated", "missing", "flipped"])
def test_a_damaged_shard_is_named_and_the_rest_is_usable(tmp_path, damage):
    expected = {"truncated": r"received \d+ bytes, expected \d+", "missing": "missing", "flipped": "received sha256"}
    path = _damaged(tmp_path, damage)
    with pytest.raises(CorruptShardError, match=expected[damage]) as error:
        list(EpisodeStore(tmp_path))
    assert path.name in str(error.value)
    assert "skip_bad" in str(error.value)
    if damage == "flipped":
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        assert digest in str(error.value)
        assert_equal(EpisodeStore(tmp_path)[13], grid_episode(13))
    store = EpisodeStore(tmp_path, skip_bad=True)
    assert list(store.bad_shards) == [path.name]
    seeds = [*range(10), *range(20, 30)]
    for received, seed in zip(pickle.loads(pickle.dumps(store)), seeds, strict=True):
        assert_equal(received, grid_episode(seed))
    (problem,) = validate_store(tmp_path)
    assert path.name in problem


def test_any_flipped_bit_is_an_error_of_the_shard_or_harmless(tmp_path):
    write_store(tmp_path, _mixed, 8)
    path = _shards(tmp_path)[0]
    data = path.read_bytes()
    expected = [_mixed(seed) for seed in range(8)]
    for place in np.random.default_rng(0).integers(0, len(data), 150).tolist():
        flipped = bytearray(data)
        flipped[place] ^= 1 << (place % 8)
        path.write_bytes(flipped)
        try:
            received = list(EpisodeStore(tmp_path))
        except CorruptShardError:
            continue
        for mine, theirs in zip(received, expected, strict=True):
            assert_equal(mine, theirs)


def test_a_full_disk_says_so_and_loses_nothing(tmp_path, monkeypatch):
    with StoreWriter(tmp_path) as writer:
        writer.append([grid_episode(0)])
        writer.flush()

        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        writer.append([grid_episode(1)])
        with monkeypatch.context() as patch:
            patch.setattr(store_module.os, "fsync", full)
            with pytest.raises(OSError, match="the disk is full") as error:
                writer.flush()
        assert error.value.errno == errno.ENOSPC
        assert len(EpisodeStore(tmp_path)) == 1
        assert not list(tmp_path.glob("*.tmp"))
        writer.flush()
    assert len(EpisodeStore(tmp_path)) == 2
    assert validate_store(tmp_path) == []


_WRITE = """
import sys
from opengato.data.store import StoreWriter
from tests.data.fakes import grid_episode
with StoreWriter(sys.argv[1], shard_episodes=5) as writer:
    print("go", flush=True)
    writer.append(grid_episode(seed, steps=40) for seed in range(10**6))
"""


@pytest.mark.parametrize("delay", [0.0, 0.011, 0.05, 0.13])
def test_a_killed_writer_leaves_every_flushed_episode(tmp_path, delay):
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    folder = tmp_path / "store"
    with subprocess.Popen(
        [sys.executable, "-c", _WRITE, str(folder)], stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        deadline = time.monotonic() + 20
        while delay and not _shards(folder) and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
    store = EpisodeStore(folder)
    assert len(store) % 5 == 0
    assert len(store) >= 5 * (len(_shards(folder)) - 1)
    for seed, received in enumerate(store):
        assert_equal(received, grid_episode(seed, steps=40))
    (folder / "shard-000999.arrow").write_bytes(b"left over")
    with StoreWriter(folder) as writer:
        writer.append([grid_episode(0)])
    assert len(EpisodeStore(folder)) == len(store) + 1
    assert validate_store(folder) == []
    assert {path.name for path in folder.iterdir()} == {
        ".lock", MANIFEST, *(entry["file"] for entry in EpisodeStore(folder).entries)
    }  # fmt: skip


def test_stats_and_show(tmp_path, capsys):
    write_store(tmp_path, _mixed, 40)
    stats = store_stats(tmp_path)
    assert stats["episodes"] == sum(task["episodes"] for task in stats["tasks"].values()) == 40
    assert stats["tasks"]["caption/x"]["success_rate"] is None
    grids = [grid_episode(seed) for seed in range(0, 40, 4)]
    assert stats["tasks"]["grid/T0"]["mean_length"] == pytest.approx(np.mean([g.num_steps for g in grids]))
    assert stats["tasks"]["grid/T0"]["mean_return"] == pytest.approx(np.mean([g.episode_return for g in grids]))
    text = show_episode(EpisodeStore(tmp_path), 3)
    assert "Vögel" in text
    assert "encoded picture, 5 bytes" in text
    assert "metres" in show_episode(EpisodeStore(tmp_path), 1)
    assert main_stats(tmp_path) == main_show(tmp_path, 0) == main_validate(tmp_path) == 0
    capsys.readouterr()
    assert main_stats(tmp_path, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == stats
    assert main_show(tmp_path, 0, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["task"] == "grid/T0"
    path = _shards(tmp_path)[0]
    path.write_bytes(path.read_bytes()[:-8])
    assert main_validate(tmp_path, as_json=True) == 1
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 1
    assert main_validate(tmp_path) == 1


def test_all_stores_below_a_folder_are_validated(tmp_path, capsys):
    for name in ("one", "deep/two"):
        write_store(tmp_path / name, grid_episode, 4)
    assert main_validate(tmp_path, as_json=True) == 0
    assert [Path(store["folder"]).name for store in json.loads(capsys.readouterr().out)] == ["two", "one"]
    path = _shards(tmp_path / "one")[0]
    path.write_bytes(path.read_bytes()[:-8])
    assert main_validate(tmp_path) == 1
    seen = capsys.readouterr().out
    assert "two: 4 episodes" in seen
    assert "one: " in seen.replace("one: 4 episodes", "")
    with pytest.raises(FileNotFoundError, match="no store"):
        main_validate(tmp_path / "nowhere")


def test_a_manifest_that_counts_wrongly_is_a_problem(tmp_path):
    write_store(tmp_path, grid_episode, 4)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    manifest["episodes"] = 5
    manifest["tasks"]["grid/T0"]["episodes"] = 2
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    assert [problem.split(":")[0] for problem in validate_store(tmp_path)] == ["manifest", "manifest"]
