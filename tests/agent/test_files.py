"""Save and load are the identity; what does not fit is named; nothing is unpickled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from opengato.agent import files
from opengato.agent.files import load_agent, load_weights, save_agent
from opengato.core.config import to_json
from tests.tiny import ENCODINGS, documents_of_all_kinds, tiny_agent, trunk


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_agent_comes_back_as_it_was(encoding: str, tmp_path: Path) -> None:
    agent = tiny_agent(encoding)
    agent.card = {"tasks": ["toy/task"], "steps": 3}
    save_agent(agent, tmp_path)
    again = load_agent(tmp_path)
    assert again.config == agent.config
    assert again.card == agent.card
    assert not again.training
    for name, tensor in agent.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    episodes = documents_of_all_kinds()
    for mine, theirs in zip(again.log_likelihood(episodes), agent.log_likelihood(episodes), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert "toy: 1 tasks (task)" in again.spec()
    assert f"{agent.num_parameters / 1e6:.2f}M parameters" in again.spec()
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "weights.safetensors", "card.json"}


def test_half_precision_is_a_rounding_and_half_the_file(tmp_path: Path) -> None:
    agent = tiny_agent()
    save_agent(agent, tmp_path / "full")
    save_agent(agent, tmp_path / "half", torch.bfloat16)
    again = load_agent(tmp_path / "half")
    for name, tensor in agent.state_dict().items():
        received = again.state_dict()[name]
        assert received.dtype == torch.float32
        assert torch.equal(received, tensor.to(torch.bfloat16).float()), name
    full, half = ((tmp_path / kind / files.WEIGHTS).stat().st_size for kind in ("full", "half"))
    assert half < 0.55 * full


def test_an_agent_is_found_in_a_run_and_in_a_checkpoint(tmp_path: Path) -> None:
    agent = tiny_agent()
    for step in (5, 12):
        agent.card = {"step": step}
        save_agent(agent, tmp_path / f"run/checkpoints/step-{step:07d}/agent")
    assert load_agent(tmp_path / "run").card == {"step": 12}, "the newest checkpoint of a run that is not done"
    assert load_agent(tmp_path / "run/checkpoints/step-0000005").card == {"step": 5}
    agent.card = {"step": 20}
    save_agent(agent, tmp_path / "run/agent")
    assert load_agent(str(tmp_path / "run")).card == {"step": 20}


def test_weights_of_another_config_are_refused(tmp_path: Path) -> None:
    agent = tiny_agent()
    save_agent(agent, tmp_path)
    before = {name: tensor.clone() for name, tensor in agent.state_dict().items()}
    wider = replace(agent.config, backbone=replace(trunk(), hidden=64)).build()
    with pytest.raises(ValueError, match=r"another config: 0 tensors missing.*0 unknown.*4 of another shape.*backbone"):
        load_weights(wider, tmp_path)
    deeper = replace(agent.config, backbone=replace(trunk(), depth=3)).build()
    with pytest.raises(ValueError, match=r"another config: 6 tensors missing \['backbone.blocks.2"):
        load_weights(deeper, tmp_path)
    without = {name: m for name, m in agent.config.modalities.items() if name != "image"}
    routes = {route: name for route, name in agent.config.routes.items() if name != "image"}
    with pytest.raises(ValueError, match=r"\d+ unknown \['modalities.image"):
        load_weights(replace(agent.config, modalities=without, routes=routes).build(), tmp_path)
    load_weights(agent, tmp_path)
    assert all(torch.equal(tensor, before[name]) for name, tensor in agent.state_dict().items())


def test_what_is_no_agent_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"holds no agent: expected config.json and weights.safetensors"):
        load_agent(tmp_path)
    save_agent(tiny_agent(), tmp_path)
    (tmp_path / files.CONFIG).write_text(json.dumps(to_json(trunk())))
    with pytest.raises(ValueError, match=r"config.json holds Config, expected the config of an agent"):
        load_agent(tmp_path)
    (tmp_path / files.CONFIG).write_text(json.dumps({"type": "os:system"}))
    with pytest.raises(ValueError, match="'os:system', which this version of opengato does not have"):
        load_agent(tmp_path)
    monkeypatch.setattr(files, "shipped", lambda: ["tiny", "small"])
    with pytest.raises(ValueError, match=r"unknown agent .* 'tinny'; did you mean 'tiny'"):
        load_agent("tinny")
    with pytest.raises(ValueError, match=r"unknown agent .* 'runs/nowhere'"):
        load_agent("runs/nowhere")


@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
def test_a_device_that_is_not_here_is_told_before_anything_is_read(tmp_path: Path, device: str) -> None:
    with pytest.raises(ValueError, match=rf"no device '{device}' here; expected one of cpu"):
        load_agent(tmp_path, device)


def test_a_shipped_name_means_the_shipped_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a folder of that name lies around, too: the same command gives the same scores everywhere."""
    save_agent(tiny_agent(), tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    assert files.find_agent("tiny") != Path("tiny")
    assert files.find_agent("./tiny") == files.find_agent(Path("tiny")) == Path("tiny")


def test_half_written_weights_are_no_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies while it writes leaves nothing that looks whole, and an older agent stays what it was."""
    agent = tiny_agent()

    def die(state: dict[str, torch.Tensor], path: Path) -> None:
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    def save_and_die() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(files, "save_file", die)
            save_agent(agent, tmp_path)

    with pytest.raises(KeyboardInterrupt):
        save_and_die()
    with pytest.raises(ValueError, match="holds no agent"):
        load_agent(tmp_path)
    save_agent(agent, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        save_and_die()
    assert load_agent(tmp_path).num_parameters == agent.num_parameters
