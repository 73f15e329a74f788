"""Pictures, drawn id by id from what a text says. Letters: B rows (one here), D width, H and W pixels of a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from opengato.agent.generate import Decoding
from opengato.core.modality import Sampling
from opengato.core.sequence import concatenate
from opengato.core.serialize import TokenCodec
from opengato.core.views import PICTURE, drawing_instruction

if TYPE_CHECKING:
    from opengato.agent.model import Agent


def draw(agent: Agent, text: str, sampling: Sampling | None = None, window: int | None = None) -> np.ndarray:
    """The picture (H, W, 3) uint8 that an agent makes of a text; ValueError where it was not taught to draw."""
    serializer = agent.serializer
    name = serializer.layout.modality("action", PICTURE)
    codec, sampling = serializer.codecs[name], sampling or Sampling()
    count = codec.num_positions(PICTURE)
    if count is None or not isinstance(codec, TokenCodec):
        raise ValueError(
            f"{name!r} ({type(codec).__name__}) cannot draw: its pictures have no size of their own; route "
            "'action/image' to a codec of ids such as modalities.image.tokens"
        )
    decoding = Decoding(agent, 1, window)
    opening = concatenate([serializer.prompt(drawing_instruction(text))])  # a copy: torch takes no shared arrays
    h_BD = decoding.feed([0], [opening])
    if serializer.has_marks(PICTURE):
        mark = serializer.mark(PICTURE.kind)
        h_BD = decoding.feed([0], [decoding.sequence(serializer.layout.routes["mark"], 0, mark, step=0)])
    local = serializer.action_mark(name, PICTURE)
    rows = []
    for _ in range(count):
        rows.append(decoding.sample(h_BD, name, PICTURE, sampling))
        h_BD = decoding.feed([0], [decoding.sequence(name, 0, rows[-1], step=0, local=local)])
    return codec.decode(np.concatenate(rows), PICTURE)
