"""Two processes train what one trains: the same batches, the same gradients, the same end, whatever stops them."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import opengato
from opengato.core.config import from_json
from opengato.train import moments
from opengato.train.checkpoint import complete_checkpoints
from opengato.train.distributed import ALONE, Layout, Team, layout, part_like, together, whole
from opengato.train.loop import _mean
from tests.house import PACKAGE, ROOT
from tests.tiny import tiny_agent
from tests.train.several_processes import SHARDING, STEPS, STOP, config, only_heads, train, with_teacher

# Sums over processes round otherwise than sums in one: the largest difference of a weight after six steps was 4e-7.
CLOSE = 5e-6


def launch(module: str, *words: str, processes: int = 2) -> None:
    """Run a module in several processes, with the variables that torchrun sets."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join([str(PACKAGE.parent), str(ROOT)])
    common = {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    common |= {"WORLD_SIZE": str(processes), "LOCAL_WORLD_SIZE": str(processes), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-W", "error", "-m", module, *words]
    started = [
        subprocess.Popen(
            command,
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(processes)
    ]
    try:
        printed = [process.communicate(timeout=800)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * processes, "\n".join(printed)
    assert printed[1:] == [""] * (processes - 1), "only the first process prints"


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "agent" / "weights.safetensors")


def last_row(folder: Path) -> dict[str, float]:
    return json.loads((folder / "log.jsonl").read_text().splitlines()[-1])


def difference(one: Path, other: Path) -> float:
    """The largest difference of a weight."""
    mine, theirs = weights(one), weights(other)
    assert mine.keys() == theirs.keys()
    return max(float((mine[name] - theirs[name]).abs().max()) for name in mine)


@pytest.mark.timeout(900)
def test_two_processes_train_as_one_does(tmp_path: Path) -> None:
    """Parts without a target, modalities that one process or both do not have, a stop that one of them is asked for."""
    alone = tmp_path / "whole-alone"
    train(alone, config())
    train(tmp_path / "half-alone", config(), stop=True)
    launch("tests.train.several_processes", str(tmp_path))

    resumed = [f"{half}-to-{engine}" for half in (*SHARDING, "alone") for engine in SHARDING]
    for half in SHARDING:
        (tmp_path / f"half-{half}").rename(tmp_path / f"{half}-to-alone")
        train(tmp_path / f"{half}-to-alone", config())
    for name in ("whole-ddp", "whole-fsdp", *resumed, "ddp-to-alone", "fsdp-to-alone"):
        assert difference(tmp_path / name, alone) < CLOSE, name
    train(tmp_path / "heads-alone", config(), begin=only_heads)
    assert difference(tmp_path / "heads-alone", alone) > 1e-3
    for engine in SHARDING:
        assert difference(tmp_path / f"heads-{engine}", tmp_path / "heads-alone") < CLOSE
    train(tmp_path / "teacher-alone", with_teacher())
    assert difference(tmp_path / "whole-teacher", tmp_path / "teacher-alone") < CLOSE
    taught = [
        load_file(complete_checkpoints(tmp_path / name / "checkpoints")[-1] / "objective.safetensors")
        for name in ("whole-teacher", "teacher-alone")
    ]
    assert max(float((taught[0][name] - taught[1][name]).abs().max()) for name in taught[0]) < CLOSE
    for name in ("ddp-to-ddp", "fsdp-to-fsdp", "drop-to-drop", "teacher-to-teacher"):
        assert difference(tmp_path / name, tmp_path / f"whole-{name.split('-')[0]}") == 0, name
    assert difference(tmp_path / "whole-fsdp-often", tmp_path / "whole-fsdp") == 0, "saving beside the training"
    assert difference(tmp_path / "whole-drop", tmp_path / "whole-ddp") > 1e-3
    assert difference(tmp_path / "whole-ddp-bfloat16", tmp_path / "whole-ddp") > 1e-3
    halves = [last_row(tmp_path / f"whole-{engine}-bfloat16")["loss"] for engine in SHARDING]
    assert halves[0] == pytest.approx(halves[1], rel=1e-3), "both round products, and neither the norms"

    for name in ("whole-ddp", "whole-fsdp"):
        mine, theirs = last_row(tmp_path / name), last_row(alone)
        assert mine.keys() == theirs.keys()
        for figure in ("loss", "loss/text", "loss/motion", "grad_norm", "share/even", "share/odd"):
            assert mine[figure] == pytest.approx(theirs[figure], rel=5e-5), (name, figure)
    for name in resumed:
        assert last_row(tmp_path / name)["loss"] == pytest.approx(last_row(tmp_path / "ddp-to-alone")["loss"], rel=1e-5)

    assert json.loads((tmp_path / "whole-fsdp/agent/card.json").read_text())["processes"].startswith("FSDP2, 1 x 2")
    for name, kept in {"whole-fsdp-often": [STEPS - 1, STEPS], "half-drop": [STOP + 1]}.items():
        checkpoints = complete_checkpoints(tmp_path / name / "checkpoints")
        assert [path.name for path in checkpoints] == [f"step-{step:07d}" for step in kept]
    divided = complete_checkpoints(tmp_path / "whole-fsdp" / "checkpoints")[-1]
    assert (divided / "optimizer" / moments.METADATA).is_file()
    assert not (divided / "optimizer.pt").exists()
    shutil.rmtree(complete_checkpoints(tmp_path / "whole-fsdp-often" / "checkpoints")[-1])
    train(tmp_path / "whole-fsdp-often", config())  # from what was written while the next step changed it
    assert difference(tmp_path / "whole-fsdp-often", alone) < CLOSE
    loaded = opengato.load(divided).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in weights(tmp_path / "whole-fsdp").items())
    from_json(json.loads((tmp_path / "whole-fsdp" / "config.json").read_text()))


def test_one_process_talks_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one of torchrun, and one on a cluster that sets a variable of the same name."""
    for variables in ({}, {"WORLD_SIZE": "8"}, {"WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "x"}):
        with monkeypatch.context() as patched:
            for name, value in variables.items():
                patched.setenv(name, value)
            with together() as team:
                assert (team.rank, team.size, team.is_first) == (0, 1, True)
                assert not torch.distributed.is_initialized()
    before = torch.get_rng_state()
    ALONE.seed(3)
    assert torch.equal(torch.get_rng_state(), before)
    assert ALONE.exchange("word") == ["word"]
    assert ALONE.first(lambda: 7) == 7
    tensor = torch.rand(3)
    assert whole(tensor) is tensor
    assert part_like(tensor, tensor) is tensor


def test_what_is_done_in_the_thread_is_done_in_order_and_its_error_is_raised() -> None:
    team, done = Team(), []
    for number in range(3):
        team.later(lambda number=number: done.append(number))
    team.finish()
    assert done == [0, 1, 2]
    team.later(lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        team.finish()
    team.finish()


def test_large_networks_are_divided_within_a_machine() -> None:
    assert layout("auto", 999_999_999, 16, 8) == Layout(16, 1)
    assert layout("auto", 1_000_000_000, 16, 8) == Layout(2, 8)
    assert layout("auto", 1_000_000_000, 4, 1) == Layout(1, 4)
    assert layout("auto", 10**10, 1, 1) == Layout(1, 1)
    assert layout("replicate", 10**10, 4, 4) == Layout(4, 1)
    assert layout("shard", 1, 4, 2) == Layout(1, 4)
    assert layout("2x4", 1, 8, 8) == Layout(2, 4)
    assert [Layout(*pair).engine for pair in ((1, 1), (2, 1), (1, 2))] == ["one process", "DDP", "FSDP2"]


@pytest.mark.parametrize("setting", ["both", "2x", "x2", "0x2", "-1x2", "2x2x2", ""])
def test_another_word_for_sharding_is_refused(setting: str) -> None:
    with pytest.raises(ValueError, match=r"`sharding` is .*expected auto, replicate, shard, or replicas x shards"):
        layout(setting, 1, 2, 2)


def test_a_layout_for_other_processes_is_refused() -> None:
    with pytest.raises(ValueError, match="which is for 8 processes, but there are 4; start as many"):
        layout("2x4", 1, 4, 4)


def test_figures_are_means_over_what_the_processes_have_found() -> None:
    """Totals and weights: 0.75 of the terms here, 0.25 there, which has no text."""
    received = _mean(
        [{"loss": (1.5, 0.75), "loss/text": (3.0, 0.75)}, {"loss": (1.0, 0.25), "loss/choice": (1.0, 0.25)}]
    )
    assert received == {"loss": 2.5, "loss/text": 4.0, "loss/choice": 4.0}


def test_an_index_brings_nothing_but_an_index(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("touch harm",)

    (tmp_path / moments.METADATA).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(pickle.UnpicklingError, match="which is no part of one"):
        moments._Reader(str(tmp_path)).read_metadata()


def test_blocks_are_those_of_the_trunk() -> None:
    agent = tiny_agent()
    from_blocks = {id(p) for block in opengato.train.distributed.blocks(agent) for p in block.parameters()}
    expected = {id(p) for name, p in agent.named_parameters() if name.startswith("backbone.blocks.")}
    assert from_blocks == expected
