"""What a caller hands in, laid out as in training: strings, pictures, sounds and films in any order.

Letters: T positions.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from opengato.core.episode import ArraySpec
from opengato.core.media import as_field
from opengato.core.sequence import TokenSequence, concatenate
from opengato.core.serialize import PART, TEXT, Serializer

if TYPE_CHECKING:
    from opengato.agent.model import Agent


def read(agent: Agent, inputs: list[Any]) -> TokenSequence:
    """Strings, and what `media.as_field` takes, as the beginning of a document to be gone on with.

    Strings alone are a text that has begun. Strings that all come before or all after the rest are the instruction,
    and the rest one observation in the order given. Strings between are read where they stand.
    """
    serializer = agent.serializer
    is_text = [isinstance(item, str) for item in inputs]
    if all(is_text):
        prompt = serializer.prompt("")
        begun = serializer.action({TEXT.name: TEXT}, {TEXT.name: " ".join(inputs)}, step=0, position=len(prompt))
        end = serializer.action({TEXT.name: TEXT}, {TEXT.name: ""}, step=0, position=len(prompt))
        return concatenate([prompt, begun.take(np.arange(len(begun)) < len(begun) - len(end))])
    told = len(list(groupby(is_text))) <= 2
    words = " ".join(item for item in inputs if isinstance(item, str)) if told else ""
    seen = [as_field(item) for item in inputs if not (told and isinstance(item, str))]
    return _shown(serializer, seen, words)


def read_as_asked(agent: Agent, inputs: list[Any]) -> TokenSequence:
    """The same, but strings alone are the instruction to be followed, not a text that has begun."""
    if all(isinstance(item, str) for item in inputs):
        return concatenate([agent.serializer.prompt(" ".join(inputs))])  # a copy: torch takes no shared arrays
    return read(agent, inputs)


def read_as_seen(agent: Agent, inputs: list[Any]) -> TokenSequence:
    """All inputs as one observation, strings too, without an instruction: as halves of pairs are in training."""
    return _shown(agent.serializer, [as_field(item) for item in inputs], "")


def _shown(serializer: Serializer, fields: list[tuple[ArraySpec, Any]], instruction: str) -> TokenSequence:
    specs = {f"{PART}{number:06d}": spec for number, (spec, _) in enumerate(fields)}
    values = dict(zip(specs, (value for _, value in fields), strict=True))
    prompt = serializer.prompt(instruction)
    return concatenate([prompt, serializer.observation(specs, values, step=0, position=len(prompt))])
