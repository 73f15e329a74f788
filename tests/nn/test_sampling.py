"""Choosing ids: the best, a draw, a nucleus. Letters: V vocabulary."""

from __future__ import annotations

import pytest
import torch

from opengato.core.modality import Sampling
from opengato.nn.sampling import choose_ids
from tests.close import assert_close

PROBABILITY = torch.tensor([0.05, 0.4, 0.15, 0.3, 0.1])
DRAWS = 20_000


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(sampling: Sampling) -> torch.Tensor:
    """How often each id comes up."""
    ids = choose_ids(PROBABILITY.log().expand(DRAWS, -1), sampling)
    return torch.bincount(ids, minlength=5) / DRAWS


def test_temperature_zero_takes_the_best_in_any_shape() -> None:
    logits = torch.randn(2, 3, 7)
    ids = choose_ids(logits, Sampling())
    assert ids.shape == (2, 3)
    assert (logits.gather(-1, ids[..., None])[..., 0] == logits.amax(-1)).all()
    assert choose_ids(logits, Sampling(temperature=1.0, generator=generator())).shape == (2, 3)


@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e-38, 1e-7, 1e-5])
def test_near_zero_it_takes_the_best_and_never_overflows(temperature: float) -> None:
    logits = 80 * torch.randn(4, 7, generator=generator())
    ids = choose_ids(logits, Sampling(temperature=temperature, top_p=0.9, generator=generator()))
    assert torch.equal(ids, logits.argmax(-1))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_draws_follow_the_softmax_at_a_temperature(temperature: float) -> None:
    expected = PROBABILITY ** (1 / temperature) / (PROBABILITY ** (1 / temperature)).sum()
    received = draw(Sampling(temperature=temperature, generator=generator()))
    assert_close(received, expected, atol=0.015, rtol=0)


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.0, [1]), (1e-6, [1]), (0.35, [1]), (0.45, [1, 3]), (0.8, [1, 2, 3]), (0.99, [0, 1, 2, 3, 4])]
)
def test_a_nucleus_is_the_fewest_ids_that_hold_top_p(top_p: float, kept: list[int]) -> None:
    received = draw(Sampling(temperature=1.0, top_p=top_p, generator=generator()))
    assert received.nonzero()[:, 0].tolist() == kept
    assert_close(received[kept], PROBABILITY[kept] / PROBABILITY[kept].sum(), atol=0.015, rtol=0)


@pytest.mark.parametrize(
    ("top_k", "top_p", "kept"),
    [
        (1, 1.0, [1]),
        (2, 1.0, [1, 3]),
        (3, 1.0, [1, 2, 3]),
        (5, 1.0, [0, 1, 2, 3, 4]),
        (99, 1.0, [0, 1, 2, 3, 4]),
        (3, 0.8, [1, 3]),  # 0.4 + 0.3 of 0.85 is 0.82: the nucleus is that of the three, and not of all
        (4, 0.75, [1, 2, 3]),  # 0.7 of 0.95 is 0.74
        (2, 0.5, [1]),
    ],
)
def test_the_likeliest_are_kept_first_and_then_their_nucleus(top_k: int, top_p: float, kept: list[int]) -> None:
    received = draw(Sampling(temperature=1.0, top_p=top_p, top_k=top_k, generator=generator()))
    assert received.nonzero()[:, 0].tolist() == kept
    expected = PROBABILITY[kept] / PROBABILITY[kept].sum()
    chi_square = float((DRAWS * (received[kept] - expected) ** 2 / expected).sum())
    assert chi_square < 20, "of at most 4 degrees of freedom: one seed in two thousand is above"


def test_equal_logits_keep_exactly_as_many_as_asked() -> None:
    ids = choose_ids(torch.zeros(4000, 6), Sampling(temperature=1.0, top_k=2, generator=generator()))
    assert len(set(ids.tolist())) == 2


def test_the_temperature_comes_before_the_nucleus() -> None:
    """At temperature 2 the best two of five hold 0.56 of the mass and not 0.7."""
    received = draw(Sampling(temperature=2.0, top_p=0.6, generator=generator()))
    assert received.nonzero()[:, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("wrong", [{"temperature": -0.1}, {"top_p": 1.2}, {"top_k": 0}, {"temperature": float("nan")}])
def test_what_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected a temperature of 0 or more"):
        Sampling(**wrong)  # ty: ignore[invalid-argument-type]


def test_the_generator_decides() -> None:
    logits = torch.randn(50, 9)
    first, again, other = (choose_ids(logits, Sampling(temperature=1.0, generator=generator(s))) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_what_is_masked_is_never_drawn() -> None:
    logits = torch.randn(1000, 6).masked_fill(torch.tensor([0, 1, 0, 1, 1, 0]).bool(), -torch.inf)
    for sampling in (
        Sampling(),
        Sampling(temperature=5.0, top_p=0.999, generator=generator()),
        Sampling(temperature=5.0, top_k=5, generator=generator()),  # more than there are
    ):
        assert set(choose_ids(logits, sampling).tolist()) <= {0, 2, 5}


def test_upward_tilts_the_logits_by_place() -> None:
    """Five equal ids, of which each is to be e^0.5 times as likely as the one below."""
    sampling = Sampling(temperature=1.0, generator=generator(), upward=2.0)
    drawn = choose_ids(torch.zeros(40_000, 5), sampling)
    expected = torch.exp(0.5 * torch.arange(5.0))
    share = torch.bincount(drawn, minlength=5) / 40_000
    torch.testing.assert_close(share, expected / expected.sum(), atol=0.01, rtol=0)
    logits = torch.tensor([3.0, 0.0, 1.9])
    assert choose_ids(logits, Sampling(upward=1.0)) == 0
    assert choose_ids(logits, Sampling(upward=1.2)) == 2, "1.9 + 1.2 against 3"
