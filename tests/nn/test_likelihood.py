"""Cross-entropy in pieces against torch's, and its derivatives against differences. Letters: N rows, V ids."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from opengato.nn import likelihood
from opengato.nn.likelihood import InPieces, negative_log_likelihood
from tests.close import assert_close

ROWS, IDS = 23, 10


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four rows, so that the last one has three."""
    monkeypatch.setattr(likelihood, "PIECE", 4 * IDS + 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_pieces_are_what_all_at_once_is(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    score = (5 * torch.randn(ROWS, IDS, generator=generator)).to(dtype).requires_grad_()
    ids, upward = torch.randint(IDS, (ROWS,), generator=generator), torch.randn(ROWS, generator=generator)
    mine, ready = negative_log_likelihood(score, ids), F.cross_entropy(score.float(), ids, reduction="none")
    assert mine.dtype == torch.float32
    assert_close(mine, ready)
    received, expected = (torch.autograd.grad(nats, score, upward)[0] for nats in (mine, ready))
    assert received.dtype == dtype
    assert_close(received.float(), expected.float())


def test_derivatives_are_those_of_finite_differences() -> None:
    score = torch.randn(ROWS, IDS, generator=torch.Generator().manual_seed(1), dtype=torch.float64, requires_grad=True)
    ids = torch.arange(ROWS) % IDS

    assert torch.autograd.gradcheck(lambda score: InPieces.apply(score, ids), (score,))
    assert torch.autograd.gradgradcheck(lambda score: InPieces.apply(score, ids), (score,))
