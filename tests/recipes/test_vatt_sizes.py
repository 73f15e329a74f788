"""The sizes of VATT against a formula, and against the paper's table."""

from __future__ import annotations

import pytest

from opengato.recipes import vatt_sizes


@pytest.mark.parametrize("name", vatt_sizes.SIZES)
def test_sizes(name: str) -> None:
    size = vatt_sizes.SIZES[name]
    d, f = size.width, size.hidden
    block = 4 * (d * d + d) + (d * f + f) + (f * d + d) + 4 * d
    around = 2 * d + (3072 * d + d) + 36 * d + d  # the last norm, the tokeniser, places, the summary
    assert vatt_sizes.num_parameters(name) == size.blocks * block + around
    assert vatt_sizes.num_parameters(name) == pytest.approx(size.parameters, rel=0.02)


def test_the_table_says_how_far_it_is_from_the_paper(capsys: pytest.CaptureFixture[str]) -> None:
    vatt_sizes.Console().print(vatt_sizes.comparison())
    assert "306.1M" in capsys.readouterr().out
