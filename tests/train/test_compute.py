"""Operations of a step against formulas: a layer, attention on the CPU, and the whole of a small agent's step.

Letters: B rows, T slots, H heads, K head width, N rows of a layer.
"""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from opengato.core.batch import PackedBatch
from opengato.core.episode import document
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.nn.attention import attend
from opengato.objectives import next_token
from opengato.train import loop, optim
from opengato.train.compute import counted, step_flops
from tests.tiny import trunk, vector_config


@pytest.mark.parametrize("needs_gradient", [False, True])
def test_a_linear_layer_forward_and_backward(needs_gradient: bool) -> None:
    """2 n a b forward; as many for the gradient of the weights, and for that of the input where it is asked for."""
    n, a, b = 5, 7, 11
    layer = torch.nn.Linear(a, b)
    x_NA = torch.randn(n, a, requires_grad=needs_gradient)
    assert counted(lambda: layer(x_NA).sum().backward()) == (2 + needs_gradient) * 2 * n * a * b


@pytest.mark.parametrize("masked", [False, True])
def test_attention_forward_and_backward(masked: bool) -> None:
    """Two products of T x T x K forward; five backward, as the kernel computes the scores again."""
    rows, heads, slots, width = 2, 3, 16, 8
    q, k, v = (torch.randn(rows, heads, slots, width, requires_grad=True) for _ in range(3))
    mask_BTT = torch.ones(rows, slots, slots, dtype=torch.bool).tril() if masked else None
    product = 2 * rows * heads * slots * slots * width
    assert counted(lambda: attend(q, k, v, mask_BTT)) == 2 * product
    assert counted(lambda: attend(q, k, v, mask_BTT).sum().backward()) == 7 * product


def test_a_convolution_forward() -> None:
    """2 products for each weight at each place of the output."""
    x, weight = torch.randn(2, 3, 9, 9), torch.randn(4, 3, 3, 3)
    assert counted(lambda: F.conv2d(x, weight)) == 2 * 2 * (4 * 3 * 3 * 3) * 7 * 7


def texts() -> tuple[loop.Config, PackedBatch, int]:
    """A small agent of text alone, a batch for it, and how many slots it predicts."""
    config = vector_config()
    agent = dataclasses.replace(
        config,
        modalities={"text": config.modalities["text"]},
        routes={route: name for route, name in config.routes.items() if name == "text"},
    )
    sequence = agent.serializer().episode(document("text/toy", "abc"))
    batch = pack_documents([Document(sequence=sequence, source=0, episode=0)], len(sequence))
    settings = loop.Config(agent=agent, objective=next_token.Config(), optim=optim.Config(matrix_learning_rate=None))
    return settings, batch, int(sequence.predict_T.sum())


def test_a_step_by_hand() -> None:
    """Of a row of T slots: width D = 32, 2 blocks, feed-forward of 48 with a gate, a head over the ids.

    Attention: 2 products forward, 5 backward; layers: 3 in all.
    """
    config, batch, num_predicted = texts()
    slots, width, hidden, depth = batch.document_BT.shape[1], 32, 48, 2
    assert (trunk().width, trunk().hidden, trunk().depth) == (width, hidden, depth)
    layers = 2 * slots * (3 * width * width + width * width + 3 * width * hidden)
    scores = 2 * slots * slots * width  # all heads together
    head = 2 * num_predicted * width * config.agent.build().modality("text").codec.num_ids  # ty: ignore
    assert step_flops(config, [batch]) == 3 * (depth * layers + head) + 7 * depth * scores


def test_the_products_of_the_optimiser_count() -> None:
    """Muon: of a matrix m x n, m the smaller, five times m m n, m m m and m m n products."""
    config, batch, _ = texts()
    muon = dataclasses.replace(config, optim=optim.Config())
    extra = step_flops(muon, [batch]) - step_flops(config, [batch])
    matrices = [p.shape for name, p in config.agent.build().named_parameters() if name.startswith("backbone.")]
    pairs = [(min(shape), max(shape)) for shape in matrices if len(shape) == 2]
    assert extra == sum(5 * 2 * (2 * m * m * n + m**3) for m, n in pairs)


def test_what_is_computed_again_counts() -> None:
    """To spare memory the blocks run forward twice, but for the last product of each, whose result is known."""
    config, batch, _ = texts()
    slots, width, hidden, depth = batch.document_BT.shape[1], 32, 48, 2
    again = dataclasses.replace(config.agent, backbone=dataclasses.replace(trunk(), recompute=True))
    extra = step_flops(dataclasses.replace(config, agent=again), [batch]) - step_flops(config, [batch])
    assert extra == depth * (2 * slots * (4 * width * width + 2 * width * hidden) + 2 * 2 * slots * slots * width)


def test_several_batches_are_averaged() -> None:
    config, batch, _ = texts()
    assert step_flops(config, [batch, batch]) == step_flops(config, [batch])
    with pytest.raises(ValueError, match="received no batches"):
        step_flops(config, [])
