"""Training on a mixture of control tasks, beside a trainer that pads its rows and computes all logits at every slot.

    python benchmarks/mixture.py

Grids and robots, half of the positions each, in random numbers under the specs of BabyAI and Meta-World, as long as
their episodes are: in Gato's encoding (one table of 33,025 ids) and in ours (a position an observation). The peer does
what open Gatos and their like do: one document a row, padded to the longest of its batch, attention to all that comes
before (torch's causal kernel, without a mask), and logits of every head that has something to predict, of all its ids,
at every slot, most of which a mask then leaves out of the loss. All else is the same: weights to begin with, documents
of a step, AdamW, clipping, number format, nothing compiled. Counted are the positions that are predicted, which are the
same on both sides, so that nobody gains by padding; that both find the same loss is checked before the clock runs.

Letters: B rows, T slots of a row, D width, S slots after the first of each row, P payload features.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from _episodes import control_episodes
from _measure import Work, arguments, ratio, report, take_turns
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from training_speed import CLIP, adamw, dtypes

from opengato.agent import model
from opengato.agent.model import Agent
from opengato.backbones import decoder
from opengato.core.batch import PackedBatch
from opengato.core.objective import Objective
from opengato.data.mixture import Mixture, MixtureConfig, SourceConfig
from opengato.data.packing import collate, fill, pack, pack_documents
from opengato.data.store import StoreWriter
from opengato.nn.blocks import StreamBlock
from opengato.nn.positions import rotary_angles
from opengato.objectives import next_token
from opengato.recipes import gato_tokens, tiny, tiny_tokens
from opengato.train.distributed import Alone
from opengato.train.loop import train_step

SOURCES = {"grid": "babyai/GoToLocal", "robot": "metaworld/drawer-open"}
SLOTS = 4096  # of a step of ours
SAME = 1e-4  # by how much, relative to it, the two losses may differ in float32


@dataclass(frozen=True, slots=True)
class Step:
    """The same documents, in rows that are full and one a row."""

    packed: PackedBatch
    padded: PackedBatch

    @property
    def predicted(self) -> int:
        """Positions that are predicted."""
        return sum(int(predict_N.sum()) for predict_N in self.packed.predict_N.values())


class AllLogits(Objective):
    """The mean of the same losses, by way of the logits of every slot, in rows of one document each."""

    causal: ClassVar[bool | None] = True

    def terms(self, batch: PackedBatch) -> float:
        return float(sum(int(predict_N.sum()) for predict_N in batch.predict_N.values()))

    def __call__(self, agent: Agent, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        h_SD = hidden(agent, batch)[:, :-1].flatten(0, 1)
        total = torch.zeros(())
        for name, predict_N in batch.predict_N.items():
            if predict_N.any():
                loss_S = agent.modality(name).loss(h_SD, following(batch, name, batch.payload[name]))
                total = total + (loss_S * following(batch, name, predict_N)).sum()
        return total / self.terms(batch), {}


def hidden(agent: Agent, batch: PackedBatch) -> Tensor:
    """What the trunk makes of rows of one document, (B, T, D): padding comes last, so that nobody sees it."""
    trunk = cast(decoder.Decoder, agent.backbone)
    config = cast(decoder.Config, trunk.config)
    x_BTD = agent.embed_slots(batch.payload, batch.slot_N, batch.local_BT)
    cos, sin = rotary_angles(batch.position_BT, config.head_width, config.rotary_base)
    angles = cos.to(x_BTD.dtype), sin.to(x_BTD.dtype)
    for block in trunk.blocks:
        x_BTD = cast(StreamBlock, block).through(x_BTD, angles, before)
    return trunk.norm(x_BTD)


def before(q_BHTK: Tensor, k_BHTK: Tensor, v_BHTK: Tensor) -> Tensor:
    """Attention to all that comes before. Letters of it: H heads, K head width."""
    return scaled_dot_product_attention(q_BHTK, k_BHTK, v_BHTK, is_causal=True)


def following(batch: PackedBatch, name: str, values_NP: Tensor) -> Tensor:
    """Values of a modality in the slots after the first of each row, (S, ...); zeros where there are none."""
    spread = values_NP.new_zeros((batch.document_BT.numel(), *values_NP.shape[1:]))
    spread[batch.slot_N[name]] = values_NP
    return spread.unflatten(0, batch.document_BT.shape)[:, 1:].flatten(0, 1)


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=5, steps=2, batches=8, episodes=1000)
    agents = {"Gato's encoding": gato_encoding(), "our encoding": tiny.agent()}
    slots = SLOTS
    if options.quick:
        options.rounds, options.steps, options.batches, options.episodes, slots = 1, 1, 1, 20, 512
        small = decoder.Config(width=32, depth=1, heads=2, hidden=88, window=512, sinks=64)
        agents = {name: dataclasses.replace(one, backbone=small, context=slots) for name, one in agents.items()}
    rates, ratios, figures = [], [], {"slots of a step": slots}
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), options.episodes)
        for encoding, config in agents.items():
            steps = steps_of(config, Path(folder), slots // config.context, options.batches)
            figures |= {f"{encoding}, {key}": value for key, value in about(config, steps).items()}
            for dtype in dtypes()[: 1 if options.quick else None]:
                suffix = f"{encoding}, {str(dtype).removeprefix('torch.')}"
                contestants = {
                    f"opengato, {suffix}": training(config, steps, options, dtype, padded=False),
                    f"padded, all logits, {suffix}": training(config, steps, options, dtype, padded=True),
                }
                turns = take_turns(contestants, options.rounds, "predicted positions/s")
                ours, theirs = turns.values()
                ratios.append(ratio(ours, theirs))
                rates += turns.values()
    return report("mixture", options, rates, ratios=ratios, figures=figures)


def gato_encoding() -> model.Config:
    """The network of `tiny_tokens` over Gato's own table of ids."""
    base = tiny_tokens.agent()
    modalities = {gato_tokens.NAME: gato_tokens.gato(), gato_tokens.IMAGE: base.modalities["image"]}
    return dataclasses.replace(base, modalities=modalities, routes=gato_tokens.ROUTES)


def write(folder: Path, count: int) -> None:
    """A store of each source; a robot's episodes are ten times as long."""
    for (name, task), episodes in zip(SOURCES.items(), (count, max(1, count // 4)), strict=True):
        with StoreWriter(folder / name) as writer:
            writer.append(control_episodes(task, episodes))


def steps_of(config: model.Config, folder: Path, rows: int, count: int) -> list[Step]:
    """The first groups of the mixture, each in both kinds of rows."""
    sources = {name: SourceConfig(path=str(folder / name)) for name in SOURCES}
    mixture = Mixture(MixtureConfig(sources=sources, length=config.context, rows_per_group=rows), config.serializer())
    steps = []
    for number in range(count):
        group = mixture.group(number)
        documents = [document for row in group for document in row]
        longest = max(map(len, documents))
        steps.append(Step(collate([pack(group, config.context)]), pack_documents(documents, longest)))
    return steps


def about(config: model.Config, steps: list[Step]) -> dict[str, Any]:
    """What the rows hold, and by how much the losses of both sides differ; ValueError where that is too much."""
    agent = stirred(built(config))
    with torch.no_grad():
        ours, theirs = (
            float(objective(agent, batch)[0])
            for objective, batch in ((next_token.Config().build(), steps[0].packed), (AllLogits(), steps[0].padded))
        )
    if not abs(ours - theirs) <= SAME * abs(ours):
        raise ValueError(f"on the same documents the losses are {ours} and {theirs}; expected the same")
    positions = sum(step.packed.num_positions for step in steps)
    return {
        "parameters": agent.num_parameters,
        "documents a step": round(sum(len(step.padded.document_BT) for step in steps) / len(steps), 1),
        "share of positions that are predicted": round(sum(step.predicted for step in steps) / positions, 4),
        "fill, packed": round(sum(fill(step.packed) for step in steps) / len(steps), 4),
        "fill, padded": round(positions / sum(step.padded.document_BT.numel() for step in steps), 4),
        "loss of the first step with stirred weights, ours and theirs": f"{ours:.5f} {theirs:.5f}",
    }


def built(config: model.Config) -> Agent:
    """The agent with the weights that all begin with."""
    torch.manual_seed(0)
    return config.build()


def stirred(agent: Agent) -> Agent:
    """With matrices of the trunk so large that what attention sees matters to the loss; at first it hardly does."""
    with torch.no_grad():
        for weight in agent.backbone.parameters():
            if weight.ndim == 2:
                weight.normal_(std=weight.shape[1] ** -0.5)
    return agent


def training(
    config: model.Config, steps: list[Step], options: argparse.Namespace, dtype: torch.dtype, *, padded: bool
) -> Work:
    """Steps on one kind of rows, the same documents in the same order on both sides."""
    agent = built(config).train()
    network = Alone(agent, AllLogits() if padded else next_token.Config().build())
    optimizers, source = adamw(agent), cycle(steps)

    def work() -> int:
        predicted = 0
        for _ in range(options.steps):
            step = next(source)
            train_step(network, optimizers, [step.padded if padded else step.packed], 1.0, CLIP, dtype)
            predicted += step.predicted
        return predicted

    return work


if __name__ == "__main__":
    main()
