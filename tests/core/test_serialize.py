"""The layout rule: training and acting see the same positions, in the order that the rule names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from opengato.core.episode import ArraySpec, Episode
from opengato.core.sequence import TokenSequence, concatenate
from opengato.core.serialize import Layout, Serializer
from tests.tiny import (
    ENCODINGS,
    OBSERVATION,
    assert_same_sequence,
    caption_episode,
    documents_of_all_kinds,
    serializer,
    toy_episode,
)


def acted(made: Serializer, episode: Episode) -> TokenSequence:
    """The sequence of an episode, piece by piece as a policy lays it out."""
    parts = [made.prompt(episode.instruction)]
    for step in range(episode.num_steps):
        for piece, specs, values in (
            (made.observation, episode.observation_specs, episode.observations),
            (made.action, episode.action_specs, episode.actions),
        ):
            if specs:
                now = {name: column[step] for name, column in values.items()}
                parts.append(piece(specs, now, step, sum(map(len, parts))))
    return concatenate(parts)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_training_layout_is_the_pieces_of_acting_joined(encoding: str) -> None:
    made = serializer(encoding)
    for episode in [*documents_of_all_kinds(), toy_episode(5, steps=7, instruction="")]:
        assert_same_sequence(made.episode(episode), acted(serializer(encoding), episode))
        # a second time too: layouts are kept for episodes of the same shape
        assert_same_sequence(made.episode(episode), acted(made, episode))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_order_within_a_step(encoding: str) -> None:
    """Texts, images, arrays by sorted key (arm, joint, view), the separator, actions by sorted key (force, move)."""
    episode = toy_episode(steps=2)
    made = serializer(encoding).episode(episode)
    now = made.step_T == 1
    runs = [made.names[made.modality_T[now][0]]]
    for before, after in zip(made.modality_T[now][:-1], made.modality_T[now][1:], strict=True):
        if before != after:
            runs.append(made.names[after])
    if encoding == "vector":
        assert runs == ["text", "image", "state", "cells", "motion", "choice"]
    else:
        shared = encoding == "shared"
        several = ["text", "image", "continuous", "discrete", "continuous", "discrete"]
        assert runs == (["tokens", "image", "tokens"] if shared else several)
        carrier, separator = ("tokens", 4100 + 24 + 256) if shared else ("discrete", 24)
        separators = [t for t, name, row, *_ in made.rows() if name == carrier and row == separator]
        first_actions = np.flatnonzero(np.diff(made.predict_T.astype(int)) == 1) + 1
        assert separators == (first_actions - 1).tolist(), "one a step, between observation and action"
        assert not made.predict_T[separators].any()
    assert made.step_T[: made.prompt_length].tolist() == [-1] * made.prompt_length
    assert made.position_T.tolist() == list(range(len(made)))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_only_actions_are_predicted_and_only_observations_have_places(encoding: str) -> None:
    made = serializer(encoding).episode(toy_episode(steps=3))
    for step in range(3):
        now = made.step_T == step
        seen = now & (made.local_T >= 0)
        assert made.local_T[seen].tolist() == list(range(int(seen.sum()))), "0, 1, ... within the step"
        assert (made.predict_T[now] == (made.local_T[now] < 0)).all()
        assert made.predict_T[now].any()
    assert (made.local_T[: made.prompt_length] == -1).all()
    assert not made.predict_T[: made.prompt_length].any()


def test_two_arrays_of_one_modality_interleave_by_step() -> None:
    steps = np.arange(3, dtype=np.float32)
    episode = replace(
        toy_episode(steps=3),
        observation_specs={name: OBSERVATION[name] for name in ("joint", "arm")},
        observations={
            "joint": np.tile(steps[:, None] * 10 + 5, (1, 3)),
            "arm": np.tile(steps[:, None] / 10, (1, 2)),
        },
    )
    rows = serializer("vector").episode(episode).payload["state"]
    assert rows[:, 0].tolist() == pytest.approx([0.0, 5.0, 0.1, 8.0, 0.2, 8.0]), "15 and 25 are clipped to 8"
    tokens = serializer("tokens")
    sequence = tokens.episode(
        replace(episode, action_specs={"move": episode.action_specs["move"]}, actions={"move": episode.actions["move"]})
    )
    sizes = np.split(sequence.payload["continuous"], [2, 5, 7, 10, 12])
    codec = tokens.codecs["continuous"]
    for step, (arm, joint) in enumerate(zip(sizes[::2], sizes[1::2], strict=True)):
        assert codec.decode(arm, OBSERVATION["arm"]) == pytest.approx([step / 10] * 2, abs=0.01)
        assert codec.decode(joint, OBSERVATION["joint"]) == pytest.approx([step * 10 + 5] * 3, rel=0.1)


def test_the_same_arrays_in_another_order_of_keys_are_the_same_sequence() -> None:
    episode = toy_episode(steps=2)
    turned = replace(
        episode,
        observation_specs=dict(reversed(episode.observation_specs.items())),
        observations=dict(reversed(episode.observations.items())),
        action_specs=dict(reversed(episode.action_specs.items())),
    )
    assert_same_sequence(serializer("tokens").episode(turned), serializer("tokens").episode(episode))


def test_the_first_word_of_a_caption_follows_the_last_patch() -> None:
    made = serializer("vector").episode(caption_episode())
    first = int(np.argmax(made.predict_T))
    assert made.names[made.modality_T[first - 1]] == "image"
    assert made.predict_T[first:].all()
    text = serializer("vector").codecs["text"]
    spec = ArraySpec(name="text", kind="text", dtype="str")
    assert made.payload["text"][-1] == text.encode([""], spec, "action")[0], "the end marker is a target too"


def test_action_slots_say_what_an_action_is_made_of() -> None:
    specs = toy_episode().action_specs
    assert serializer("vector").action_slots(specs) == [("force", "motion", 1), ("move", "choice", 1)]
    assert serializer("tokens").action_slots(specs) == [("force", "continuous", 2), ("move", "discrete", 1)]
    assert serializer("shared").action_slots(specs) == [("force", "tokens", 2), ("move", "tokens", 1)]


def test_a_kind_without_a_route_is_named() -> None:
    with pytest.raises(ValueError, match=r"route 'action/text' leads to 'txt', which is not among the modalities"):
        Layout(order=("text",), routes={"action/text": "txt"})
    made = serializer("vector")
    layout = replace(made.layout, routes={"instruction": "text", "action/discrete": "choice"})
    with pytest.raises(ValueError, match=r"observation 'toy/\w+' is \w+, but this model has no modality for"):
        Serializer(layout, made.codecs).episode(toy_episode())


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_is_shown_stands_between_the_instruction_and_the_steps(encoding: str) -> None:
    """One instruction, then the steps of both, numbered through; each row as it is by itself."""
    made = serializer(encoding)
    shown, episode = toy_episode(1, steps=2, instruction="another"), toy_episode(2, steps=3)
    joined = made.episode(episode, shown)
    first, then = made.episode(replace(shown, instruction="go on")), made.episode(episode)
    head = then.prompt_length
    expected = [*[row[1:4] for row in first.rows()], *[row[1:4] for row in then.rows()][head:]]
    for received, (name, payload, predict) in zip(joined.rows(), expected, strict=True):
        assert received[1] == name
        assert received[3] == predict
        np.testing.assert_array_equal(received[2], payload)
    assert joined.step_T.tolist() == [*first.step_T, *(then.step_T[head:] + 2)]
    assert joined.local_T.tolist() == [*first.local_T, *then.local_T[head:]]
    assert joined.position_T.tolist() == list(range(len(joined)))
    assert joined.prompt_length == head, "what is shown is no instruction: it rolls out of sight like any step"
