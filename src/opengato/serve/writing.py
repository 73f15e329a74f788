"""Texts and vectors piece by piece, so that control sessions never wait for the whole of one."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from opengato.agent.inputs import TEXT, read
from opengato.agent.model import Agent
from opengato.agent.stream import before_last_action, stream
from opengato.core.episode import Episode
from opengato.core.modality import Sampling
from opengato.serve.refused import Refused


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """A text that was written: positions read, tokens written, and whether it stopped by itself."""

    text: str
    read: int
    written: int
    stopped: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Go on after `inputs`, or in place of the last action of an episode; at most `max_read` positions are read."""

    inputs: list[Any] | Episode
    max_new_tokens: int
    max_read: int
    sampling: dict[str, Any]
    seed: int


def write(agent: Agent, asked: Asked, tell: Callable[[str], None]) -> Generator[None, None, Told]:
    """A text; `tell` hears each piece of it. Refused (413) where there is too much to read."""
    inputs = asked.inputs
    given = before_last_action(agent, inputs) if isinstance(inputs, Episode) else read(agent, inputs)
    check_length(len(given), asked.max_read, "messages")
    generator = torch.Generator(device=agent.device).manual_seed(asked.seed)
    sampling = Sampling(generator=generator, **asked.sampling)
    pieces = stream(agent, given, asked.max_new_tokens, sampling)
    text = ""
    while True:
        try:
            piece = next(pieces)
        except StopIteration as end:
            return Told(text=text, read=len(given), written=num_tokens(agent, text), stopped=end.value)
        text += piece
        tell(piece)
        yield


def embed(agent: Agent, inputs: list[list[Any]], max_read: int) -> Generator[None, None, tuple[np.ndarray, int]]:
    """Vectors of several lists of inputs, a piece each, and the positions read."""
    vectors, total = [], 0
    for number, items in enumerate(inputs):
        length = len(read(agent, items))
        check_length(length, max_read, f"input[{number}]")
        vectors.append(agent.embed([items]))
        total += length
        yield
    return np.concatenate(vectors), total


def check_length(length: int, max_read: int, field: str) -> None:
    """Refused where reading would keep everybody waiting."""
    if length > max_read:
        raise Refused(413, f"{field}: takes {length} positions, allowed are {max_read}", field)


def num_tokens(agent: Agent, text: str) -> int:
    """Tokens of a text, its end marker not among them."""
    codec = agent.serializer.codecs[agent.serializer.layout.modality("action", TEXT)]
    whole, end = (len(codec.encode([words], TEXT, "action")[0]) for words in (text, ""))
    return whole - end
