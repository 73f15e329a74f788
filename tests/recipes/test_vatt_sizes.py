"""The sizes of VATT against a formula, and against the paper's table."""

from __future__ import annotations

import pytest

from opengato.nn import spaces
from opengato.recipes import vatt, vatt_sizes
from opengato.train.memory import on_meta


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


@pytest.mark.parametrize(("sizes", "printed"), [
    (("base", "base", "small"), 197e6),
    (("medium", "base", "small"), 264e6),
    (("large", "base", "small"), 415e6),
    (("medium",), 155e6),
])  # fmt: skip
def test_whole_networks_are_sums_of_sizes(sizes: tuple[str, ...], printed: float) -> None:
    """The paper's BBS, MBS, LBS and MA-Medium, whose trunks are those of the table."""
    agent = on_meta(vatt.published(*sizes))
    trunks = sum(
        p.numel() for name, p in agent.named_parameters() if name.startswith(("backbone.", "contrast.trunks."))
    )
    assert sum(vatt_sizes.SIZES[size].parameters for size in sizes) == pytest.approx(printed, rel=0.01)
    assert trunks == pytest.approx(printed, rel=0.05)


def test_the_small_run() -> None:
    """One trunk for all senses, or three of one shape."""
    agent = on_meta(vatt.recipe().train.agent)
    assert sum(p.numel() for p in agent.parameters()) < 3e6
    for agnostic, own in ((True, set()), (False, {"sound", "words"})):
        config = vatt.run_of(agnostic=agnostic).train.agent.contrast
        assert isinstance(config, spaces.Config)
        assert set(config.trunks) == own
