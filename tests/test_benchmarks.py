"""The benchmarks run at a tiny size, and the pages say what their files say."""

from __future__ import annotations

import dataclasses
import importlib
import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from opengato.recipes import gato_sizes
from tests.evaluators.arena_toys import body as arena_outcome
from tests.house import ROOT
from tests.tiny import tiny_agent

BENCHMARKS = ROOT / "benchmarks"
PEERS = {
    "growth": ["matplotlib", "transformers"],
    "loading_peers": ["datasets", "minari"],
    "mixture": ["transformers"],
    "perceiver": ["transformers"],
    "training_speed": ["transformers"],
    "training_peers": ["transformers", "x_transformers"],
}
NAMES = sorted(path.stem for path in BENCHMARKS.glob("[a-z]*.py"))


def script(name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module(name)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of transformers, which one script compares with
@pytest.mark.parametrize("name", NAMES)
def test_runs_at_a_tiny_size(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in PEERS.get(name, ()):
        pytest.importorskip(package)
    threads = str(torch.get_num_threads())  # they set it for the whole process
    body = script(name, monkeypatch).main(["--quick", "--threads", threads, "--out", str(tmp_path)])
    assert json.loads((tmp_path / f"{name}.json").read_text()) == json.loads(json.dumps(body))
    assert body["command"] == f"python benchmarks/{name}.py"
    assert body["quick"]
    assert body["rates"]
    for rate in body["rates"]:
        assert rate["rounds"]
        assert all(math.isfinite(value) and value > 0 for value in rate["rounds"]), rate


def test_both_networks_of_the_training_benchmark_are_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    training_speed = script("training_speed", monkeypatch)
    trunk = training_speed.tiny.agent().backbone
    ours = training_speed.text_agent(trunk, 256)
    theirs = training_speed.gpt2(trunk, 256, ours.modality("text").codec.num_ids)
    assert theirs.num_parameters() == pytest.approx(ours.num_parameters, rel=0.02)


@pytest.mark.parametrize(("length", "documents"), [(256, 4), (1024, 1)])
def test_rows_of_the_training_benchmarks_are_full(length: int, documents: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    batch = script("training_speed", monkeypatch).text_batch(2, length, documents)
    assert batch.document_BT.shape == batch.payload["text"].view(2, length).shape  # as peers read it
    assert batch.document_BT.unique().tolist() == list(range(documents))


def test_turns_are_taken_round_by_round(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = script("_measure", monkeypatch)
    turns: list[str] = []
    rates = measure.take_turns({name: lambda name=name: len(turns.append(name) or "x") for name in "ab"}, 2, "turns/s")
    assert "".join(turns) == "ababab", "one turn each comes first and is not counted"
    assert [len(rate.rounds) for rate in rates.values()] == [2, 2]


def test_processes_that_a_turn_ends_count_as_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = script("_measure", monkeypatch)
    burn = "import time; begun = time.process_time()\nwhile time.process_time() - begun < 0.3: pass"
    waited: list[float] = []

    def work(processes: int) -> int:
        begun = time.perf_counter()
        for started in [subprocess.Popen([sys.executable, "-S", "-c", burn]) for _ in range(processes)]:
            assert started.wait() == 0
        waited.append(time.perf_counter() - begun)
        return 1

    for processes in (0, 2):
        waited.clear()
        rate = measure.take_turns({"a": lambda processes=processes: work(processes)}, 1, "turns/s")["a"]
        seconds = rate.cores * waited[-1]
        assert seconds == pytest.approx(0.3 * processes, abs=0.25)
        assert seconds >= 0.3 * processes


def test_what_a_rate_on_a_gpu_means_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = script("gpu", monkeypatch)
    agent = tiny_agent("tokens")
    agent.config = dataclasses.replace(agent.config, backbone=gato_sizes.trunk("1.18B"), context=1024)
    monkeypatch.setattr(type(agent), "num_parameters", 10**9)
    work = 6 * 10**9 + 12 * 24 * 2048 * 1024
    figures = gpu.arithmetic(agent, {"mask": 1e4, "blocks, compiled": 5e4, gpu_packed(gpu): 9e4}, "h100")
    assert figures["share of the peak"]["blocks, compiled"] == f"{5e4 * work / 989e12:.1%}" == "33.4%"
    hours = 10**6 * 512 * 1024 / 5e4 / 3600
    assert figures["GPU hours of Gato's run"].endswith(f"50,000 a second / 3600 = {hours:,.0f}")
    names = ["NVIDIA H100 80GB HBM3", "NVIDIA H200", "NVIDIA A100-SXM4-80GB", "NVIDIA H100 PCIe", "GeForce RTX 4090"]
    assert [gpu.kind_of(name) for name in names] == ["h100", "h200", "a100", None, None]


def gpu_packed(gpu: Any) -> str:
    """A way to train with several documents a row, in which there is less to compute than is counted."""
    return next(way for way, how in gpu.TRAININGS.items() if how[2] > 1)


def test_sizes_that_were_measured_before_on_the_same_gpu_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = script("gpu", monkeypatch)
    about = {"GPU": "NVIDIA H100 80GB HBM3", "a step": "512 rows, 8 at once"}
    names = ("gato-79m", "gato-364m", "gato-1b")
    rates = [
        {"name": f"{name}: acting", "unit": "actions/s", "rounds": [7.0], "cores": 1.0, "median": 7} for name in names
    ]
    figures = {**about, **{f"{name}, peak memory": {"mask": "1 GiB"} for name in names}}
    (tmp_path / "gpu.json").write_text(json.dumps({"rates": rates, "figures": figures}))
    kept, told = gpu.earlier(tmp_path, about, "gato-364m")
    assert [rate.name for rate in kept] == ["gato-79m: acting", "gato-1b: acting"]
    assert kept[0].rounds == (7.0,)
    assert told.keys() == {"gato-79m, peak memory", "gato-1b, peak memory"}
    assert gpu.earlier(tmp_path, {**about, "GPU": "NVIDIA H200"}, "gato-1b") == ([], {})
    assert gpu.earlier(tmp_path / "nowhere", about, "gato-1b") == gpu.earlier(None, about, "gato-1b") == ([], {})


def test_without_a_gpu_nothing_is_measured_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu = script("gpu", monkeypatch)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main(["--out", str(tmp_path), "--threads", str(torch.get_num_threads())]) == {}
    assert "there is no GPU here, nothing is measured\n" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_pages_say_what_the_files_say(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = script("_tables", monkeypatch)
    for page in tables.PAGES:
        assert tables.MARK.search(page.read_text(encoding="utf-8")), f"{page.name} has no table to fill"
        assert tables.render(page) == page.read_text(encoding="utf-8"), (
            f"{page.name} is behind its numbers: python benchmarks/_tables.py"
        )


def test_an_arena_is_kept_as_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("scipy")
    studies = script("_studies", monkeypatch)
    monkeypatch.setattr(studies, "RESULTS", tmp_path)
    (tmp_path / "arena.json").write_text(json.dumps(arena_outcome()))
    assert studies.keep(tmp_path) == "arena_toy"
    kept = json.loads((tmp_path / "arena_toy.json").read_text())
    text = studies.arena("toy")({"arena_toy": kept})
    assert "`opengato compare plain 'tiny:<b>a</b>=1' 'worse & worse'" in text
    assert "| plain | 0.45 [" in text
    assert "* worse & worse is worse than plain: -0.08" in text
    assert studies.arena("toy")({}).startswith("Not measured yet")


def test_kept_results_are_of_whole_runs() -> None:
    for path in (BENCHMARKS / "results").glob("*.json"):
        body = json.loads(path.read_text(encoding="utf-8"))
        assert not body.get("quick"), f"{path.name} is a run with --quick"
        assert {"command", "date", "machine"} <= body.keys()
