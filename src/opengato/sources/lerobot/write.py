"""Episodes as a LeRobot dataset of version 3.

Letters: S steps, H height, W width, C channels.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from opengato.core.episode import ArraySpec, Episode, specs_to_json
from opengato.core.spaces import Side
from opengato.sources.format import Options, facts, pixels, png
from opengato.sources.lerobot import layout

PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


class Writer:
    """Adds episode by episode; the dataset is whole once the context is left. Numbers and PNG pictures are exact."""

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder, self.options = folder, options
        self.tasks: dict[str, int] = {}
        self.rows: list[dict[str, Any]] = []
        self.ours: dict[str, Any] = {}
        self.frames = 0
        self.features: dict[str, dict[str, Any]] = {}
        self.statistics: dict[str, _Statistics] = {}
        self.data: _DataFiles | None = None
        self.videos: dict[str, _VideoFiles] = {}

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in (*self.videos.values(), *filter(None, [self.data])):
            part.close()
        if kind is None and self.rows:
            self._write_meta()

    def add(self, episode: Episode) -> None:
        """Write the frames of an episode, and remember what is said of it."""
        if self.data is None:
            self._begin(episode)
        assert self.data is not None
        steps, number = episode.num_steps, len(self.rows)
        task = self.tasks.setdefault(episode.instruction or episode.task, len(self.tasks))
        columns, shown = self._columns(episode)
        indices = {
            "timestamp": (np.arange(steps) / self.options.fps).astype(np.float32),
            "frame_index": np.arange(steps),
            "episode_index": np.full(steps, number),
            "index": np.arange(self.frames, self.frames + steps),
            "task_index": np.full(steps, task),
        }
        columns |= {name: pa.array(values) for name, values in indices.items()}
        chunk, file = self.data.add(pa.table(columns))
        row = {
            "episode_index": number,
            "tasks": [episode.instruction or episode.task],
            "length": steps,
            "data/chunk_index": chunk,
            "data/file_index": file,
            "dataset_from_index": self.frames,
            "dataset_to_index": self.frames + steps,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
        }
        for key, frames in shown.items():
            row |= self.videos[key].add(frames)
        self.rows.append(row | self._measure(episode, indices))
        self.ours["episodes"].append(facts(episode))
        self.frames += steps

    def _begin(self, episode: Episode) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.ours = {"specs": specs_to_json(episode.observation_specs, episode.action_specs), "episodes": []}
        for name, spec, values in _fields(episode):
            self.features[name] = _feature(spec, values, self.options.video)
            if self.features[name]["dtype"] == "video":
                self.videos[name] = _VideoFiles(self.folder, name, self.options.fps)
        self.features[layout.REWARD] = {"dtype": "float32", "shape": [1], "names": None}
        for name in (layout.DONE, *([] if episode.success is None else [layout.SUCCESS])):
            self.features[name] = {"dtype": "bool", "shape": [1], "names": None}
        self.features |= {name: {"dtype": dtype, "shape": [1], "names": None} for name, dtype in layout.INDICES.items()}
        self.data = _DataFiles(self.folder)

    def _columns(self, episode: Episode) -> tuple[dict[str, pa.Array], dict[str, np.ndarray]]:
        """Columns of the data file, and frames of the videos by their key."""
        columns, shown = {}, {}
        for name, spec, values in _fields(episode):
            if name in self.videos:
                shown[name] = pixels(values, spec)
            elif spec.kind == "image":
                encoded = [value if isinstance(value, bytes) else png(value) for value in values]
                columns[name] = pa.array([{"bytes": value, "path": None} for value in encoded], PICTURE)
            elif spec.kind == "text":
                columns[name] = pa.array([str(value) for value in values], pa.string())
            else:
                columns[name] = _numbers(np.asarray(values))
        done = np.zeros(episode.num_steps, bool)
        done[-1] = episode.terminated
        columns[layout.REWARD] = pa.array(np.asarray(episode.rewards, np.float32))
        columns[layout.DONE] = pa.array(done)
        if layout.SUCCESS in self.features:
            columns[layout.SUCCESS] = pa.array(np.append(done[:-1] & False, bool(episode.success)))
        return columns, shown

    def _measure(self, episode: Episode, indices: dict[str, np.ndarray]) -> dict[str, Any]:
        """Statistics of this episode as columns `stats/FEATURE/min`, added to those of the dataset."""
        measured: dict[str, np.ndarray] = {layout.REWARD: np.asarray(episode.rewards)[:, None]}
        measured |= {name: values[:, None] for name, values in indices.items()}
        for name, spec, values in _fields(episode):
            if spec.kind == "image":
                measured[name] = pixels(values, spec).transpose(0, 3, 1, 2) / 255.0
            elif spec.kind != "text":
                array = np.asarray(values)
                measured[name] = array.reshape(len(array), *(spec.shape or (1,)))
        row: dict[str, Any] = {}
        for name, values in measured.items():
            own = _Statistics()
            for statistics in (own, self.statistics.setdefault(name, _Statistics())):
                statistics.add(values.astype(np.float64), picture=values.ndim == 4 and name in self.features)
            row |= {f"stats/{name}/{key}": value for key, value in own.to_json().items()}
        return row

    def _write_meta(self) -> None:
        info = {
            "codebase_version": layout.VERSION,
            "robot_type": None,
            "total_episodes": len(self.rows),
            "total_frames": self.frames,
            "total_tasks": len(self.tasks),
            "chunks_size": layout.CHUNK_FILES,
            "data_files_size_in_mb": layout.DATA_MEGABYTES,
            "video_files_size_in_mb": layout.VIDEO_MEGABYTES,
            "fps": self.options.fps,
            "splits": {"train": f"0:{len(self.rows)}"},
            "data_path": layout.DATA,
            "video_path": layout.VIDEO if self.videos else None,
            "features": self.features,
        }
        (self.folder / "meta").mkdir(exist_ok=True)
        statistics = {name: known.to_json() for name, known in self.statistics.items()}
        for name, body in ((layout.STATS, statistics), (layout.OURS_FILE, self.ours), (layout.INFO, info)):
            (self.folder / name).write_text(json.dumps(body, indent=4), encoding="utf-8")
        tasks = pa.table({"task_index": pa.array(self.tasks.values(), pa.int64()), "task": list(self.tasks)})
        # LeRobot finds a task by the index of a pandas table, which this says is the second column.
        pandas = {"index_columns": ["task"], "columns": [], "column_indexes": [], "pandas_version": "2.0.0"}
        pandas["columns"] = [
            {"name": name, "field_name": name, "pandas_type": kind, "numpy_type": numpy, "metadata": None}
            for name, kind, numpy in (("task_index", "int64", "int64"), ("task", "unicode", "object"))
        ]
        pq.write_table(tasks.replace_schema_metadata({"pandas": json.dumps(pandas)}), self.folder / layout.TASKS)
        path = self.folder / layout.EPISODES.format(chunk_index=0, file_index=0)
        path.parent.mkdir(parents=True)
        pq.write_table(pa.Table.from_pylist(self.rows), path)


def _fields(episode: Episode) -> list[tuple[str, ArraySpec, Any]]:
    """Every field as (feature, spec, values)."""
    sides: tuple[tuple[Side, dict, dict], ...] = (
        ("observation", episode.observation_specs, episode.observations),
        ("action", episode.action_specs, episode.actions),
    )
    return [
        (layout.feature_name(side, key, spec), spec, values[key])
        for side, specs, values in sides
        for key, spec in specs.items()
    ]


def _feature(spec: ArraySpec, values: Any, video: bool) -> dict[str, Any]:
    if spec.kind == "image":
        shape = list(pixels(values, spec).shape[1:])
        return {"dtype": "video" if video else "image", "shape": shape, "names": ["height", "width", "channels"]}
    if spec.kind == "text":
        return {"dtype": "string", "shape": [1], "names": None}
    return {"dtype": np.asarray(values).dtype.name, "shape": list(spec.shape) or [1], "names": None}


def _numbers(array: np.ndarray) -> pa.Array:
    """Numbers by step: plain where a step has one, else lists of a fixed size, nested by axis."""
    if array.ndim == 1 or array.shape[1:] == (1,):
        return pa.array(array.reshape(-1))
    column = pa.array(np.ascontiguousarray(array).reshape(-1))
    for size in reversed(array.shape[1:]):
        column = pa.FixedSizeListArray.from_arrays(column, size)
    return column


class _Statistics:
    """Least, greatest, mean and standard deviation of a feature by number; of pictures by channel (C, 1, 1)."""

    def __init__(self) -> None:
        self.count = 0
        self.weight = 0

    def add(self, values: np.ndarray, *, picture: bool) -> None:
        axes = (0, 2, 3) if picture else (0,)
        weight = values.size // max(1, values[0].size if not picture else values.shape[1])
        found = values.min(axes), values.max(axes), values.sum(axes), np.square(values).sum(axes)
        low, high, total, squares = (f[:, None, None] if picture else f for f in found)
        if self.count:
            low, high = np.minimum(low, self.low), np.maximum(high, self.high)
            total, squares = total + self.total, squares + self.squares
        self.low, self.high, self.total, self.squares = low, high, total, squares
        self.count += len(values)
        self.weight += weight

    def to_json(self) -> dict[str, Any]:
        mean = self.total / self.weight
        std = np.sqrt(np.maximum(self.squares / self.weight - mean**2, 0))
        found = {"min": self.low, "max": self.high, "mean": mean, "std": std}
        return {name: value.tolist() for name, value in found.items()} | {"count": [self.count]}


class _DataFiles:
    """Parquet files of about `DATA_MEGABYTES` each, many to a chunk."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.number = folder, -1
        self.writer: pq.ParquetWriter | None = None

    def add(self, table: pa.Table) -> tuple[int, int]:
        """Where the rows went: (chunk, file)."""
        if self.writer is None or self.path.stat().st_size > layout.DATA_MEGABYTES * 2**20:
            self.close()
            self.number += 1
            chunk, file = divmod(self.number, layout.CHUNK_FILES)
            self.path = self.folder / layout.DATA.format(chunk_index=chunk, file_index=file)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.writer = pq.ParquetWriter(self.path, table.schema)
        self.writer.write_table(table)
        chunk, file = divmod(self.number, layout.CHUNK_FILES)
        return chunk, file

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
            self.writer = None


class _VideoFiles:
    """MP4 files of about `VIDEO_MEGABYTES` each, the frames of many episodes one after the other."""

    def __init__(self, folder: Path, key: str, fps: int) -> None:
        self.folder, self.key, self.fps = folder, key, fps
        self.number, self.frames = -1, 0
        self.container: Any = None

    def add(self, frames_SHWC: np.ndarray) -> dict[str, Any]:
        """Encode the pictures of an episode; where they lie, as columns of its row."""
        import av

        if self.container is None or self.path.stat().st_size > layout.VIDEO_MEGABYTES * 2**20:
            self._next(frames_SHWC.shape[1], frames_SHWC.shape[2])
        first = self.frames
        for frame in frames_SHWC:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")
            picture.pts, picture.time_base = self.frames, Fraction(1, self.fps)
            self.container.mux(self.stream.encode(picture))
            self.frames += 1
        chunk, file = divmod(self.number, layout.CHUNK_FILES)
        seconds = {"from_timestamp": first / self.fps, "to_timestamp": self.frames / self.fps}
        found = {"chunk_index": chunk, "file_index": file, **seconds}
        return {f"videos/{self.key}/{name}": value for name, value in found.items()}

    def _next(self, height: int, width: int) -> None:
        import av

        self.close()
        self.number += 1
        self.frames = 0
        chunk, file = divmod(self.number, layout.CHUNK_FILES)
        name = layout.VIDEO.format(video_key=self.key, chunk_index=chunk, file_index=file)
        self.path = self.folder / name
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.container = av.open(str(self.path), "w")
        # A key frame every two, as LeRobot has it, makes single frames quick to reach.
        self.stream = self.container.add_stream("libx264", rate=self.fps, options={"crf": "18", "g": "2", "bf": "0"})
        self.stream.width, self.stream.height = width, height
        self.stream.pix_fmt = "yuv444p" if height % 2 or width % 2 else "yuv420p"

    def close(self) -> None:
        if self.container is not None:
            self.container.mux(self.stream.encode())
            self.container.close()
            self.container = None
