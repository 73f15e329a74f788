"""Training speed at the shape of `tiny`, beside a Hugging Face GPT-2 of as many parameters.

    python benchmarks/training_speed.py

Everyone gets the same 16 rows of 256 tokens of the same text, predicts the same 255 tokens a row, and takes a whole
step: forward, backward, clipping of the gradient, optimiser. Same optimiser (fused AdamW), same number format, no
dropout, SDPA attention on both sides. Then what ours does besides: Muon, several documents a row, the recipe's mixture
of control, text and pictures. In bfloat16 too, where this machine multiplies it faster. More peers, longer rows and
compiled networks: `training_peers.py`.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from _episodes import text_episodes, write_mixture
from _measure import Work, arguments, ratio, report, take_turns
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel

from opengato.agent import model
from opengato.backbones import decoder
from opengato.core.batch import PackedBatch
from opengato.data.documents import Document
from opengato.data.mixture import Mixture
from opengato.data.packing import collate, pack
from opengato.modalities import text
from opengato.objectives import next_token
from opengato.recipes import tiny
from opengato.train import optim
from opengato.train.distributed import Alone
from opengato.train.loop import train_step
from opengato.train.precision import resolve

CLIP = 1.0
RATE = 1e-3
DOCUMENTS_A_ROW = 4


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=7, steps=2, rows=16)
    trunk, context = tiny.agent().backbone, tiny.agent().context
    if options.quick:
        trunk, context = decoder.Config(width=32, depth=1, heads=2, hidden=88, window=32, sinks=8), 32
        options.rounds, options.steps, options.rows = 1, 1, 2
    whole = text_batch(options.rows, context, documents_a_row=1)
    packed = text_batch(options.rows, context, DOCUMENTS_A_ROW)
    ours, theirs = text_agent(trunk, context), gpt2(trunk, context, text.Config().codec().num_ids)
    rates, ratios = [], []
    for dtype in dtypes():
        suffix = str(dtype).removeprefix("torch.")
        contestants = {
            f"opengato, AdamW, {suffix}": training(ours, whole, options, dtype, muon=False),
            f"GPT-2 of transformers, AdamW, {suffix}": training_gpt2(theirs, whole, options, dtype),
            f"opengato, Muon, {suffix}": training(text_agent(trunk, context), whole, options, dtype, muon=True),
            f"opengato, Muon, {DOCUMENTS_A_ROW} documents a row, {suffix}": training(
                text_agent(trunk, context), packed, options, dtype, muon=True
            ),
            f"opengato, Muon, mixture of tiny, {suffix}": training_mixture(trunk, context, options, dtype),
        }
        turns = take_turns(contestants, options.rounds, "tokens/s")
        first, second, *_ = turns.values()
        ratios.append(ratio(first, second))
        rates += turns.values()
    sizes = {"opengato": ours.num_parameters, "GPT-2 of transformers": theirs.num_parameters()}
    figures = {"parameters": sizes, "tokens a step": options.rows * context, "context": context}
    return report("training_speed", options, rates, ratios=ratios, figures=figures)


def dtypes() -> list[torch.dtype]:
    """float32, and what `train.precision = auto` takes on this machine if that is another."""
    return list(dict.fromkeys([torch.float32, resolve("auto", torch.device("cpu"))]))


def text_agent(trunk: decoder.Config, context: int) -> model.Agent:
    """Our decoder with nothing but text around it."""
    torch.manual_seed(0)
    routes = {"instruction": "text", "observation/text": "text", "action/text": "text"}
    return model.Config(modalities={"text": text.Config()}, routes=routes, backbone=trunk, context=context).build()


def gpt2(trunk: decoder.Config, context: int, vocabulary: int) -> GPT2LMHeadModel:
    """Their decoder: two matrices of 1.5 times the width where a SwiGLU has three, so as many parameters."""
    torch.manual_seed(0)
    settings: dict[str, Any] = {
        "vocab_size": vocabulary,
        "n_positions": context,
        "n_embd": trunk.width,
        "n_layer": trunk.depth,
        "n_head": trunk.heads,
        "n_inner": trunk.hidden * 3 // 2,
        "attn_implementation": "sdpa",
        "use_cache": False,
        "loss_type": "ForCausalLM",
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    settings |= dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    return GPT2LMHeadModel(GPT2Config(**settings))


def text_batch(rows: int, context: int, documents_a_row: int) -> PackedBatch:
    """Rows full of held-out text, without padding."""
    serializer = text_agent(decoder.Config(width=16, depth=1, heads=2, hidden=16), context).config.serializer()
    length = context // documents_a_row
    episodes = text_episodes(rows * documents_a_row, characters=8 * length)  # a piece has four or so
    sequences = [serializer.episode(episode).window(0, length) for episode in episodes]
    documents = [Document(sequence=sequence, source=0, episode=i) for i, sequence in enumerate(sequences)]
    groups = [documents[row * documents_a_row : (row + 1) * documents_a_row] for row in range(rows)]
    batch = collate([pack(groups, context)])
    assert batch.num_positions == rows * context, "the held-out text is too short for these rows"
    return batch


def adamw(module: torch.nn.Module) -> optim.Optimizers:
    """AdamW alone, over all parameters."""
    adam = torch.optim.AdamW(module.parameters(), lr=RATE, betas=(0.9, 0.95), weight_decay=0.05, fused=True)
    adam.param_groups[0]["base_lr"] = RATE
    return optim.Optimizers((adam,))


def training(
    agent: model.Agent, batch: PackedBatch, options: argparse.Namespace, dtype: torch.dtype, *, muon: bool
) -> Work:
    """Steps on one batch."""
    optimizers = optim.build(agent, optim.Config(), dtype) if muon else adamw(agent)
    objective = next_token.Config().build()

    def work() -> int:
        for _ in range(options.steps):
            train_step(Alone(agent, objective), optimizers, [batch], 1.0, CLIP, dtype)
        return options.steps * batch.num_positions

    return work


def training_gpt2(
    network: torch.nn.Module, batch: PackedBatch, options: argparse.Namespace, dtype: torch.dtype
) -> Work:
    """The same on their side; the loss is read each step, as ours is."""
    ids_BT: Tensor = batch.payload["text"].view(batch.document_BT.shape)
    optimizers = adamw(network)

    def work() -> int:
        for _ in range(options.steps):
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                loss = network(input_ids=ids_BT, labels=ids_BT).loss
            float(loss.detach())
            loss.backward()
            float(torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP))
            optimizers.step()
        return options.steps * ids_BT.numel()

    return work


def training_mixture(trunk: decoder.Config, context: int, options: argparse.Namespace, dtype: torch.dtype) -> Work:
    """Steps of the recipe: its agent, its objective, batches of its mixture, which are made beforehand."""
    recipe = tiny.recipe()
    agent = dataclasses.replace(tiny.agent(), backbone=trunk, context=max(context, 64)).build()
    optimizers = optim.build(agent, recipe.train.optim, dtype)
    objective = recipe.train.objective.build()
    with tempfile.TemporaryDirectory() as folder:
        count = 40 if options.quick else 400
        mixture = Mixture(write_mixture(Path(folder), count, agent.context, options.rows), agent.serializer)
        batches = [collate([pack(mixture.group(group), agent.context)]) for group in range(4)]

    def endless() -> Iterator[PackedBatch]:
        while True:
            yield from batches

    source = endless()

    def work() -> int:
        positions = 0
        for _ in range(options.steps):
            batch = next(source)
            train_step(Alone(agent, objective), optimizers, [batch], 1.0, CLIP, dtype)
            positions += batch.num_positions
        return positions

    return work


if __name__ == "__main__":
    main()
