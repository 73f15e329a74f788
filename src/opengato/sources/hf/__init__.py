"""Hugging Face datasets on disk: parquet files, a row a step (https://huggingface.co).

`datasets.load_dataset(FOLDER)` reads what is written, pictures included; so does pandas. It is done with pyarrow alone,
which stands here anyway: the package `datasets` would bring pandas and six others for a file that parquet describes.
Columns: `episode`, `step`, `task`, `instruction`, `observation.*`, `action.*`, `reward`, `terminated`, `truncated`,
`success`, `provenance` (JSON). Read are such files, and those with a column of texts (and one of pictures), whose rows
become documents; parquet as well as the Arrow files of `Dataset.save_to_disk`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from opengato.core.episode import ArraySpec, Episode, document, specs_from_json, specs_to_json
from opengato.sources import format as contract
from opengato.sources.format import OURS, Labels, Options, place_name, png, stacked

TEXTS, PICTURES = ("text", "caption", "answer", "content"), ("image", "picture", "jpg", "png")
FILE_STEPS = 200_000
_PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
CARD = """---
{head}
---

Episodes written by opengato, a row a step: `observation.*` was seen, `action.*` answered it.
"""


class Format(contract.Format):
    """A folder (or one file) of parquet, or a folder of `Dataset.save_to_disk`."""

    title = "a Hugging Face dataset on disk: parquet or Arrow files"

    def about(self, place: str) -> dict[str, Any]:
        readme = Path(place) / "README.md"
        text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
        told = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("license:")]
        return {"licence": told[0] if told else "as its authors say", "huggingface": place}

    def read(self, place: str, labels: Labels) -> Iterator[Episode]:
        files = _files(Path(place))
        schema = _schema(files[0])
        metadata = schema.metadata or {}
        if OURS.encode() in metadata:
            read = _episodes(files)
        elif column := next((name for name in TEXTS if name in schema.names), None):
            task = labels.task or f"{'caption' if set(PICTURES) & set(schema.names) else 'text'}/{place_name(place)}"
            read = _documents(files, column, task, Path(place).name)
        else:
            raise ValueError(
                f"{place!r} has the columns {schema.names}; expected what opengato wrote, or texts in one of {TEXTS} "
                f"(with pictures in one of {PICTURES}). Rename a column, or make episodes of it (core/episode.py)"
            )
        for episode in read:
            yield contract.relabelled(episode, labels)

    def write(self, episodes: Iterable[Episode], folder: Path, options: Options) -> None:
        (folder / "data").mkdir(parents=True)
        writer, schema, steps, file = None, None, 0, 0
        for number, episode in enumerate(contract.of_one_kind(episodes)):
            table = _table(episode, number)
            if writer is None or steps >= FILE_STEPS:
                schema = schema or _described(table.schema, episode)
                if writer is not None:
                    writer.close()
                writer = pq.ParquetWriter(folder / "data" / f"train-{file:05d}.parquet", schema)
                steps, file = 0, file + 1
            writer.write_table(table.replace_schema_metadata(schema.metadata if schema else None))
            steps += len(table)
        if writer is not None:
            writer.close()
        head = "license: other\ntask_categories:\n- reinforcement-learning"
        (folder / "README.md").write_text(CARD.format(head=head), encoding="utf-8")


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    found = sorted([*place.glob("**/*.parquet"), *place.glob("**/*.arrow")]) if place.is_dir() else []
    if not found:
        raise ValueError(
            f"no parquet or Arrow files at {str(place)!r}; one of the hub is fetched with: hf download OWNER/NAME "
            "--repo-type dataset --local-dir FOLDER"
        )
    return found


def _schema(file: Path) -> pa.Schema:
    if file.suffix == ".arrow":
        with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as reader:
            return reader.schema
    return pq.read_schema(file)


def _batches(file: Path) -> Iterator[pa.RecordBatch]:
    if file.suffix == ".arrow":
        with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as reader:
            yield from reader
    else:
        with pq.ParquetFile(file) as reader:
            yield from reader.iter_batches()


def _table(episode: Episode, number: int) -> pa.Table:
    steps = episode.num_steps
    ends = np.zeros(steps, bool)
    columns: dict[str, Any] = {
        "episode": pa.array(np.full(steps, number)),
        "step": pa.array(np.arange(steps)),
        "task": pa.array([episode.task] * steps),
        "instruction": pa.array([episode.instruction] * steps),
    }
    for side, specs, values in (
        ("observation", episode.observation_specs, episode.observations),
        ("action", episode.action_specs, episode.actions),
    ):
        columns |= {f"{side}.{key}": _column(values[key], spec) for key, spec in specs.items()}
    columns["reward"] = pa.array(np.asarray(episode.rewards, np.float32))
    for name in ("terminated", "truncated"):
        columns[name] = pa.array(np.append(ends[1:], bool(getattr(episode, name))))
    columns["success"] = pa.array([episode.success] * steps, pa.bool_())
    columns["provenance"] = pa.array([json.dumps(episode.provenance)] * steps)
    return pa.table(columns)


def _column(values: Any, spec: ArraySpec) -> pa.Array:
    if spec.kind == "text":
        return pa.array([str(value) for value in values], pa.string())
    if spec.kind == "image":
        encoded = [value if isinstance(value, bytes) else png(value) for value in values]
        return pa.array([{"bytes": value, "path": None} for value in encoded], _PICTURE)
    array = np.asarray(values)
    column = pa.array(np.ascontiguousarray(array).reshape(-1))
    for size in reversed(array.shape[1:]):
        column = pa.FixedSizeListArray.from_arrays(column, size)
    return column


def _described(schema: pa.Schema, episode: Episode) -> pa.Schema:
    """The schema with our specs, and with what tells `datasets` which columns are pictures."""
    features = {field.name: _feature(field.type) for field in schema}
    specs = specs_to_json(episode.observation_specs, episode.action_specs)
    return schema.with_metadata({OURS: json.dumps(specs), "huggingface": json.dumps({"info": {"features": features}})})


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if kind == _PICTURE:
        return {"_type": "Image"}
    if pa.types.is_fixed_size_list(kind):
        return {"_type": "Sequence", "feature": _feature(kind.value_type), "length": kind.list_size}
    names = {"double": "float64", "float": "float32", "halffloat": "float16"}
    return {"_type": "Value", "dtype": names.get(str(kind), str(kind))}


def _episodes(files: list[Path]) -> Iterator[Episode]:
    specs = specs_from_json(json.loads((_schema(files[0]).metadata or {})[OURS.encode()]))
    rows = (row for file in files for batch in _batches(file) for row in batch.to_pylist())
    for _, group in itertools.groupby(rows, key=lambda row: row["episode"]):
        steps = list(group)
        first, last = steps[0], steps[-1]
        sides = [
            {key: _values([row[f"{side}.{key}"] for row in steps], spec) for key, spec in fields.items()}
            for side, fields in (("observation", specs[0]), ("action", specs[1]))
        ]
        yield Episode(
            task=first["task"],
            instruction=first["instruction"],
            observation_specs=specs[0],
            action_specs=specs[1],
            observations=sides[0],
            actions=sides[1],
            rewards=np.array([row["reward"] for row in steps], np.float32),
            terminated=last["terminated"],
            truncated=last["truncated"],
            success=first["success"],
            provenance=json.loads(first["provenance"]),
        )


def _values(column: list[Any], spec: ArraySpec) -> np.ndarray:
    if spec.kind != "image":
        return stacked(column, spec)
    encoded = contract.objects([value["bytes"] for value in column])
    return encoded if -1 in spec.shape else contract.pixels(encoded, spec)


def _documents(files: list[Path], text: str, task: str, name: str) -> Iterator[Episode]:
    picture = next((column for column in PICTURES if column in _schema(files[0]).names), None)
    instruction = "" if picture is None else "describe the picture"
    rows = (row for file in files for batch in _batches(file) for row in batch.to_pylist())
    for number, row in enumerate(rows):
        image = None
        if picture is not None:
            image = row[picture]["bytes"] if isinstance(row[picture], dict) else row[picture]
            if not isinstance(image, bytes):
                raise ValueError(
                    f"row {number} of {name!r}: the picture in {picture!r} is no bytes but {type(image).__name__}; "
                    "save the dataset with its pictures in it"
                )
        if row[text]:
            yield document(task, row[text], image=image, instruction=instruction, source=f"hf:{name}", row=number)
