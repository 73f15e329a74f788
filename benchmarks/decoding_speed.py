"""Tokens a second when text is written one token at a time, at the shape of Gato's 79M, beside transformers' GPT-2.

    python benchmarks/decoding_speed.py
    python benchmarks/decoding_speed.py --threads 1

Both write as many tokens after the same prompt, one document, the best token each time, with their caches: ours by
`agent.generate`, theirs by `generate` (SDPA attention), in float32 and in bfloat16 where this machine multiplies it
faster; ours with weights of 8 bits too. A token reads every weight of the trunk and of the head once, so that memory
sets a limit: bytes of these weights over the rate at which the same run sums up a large array. Weights are random.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from _measure import Work, arguments, ratio, report, take_turns
from training_speed import dtypes, gpt2

from opengato.agent import model
from opengato.agent.model import Agent
from opengato.backbones import decoder
from opengato.core.episode import ArraySpec
from opengato.core.serialize import Role, TokenCodec
from opengato.modalities.token_table import TokenTable
from opengato.nn.int8 import to_int8
from opengato.recipes import gato_sizes

READ_BYTES = 1 << 30


@dataclass(frozen=True, kw_only=True, slots=True)
class Ids:
    """A modality of bare ids, written as numbers: "7 32000 5"; the last id ends a text and is never chosen."""

    num_ids: int = gato_sizes.NUM_IDS

    def codec(self) -> IdCodec:
        return IdCodec(self.num_ids)

    def build(self, width: int) -> TokenTable:
        return TokenTable(self.codec(), width)


class IdCodec(TokenCodec):
    """Numbers in a string, each its own id."""

    def __init__(self, num_ids: int):
        self.num_ids = num_ids

    def num_positions(self, spec: ArraySpec) -> int | None:
        return None

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        first, last = [0] * (role == "instruction"), [self.num_ids - 1] * (role == "action")
        rows = [[*first, *map(int, str(value).split()), *last] for value in values]
        return np.array([i for row in rows for i in row], np.int64), np.array([len(row) for row in rows], np.int64)

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> str:
        return " ".join(str(int(i)) for i in payload)

    def allowed(self, spec: ArraySpec) -> np.ndarray:
        return np.arange(self.num_ids) < self.num_ids - 1


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=5, prompt=64, tokens=128)
    trunk, num_ids, context = gato_sizes.trunk("79M"), gato_sizes.NUM_IDS, 1024
    if options.quick:
        trunk, num_ids, context = decoder.Config(width=32, depth=1, heads=2, hidden=64, window=64, sinks=8), 512, 64
        options.rounds, options.prompt, options.tokens = 1, 4, 4
    torch.manual_seed(0)
    config = model.Config(
        modalities={"text": Ids(num_ids=num_ids)},
        routes={"instruction": "text", "action/text": "text"},
        backbone=trunk,
        context=context,
    )
    ours, theirs = config.build().eval(), gpt2(trunk, context, num_ids).eval()
    prompt = torch.randint(1, num_ids - 1, (options.prompt,)).tolist()
    contestants: dict[str, Work] = {}
    for dtype in dtypes():
        suffix = str(dtype).removeprefix("torch.")
        contestants[f"opengato, {suffix}"] = writing(copy.deepcopy(ours).to(dtype), prompt, options.tokens)
        contestants[f"GPT-2 of transformers, {suffix}"] = writing_gpt2(theirs, prompt, options.tokens, dtype)
    small = copy.deepcopy(ours)
    to_int8(small)
    contestants["opengato, int8 weights"] = writing(small, prompt, options.tokens)
    numbers = torch.ones(READ_BYTES // (4096 if options.quick else 4))
    contestants["reading memory"] = reading(numbers)
    turns = take_turns(contestants, options.rounds, "tokens/s")
    memory = turns.pop("reading memory")
    rates = list(turns.values())
    float_rates = [rate for rate in rates if "int8" not in rate.name]
    ratios = [ratio(mine, other) for mine, other in zip(float_rates[::2], float_rates[1::2], strict=True)]
    ratios += [ratio(rates[-1], rates[1]), ratio(rates[-1], rates[0])]
    weights = weight_bytes(ours)
    limit = memory.median / weights
    figures = {
        "parameters": f"opengato {ours.num_parameters}; GPT-2 of transformers {theirs.num_parameters()}",
        "tokens": f"{options.tokens} after a prompt of {options.prompt}",
        "memory read": f"{memory.median / 1e9:.1f} GB/s",
        "limit in float32": f"{limit:.0f} tokens/s ({weights / 1e6:.0f} MB a token)",
        "share of the limit reached in float32": f"{rates[0].median / limit:.0%}",
    }
    return report("decoding_speed", options, rates, ratios=ratios, figures=figures)


def weight_bytes(agent: Agent) -> int:
    """What one token has to read: the trunk, and the table as a head."""
    modules = (agent.backbone, agent.modality("text"))
    return sum(parameter.numel() * 4 for module in modules for parameter in module.parameters())


def writing(agent: Agent, prompt: list[int], tokens: int) -> Work:
    given = " ".join(map(str, prompt))

    def work() -> int:
        written = agent.generate([given], max_new_tokens=tokens).split()
        assert len(written) == tokens, written
        return tokens

    return work


def writing_gpt2(network: Any, prompt: list[int], tokens: int, dtype: torch.dtype) -> Work:
    network = copy.deepcopy(network).to(dtype)
    ids = torch.tensor([prompt])

    def work() -> int:
        with torch.inference_mode():
            written = network.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False
            )
        assert written.shape[1] == len(prompt) + tokens
        return tokens

    return work


def reading(numbers: torch.Tensor) -> Work:
    """Bytes: the sum of a large array, which reads each once."""

    def work() -> int:
        float(numbers.sum())
        return numbers.numel() * numbers.element_size()

    return work


if __name__ == "__main__":
    main()
