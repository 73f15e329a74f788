"""How cost grows with work: training with length and parameters, reading with episodes, acting with what was seen.

    python benchmarks/growth.py
    python benchmarks/growth.py --episodes 100000    # the largest store: a million take most of a minute to write

The points of a curve take turns, so that what slows the machine for a while slows all of them alike, and a line is
fitted to their logarithms: its slope is the exponent, over all points and over the upper half, where what grows fastest
shows. Training is a whole step in float32, not compiled, on rows full of text: at a small size, as many slots a step at
each length, and of 4 rows of 256 for each number of parameters. Stores hold a line of text an episode and are read at
random. Acting is the network of `tiny` with random weights and a window that holds all it has seen. Also draws
`docs/growth.png`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _episodes import TEXT, control_episode
from _growth import CURVES, PICTURE, exponent, name_of, plot
from _measure import RESULTS, Rate, Work, arguments, report, take_turns
from acting_speed import TASK, observations
from training_speed import text_agent, text_batch, training

from opengato.agent.policy import AgentPolicy, Limits
from opengato.backbones import decoder
from opengato.core.episode import document
from opengato.data.documents import DocumentMaker
from opengato.data.store import EpisodeStore, StoreWriter
from opengato.envs import find_task
from opengato.evaluators.heldout import held_out_text
from opengato.recipes import tiny

ROWS, LENGTH = 4, 256  # of a step against parameters
READS, OPENINGS = 2000, 5  # of a turn
ACTIONS = 16  # of a turn; half of them before the context is as long as it is said to be
INSTRUCTION = "go to the red ball"


@dataclass(frozen=True, kw_only=True, slots=True)
class Scale:
    """The points of each curve. `slots` are those of a step against length."""

    lengths: tuple[int, ...]
    slots: int
    trunks: tuple[decoder.Config, ...]
    episodes: tuple[int, ...]
    contexts: tuple[int, ...]


def trunk(width: int, depth: int, heads: int, window: int = LENGTH) -> decoder.Config:
    """A decoder whose feed-forward is 2.75 times as wide, as that of `tiny`."""
    return decoder.Config(width=width, depth=depth, heads=heads, hidden=width * 11 // 4, window=window)


WHOLE = Scale(
    lengths=(256, 512, 1024, 2048, 4096, 8192),
    slots=8192,
    trunks=(trunk(96, 6, 2), trunk(192, 5, 3), trunk(256, 11, 4), trunk(512, 9, 8), trunk(768, 11, 12)),
    episodes=(1000, 10_000, 100_000, 1_000_000),
    contexts=(32, 64, 128, 256, 512, 1024),
)
QUICK = Scale(
    lengths=(16, 32), slots=64, trunks=(trunk(32, 1, 2), trunk(64, 1, 2)), episodes=(10, 100), contexts=(8, 48)
)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=5, episodes=WHOLE.episodes[-1])
    options.steps = 1  # of a turn of training
    scale = QUICK if options.quick else WHOLE
    counts = [count for count in scale.episodes if count <= options.episodes]
    if len(counts) < 2:
        raise ValueError(f"received --episodes {options.episodes}, expected at least {scale.episodes[1]}: two points")
    if options.quick:
        options.rounds = 1
    rates = measured(against_length(scale, options), options.rounds)
    rates += measured(against_parameters(scale.trunks, options), options.rounds)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        stores = {count: write(Path(folder, str(count)), count) for count in counts}
        writing = sum(counts) / (time.perf_counter() - begun)
        rates += measured(reading(stores), options.rounds)
        rates += measured(opening(stores), options.rounds)
    rates += acting(scale.contexts, options.rounds)
    found = [asdict(rate) for rate in rates]
    figures: dict[str, Any] = {f"exponent, {name}": exponent(found, name) for name in CURVES}
    figures |= {"slots of a step against length": scale.slots, "episodes written a second": round(writing)}
    body = report("growth", options, rates, figures=figures)
    if options.out is not None:
        plot(body, PICTURE if options.out == RESULTS else options.out / PICTURE.name)
    return body


def measured(contestants: Mapping[str, Work], rounds: int) -> list[Rate]:
    """The points of one curve."""
    unit = CURVES[next(iter(contestants)).partition(":")[0]].unit
    return [*take_turns(contestants, rounds, unit).values()]


def counted(work: Work, units: int) -> Work:
    """The same work in other units."""

    def count() -> int:
        work()
        return units

    return count


def against_length(scale: Scale, options: argparse.Namespace) -> dict[str, Work]:
    """Steps of a small network on as many slots, in rows of each length."""
    contestants = {}
    for length in scale.lengths:
        rows = scale.slots // length
        agent = text_agent(trunk(128, 2, 2, window=length), length)
        work = training(agent, text_batch(rows, length, documents_a_row=1), options, torch.float32, muon=False)
        contestants[name_of("training on a row", length)] = counted(work, rows)
    return contestants


def against_parameters(trunks: Sequence[decoder.Config], options: argparse.Namespace) -> dict[str, Work]:
    """Steps of each network on the same rows."""
    batch = text_batch(ROWS, LENGTH, documents_a_row=1)
    contestants = {}
    for config in trunks:
        agent = text_agent(config, LENGTH)
        work = training(agent, batch, options, torch.float32, muon=False)
        contestants[name_of("training step", agent.num_parameters)] = counted(work, 1)
    return contestants


def write(folder: Path, count: int) -> Path:
    """A store of so many episodes of one line."""
    lines = [line for line in held_out_text(TEXT).splitlines() if line]
    episodes = [document(TEXT, line) for line in lines[:1000]]
    with StoreWriter(folder) as writer:
        writer.append(islice(cycle(episodes), count))
    return folder


def reading(stores: Mapping[int, Path]) -> dict[str, Work]:
    """Episodes at random, others in each turn."""
    generator = np.random.default_rng(0)

    def reader(store: EpisodeStore) -> Work:
        return lambda: sum(store[index].num_steps for index in generator.integers(len(store), size=READS).tolist())

    return {name_of("reading an episode", count): reader(EpisodeStore(path)) for count, path in stores.items()}


def opening(stores: Mapping[int, Path]) -> dict[str, Work]:
    """The store opened anew."""

    def opener(path: Path) -> Work:
        return lambda: sum(len(EpisodeStore(path)) > 0 for _ in range(OPENINGS))

    return {name_of("opening the store", count): opener(path) for count, path in stores.items()}


def acting(contexts: Sequence[int], rounds: int) -> list[Rate]:
    """Actions with the cache at each context; what was seen before is read outside of the clock."""
    torch.manual_seed(0)
    agent = tiny.agent().build().eval()
    policy = AgentPolicy(agent, rows=1, limits=Limits(window=2 * max(contexts)))
    seen = cycle(observations(1, 64))
    per_step = DocumentMaker(agent.serializer).positions_per_step(control_episode(TASK, 0))
    assert per_step is not None
    before = len(agent.serializer.prompt(INSTRUCTION))
    starts = {name_of("acting", x): max(0, (x - before) // per_step - ACTIONS // 2) for x in contexts}

    def play(steps: int) -> int:
        for observed in islice(seen, steps):
            policy.act([0], observed)
        return steps

    def begin(name: str) -> None:
        policy.begin(0, find_task(TASK), INSTRUCTION, None, seed=0)
        play(starts[name])

    contestants = dict.fromkeys(starts, lambda: play(ACTIONS))
    return [*take_turns(contestants, rounds, CURVES["acting"].unit, before=begin).values()]


if __name__ == "__main__":
    main()
