"""The estimate of memory against what a real run holds: exact for numbers, within 4 % for activations.

Letters: B rows, T slots.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from opengato.agent import model
from opengato.agent.model import Agent
from opengato.backbones import decoder
from opengato.core.batch import PackedBatch
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.modalities.image import resnet
from opengato.objectives import next_token
from opengato.recipes import gato_sizes
from opengato.train import loop, memory, optim
from opengato.train.distributed import Alone
from opengato.train.loop import train_step
from tests.tiny import ENCODINGS, PATCH, documents_of_all_kinds

WIDER = decoder.Config(width=64, depth=4, heads=4, hidden=96, window=48, sinks=8)
GATO = replace(WIDER, activation="gelu", norm_bias=True, drop_path=0.1)
PLAIN = replace(WIDER, gated=False)


def config(encoding: str = "vector", trunk: decoder.Config = WIDER, **changes: Any) -> loop.Config:
    """Patches through the residual block, so that convolutions are estimated too."""
    agent = ENCODINGS[encoding]()
    images = {"image": resnet.Config(patch=PATCH, max_side=4 * PATCH, channels=32, pool=2)}
    agent = replace(agent, backbone=trunk, modalities={**agent.modalities, **images})
    return loop.Config(agent=agent, objective=next_token.Config(), **changes)


def packed(agent: model.Config) -> PackedBatch:
    """A document a row, every modality in it."""
    sequences = [agent.serializer().episode(episode) for episode in documents_of_all_kinds()]
    documents = [Document(sequence=s, source=0, episode=i) for i, s in enumerate(sequences)]
    return pack_documents(documents, max(map(len, documents)))


def really_kept(agent: Agent, batch: PackedBatch, dtype: torch.dtype) -> int:
    """Bytes that autograd holds after a forward pass, each storage once by its address."""
    numbers = {tensor.untyped_storage().data_ptr() for tensor in (*agent.parameters(), *agent.buffers())}
    held: dict[int, int] = {}
    alive: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in numbers and tensor.is_floating_point():
            held[storage.data_ptr()] = storage.nbytes()
            alive.append(tensor)
        return tensor.detach()

    with saved_tensors_hooks(note, lambda tensor: tensor), torch.autocast("cpu", dtype, dtype != torch.float32):
        loss, _ = next_token.Config().build()(agent, batch)
    assert loss.requires_grad
    return sum(held.values())


def estimated(config: model.Config, batch: PackedBatch, dtype: torch.dtype, *, recompute: bool = False) -> int:
    """The same from shapes alone, for as many positions of each modality as the batch has."""
    agent = memory.on_meta(config)
    rows, slots = batch.document_BT.shape
    trunk = memory.recomputed_trunk_bytes if recompute else memory.trunk_bytes
    total = trunk(config.backbone, rows, slots, dtype)
    for name, targets in batch.predict_N.items():
        total += memory.modality_bytes(agent.modality(name), len(targets), int(targets.sum()), dtype)
    return total


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("encoding", "trunk"), [("vector", WIDER), ("vector", GATO), ("tokens", PLAIN)])
def test_activations_are_within_4_percent(encoding: str, trunk: decoder.Config, dtype: torch.dtype) -> None:
    """In bfloat16 too many on a CPU, which does not keep what a kernel gives to find the gradient by."""
    agent_config = config(encoding, trunk).agent
    batch = packed(agent_config)
    kept = really_kept(agent_config.build().train(), batch, dtype)
    assert estimated(agent_config, batch, dtype) == pytest.approx(kept, rel=0.04)


def test_recomputing_is_within_3_percent() -> None:
    """All inputs of blocks, and one block while it is computed again: a quarter of what four blocks keep."""
    agent_config = config().agent
    batch = packed(agent_config)
    kept = really_kept(agent_config.build().train(), batch, torch.float32)
    less = replace(agent_config, backbone=replace(WIDER, recompute=True))
    entries = really_kept(less.build().train(), batch, torch.float32)
    assert entries < kept / 2
    peak = entries + (kept - entries) / WIDER.depth
    assert estimated(agent_config, batch, torch.float32, recompute=True) == pytest.approx(peak, rel=0.03)


@pytest.mark.parametrize("rate", [0.02, None])
def test_numbers_are_exact(rate: float | None) -> None:
    """Weights, and moments and counts of both optimisers, after a step that reaches every parameter."""
    settings = config(optim=optim.Config(matrix_learning_rate=rate))
    agent = settings.agent.build().train()
    optimizers = optim.build(agent, settings.optim)
    train_step(Alone(agent, next_token.Config().build()), optimizers, [packed(settings.agent)], rate=1.0, clip=1.0)
    states = [tensor for part in optimizers.parts for state in part.state.values() for tensor in state.values()]
    found = memory.estimate(settings, rows=4)
    assert found.optimizer == sum(tensor.nbytes for tensor in states)
    assert found.gradients == sum(parameter.nbytes for parameter in agent.parameters())
    assert found.parameters == found.gradients + sum(buffer.nbytes for buffer in agent.buffers())
    assert found.total == found.parameters + found.gradients + found.optimizer + found.activations


def test_a_recipe_is_not_told_too_little() -> None:
    """Whatever fills the rows, it keeps no more than was said."""
    settings = config()
    batch = packed(settings.agent)
    agent = replace(settings.agent, context=batch.document_BT.shape[1])
    found = memory.estimate(replace(settings, agent=agent), rows=len(batch.document_BT))
    assert found.activations == found.kept
    assert found.kept > really_kept(agent.build().train(), batch, torch.float32)


def test_parts_and_recomputing_are_counted() -> None:
    whole, parts = memory.estimate(config(), rows=8), memory.estimate(config(accumulate=4), rows=8)
    assert parts.kept == pytest.approx(whole.kept / 4, rel=0.01)
    assert (parts.parameters, parts.optimizer) == (whole.parameters, whole.optimizer)
    recomputing = memory.estimate(config(trunk=replace(WIDER, recompute=True)), rows=8)
    assert whole.recomputed is not None
    assert recomputing.activations == whole.recomputed < whole.activations == recomputing.kept
    assert "if recomputed)" in str(whole)
    assert "if kept)" in str(recomputing)


def test_the_size_of_a_network_that_no_machine_here_holds() -> None:
    settings = config(trunk=gato_sizes.trunk("1.18B", "full"), optim=gato_sizes.optimizer("1.18B"))
    found = memory.estimate(settings, rows=512, dtype=torch.bfloat16)
    parameters = memory.on_meta(settings.agent).num_parameters
    assert parameters > 1.6e9
    assert found.gradients == 4 * parameters
    assert 2 * found.gradients < found.optimizer < 2.001 * found.gradients
    # At the least, each of 24 blocks keeps its input and that of its second half (float32).
    assert found.kept > 24 * 2 * 4 * 512 * settings.agent.context * 2048
