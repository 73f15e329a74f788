"""What is reached, missed and below its floor, in results made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.test_benchmarks import BENCHMARKS, NAMES, script

Keep = Callable[..., None]


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Any:
    return script("_floors", monkeypatch)


@pytest.fixture
def floors(guarded: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Without its floors, which move with what is measured: what is missed is then never below them."""
    monkeypatch.setattr(guarded, "GUARDS", tuple(replace(guard, floor=None) for guard in guarded.GUARDS))
    return guarded


@pytest.fixture
def keep(tmp_path: Path) -> Keep:
    """Writes a file of results."""

    def write(name: str, **parts: Any) -> None:
        body = {"rates": [], "ratios": [], "figures": {}} | parts
        (tmp_path / f"{name}.json").write_text(json.dumps(body))

    return write


def ratio(of: str, to: str, median: float) -> dict[str, Any]:
    return {"of": of, "to": to, "median": median, "low": median - 0.1, "high": median + 0.1}


def said(floors: Any, folder: Path, what: str) -> tuple[str, str]:
    """What the page says of a row: measured, and reached or not."""
    found = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
    [line] = [line for line in floors.floors(found).splitlines() if line.startswith(f"| {what}")]
    return tuple(cell.strip() for cell in line.split("|")[3:5])


def test_what_was_not_measured_does_not_fail(floors: Any, tmp_path: Path) -> None:
    assert floors.main([str(tmp_path)]) == 0
    assert said(floors, tmp_path, "episodes at random, beside Minari") == ("-", "not measured")
    assert said(floors, tmp_path, "memory of a worker") == ("-", "a test")


def test_what_is_missed_is_said_and_what_falls_fails(
    guarded: Any, keep: Keep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    beside = [{"name": f"{count}, babyai/GoToLocal, cached", "rounds": [], "median": 0.0} for count in (1, 16)]
    cached = ratio("16, ready observations, cached", "16, ready observations, uncached", 5.0)
    for rounds, verdict, status in (((620, 610), "reached", 0), ((480, 500), "missed", 0), ((400, 390), "BELOW", 1)):
        beside[0] |= {"rounds": [100, 100], "median": 100}
        beside[1] |= {"rounds": list(rounds), "median": sum(rounds) / 2}
        keep("acting_speed", rates=beside, ratios=[cached])
        assert guarded.main([str(tmp_path)]) == status
        measured, reached = said(guarded, tmp_path, "16 environments at once, beside one")
        assert reached.startswith(verdict)
        assert measured == f"{sum(rounds) / 200:.3g} [{min(rounds) / 100:.3g}, {max(rounds) / 100:.3g}]"
    assert "16 environments at once, beside one: BELOW ITS FLOOR" in capsys.readouterr().err


def test_the_worst_of_several_counts(floors: Any, keep: Keep, tmp_path: Path) -> None:
    keep("latency", figures={"a, 99th of 100, ms": 12.0, "a, median, ms": 70.0, "b, 99th of 100, ms": 25.0})
    assert said(floors, tmp_path, "99 of 100 actions") == ("25 ms", "missed")
    size = "10M, float32"
    peers = [ratio(f"opengato, compiled, {size}", f"{peer}, {size}", value) for peer, value in (("A", 3), ("B", 1.2))]
    slow = ratio("opengato, compiled, 79M, float32", "A, 79M, float32", 1.1)
    keep("training_peers", ratios=[*peers, slow], figures={"share of it, 10M, float32": 0.9})
    assert said(floors, tmp_path, "training, 10M") == ("1.2 [1.1, 1.3]", "reached")
    assert said(floors, tmp_path, "the same at 79M") == ("1.1 [1, 1.2]", "missed")
    assert said(floors, tmp_path, "share of what `torch.mm` reaches") == ("0.9", "reached")


def test_shares_in_per_cent_and_weights_of_8_bits_apart(floors: Any, keep: Keep, tmp_path: Path) -> None:
    ratios = [
        ratio("opengato, float32", "GPT-2 of transformers, float32", 2.0),
        ratio("opengato, int8 weights", "GPT-2 of transformers, float32", 1.3),
        ratio("opengato, int8 weights", "opengato, float32", 0.6),
    ]
    keep("decoding_speed", ratios=ratios, figures={"share of the limit reached in float32": "68%"})
    assert said(floors, tmp_path, "writing at 79M") == ("2 [1.9, 2.1]", "reached")
    assert said(floors, tmp_path, "share of what the memory allows") == ("0.68", "missed")
    assert said(floors, tmp_path, "weights of 8 bits") == ("0.6 [0.5, 0.7]", "-")


def acting(name: str, *rounds: float) -> dict[str, Any]:
    return {"name": name, "rounds": rounds, "median": sorted(rounds)[len(rounds) // 2]}


def test_what_a_gpu_reaches_is_its_best_way_and_its_worst_size(floors: Any, keep: Keep, tmp_path: Path) -> None:
    peak, packed = "364M and 1.18B on a GPU", "blocks, compiled, 4 documents a row"
    assert said(floors, tmp_path, peak) == ("-", "not measured")
    rates = [
        acting("gato-364m: acting, with graphs", 90.0),
        acting("gato-1b: acting, without graphs", 11.0),
        acting("gato-1b: acting, with graphs", 27.0),
        acting("gato-1b: training, blocks, compiled", 1e5),
    ]
    small = {"mask": "41.0%", "blocks, compiled": "55.5%", packed: "70.1%"}
    figures = {"gato-79m, share of the peak": {"mask": "9.0%"}, "gato-364m, share of the peak": small}
    keep("gpu", rates=rates, figures=figures)
    assert said(floors, tmp_path, peak)[1] == "NOT IN ITS FILE", "one size says nothing of two"
    assert said(floors, tmp_path, "actions a second of 1.18B") == ("27", "reached")
    figures["gato-1b, share of the peak"] = {"mask": "30.0%", "blocks, compiled": "48.2%", packed: "61.0%"}
    keep("gpu", rates=rates[:2], figures=figures)
    assert said(floors, tmp_path, peak) == ("0.482", "missed")
    assert said(floors, tmp_path, "actions a second of 1.18B") == ("11", "missed")
    figures["gato-1b, share of the peak"] = {"blocks, compiled": "58.2%"}
    keep("gpu", rates=rates, figures=figures)
    assert said(floors, tmp_path, peak) == ("0.555", "reached")


def test_seconds_of_a_start_are_looked_up_by_its_program(floors: Any, keep: Keep, tmp_path: Path) -> None:
    seconds = {"python -c pass": 0.02, "opengato --help": 0.25, "import opengato": 1.2, "opengato.load('tiny')": 2.0}
    keep("startup", figures={f"{name}, s": value for name, value in seconds.items()})
    assert said(floors, tmp_path, "the help of the command") == ("0.25 s", "reached")
    assert said(floors, tmp_path, "importing the package") == ("1.2 s", "missed")
    assert said(floors, tmp_path, "loading the shipped weights") == ("2 s", "reached")


def test_the_slowest_recipe_counts_for_data(floors: Any, keep: Keep, tmp_path: Path) -> None:
    shares = {"tiny, making a batch": 0.02, "senses, making a batch": 0.3, "tiny, waiting for data": 0.001}
    figures = {f"{name} beside a step": share for name, share in shares.items()}
    keep("waiting", figures={**figures, "vatt, not measured": "sounds and films need PyAV"})
    assert said(floors, tmp_path, "making a batch") == ("0.3", "missed")
    assert said(floors, tmp_path, "waiting for data") == ("0.001", "reached")


def test_the_worse_encoding_counts_for_a_mixture(floors: Any, keep: Keep, tmp_path: Path) -> None:
    ratios = [
        ratio(f"opengato, {encoding}, float32", f"padded, all logits, {encoding}, float32", times)
        for encoding, times in (("Gato's encoding", 7.0), ("our encoding", 1.9))
    ]
    keep("mixture", ratios=ratios)
    assert said(floors, tmp_path, "training on a mixture") == ("1.9 [1.8, 2]", "missed")


def test_what_grows_faster_than_its_theory_is_missed(floors: Any, keep: Keep, tmp_path: Path) -> None:
    fit = {"all points": 0.0, "low": 0.0, "high": 2.5}
    powers = {"training on a row": 1.9, "training step": 1.2, "reading an episode": 0.05, "acting": 0.3}
    keep("growth", figures={f"exponent, {name}": {**fit, "upper half": value} for name, value in powers.items()})
    axes = {name: curve.axis for name, curve in floors.CURVES.items()}
    reached = {name: said(floors, tmp_path, f"power of {axes[name]} in the cost of {name}")[1] for name in powers}
    assert reached == dict.fromkeys(powers, "reached") | {"training step": "missed"}


def test_a_file_that_lacks_its_figure_fails(
    floors: Any, keep: Keep, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep("packing", figures={"fill": 0.99})
    assert floors.main([str(tmp_path)]) == 1
    assert "share of the slots that hold a position: NOT IN ITS FILE" in capsys.readouterr().err


def test_floors_guard_figures_that_are_there(guarded: Any) -> None:
    for guard in guarded.GUARDS:
        assert guard.file is None or guard.file in NAMES, guard.what
        if guard.aim is not None and guard.floor is not None:
            figure = guarded.Figure(value=guard.aim, low=guard.aim, high=guard.aim)
            assert guard.holds(figure, guard.floor), f"{guard.what}: what reaches its aim would be below its floor"
    assert guarded.main([str(BENCHMARKS / "results")]) == 0, "what is kept is below what is claimed"
