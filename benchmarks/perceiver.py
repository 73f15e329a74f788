"""Perceiver IO beside transformers: the same weights and inputs, 2,048 bytes, 50,176 pixels and 182,528 pixels.

    python benchmarks/perceiver.py

Both read and answer everything: the language model all bytes, the classifier of pictures its class, optical flow the
motion of every pixel. Random weights in the published sizes, one thing at a time, float32. How far the answers are
apart stands among the figures. Memory is the highest that a process of its own needs, which holds one network and runs
it once; what is left of it without the forward pass stands beside it. Needs 6 GB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from _measure import Work, arguments, ratio, report, take_turns
from einops import rearrange
from torch import Tensor, nn
from transformers import (
    PerceiverConfig,
    PerceiverForImageClassificationFourier,
    PerceiverForMaskedLM,
    PerceiverForOpticalFlow,
)

from opengato.recipes.published import READERS

OURS, THEIRS = "opengato", "transformers"


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """A network of transformers, what it is given, and how that and its answer look on our side."""

    network: type[nn.Module]
    config: dict[str, Any]
    shape: tuple[int, ...]
    given: Callable[[Tensor], dict[str, Tensor]]
    answer: str
    inputs: int


def sizes(quick: bool) -> dict[str, Size]:
    """By name, the smallest first."""
    common: dict[str, Any] = {"hidden_act": "gelu_pytorch_tanh"}
    small = {"num_latents": 8, "d_latents": 32, "num_self_attends_per_block": 1, "num_self_attention_heads": 4}
    length, side, (height, width) = (32, 8, (8, 12)) if quick else (2048, 224, (368, 496))
    language = small if quick else {}
    image = small if quick else {
        "num_latents": 512, "d_latents": 1024, "num_blocks": 8, "num_self_attends_per_block": 6,
        "num_self_attention_heads": 8,
    }  # fmt: skip
    flow = small if quick else {
        "num_latents": 2048, "d_latents": 512, "num_self_attends_per_block": 24, "num_self_attention_heads": 16,
    }  # fmt: skip
    if not quick:
        language = {"qk_channels": 256, "v_channels": 1280}
    single = {"num_cross_attention_heads": 1}
    return {
        f"language, {length:,} bytes": Size(
            network=PerceiverForMaskedLM,
            config={**common, **language, "max_position_embeddings": length, **({"d_model": 32} if quick else {})},
            shape=(1, length),
            given=lambda ids: {"text": ids},
            answer="text",
            inputs=length,
        ),
        f"picture, {side * side:,} pixels": Size(
            network=PerceiverForImageClassificationFourier,
            config={**common, **image, **single, "d_model": 261, "num_labels": 1000},
            shape=(1, 3, side, side),
            given=lambda pixels: {"image": rearrange(pixels, "b c h w -> b h w c")},
            answer="class",
            inputs=side * side,
        ),
        f"flow, {height * width:,} pixels": Size(
            network=PerceiverForOpticalFlow,
            config={**common, **flow, **single, "d_model": 322, "train_size": [height, width]},
            shape=(1, 2, 27, height, width),
            given=lambda patches: {"frames": rearrange(patches, "b t c h w -> b h w (t c)")},
            answer="flow",
            inputs=height * width,
        ),
    }


def their_network(size: Size) -> nn.Module:
    torch.manual_seed(0)
    return size.network(PerceiverConfig(**size.config)).eval()


def our_network(size: Size, theirs: nn.Module | None = None) -> nn.Module:
    """With their weights, if they are given."""
    settings = PerceiverConfig(**size.config).to_dict()
    reader = READERS[size.network.__name__]
    network = reader.network(settings)
    if theirs is not None:
        reader.fill(network, theirs.state_dict())
    return network.eval()


def values(size: Size) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    if len(size.shape) == 2:
        return torch.randint(6, 262, size.shape, generator=generator)
    return torch.randn(size.shape, generator=generator)


def answers(size: Size, network: nn.Module, side: str) -> Tensor:
    with torch.inference_mode():
        if side == THEIRS:
            return network(inputs=values(size)).logits
        return network(size.given(values(size)))[size.answer]


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=3, only="")
    if options.only:
        return memory_of(options)
    if options.quick:
        options.rounds = 1
    rates, ratios, figures = [], [], {}
    for name, size in sizes(options.quick).items():
        theirs = their_network(size)
        networks = {OURS: our_network(size, theirs), THEIRS: theirs}
        contestants = {f"{side}, {name}": working(size, network, side) for side, network in networks.items()}
        found = take_turns(contestants, options.rounds, "inputs/s")
        rates += found.values()
        ratios.append(ratio(*found.values()))
        ours, other = (answers(size, network, side) for side, network in networks.items())
        difference = float((ours.flatten() - other.flatten()).abs().max())
        figures[f"largest difference, {name}"] = f"{difference:.1e}"
        del theirs, networks, contestants
        # A process takes its time to begin: one is enough to see that it runs.
        for side in (OURS, THEIRS) if not options.quick else (OURS,) if len(rates) == 2 else ():
            figures[f"memory, {side}, {name}"] = memory(options, name, side)
    return report("perceiver", options, rates, ratios=ratios, figures=figures)


def working(size: Size, network: nn.Module, side: str) -> Work:
    def work() -> int:
        answers(size, network, side)
        return size.inputs

    return work


def memory(options: argparse.Namespace, name: str, side: str) -> dict[str, float]:
    """MB that a process of its own needs at most, and before it ran the network."""
    words = [sys.executable, __file__, "--only", f"{side}:{name}", "--threads", str(options.threads)]
    done = subprocess.run([*words, *(["--quick"] if options.quick else [])], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def memory_of(options: argparse.Namespace) -> dict[str, float]:
    """What such a process does, and prints."""
    side, _, name = options.only.partition(":")
    size = sizes(options.quick)[name]
    network = our_network(size) if side == OURS else their_network(size)
    before = peak()
    answers(size, network, side)
    found = {"highest": peak(), "without running": before}
    print(json.dumps(found))
    return found


def peak() -> float:
    """The most memory that this process had so far, in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, 1)


if __name__ == "__main__":
    main()
