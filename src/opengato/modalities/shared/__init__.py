"""One table of ids for several kinds of values, and one softmax over all of them: Gato's vocabulary.

Each kind has a token codec of its own, whose ids are shifted to a range of the table
[Reed et al. 2022, arXiv:2205.06175, sec. 2.1].
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any, get_args

import numpy as np

from opengato.core.config import choose
from opengato.core.episode import ArraySpec, Kind
from opengato.core.serialize import Role, TokenCodec
from opengato.modalities.token_table import TokenTable


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`parts[kind]` is the modality that carries values of a kind; its ids begin at `offsets[kind]` of the table.

    `separator` is the id between observation and action, which no part may use; `num_ids` are the rows of the table.
    Ranges of two parts may overlap only where `overlapping` names both: then an id means one thing in a value of the
    one kind and another in a value of the other, and only the context tells the network which.
    """

    parts: dict[str, Any]
    offsets: dict[str, int]
    separator: int
    num_ids: int
    overlapping: tuple[str, ...] = ()

    def codec(self) -> SharedCodec:
        return SharedCodec(self)

    def build(self, width: int) -> TokenTable:
        return TokenTable(self.codec(), width)


class SharedCodec(TokenCodec):
    """The part is chosen by the kind of the spec; its ids are shifted by its offset, and back when decoding."""

    def __init__(self, config: Config):
        if config.parts.keys() != config.offsets.keys():
            raise ValueError(
                f"`offsets` are given for {sorted(config.offsets)}, but `parts` are {sorted(config.parts)}; "
                "give each part an offset"
            )
        for kind in (*config.parts, *config.overlapping):
            choose(kind, get_args(Kind), what="kind of value")
        self.config = config
        self.num_ids = config.num_ids
        self.parts: dict[str, TokenCodec] = {kind: part.codec() for kind, part in config.parts.items()}
        for kind, part in self.parts.items():
            if not isinstance(part, TokenCodec):
                raise ValueError(f"part {kind!r} ({type(part).__name__}) gives no ids; expected a codec of tokens")
        self.ranges = {
            kind: range(config.offsets[kind], config.offsets[kind] + part.num_ids) for kind, part in self.parts.items()
        }
        self._check_ranges()

    def _check_ranges(self) -> None:
        config = self.config
        for kind, ids in {**self.ranges, "separator": range(config.separator, config.separator + 1)}.items():
            if ids.start < 0 or ids.stop > config.num_ids:
                raise ValueError(f"{kind!r} takes the ids {_shown(ids)}, but the table has {config.num_ids} rows")
        for kind, ids in self.ranges.items():
            if config.separator in ids:
                raise ValueError(
                    f"`separator` (={config.separator}) is an id of {kind!r}, which takes {_shown(ids)}; choose another"
                )
        for one, other in combinations(self.ranges, 2):
            a, b = self.ranges[one], self.ranges[other]
            if max(a.start, b.start) < min(a.stop, b.stop) and not {one, other} <= set(config.overlapping):
                raise ValueError(
                    f"{one!r} takes the ids {_shown(a)} and {other!r} {_shown(b)}, so some would mean two things; "
                    "move an offset, or name both in `overlapping` if that is meant"
                )

    def _part(self, spec: ArraySpec) -> tuple[TokenCodec, int]:
        if spec.kind not in self.parts:
            raise ValueError(f"{spec.name!r} is {spec.kind}, but this table of ids carries {sorted(self.parts)}")
        return self.parts[spec.kind], self.config.offsets[spec.kind]

    def num_positions(self, spec: ArraySpec) -> int | None:
        return self._part(spec)[0].num_positions(spec)

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        if role == "separator":
            return np.full(len(values), self.config.separator, np.int64), np.ones(len(values), np.int64)
        part, offset = self._part(spec)
        ids, counts = part.encode(values, spec, role)
        return ids + offset, counts

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> Any:
        part, offset = self._part(spec)
        ids = np.asarray(payload) - offset
        if ids.size and not (ids.min() >= 0 and ids.max() < part.num_ids):
            raise ValueError(
                f"{spec.name!r} is {spec.kind}, whose ids are {_shown(self.ranges[spec.kind])}; "
                f"received ids from {np.min(payload)} to {np.max(payload)}"
            )
        return part.decode(ids, spec)

    def allowed(self, spec: ArraySpec) -> np.ndarray:
        """What the part allows, at its place in the table."""
        part, offset = self._part(spec)
        mask = np.zeros(self.num_ids, bool)
        mask[offset : offset + part.num_ids] = part.allowed(spec)
        return mask


def _shown(ids: range) -> str:
    return f"[{ids.start}, {ids.stop})"
