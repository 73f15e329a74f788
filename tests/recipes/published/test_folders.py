"""What a folder may hold, and what is said where it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import opengato
from opengato.recipes.published import vit
from opengato.recipes.published.weights import FILE, INDEX, OLD
from tests.close import assert_close

SETTINGS: dict[str, Any] = {
    "architectures": ["ViTModel"], "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
    "intermediate_size": 8, "image_size": 4, "patch_size": 2,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    transformers = pytest.importorskip("transformers")
    transformers.utils.logging.disable_progress_bar()
    settings = {name: value for name, value in SETTINGS.items() if name != "architectures"}
    transformers.ViTModel(transformers.ViTConfig(**settings)).save_pretrained(tmp_path)
    return tmp_path


@torch.inference_mode()
def test_weights_in_parts_and_of_old_are_the_same(folder: Path) -> None:
    pixels = torch.randn(1, 4, 4, 3)
    expected = opengato.load_transformers(folder)(pixels)
    tensors = load_file(folder / FILE)
    (folder / FILE).unlink()
    torch.save(tensors, folder / OLD)
    assert_close(opengato.load_transformers(str(folder))(pixels), expected)
    (folder / OLD).unlink()
    names = sorted(tensors)
    parts = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
    for part, held in parts.items():
        save_file({name: tensors[name] for name in held}, folder / part)
    index = {"weight_map": {name: part for part, held in parts.items() for name in held}}
    (folder / INDEX).write_text(json.dumps(index))
    assert_close(opengato.load_transformers(folder)(pixels), expected)


def test_the_names_within_transformers_5_are_read_too(folder: Path) -> None:
    """It writes those of version 4, but holds others, which a program may write as they are."""
    tensors = load_file(folder / FILE)
    new = {
        "attention.attention.query": "attention.q_proj", "attention.attention.key": "attention.k_proj",
        "attention.attention.value": "attention.v_proj", "attention.output.dense": "attention.o_proj",
        "intermediate.dense": "mlp.fc1", "output.dense": "mlp.fc2", "encoder.layer.": "layers.",
    }  # fmt: skip
    renamed = {}
    for name, tensor in tensors.items():
        for old, other in new.items():
            name = name.replace(old, other)
        renamed[name] = tensor
    assert renamed.keys() != tensors.keys()
    pixels = torch.randn(1, 4, 4, 3)
    expected = opengato.load_transformers(folder)(pixels)
    save_file(renamed, folder / FILE)
    assert torch.equal(opengato.load_transformers(folder)(pixels), expected)


def test_nothing_but_tensors_is_unpickled(folder: Path) -> None:
    (folder / FILE).unlink()
    torch.save({"a": Path("x")}, folder / OLD)
    with pytest.raises(Exception, match="Weights only load failed"):
        opengato.load_transformers(folder)


def test_errors_name_what_is_wrong(folder: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no config.json in .*nowhere"):
        opengato.load_transformers(folder / "nowhere")
    with pytest.raises(ValueError, match="ViTModel computes the same everywhere"):
        opengato.load_transformers(folder, original=True)
    tensors, config = load_file(folder / FILE), (folder / "config.json").read_text()
    reader = vit.READERS["ViTModel"]
    network = reader.network(SETTINGS)
    with pytest.raises(ValueError, match=r"hold 'encoder.strange' .* for which a Encoded has no place"):
        reader.fill(network, tensors | {"encoder.strange": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"lack \['encoder.norm.bias'\] \(1 tensors\)"):
        reader.fill(network, {name: tensor for name, tensor in tensors.items() if name != "layernorm.bias"})
    with pytest.raises(ValueError, match=r"'layernorm.bias' has the shape \(3,\), expected \(8,\)"):
        reader.fill(network, tensors | {"layernorm.bias": torch.zeros(3)})
    (folder / "config.json").write_text(config.replace("ViTModel", "ViTModels"))
    with pytest.raises(ValueError, match="did you mean 'ViTModel'"):
        opengato.load_transformers(folder)
    (folder / "config.json").write_text(json.dumps({"architectures": []}))
    with pytest.raises(ValueError, match=r"names the architectures \[\], expected a single one"):
        opengato.load_transformers(folder)
    (folder / "config.json").write_text(config)
    (folder / FILE).unlink()
    with pytest.raises(FileNotFoundError, match="no weights in"):
        opengato.load_transformers(folder)
