"""Blocks of a network compiled for a long training run, where that pays and works; on a GPU, with attention by blocks.

Letters: B rows, T slots, H heads, K head width, F numbers of all heads.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from einops import rearrange
from torch import Tensor

from opengato.agent.model import Agent
from opengato.core.config import choose
from opengato.nn.attention import attend, same_document
from opengato.nn.blocks import StreamBlock
from opengato.nn.flex import BLOCK, Blockwise, documents_seen
from opengato.nn.positions import rotary_angles, rotate

Compile = Literal["auto", "always", "never"]
PAYS_AFTER = 1000
"""Steps: compiling takes as long as tens of them, and saves a share of each (`benchmarks/training_peers.py`)."""
ROUNDING = 0.1
"""Of the largest number; bfloat16 keeps 8 bits, and a kernel that reads the wrong numbers is off by all of it."""


def to_compile(wanted: str, steps: int, device: torch.device) -> bool:
    """Whether a run of so many steps compiles its blocks; `auto` does where it is long enough and a compiler works.

    `always` without a compiler is a ValueError.
    """
    choose(wanted, get_args(Compile), what="`compile`")
    if wanted == "never" or (wanted == "auto" and steps < PAYS_AFTER):
        return False
    reason = hindrance(device)
    if reason is not None and wanted == "always":
        raise ValueError(
            f"`compile` is 'always', but torch.compile does not work on {device}: {reason}; install a C++ compiler "
            "(Debian: `apt-get install g++`), or ask for 'auto'"
        )
    if reason is not None:
        print(f"trained without torch.compile, which is slower: it fails with {reason}", file=sys.stderr)
    return reason is None


def hindrance(device: torch.device) -> str | None:
    """Why nothing can be compiled for a device; None if it can."""
    try:
        with _quietly():
            torch.compile(torch.nn.functional.silu, dynamic=False)(torch.ones(8, device=device))
    except Exception as error:  # a compiler fails in many ways
        return _first_line(error)
    finally:
        torch.compiler.reset()
    return None


def _first_line(error: Exception) -> str:
    name, said = type(error).__name__, str(error).strip()
    return f"{name}: {said.splitlines()[0]}" if said else name


def blocks_hindrance(device: torch.device, dtype: torch.dtype, head_shape: tuple[int, int, int]) -> str | None:
    """Why attention cannot go by blocks on a device; None where it gives what a mask gives, and its gradient.

    It is tried as a compiled block of a trunk would use it, as compilers have read rotated queries in a wrong order.
    """
    heads, keys, width = head_shape
    number_T = torch.arange(2 * BLOCK, device=device)
    document_BT = (number_T > BLOCK // 2).long()[None]
    angles = rotary_angles(number_T[None], width, 10_000.0)
    generator = torch.Generator().manual_seed(0)
    x_BTF = torch.randn(1, len(number_T), (heads + 2 * keys) * width, generator=generator).to(device, dtype)
    upward_BHTK = torch.randn(1, heads, len(number_T), width, generator=generator).to(device, dtype)
    x_BTF.requires_grad_()

    def read(x_BTF: Tensor, sight: Any) -> Tensor:
        parts = x_BTF.split((heads * width, keys * width, keys * width), -1)
        q, k, v = (rearrange(part, "b t (h k) -> b h t k", k=width) for part in parts)
        return attend(rotate(q, angles).to(dtype), rotate(k, angles).to(dtype), v, sight)

    def both(read: Callable[[Tensor, Any], Tensor], sight: Any) -> tuple[Tensor, Tensor]:
        seen_BHTK = read(x_BTF, sight)
        return seen_BHTK.detach(), torch.autograd.grad(seen_BHTK, x_BTF, upward_BHTK)[0]

    try:
        with _quietly():
            received = both(torch.compile(read, dynamic=False), documents_seen(document_BT))
        for mine, masked in zip(received, both(read, same_document(document_BT)), strict=True):
            off, most = float((mine - masked).abs().max()), float(masked.abs().max())
            if not off <= ROUNDING * most:
                return f"numbers that are off by up to {off:.2g}, where the largest is {most:.2g}"
    except Exception as error:  # as above
        return _first_line(error)
    finally:
        torch.compiler.reset()
    return None


def compile_blocks(agent: Agent) -> list[StreamBlock]:
    """Compile each block of an agent where it stands, when it is next called; the blocks."""
    blocks = [module for module in agent.modules() if isinstance(module, StreamBlock)]
    for block in blocks:
        block.compile(dynamic=False)
    return blocks


def attend_by_blocks(agent: Agent, dtype: torch.dtype) -> list[Blockwise]:
    """Tell the trunk to, where it is on one GPU, and knows how, and the GPU can; what was told."""
    told = []
    for trunk in (module for module in agent.modules() if isinstance(module, Blockwise)):
        device, *others = {parameter.device for parameter in trunk.parameters()}
        if trunk.head_shape is None or others or device.type != "cuda":
            continue
        reason = blocks_hindrance(device, dtype, trunk.head_shape)
        if reason is not None:
            print(f"trained with whole masks, which are slower: attention by blocks gives {reason}", file=sys.stderr)
            continue
        trunk.in_blocks = True
        told.append(trunk)
    return told


@contextmanager
def compiled(agent: Agent, is_wanted: bool, dtype: torch.dtype = torch.float32) -> Generator[None]:
    """Blocks are compiled as long as this lasts; shapes are those of training, so they are plain again afterwards.

    `dtype` is that of products.
    """
    if not is_wanted:
        yield
        return
    told, blocks = attend_by_blocks(agent, dtype), compile_blocks(agent)
    try:
        with _quietly():
            yield
    finally:
        for block in blocks:
            block._compiled_call_impl = None
        for trunk in told:
            trunk.in_blocks = False


@contextmanager
def _quietly() -> Generator[None]:
    """Without warnings of torch about itself: its compiler uses what it deprecates."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"torch\.")
        yield
