"""What an episode opens with when acting: tokens of training and of acting are the same, one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from opengato.agent.model import Agent
from opengato.agent.opening import first_steps
from opengato.agent.policy import AgentPolicy, Limits, SinglePolicy
from opengato.core.episode import ArraySpec, Episode
from opengato.core.policy import Observed
from opengato.core.returns import (
    EXPERT_RETURNS,
    NUM_BINS,
    PREDICTED,
    PREDICTED_RETURNS,
    TO_GO,
    AskedReturn,
    with_predicted_returns,
    with_returns,
)
from opengato.core.sequence import TokenSequence, concatenate
from opengato.data.documents import DocumentMaker, slice_steps
from opengato.modalities.discrete import tokens as ids
from opengato.rollout import rollout
from tests.agent.toy import ToyFamily, task
from tests.tiny import ACTION, ENCODINGS, OBSERVATION, PATCH, assert_same_sequence, sharpen, tiny_agent, toy_episode

REWARDS = np.array([0.5, -1.0, 0.1, 2.0], np.float32)


def acted(
    monkeypatch: pytest.MonkeyPatch, agent: Agent, seen: Episode, **settings: Any
) -> tuple[TokenSequence, Episode]:
    """All that the agent reads while it answers the observations of `seen`, and what it did, as an episode."""
    policy = AgentPolicy(agent, rows=1, **settings)
    read: list[TokenSequence] = []
    feed = policy._decoding.feed

    def spy(rows: list[int], sequences: list[TokenSequence]) -> Any:
        read.extend(sequences)
        return feed(rows, sequences)

    monkeypatch.setattr(policy._decoding, "feed", spy)
    policy.begin(0, task(), seen.instruction, None, seed=0)
    answers = []
    for step in range(seen.num_steps):
        values = {name: column[step] for name, column in seen.observations.items()}
        reward = float(seen.rewards[step - 1]) if step else 0.0
        answers += policy.act([0], [Observed(None, values, reward)])
    read += policy._running[0].pending  # the last action, which nothing was read after
    actions = {name: np.stack([answer[name] for answer in answers]) for name in ACTION}
    return concatenate(read), replace(seen, actions=actions)


def assert_same_tokens(read: TokenSequence, trained: TokenSequence) -> None:
    """Equal but for what is to be predicted, which only training knows."""
    nothing = np.zeros(len(read), bool)
    assert len(read) == len(trained)
    assert_same_sequence(replace(read, predict_T=nothing), replace(trained, predict_T=nothing))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_prompt_is_laid_out_as_in_training(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    agent, shown = tiny_agent(encoding), toy_episode(1, steps=3, instruction="another")
    read, episode = acted(monkeypatch, agent, toy_episode(2, steps=4), prompt=shown, limits=Limits(prompt_length=500))
    assert_same_tokens(read, agent.serializer.episode(episode, shown))
    maker, generator = DocumentMaker(agent.serializer), np.random.default_rng(0)
    assert_same_tokens(read, maker.make_prompted(episode, shown, 500, generator))
    # A window of a longer document is what acting reads that begins with the window's first step.
    longer = toy_episode(3, steps=12)
    window = maker.make_prompted(longer, shown, len(agent.serializer.prompt("go on", shown)) + 60, generator)
    count = int(window.step_T.max()) - 2
    assert 0 < count < 12
    places = [first for first in range(12 - count + 1) if begins(window, longer, first, agent)]
    assert len(places) == 1
    assert_same_sequence(window, agent.serializer.episode(slice_steps(longer, places[0], places[0] + count), shown))


def begins(window: TokenSequence, episode: Episode, first: int, agent: Agent) -> bool:
    """Whether the fourth step of a window is step `first` of the episode, by its picture."""
    values = {"camera": episode.observations["camera"][first]}
    patches = agent.serializer.observation({"camera": OBSERVATION["camera"]}, values, 0, 0).payload["image"]
    return np.array_equal(window.payload["image"][3 * len(patches) : 4 * len(patches)], patches)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_only_the_first_whole_steps_of_a_long_prompt_are_read(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    agent, shown = tiny_agent(encoding), toy_episode(1, steps=30)
    read, episode = acted(monkeypatch, agent, toy_episode(2, steps=2), prompt=shown)
    steps = int(read.step_T.max()) + 1 - 2
    lengths = [len(agent.serializer.episode(slice_steps(shown, 0, n))) for n in range(1, 31)]
    assert 0 < steps < 30
    assert lengths[steps - 1] <= agent.context < lengths[steps], "as many as fit the context"
    assert_same_tokens(read, agent.serializer.episode(episode, slice_steps(shown, 0, steps)))
    for limit in (lengths[1], lengths[1] + 1, lengths[2] - 1):
        assert first_steps(shown, "go on", agent.serializer, limit).num_steps == 2
    assert first_steps(shown, "go on", agent.serializer, 10_000) is shown
    with pytest.raises(
        ValueError, match=r"first step of the prompt takes \d+ positions .* `prompt_length` is 5; raise it"
    ):
        first_steps(shown, "go on", agent.serializer, 5)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_goal_picture_is_a_prompt_of_one_step(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    agent, pictures = tiny_agent(encoding), np.random.default_rng(0).integers(0, 256, (2, PATCH, PATCH, 3))
    goals = [
        Episode(
            task="toy/goal",
            instruction="",
            observation_specs={"goal": ArraySpec(name="goal", kind="image", shape=(-1, -1, 3), dtype="uint8")},
            action_specs={},
            observations={"goal": picture.astype(np.uint8)[None]},
            actions={},
            rewards=np.zeros(1, np.float32),
        ).validate()
        for picture in pictures
    ]
    forces = []
    for goal in goals:
        read, episode = acted(monkeypatch, agent, toy_episode(2, steps=2), prompt=goal)
        assert_same_tokens(read, agent.serializer.episode(episode, goal))
        head = read.prompt_length
        assert read.names[read.modality_T[head]] == "image"
        assert np.array_equal(read.payload["image"][0, :-4], goal.observations["goal"][0].reshape(-1))
        assert np.flatnonzero(read.step_T == 1)[0] == head + (1 if encoding == "vector" else 2), "and the separator"
        forces.append(episode.actions["force"])
    assert not np.allclose(forces[0], forces[1]), "the goal makes a difference"


def with_card(agent: Agent, expert: float) -> Agent:
    agent.card = {EXPERT_RETURNS: {"toy/task": expert}}
    return agent


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("expert", [3.0, -4.0])
def test_returns_are_seen_as_in_training(monkeypatch: pytest.MonkeyPatch, encoding: str, expert: float) -> None:
    """Asked for the return that then comes, the agent reads what training would have laid out."""
    agent = with_card(tiny_agent(encoding), expert)
    seen, shown = replace(toy_episode(2), rewards=REWARDS), replace(toy_episode(1, steps=2), rewards=REWARDS[:2])
    target = seen.episode_return
    read, episode = acted(
        monkeypatch, agent, seen, target_return=target, prompt=shown, limits=Limits(prompt_length=500)
    )
    unit = abs(expert)
    trained = agent.serializer.episode(with_returns(episode, unit), with_returns(shown, unit))
    assert_same_tokens(read, trained)
    assert len(trained) == len(agent.serializer.episode(episode, shown)) + 2 * 6, "two observations a step"
    # Another wish, another reading; the default wish is the expert's return.
    other, _ = acted(monkeypatch, agent, seen, target_return=target + 1)
    usual, _ = acted(monkeypatch, agent, seen)
    asked, _ = acted(monkeypatch, agent, seen, target_return=expert)
    name = {"vector": "state", "tokens": "continuous", "shared": "tokens"}[encoding]
    assert not np.array_equal(other.payload[name], usual.payload[name])
    assert_same_sequence(usual, asked)


def with_room_for_returns(encoding: str) -> Agent:
    """A tiny agent whose discrete values reach as far as the bins of returns."""
    config = ENCODINGS[encoding]()
    roomy = {
        name: replace(each, num_values=NUM_BINS) if isinstance(each, ids.Config) else each
        for name, each in config.modalities.items()
    }
    agent = replace(config, modalities=roomy).build().eval()
    sharpen(agent)
    agent.card = {EXPERT_RETURNS: {"toy/task": 3.0}, PREDICTED_RETURNS: ["toy/task"]}
    return agent


@pytest.mark.parametrize("encoding", ["vector", "tokens"])
def test_a_predicted_return_is_laid_out_as_in_training(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """What the agent said is read back, before the action that it led to."""
    agent = with_room_for_returns(encoding)
    seen, shown = replace(toy_episode(2), rewards=REWARDS), replace(toy_episode(1, steps=2), rewards=REWARDS[:2])
    said: list[int] = []
    choose = AgentPolicy._choose

    def spy(self: AgentPolicy, h_BD: Any, place: tuple[str, str], running: Any) -> np.ndarray:
        rows = choose(self, h_BD, place, running)
        if place[0] == TO_GO:
            said.append(int(agent.serializer.codecs[place[1]].decode(rows, PREDICTED)))
        return rows

    monkeypatch.setattr(AgentPolicy, "_choose", spy)
    readings = []
    for good_returns in (0.0, 1000.0):
        said.clear()
        limits = Limits(prompt_length=500, good_returns=good_returns)
        read, episode = acted(monkeypatch, agent, seen, prompt=shown, limits=limits)
        trained = with_predicted_returns(episode, unit=3.0)
        trained = replace(trained, actions={**trained.actions, TO_GO: np.array(said)})
        assert_same_tokens(read, agent.serializer.episode(trained, with_predicted_returns(shown, unit=3.0)))
        readings.append(list(said))
    assert readings[1] == [NUM_BINS - 1] * seen.num_steps, "nothing but the highest"
    assert readings[0] != readings[1]
    with pytest.raises(ValueError, match=r"can be asked for returns on no task; leave it out, or train"):
        acted(monkeypatch, agent, seen, target_return=2.0)


def test_a_rollout_tells_the_rewards(toy_family: ToyFamily) -> None:
    """The toy world pays 1 a step."""
    agent, told = with_card(tiny_agent(), 3.0), []

    class Listening(AgentPolicy):
        def act(self, slots: list[int], observed: list[Observed]) -> Any:
            told.append([seen.reward for seen in observed])
            return super().act(slots, observed)

    [episode] = rollout(task(), Listening(agent, rows=1, target_return=2.0), episodes=1, seed=0)
    assert told == [[0.0], *[[1.0]] * (episode.num_steps - 1)]


def test_a_single_policy_must_be_told_what_it_earned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opengato.agent.policy.family_of", lambda _: ToyFamily())
    monkeypatch.setattr("opengato.agent.policy.find_task", lambda _: task())
    values = {name: column[0] for name, column in toy_episode().observations.items()}
    agent = tiny_agent()
    with pytest.raises(ValueError, match=r"received `target_return` 2 for 'toy/task'.*on no task; leave it out"):
        agent.policy("toy/task", target_return=2.0)
    free = agent.policy("toy/task")
    free.act(values)
    free.act(values)
    policy = with_card(agent, 3.0).policy("toy/task", target_return=2.0)
    assert isinstance(policy, SinglePolicy)
    policy.act(values)
    with pytest.raises(ValueError, match=r"received none: call `act\(observation, reward\)`"):
        policy.act(values)
    policy.act(values, 1.5)
    running = policy._policy._running[0].returns
    assert isinstance(running, AskedReturn)
    assert running.to_go == 0.5
    policy.reset()
    policy.act(values)  # the first observation of an episode earned nothing
