"""Tensors of a published folder, and how their names become ours."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from opengato.core.config import choose

FILE, INDEX, OLD = "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}

Names = tuple[tuple[str, str], ...]
"""Regular expressions and what takes their place, applied in this order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """How one architecture is read: a network from its settings, and its tensors by their new names.

    `original` makes it compute as its authors' program does, where that differs from transformers.
    `left_out` are names, after renaming, of what the network has no use for; `prepare` sees all tensors first.
    """

    network: Callable[[Mapping[str, Any]], nn.Module]
    names: Names
    original: Callable[[Mapping[str, Any]], nn.Module] | None = None
    left_out: str = r"(?!)"
    prepare: Callable[[dict[str, Tensor]], dict[str, Tensor]] = dict

    def fill(self, network: nn.Module, tensors: dict[str, Tensor]) -> None:
        """Put every tensor where it belongs; ValueError if one is missing, left over or of another shape."""
        own = network.state_dict()
        found: dict[str, Tensor] = {}
        for name, tensor in self.prepare(tensors).items():
            new = renamed(name, self.names)
            if re.fullmatch(self.left_out, new):
                continue
            if new not in own:
                raise ValueError(
                    f"the weights hold {name!r} ({new!r}), for which a {type(network).__name__} has no place"
                )
            found[new] = shaped(tensor, own[new].shape, name)
        if missing := sorted(set(own) - set(found)):
            raise ValueError(f"the weights lack {missing[:5]} ({len(missing)} tensors) of a {type(network).__name__}")
        network.load_state_dict(found)


def renamed(name: str, names: Names) -> str:
    """The name of a tensor here."""
    for pattern, new in names:
        name = re.sub(pattern, new, name)
    return name


def shaped(tensor: Tensor, shape: torch.Size, name: str) -> Tensor:
    """The same numbers in our shape: kernels of patches become rows of a matrix, single dimensions come or go."""
    if tensor.ndim == 4 and len(shape) == 2:
        tensor = tensor.permute(0, 2, 3, 1).flatten(1)
    if [n for n in tensor.shape if n != 1] != [n for n in shape if n != 1]:
        raise ValueError(f"{name!r} has the shape {tuple(tensor.shape)}, expected {tuple(shape)}")
    return tensor.reshape(shape)


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of a folder by name; nothing else is ever unpickled."""
    if (folder / INDEX).is_file():
        parts = sorted(set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values()))
        return {name: tensor for part in parts for name, tensor in load_file(folder / Path(part).name).items()}
    if (folder / FILE).is_file():
        return load_file(folder / FILE)
    if (folder / OLD).is_file():
        return torch.load(folder / OLD, map_location="cpu", weights_only=True)
    raise FileNotFoundError(f"no weights in {str(folder)!r}; expected {FILE}, {INDEX} or {OLD}")


def activation(settings: Mapping[str, Any], key: str = "hidden_act") -> Any:
    """Our name of an activation."""
    name = settings.get(key, "gelu")
    return ACTIVATIONS[choose(name, ACTIVATIONS, what=f"`{key}`")]


def pair(value: Any) -> tuple[int, int]:
    """Height and width, of which many configs give one number."""
    if isinstance(value, int):
        return value, value
    height, width = value
    return height, width


def classes(settings: Mapping[str, Any]) -> int:
    """How many labels a config has; transformers writes their names, two where nothing is said."""
    if "num_labels" in settings:
        return settings["num_labels"]
    return len(settings.get("id2label", (0, 1)))
