"""Gato's three sizes on one GPU: training in tokens/s, share of the peak and memory; acting in ms; GPU hours of a run.

    python benchmarks/gpu.py                     # all three, one after the other, within 25 minutes on an H100
    python benchmarks/gpu.py --sizes gato-1b     # one; what the file says of the others on this GPU stays
    python benchmarks/gpu.py --quick             # tiny: does it run here? Also without a GPU

Training: whole steps of the recipe in bfloat16, rows of 1024 positions full of held-out text, `--part` of them at once,
with a mask or by blocks (`nn/flex.py`), compiled or not, with one document a row or four. The share of the peak counts
6 FLOPs a parameter and position and 12 a position of depth, width and context, whatever documents spare, over the dense
bfloat16 peak of the GPU's data sheet. Acting: random weights in bfloat16 on ready observations of a robot (44 positions
a step, 4 of them the numbers of its action, each chosen before the next), the context full, with CUDA graphs and
without. GPU hours are those of a million steps of 512 rows at the best rate measured, with one document a row. Without
a GPU nothing is measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _episodes import text_episodes
from _measure import Rate, arguments, report, take_turns
from real_time import observations

from opengato.agent import model
from opengato.agent.policy import AgentPolicy, Limits
from opengato.backbones import decoder
from opengato.core.batch import PackedBatch
from opengato.core.config import choose
from opengato.data.documents import Document
from opengato.data.packing import collate, pack
from opengato.envs import find_task
from opengato.objectives import next_token
from opengato.recipes import gato, gato_sizes
from opengato.train import compiling, optim
from opengato.train.distributed import Alone
from opengato.train.loop import train_step
from opengato.train.plan import GATO_POSITIONS, GATO_STEPS, GPUS, flops_per_position

SIZES = {"gato-79m": "79M", "gato-364m": "364M", "gato-1b": "1.18B"}
TASK = "metaworld/drawer-open"
RATE = 1e-3  # of the recipe's: weights of a network that sees one batch for ever should stay where they are
# compiled, by blocks, documents a row
TRAININGS = {
    "mask": (False, False, 1),
    "blocks": (False, True, 1),
    "mask, compiled": (True, False, 1),
    "blocks, compiled": (True, True, 1),
    "mask, compiled, 4 documents a row": (True, False, 4),
    "blocks, compiled, 4 documents a row": (True, True, 4),
}
ACTINGS = {"without graphs": False, "with graphs": True}
Figures = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=3, rows=512, part=8, actions=500, sizes=",".join(SIZES), gpu="")
    has_gpu = torch.cuda.is_available()
    if not has_gpu:
        tried = "trying the code on the CPU at a tiny size" if options.quick else "nothing is measured"
        print(f"gpu: there is no GPU here, {tried}", file=sys.stderr)
    if not has_gpu and not options.quick:
        return {}
    device = torch.device("cuda" if has_gpu else "cpu")
    sizes = {name: SIZES[choose(name, SIZES, what="size")] for name in options.sizes.split(",")}
    if options.gpu:
        choose(options.gpu, GPUS, what="GPU")
    configs = {name: gato.agent(size) for name, size in sizes.items()}
    if options.quick:
        trunk = decoder.Config(width=64, depth=2, heads=4, hidden=64, window=128, sinks=8)
        configs = {"tiny": dataclasses.replace(gato.agent("79M"), backbone=trunk, context=128)}
        options.rounds, options.rows, options.part, options.actions = 1, 2, 1, 4
    about: Figures = {"GPU": torch.cuda.get_device_name() if has_gpu else "none", "weights": "random"}
    about["a step"] = f"{options.rows} rows, {options.part} at once"
    body: dict[str, Any] = {}
    with torch.compiler.set_stance("force_eager" if not has_gpu else "default"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"torch\.")
        for name, config in configs.items():
            before = earlier(options.out, about, name)
            rates, figures = measured(name, config, device, options)
            # After each size, so that what is cut off goes on with --sizes.
            body = report("gpu", options, [*before[0], *rates], figures={**about, **before[1], **figures})
    return body


def earlier(out: Path | None, about: Figures, name: str) -> tuple[list[Rate], Figures]:
    """What the file says of other sizes, measured in the same way on the same kind of GPU."""
    path = None if out is None else out / "gpu.json"
    if path is None or not path.exists():
        return [], {}
    body = json.loads(path.read_text(encoding="utf-8"))
    if any(body["figures"].get(key) != value for key, value in about.items()):
        return [], {}
    names = [field.name for field in dataclasses.fields(Rate)]
    rates = [Rate(**{key: row[key] for key in names}) for row in body["rates"] if not row["name"].startswith(name)]
    figures = {key: value for key, value in body["figures"].items() if not key.startswith(name) and key not in about}
    return [dataclasses.replace(rate, rounds=tuple(rate.rounds)) for rate in rates], figures


def measured(
    name: str, config: model.Config, device: torch.device, options: argparse.Namespace
) -> tuple[list[Rate], Figures]:
    """All of one size: its rates and what follows from them."""
    torch.manual_seed(0)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    agent = config.build().to(device)
    rates, figures = trained(name, agent, dtype, options)
    if device.type == "cuda":
        torch.cuda.empty_cache()
    acted, milliseconds = acting(name, agent.eval().to(dtype), options.actions)
    return [*rates, *acted], {**figures, **milliseconds}


def trained(
    name: str, agent: model.Agent, dtype: torch.dtype, options: argparse.Namespace
) -> tuple[list[Rate], Figures]:
    """Tokens a second of each way to train, and the arithmetic of shares, memory and hours."""
    device, trunk = agent.device, agent.backbone
    assert isinstance(trunk, decoder.Decoder)
    assert trunk.head_shape is not None
    network = Alone(agent.train(), next_token.Config().build())
    config = gato_sizes.optimizer(SIZES.get(name, "79M"))
    optimizers = optim.build(agent, config, dtype)
    batches = {number: text_rows(agent, options.part, number) for number in (1, 4)}
    hindrance = compiling.blocks_hindrance(device, dtype, trunk.head_shape)
    blocks = compiling.compile_blocks(agent)
    calls = [block._compiled_call_impl for block in blocks]
    ways = {way: how for way, how in TRAININGS.items() if not (how[1] and hindrance)}
    peaks: dict[str, float] = {}

    def ready(way: str) -> None:
        is_compiled, trunk.in_blocks, _ = ways[way]
        for block, call in zip(blocks, calls, strict=True):
            block._compiled_call_impl = call if is_compiled else None
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def step(way: str) -> int:
        parts = [batches[ways[way][2]]] * (options.rows // options.part)
        train_step(network, optimizers, parts, RATE, config.clip, dtype)
        if device.type == "cuda":
            torch.cuda.synchronize()
            peaks[way] = torch.cuda.max_memory_allocated() / 2**30
        return sum(part.num_positions for part in parts)

    works = {way: lambda way=way: step(way) for way in ways}
    turns = take_turns(works, options.rounds, "tokens/s", before=ready)
    ready("mask")
    medians = {way: rate.median for way, rate in turns.items()}
    figures = {**arithmetic(agent, medians, options.gpu), "peak memory": {w: f"{g:.1f} GiB" for w, g in peaks.items()}}
    if hindrance:
        figures["blocks"] = f"not measured: {hindrance}"
    rates = [dataclasses.replace(rate, name=f"{name}: training, {way}") for way, rate in turns.items()]
    return rates, {f"{name}, {key}": value for key, value in figures.items()}


def text_rows(agent: model.Agent, rows: int, documents_a_row: int) -> PackedBatch:
    """Rows full of held-out text."""
    length = agent.context // documents_a_row
    episodes = text_episodes(rows * documents_a_row, characters=8 * length)
    sequences = [agent.serializer.episode(episode).window(0, length) for episode in episodes]
    documents = [Document(sequence=sequence, source=0, episode=i) for i, sequence in enumerate(sequences)]
    groups = [documents[row * documents_a_row : (row + 1) * documents_a_row] for row in range(rows)]
    batch = collate([pack(groups, agent.context)])
    assert batch.num_positions == rows * agent.context, "rows are full"
    return batch


def arithmetic(agent: model.Agent, rates: dict[str, float], gpu: str) -> Figures:
    """Shares of the peak, and GPU hours of Gato's run, from tokens a second."""
    trunk, number = agent.config.backbone, agent.num_parameters
    work = flops_per_position(agent.config, number)
    figures: Figures = {
        "FLOPs a position": f"6 x {number:,} + 12 x {trunk.depth} x {trunk.width} x {agent.context} = {work:,}"
    }
    kind = gpu or kind_of(torch.cuda.get_device_name() if torch.cuda.is_available() else "")
    if kind:
        peak = GPUS[kind].flops
        figures["share of the peak"] = {way: f"{rate * work / peak:.1%}" for way, rate in rates.items()}
        figures["peak"] = f"{peak / 1e12:g} TFLOP/s dense bfloat16 ({GPUS[kind].source})"
    best = max(rate for way, rate in rates.items() if TRAININGS[way][2] == 1)
    positions = GATO_STEPS * GATO_POSITIONS
    figures["GPU hours of Gato's run"] = (
        f"{GATO_STEPS:,} x {GATO_POSITIONS:,} positions / {best:,.0f} a second / 3600 = {positions / best / 3600:,.0f}"
    )
    return figures


def kind_of(name: str) -> str | None:
    """The data sheet for what CUDA calls a GPU; those of other boards of a family have other peaks."""
    if any(board in name for board in ("PCIe", "NVL")):
        return None
    return next((kind for kind in GPUS if kind in name.lower()), None)


def acting(name: str, agent: model.Agent, actions: int) -> tuple[list[Rate], Figures]:
    """Actions a second with a full context, and how long one takes."""
    task = find_task(TASK)
    first = observations(task, 1)[0]
    step = len(agent.serializer.observation(task.observation_specs, first.values, 0, position=0))
    filling = agent.context // step + 1
    seen = observations(task, filling + actions)
    rates, figures = [], {}
    for way, graphs in ACTINGS.items():
        if graphs and agent.device.type != "cuda":
            continue
        policy = AgentPolicy(agent, rows=1, limits=Limits(graphs=graphs))
        policy.begin(0, task, task.instruction, None, seed=0)
        seconds = []
        for observed in seen:
            begun = time.perf_counter()
            policy.act([0], [observed])  # its numbers are back on the CPU when it ends
            seconds.append(time.perf_counter() - begun)
        timed = np.array(seconds[filling:])
        rates.append(Rate(name=f"{name}: acting, {way}", unit="actions/s", rounds=(actions / timed.sum(),), cores=1.0))
        median, late = np.quantile(timed, (0.5, 0.99)) * 1e3
        figures[way] = f"median {median:.2f}, 99th of 100 {late:.2f}"
    return rates, {f"{name}, ms an action": figures}


if __name__ == "__main__":
    main()
