"""Blocks of a network compiled for a long training run, where that pays and works."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal, get_args

import torch

from opengato.agent.model import Agent
from opengato.core.config import choose
from opengato.nn.blocks import StreamBlock

Compile = Literal["auto", "always", "never"]
PAYS_AFTER = 1000
"""Steps: compiling takes as long as tens of them, and saves a share of each (`benchmarks/training_peers.py`)."""


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
        return f"{type(error).__name__}: {str(error).strip().splitlines()[0]}" if str(error) else type(error).__name__
    finally:
        torch.compiler.reset()
    return None


def compile_blocks(agent: Agent) -> list[StreamBlock]:
    """Compile each block of an agent where it stands, when it is next called; the blocks."""
    blocks = [module for module in agent.modules() if isinstance(module, StreamBlock)]
    for block in blocks:
        block.compile(dynamic=False)
    return blocks


@contextmanager
def compiled(agent: Agent, is_wanted: bool) -> Generator[None]:
    """Blocks are compiled as long as this lasts; shapes are those of training, so they are plain again afterwards."""
    if not is_wanted:
        yield
        return
    blocks = compile_blocks(agent)
    try:
        with _quietly():
            yield
    finally:
        for block in blocks:
            block._compiled_call_impl = None


@contextmanager
def _quietly() -> Generator[None]:
    """Without warnings of torch about itself: its compiler uses what it deprecates."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"torch\.")
        yield
