"""Text piece by piece, as it is written. Letters: B rows (one here), T positions, D width."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opengato.agent.generate import Decoding
from opengato.core.episode import Episode
from opengato.core.modality import Sampling
from opengato.core.sequence import TokenSequence
from opengato.core.serialize import TEXT, Codec

if TYPE_CHECKING:
    from opengato.agent.model import Agent

UNFINISHED = "\ufffd"  # what the first bytes of a letter are read as


def stream(
    agent: Agent,
    given: TokenSequence,
    max_new_tokens: int = 64,
    sampling: Sampling | None = None,
    window: int | None = None,
) -> Generator[str, None, bool]:
    """Go on from a sequence with a text, up to its end marker or `max_new_tokens`; returns whether the marker came.

    A letter whose bytes are not all there yet waits for the rest, so that what was yielded is never taken back.
    """
    name = agent.serializer.layout.modality("action", TEXT)
    letters, sampling = Letters(agent.serializer.codecs[name]), sampling or Sampling()
    decoding = Decoding(agent, 1, window)
    step = max(int(given.step_T[-1]), 0)
    h_BD, first = decoding.feed([0], [given]), decoding.length[0]
    stopped = False
    while not stopped and decoding.length[0] - first < max_new_tokens:
        token = decoding.sample(h_BD, name, TEXT, sampling)
        stopped = letters.is_end(token)
        if not stopped:
            yield from letters.add(token)
            h_BD = decoding.feed([0], [decoding.sequence(name, 0, token, step=step)])
    yield from letters.rest()
    return stopped


class Letters:
    """What the tokens of a text spell, as far as it can no longer change."""

    def __init__(self, codec: Codec):
        self._codec = codec
        self._end = codec.encode([""], TEXT, "action")[0]
        self._rows, self._told = [self._end[:0]], 0

    def is_end(self, token: np.ndarray) -> bool:
        """Whether a token is the marker that ends a text."""
        return np.array_equal(token, self._end)

    def add(self, token: np.ndarray) -> list[str]:
        """The letters that one more token makes sure of: one piece, or none."""
        self._rows.append(token)
        return self._new(self._spelt().rstrip(UNFINISHED))

    def rest(self) -> list[str]:
        """What is left, whole letters or not: one piece, or none."""
        return self._new(self._spelt())

    def _spelt(self) -> str:
        return self._codec.decode(np.concatenate(self._rows), TEXT)

    def _new(self, text: str) -> list[str]:
        piece, self._told = text[self._told :], max(self._told, len(text))
        return [piece] if piece else []


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A text that an agent wrote, and whether it ended it by itself."""

    text: str
    stopped: bool


def write_action(agent: Agent, episode: Episode, max_new_tokens: int = 64, sampling: Sampling | None = None) -> Written:
    """What the agent writes in place of the last action of `episode`, a text, given all that comes before it."""
    pieces = stream(agent, before_last_action(agent, episode), max_new_tokens, sampling)
    text = ""
    while True:
        try:
            text += next(pieces)
        except StopIteration as end:
            return Written(text=text, stopped=end.value)


def before_last_action(agent: Agent, episode: Episode) -> TokenSequence:
    """All of an episode up to its last action, which must be a text."""
    (spec,) = episode.action_specs.values()
    if spec.kind != TEXT.kind:
        raise ValueError(f"an episode of {episode.task!r} is answered with {spec.kind}; expected one that writes text")
    sequence = agent.serializer.episode(episode)
    return sequence.take(~(sequence.predict_T & (sequence.step_T == episode.num_steps - 1)))
