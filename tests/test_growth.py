"""Exponents of growth by hand, and what the page says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.test_benchmarks import script


def rate(name: str, *seconds: float) -> dict[str, Any]:
    return {"name": name, "rounds": [1 / one for one in seconds], "median": 1 / seconds[0], "cores": 1.0}


def test_exponents_are_slopes_of_logarithms(monkeypatch: pytest.MonkeyPatch) -> None:
    growth = script("_growth", monkeypatch)
    # Logarithms to the base 10 of both rounds: (0, 0), (1, 1), (2, 3), and (0, 0), (1, 1), (2, 1).
    counts, first, second = (1, 10, 100), (1, 10, 1000), (1, 10, 10)
    points = zip(counts, first, second, strict=True)
    rates = [rate(growth.name_of("acting", count), *seconds) for count, *seconds in points]
    found = growth.exponent([*reversed(rates), rate("reading an episode: 7 episodes", 1, 1)], "acting")
    assert found["all points"] == pytest.approx((1.5 + 0.5) / 2)
    assert (found["low"], found["upper half"], found["high"]) == pytest.approx((0, 1, 2))
    assert found["theory"] == "0 to 1"


def test_the_upper_half_shows_what_grows_fastest(monkeypatch: pytest.MonkeyPatch) -> None:
    growth = script("_growth", monkeypatch)
    lengths = (256, 512, 1024, 2048, 4096, 8192)
    rates = [rate(growth.name_of("training on a row", n), n / 1000 + (n / 1000) ** 2) for n in lengths]
    found = growth.exponent(rates, "training on a row")
    assert 1 < found["all points"] < found["upper half"] < 2


def test_page_and_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    growth = script("_growth", monkeypatch)
    counts = (1000, 1_000_000)
    rates = [rate(growth.name_of(curve, n), 0.25, 0.2, 0.5) for curve in growth.CURVES for n in counts]
    body = {
        "command": "python benchmarks/growth.py",
        "date": "2026-01-01",
        "machine": {"processor": "one", "threads": 2, "versions": {"torch": "2"}},
        "rates": rates,
        "figures": {f"exponent, {curve}": growth.exponent(rates, curve) for curve in growth.CURVES},
    }
    text = growth.growth({"growth": body})
    assert "| reading an episode | 1,000,000 episodes | 250 | 200 to 500 | 1.0 |" in text
    assert "power 0.00 [0.00, 0.00] of parameters over the upper half of the points, 0.00 over all; theory: 1," in text
    assert f"]({growth.PICTURE.name})" in text
    assert growth.plot(body, tmp_path / "growth.png").read_bytes().startswith(b"\x89PNG")
    assert growth.growth({}).startswith("Not measured yet: `python benchmarks/growth.py`")
