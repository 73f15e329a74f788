"""Token sequences: what a transformer reads, before it is packed into rows.

Letters: T positions, N positions of one modality.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

UNREAD = -2
"""In `local_T`: an action whose value the trunk does not read, so that all its positions are predicted at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenSequence:
    """The positions of one document, in order, with the payload of each modality.

    Position t belongs to modality `names[modality_T[t]]`; the rows of `payload[name]` (N, ...) are its values in order
    of appearance. `predict_T` marks what is to be predicted from the positions before. `step_T` is the step in the
    episode (-1 for the instruction), `local_T` the place within the step's observation (0, 1, ...) or -1 for
    instruction and action (`UNREAD` for an action that is not read), `position_T` the absolute place in the whole
    episode, which a cut keeps.

    One step of `babyai/GoToRedBall` in the `vector` encoding, after the instruction:

        t  modality        payload               predict  step  local
        0  text            <s>                   no       -1    -1
        1  text            "go"                  no       -1    -1
        ...
        6  discrete        50 cells x 3 codes    no        0     0
        7  discrete_action forward               yes       0    -1
    """

    names: tuple[str, ...]
    modality_T: np.ndarray
    payload: dict[str, np.ndarray]
    predict_T: np.ndarray
    step_T: np.ndarray
    local_T: np.ndarray
    position_T: np.ndarray

    def __post_init__(self) -> None:
        length = len(self.modality_T)
        for field in ("predict_T", "step_T", "local_T", "position_T"):
            if len(getattr(self, field)) != length:
                raise ValueError(f"`{field}` holds {len(getattr(self, field))} positions, `modality_T` {length}")
        counts = np.bincount(self.modality_T, minlength=len(self.names))
        if len(counts) > len(self.names):
            raise ValueError(f"`modality_T` names modality {len(counts) - 1}, but only {len(self.names)} are known")
        for name, count in zip(self.names, counts.tolist(), strict=True):
            rows = len(self.payload[name]) if name in self.payload else 0
            if rows != count:
                raise ValueError(f"{count} positions belong to {name!r}, but its payload fills {rows}")
        if length and bool(self.predict_T[0]) and self.position_T[0] == 0:  # a piece may well start with its action
            raise ValueError("the first position cannot be predicted: nothing comes before it")

    def __len__(self) -> int:
        return len(self.modality_T)

    @property
    def prompt_length(self) -> int:
        """Positions of the instruction at the start."""
        return int(np.argmax(self.step_T >= 0)) if (self.step_T >= 0).any() else len(self)

    def take(self, keep_T: np.ndarray) -> TokenSequence:
        """The positions where the mask `keep_T` is True, with their absolute positions."""
        payload = {}
        for index, name in enumerate(self.names):
            if name in self.payload:
                payload[name] = self.payload[name][keep_T[self.modality_T == index]]
        return TokenSequence(
            names=self.names,
            modality_T=self.modality_T[keep_T],
            payload=payload,
            predict_T=self.predict_T[keep_T],
            step_T=self.step_T[keep_T],
            local_T=self.local_T[keep_T],
            position_T=self.position_T[keep_T],
        )

    def window(self, start: int, length: int) -> TokenSequence:
        """The instruction, then the positions from `start` on, `length` positions in all."""
        prompt = self.prompt_length
        if length <= prompt:
            raise ValueError(f"a window of {length} positions has no room after an instruction of {prompt}")
        keep_T = np.zeros(len(self), bool)
        keep_T[:prompt] = True
        keep_T[max(start, prompt) : max(start, prompt) + length - prompt] = True
        return self.take(keep_T)

    def rows(self) -> Iterator[tuple[int, str, np.ndarray, bool, int]]:
        """Position by position: (t, modality, payload row, predict, step); for looking, not for work."""
        seen = dict.fromkeys(self.names, 0)
        for t, index in enumerate(self.modality_T.tolist()):
            name = self.names[index]
            yield t, name, self.payload[name][seen[name]], bool(self.predict_T[t]), int(self.step_T[t])
            seen[name] += 1


def concatenate(parts: list[TokenSequence]) -> TokenSequence:
    """One sequence of several with the same modality names, keeping their absolute positions."""
    names = parts[0].names
    if any(part.names != names for part in parts):
        raise ValueError(f"sequences of different modalities cannot be joined: {sorted({p.names for p in parts})}")
    payload = {}
    for name in names:
        rows = [part.payload[name] for part in parts if name in part.payload]
        if rows:
            payload[name] = np.concatenate(rows)

    def join(field: str) -> np.ndarray:
        return np.concatenate([getattr(part, field) for part in parts])

    return TokenSequence(
        names=names,
        modality_T=join("modality_T"),
        payload=payload,
        predict_T=join("predict_T"),
        step_T=join("step_T"),
        local_T=join("local_T"),
        position_T=join("position_T"),
    )
