"""Gato's tokens: one table of ids for text, discrete and continuous values, as modality and routes of an agent.

    model.Config(modalities={NAME: disjoint(), "image": image.Config()}, routes=ROUTES, ...)

| ids in   | text       | discrete       | continuous     | separator |
|----------|------------|----------------|----------------|-----------|
| disjoint | [0, 32000) | [32000, 33024) | [33024, 34048) | 34048     |
| gato     | [0, 32000) | [0, 1024)      | [32000, 33024) | 33024     |

The 32000 text ids are reserved: a tokenizer of fewer pieces (the shipped one has 4096) takes the first of them.
[Reed et al. 2022, arXiv:2205.06175, sec. 2.1]
"""

from __future__ import annotations

from opengato.modalities import shared, text
from opengato.modalities.continuous import tokens as continuous
from opengato.modalities.discrete import tokens as discrete

NAME, IMAGE = "tokens", "image"
TEXT_IDS, NUM_VALUES, BINS = 32_000, 1024, 1024
ROUTES = {
    "instruction": NAME,
    "observation/text": NAME,
    "observation/image": IMAGE,
    "observation/discrete": NAME,
    "observation/continuous": NAME,
    "separator": NAME,
    "action/text": NAME,
    "action/discrete": NAME,
    "action/continuous": NAME,
}


def disjoint(tokenizer: str = text.SHIPPED, text_ids: int = TEXT_IDS) -> shared.Config:
    """Every id means one thing. `text_ids` are reserved for text, of which `tokenizer` takes the first."""
    return _config(tokenizer, {"text": 0, "discrete": text_ids, "continuous": text_ids + NUM_VALUES})


def gato(tokenizer: str = text.SHIPPED, text_ids: int = TEXT_IDS) -> shared.Config:
    """The ids of the paper, where discrete values share theirs with the first 1024 pieces of text."""
    return _config(tokenizer, {"text": 0, "discrete": 0, "continuous": text_ids}, overlapping=("text", "discrete"))


def _config(tokenizer: str, offsets: dict[str, int], overlapping: tuple[str, ...] = ()) -> shared.Config:
    separator = offsets["continuous"] + BINS
    return shared.Config(
        parts={
            "text": text.Config(tokenizer=tokenizer),
            "discrete": discrete.Config(num_values=NUM_VALUES, separator=False),
            "continuous": continuous.Config(bins=BINS),
        },
        offsets=offsets,
        separator=separator,
        num_ids=separator + 1,
        overlapping=overlapping,
    )
