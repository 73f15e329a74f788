"""Hugging Face datasets against their own package, which the code under test does without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from opengato.data.importing import export_store, import_format
from opengato.data.store import EpisodeStore, StoreWriter
from opengato.sources.format import Labels
from tests.contracts.test_formats import lively
from tests.tiny import caption_episode, png

EPISODES = [lively(0, 3), lively(1, 5)]


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    package = pytest.importorskip("datasets")
    package.disable_progress_bars()
    return package


def exported(tmp_path: Path) -> Path:
    with StoreWriter(tmp_path / "store") as writer:
        writer.append(EPISODES)
    export_store(tmp_path / "store", "hf", tmp_path / "outside")
    return tmp_path / "outside"


def test_datasets_reads_what_is_written(tmp_path: Path, datasets: Any) -> None:
    folder = exported(tmp_path)
    loaded = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(loaded) == 8
    assert loaded["episode"] == [0] * 3 + [1] * 5
    assert loaded["step"][:5] == [0, 1, 2, 0, 1]
    assert isinstance(loaded.features["observation.camera"], datasets.Image)
    starts = [0, 3]
    for start, episode in zip(starts, EPISODES, strict=True):
        for step in range(episode.num_steps):
            row = loaded[start + step]
            assert row["instruction"] == episode.instruction
            assert row["observation.note"] == episode.observations["note"][step]
            np.testing.assert_array_equal(np.asarray(row["observation.camera"]), episode.observations["camera"][step])
            received = np.asarray(row["observation.arm/joint"], np.float32)
            np.testing.assert_array_equal(received, episode.observations["arm/joint"][step])
            assert row["action.move"] == episode.actions["move"][step]
            assert row["reward"] == episode.rewards[step]
            assert row["success"] == episode.success
            assert row["terminated"] == (episode.terminated and step == episode.num_steps - 1)


def test_what_datasets_saved_is_read(tmp_path: Path, datasets: Any) -> None:
    texts = {"text": ["one page", "", "another page"], "year": [1, 2, 3]}
    datasets.Dataset.from_dict(texts).save_to_disk(str(tmp_path / "books"))
    datasets.Dataset.from_dict(texts).to_parquet(str(tmp_path / "books.parquet"))
    for place in ("books", "books.parquet"):
        done = import_format(f"hf:{tmp_path / place}", tmp_path / place.replace(".", "-"), Labels(task="text/books"))
        store = EpisodeStore(done["out"])
        assert [episode.actions["text"][0] for episode in store] == ["one page", "another page"], "an empty one is none"
        assert store[1].provenance["row"] == 2
    pictures = [png(np.full((4, 6, 3), shade, np.uint8)) for shade in (0, 99)]
    rows = {"image": [{"bytes": picture, "path": None} for picture in pictures], "caption": ["black", "grey"]}
    features = datasets.Features({"image": datasets.Image(), "caption": datasets.Value("string")})
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "seen"))
    done = import_format(f"hf:{tmp_path / 'seen'}", tmp_path / "data")
    store = EpisodeStore(done["out"])
    assert done["tasks"] == ["caption/seen"]
    assert [episode.actions["caption"][0] for episode in store] == ["black", "grey"]
    assert store[1].observations["image"][0] == pictures[1]
    assert store[0].instruction == "describe the picture"


def test_long_exports_are_cut_into_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opengato.sources.hf.FILE_STEPS", 2)
    folder = exported(tmp_path)
    assert [path.name for path in sorted((folder / "data").iterdir())] == ["train-00000.parquet", "train-00001.parquet"]
    import_format(f"hf:{folder}", tmp_path / "back")
    assert EpisodeStore(tmp_path / "back" / "outside").fingerprint == EpisodeStore(tmp_path / "store").fingerprint


def test_columns_that_say_nothing_are_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1], "b": [2]}), tmp_path / "x.parquet")
    with pytest.raises(ValueError, match=r"has the columns \['a', 'b'\]; expected what opengato wrote"):
        import_format(f"hf:{tmp_path / 'x.parquet'}", tmp_path / "data")
    rows = {"image": ["far/away.png"], "caption": ["a"]}
    pq.write_table(pa.table(rows), tmp_path / "y.parquet")
    with pytest.raises(ValueError, match="the picture in 'image' is no bytes but str; save the dataset"):
        import_format(f"hf:{tmp_path / 'y.parquet'}", tmp_path / "data")


def test_the_licence_is_that_of_the_card(tmp_path: Path) -> None:
    with StoreWriter(tmp_path / "store") as writer:
        writer.append([caption_episode(0)])
    export_store(tmp_path / "store", "hf", tmp_path / "outside")
    readme = tmp_path / "outside" / "README.md"
    readme.write_text(readme.read_text().replace("license: other", "license: cc-by-4.0"))
    assert import_format(f"hf:{tmp_path / 'outside'}", tmp_path / "back")["licence"] == "cc-by-4.0"
