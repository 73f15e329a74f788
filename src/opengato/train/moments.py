"""What the optimisers of a divided network remember, in a folder: every process writes its own part.

By torch.distributed.checkpoint, tensor by tensor as `NAME OF THE WEIGHT/momentum`, so that any number of processes can
read it, divided or not.
"""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn
from torch.distributed.checkpoint.metadata import Metadata, StorageMeta, TensorStorageMetadata

from opengato.train.distributed import Team, part_like
from opengato.train.optim import Optimizers

METADATA = ".metadata"
# What an index is made of. It is a pickle, and nothing else must come out of one.
_TORCH = "torch.distributed.checkpoint"
KNOWN = {
    *(("torch", name) for name in ("Size", "float32", "bfloat16", "float16", "float64", "int64", "strided")),
    ("torch.serialization", "_get_layout"),
    ("builtins", "set"),
    *(("pathlib", name) for name in ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")),
    *(("pathlib._local", name) for name in ("PosixPath", "WindowsPath")),
    ("collections", "OrderedDict"),
    *(
        (f"{_TORCH}.metadata", name)
        for name in (
            *("Metadata", "MetadataIndex", "ChunkStorageMetadata", "TensorStorageMetadata", "TensorProperties"),
            *("_MEM_FORMAT_ENCODING", "StorageMeta", "BytesStorageMetadata"),
        )
    ),
    (f"{_TORCH}.filesystem", "_StorageInfo"),
}


def write(folder: Path, agent: nn.Module, optimizers: Optimizers, team: Team) -> Callable[[], object]:
    """Begin to write, from copies made before it returns; calling what is returned waits until all have written."""
    found = {
        f"{name}/{key}": value
        for name, (part, weight) in _owners(agent, optimizers).items()
        for key, value in part.state.get(weight, {}).items()
    }
    written = dcp.async_save(found, storage_writer=dcp.FileSystemWriter(str(folder)), process_group=team.saving)
    return cast(Any, written).result


def read(folder: Path, agent: nn.Module, optimizers: Optimizers, team: Team) -> None:
    """Give the optimisers what they remembered; each process reads what it needs."""
    owners = _owners(agent, optimizers)
    found: dict[str, Tensor] = {}
    reader = _Reader(folder)
    for key, about in reader.read_metadata().state_dict_metadata.items():
        name, _, kind = key.rpartition("/")
        if name not in owners or not isinstance(about, TensorStorageMetadata):
            raise ValueError(f"{folder} remembers {key!r}, which is nothing that this run trains; begin a new run")
        part, weight = owners[name]
        if about.size == weight.shape:
            found[key] = torch.zeros_like(weight, requires_grad=False)
        else:
            found[key] = torch.zeros(about.size, dtype=about.properties.dtype, device=weight.device)
        part.state[weight][kind] = found[key]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")  # one process needs none of it
        dcp.load(found, storage_reader=reader, process_group=team.saving)


def divided(states: list[dict[str, Any]], optimizers: Optimizers) -> list[dict[str, Any]]:
    """Whole states, as `Optimizers.state_dict` gives them, divided as the weights are."""
    for state, part in zip(states, optimizers.parts, strict=True):
        weights = [weight for group in part.param_groups for weight in group["params"]]
        for index, memory in state["state"].items():
            like = weights[index]
            state["state"][index] = {
                key: part_like(value, like) if value.shape == like.shape else value for key, value in memory.items()
            }
    return states


def _owners(agent: nn.Module, optimizers: Optimizers) -> dict[str, tuple[torch.optim.Optimizer, nn.Parameter]]:
    """Each trained weight with its optimiser, by its name."""
    names = {weight: name for name, weight in agent.named_parameters()}
    return {
        names[weight]: (part, weight)
        for part in optimizers.parts
        for group in part.param_groups
        for weight in group["params"]
    }


class _Reader(dcp.FileSystemReader):
    """Reads the index as nothing but an index."""

    def read_metadata(self, *args: Any, **kwargs: Any) -> Metadata:
        with (Path(self.path) / METADATA).open("rb") as file:
            metadata = _Unpickler(file).load()
        metadata.storage_meta = metadata.storage_meta or StorageMeta()
        metadata.storage_meta.load_id = self.load_id
        return metadata


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: BinaryIO):
        super().__init__(file)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            raise pickle.UnpicklingError(f"the index of a checkpoint names {module}.{name}, which is no part of one")
        return super().find_class(module, name)
