"""Acting: side by side as one by one, and as the full forward pass would have acted.

Letters: B rows, T slots, S slots of all rows, D width.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from opengato.agent.generate import Decoding
from opengato.agent.model import Agent
from opengato.agent.policy import AgentPolicy, Limits, Trace
from opengato.agent.slots import slots_of
from opengato.backbones import causal
from opengato.core.episode import Episode
from opengato.core.modality import Sampling
from opengato.core.policy import Observed
from opengato.core.sequence import TokenSequence, concatenate
from opengato.data.documents import slice_steps
from opengato.nn.cache import FixedCache
from opengato.nn.graphs import Replayed
from opengato.rollout import rollout
from tests.agent.toy import ToyFamily, task
from tests.close import assert_close
from tests.nn.test_graphs import Recording
from tests.tiny import ACTION, ENCODINGS, OBSERVATION, tiny_agent, toy_episode

WINDOW = 24


@torch.inference_mode()
def forward(agent: Agent, sequence: TokenSequence) -> torch.Tensor:
    """Hidden states (T, D) of one sequence, without a cache."""
    slots = slots_of([sequence], agent.device)
    x_BTD = agent.embed_slots(slots.payload, slots.slot_N, slots.local_BT)
    return agent.backbone(x_BTD, torch.zeros_like(slots.position_BT), slots.position_BT, slots.prompt_BT)[0]


@torch.inference_mode()
def best_values(agent: Agent, sequence: TokenSequence, step: int) -> dict[str, np.ndarray]:
    """The greedy action of a step of a sequence that holds it, teacher forced."""
    h_TD = forward(agent, sequence)
    targets = np.flatnonzero(sequence.predict_T & (sequence.step_T == step))
    values, done = {}, 0
    for field, name, count in agent.serializer.action_slots(ACTION):
        assert count is not None
        rows = [agent.modality(name).sample(h_TD[t - 1 : t], ACTION[field], Sampling()) for t in targets[done:][:count]]
        values[field] = agent.serializer.codecs[name].decode(torch.cat(rows).numpy(), ACTION[field])
        done += count
    assert done == len(targets)
    return values


def assert_same_episodes(received: list[Episode], expected: list[Episode]) -> None:
    for mine, theirs in zip(received, expected, strict=True):
        assert mine.instruction == theirs.instruction
        for values, others in ((mine.actions, theirs.actions), (mine.observations, theirs.observations)):
            for name in others:
                np.testing.assert_array_equal(values[name], others[name], err_msg=name)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_side_by_side_is_one_by_one(toy_family: ToyFamily, encoding: str, temperature: float) -> None:
    agent = tiny_agent(encoding, window=WINDOW)
    settings: dict[str, Any] = {"episodes": 6, "seed": 3}

    def run(seed: int, num_envs: int) -> list[Episode]:
        policy = AgentPolicy(agent, temperature, seed, rows=num_envs)
        return list(rollout(task(), policy, **settings, num_envs=num_envs))

    one = run(0, 1)
    assert_same_episodes(run(0, 4), one)
    assert len({episode.num_steps for episode in one}) > 1, "slots are used again at different times"
    moves = np.concatenate([episode.actions["move"] for episode in one])
    assert len(set(moves.tolist())) > 1
    other = np.concatenate([episode.actions["move"] for episode in run(1, 4)])
    assert np.array_equal(moves, other) == (temperature == 0), (
        "the seed matters where something is drawn, and only there"
    )


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_acting_is_the_full_forward_pass_long_after_the_window_has_rolled(toy_family: ToyFamily, encoding: str) -> None:
    agent = tiny_agent(encoding, window=WINDOW)
    toy_family.steps = 20
    [episode] = rollout(task(max_steps=20), AgentPolicy(agent, rows=1), episodes=1, seed=0)
    sequence = agent.serializer.episode(episode)
    assert len(sequence) > 5 * WINDOW
    for step in range(20):
        for field, value in best_values(agent, sequence, step).items():
            np.testing.assert_allclose(episode.actions[field][step], value, err_msg=f"step {step}, {field}")
    assert len(set(episode.actions["move"].tolist())) > 1
    # The test would notice: with a wider window the same past leads to other actions.
    wide = tiny_agent(encoding, window=10 * WINDOW)
    late = [best_values(wide, sequence, step)["force"] for step in range(10, 20)]
    assert not np.allclose(late, episode.actions["force"][10:])


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_acting_with_recorded_passes_is_acting(
    toy_family: ToyFamily, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a GPU, with the cache that is its, and something that stands in for its recordings."""
    agent = tiny_agent(encoding, window=WINDOW)

    def run(policy: AgentPolicy) -> list[Episode]:
        return list(rollout(task(), policy, episodes=6, seed=3, num_envs=3))

    expected = run(AgentPolicy(agent, rows=3))
    monkeypatch.setattr(causal, "RollingCache", FixedCache)
    policy, recording = AgentPolicy(agent, rows=3), Recording()
    policy._decoding._extend = Replayed(policy._decoding._extended, recording)
    assert_same_episodes(run(policy), expected)
    assert recording.made > 1


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_episode_goes_on_after_steps_that_were_done(encoding: str) -> None:
    agent = tiny_agent(encoding, window=200)
    agent_steps, told = toy_episode(2, steps=4), "go on"
    seen = [{name: column[step] for name, column in agent_steps.observations.items()} for step in range(4)]
    policy = AgentPolicy(agent, rows=3, limits=Limits(prompt_length=200))
    policy.begin(0, task(), told, None, seed=0)
    acted = [values for one in seen for values in policy.act([0], [Observed(None, one)]) if values is not None]
    done = replace(
        slice_steps(agent_steps, 0, 2),
        actions={name: np.stack([values[name] for values in acted[:2]]) for name in ACTION},
    )
    policy.begin_after(2, task(), told, done, seed=0)
    for one, expected in zip(seen[2:], acted[2:], strict=True):
        policy.look(2, Observed(None, one))
        (values,) = policy.decide([2])
        for field in ACTION:
            np.testing.assert_array_equal(values[field], expected[field])
    policy.begin(1, task(), told, None, seed=0)
    (alone,) = policy.act([1], [Observed(None, seen[2])])
    assert alone is not None
    assert any(not np.array_equal(alone[field], acted[2][field]) for field in ACTION), "what was done matters"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_demonstration_is_read_before_the_first_step(encoding: str) -> None:
    agent = tiny_agent(encoding, window=200)
    shown = toy_episode(1, steps=3, instruction="another instruction")
    seen = [{name: column[step] for name, column in toy_episode(2).observations.items()} for step in range(2)]
    policy = AgentPolicy(agent, rows=2, prompt=shown, limits=Limits(prompt_length=200))
    policy.begin(1, task(), "go on", None, seed=0)
    acted = []
    for values in seen:
        acted += policy.act([1], [Observed(None, values)])
    # By hand: the demonstration under this episode's instruction, then the steps, numbered on.
    made = agent.serializer
    parts = [made.episode(replace(shown, instruction="go on"))]
    for step, (values, action) in enumerate(zip(seen, acted, strict=True), start=3):
        parts.append(made.observation(OBSERVATION, values, step, sum(map(len, parts))))
        parts.append(made.action(ACTION, action, step, sum(map(len, parts))))
    sequence = concatenate(parts)
    for step, action in enumerate(acted, start=3):
        for field, value in best_values(agent, sequence, step).items():
            np.testing.assert_allclose(action[field], value)
    assert np.flatnonzero(np.diff(sequence.step_T)).size == 5, "an instruction and five steps"
    plain = AgentPolicy(agent, rows=1)
    plain.begin(0, task(), "go on", None, seed=0)
    first = plain.act([0], [Observed(None, seen[0])])[0]
    assert first is not None
    assert not np.allclose(first["force"], acted[0]["force"]), "the demonstration makes a difference"


def test_the_instruction_makes_a_difference() -> None:
    agent = tiny_agent()
    seen = Observed(None, {name: column[0] for name, column in toy_episode(2).observations.items()})
    policy = AgentPolicy(agent, rows=2)
    policy.begin(0, task(), "open the drawer", None, seed=0)
    policy.begin(1, task(), "close the window", None, seed=0)
    first, second = policy.act([0, 1], [seen, seen])
    assert first is not None
    assert second is not None
    assert not np.allclose(first["force"], second["force"])


def test_an_episode_forgets_the_one_before_in_its_slot() -> None:
    agent = tiny_agent()
    seen = [Observed(None, {n: c[step] for n, c in toy_episode(2).observations.items()}) for step in range(4)]
    policy = AgentPolicy(agent, temperature=1.0, rows=1)
    runs = []
    for _ in range(2):
        policy.begin(0, task(), "go on", None, seed=7)
        runs.append([policy.act([0], [moment])[0] for moment in seen])
        policy.end(0)
    for mine, theirs in zip(*runs, strict=True):
        assert mine is not None
        assert theirs is not None
        for field in mine:
            np.testing.assert_array_equal(mine[field], theirs[field])


def test_wrong_use_is_told() -> None:
    agent = tiny_agent()
    policy = AgentPolicy(agent, rows=2)
    with pytest.raises(ValueError, match=r"slot 2 exceeds the 2 rows of this policy; make it with rows=3"):
        policy.begin(2, task(), "go on", None, seed=0)
    decoding = Decoding(agent, 1)
    piece = agent.serializer.observation(OBSERVATION, {n: c[0] for n, c in toy_episode().observations.items()}, 0, 5)
    with pytest.raises(ValueError, match=r"row 0 holds 0 positions; received .* that start at 5"):
        decoding.feed([0], [piece])


def test_feeding_in_pieces_of_any_size_is_feeding_at_once() -> None:
    """Also beyond the window and the context, and for rows of very different lengths."""
    agent = tiny_agent(window=WINDOW)
    sequences = [agent.serializer.episode(toy_episode(seed, steps)) for seed, steps in ((0, 1), (1, 15), (2, 4))]
    assert max(map(len, sequences)) > agent.context > WINDOW
    whole = Decoding(agent, 3).feed([0, 1, 2], sequences)
    expected = torch.stack([forward(agent, sequence)[-1] for sequence in sequences])
    assert_close(whole, expected, atol=1e-4, rtol=1e-4)
    decoding, last = Decoding(agent, 3), torch.zeros_like(whole)
    generator = np.random.default_rng(0)
    done = [0, 0, 0]
    while True:
        rows = [row for row in (2, 0, 1) if done[row] < len(sequences[row])]
        if not rows:
            break
        sizes = [int(generator.integers(1, 12)) for _ in rows]
        parts = []
        for row, size in zip(rows, sizes, strict=True):
            index_T = np.arange(len(sequences[row]))
            unmarked = replace(sequences[row], predict_T=np.zeros(len(index_T), bool))
            parts.append(unmarked.take((index_T >= done[row]) & (index_T < done[row] + size)))
            done[row] += len(parts[-1])
        last[rows] = decoding.feed(rows, parts)
    assert_close(last, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_trace_holds_what_was_read_and_chosen(encoding: str) -> None:
    """At temperature 0 the likeliest id of each position is the one that is read at the next step."""
    agent, episode = tiny_agent(encoding), toy_episode(4)
    traced, plain, trace = AgentPolicy(agent, rows=2), AgentPolicy(agent, rows=2), Trace()
    for policy, told in ((traced, trace), (plain, None)):
        policy.begin_after(0, task(), "go", None, 0, told)
    length = 0
    for step in range(3):
        seen = Observed(None, {name: values[step] for name, values in episode.observations.items()})
        (action,), (same,) = traced.act([0], [seen]), plain.act([0], [seen])
        assert action is not None
        assert same is not None
        assert all(np.array_equal(action[name], same[name]) for name in action)
        assert trace.read is not None
        assert trace.read.step_T[-1] == step
        length += len(trace.read)
        assert {field for field, _, _ in trace.chosen} == set(action)
        assert all(chance_AV.sum(-1) == pytest.approx(1, abs=1e-4) for _, _, chance_AV in trace.chosen)
        length += len(trace.chosen) - 1
        assert length == traced._decoding.length[0]
