"""Text piece by piece, as it is written. Letters: B rows (one here), T positions, D width."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opengato.agent.generate import Decoding
from opengato.agent.inputs import TEXT
from opengato.core.episode import Episode
from opengato.core.modality import Sampling
from opengato.core.sequence import TokenSequence

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
    serializer = agent.serializer
    name = serializer.layout.modality("action", TEXT)
    codec, sampling = serializer.codecs[name], sampling or Sampling()
    decoding = Decoding(agent, 1, window)
    step = max(int(given.step_T[-1]), 0)
    h_BD = decoding.feed([0], [given])
    end = codec.encode([""], TEXT, "action")[0]
    written, told, stopped = [end[:0]], "", False
    while not stopped and len(written) <= max_new_tokens:
        token = decoding.sample(h_BD, name, TEXT, sampling)
        stopped = np.array_equal(token, end)
        if not stopped:
            written.append(token)
            whole = codec.decode(np.concatenate(written), TEXT).rstrip(UNFINISHED)
            if len(whole) > len(told):
                yield whole[len(told) :]
                told = whole
            h_BD = decoding.feed([0], [decoding.sequence(name, 0, token, step=step)])
    rest = codec.decode(np.concatenate(written), TEXT)[len(told) :]
    if rest:
        yield rest
    return stopped


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
