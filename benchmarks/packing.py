"""Packing: how full the rows of a batch are, how well sources keep their shares, how fast the loader makes batches.

    python benchmarks/packing.py                # data of the shape of tiny's, made for the occasion
    python benchmarks/packing.py --data data    # the data of the recipe tiny, where they are there

The fill is compared with the usual way for the same sources and shares: one document a row, padded to the context. A
document is a whole episode, or a window of it as long as a row.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _episodes import write_mixture
from _measure import Work, arguments, report, take_turns

from opengato.core.batch import PackedBatch
from opengato.data.loader import Loader
from opengato.data.mixture import Mixture
from opengato.data.packing import fill, position_shares
from opengato.recipes import tiny
from opengato.train.run import mixture_config

WORKERS = (0, 1, 2)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=5, batches=40, episodes=2000, data="")
    workers = WORKERS
    if options.quick:
        workers, options.rounds, options.batches, options.episodes = (0,), 1, 3, 80
    recipe = tiny.recipe()
    with tempfile.TemporaryDirectory() as scratch:
        if options.data:
            config = mixture_config(recipe, Path(options.data))
        else:
            context, rows = recipe.train.agent.context, recipe.rows_per_group
            config = write_mixture(Path(scratch), options.episodes, context, rows)
        mixture = Mixture(config, recipe.train.agent.serializer())
        loaders = {
            count: Loader(mixture, Loader.Config(groups=recipe.loader.groups, workers=count)) for count in workers
        }
        try:
            sources = {f"loader, {count} workers": loader.batches() for count, loader in loaders.items()}
            contestants = {name: loading(source, options.batches) for name, source in sources.items()}

            def empty_the_queue(name: str) -> None:
                """What workers prepared while others had their turn does not count."""
                time.sleep(0.0 if options.quick else 1.0)
                count = Loader.Config().prefetch * int(name.split()[1])
                for _ in range(count):
                    next(sources[name])

            turns = take_turns(contestants, options.rounds, "positions/s", before=empty_the_queue)
            first = list(itertools.islice(loaders[0].batches(), options.rounds * options.batches))
        finally:
            for loader in loaders.values():
                loader.close()
    figures = {"data": "recipe tiny" if options.data else "made for the occasion", **describe(first, mixture)}
    return report("packing", options, turns.values(), figures=figures)


def loading(source: Iterator[PackedBatch], batches: int) -> Work:
    """The next batches."""
    return lambda: sum(next(source).num_positions for _ in range(batches))


def describe(batches: list[PackedBatch], mixture: Mixture) -> dict[str, Any]:
    """Fill of the packed rows and of padded ones, and how exactly the sources keep their shares."""
    length = mixture.config.length
    received = np.mean([list(position_shares(batch, mixture.names).values()) for batch in batches], axis=0)
    wanted = np.array(list(mixture.weights().values()))
    # A source with the share w of positions and documents of mean length m starts w / m documents a position; padded,
    # each takes a row.
    rows_a_position = sum(w / source.mean_length for w, source in zip(wanted, mixture.sources, strict=True))
    shares = zip(mixture.names, wanted.tolist(), received.tolist(), strict=True)
    return {
        "slots of a row": length,
        "batches looked at": len(batches),
        "fill, packed": round(float(np.mean([fill(batch) for batch in batches])), 4),
        "fill, one document a row": round(1 / (rows_a_position * length), 4),
        "mean positions of a document": {source.name: round(source.mean_length, 1) for source in mixture.sources},
        "shares asked for and got": {name: f"{asked:.3f} {got:.3f}" for name, asked, got in shares},
        "largest error of a share": round(float(np.abs(received - wanted).max()), 4),
    }


if __name__ == "__main__":
    main()
