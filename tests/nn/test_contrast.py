"""The contrastive head and its loss. Letters: N pairs, E width of an embedding."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from opengato.nn.contrast import COLDEST, Config, info_nce
from tests.close import assert_close


def by_hand(one_NE: np.ndarray, other_NE: np.ndarray, scale: float) -> list[float]:
    """Both directions in plain loops."""
    losses = []
    for i in range(len(one_NE)):
        own = math.exp(scale * float(one_NE[i] @ other_NE[i]))
        there = own / sum(math.exp(scale * float(one_NE[i] @ other_NE[j])) for j in range(len(one_NE)))
        back = own / sum(math.exp(scale * float(one_NE[j] @ other_NE[i])) for j in range(len(one_NE)))
        losses.append(-(math.log(there) + math.log(back)) / 2)
    return losses


def test_the_loss_is_that_of_plain_loops() -> None:
    head = Config(size=6).build(10)
    one_NE, other_NE = head(torch.randn(5, 10)), head(torch.randn(5, 10))
    expected = by_hand(one_NE.detach().numpy(), other_NE.detach().numpy(), 3.0)
    np.testing.assert_allclose(info_nce(one_NE, other_NE, torch.tensor(3.0)).detach().numpy(), expected, rtol=1e-5)


def test_what_tells_nothing_costs_the_log_of_the_number_of_pairs() -> None:
    same_NE = torch.ones(7, 4) / 2
    np.testing.assert_allclose(info_nce(same_NE, same_NE, torch.tensor(9.0)).numpy(), math.log(7), rtol=1e-6)


def test_embeddings_lie_on_the_sphere_and_the_temperature_has_an_end() -> None:
    head = Config(size=8, temperature=0.5).build(3)
    assert_close(head(torch.randn(9, 3)).norm(dim=-1), torch.ones(9))
    assert float(head.scale.detach()) == pytest.approx(2.0)
    head.log_scale.data.fill_(50.0)
    assert float(head.scale.detach()) == pytest.approx(1 / COLDEST)
    with pytest.raises(ValueError, match=r"temperature=0\.0"):
        Config(temperature=0.0)


def test_a_step_brings_pairs_together_and_learns_the_temperature() -> None:
    torch.manual_seed(0)
    head = Config(size=8).build(16)
    h_ND, other_ND = torch.randn(6, 16), torch.randn(6, 16)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    losses = []
    for _ in range(60):
        loss = info_nce(head(h_ND), head(other_ND), head.scale).mean()
        optimizer.zero_grad()
        loss.backward()
        assert head.log_scale.grad is not None
        assert head.log_scale.grad != 0
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]
