"""Speed of Gato's encoding: how fast episodes become rows of 1024 ids.

    python benchmarks/tokenise_speed.py --threads 1

An episode is cut to whole steps that fit a row, serialised (mu-law, bins, offsets, the order of positions), and packed
into rows with others, as training does it; reading episodes and copying to a device is left out. It is numpy on one
core. The aim is a million positions a second and core: a batch of 512 rows of 1024, the paper's, in half a second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from _episodes import control_episodes
from _measure import Work, arguments, report, take_turns

from opengato.core.episode import Episode
from opengato.core.serialize import Layout, Serializer
from opengato.data.documents import Document, DocumentMaker
from opengato.data.packing import PADDING, Rows, pack
from opengato.modalities import image
from opengato.recipes import gato_tokens

KINDS = {"grid": "babyai/GoToLocal", "robot": "metaworld/drawer-open"}
LENGTH = 1024
AT_ONCE = 16  # episodes packed together


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=5, episodes=1600)
    if options.quick:
        options.rounds, options.episodes = 1, 2 * AT_ONCE
    modalities = {gato_tokens.NAME: gato_tokens.disjoint(), gato_tokens.IMAGE: image.Config()}
    layout = Layout(order=tuple(modalities), routes=gato_tokens.ROUTES)
    serializer = Serializer(layout, {name: config.codec() for name, config in modalities.items()})
    episodes = {kind: control_episodes(task, options.episodes) for kind, task in KINDS.items()}
    turns = take_turns(
        {kind: tokenising(mine, serializer) for kind, mine in episodes.items()}, options.rounds, "positions/s"
    )
    figures: dict[str, Any] = {"slots of a row": LENGTH, "episodes": options.episodes}
    for kind, rate in turns.items():
        figures[f"positions of a {kind} step"] = DocumentMaker(serializer).positions_per_step(episodes[kind][0])
        figures[f"{kind} positions a second of processor time"] = round(rate.median / rate.cores)
    return report("tokenise_speed", options, turns.values(), figures=figures)


def tokenising(episodes: list[Episode], serializer: Serializer) -> Work:
    """Serialises and packs all episodes; its units are the positions that come to lie in rows."""

    def work() -> int:
        maker, generator, packed = DocumentMaker(serializer), np.random.default_rng(0), 0
        for start in range(0, len(episodes), AT_ONCE):
            documents = [
                Document(sequence=maker.make(episode, LENGTH, generator), source=0, episode=index)
                for index, episode in enumerate(episodes[start : start + AT_ONCE], start)
            ]
            rows = Rows(math.ceil(1.2 * sum(map(len, documents)) / LENGTH), LENGTH)
            rows.place(documents)
            packed += int((pack(rows.documents, LENGTH).document_BT != PADDING).sum())
        return packed

    return work


if __name__ == "__main__":
    main()
