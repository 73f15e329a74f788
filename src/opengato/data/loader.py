"""Batches for training: built by background workers, in an order that depends on nothing but the seed.

The state of the loader is the number of the next batch: `batches(start=k)` goes on exactly where a run stopped, with
any number of workers, and any number of processes see the same global batches.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from opengato.core.batch import PackedBatch
from opengato.data.mixture import Mixture
from opengato.data.packing import PackedGroup, collate, pack


@dataclass(frozen=True, kw_only=True, slots=True)
class LoaderConfig:
    """How batches are made.

    `groups` per global batch (rows = groups * rows_per_group), background `workers` (0: none), batches to `prefetch`
    per worker.
    """

    groups: int = 1
    workers: int = 1
    prefetch: int = 4


class _Groups(Dataset):
    """Item g is group g of the mixture, packed."""

    def __init__(self, mixture: Mixture):
        self.mixture = mixture

    def __getitem__(self, index: int) -> PackedGroup:
        return pack(self.mixture.group(index), self.mixture.config.length)


class _Batches(Sampler):
    """The groups of each batch of one process, from batch `start` on, without end."""

    def __init__(self, groups: int, rank: int, world_size: int):
        self.groups, self.rank, self.share = groups, rank, groups // world_size
        self.start = 0

    def __iter__(self) -> Iterator[list[int]]:
        batch = self.start
        while True:
            first = batch * self.groups + self.rank * self.share
            yield list(range(first, first + self.share))
            batch += 1


def _start_worker(_worker: int) -> None:
    torch.set_num_threads(1)
    # Ctrl-C and a scheduler's SIGTERM reach the whole process group. Whether to stop is for the training process to
    # say: it still needs batches for the step under way, and ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


class Loader:
    """`batches(start)` yields this process's share of batch start, start + 1, ... without end.

    A global batch is groups [b * groups, (b + 1) * groups), cut into equal runs by rank: joined in order of rank the
    rows are the same for any `world_size`, which must divide `groups`. An error in a worker is raised here and names
    source, episode and group. Workers live on between calls; `close()` or leaving the `with` ends them.
    """

    Config: ClassVar[type[LoaderConfig]] = LoaderConfig

    def __init__(self, mixture: Mixture, config: LoaderConfig, *, rank: int = 0, world_size: int = 1):
        if config.groups < 1 or config.groups % world_size:
            raise ValueError(
                f"`loader.groups` is {config.groups}, expected a multiple of the {world_size} processes; set it, and "
                "`rows_per_group` to keep the rows of a batch"
            )
        if not 0 <= rank < world_size:
            raise ValueError(f"`rank` is {rank}, expected 0 to {world_size - 1}")
        self.mixture, self.config = mixture, config
        self._sampler = _Batches(config.groups, rank, world_size)
        background = config.workers > 0
        self._loader: DataLoader | None = DataLoader(
            _Groups(mixture),
            batch_sampler=self._sampler,
            num_workers=config.workers,
            collate_fn=collate,
            prefetch_factor=config.prefetch if background else None,
            persistent_workers=background,
            worker_init_fn=_start_worker,
            # The default generator would take a number from torch's global one and change what others draw.
            generator=torch.Generator().manual_seed(0),
        )
        self._iterator: Iterator[PackedBatch] | None = None

    def __enter__(self) -> Loader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def batches(self, start: int = 0) -> Iterator[PackedBatch]:
        """Batches from number `start` on; a second call ends the first."""
        if self._loader is None:
            raise ValueError("the loader is closed; make a new one")
        if start < 0:
            raise ValueError(f"`start` is {start}, expected the number of a batch, 0 or more")
        self._sampler.start = start
        self._iterator = iter(self._loader)
        return self._iterator

    def close(self) -> None:
        """End the workers. Closing twice does nothing."""
        if self._iterator is not None and self.config.workers:
            # Dropping it is not enough: where a traceback holds it, its workers, deaf to SIGTERM, would outlive the
            # program's last line, and Python would wait for them for ever.
            self._iterator._shutdown_workers()  # ty: ignore[missing-attribute]
        self._iterator = None
        self._loader = None
