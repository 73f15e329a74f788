"""LeRobot, version 3: the layout as LeRobot's own code reads it, checked with pyarrow and PyAV alone.

The keys, paths and dtypes here are those of lerobot 0.4.4 (`datasets/utils.py`, `lerobot_dataset.py`), which does not
install beside this torch; it was run apart on what is written here.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opengato.core.episode import ArraySpec, Episode, objects
from opengato.data.importing import export_store, import_format
from opengato.data.store import EpisodeStore, StoreWriter
from opengato.sources.format import Labels, Options, pixels
from opengato.sources.lerobot.read import Dataset
from opengato.sources.lerobot.write import _Statistics
from tests.contracts.test_formats import lively

av = pytest.importorskip("av")

STATE = ArraySpec(name="mine/state", kind="continuous", shape=(3,), meaning="joints")
VIEW = ArraySpec(name="mine/view", kind="image", shape=(16, 24, 3), dtype="uint8")
MOVE = ArraySpec(name="mine/move", kind="continuous", shape=(2,), low=-1.0, high=1.0)
LENGTHS = (4, 7, 3)


def smooth(seed: int, steps: int) -> np.ndarray:
    """Pictures that a video keeps well: one colour each, another in each frame."""
    shade = (np.arange(steps) * 20 + 40 * seed).astype(np.uint8)
    return np.broadcast_to(shade[:, None, None, None], (steps, 16, 24, 3)).copy()


def arm(seed: int, steps: int) -> Episode:
    generator = np.random.default_rng(seed)
    return Episode(
        task="mine/pick",
        instruction="pick the cube" if seed % 2 else "pick the ball",
        observation_specs={"state": STATE, "images/top": VIEW},
        action_specs={"action": MOVE},
        observations={
            "state": generator.standard_normal((steps, 3)).astype(np.float32),
            "images/top": smooth(seed, steps),
        },
        actions={"action": generator.uniform(-1, 1, (steps, 2)).astype(np.float32)},
        rewards=generator.standard_normal(steps).astype(np.float32),
        success=True,
        provenance={"seed": seed},
    ).validate()


ARMS = [arm(seed, steps) for seed, steps in enumerate(LENGTHS)]


def exported(tmp_path: Path, options: Options) -> Path:
    with StoreWriter(tmp_path / "store") as writer:
        writer.append(ARMS)
    export_store(tmp_path / "store", "lerobot", tmp_path / "outside", options=options)
    return tmp_path / "outside"


def test_the_layout_is_that_of_version_3(tmp_path: Path) -> None:
    folder = exported(tmp_path, Options(video=True, fps=20))
    info = json.loads((folder / "meta/info.json").read_text())
    assert info["codebase_version"] == "v3.0"
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (3, sum(LENGTHS), 2)
    assert info["fps"] == 20
    assert info["splits"] == {"train": "0:3"}
    features = info["features"]
    assert features["observation.state"] == {"dtype": "float32", "shape": [3], "names": None}
    assert features["action"]["shape"] == [2]
    camera = {"dtype": "video", "shape": [16, 24, 3], "names": ["height", "width", "channels"]}
    assert features["observation.images.top"] == camera
    assert not [name for name in features if "/" in name], "LeRobot refuses a slash"
    for name, dtype in {"timestamp": "float32", "frame_index": "int64", "episode_index": "int64"}.items():
        assert features[name] == {"dtype": dtype, "shape": [1], "names": None}

    data = pq.read_table(folder / info["data_path"].format(chunk_index=0, file_index=0))
    stored = {name for name, feature in features.items() if feature["dtype"] != "video"}
    assert set(data.column_names) == stored, "every feature but videos is a column, and nothing else"
    assert data["index"].to_pylist() == list(range(sum(LENGTHS)))
    assert data["episode_index"].to_pylist() == [e for e, steps in enumerate(LENGTHS) for _ in range(steps)]
    assert data["timestamp"].to_pylist()[:4] == pytest.approx([0, 0.05, 0.1, 0.15])
    assert data.schema.field("action").type == pa.list_(pa.float32(), 2)
    expected = np.concatenate([episode.actions["action"] for episode in ARMS])
    np.testing.assert_array_equal(np.stack(data["action"].to_pylist()).astype(np.float32), expected)

    tasks = pq.read_table(folder / "meta/tasks.parquet")
    assert tasks["task"].to_pylist() == ["pick the ball", "pick the cube"]
    assert data["task_index"].to_pylist() == [0] * 4 + [1] * 7 + [0] * 3
    frame = tasks.to_pandas()
    assert frame.index.tolist() == ["pick the ball", "pick the cube"], "LeRobot looks a task up by the index"
    assert frame.loc["pick the cube"].task_index == 1

    rows = pq.read_table(folder / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert [(row["dataset_from_index"], row["dataset_to_index"]) for row in rows] == [(0, 4), (4, 11), (11, 14)]
    assert [row["tasks"] for row in rows] == [["pick the ball"], ["pick the cube"], ["pick the ball"]]
    video = "videos/observation.images.top"
    assert [row[f"{video}/from_timestamp"] for row in rows] == pytest.approx([0.0, 0.2, 0.55])
    assert rows[1]["stats/action/max"] == pytest.approx(ARMS[1].actions["action"].max(0).tolist())


def test_statistics_are_those_of_all_steps(tmp_path: Path) -> None:
    folder = exported(tmp_path, Options())
    stats = json.loads((folder / "meta/stats.json").read_text())
    states = np.concatenate([episode.observations["state"] for episode in ARMS]).astype(np.float64)
    by_hand = {"min": states.min(0), "max": states.max(0), "mean": states.mean(0), "std": states.std(0)}
    for name, expected in by_hand.items():
        np.testing.assert_allclose(stats["observation.state"][name], expected, atol=1e-9)
    assert stats["observation.state"]["count"] == [sum(LENGTHS)]
    pictures = np.concatenate([episode.observations["images/top"] for episode in ARMS]) / 255
    assert np.shape(stats["observation.images.top"]["mean"]) == (3, 1, 1)
    np.testing.assert_allclose(np.ravel(stats["observation.images.top"]["std"]), pictures.std((0, 1, 2)), atol=1e-9)
    one = _Statistics()
    one.add(np.array([[1.0], [1.0]]), picture=False)
    assert one.to_json()["std"] == [0.0]


def test_videos_hold_the_frames_in_order(tmp_path: Path) -> None:
    folder = exported(tmp_path, Options(video=True, fps=20))
    with av.open(str(folder / "videos/observation.images.top/chunk-000/file-000.mp4")) as container:
        decoded = [(float(frame.time), frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    np.testing.assert_allclose([time for time, _ in decoded], np.arange(sum(LENGTHS)) / 20, atol=1e-6)
    expected = np.concatenate([episode.observations["images/top"] for episode in ARMS])
    assert np.abs(np.stack([pixels for _, pixels in decoded]).astype(int) - expected).max() <= 4
    import_format(f"lerobot:{folder}", tmp_path / "back")
    for episode, original in zip(EpisodeStore(tmp_path / "back" / "outside"), ARMS, strict=True):
        shown = episode.observations["images/top"].astype(int)
        assert np.abs(shown - original.observations["images/top"]).max() <= 4
        np.testing.assert_array_equal(episode.observations["state"], original.observations["state"])
        assert episode.provenance == original.provenance


@pytest.mark.parametrize("video", [False, True])
def test_what_others_wrote_is_read_without_our_notes(video: bool, tmp_path: Path) -> None:
    folder = exported(tmp_path, Options(video=video, fps=20))
    (folder / "meta/opengato.json").unlink()
    done = import_format(f"lerobot:{folder}", tmp_path / "back", Labels(task="robot/pick"))
    store = EpisodeStore(done["out"])
    assert done["tasks"] == ["robot/pick"]
    for episode, original in zip(store, ARMS, strict=True):
        assert episode.instruction == original.instruction
        assert episode.success
        assert episode.observation_specs["state"].name == "robot/pick/observation/state"
        np.testing.assert_array_equal(episode.observations["state"], original.observations["state"])
        np.testing.assert_array_equal(episode.actions["action"], original.actions["action"])
        np.testing.assert_array_equal(episode.rewards, original.rewards)
        shown = pixels(episode.observations["images/top"], episode.observation_specs["images/top"])
        difference = np.abs(shown.astype(int) - original.observations["images/top"]).max()
        assert difference <= (4 if video else 0)
    actions = np.concatenate([episode.actions["action"] for episode in ARMS])
    spec = store[0].action_specs["action"]
    assert spec.low == pytest.approx(tuple(actions.min(0)))
    assert spec.high == pytest.approx(tuple(actions.max(0)))


def test_an_action_that_never_moved_has_room(tmp_path: Path) -> None:
    still = replace(ARMS[0], actions={"action": np.full((4, 2), 0.25, np.float32)})
    with StoreWriter(tmp_path / "store") as writer:
        writer.append([still])
    export_store(tmp_path / "store", "lerobot", tmp_path / "outside")
    (tmp_path / "outside/meta/opengato.json").unlink()
    (episode,) = Dataset(tmp_path / "outside").episodes(Labels())
    assert (episode.action_specs["action"].low, episode.action_specs["action"].high) == (-0.25, 0.75)
    assert episode.task == "lerobot/outside"


def test_many_files_are_read_as_one_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new file for each episode, two to a chunk."""
    for name, value in {"DATA_MEGABYTES": 0, "VIDEO_MEGABYTES": 0, "CHUNK_FILES": 2}.items():
        monkeypatch.setattr(f"opengato.sources.lerobot.layout.{name}", value)
    folder = exported(tmp_path, Options(video=True))
    assert (folder / "data/chunk-001/file-000.parquet").is_file()
    found = [episode.observations["state"] for episode in Dataset(folder).episodes(Labels())]
    for received, original in zip(found, ARMS, strict=True):
        np.testing.assert_array_equal(received, original.observations["state"])


def test_odd_sides_and_encoded_pictures(tmp_path: Path) -> None:
    odd = ArraySpec(name="mine/odd", kind="image", shape=(-1, -1, 3), dtype="uint8")
    from opengato.sources.format import png

    shown = [np.full((15, 17, 3), shade, np.uint8) for shade in (10, 200)]
    episode = replace(
        ARMS[0],
        observation_specs={"top": odd},
        observations={"top": objects([png(array) for array in shown])},
        actions={"action": np.zeros((2, 2), np.float32)},
        rewards=np.zeros(2, np.float32),
    )
    with StoreWriter(tmp_path / "store") as writer:
        writer.append([episode])
    export_store(tmp_path / "store", "lerobot", tmp_path / "outside", options=Options(video=True))
    (back,) = Dataset(tmp_path / "outside").episodes(Labels())
    assert isinstance(back.observations["top"][0], bytes)
    assert np.abs(pixels(back.observations["top"], odd).astype(int) - np.stack(shown)).max() <= 4


def test_older_versions_and_broken_data_are_told(tmp_path: Path) -> None:
    folder = exported(tmp_path, Options())
    rows = folder / "meta/episodes/chunk-000/file-000.parquet"
    table = pq.read_table(rows)
    wrong = table.set_column(table.column_names.index("length"), "length", pa.array([4, 9, 3]))
    pq.write_table(wrong, rows)
    with pytest.raises(ValueError, match="the 9 steps from row 4 on are not all of episode 1"):
        list(Dataset(folder).episodes(Labels()))
    info = json.loads((folder / "meta/info.json").read_text())
    (folder / "meta/info.json").write_text(json.dumps({**info, "codebase_version": "v2.1"}))
    with pytest.raises(ValueError, match=r"version v2.1, expected v3: convert it"):
        Dataset(folder)


def test_nested_arrays_keep_their_shape(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store") as writer:
        writer.append([lively(0, 3)])
    export_store(tmp_path / "store", "lerobot", tmp_path / "outside")
    data = pq.read_table(tmp_path / "outside/data/chunk-000/file-000.parquet")
    assert data.schema.field("observation.view").type == pa.list_(pa.list_(pa.uint8(), 2), 2)
    assert "observation.arm.joint" in data.column_names
