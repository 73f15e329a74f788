"""Training speed on dense rows of 1024 tokens, at 10M and 79M parameters, beside four peers; and how near to the limit.

    python benchmarks/training_peers.py
    python benchmarks/training_peers.py --sizes 10M --rounds 3

Everyone gets the same rows, predicts the same tokens and takes a whole step: forward, backward, clipping, fused AdamW.
Each is given its best known setting: SDPA attention, no dropout, tables tied, compiled (a peer as a whole, ours block
by block as `opengato train` does), in bfloat16 where this machine multiplies it faster. The peers: GPT-2 and Llama of
`transformers`, `x-transformers`, and a GPT of forty lines. `torch.mm` of two large matrices shows what the machine can
do: a trainer's share of it is its products (of layers and attention, backward twice forward) a second over that.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from _measure import Work, arguments, ratio, report, take_turns
from torch import Tensor, nn
from training_speed import dtypes, gpt2, text_agent, text_batch, training, training_gpt2
from transformers import LlamaConfig, LlamaForCausalLM
from x_transformers import Decoder, TransformerWrapper

from opengato.backbones import decoder
from opengato.core.batch import PackedBatch
from opengato.modalities import text
from opengato.recipes import gato_sizes
from opengato.train.compiling import compile_blocks
from opengato.train.compute import training_flops

CONTEXT = 1024
TRUNKS = {
    "10M": decoder.Config(width=256, depth=12, heads=4, hidden=704, window=CONTEXT),
    "79M": gato_sizes.trunk("79M"),
}
SIDE = 4096  # of the matrices that show what the machine can do


@dataclass(frozen=True, slots=True)
class Output:
    """What a trainer of `transformers` finds in the answer of a network."""

    loss: Tensor


class SmallGPT(nn.Module):
    """What a tutorial builds: learned places, LayerNorm, SDPA, GELU, a tied table."""

    def __init__(self, trunk: decoder.Config, context: int, vocabulary: int):
        super().__init__()
        self.heads = trunk.heads
        self.table, self.place = nn.Embedding(vocabulary, trunk.width), nn.Embedding(context, trunk.width)
        self.norms = nn.ModuleList(nn.LayerNorm(trunk.width) for _ in range(2 * trunk.depth + 1))
        self.qkv = nn.ModuleList(nn.Linear(trunk.width, 3 * trunk.width, bias=False) for _ in range(trunk.depth))
        self.out = nn.ModuleList(nn.Linear(trunk.width, trunk.width, bias=False) for _ in range(trunk.depth))
        inner = trunk.hidden * 3 // 2 if trunk.gated else trunk.hidden
        self.up = nn.ModuleList(nn.Linear(trunk.width, inner, bias=False) for _ in range(trunk.depth))
        self.down = nn.ModuleList(nn.Linear(inner, trunk.width, bias=False) for _ in range(trunk.depth))
        nn.init.normal_(self.table.weight, std=0.02)

    def forward(self, input_ids: Tensor, labels: Tensor) -> Output:
        rows, length = input_ids.shape
        x = self.table(input_ids) + self.place.weight[:length]
        for layer, (qkv, out, up, down) in enumerate(zip(self.qkv, self.out, self.up, self.down, strict=True)):
            parts = qkv(self.norms[2 * layer](x)).view(rows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
            seen = F.scaled_dot_product_attention(*parts, is_causal=True)
            x = x + out(seen.transpose(1, 2).reshape(rows, length, -1))
            x = x + down(F.gelu(up(self.norms[2 * layer + 1](x)), approximate="tanh"))
        logits = F.linear(self.norms[-1](x[:, :-1]), self.table.weight)
        return Output(F.cross_entropy(logits.flatten(0, 1).float(), labels[:, 1:].flatten()))


class XTransformer(nn.Module):
    """A decoder of x-transformers with what ours has: SwiGLU, rotary places, flash attention, a tied table."""

    def __init__(self, trunk: decoder.Config, context: int, vocabulary: int):
        super().__init__()
        settings: dict[str, Any] = {"ff_glu": True, "ff_swish": True} if trunk.gated else {}
        layers = Decoder(
            dim=trunk.width,
            depth=trunk.depth,
            heads=trunk.heads,
            attn_dim_head=trunk.width // trunk.heads,
            ff_mult=trunk.hidden / trunk.width,
            ff_no_bias=True,
            rotary_pos_emb=True,
            attn_flash=True,
            **settings,
        )
        self.network = TransformerWrapper(
            num_tokens=vocabulary, max_seq_len=context, attn_layers=layers, tie_embedding=True, use_abs_pos_emb=False
        )

    def forward(self, input_ids: Tensor, labels: Tensor) -> Output:
        logits = self.network(input_ids[:, :-1])
        return Output(F.cross_entropy(logits.flatten(0, 1).float(), labels[:, 1:].flatten()))


def llama(trunk: decoder.Config, context: int, vocabulary: int) -> LlamaForCausalLM:
    """Their decoder with our numbers; RMSNorm where we have LayerNorm."""
    settings: dict[str, Any] = {
        "vocab_size": vocabulary,
        "hidden_size": trunk.width,
        "intermediate_size": trunk.hidden,
        "num_hidden_layers": trunk.depth,
        "num_attention_heads": trunk.heads,
        "max_position_embeddings": context,
        "tie_word_embeddings": True,
        "attn_implementation": "sdpa",
        "use_cache": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    return LlamaForCausalLM(LlamaConfig(**settings))


Make = Callable[[decoder.Config, int, int], nn.Module]


PEERS: dict[str, Make] = {
    "GPT-2 of transformers": gpt2,
    "Llama of transformers": llama,
    "x-transformers": XTransformer,
    "GPT in forty lines": SmallGPT,
}


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=3, rows=2, sizes="10M,79M")
    options.steps = 1
    trunks, context = {name: TRUNKS[name] for name in options.sizes.split(",")}, CONTEXT
    if options.quick:
        small = decoder.Config(width=32, depth=1, heads=2, hidden=88, window=32, sinks=8)
        trunks, context, options.rounds, options.rows = {"tiny": small}, 32, 1, 2
    batch = text_batch(options.rows, context, documents_a_row=1)
    rates, ratios, figures = [], [], {"context": context, "rows": options.rows}
    # Tiny networks show that the script works: compiling them would take longer than all the rest.
    with torch.compiler.set_stance("force_eager" if options.quick else "default"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"torch\\.")
        for (name, trunk), dtype in ((item, dtype) for item in trunks.items() for dtype in dtypes()):
            suffix = f"{name}, {str(dtype).removeprefix('torch.')}"
            works, about = contestants(trunk, context, batch, options, dtype)
            turns = take_turns({f"{who}, {suffix}": work for who, work in works.items()}, options.rounds, "tokens/s")
            ours, *others = turns.values()
            ratios += [ratio(ours, other) for other in others[1:]]
            rates += turns.values()
            figures |= {f"{key}, {suffix}": value for key, value in about.items()}
            limit = product_rate(dtype, 256 if options.quick else SIDE)
            share = ours.median / batch.num_positions * about["operations a step of ours"] / limit
            figures |= {f"torch.mm, GFLOP/s, {suffix}": limit / 1e9, f"share of it, {suffix}": share}
    return report("training_peers", options, rates, ratios=ratios, figures=figures)


def contestants(
    trunk: decoder.Config, context: int, batch: PackedBatch, options: argparse.Namespace, dtype: torch.dtype
) -> tuple[dict[str, Work], dict[str, Any]]:
    """Ours compiled and as it is, then the peers compiled; and how large they are."""
    plain, ours = text_agent(trunk, context), text_agent(trunk, context)
    about: dict[str, Any] = {"operations a step of ours": training_flops(plain, batch)}
    compile_blocks(ours)
    works = {
        "opengato, compiled": training(ours, batch, options, dtype, muon=False),
        "opengato": training(plain, batch, options, dtype, muon=False),
    }
    sizes = {"opengato": ours.num_parameters}
    for name, make in PEERS.items():
        torch.manual_seed(0)
        network = make(trunk, context, text.Config().codec().num_ids)
        sizes[name] = sum(weight.numel() for weight in network.parameters())
        network.compile(dynamic=False)
        works[f"{name}, compiled"] = training_gpt2(network, batch, options, dtype)
    return works, about | {"parameters": sizes}


def product_rate(dtype: torch.dtype, side: int) -> float:
    """Operations a second of a large product: the best of three turns."""
    a = torch.ones(side, side, dtype=dtype)

    def work() -> int:
        a @ a
        return 2 * side**3

    (rate,) = take_turns({"torch.mm": work}, 3, "operations/s").values()
    return max(rate.rounds)


if __name__ == "__main__":
    main()
