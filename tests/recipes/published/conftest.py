"""What parity tests share: a network of transformers, random and sharp, saved to disk and read by us."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import opengato

Both = tuple[Any, Any]
Parity = Callable[..., Both]


@pytest.fixture
def parity(tmp_path: Path) -> Parity:
    """`parity("ViT", "ViTModel", **settings)`: theirs, and ours read from their folder."""
    transformers = pytest.importorskip("transformers")
    transformers.utils.logging.disable_progress_bar()

    def make(family: str, architecture: str, original: bool = False, **settings: Any) -> Both:
        torch.manual_seed(0)
        theirs = getattr(transformers, architecture)(getattr(transformers, f"{family}Config")(**settings)).eval()
        randomise(theirs)
        theirs.save_pretrained(tmp_path)
        return theirs, opengato.load_transformers(tmp_path, original=original)

    return make


def randomise(network: nn.Module) -> None:
    """Every number other than it begins: zeros and ones would hide what is exchanged or left out."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in [*network.named_parameters(), *network.named_buffers()]:
        if not tensor.is_floating_point():
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        with torch.no_grad():
            if name.endswith("running_var"):
                tensor.copy_(noise.abs() + 0.5)
            elif tensor.ndim < 2:
                tensor.add_(0.2 * noise)
            else:
                fan_in = tensor[0].numel() if tensor.ndim > 1 else 1
                tensor.copy_(noise / fan_in**0.5)
