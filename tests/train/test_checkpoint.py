"""Checkpoints: whole or not there, and the old one outlives a full disk."""

from __future__ import annotations

import dataclasses
import errno
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from opengato.agent.model import Agent
from opengato.train import checkpoint, optim
from opengato.train.checkpoint import complete_checkpoints, load_checkpoint, newest_checkpoint, save_checkpoint
from opengato.train.distributed import Alone
from opengato.train.loop import train_step
from opengato.train.optim import Optimizers
from tests.tiny import tiny_agent
from tests.train.toy_run import batch_of, config


@pytest.fixture
def trained() -> tuple[Agent, Optimizers]:
    """After one step, so that the optimisers have a state."""
    agent = tiny_agent().train()
    optimizers = optim.build(agent, optim.Config())
    train_step(Alone(agent, config().objective.build()), optimizers, [batch_of(0)], rate=1.0, clip=1.0)
    return agent, optimizers


def test_a_checkpoint_comes_back(trained: tuple[Agent, Optimizers], tmp_path: Path) -> None:
    agent, optimizers = trained
    path = save_checkpoint(tmp_path, agent, optimizers, {"step": 1, "seconds": 2.5})
    assert path == newest_checkpoint(tmp_path)
    other = tiny_agent(seed=9)
    restored = optim.build(other, optim.Config())
    assert load_checkpoint(path, other, restored) == {"step": 1, "seconds": 2.5}
    assert all(torch.equal(other.state_dict()[name], tensor) for name, tensor in agent.state_dict().items())
    for mine, theirs in zip(restored.parts, optimizers.parts, strict=True):
        pairs = zip(mine.state_dict()["state"].values(), theirs.state_dict()["state"].values(), strict=True)
        assert all(torch.equal(torch.as_tensor(a[key]), torch.as_tensor(b[key])) for a, b in pairs for key in b)


def test_the_generators_come_back_where_they_were_kept(trained: tuple[Agent, Optimizers], tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, *trained, {"step": 1, "seconds": 0.0})
    expected = torch.rand(3)
    torch.manual_seed(5)
    load_checkpoint(path, *trained)
    assert torch.equal(torch.rand(3), expected)
    (path / "random.pt").unlink()
    torch.manual_seed(5)
    load_checkpoint(path, *trained)
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), drawn)


def test_only_the_newest_are_kept_in_the_order_of_steps(trained: tuple[Agent, Optimizers], tmp_path: Path) -> None:
    for step in (9, 10, 100, 99_999):
        save_checkpoint(tmp_path, *trained, {"step": step, "seconds": 0.0}, keep=2)
    assert [path.name for path in complete_checkpoints(tmp_path)] == ["step-0000100", "step-0099999"]


def test_half_a_checkpoint_is_none(trained: tuple[Agent, Optimizers], tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    assert newest_checkpoint(tmp_path / "nowhere") is None
    good = save_checkpoint(tmp_path, *trained, {"step": 1, "seconds": 0.0})
    for name in (".step-0000002.tmp", "step-0000003"):  # killed before the rename; copied by hand and cut off
        (tmp_path / name / "agent").mkdir(parents=True)
        (tmp_path / name / "optimizer.pt").write_bytes(b"junk")
    assert newest_checkpoint(tmp_path) == good
    save_checkpoint(tmp_path, *trained, {"step": 5, "seconds": 0.0})
    assert not (tmp_path / ".step-0000002.tmp").exists(), "what a killed process left is cleared away"


def no_space(*_: Any, **__: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("where", ["os.replace", "torch.save", "save_agent"])
def test_a_full_disk_keeps_the_old_checkpoint_and_says_so(
    trained: tuple[Agent, Optimizers], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    old = save_checkpoint(tmp_path, *trained, {"step": 1, "seconds": 0.0})
    with monkeypatch.context() as patched:
        patched.setattr(f"{checkpoint.__name__}.{where}", no_space)
        with pytest.raises(
            OSError, match=r"step-0000002 could not be written .*No space left.*step-0000001; free some"
        ):
            save_checkpoint(tmp_path, *trained, {"step": 2, "seconds": 0.0})
    assert list(tmp_path.iterdir()) == [old]
    assert load_checkpoint(old, *trained)["step"] == 1
    assert save_checkpoint(tmp_path, *trained, {"step": 2, "seconds": 0.0}).is_dir()


@pytest.fixture
def small_files() -> Any:
    """Files beyond a size cannot be written, as on a full disk: what torch and safetensors then raise is their own."""
    old_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def limit(size: int) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, old_limit[1]))

    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, old_limit)
    signal.signal(signal.SIGXFSZ, old_handler)


@pytest.mark.parametrize("written", ["agent/weights.safetensors", "optimizer.pt"])
def test_a_disk_that_fills_up_while_writing_is_the_same(
    trained: tuple[Agent, Optimizers], tmp_path: Path, small_files: Callable[[int], None], written: str
) -> None:
    old = save_checkpoint(tmp_path, *trained, {"step": 1, "seconds": 0.0})
    small_files((old / written).stat().st_size - 1000)
    with pytest.raises(OSError, match=r"step-0000002 could not be written .*the newest complete one is .*step-0000001"):
        save_checkpoint(tmp_path, *trained, {"step": 2, "seconds": 0.0})
    small_files(resource.RLIM_INFINITY)
    assert list(tmp_path.iterdir()) == [old]
    assert load_checkpoint(old, *trained)["step"] == 1


def test_a_checkpoint_of_another_config_is_refused(trained: tuple[Agent, Optimizers], tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, *trained, {"step": 1, "seconds": 0.0})
    other = tiny_agent("tokens")
    with pytest.raises(ValueError, match="is of another config than this run asks for"):
        load_checkpoint(path, other, optim.build(other, optim.Config()))


def test_so_is_one_whose_tensors_would_fit(trained: tuple[Agent, Optimizers], tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, *trained, {"step": 1, "seconds": 0.0})
    window = trained[0].config.backbone.window
    other = dataclasses.replace(
        trained[0].config, backbone=dataclasses.replace(trained[0].config.backbone, window=window + 1)
    ).build()
    before = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    with pytest.raises(ValueError, match=f"backbone.window: {window} and {window + 1}"):
        load_checkpoint(path, other, optim.build(other, optim.Config()))
    assert all(torch.equal(tensor, before[name]) for name, tensor in other.state_dict().items())


def test_nothing_is_unpickled(trained: tuple[Agent, Optimizers], tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, *trained, {"step": 1, "seconds": 0.0})
    torch.save([{"state": Path("x")}], path / "optimizer.pt")
    with pytest.raises(Exception, match="Weights only load failed"):
        load_checkpoint(path, *trained)
