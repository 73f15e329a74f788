"""Attention of queries to inputs against numpy, written out. Letters: B rows, T queries, S inputs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from opengato.nn.attention import attend
from opengato.nn.cross_attention import Attention, Layer, PerceiverLayer, Widths
from tests.close import assert_close
from tests.tiny import sharpen

WIDTHS = Widths(query=6, inputs=5, qk=4, value=8, heads=2)


def by_hand(made: Attention, query: np.ndarray, inputs: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """One row (T, D) from (S, C), head by head; `seen` (T, S)."""
    weights = {name: parameter.detach().numpy() for name, parameter in made.named_parameters()}
    q, k, v = (
        x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]
        for name, x in (("query", query), ("key", inputs), ("value", inputs))
    )
    parts = []
    for head in range(2):
        score = q[:, 2 * head : 2 * head + 2] @ k[:, 2 * head : 2 * head + 2].T / math.sqrt(2)
        share = np.exp(score) * seen
        parts.append(share / share.sum(1, keepdims=True) @ v[:, 4 * head : 4 * head + 4])
    return np.concatenate(parts, 1) @ weights["out.weight"].T + weights["out.bias"]


@pytest.mark.parametrize("masked", [False, True])
def test_attention_by_hand(masked: bool) -> None:
    made = Attention(WIDTHS)
    query, inputs = torch.randn(2, 3, 6), torch.randn(2, 7, 5)
    mask = torch.rand(2, 3, 7) > 0.5
    mask[..., 0] = True
    received = made(query, inputs, mask if masked else None)
    for row in range(2):
        seen = mask[row].numpy() if masked else np.ones((3, 7))
        expected = by_hand(made, query[row].numpy(), inputs[row].numpy(), seen)
        np.testing.assert_allclose(received[row].detach().numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(("queries", "inputs", "way"), [(3, 400, 1), (400, 3, 2), (4, 4, 0)])
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_layers_that_change_sides_give_the_same(queries: int, inputs: int, way: int, bias: bool, masked: bool) -> None:
    """Of one head: against all layers first, written out. Which way is taken follows from the lengths."""
    widths = Widths(query=20, inputs=20, qk=8, value=7, heads=1)
    made = Attention(widths, bias=bias, key_bias=bias)
    sharpen(made)
    for parameter in made.parameters():
        if parameter.ndim == 1:
            torch.nn.init.normal_(parameter)
    counts = made.products(queries, inputs)
    assert counts.index(min(counts)) == way
    query, given = torch.randn(2, queries, 20), torch.randn(2, inputs, 20)
    mask = torch.rand(2, queries, inputs) > 0.3
    mask[..., 0] = True
    score = made.query(query) @ made.key(given).transpose(1, 2) / math.sqrt(8)
    if masked:
        score = score.masked_fill(~mask, -torch.inf)
    expected = made.out(score.softmax(-1) @ made.value(given))
    assert_close(made(query, given, mask if masked else None), expected, atol=1e-5)
    with torch.no_grad():
        assert_close(made(query, given, mask if masked else None), expected, atol=1e-5)


def test_products_are_counted_by_hand() -> None:
    made = Attention(Widths(query=2, inputs=3, qk=5, value=7, heads=1))
    first = 10 * 2 * 5 + 100 * 3 * 5 + 100 * 3 * 7 + 10 * 7 * 2 + 10 * 100 * (5 + 7)
    by_queries = 10 * (2 * 5 + 5 * 3) + 10 * (3 * 7 + 7 * 2) + 2 * 10 * 100 * 3
    by_inputs = 100 * (3 * 5 + 5 * 2) + 100 * (3 * 7 + 7 * 2) + 2 * 10 * 100 * 2
    assert made.products(10, 100) == (first, by_queries, by_inputs)


def test_a_bias_is_added_to_the_scores_of_what_is_seen() -> None:
    q, k, v = torch.randn(1, 2, 3, 4), torch.randn(1, 2, 5, 4), torch.randn(1, 2, 5, 4)
    bias = torch.randn(2, 3, 5)
    mask = torch.tensor([True, False, True, True, False]).expand(1, 3, 5)
    score = q @ k.transpose(-1, -2) / 2 + bias
    assert_close(attend(q, k, v, bias_BHTS=bias[None]), score.softmax(-1) @ v)
    hidden = score.masked_fill(~mask[:, None], -torch.inf)
    assert_close(attend(q, k, v, mask, bias[None]), hidden.softmax(-1) @ v)


@pytest.mark.parametrize("residual", [False, True])
def test_a_module_is_what_its_equation_says(residual: bool) -> None:
    made = PerceiverLayer(WIDTHS, Layer(widening=3, query_residual=residual), cross=True)
    query, inputs = torch.randn(2, 3, 6), torch.randn(2, 7, 5)
    assert made.norm_input is not None
    h = made.attention(made.norm_query(query), made.norm_input(inputs)) + (query if residual else 0)
    inner = made.feed_forward.inner(made.norm_hidden(h))
    assert inner.shape[-1] == 18
    cube = 0.5 * inner * (1 + torch.tanh(math.sqrt(2 / math.pi) * (inner + 0.044715 * inner**3)))
    assert_close(made(query, inputs), h + made.feed_forward.out(cube))


def test_without_inputs_queries_see_one_another() -> None:
    made = PerceiverLayer(Widths(query=6, inputs=6, qk=6, value=6, heads=3), Layer(), cross=False)
    sharpen(made)
    query = torch.randn(1, 4, 6)
    turned = made(query.flip(1)).flip(1)
    assert_close(turned, made(query), atol=1e-6)
    changed = query.clone()
    changed[0, 3, 0] += 1
    assert ((made(changed) - made(query)).abs().amax(-1) > 1e-4).all()


def test_widths_must_fit_the_heads() -> None:
    with pytest.raises(ValueError, match=r"`qk` \(=4\) must be a multiple of `heads` \(=3\)"):
        Widths(query=6, inputs=6, qk=4, value=6, heads=3)
