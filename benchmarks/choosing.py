"""How long it takes to say how likely each of many captions is of a picture, where the picture is read once.

    python benchmarks/choosing.py

The shipped agent and its held-out pictures, each with all captions of its corpus, as `opengato evaluate` asks about
them; beside it every document is read whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from _measure import arguments, ratio, report, take_turns

import opengato
from opengato.agent import beginnings
from opengato.evaluators.heldout import held_out_pictures

TASK = "caption/emoji"
WAYS = {"once": beginnings.WORTHWHILE, "whole": math.inf}  # the share to be saved from which a beginning is read once


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=5, pictures=4)
    if options.quick:
        options.rounds, options.pictures = 1, 1
    agent, pictures = opengato.load("tiny"), held_out_pictures(TASK)
    captions = [picture.caption for picture in pictures][: 3 if options.quick else None]
    documents = [picture.episode(TASK, text) for picture in pictures[: options.pictures] for text in captions]
    nats: dict[str, np.ndarray] = {}

    def way(name: str) -> Callable[[], int]:
        def work() -> int:
            beginnings.WORTHWHILE = WAYS[name]
            nats[name] = np.concatenate(agent.log_likelihood(documents))
            return len(documents)

        return work

    try:
        rates = take_turns({name: way(name) for name in WAYS}, options.rounds, "captions/s")
    finally:
        beginnings.WORTHWHILE = WAYS["once"]
    off = float(np.abs(nats["once"] - nats["whole"]).max())
    figures = {"captions of a picture": len(captions), "largest difference of a token, nats": off}
    return report("choosing", options, rates.values(), ratios=[ratio(rates["once"], rates["whole"])], figures=figures)


if __name__ == "__main__":
    main()
