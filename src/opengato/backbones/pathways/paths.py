"""Modules side by side, each on a device of its own where there are several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from opengato.nn.blocks import Look


def check_paths(paths: int) -> None:
    """ValueError where there is none."""
    if paths < 1:
        raise ValueError(f"`paths` is {paths}, expected 1 or more")


class Paths(nn.ModuleList):
    """Modules of which number i stays on device i of `devices`, counted round, wherever the network around them goes.

    Without devices they go with it.
    """

    def __init__(self, modules: Iterable[nn.Module], devices: tuple[str, ...]):
        super().__init__(modules)
        self.devices = devices
        self._settle()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Paths:
        super()._apply(fn, recurse)
        self._settle()
        return self

    def _settle(self) -> None:
        for number, module in enumerate(self):
            numbers = [*module.parameters(), *module.buffers()]
            if self.devices and not any(tensor.is_meta for tensor in numbers):  # shapes alone have no place
                module.to(self.devices[number % len(self.devices)])

    def placed(self, home: torch.device) -> Iterator[tuple[nn.Module, torch.device]]:
        """Each module with its device, which is `home` if none was named."""
        for number, module in enumerate(self):
            yield module, torch.device(self.devices[number % len(self.devices)]) if self.devices else home


def moved(look: Look, home: torch.device, device: torch.device) -> Look:
    """`look`, which works at `home`, for a block on another device."""
    if device == home:
        return look
    return lambda q, k, v: look(q.to(home), k.to(home), v.to(home)).to(device)


def sight_on(sight: Any, device: torch.device) -> Any:
    """Who sees whom, as `attend` takes it: a mask, blocks of one, or several in stairs."""
    return tuple(mask.to(device) for mask in sight) if isinstance(sight, tuple) else sight.to(device)
