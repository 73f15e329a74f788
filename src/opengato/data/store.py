"""Episodes on disk: a folder of Arrow shards and a `manifest.json` that says which of them are whole.

A shard counts once the manifest names it. Both are written to a temporary file, synced and renamed, so that whatever
kills the writer leaves a store with every episode up to its last flush. No torch here: collectors import this.
Letters: E episodes.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa

from opengato.core.episode import Episode, SpecSet, specs_from_json, specs_to_json
from opengato.data.shard import Shard, joined, row_of, to_buffer

FORMAT = 1
MANIFEST = "manifest.json"


class CorruptShardError(ValueError):
    """A shard is not what the manifest says."""


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """The manifest of a store. FileNotFoundError or ValueError say what to do."""
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"no store at {str(folder)!r}: expected a {MANIFEST}; make one with `opengato collect` or `opengato import`"
        ) from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); restore it or collect the data again") from error
    if manifest.get("format") != FORMAT:
        raise ValueError(f"{path} has format {manifest.get('format')}, this version of opengato reads {FORMAT}")
    return manifest


def sha256_file(path: Path) -> str:
    """Hexadecimal sha256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shard_problem(folder: Path, entry: dict[str, Any], *, digest: bool) -> str | None:
    """What is wrong with a shard of the manifest, or None. The length is always checked, the sha256 if `digest`."""
    path = folder / entry["file"]
    if not path.exists():
        return f"shard {path} is missing; the manifest expects {entry['bytes']} bytes"
    received = path.stat().st_size
    if received != entry["bytes"]:
        return f"shard {path} is truncated or altered: received {received} bytes, expected {entry['bytes']}"
    if digest:
        checksum = sha256_file(path)
        if checksum != entry["sha256"]:
            return f"shard {path} is corrupt: received sha256 {checksum}, expected {entry['sha256']}"
    return None


class EpisodeStore:
    """Random access to the episodes of a folder: `store[i]`, `len(store)`, iteration.

    Arrays are read-only, and views of the mapped file where they are bytes. Opening checks the length of each shard;
    each read checks its row and names the shard if it is corrupt (CorruptShardError). With `skip_bad` each shard's
    sha256 is checked on opening, bad ones are left out and named in `bad_shards`. The store is a snapshot: episodes
    appended later are seen by a new `EpisodeStore`. Pickles into workers, which map the files again.
    """

    def __init__(self, folder: str | Path, *, skip_bad: bool = False):
        self.folder = Path(folder)
        self.manifest = read_manifest(folder)
        self.bad_shards: dict[str, str] = {}
        for entry in self.manifest["shards"]:
            problem = shard_problem(self.folder, entry, digest=skip_bad)
            if problem is None:
                continue
            if not skip_bad:
                raise CorruptShardError(f"{problem}; open with skip_bad=True to use the rest")
            self.bad_shards[entry["file"]] = problem
        self._open()

    def _open(self) -> None:
        self.entries = [entry for entry in self.manifest["shards"] if entry["file"] not in self.bad_shards]
        self._spec_sets: list[SpecSet] = [specs_from_json(specs) for specs in self.manifest["specs"]]
        self._shards: list[Shard] = []
        for entry in self.entries:
            try:
                self._shards.append(Shard(self.folder / entry["file"]))
            except (pa.ArrowException, OSError, StopIteration) as error:
                raise self._blame(entry, error) from error
        self._starts = np.cumsum([0, *(len(shard) for shard in self._shards)]).tolist()
        columns = [shard.column("num_steps").to_numpy() for shard in self._shards]
        self.steps_E = np.concatenate(columns) if columns else np.zeros(0, np.int32)
        tasks = pa.chunked_array([shard.column("task") for shard in self._shards], pa.string())
        encoded = tasks.combine_chunks().dictionary_encode()
        self.task_names: list[str] = encoded.dictionary.to_pylist()
        self.task_E = encoded.indices.to_numpy()

    def _blame(self, entry: dict[str, Any], error: Exception) -> CorruptShardError:
        problem = shard_problem(self.folder, entry, digest=True)
        path = self.folder / entry["file"]
        text = problem or f"shard {path} has the right sha256 but cannot be read: {error}"
        return CorruptShardError(f"{text}; open with skip_bad=True to use the rest")

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "manifest": self.manifest, "bad_shards": self.bad_shards}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()

    def __len__(self) -> int:
        return len(self.steps_E)

    def __iter__(self) -> Iterator[Episode]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Episode:
        """Episode `index`; negative ones count from the end. IndexError outside, CorruptShardError for bad bytes."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"episode {index} of a store with {len(self)} episodes in {str(self.folder)!r}")
        index = int(index) % len(self)
        place = bisect_right(self._starts, index) - 1
        try:
            return self._shards[place].episode(index - self._starts[place], self._spec_sets)
        except (ValueError, TypeError, KeyError, IndexError, pa.ArrowException) as error:
            raise self._blame(self.entries[place], error) from error

    def task(self, index: int) -> str:
        """The task of an episode, without decoding it."""
        return self.task_names[self.task_E[index]]

    def num_steps(self, index: int) -> int:
        """The steps of an episode, without decoding it."""
        return int(self.steps_E[index])

    def tasks(self) -> dict[str, int]:
        """Episodes of each task, by sorted name."""
        counts = np.bincount(self.task_E, minlength=len(self.task_names)).tolist()
        return dict(sorted(zip(self.task_names, counts, strict=True)))

    def column(self, name: str) -> np.ndarray:
        """A plain column of all episodes (E,): `episode_return`, `success` (None where undefined), ..."""
        columns = [shard.column(name).to_numpy(zero_copy_only=False) for shard in self._shards]
        return np.concatenate(columns) if columns else np.zeros(0)

    @property
    def fingerprint(self) -> str:
        """Identifies the data, whatever its cut into shards."""
        return self.manifest["fingerprint"]

    @property
    def extra(self) -> dict[str, Any]:
        """Licence, origin and whatever else the writer said of the data."""
        return self.manifest["extra"]


class StoreWriter:
    """Appends validated episodes to a folder; use as a context manager.

    A shard is cut when it reaches `shard_bytes`, `shard_episodes` or the age of `flush_seconds` (looked at when an
    episode arrives, and by `flush_if_old`): so much and no more is lost by a kill. An existing store is continued,
    leftovers of a killed writer are removed, `extra` is merged. A second writer on the folder is a BlockingIOError.
    When the disk is full the OSError says so; what was flushed stays, the rest is kept in memory for another `flush()`.
    """

    def __init__(
        self,
        folder: str | Path,
        extra: dict[str, Any] | None = None,
        *,
        shard_bytes: int = 64_000_000,
        shard_episodes: int = 20_000,
        flush_seconds: float = 60.0,
    ):
        self.folder = Path(folder)
        self.shard_bytes, self.shard_episodes, self.flush_seconds = shard_bytes, shard_episodes, flush_seconds
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise BlockingIOError(
                f"another process is writing to {str(folder)!r}; wait for it or choose another folder"
            ) from error
        exists = (self.folder / MANIFEST).exists()
        self.manifest: dict[str, Any] = read_manifest(folder) if exists else _empty_manifest()
        self.manifest["extra"] |= extra or {}
        self._spec_ids = {json.dumps(specs): i for i, specs in enumerate(self.manifest["specs"])}
        self._known_specs: dict[tuple[int, int], tuple[int, Any]] = {}
        self._rows: list[dict[str, Any]] = []
        self._bytes = 0
        self._since = time.monotonic()
        self._broken = self._noted = False
        self._remove_leftovers()
        self._write_manifest(self.manifest)

    def __enter__(self) -> StoreWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(flush=not self._broken)

    def __len__(self) -> int:
        """Episodes in the store and in the buffer."""
        return self.manifest["episodes"] + len(self._rows)

    def append(self, episodes: Iterable[Episode]) -> int:
        """Add each episode of an iterable; how many. An invalid one is a ValueError; those before it are kept."""
        count = 0
        for episode in episodes:
            episode.validate()
            row, size = row_of(episode, self._spec_id(episode))
            self._rows.append(row)
            self._bytes += size + 200
            count += 1
            if self._bytes >= self.shard_bytes or len(self._rows) >= self.shard_episodes:
                self.flush()
            else:
                self.flush_if_old()
        return count

    def note(self, collection: Any, **extra: Any) -> None:
        """Keep a collector's account of its progress as `collection` in the manifest, and merge into `extra`.

        On disk with the next shard, so that both speak of the same episodes, or by `flush`.
        """
        self.manifest["collection"] = collection
        self.manifest["extra"] |= extra
        self._noted = True

    def flush_if_old(self) -> None:
        """Flush what has reached the age of `flush_seconds`; for writers that may wait long for an episode."""
        if time.monotonic() - self._since >= self.flush_seconds:
            self.flush()

    def flush(self) -> None:
        """Write the buffered episodes as one shard and name it in the manifest."""
        self._since = time.monotonic()
        if not self._rows:
            if self._noted:
                self._write_manifest(self.manifest)
                self._noted = False
            return
        used = sorted({row["specs"] for row in self._rows})
        buffer = to_buffer(self._rows, {i: self.manifest["specs"][i] for i in used})
        name = self._next_name()
        try:
            _publish(self.folder / name, buffer)
            manifest = self._extended(name, buffer)
            self._write_manifest(manifest)
        except OSError as error:
            self._broken = True
            raise self._explain(error, name) from error
        self.manifest, self._rows, self._bytes, self._broken, self._noted = manifest, [], 0, False, False

    def merge(self, least: int = 2) -> None:
        """Join the last shards to one, as many as stay within `shard_bytes`, if they are `least` or more.

        For writers that flush often. An `EpisodeStore` that was opened before must not be pickled any more.
        """
        small, size = [], 0
        for entry in reversed(self.manifest["shards"]):
            size += entry["bytes"]
            if size > self.shard_bytes:
                break
            small.insert(0, entry)
        if len(small) < max(2, least):
            return
        name = self._next_name()
        batches = [Shard(self.folder / entry["file"]).batch for entry in small]
        buffer = joined(batches, self.manifest["specs"])
        whole = {key: sum(entry[key] for entry in small) for key in ("episodes", "steps")}
        shard = {"file": name, "bytes": buffer.size, "sha256": hashlib.sha256(buffer).hexdigest(), **whole}
        before = self.manifest["shards"][: -len(small)]
        total = sum(entry["bytes"] for entry in before) + buffer.size
        _publish(self.folder / name, buffer)
        manifest = {**self.manifest, "shards": [*before, shard], "bytes": total}
        self._write_manifest(manifest)
        self.manifest = manifest
        for entry in small:
            (self.folder / entry["file"]).unlink()

    def close(self, *, flush: bool = True) -> None:
        """Flush and give up the folder. Closing twice does nothing."""
        if self._lock.closed:
            return
        try:
            if flush:
                self.flush()
        finally:
            self._lock.close()

    def _spec_id(self, episode: Episode) -> int:
        # Collectors share spec dicts between episodes: identity saves building the JSON (a reference keeps ids valid).
        pair = (episode.observation_specs, episode.action_specs)
        key = (id(pair[0]), id(pair[1]))
        if key not in self._known_specs:
            specs = json.loads(json.dumps(specs_to_json(*pair)))
            text = json.dumps(specs)
            if text not in self._spec_ids:
                self._spec_ids[text] = len(self._spec_ids)
                self.manifest["specs"].append(specs)
            if len(self._known_specs) > 1000:
                self._known_specs.clear()
            self._known_specs[key] = (self._spec_ids[text], pair)
        return self._known_specs[key][0]

    def _extended(self, name: str, buffer: pa.Buffer) -> dict[str, Any]:
        """The manifest with the buffered rows as shard `name`."""
        tasks = {task: dict(counts) for task, counts in self.manifest["tasks"].items()}
        fingerprint = self.manifest["fingerprint"]
        for row in self._rows:
            counts = tasks.setdefault(row["task"], {"episodes": 0, "steps": 0})
            counts["episodes"] += 1
            counts["steps"] += row["num_steps"]
            fingerprint = extend_fingerprint(fingerprint, row["crc32"])
        steps = sum(row["num_steps"] for row in self._rows)
        digest = hashlib.sha256(buffer).hexdigest()
        shard = {"file": name, "bytes": buffer.size, "sha256": digest, "episodes": len(self._rows), "steps": steps}
        return {
            **self.manifest,
            "episodes": self.manifest["episodes"] + len(self._rows),
            "steps": self.manifest["steps"] + steps,
            "bytes": self.manifest["bytes"] + buffer.size,
            "fingerprint": fingerprint,
            "tasks": dict(sorted(tasks.items())),
            "shards": [*self.manifest["shards"], shard],
        }

    def _next_name(self) -> str:
        last = max((int(entry["file"][6:12]) for entry in self.manifest["shards"]), default=-1)
        return f"shard-{last + 1:06d}.arrow"

    def _write_manifest(self, manifest: dict[str, Any]) -> None:
        _publish(self.folder / MANIFEST, json.dumps(manifest, indent=1).encode())

    def _remove_leftovers(self) -> None:
        named = {entry["file"] for entry in self.manifest["shards"]}
        for path in [*self.folder.glob("*.tmp"), *self.folder.glob("shard-*.arrow")]:
            if path.name not in named:
                path.unlink()

    def _explain(self, error: OSError, name: str) -> OSError:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        text = (
            f"{'the disk is full' if full else error.strerror}: could not write {name} in {str(self.folder)!r}. The "
            f"{self.manifest['episodes']} episodes before are safe, {len(self._rows)} wait in memory: "
            f"{'free space' if full else 'remove the cause'} and call flush() again, or collect those again"
        )
        return OSError(error.errno, text)


def _empty_manifest() -> dict[str, Any]:
    counts: dict[str, Any] = {"format": FORMAT, "episodes": 0, "steps": 0, "bytes": 0, "fingerprint": "", "extra": {}}
    return counts | {"tasks": {}, "specs": [], "shards": []}


def extend_fingerprint(fingerprint: str, crc32: int) -> str:
    """The fingerprint of a store after one more episode."""
    return hashlib.sha256(f"{fingerprint}{crc32:08x}".encode()).hexdigest()


def _publish(path: Path, data: pa.Buffer | bytes) -> None:
    """Write a file so that it is there whole or not at all, even if the power fails."""
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(memoryview(data))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
