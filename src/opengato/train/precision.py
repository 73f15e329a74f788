"""Which number format the matrix products of a training run use."""

from __future__ import annotations

import time
from typing import Literal, get_args

import torch

Precision = Literal["auto", "float32", "bfloat16"]


def resolve(precision: Precision, device: torch.device) -> torch.dtype:
    """The dtype of a setting; `auto` takes bfloat16 where this machine multiplies it at least 1.5 times as fast.

    A CPU with AMX gains by it; one without is some twenty times slower in bfloat16, so it must be measured.
    """
    if precision not in get_args(Precision):
        raise ValueError(f"`precision` is {precision!r}, expected one of {get_args(Precision)}")
    if precision == "auto":
        return (
            torch.bfloat16
            if _seconds(torch.bfloat16, device) * 1.5 < _seconds(torch.float32, device)
            else torch.float32
        )
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def _seconds(dtype: torch.dtype, device: torch.device, size: int = 512, repeats: int = 5) -> float:
    """The fastest of a few square matrix products."""
    a = torch.ones(size, size, dtype=dtype, device=device)
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        float((a @ a)[0, 0])  # reading a number waits for an asynchronous device
        times.append(time.perf_counter() - begun)
    return min(times[1:])
