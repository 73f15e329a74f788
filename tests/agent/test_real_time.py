"""The real-time mode: actions from one pass, a short history, and a window other than in training.

Letters: B rows, T slots, N positions of one modality, D width.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from opengato.agent.generate import Decoding
from opengato.agent.model import Agent
from opengato.agent.policy import AgentPolicy, Limits
from opengato.agent.slots import slots_of
from opengato.core.config import from_json, to_json
from opengato.core.policy import Observed
from opengato.core.sequence import UNREAD, concatenate
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.rollout import rollout
from tests.agent.test_acting import WINDOW, best_values, forward
from tests.agent.toy import ToyFamily, task
from tests.close import assert_close
from tests.tiny import ACTION, ENCODINGS, OBSERVATION, caption_episode, tiny_agent, toy_episode

MOVE = {"move": ACTION["move"]}


def parallel_agent(encoding: str, **settings: Any) -> Agent:
    """The weights of `tiny_agent` in an agent that does not read actions."""
    plain = tiny_agent(encoding, **settings)
    agent = replace(plain.config, parallel_actions=True).build()
    agent.load_state_dict(plain.state_dict())
    return agent.eval()


def observations(count: int, seed: int = 2) -> list[dict[str, Any]]:
    columns = toy_episode(seed, count).observations
    return [{name: column[step] for name, column in columns.items()} for step in range(count)]


def act(agent: Agent, seen: list[dict[str, Any]], specs: dict = ACTION, **settings: Any) -> list[dict[str, Any]]:
    """An episode's actions on observations that do not depend on them."""
    policy = AgentPolicy(agent, rows=1, **settings)
    policy.begin(0, task(action_specs=specs), "go on", None, seed=0)
    actions = [policy.act([0], [Observed(None, values)])[0] for values in seen]
    return [action for action in actions if action is not None]


def assert_same_actions(received: list[dict[str, Any]], expected: list[dict[str, Any]]) -> None:
    assert len(received) == len(expected)
    for mine, theirs in zip(received, expected, strict=True):
        assert mine.keys() == theirs.keys()
        for name in mine:
            np.testing.assert_array_equal(mine[name], theirs[name], err_msg=name)


# Actions at once


def watch(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """The vectors that each modality makes of its rows, as leaves that collect a gradient."""
    leaves: dict[str, Tensor] = {}

    def watched(name: str, embed: Any) -> Any:
        def embed_and_keep(rows_NP: Tensor) -> Tensor:
            leaves[name] = embed(rows_NP).detach().requires_grad_()
            return leaves[name]

        return embed_and_keep

    for name in agent.modalities:
        monkeypatch.setattr(agent.modality(name), "embed", watched(name, agent.modality(name).embed))
    return leaves


@pytest.mark.parametrize("parallel", [True, False])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_later_action_does_not_depend_on_an_earlier_one(
    encoding: str, parallel: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = parallel_agent(encoding) if parallel else tiny_agent(encoding)
    sequence = agent.serializer.episode(toy_episode(steps=2))
    leaves = watch(agent, monkeypatch)
    slots = slots_of([sequence], agent.device)
    x_BTD = agent.embed_slots(slots.payload, slots.slot_N, slots.local_BT)
    h_BTD = agent.backbone(x_BTD, *slots.places)
    last = int(np.flatnonzero(sequence.predict_T)[-1])
    name = sequence.names[sequence.modality_T[last]]
    agent.modality(name).loss(h_BTD[0, last - 1 : last], slots.payload[name][-1:]).sum().backward()
    reached = np.zeros(len(sequence), bool)
    for other, leaf in leaves.items():
        if leaf.grad is not None:
            reached[slots.slot_N[other].numpy()] = leaf.grad.abs().amax(-1).numpy() > 0
    actions = sequence.predict_T & (np.arange(len(sequence)) < last)
    near = np.arange(len(sequence)) > last - 8
    assert reached[~actions & near & (np.arange(len(sequence)) < last)].all(), "observations are read"
    assert (sequence.local_T[sequence.predict_T] == (UNREAD if parallel else -1)).all()
    if parallel:
        assert not reached[actions].any()
        held = x_BTD[0, torch.from_numpy(sequence.predict_T)]
        assert torch.equal(held, agent.local.weight[:1].expand_as(held)), "one code for all, and nothing else"
    else:
        assert reached[actions & near].all()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_acting_in_one_pass_is_the_teacher_forced_choice(
    toy_family: ToyFamily, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = parallel_agent(encoding, window=WINDOW)
    toy_family.steps = 12
    passes = 0
    original = Decoding.feed_for

    def count_passes(self: Decoding, *arguments: Any) -> Tensor:
        nonlocal passes
        passes += 1
        return original(self, *arguments)

    monkeypatch.setattr(Decoding, "feed_for", count_passes)
    [episode] = rollout(task(max_steps=12), AgentPolicy(agent, rows=1), episodes=1, seed=0)
    assert passes == episode.num_steps == 12, "one pass a step, however many numbers an action has"
    sequence = agent.serializer.episode(episode)
    for step in range(12):
        for field, value in best_values(agent, sequence, step).items():
            np.testing.assert_allclose(episode.actions[field][step], value, err_msg=f"step {step}, {field}")
    assert len(set(episode.actions["move"].tolist())) > 1


@pytest.mark.parametrize("count", [1, 3])
def test_the_last_states_of_rows_of_any_length_are_those_of_the_full_pass(count: int) -> None:
    """Also where a row is read in parts of the context, and its last positions lie in two of them."""
    agent = tiny_agent("tokens", window=WINDOW)
    whole = agent.serializer.episode(toy_episode(steps=12))
    unmarked = replace(whole, predict_T=np.zeros(len(whole), bool))
    lengths = [agent.context + extra for extra in (-20, 0, 1, 2, 3, agent.context + 1)]
    assert max(lengths) <= len(whole)
    parts = [unmarked.take(np.arange(len(whole)) < length) for length in lengths]
    received = Decoding(agent, len(parts)).feed_for(list(range(len(parts))), parts, count)
    expected = torch.stack([forward(agent, part)[-count:] for part in parts])
    assert_close(received, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("parallel", [True, False])
def test_side_by_side_is_one_by_one(toy_family: ToyFamily, parallel: bool) -> None:
    agent = (parallel_agent if parallel else tiny_agent)("tokens", window=WINDOW)

    def run(num_envs: int) -> list[np.ndarray]:
        policy = AgentPolicy(agent, temperature=1.0, rows=num_envs, limits=Limits(history=2, top_k=3))
        return [episode.actions["force"] for episode in rollout(task(), policy, episodes=5, seed=3, num_envs=num_envs)]

    for mine, theirs in zip(run(3), run(1), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_for_an_action_of_one_number_both_ways_coincide(encoding: str, temperature: float) -> None:
    """Without a past in which the one agent reads its actions and the other does not."""
    seen, limits = observations(8), Limits(history=1)
    ways = [
        act(agent, seen, MOVE, temperature=temperature, limits=limits)
        for agent in (tiny_agent(encoding), parallel_agent(encoding))
    ]
    assert_same_actions(*ways)
    assert len({int(action["move"]) for action in ways[0]}) > 1
    # With a past they differ: from the second step on, one reads what it did and the other does not.
    forces = [[a["force"] for a in act(agent, seen)] for agent in (tiny_agent(encoding), parallel_agent(encoding))]
    assert forces[0][0][0] == forces[1][0][0], "the first number of the first action"
    assert not np.allclose(forces[0][1:], forces[1][1:])


def test_only_actions_of_a_known_length_are_not_read() -> None:
    serializer = parallel_agent("tokens").serializer
    assert (serializer.episode(caption_episode()).local_T != UNREAD).all(), "a text is read as it is written"
    sequence = serializer.episode(toy_episode())
    batch = pack_documents([Document(sequence=sequence, source=0, episode=0)], len(sequence))
    assert ((batch.local_BT[0] == UNREAD).numpy() == sequence.predict_T).all()


def test_an_agent_of_before_reads_its_actions() -> None:
    config = replace(ENCODINGS["tokens"](), parallel_actions=True)
    assert from_json(to_json(config)) == config
    old = to_json(config)
    del old["parallel_actions"]
    assert not from_json(old).parallel_actions


# A short history


@pytest.mark.parametrize("parallel", [False, True])
@pytest.mark.parametrize(("history", "shown"), [(1, 0), (3, 0), (2, 2)])
def test_an_action_follows_from_the_last_steps_alone(history: int, shown: int, parallel: bool) -> None:
    agent = (parallel_agent if parallel else tiny_agent)("tokens", window=300)
    seen = observations(6)
    prompt = toy_episode(5, shown) if shown else None
    acted = act(agent, seen, prompt=prompt, limits=Limits(history=history))
    made = agent.serializer
    for step in range(6):
        # By hand: instruction (and demonstration), then the last steps as if the episode had begun with them.
        head = made.prompt("go on") if prompt is None else made.episode(replace(prompt, instruction="go on"))
        parts = [head]
        for past in range(max(0, step - history + 1), step + 1):
            parts.append(made.observation(OBSERVATION, seen[past], 100 + past, sum(map(len, parts))))
            parts.append(made.action(ACTION, acted[past], 100 + past, sum(map(len, parts))))
        for field, value in best_values(agent, concatenate(parts), 100 + step).items():
            np.testing.assert_allclose(acted[step][field], value, err_msg=f"step {step}, {field}")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_without_a_history_the_past_makes_no_difference_and_with_a_long_one_all_of_it(encoding: str) -> None:
    agent, present = tiny_agent(encoding, window=300), observations(1, seed=9)
    pasts = [observations(4, seed=seed) for seed in (1, 2)]

    def last(**limits: Any) -> list[dict[str, Any]]:
        return [act(agent, [*past, *present], limits=Limits(**limits))[-1] for past in pasts]

    assert_same_actions([last(history=1)[0]], [last(history=1)[1]])
    forgetful, remembering = last(history=4), last()
    assert not np.allclose(remembering[0]["force"], remembering[1]["force"])
    assert not np.allclose(forgetful[0]["force"], forgetful[1]["force"])
    assert_same_actions(last(history=50), remembering)


# Another window


@pytest.mark.parametrize("window", [9, 90])
def test_a_window_at_acting_time_is_that_of_a_trunk_made_so(toy_family: ToyFamily, window: int) -> None:
    toy_family.steps = 10
    usual = tiny_agent("tokens", window=WINDOW)
    made = tiny_agent("tokens", window=window)

    def moves(agent: Agent, **limits: Any) -> np.ndarray:
        policy = AgentPolicy(agent, rows=1, limits=Limits(**limits))
        [episode] = rollout(task(max_steps=10), policy, episodes=1, seed=0)
        return episode.actions["force"]

    np.testing.assert_array_equal(moves(usual, window=window), moves(made))
    assert not np.array_equal(moves(usual), moves(made))
    sequence = made.serializer.episode(toy_episode(steps=9))
    states = [Decoding(*given).feed([0], [sequence]) for given in ((usual, 1, window), (made, 1), (usual, 1))]
    assert torch.equal(states[0], states[1])
    assert (states[0] - states[2]).abs().max() > 0.01


def test_a_text_is_written_with_the_window_that_is_asked_for() -> None:
    usual, short = tiny_agent(window=WINDOW), tiny_agent(window=1)
    expected = short.generate("Once upon a time", 12)
    assert usual.generate("Once upon a time", 12, window=1) == expected
    assert usual.generate("Once upon a time", 12) != expected


# What an agent may choose from


def test_limits_reach_every_draw() -> None:
    agent, seen = tiny_agent("tokens"), observations(10)
    greedy = act(agent, seen, MOVE)
    assert_same_actions(act(agent, seen, MOVE, temperature=1.0, limits=Limits(top_k=1)), greedy)
    assert_same_actions(act(agent, seen, MOVE, temperature=1.0, limits=Limits(top_p=0.0)), greedy)
    drawn = act(agent, seen, MOVE, temperature=1.0)
    assert [a["move"] for a in drawn] != [a["move"] for a in greedy]
    assert agent.generate("Once", 12, temperature=5.0, top_k=1) == agent.generate("Once", 12)
    assert agent.generate("Once", 12, temperature=5.0) != agent.generate("Once", 12)


def test_limits_name_themselves_and_refuse_what_cannot_be() -> None:
    assert str(Limits()) == ""
    assert AgentPolicy(tiny_agent(), rows=1).name == "agent, temperature 0"
    limits = Limits(top_k=5, history=1)
    assert AgentPolicy(tiny_agent(), 0.5, rows=1, limits=limits).name == "agent, temperature 0.5, top_k 5, history 1"
    wrongs: list[dict[str, Any]] = [{"history": 0}, {"window": -1}]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="expected at least 1, or None"):
            Limits(**wrong)
    with pytest.raises(ValueError, match="a top_k of at least 1 or None"):
        AgentPolicy(tiny_agent(), rows=1, limits=Limits(top_k=0))


def test_who_is_not_told_reads_no_instruction() -> None:
    seen, agent = observations(3), tiny_agent("tokens")

    def read(instruction: str, limits: Limits) -> list[int]:
        policy = AgentPolicy(agent, rows=1, limits=limits)
        policy.begin(0, task(), instruction, None, seed=0)
        return policy._running[0].head.payload["text"].tolist()

    untold = [read(words, Limits(instructed=False)) for words in ("go on", "turn back", "")]
    assert untold[0] == untold[1] == untold[2] == read("", Limits())
    assert read("go on", Limits()) != untold[0]
    assert len(act(agent, seen, limits=Limits(instructed=False))) == 3
