"""Passes that a GPU has recorded as a CUDA graph: replayed at once, where the CPU would launch kernels one by one.

Letters: none; tensors go through as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Function = Callable[..., Tensor]
Shapes = tuple[tuple[torch.Size, torch.dtype], ...]
MOST = 32
"""Recordings that are kept, each of a kernel list and of its inputs; they share what they need in between."""
MOST_MET = 1000


class Replayed:
    """A function of tensors, without gradients, that is recorded the second time that shapes come, then replayed.

    What it does must follow from shapes alone, and what it writes must stay where it is: so the first call, which is
    not recorded, is the one in which kernels are loaded, and no call does anything twice. Shapes beyond the first
    `MOST`, and all of them where recording fails, which is told, call the function as it is.
    """

    def __init__(self, function: Function, record: Callable[[Function, tuple[Tensor, ...]], Function] | None = None):
        self.function = function
        self._record = record or Recorder()
        self._replays: dict[Shapes, Function] = {}
        self._met: set[Shapes] = set()
        self._works = True

    def __call__(self, *inputs: Tensor) -> Tensor:
        shapes = tuple((tensor.shape, tensor.dtype) for tensor in inputs)
        if shapes not in self._replays and shapes in self._met and self._works and len(self._replays) < MOST:
            self._keep(shapes, inputs)
        if shapes in self._replays:
            return self._replays[shapes](*inputs)
        if len(self._met) < MOST_MET:
            self._met.add(shapes)
        return self.function(*inputs)

    def _keep(self, shapes: Shapes, inputs: tuple[Tensor, ...]) -> None:
        try:
            self._replays[shapes] = self._record(self.function, inputs)
        except RuntimeError as error:  # what CUDA refuses
            self._works = False
            print(f"acts without CUDA graphs, which is slower: {str(error).splitlines()[0]}", file=sys.stderr)


class Recorder:
    """Records calls as CUDA graphs, whose memory in between is one pool: they are replayed one after the other."""

    def __init__(self) -> None:
        self._pool: Any = None

    def __call__(self, function: Function, inputs: tuple[Tensor, ...]) -> Function:
        """A function of inputs of these shapes. RuntimeError where something waits for the device, or CUDA cannot."""
        if self._pool is None:
            self._pool = torch.cuda.graph_pool_handle()
        held = [tensor.clone() for tensor in inputs]
        graph = torch.cuda.CUDAGraph()
        # Other threads, such as those of a server, may go on with what a recording forbids.
        with (
            torch.cuda.device(held[0].device),
            torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"),
        ):
            given = function(*held)

        def replay(*inputs: Tensor) -> Tensor:
            for mine, theirs in zip(held, inputs, strict=True):
                mine.copy_(theirs)
            graph.replay()
            return given.clone()  # the next replay writes over it

        return replay
