"""Fine-tuning changes what its mode names and nothing else, keeps statistics, and leaves a plain agent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from opengato.agent.files import WEIGHTS, load_agent, save_agent
from opengato.agent.model import Agent
from opengato.core.episode import ArraySpec, Episode
from opengato.data.loader import LoaderConfig
from opengato.data.store import EpisodeStore, StoreWriter, sha256_file
from opengato.nn import lora
from opengato.train import finetune as tuning
from opengato.train.checkpoint import newest_checkpoint
from opengato.train.finetune import Config, Start, constant_adam, finetune
from opengato.train.optim import schedule
from tests.tiny import documents_of_all_kinds, tiny_agent, token_config, toy_episode

KNOWN = {
    "toy/joint": {"mean": [5.0, 5.0, 5.0], "std": [2.0, 2.0, 2.0]},
    "toy/arm": {"mean": [0.5, 0.5], "std": [0.1, 0.1]},
}
TORQUE = ArraySpec(name="toy/torque", kind="continuous", shape=(4,))


def new_episode(seed: int) -> Episode:
    """An episode of a task that the agent does not know, with one more observation."""
    episode = toy_episode(seed, steps=2)
    torque = np.random.default_rng(seed).standard_normal((2, 4)).astype(np.float32) * 10 + 3
    return replace(
        episode,
        task="toy/new",
        observation_specs={**episode.observation_specs, "torque": TORQUE},
        observations={**episode.observations, "torque": torque},
    )


def write(folder: Path, episodes: list[Episode]) -> str:
    with StoreWriter(folder, {"licence": "ours"}) as writer:
        writer.append(episodes)
    return str(folder)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An agent on disk that knows a task and the statistics of its observations."""
    folder = tmp_path_factory.mktemp("base")
    agent = tiny_agent()
    state = replace(agent.config.modalities["state"], statistics=KNOWN)
    config = replace(agent.config, modalities={**agent.config.modalities, "state": state})
    known = config.build()
    known.load_state_dict(agent.state_dict())
    known.card = {"recipe": "toy", "tasks": ["toy/task"], "steps": 7, "scored": {"toy/task": 1.0}}
    save_agent(known, folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("data") / "new", [new_episode(seed) for seed in range(4)])


def config(mode: str = "full", **changes: Any) -> Config:
    settings: dict[str, Any] = {
        "optim": constant_adam(1e-2),
        "adapters": lora.Config(rank=2),
        "loader": LoaderConfig(workers=0),
        "rows_per_group": 2,
        "steps": 3,
        "precision": "float32",
        **changes,
    }
    return Config(mode=mode, **settings)  # ty: ignore[invalid-argument-type]


def weights(agent: Agent) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in agent.state_dict().items()}


def changed(agent: Agent, before: dict[str, Tensor]) -> set[str]:
    return {name for name, tensor in agent.state_dict().items() if not torch.equal(tensor, before[name])}


# What a mode trains


@pytest.mark.parametrize("mode", ["full", "head", "lora"])
def test_before_the_first_step_it_is_the_base_agent(mode: str, base: Path, data: str, tmp_path: Path) -> None:
    old = load_agent(base)
    new = finetune(Start.of(base), {data: 1.0}, config(mode, steps=0), tmp_path)
    assert not changed(new, weights(old))
    episodes = documents_of_all_kinds()
    for mine, theirs in zip(new.log_likelihood(episodes), old.log_likelihood(episodes), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_full_trains_everything(base: Path, data: str, tmp_path: Path) -> None:
    before = weights(load_agent(base))
    agent = finetune(Start.of(base), {data: 1.0}, config("full"), tmp_path)
    assert changed(agent, before) == before.keys()


def test_head_leaves_the_trunk_alone(base: Path, data: str, tmp_path: Path) -> None:
    before = weights(load_agent(base))
    agent = finetune(Start.of(base), {data: 1.0}, config("head"), tmp_path)
    assert changed(agent, before) == {
        "backbone.norm.weight",
        "modalities.text.table.weight",  # tied: also how the instruction is read
        "modalities.choice.table.weight",
        "modalities.motion.head.weight",
        "modalities.motion.head.bias",
    }


def test_lora_trains_adapters_and_leaves_an_agent_without(base: Path, data: str, tmp_path: Path) -> None:
    before = weights(load_agent(base))
    agent = finetune(Start.of(base), {data: 1.0}, config("lora"), tmp_path)
    layers = ("qkv", "out", "feed_forward.gate_and_value", "feed_forward.out")
    matrices = {f"backbone.blocks.{block}.{layer}.weight" for block in range(2) for layer in layers}
    assert changed(agent, before) == matrices
    newest = newest_checkpoint(tmp_path / "checkpoints")
    assert newest is not None
    under_way = load_agent(newest)
    assert under_way.config.adapters == lora.Config(rank=2)
    own = weights(under_way)
    assert own.keys() - before.keys() == {f"{name[:-7]}.{part}" for name in matrices for part in ("down", "up")}
    assert all(torch.equal(own[name], tensor) for name, tensor in before.items()), "the base stays as it was"
    saved = load_agent(tmp_path)
    assert saved.config.adapters is None
    assert not changed(saved, weights(agent))
    for one, other in zip(*(a.log_likelihood(documents_of_all_kinds()) for a in (saved, under_way)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)
    again = Start.of(newest)
    assert again.agent.adapters is None
    assert again.weights is not None
    assert all(torch.equal(again.weights[name], tensor) for name, tensor in saved.state_dict().items())


@pytest.mark.parametrize("mode", ["full", "lora"])
def test_a_run_in_two_parts_ends_the_same(mode: str, base: Path, data: str, tmp_path: Path) -> None:
    start = Start.of(base)
    whole = finetune(start, {data: 1.0}, config(mode, steps=4), tmp_path / "whole")
    finetune(start, {data: 1.0}, config(mode, steps=2), tmp_path / "parts")
    parts = finetune(start, {data: 1.0}, config(mode, steps=4), tmp_path / "parts")
    assert not changed(parts, weights(whole))
    assert parts.card["steps"] == 4
    assert changed(parts, weights(load_agent(base)))


def test_it_learns_the_new_task(base: Path, data: str, tmp_path: Path) -> None:
    episodes = list(EpisodeStore(data))
    agent = finetune(Start.of(base), {data: 1.0}, config(steps=40), tmp_path)
    begun = replace(agent.config).build().eval()
    begun.load_state_dict(load_agent(base).state_dict())
    before, after = (np.concatenate(a.log_likelihood(episodes)).mean() for a in (begun, agent))
    assert after < 0.6 * before


# Statistics


def test_new_statistics_are_measured_and_known_ones_stay(base: Path, data: str, tmp_path: Path) -> None:
    said: list[str] = []
    agent = finetune(Start.of(base), {data: 1.0}, config(steps=0), tmp_path, tell=said.append)
    found = agent.config.modalities["state"].statistics
    assert {name: found[name] for name in KNOWN} == KNOWN
    torque = np.concatenate([episode.observations["torque"] for episode in EpisodeStore(data)])
    np.testing.assert_allclose(found["toy/torque"]["mean"], torque.mean(0), rtol=1e-4)
    np.testing.assert_allclose(found["toy/torque"]["std"], torque.std(0), rtol=1e-4)
    assert said == [
        "statistics of 'toy/torque': new to the agent, measured from these data",
        "statistics of 'toy/arm': kept as the agent has them",
        "statistics of 'toy/joint': kept as the agent has them",
    ]
    assert agent.card["statistics"] == {
        tuning.MEASURED: ["toy/torque"],
        tuning.KEPT: ["toy/arm", "toy/joint"],
        tuning.RAW: [],
    }
    other = write(tmp_path / "other", [toy_episode(9, steps=2)])
    again = finetune(Start.of(tmp_path), {other: 1.0}, config(steps=0), tmp_path / "again")
    assert again.config.modalities["state"].statistics == found, "they are the agent's now"


def test_what_the_agent_reads_raw_stays_raw(base: Path, data: str, tmp_path: Path) -> None:
    """Its task is one of the agent's, yet it has no statistics: it was learnt without."""
    raw = ArraySpec(name="toy/raw", kind="continuous", shape=(1,))
    episode = replace(
        toy_episode(0, steps=2), observation_specs={"raw": raw}, observations={"raw": np.ones((2, 1)) * 9}
    )
    old = write(tmp_path / "old", [episode])
    said: list[str] = []
    agent = finetune(Start.of(base), {data: 1.0}, config(steps=0), tmp_path / "run", {old: 0.5}, said.append)
    assert agent.config.modalities["state"].statistics.keys() == {*KNOWN, "toy/torque"}
    assert said[-1] == "statistics of 'toy/raw': none, as the agent has learnt to read it without"


def test_what_has_no_statistics_needs_none(data: str, tmp_path: Path) -> None:
    agent = token_config().build()
    save_agent(agent, tmp_path / "base")
    said: list[str] = []
    tuned = finetune(Start.of(tmp_path / "base"), {data: 1.0}, config(steps=1), tmp_path / "new", tell=said.append)
    assert said == []
    assert tuned.config == agent.config


def test_scratch_knows_nothing(base: Path, data: str, tmp_path: Path) -> None:
    start = Start.of(base)
    scratch = start.from_scratch()
    assert scratch.agent.backbone == start.agent.backbone
    agent = finetune(scratch, {data: 1.0}, config(steps=0, seed=1), tmp_path)
    assert changed(agent, weights(load_agent(base))) >= {"local.weight", "backbone.blocks.0.qkv.weight"}
    joint = np.concatenate([episode.observations["joint"] for episode in EpisodeStore(data)])
    np.testing.assert_allclose(agent.config.modalities["state"].statistics["toy/joint"]["mean"], joint.mean(0), 1e-4)
    assert agent.card["tasks"] == ["toy/new"]
    assert agent.card["from"]["name"] == f"scratch, in the shape of {base}"


# Data


def test_data_that_the_agent_cannot_read_are_refused(base: Path, data: str, tmp_path: Path) -> None:
    start = Start.of(base)
    routes = {route: name for route, name in start.agent.routes.items() if route != "observation/continuous"}
    blind = replace(start, agent=replace(start.agent, routes=routes))
    with pytest.raises(
        ValueError, match=r"take the episodes of .*new.*no modality for 'observation/continuous'.*add-a"
    ):
        finetune(blind, {data: 1.0}, config(), tmp_path)
    for spec, said in (
        (replace(TORQUE, shape=(9,)), "'toy/torque' holds 9 numbers; this model has room for 8"),
        (
            ArraySpec(name="toy/map", kind="discrete", num_values=17, dtype="uint8"),
            "17 values; .* room for 12 x 3 x 16",
        ),
    ):
        values = np.zeros((2, *spec.shape), spec.dtype)
        episode = toy_episode(0, steps=2)
        episode = replace(episode, observation_specs={"x": spec}, observations={"x": values})
        with pytest.raises(ValueError, match=said):
            finetune(start, {write(tmp_path / spec.kind, [episode]): 1.0}, config(), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_shares() -> None:
    assert tuning.shares({"a": 1.0, "b": 3.0}, {"old": 0.2}) == pytest.approx({"a": 0.2, "b": 0.6, "old": 0.2})
    assert tuning.shares({"a": 5.0}, {}) == {"a": 1.0}
    for data, replay in (({}, {}), ({"a": 0.0}, {}), ({"a": 1.0}, {"old": 1.0}), ({"a": 1.0}, {"old": -0.1})):
        with pytest.raises(ValueError, match="expected at least one store of new data"):
            tuning.shares(data, replay)
    with pytest.raises(ValueError, match="name each store once"):
        tuning.shares({"a": 1.0}, {"a": 0.1})


def test_the_card_says_where_it_comes_from(base: Path, data: str, tmp_path: Path) -> None:
    old = write(tmp_path / "old", [toy_episode(seed, steps=2) for seed in range(2)])
    finetune(Start.of(base), {data: 1.0}, config("head", steps=1), tmp_path / "run", {old: 0.25})
    card = load_agent(tmp_path / "run").card
    assert card["from"] == {
        "name": str(base),
        "recipe": "toy",
        "steps": 7,
        "weights_sha256": sha256_file(base / WEIGHTS),
    }
    assert card["tasks"] == ["toy/new", "toy/task"]
    assert card["finetuned_on"] == ["toy/new"]
    assert (card["mode"], card["steps"]) == ("head", 1)
    assert card["data"][data] | {"fingerprint": ""} == {
        "episodes": 4,
        "share": 0.75,
        "fingerprint": "",
        "licence": "ours",
    }
    assert card["data"][old]["share"] == 0.25
    assert card["command"] == f"opengato finetune {base} --data {data} --replay {old}=0.25 --mode head steps=1"
    assert "scored" not in card, "the base agent's scores are not this one's"
    origin = Start.of(tmp_path / "run").origin
    assert (origin["from"], origin["data"]) == (card["from"], card["data"]), "who comes after knows them too"
    rows = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert {f"share/{data}", f"share/{old}"} <= rows[-1].keys()


def test_a_folder_holds_one_fine_tuning(base: Path, data: str, tmp_path: Path) -> None:
    start = Start.of(base)
    finetune(start, {data: 1.0}, config(steps=1), tmp_path)
    finetune(start, {data: 1.0}, config(steps=2, checkpoint_minutes=1.0), tmp_path)
    with pytest.raises(ValueError, match="holds a fine-tuning with other settings; choose another folder"):
        finetune(start, {data: 1.0}, config("head", steps=2), tmp_path)
    with pytest.raises(ValueError, match="with other weights"):
        finetune(start.from_scratch(), {data: 1.0}, config(steps=2), tmp_path)
    with pytest.raises(ValueError, match="with other data"):
        finetune(start, {write(tmp_path / "other", [new_episode(9)]): 1.0}, config(steps=2), tmp_path)


# Settings


def test_the_papers_settings_are_the_defaults() -> None:
    gato = tuning.defaults(364_000_000)
    assert gato == Config()
    assert (gato.steps, gato.loader.groups * gato.rows_per_group) == (10_000, 64)
    assert gato.optim.betas == (0.9, 0.95)
    assert [schedule(step, 10_000, gato.optim) for step in (0, 1, 5000, 9999)] == [1.0] * 4
    agent = tiny_agent()
    optimizers = tuning.loop.optim.build(agent, gato.optim)
    groups = [group for part in optimizers.parts for group in part.param_groups]
    assert {group["base_lr"] for group in groups} == {1e-5}
    assert {group["weight_decay"] for group in groups} == {0.0}
    assert {group["eps"] for group in groups} == {1e-8}
    assert sum(len(group["params"]) for group in groups) == len(list(agent.parameters()))


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="`mode` is 'heads', expected one of"):
        config("heads")
