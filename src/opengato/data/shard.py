"""One shard of a store: an Arrow IPC stream of a single record batch, one row per episode, readable by `datasets`.

The columns `task`, `instruction`, `num_steps`, `episode_return`, `success`, `terminated`, `truncated`, `provenance`
(JSON) speak for themselves; `specs` is the number of the spec set (kept in the schema metadata and the manifest);
`fields` holds the arrays: `role` (observation, action, reward), `name`, `dtype`, `shape`, `values`. A numeric array is
one value of raw little-endian bytes; text and encoded pictures are one value per step, dtype `str` or `bytes`.
`crc32` covers the row, so that a flipped bit is found by the read that would have trained on it.
"""

from __future__ import annotations

import itertools
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from opengato.core.episode import MEDIA, Episode, SpecSet, objects

_FIELD = pa.struct(
    [
        ("role", pa.string()),
        ("name", pa.string()),
        ("dtype", pa.string()),
        ("shape", pa.list_(pa.int64())),
        ("values", pa.list_(pa.large_binary())),
    ]
)
SCHEMA = pa.schema(
    [
        ("task", pa.string()),
        ("instruction", pa.string()),
        ("num_steps", pa.int32()),
        ("episode_return", pa.float64()),
        ("success", pa.bool_()),
        ("terminated", pa.bool_()),
        ("truncated", pa.bool_()),
        ("specs", pa.int32()),
        ("provenance", pa.string()),
        ("crc32", pa.int64()),
        ("fields", pa.list_(_FIELD)),
    ]
)
_NUMBERS = ("num_steps", "episode_return", "terminated", "truncated", "specs", "crc32")
_SEPARATOR = "\x1f"


def row_of(episode: Episode, specs: int) -> tuple[dict[str, Any], int]:
    """The row of a valid episode and the bytes of its values. ValueError for an array that is not plain numbers."""
    fields = []
    for role, known, values in (
        ("observation", episode.observation_specs, episode.observations),
        ("action", episode.action_specs, episode.actions),
    ):
        fields += [_field(role, name, known[name].kind, values[name]) for name in known]
    fields.append(_field("reward", "reward", "continuous", episode.rewards))
    row = {
        "task": episode.task,
        "instruction": episode.instruction,
        "num_steps": episode.num_steps,
        "episode_return": episode.episode_return,
        "success": None if episode.success is None else bool(episode.success),
        "terminated": bool(episode.terminated),
        "truncated": bool(episode.truncated),
        "specs": specs,
        "provenance": json.dumps(episode.provenance, default=_plain),
        "fields": fields,
    }
    crc = 0
    for field in fields:
        for value in field["values"]:
            crc = zlib.crc32(value, crc)
    row["crc32"] = zlib.crc32(_header(row), crc)
    return row, sum(len(value) for field in fields for value in field["values"])


def _field(role: str, name: str, kind: str, values: Any) -> dict[str, Any]:
    numeric = isinstance(values, np.ndarray) and values.dtype != object
    if kind == "text":
        dtype, shape, items = "str", [len(values)], [str(value).encode() for value in values]
    elif kind in MEDIA and not numeric:
        dtype, shape, items = "bytes", [len(values)], [bytes(value) for value in values]
    else:
        array = np.asarray(values)
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{role} {name!r} has dtype {array.dtype}; a store keeps bool, integer and float arrays")
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        dtype, shape, items = array.dtype.name, list(array.shape), [array.tobytes()]
    return {"role": role, "name": name, "dtype": dtype, "shape": shape, "values": items}


def _plain(value: Any) -> Any:
    """Numpy values in a provenance as JSON values."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"provenance holds a {type(value).__name__}: use numbers, strings, lists and dicts")


def _header(row: dict[str, Any]) -> bytes:
    """What the crc32 covers besides the values."""
    keys = ("task", "instruction", "num_steps", "episode_return", "success", "terminated", "truncated", "specs")
    return _SEPARATOR.join([*(repr(row[key]) for key in keys), row["provenance"]]).encode()


def to_buffer(rows: list[dict[str, Any]], spec_sets: dict[int, dict[str, Any]]) -> pa.Buffer:
    """Rows as an Arrow IPC stream with the spec sets they use in its schema metadata."""
    return _stream(pa.RecordBatch.from_pylist(rows, schema=SCHEMA), spec_sets)


def joined(batches: list[pa.RecordBatch], spec_sets: list[dict[str, Any]]) -> pa.Buffer:
    """The rows of several shards of a store as one stream; `spec_sets` are all of the store."""
    bare = [batch.replace_schema_metadata(None) for batch in batches]
    (batch,) = pa.Table.from_batches(bare).combine_chunks().to_batches()
    used = sorted(set(batch.column("specs").to_pylist()))
    return _stream(batch, {i: spec_sets[i] for i in used})


def _stream(batch: pa.RecordBatch, spec_sets: dict[int, dict[str, Any]]) -> pa.Buffer:
    schema = SCHEMA.with_metadata({"opengato.specs": json.dumps(spec_sets)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(batch.replace_schema_metadata(schema.metadata))
    return sink.getvalue()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fields:
    """Numpy views of the columns: field k of row j has k in [row[j], row[j + 1]). `success` is -1 where undefined."""

    row: np.ndarray
    key: np.ndarray
    keys: list[tuple[str, str, str]]
    shape_start: np.ndarray
    shape: np.ndarray
    value_start: np.ndarray
    byte_start: np.ndarray
    data: memoryview
    numbers: dict[str, np.ndarray]


class Shard:
    """A memory-mapped shard. Opening reads the schema alone; the first episode builds the views."""

    def __init__(self, path: Path):
        with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
            self.batch = reader.read_next_batch()
        self.batch.validate(full=True)  # a flipped offset must be an error, not a wild read
        self.path = path
        self._fields: _Fields | None = None

    def __len__(self) -> int:
        return self.batch.num_rows

    def column(self, name: str) -> pa.Array:
        return self.batch.column(name)

    def episode(self, row: int, spec_sets: list[SpecSet]) -> Episode:
        """Decode one row; ValueError if its crc32 does not fit. Byte arrays are views of the mapped file."""
        if self._fields is None:
            self._fields = _views(self.batch)
        fields = self._fields
        head = {name: values[row].item() for name, values in fields.numbers.items()}
        head["success"] = None if head["success"] < 0 else bool(head["success"])
        for name in ("task", "instruction", "provenance"):
            head[name] = self.batch.column(name)[row].as_py()
        first, last = fields.value_start[fields.row[row]], fields.value_start[fields.row[row + 1]]
        crc = zlib.crc32(fields.data[fields.byte_start[first] : fields.byte_start[last]])
        if zlib.crc32(_header(head), crc) != head["crc32"]:
            raise ValueError(f"row {row} does not fit its crc32")
        sides: dict[str, dict[str, np.ndarray]] = {"observation": {}, "action": {}, "reward": {}}
        for k in range(fields.row[row], fields.row[row + 1]):
            role, name, dtype = fields.keys[fields.key[k]]
            sides[role][name] = _decode(fields, k, dtype)
        observation_specs, action_specs = spec_sets[head["specs"]]
        if sides["observation"].keys() != observation_specs.keys() or sides["action"].keys() != action_specs.keys():
            raise ValueError(f"row {row} has other fields than its specs")
        return Episode(
            task=head["task"],
            instruction=head["instruction"],
            observation_specs=observation_specs,
            action_specs=action_specs,
            observations=sides["observation"],
            actions=sides["action"],
            rewards=sides["reward"]["reward"],
            terminated=head["terminated"],
            truncated=head["truncated"],
            success=head["success"],
            provenance=json.loads(head["provenance"]),
        )


def _views(batch: pa.RecordBatch) -> _Fields:
    column = batch.column("fields")
    struct = column.values
    columns = [struct.field(name) for name in ("role", "name", "dtype")]
    key = pc.call_function("binary_join_element_wise", [*columns, pa.scalar(_SEPARATOR)]).dictionary_encode()
    shape, values = struct.field("shape"), struct.field("values")
    binary = values.values
    _, offsets, data = binary.buffers()
    return _Fields(
        row=column.offsets.to_numpy(),
        key=key.indices.to_numpy(),
        keys=[tuple(text.split(_SEPARATOR)) for text in key.dictionary.to_pylist()],  # type: ignore[misc]
        shape_start=shape.offsets.to_numpy(),
        shape=shape.values.to_numpy(),
        value_start=values.offsets.to_numpy(),
        byte_start=np.frombuffer(offsets, np.int64, len(binary) + 1),
        data=memoryview(data if data is not None else b""),
        numbers={
            **{name: batch.column(name).to_numpy(zero_copy_only=False) for name in _NUMBERS},
            "success": pc.fill_null(batch.column("success").cast(pa.int8()), -1).to_numpy(),
        },
    )


def _decode(fields: _Fields, k: int, dtype: str) -> np.ndarray:
    first, last = fields.value_start[k], fields.value_start[k + 1]
    edges = fields.byte_start[first : last + 1].tolist()
    if dtype in ("str", "bytes"):
        items = [bytes(fields.data[a:b]) for a, b in itertools.pairwise(edges)]
        array = objects([item.decode() for item in items] if dtype == "str" else items)
    else:
        array = np.frombuffer(fields.data[edges[0] : edges[1]], np.dtype(dtype))
        if not array.flags.aligned:  # arithmetic on unaligned floats is slow; bytes, where the bulk is, never are
            array = array.copy()
        array = array.reshape(fields.shape[fields.shape_start[k] : fields.shape_start[k + 1]])
    array.flags.writeable = False
    return array
