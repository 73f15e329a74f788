"""Attention and its masks against loops.

Letters: B rows, T query slots, S key slots, H heads, K head width.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from opengato.nn.attention import (
    STEP,
    GradientWrittenOut,
    attend,
    attention_weights,
    same_document,
    stairs,
    visible,
)
from tests.close import assert_close


def test_attention_is_a_softmax_over_what_is_seen() -> None:
    rows, queries, keys, heads, width = 2, 4, 6, 3, 5
    generator = torch.Generator().manual_seed(1)
    q = 2 * torch.randn(rows, heads, queries, width, generator=generator)
    k, v = (2 * torch.randn(rows, heads, keys, width, generator=generator) for _ in range(2))
    mask = torch.rand(rows, queries, keys, generator=generator) < 0.5
    mask[:, :, 0] = True  # no query without anything to see
    received = attend(q, k, v, mask).double().numpy()
    for b, h, t in itertools.product(range(rows), range(heads), range(queries)):
        seen = [s for s in range(keys) if mask[b, t, s]]
        scores = [sum(float(q[b, h, t, i] * k[b, h, s, i]) for i in range(width)) / math.sqrt(width) for s in seen]
        weights = [math.exp(score - max(scores)) for score in scores]
        mixed = sum(w * v[b, h, s].double().numpy() for w, s in zip(weights, seen, strict=True)) / sum(weights)
        np.testing.assert_allclose(received[b, h, t], mixed, atol=1e-5)


def test_the_weights_are_those_that_attention_sums_values_with() -> None:
    generator = torch.Generator().manual_seed(2)
    q, k, v = (2 * torch.randn(2, 3, 6, 4, generator=generator) for _ in range(3))
    mask = torch.rand(2, 6, 6, generator=generator) < 0.6
    mask |= torch.eye(6, dtype=torch.bool)
    weights = attention_weights(q, k, mask)
    assert (weights.masked_select(~mask[:, None]) == 0).all()
    assert_close(weights.sum(-1), torch.ones(2, 3, 6))
    assert_close(weights @ v, attend(q, k, v, mask))
    # What is summed are the values themselves: with unit vectors for values, the weights come out of `attend`.
    assert_close(weights, attend(q, k, torch.eye(6).expand(2, 3, 6, 6), mask))


@pytest.mark.parametrize("keys", [1, 2, 4])
@pytest.mark.parametrize("queries", [1, 5])
def test_heads_of_keys_serve_those_of_queries_in_turn(keys: int, queries: int) -> None:
    """As if each were there as often as it is used: the same, of one query or of many."""
    generator = torch.Generator().manual_seed(3)
    q = 2 * torch.randn(2, 4, queries, 6, generator=generator)
    k, v = (2 * torch.randn(2, keys, 7, 6, generator=generator) for _ in range(2))
    mask = torch.rand(2, queries, 7, generator=generator) < 0.5
    mask[:, :, 2] = True
    many_k, many_v = (x.repeat_interleave(4 // keys, 1) for x in (k, v))
    for seen in (mask, None):
        assert_close(attend(q, k, v, seen), attend(q, many_k, many_v, seen))
    assert_close(attention_weights(q, k, mask), attention_weights(q, many_k, mask))


def test_the_gradient_that_is_written_out_is_the_derivative_and_has_one() -> None:
    """By finite differences, once and twice: what learns to learn asks for the second."""
    generator = torch.Generator().manual_seed(4)
    q, k, v = (torch.randn(2, 2, n, 4, generator=generator, dtype=torch.float64) for n in (3, 5, 5))
    bias = torch.zeros(2, 1, 3, 5, dtype=torch.float64)
    bias[0, 0, 1, 2:] = -torch.inf
    arrays = tuple(x.requires_grad_() for x in (q, k, v))
    for rest in ((bias, None), (None, 0.3)):
        attention = lambda q, k, v, rest=rest: GradientWrittenOut.apply(q, k, v, *rest)  # noqa: E731
        assert torch.autograd.gradcheck(attention, arrays)
        with sdpa_kernel(SDPBackend.MATH):
            assert torch.autograd.gradgradcheck(attention, arrays)


@pytest.mark.parametrize("scale", [None, 0.5])
@pytest.mark.parametrize("masked", [True, False])
def test_bfloat16_gives_the_values_and_gradients_of_float64(masked: bool, scale: float | None) -> None:
    generator = torch.Generator().manual_seed(6)
    q, k, v, upward = (torch.randn(2, 2, n, 8, generator=generator) for n in (9, 30, 30, 9))
    mask = torch.rand(2, 9, 30, generator=generator) < 0.7 if masked else None
    found = []
    for number in (torch.float64, torch.bfloat16):
        mine = [x.bfloat16().to(number).requires_grad_() for x in (q, k, v)]
        seen = attend(*mine, mask, scale=scale)
        assert (type(seen.grad_fn).__name__ == "GradientWrittenOutBackward") == (number == torch.bfloat16)
        found.append((seen, *torch.autograd.grad(seen, mine, upward.bfloat16().to(number))))
    for exact, received in zip(*found, strict=True):
        assert (received.double() - exact).norm() / exact.norm() < 0.01


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_stairs_are_what_the_mask_is(dtype: torch.dtype) -> None:
    """Also in the gradient, in rows of several documents that do not end where a stair does."""
    slots, generator = 2 * STEP + 44, torch.Generator().manual_seed(5)
    document = torch.stack([torch.arange(slots) // 90, (torch.arange(slots) > 200).long()])
    position = torch.stack([torch.arange(slots) % 90, torch.arange(slots) - 201 * document[1]])
    mask = same_document(document) & visible(position, position, position < 3, window=60)
    cut = stairs(mask)
    assert isinstance(cut, tuple)
    assert [each.shape[1:] for each in cut] == [(STEP, STEP), (STEP, 2 * STEP), (44, slots)]
    q, k, v, upward = (torch.randn(2, 2, slots, 8, generator=generator) for _ in range(4))
    found = []
    for number, sight in ((torch.float64, mask), (dtype, cut)):
        mine = [x.to(dtype).to(number).requires_grad_() for x in (q, k, v)]
        seen = attend(mine[0], mine[1], mine[2], sight)
        found.append((seen, *torch.autograd.grad(seen, mine, upward.to(dtype).to(number))))
    for exact, received in zip(*found, strict=True):
        off = (received.double() - exact).norm() / exact.norm()
        assert off < (0.01 if dtype == torch.bfloat16 else 1e-6)


def test_a_mask_by_which_a_slot_sees_a_later_one_is_not_cut() -> None:
    mask = torch.ones(1, STEP + 8, STEP + 8, dtype=torch.bool).tril()
    assert isinstance(stairs(mask), tuple)
    assert isinstance(stairs(mask[:, :STEP, :STEP]), torch.Tensor), "one stair is the mask"
    mask[0, 3, STEP + 2] = True
    assert stairs(mask) is mask


@pytest.mark.parametrize(("window", "kept"), [(1, 0), (3, 0), (3, 2), (4, 1), (100, 5)])
def test_visible_is_the_past_in_the_window_and_what_is_kept(window: int, kept: int) -> None:
    query = torch.tensor([[0, 1, 5, 9, 12], [3, 4, 5, 6, 0]])
    key = torch.tensor([[0, 1, 2, 5, 7, 9, 12, -1], [6, 5, 4, 3, -1, -1, 0, 1]])
    received = visible(query, key, key < kept, window)
    for b, t, s in itertools.product(range(2), range(5), range(8)):
        q, k = int(query[b, t]), int(key[b, s])
        expected = k != -1 and k <= q and (k in range(q - window + 1, q + 1) or k in range(kept))
        assert bool(received[b, t, s]) == expected, (q, k)


def test_documents_see_themselves_and_padding_sees_padding() -> None:
    document = torch.tensor([[0, 0, 1, -1, -1]])
    expected = [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 1, 1]]
    assert same_document(document)[0].int().tolist() == expected
