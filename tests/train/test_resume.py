"""A run that was stopped or killed goes on as if nothing had happened, to the bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from opengato.agent.model import Agent
from opengato.core.batch import PackedBatch
from opengato.train import loop
from opengato.train.checkpoint import complete_checkpoints, load_checkpoint
from opengato.train.optim import build
from opengato.train.stopping import StopRequest
from tests.house import PACKAGE, ROOT
from tests.train.toy_run import STEPS, batch_of, config, train


def kill(folder: Path, how: str, step: int) -> int:
    """Run in a process of its own until it is stopped or killed; its exit code."""
    path = os.pathsep.join([str(PACKAGE.parent), str(ROOT)])
    command = [sys.executable, "-m", "tests.train.toy_run", str(folder), how, str(step)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Agent, Path]:
    """The run that nobody stopped."""
    torch.manual_seed(123)  # a run seeds itself
    folder = tmp_path_factory.mktemp("whole")
    return train(folder), folder


def assert_same_end(agent: Agent, folder: Path, whole: tuple[Agent, Path]) -> None:
    expected, _ = whole
    for name, tensor in expected.state_dict().items():
        assert torch.equal(agent.state_dict()[name], tensor), name
    saved = load_file(folder / "agent/weights.safetensors")
    assert all(torch.equal(saved[name], tensor) for name, tensor in expected.state_dict().items())
    assert agent.card["steps"] == STEPS


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("how", "code", "kept"), [("TERM", 143, [3]), ("KILL", -signal.SIGKILL, [1, 2])])
def test_a_run_that_was_stopped_at_step_3_ends_the_same(
    tmp_path: Path, whole: tuple[Agent, Path], how: str, code: int, kept: list[int]
) -> None:
    """Asked to stop, it finishes its step and saves. Killed while it saves, it has the checkpoint before."""
    step = 2 if how == "TERM" else 3
    assert kill(tmp_path, how, step) == code
    checkpoints = tmp_path / "checkpoints"
    assert [path.name for path in complete_checkpoints(checkpoints)] == [f"step-{k:07d}" for k in kept]
    left_over = [path.name for path in checkpoints.iterdir() if path.name.startswith(".")]
    assert left_over == ([] if how == "TERM" else [".step-0000003.tmp"])
    assert not (tmp_path / "agent").exists()
    assert_same_end(train(tmp_path), tmp_path, whole)
    assert not [path for path in checkpoints.iterdir() if path.name.startswith(".")]


def test_a_finished_run_is_not_trained_again(whole: tuple[Agent, Path]) -> None:
    agent, folder = whole
    before = (folder / "log.jsonl").read_text()
    again = train(folder)
    assert all(torch.equal(again.state_dict()[name], tensor) for name, tensor in agent.state_dict().items())
    assert (folder / "log.jsonl").read_text() == before
    assert again.card["steps"] == STEPS


def test_a_run_records_its_config_card_and_losses(whole: tuple[Agent, Path]) -> None:
    agent, folder = whole
    assert json.loads((folder / "config.json").read_text())["optim"]["warmup"] == 2
    card = json.loads((folder / "agent/card.json").read_text())
    assert card["tasks"] == ["toy/task"]
    assert card["steps"] == STEPS
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert {"loss", "loss/text", "loss/motion", "loss/choice", "grad_norm", "share/a", "tokens_per_second"} <= rows[
        -1
    ].keys()
    assert rows[-1]["share/a"] + rows[-1]["share/b"] + rows[-1]["share/c"] == pytest.approx(1, abs=1e-4)
    assert len(complete_checkpoints(folder / "checkpoints")) == 2, "the newest two are kept"
    assert not agent.training


def test_a_changed_rate_counts_after_a_resume(whole: tuple[Agent, Path]) -> None:
    """A checkpoint brings back moments, not the settings of the run that wrote it."""
    _, folder = whole
    changed = config().optim
    changed = type(changed)(learning_rate=1e-5, matrix_learning_rate=2e-5, betas=(0.5, 0.6), weight_decay=0.0)
    agent = config().agent.build()
    optimizers = build(agent, changed)
    state = load_checkpoint(complete_checkpoints(folder / "checkpoints")[-1], agent, optimizers)
    assert state["step"] == STEPS
    optimizers.set_rate(0.5)
    adam, muon = optimizers.parts
    assert {group["lr"] for group in adam.param_groups} == {5e-6}
    assert {group["lr"] for group in muon.param_groups} == {1e-5}
    assert adam.param_groups[0]["betas"] == (0.5, 0.6)
    assert all(len(part.state) > 0 for part in optimizers.parts)


def test_an_interrupt_saves_too(tmp_path: Path) -> None:
    def interrupted(start: int) -> Iterator[PackedBatch]:
        yield batch_of(start)
        signal.raise_signal(signal.SIGINT)
        yield batch_of(start + 1)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as stopped:
        loop.fit(config(checkpoint_minutes=1e9), interrupted, tmp_path, {})
    assert stopped.value.code == 128 + signal.SIGINT
    assert [path.name for path in complete_checkpoints(tmp_path / "checkpoints")] == ["step-0000002"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_request_does_not_wait() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopRequest() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.requested == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is before
