"""Gato's sizes against arithmetic by hand, and its optimiser against the paper's numbers."""

from __future__ import annotations

import pytest

from opengato.recipes import gato_sizes
from opengato.recipes.gato_sizes import FeedForward
from opengato.train.optim import schedule

# Attention has 4 matrices of width x width; the table of ids 33,024 rows; norms (two a block and the last) 2 vectors.
COUNTS = {
    ("79M", "split"): 8 * (4 * 768 * 768 + 3 * 768 * 1536) + 33024 * 768 + 17 * 2 * 768,
    ("79M", "full"): 8 * (4 * 768 * 768 + 3 * 768 * 3072) + 33024 * 768 + 17 * 2 * 768,
    ("79M", "plain"): 8 * (4 * 768 * 768 + 2 * 768 * 3072) + 33024 * 768 + 17 * 2 * 768,
    ("364M", "split"): 12 * (4 * 1536 * 1536 + 3 * 1536 * 3072) + 33024 * 1536 + 25 * 2 * 1536,
    ("364M", "full"): 12 * (4 * 1536 * 1536 + 3 * 1536 * 6144) + 33024 * 1536 + 25 * 2 * 1536,
    ("364M", "plain"): 12 * (4 * 1536 * 1536 + 2 * 1536 * 6144) + 33024 * 1536 + 25 * 2 * 1536,
    ("1.18B", "split"): 24 * (4 * 2048 * 2048 + 3 * 2048 * 4096) + 33024 * 2048 + 49 * 2 * 2048,
    ("1.18B", "full"): 24 * (4 * 2048 * 2048 + 3 * 2048 * 8192) + 33024 * 2048 + 49 * 2 * 2048,
    ("1.18B", "plain"): 24 * (4 * 2048 * 2048 + 2 * 2048 * 8192) + 33024 * 2048 + 49 * 2 * 2048,
}


@pytest.mark.parametrize(("name", "feed_forward"), COUNTS)
def test_parameters_by_hand(name: str, feed_forward: FeedForward) -> None:
    assert gato_sizes.num_parameters(name, feed_forward) == COUNTS[name, feed_forward]


def test_the_default_has_a_gate_and_is_nearest_to_the_name_of_those_that_do() -> None:
    for name, size in gato_sizes.SIZES.items():
        assert gato_sizes.trunk(name).gated
        assert gato_sizes.num_parameters(name) == COUNTS[name, "split"]
        split, full = (abs(COUNTS[name, reading] / size.parameters - 1) for reading in ("split", "full"))
        assert split < 0.1 < full


def test_keys_are_as_wide_as_the_paper_says() -> None:
    widths = {name: size.width // size.heads for name, size in gato_sizes.SIZES.items()}
    assert widths == {"79M": 32, "364M": 128, "1.18B": 128}


def test_an_unknown_size_or_reading_suggests_the_near_one() -> None:
    with pytest.raises(ValueError, match=r"unknown size of Gato '1\.2B'; did you mean '1\.18B'"):
        gato_sizes.trunk("1.2B")
    with pytest.raises(ValueError, match="unknown reading of the feed-forward 'spilt'; did you mean 'split'"):
        gato_sizes.trunk("79M", "spilt")  # ty: ignore[invalid-argument-type]


@pytest.mark.parametrize(("name", "rate"), [("79M", 1e-4), ("364M", 2e-4), ("1.18B", 1e-4)])
def test_the_rate_goes_from_1e_7_to_the_size_s_own_and_down_to_a_tenth(name: str, rate: float) -> None:
    config, steps = gato_sizes.optimizer(name), 1_000_000
    rates = {step: rate * schedule(step, steps, config) for step in (0, 7_499, 14_999, 499_999, 999_999)}
    assert rates[0] == pytest.approx(1e-7, abs=rate / 15_000)
    assert rates[7_499] == pytest.approx((1e-7 + rate) / 2, rel=1e-3)
    assert rates[14_999] == pytest.approx(rate, rel=1e-3)
    assert rates[499_999] == pytest.approx(0.55 * rate, rel=1e-4)
    assert rates[999_999] == pytest.approx(rate / 10, rel=1e-6)
    assert config.matrix_learning_rate is None
    assert (config.betas, config.epsilon, config.weight_decay) == ((0.9, 0.95), 1e-8, 0.1)


def test_the_comparison_shows_every_size_and_reading() -> None:
    table = gato_sizes.comparison()
    assert [column.header for column in table.columns] == ["size", "split", "full", "plain"]
    cells = [list(column.cells) for column in table.columns]
    assert cells[0] == ["79M", "364M", "1.18B"]
    assert cells[1][2] == "1,074.5M -8.9%"
