"""Messages of text and pictures, in the order in which the agent writes them.

After each piece of text it writes more text, the mark that a picture begins, or the end of the message, whichever is
likelier (`core/serialize.py` shows one). Letters: B rows (one here), D width.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from opengato.agent.draw import has_size, write_value
from opengato.agent.generate import Decoding
from opengato.agent.stream import Letters
from opengato.core.episode import MEDIA_SPECS, ArraySpec, Kind
from opengato.core.modality import Sampling
from opengato.core.sequence import TokenSequence
from opengato.core.serialize import TEXT, Serializer, begin_of

if TYPE_CHECKING:
    from opengato.agent.model import Agent

Part = tuple[Kind, Any]


def compose(
    agent: Agent,
    given: TokenSequence,
    max_new_tokens: int = 256,
    sampling: Sampling | None = None,
    window: int | None = None,
) -> Generator[Part, None, bool]:
    """Go on from a sequence with pieces (kind, value), up to the end of the message; returns whether that came.

    Pieces of one text come one after the other, as in `stream`. What has begun is finished, even if that takes more
    than `max_new_tokens` positions. ValueError for an agent that can write no marks.
    """
    serializer, sampling = agent.serializer, sampling or Sampling()
    name, specs = serializer.layout.modality("action", TEXT), writable(serializer)
    allowed = (TEXT, *map(begin_of, specs))
    decoding = Decoding(agent, 1, window)
    step = max(int(given.step_T[-1]), 0)

    def read(row: np.ndarray) -> Tensor:
        return decoding.feed([0], [decoding.sequence(name, 0, row, step=step)])

    h_BD, first = decoding.feed([0], [given]), decoding.length[0]
    letters = Letters(serializer.codecs[name])
    while decoding.length[0] - first < max_new_tokens:
        token = decoding.sample_any(h_BD, name, allowed, sampling)
        if letters.is_end(token):
            yield from _text(letters.rest())
            return True
        h_BD = read(token)
        begun = next((kind for kind in specs if np.array_equal(token, serializer.mark(kind))), None)
        if begun is None:
            yield from _text(letters.add(token))
        else:
            yield from _text(letters.rest())
            value, h_BD = write_value(decoding, h_BD, specs[begun], sampling, step)
            h_BD, letters = read(serializer.mark(begun, end=True)), Letters(serializer.codecs[name])
            yield begun, value
    yield from _text(letters.rest())
    return False


def _text(pieces: list[str]) -> Iterator[Part]:
    return ((TEXT.kind, piece) for piece in pieces)


def writable(serializer: Serializer) -> dict[Kind, ArraySpec]:
    """The kinds of values, beside text, that can be written in a message; ValueError if none can."""
    layout = serializer.layout
    found: dict[Kind, ArraySpec] = {}
    for spec in MEDIA_SPECS.values():
        name = layout.routes.get(f"action/{spec.kind}")
        if name is not None and has_size(serializer.codecs[name], spec):
            found[spec.kind] = spec
    if not found or layout.routes.get("mark") != layout.modality("action", TEXT):
        raise ValueError(
            "this agent writes text alone: no picture, sound or film can begin in it; train one whose text has `marks` "
            "and carries the route 'mark', and whose route 'action/image' leads to a codec of ids "
            "(modalities.image.tokens)"
        )
    return found
