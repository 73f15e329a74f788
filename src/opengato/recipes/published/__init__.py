"""Networks of the literature: their architectures, and their published weights read into modules of ours.

`load_transformers(folder)` reads what `save_pretrained` of Hugging Face's transformers wrote, without that package: a
`config.json`, and weights as safetensors or, without unpickling anything but tensors, as `pytorch_model.bin`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import nn

from opengato.core.config import choose
from opengato.recipes.published import data2vec, perceiver, timesformer, vit
from opengato.recipes.published.weights import Reader, read_tensors

CONFIG = "config.json"
READERS: dict[str, Reader] = {
    name: reader for module in (perceiver, vit, data2vec, timesformer) for name, reader in module.READERS.items()
}
"""By the architecture that a `config.json` names."""


def load_transformers(folder: str | Path, original: bool = False) -> nn.Module:
    """A Hugging Face folder of Perceiver, ViT, data2vec or TimeSformer as a network of ours, ready to evaluate.

    It computes what transformers computes. With `original`, a Perceiver computes what DeepMind's program does with the
    same weights, where the two differ: GELU by tanh, convolutions padded like TensorFlow's, no residual of the query in
    the classifier with learned places.
    """
    folder = Path(folder)
    if not (folder / CONFIG).is_file():
        raise FileNotFoundError(
            f"no {CONFIG} in {str(folder)!r}; give a folder that `save_pretrained` wrote, or a copy of one of the hub"
        )
    settings = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    name = choose(architecture(settings, folder), READERS, what="architecture in config.json")
    reader = READERS[name]
    if original and reader.original is None:
        raise ValueError(f"{name} computes the same everywhere; leave `original` out")
    network = reader.original(settings) if original and reader.original else reader.network(settings)
    reader.fill(network, read_tensors(folder))
    return network.eval()


def architecture(settings: dict[str, Any], folder: Path) -> str:
    """The one that a config names; ValueError where it names none."""
    named = settings.get("architectures") or []
    if len(named) != 1:
        raise ValueError(f"{folder / CONFIG} names the architectures {named}, expected a single one")
    return named[0]
