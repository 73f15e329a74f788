"""Vectors of the files of a folder, kept in one file, and which of them are near another vector.

The file is safetensors: nothing in it is ever unpickled or run. Few vectors are all compared. Many are dealt into cells
around centroids, of which a search reads the nearest ones alone, from the disk: an inverted file [Sivic & Zisserman
2003, doi:10.1109/ICCV.2003.1238663]. Letters: N vectors, D width, C cells, F files, E entries (UTF-8 bytes).
"""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Self

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from opengato.core.episode import MEDIA, Kind
from opengato.core.serialize import TEXT

FORMAT = "opengato index 1"
PLACE = ".opengato/index.safetensors"  # in the folder; what begins with a dot is no part of the set
KINDS: tuple[Kind, ...] = (TEXT.kind, *MEDIA)
EXACT = 100_000  # vectors that are all compared
PER_CELL = 128  # vectors of a cell, on average
LOOKED_AT = 1 / 16  # of the cells, in a search that is not exact
LEAST_CELLS = 16  # that are looked at, where there are so many
STALE = 2  # times as many vectors as the centroids were made of: they are made anew
ADVICE = "an index of many vectors needs faiss; run: pip install 'opengato[index]'"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A file that has vectors: one, or of a text one for each passage, which begins at so many characters.

    `modified` is in nanoseconds; with `size` it says cheaply that a file is as it was, `sha256` that its bytes are.
    """

    file: str
    kind: Kind
    size: int
    modified: int
    sha256: str
    passages: tuple[int, ...] = (0,)


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """By whom vectors were made: vectors of different weights cannot be compared."""

    agent: str
    weights: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """A file with its cosine, and where the passage begins that is so near."""

    entry: Entry
    cosine: float
    passage: int


@dataclass(frozen=True, slots=True)
class Cells:
    """Directions around which vectors are dealt out, made of so many vectors."""

    centroid_CD: np.ndarray
    made_of: int

    @classmethod
    def of(cls, vector_ND: np.ndarray, seed: int = 0) -> Self:
        """Spherical k-means; ImportError says how to get faiss."""
        try:
            import faiss
        except ModuleNotFoundError as error:
            raise ImportError(ADVICE) from error
        count = max(1, len(vector_ND) // PER_CELL)
        clustering = faiss.Kmeans(vector_ND.shape[1], count, niter=10, spherical=True, seed=seed)
        clustering.train(np.ascontiguousarray(vector_ND, np.float32))
        return cls(np.asarray(clustering.centroids, np.float32).reshape(count, -1), len(vector_ND))

    def nearest(self, vector_ND: np.ndarray) -> np.ndarray:
        """The cell of each vector (N,)."""
        parts = np.array_split(vector_ND, max(1, len(vector_ND) // 4096))
        return np.concatenate([(part @ self.centroid_CD.T).argmax(1) for part in parts])


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """All vectors, of length 1, in the order of the entries and of their passages."""

    made: Made
    entries: tuple[Entry, ...]
    vector_ND: np.ndarray
    cells: Cells | None = None

    def __post_init__(self) -> None:
        count = sum(len(entry.passages) for entry in self.entries)
        assert self.vector_ND.shape[:1] == (count,), f"{count} passages, vectors {self.vector_ND.shape}"

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        entry_N, passage_N = places(self.entries)
        tensors = {"vector": self.vector_ND, "entry": entry_N, "passage": passage_N}
        about = {"format": FORMAT, "agent": self.made.agent, "weights": self.made.weights}
        if self.cells is not None:
            cell_N = self.cells.nearest(self.vector_ND)
            order_N = np.argsort(cell_N, kind="stable")
            tensors = {name: rows[order_N] for name, rows in tensors.items()}
            tensors["centroid"] = self.cells.centroid_CD
            tensors["edge"] = np.searchsorted(cell_N[order_N], np.arange(len(self.cells.centroid_CD) + 1))
            about["made_of"] = str(self.cells.made_of)
        # The names are a tensor, too: the head of such a file has a limit, which a million names would exceed.
        entries = json.dumps([asdict(entry) for entry in self.entries], ensure_ascii=False)
        tensors["entries"] = np.frombuffer(entries.encode(), np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.tmp")
        save_file({name: np.ascontiguousarray(rows) for name, rows in tensors.items()}, temporary, about)
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """The whole of it; ValueError for a file that is no index, or broken."""
        with opened(path) as found:
            order_N = np.lexsort((found.passage_N, found.entry_N))
            cells = None if found.centroid_CD is None else Cells(found.centroid_CD, found.made_of)
            return cls(made=found.made, entries=found.entries, vector_ND=found.vectors[:][order_N], cells=cells)

    def with_cells(self, exact: int = EXACT) -> Index:
        """The same, with cells if it has more vectors than that; they are kept while they fit the vectors."""
        if len(self.vector_ND) <= exact:
            return replace(self, cells=None)
        if self.cells is not None and len(self.vector_ND) < STALE * self.cells.made_of:
            return self
        return replace(self, cells=Cells.of(self.vector_ND))


def places(entries: Sequence[Entry]) -> tuple[np.ndarray, np.ndarray]:
    """The number of the entry, and the number of the passage in it, of each vector (N,)."""
    counts = [len(entry.passages) for entry in entries]
    passage_N = np.concatenate([np.arange(count) for count in counts] or [np.zeros(0)])
    return np.repeat(np.arange(len(entries)), counts).astype(np.int64), passage_N.astype(np.int64)


class Opened:
    """An index on disk, of which a search reads what it needs."""

    def __init__(self, file: Any) -> None:
        about, names = file.metadata() or {}, set(file.keys())
        if about.get("format") != FORMAT:
            raise ValueError(f"its format is {about.get('format')!r}, expected {FORMAT!r}")
        self.made = Made(agent=about["agent"], weights=about["weights"])
        self.made_of = int(about.get("made_of", "0"))
        self.centroid_CD = file.get_tensor("centroid") if "centroid" in names else None
        self.edges = file.get_tensor("edge").tolist() if "edge" in names else []
        self.entry_N, self.passage_N = file.get_tensor("entry"), file.get_tensor("passage")
        self.entries = entries_of(file.get_tensor("entries").tobytes())
        self.vectors = file.get_slice("vector")
        self._check()

    def _check(self) -> None:
        """ValueError where the parts do not fit each other: what lies on a disk may be of anybody."""
        shape = self.vectors.get_shape()
        passages_F = np.array([len(entry.passages) for entry in self.entries], np.int64)
        fits = len(shape) == 2 and self.entry_N.shape == self.passage_N.shape == (shape[0],) == (passages_F.sum(),)
        fits = fits and bool(((self.entry_N >= 0) & (self.entry_N < len(passages_F))).all())
        fits = fits and bool(((self.passage_N >= 0) & (self.passage_N < passages_F[self.entry_N])).all())
        if self.centroid_CD is not None:
            fits = fits and self.centroid_CD.shape == (len(self.edges) - 1, shape[1])
            fits = fits and self.edges == sorted(self.edges) and self.edges[:: len(self.edges) - 1] == [0, shape[0]]
        if not fits:
            raise ValueError(f"vectors {shape} of {len(self.entries)} files do not fit one another")

    def near(self, query_D: np.ndarray, top: int, kinds: Sequence[Kind] = (), *, exact: bool = False) -> list[Hit]:
        """The `top` files nearest to a vector, best first, each with its best passage; only those of `kinds`, if any.

        If `exact` all vectors are compared, also of an index with cells.
        """
        runs = self._runs(unit(query_D), exact)
        number_N = np.concatenate([np.arange(start, stop) for start, stop in runs])
        cosine_N = np.concatenate([self.vectors[start:stop] @ unit(query_D) for start, stop in runs])
        if kinds:
            is_kind_F = np.array([entry.kind in kinds for entry in self.entries], bool)
            wanted_N = is_kind_F[self.entry_N[number_N]]
            number_N, cosine_N = number_N[wanted_N], cosine_N[wanted_N]
        order_N = np.argsort(-cosine_N, kind="stable")
        _, first_F = np.unique(self.entry_N[number_N[order_N]], return_index=True)
        found = []
        for place in order_N[np.sort(first_F)[:top]].tolist():
            row = number_N[place]
            entry = self.entries[self.entry_N[row]]
            start = entry.passages[self.passage_N[row]]
            found.append(Hit(entry=entry, cosine=float(cosine_N[place]), passage=start))
        return found

    def _runs(self, query_D: np.ndarray, exact: bool) -> list[tuple[int, int]]:
        """From where to where vectors are compared."""
        if self.centroid_CD is None or exact:
            return [(0, len(self.entry_N))]
        count = max(LEAST_CELLS, round(LOOKED_AT * len(self.centroid_CD)))
        nearest = np.argsort(-(self.centroid_CD @ query_D), kind="stable")[:count].tolist()
        return [(self.edges[cell], self.edges[cell + 1]) for cell in nearest]


@contextmanager
def opened(path: Path) -> Generator[Opened]:
    """An index to be searched. FileNotFoundError where there is none, ValueError for what is none or broken."""
    if not path.is_file():
        raise FileNotFoundError(f"there is no index at {str(path)!r}; make one with: opengato index FOLDER")
    with ExitStack() as stack:
        try:
            found = Opened(stack.enter_context(safe_open(path, framework="numpy")))
        except (SafetensorError, OSError, ValueError, TypeError, LookupError, RecursionError) as error:
            raise ValueError(
                f"{str(path)!r} is no index, or a broken one ({error}); delete it, make it anew"
            ) from error
        yield found


def entries_of(data: bytes) -> tuple[Entry, ...]:
    """Entries from their JSON; ValueError or TypeError for anything else, also for a file outside of the folder."""
    found = []
    for body in json.loads(data):
        values: dict[str, Any] = {**body, "passages": tuple(map(int, body["passages"]))}
        entry = Entry(**values)
        place = PurePosixPath(entry.file)
        if entry.kind not in KINDS or place.is_absolute() or ".." in place.parts:
            raise ValueError(f"received {entry.kind!r} {entry.file!r}, expected a file of the folder")
        found.append(entry)
    return tuple(found)


def unit(vector: np.ndarray) -> np.ndarray:
    """Vectors of length 1, along the last axis; nothing stays nothing."""
    return (vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-12)).astype(np.float32)
