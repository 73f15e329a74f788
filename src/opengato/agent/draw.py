"""Values written id by id: a picture of what a text says, or whatever comes in the middle of a message.

Letters: B rows (one here), D width, H and W pixels of a picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from opengato.agent.generate import Decoding
from opengato.core.episode import ArraySpec
from opengato.core.modality import Sampling
from opengato.core.sequence import concatenate
from opengato.core.serialize import TokenCodec
from opengato.core.views import PICTURE, drawing_instruction

if TYPE_CHECKING:
    from opengato.agent.model import Agent


def draw(agent: Agent, text: str, sampling: Sampling | None = None, window: int | None = None) -> np.ndarray:
    """The picture (H, W, 3) uint8 that an agent makes of a text; ValueError where it was not taught to draw."""
    serializer, name = agent.serializer, agent.serializer.layout.modality("action", PICTURE)
    if not has_size(serializer.codecs[name], PICTURE):
        raise ValueError(
            f"{name!r} ({type(serializer.codecs[name]).__name__}) cannot draw: its pictures have no size of their own; "
            "route 'action/image' to a codec of ids such as modalities.image.tokens"
        )
    decoding = Decoding(agent, 1, window)
    opening = concatenate([serializer.prompt(drawing_instruction(text))])  # a copy: torch takes no shared arrays
    h_BD = decoding.feed([0], [opening])
    if serializer.has_marks(PICTURE):
        mark = serializer.mark(PICTURE.kind)
        h_BD = decoding.feed([0], [decoding.sequence(serializer.layout.routes["mark"], 0, mark, step=0)])
    return write_value(decoding, h_BD, PICTURE, sampling or Sampling(), step=0)[0]


def has_size(codec: object, spec: ArraySpec) -> bool:
    """Whether a value can be written with ids of which it is known before how many there are."""
    return isinstance(codec, TokenCodec) and codec.num_positions(spec) is not None


def write_value(
    decoding: Decoding, h_BD: Tensor, spec: ArraySpec, sampling: Sampling, step: int
) -> tuple[np.ndarray, Tensor]:
    """A value sampled id by id after the hidden state (1, D), and the hidden state after it."""
    serializer = decoding.agent.serializer
    name = serializer.layout.modality("action", spec)
    codec, local, rows = serializer.codecs[name], serializer.action_mark(name, spec), []
    count = codec.num_positions(spec)
    assert count is not None
    for _ in range(count):
        rows.append(decoding.sample(h_BD, name, spec, sampling))
        h_BD = decoding.feed([0], [decoding.sequence(name, 0, rows[-1], step=step, local=local)])
    return codec.decode(np.concatenate(rows), spec), h_BD
