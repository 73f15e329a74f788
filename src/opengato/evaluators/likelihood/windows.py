"""Text cut into overlapping windows of whole tokens, such that each byte is scored exactly once.

Three windows over one line, with `c` where a byte is context and `s` where it is scored:

1   sssssssssssssssssssssss
2               cccccccccccssssssssssss
3                          ccccccccccccssssssssssss
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from opengato.core.episode import ArraySpec, Episode, document
from opengato.core.serialize import Serializer

OVERLAP = 0.5
# A window may start and end before an atom: white space and the word after it, at most 24 characters of each.
ATOM = re.compile(r"\s{0,24}\S{1,24}|\s{1,24}")
TEXT = ArraySpec(name="text", kind="text", dtype="str")


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """`context + fresh` is read, `fresh` is scored: the rows `scored` of the `num_rows` that the document predicts."""

    context: str
    fresh: str
    scored: slice
    num_rows: int

    @property
    def num_bytes(self) -> int:
        """UTF-8 bytes that this window scores."""
        return len(self.fresh.encode())

    def document(self, task_id: str) -> Episode:
        """What the agent is asked the likelihood of, as it was trained on texts."""
        return document(task_id, self.context + self.fresh)


class TextWindows:
    """Cuts texts for one serializer and a context of `context` positions."""

    def __init__(self, serializer: Serializer, context: int) -> None:
        self._serializer = serializer
        self._context = context
        self._codec = serializer.codecs[serializer.layout.modality("action", TEXT)]
        # What the codec writes for no text is the marker that ends a document.
        self._num_ends = len(self._rows(""))

    def _rows(self, text: str) -> np.ndarray:
        return self._codec.encode([text], TEXT, "action")[0]

    def _num_positions(self, text: str) -> int:
        return len(self._serializer.episode(document("text/window", text)))

    def cut(self, text: str) -> Iterator[Window]:
        """Windows in order; their `fresh` parts join to `text`. ValueError if the context cannot hold one word."""
        atoms = ATOM.findall(text)
        assert "".join(atoms) == text
        start = scored = 0
        while scored < len(atoms):
            end = self._furthest(atoms, start, scored)
            if end == scored and start < scored:
                start = scored
                end = self._furthest(atoms, start, scored)
            if end == scored:
                raise ValueError(
                    f"a context of {self._context} positions cannot hold {atoms[scored]!r}, which takes "
                    f"{self._num_positions(atoms[scored])}; score with an agent of a longer context"
                )
            yield self._window("".join(atoms[start:scored]), "".join(atoms[scored:end]))
            scored = end
            start = self._earliest(atoms, start, scored)

    def _window(self, context: str, fresh: str) -> Window:
        rows, before = self._rows(context + fresh), self._rows(context)
        known = len(before) - self._num_ends
        # A tokenizer that joins the two parts leaves no row where the second begins; then there is no context.
        if not np.array_equal(rows[:known], before[:known]):
            return self._window("", fresh)
        scored = slice(known, len(rows) - self._num_ends)
        return Window(context=context, fresh=fresh, scored=scored, num_rows=len(rows))

    def _furthest(self, atoms: list[str], start: int, scored: int) -> int:
        """The largest end such that atoms[start:end] fit the context; `scored` if none beyond it does."""

        def fits(end: int) -> bool:
            return self._num_positions("".join(atoms[start:end])) <= self._context

        # An atom takes at least one position: no need to look further.
        return _largest(fits, scored, min(len(atoms), scored + self._context))

    def _earliest(self, atoms: list[str], start: int, scored: int) -> int:
        """The smallest start such that atoms[start:scored] take at most the overlap's share of the context."""
        limit = OVERLAP * self._context

        def fits(kept: int) -> bool:
            return self._num_positions("".join(atoms[scored - kept : scored])) <= limit

        return scored - _largest(fits, 0, scored - start)


def _largest(fits: Callable[[int], bool], low: int, high: int) -> int:
    """The largest number in [low, high] that fits, given that `low` counts as fitting and larger ones fit less."""
    while low < high:
        middle = (low + high + 1) // 2
        if fits(middle):
            low = middle
        else:
            high = middle - 1
    return low
