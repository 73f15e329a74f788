"""A LeRobot dataset of version 3 as episodes.

Letters: S steps.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from opengato.core.episode import ArraySpec, Episode, SpecSet, objects, specs_from_json
from opengato.core.spaces import Side
from opengato.sources.format import Labels, pixels, place_name, png, stacked, widened
from opengato.sources.lerobot import layout


class Dataset:
    """A folder of a dataset; ValueError where there is none, or one of another version."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / layout.INFO
        if not path.is_file():
            raise ValueError(
                f"no LeRobot dataset at {str(folder)!r}: expected {layout.INFO} in it. One of the hub is fetched with: "
                "hf download OWNER/NAME --repo-type dataset --local-dir FOLDER"
            )
        self.info: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = str(self.info.get("codebase_version"))
        if not version.startswith("v3"):
            raise ValueError(
                f"{str(folder)!r} is of version {version}, expected v3: convert it with LeRobot's own script, "
                "lerobot.datasets.v30.convert_dataset_v21_to_v30"
            )
        ours = folder / layout.OURS_FILE
        self.ours: dict[str, Any] | None = json.loads(ours.read_text(encoding="utf-8")) if ours.is_file() else None
        self._data: tuple[Path, pa.Table] | None = None
        self._videos: dict[str, _Video] = {}

    @functools.cached_property
    def tasks(self) -> dict[int, str]:
        """The instructions by number."""
        table = pq.read_table(self.folder / layout.TASKS)
        (words,) = [name for name in table.column_names if name != "task_index"][-1:]
        return dict(zip(table["task_index"].to_pylist(), table[words].to_pylist(), strict=True))

    def rows(self) -> Iterator[dict[str, Any]]:
        """What is said of each episode, without its statistics."""
        for path in sorted(self.folder.glob("meta/episodes/*/*.parquet")):
            schema = pq.read_schema(path)
            names = [name for name in schema.names if not name.startswith("stats/")]
            yield from pq.read_table(path, columns=names).to_pylist()

    def episodes(self, labels: Labels) -> Iterator[Episode]:
        """All episodes in order; those that we wrote as they were."""
        if self.ours is not None:
            specs = specs_from_json(self.ours["specs"])
            names = {
                layout.feature_name(side, key, spec): (side, key)
                for side, fields in _sides(specs)
                for key, spec in fields.items()
            }
        else:
            task = labels.task or f"lerobot/{place_name(str(self.folder.resolve()))}"
            names = {name: found for name in self.info["features"] if (found := layout.field_name(name)) is not None}
            specs = self._specs(names, task)
        for number, row in enumerate(self.rows()):
            if self.ours is not None:
                told = self.ours["episodes"][number]
                success = told["success"]
            else:
                told, success = self._told(row, task), None
            yield self._episode(row, specs, names, {**told, "success": success})

    def _episode(
        self, row: dict[str, Any], specs: SpecSet, names: dict[str, tuple[Side, str]], told: dict[str, Any]
    ) -> Episode:
        table = self.table(row)
        fields: dict[Side, dict[str, np.ndarray]] = {"observation": {}, "action": {}}
        known = dict(_sides(specs))
        for name, (side, key) in names.items():
            spec = known[side][key]
            values = self._frames(name, row) if self._is_video(name) else _values(table[name])
            fields[side][key] = self._pictures(values, spec) if spec.kind == "image" else stacked(values, spec)
        reward = next((name for name in (layout.REWARD, "reward") if name in table.column_names), None)
        rewards = np.zeros(len(table)) if reward is None else np.asarray(_values(table[reward]))
        if self.ours is None and layout.SUCCESS in table.column_names:
            told = {**told, "success": bool(np.any(_values(table[layout.SUCCESS])))}
        if self.ours is None and layout.DONE in table.column_names:
            ended = bool(np.asarray(_values(table[layout.DONE])).reshape(-1)[-1])
            told = {**told, "terminated": ended, "truncated": not ended}
        return Episode(
            observation_specs=specs[0],
            action_specs=specs[1],
            observations=fields["observation"],
            actions=fields["action"],
            rewards=rewards.reshape(-1).astype(np.float32),
            **told,
        )

    def table(self, row: dict[str, Any]) -> pa.Table:
        """The steps of an episode; the file that was read last is kept."""
        path = self.folder / self.info["data_path"].format(
            chunk_index=row["data/chunk_index"], file_index=row["data/file_index"]
        )
        if self._data is None or self._data[0] != path:
            self._data = path, pq.read_table(path)
        table = self._data[1]
        start = row["dataset_from_index"] - table["index"][0].as_py()
        found = table.slice(start, row["length"])
        if found["episode_index"].to_pylist() != [row["episode_index"]] * row["length"]:
            raise ValueError(
                f"{path}: the {row['length']} steps from row {start} on are not all of episode "
                f"{row['episode_index']}; the dataset is broken: fetch it again"
            )
        return found

    def _told(self, row: dict[str, Any], task: str) -> dict[str, Any]:
        words = self.tasks[self.table(row)["task_index"][0].as_py()]
        source = {"source": f"lerobot:{self.folder.name}", "episode": row["episode_index"]}
        return {"task": task, "instruction": words, "terminated": False, "truncated": True, "provenance": source}

    def _specs(self, names: dict[str, tuple[Side, str]], task: str) -> SpecSet:
        specs: dict[Side, dict[str, ArraySpec]] = {"observation": {}, "action": {}}
        for name, (side, key) in names.items():
            feature = self.info["features"][name]
            shape = () if feature["shape"] == [1] else tuple(feature["shape"])
            told = feature.get("names")
            about = ", ".join(map(str, told)) if isinstance(told, list) else json.dumps(told) if told else name
            common: dict[str, Any] = {"name": f"{task}/{side}/{key}", "meaning": about}
            specs[side][key] = self._spec(name, feature["dtype"], shape, side, common)
        return specs["observation"], specs["action"]

    def _spec(self, name: str, dtype: str, shape: tuple[int, ...], side: Side, common: dict[str, Any]) -> ArraySpec:
        if dtype in ("image", "video"):
            return ArraySpec(kind="image", shape=(-1, -1, 3), dtype="uint8", **common)
        if dtype == "string":
            return ArraySpec(kind="text", dtype="str", **common)
        if dtype == "bool":
            return ArraySpec(kind="discrete", shape=shape, dtype="uint8", num_values=2, **common)
        if side == "observation":
            return ArraySpec(kind="continuous", shape=shape, dtype=_float(dtype), **common)
        low, high = self._extent(name)
        if dtype.startswith(("int", "uint")) and low.min() >= 0:
            return ArraySpec(kind="discrete", shape=shape, dtype="int64", num_values=int(high.max()) + 1, **common)
        lowest, highest = widened(low, high)
        return ArraySpec(kind="continuous", shape=shape, dtype=_float(dtype), low=lowest, high=highest, **common)

    def _extent(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Least and greatest value of each number of a feature, in all steps."""
        ends = []
        for path in sorted(self.folder.glob("data/*/*.parquet")):
            values = np.asarray(_values(pq.read_table(path, columns=[name])[name]), np.float64)
            ends.append((values.min(0), values.max(0)))
        low, high = zip(*ends, strict=True)
        return np.min(low, axis=0), np.max(high, axis=0)

    def _is_video(self, name: str) -> bool:
        return self.info["features"][name]["dtype"] == "video"

    def _frames(self, name: str, row: dict[str, Any]) -> list[np.ndarray]:
        path = self.folder / self.info["video_path"].format(
            video_key=name,
            chunk_index=row[f"videos/{name}/chunk_index"],
            file_index=row[f"videos/{name}/file_index"],
        )
        if name not in self._videos or self._videos[name].path != path:
            self._videos[name] = _Video(path, float(self.info["fps"]))
        return self._videos[name].frames(row[f"videos/{name}/from_timestamp"], row["length"])

    def _pictures(self, values: Any, spec: ArraySpec) -> np.ndarray:
        """Pixels where the spec has a size, else PNG files; encoded pictures stay as they are."""
        if isinstance(values[0], np.ndarray):
            return np.stack(values) if -1 not in spec.shape else objects([png(value) for value in values])
        encoded = [value["bytes"] for value in values]
        return objects(encoded) if -1 in spec.shape else pixels(objects(encoded), spec)


class _Video:
    """Frames of a file in order: episodes lie in it one after the other."""

    def __init__(self, path: Path, fps: float) -> None:
        try:
            import av
        except ImportError as error:
            raise ImportError("videos need PyAV; run: pip install 'opengato[video]'") from error
        self.path, self.fps = path, fps
        self._container = av.open(str(path))
        self._decoder = self._container.decode(video=0)
        self._next: tuple[int, np.ndarray] | None = None

    def frames(self, start_seconds: float, count: int) -> list[np.ndarray]:
        first = round(start_seconds * self.fps)
        found: dict[int, np.ndarray] = {}
        while len(found) < count:
            number, frame = self._next or self._read()
            self._next = None
            if number >= first + count:  # it belongs to what comes next
                self._next = number, frame
                break
            if number >= first:
                found[number] = frame
        if sorted(found) != list(range(first, first + count)):
            raise ValueError(f"{self.path} has {len(found)} of the {count} frames from second {start_seconds:g} on")
        return [found[number] for number in sorted(found)]

    def _read(self) -> tuple[int, np.ndarray]:
        frame = next(self._decoder, None)
        if frame is None:
            return 2**62, np.zeros(0)
        return round(float(frame.time) * self.fps), frame.to_ndarray(format="rgb24")


def _sides(specs: SpecSet) -> tuple[tuple[Side, dict[str, ArraySpec]], tuple[Side, dict[str, ArraySpec]]]:
    return ("observation", specs[0]), ("action", specs[1])


def _values(column: pa.ChunkedArray) -> Any:
    """A column as numbers by step, or as a list of what it holds."""
    array = column.combine_chunks()
    if pa.types.is_struct(array.type) or pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        return array.to_pylist()
    shape = [len(array)]
    while pa.types.is_list(array.type) or pa.types.is_fixed_size_list(array.type) or pa.types.is_large_list(array.type):
        flat = array.flatten()
        shape.append(len(flat) // max(1, len(array)))
        array = flat
    if isinstance(array, pa.ExtensionArray):
        return np.stack([np.asarray(value) for value in column.to_pylist()])
    return array.to_numpy(zero_copy_only=False).reshape(shape)


def _float(dtype: str) -> str:
    return dtype if dtype.startswith("float") else "float64"
