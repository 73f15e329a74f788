"""Sequences count their positions, and cuts keep what belongs together."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from opengato.core.episode import Episode
from opengato.core.sequence import TokenSequence, concatenate
from opengato.core.serialize import Layout, Serializer
from opengato.envs import find_task
from opengato.modalities import text
from opengato.modalities.discrete import tokens, vector
from tests.tiny import assert_same_sequence, serializer, toy_episode


def sequence(**changes: Any) -> TokenSequence:
    """a b a | b a b a: an instruction of 3 positions, then two steps."""
    given: dict[str, Any] = {
        "names": ("a", "b"),
        "modality_T": np.array([0, 1, 0, 1, 0, 1, 0]),
        "payload": {"a": np.array([10, 11, 12, 13]), "b": np.array([20.0, 21.0, 22.0])},
        "predict_T": np.array([0, 0, 0, 0, 1, 0, 1], bool),
        "step_T": np.array([-1, -1, -1, 0, 0, 1, 1]),
        "local_T": np.array([-1, -1, -1, 0, -1, 0, -1]),
        "position_T": np.arange(7),
    }
    return TokenSequence(**{**given, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"payload": {"a": np.zeros(4), "b": np.zeros(2)}}, "3 positions belong to 'b', but its payload fills 2"),
        ({"payload": {"a": np.zeros(4)}}, "3 positions belong to 'b', but its payload fills 0"),
        ({"step_T": np.zeros(6)}, "`step_T` holds 6 positions, `modality_T` 7"),
        ({"modality_T": np.array([0, 2, 0, 1, 0, 1, 0])}, "names modality 2, but only 2 are known"),
        ({"predict_T": np.ones(7, bool)}, "the first position cannot be predicted"),
    ],
)
def test_a_sequence_counts(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        sequence(**changes)


def test_take_keeps_payload_rows_with_their_positions() -> None:
    kept = sequence().take(np.array([1, 0, 1, 0, 1, 1, 0], bool))
    assert [(t, name, row.item(), step) for t, name, row, _, step in kept.rows()] == [
        (0, "a", 10, -1),
        (1, "a", 11, -1),
        (2, "a", 12, 0),
        (3, "b", 22.0, 1),
    ]
    assert kept.position_T.tolist() == [0, 2, 4, 5]


def test_a_window_keeps_the_instruction_and_absolute_positions() -> None:
    whole = sequence()
    assert whole.prompt_length == 3
    assert whole.window(5, 5).position_T.tolist() == [0, 1, 2, 5, 6]
    assert whole.window(0, 5).position_T.tolist() == [0, 1, 2, 3, 4]
    assert_same_sequence(whole.window(0, 100), whole)
    with pytest.raises(ValueError, match="a window of 3 positions has no room after an instruction of 3"):
        whole.window(0, 3)


def test_prompt_length_of_nothing_but_an_instruction_or_none() -> None:
    assert sequence().take(np.arange(7) < 3).prompt_length == 3
    assert sequence().take(np.arange(7) >= 3).prompt_length == 0


def test_pieces_join_to_the_whole() -> None:
    whole = serializer("tokens").episode(toy_episode(steps=3))
    index_T = np.arange(len(whole))
    for cut in (1, whole.prompt_length, len(whole) // 2, len(whole) - 1):
        assert_same_sequence(concatenate([whole.take(index_T < cut), whole.take(index_T >= cut)]), whole)
    with pytest.raises(ValueError, match="sequences of different modalities cannot be joined"):
        concatenate([whole, serializer("vector").prompt("go")])


def test_the_worked_example_of_the_docstring_is_true() -> None:
    """Each line of the table, against the real task through the real codecs."""
    task = find_task("babyai/GoToRedBall")
    layout = Layout(
        order=("text", "discrete", "discrete_action"),
        routes={"instruction": "text", "observation/discrete": "discrete", "action/discrete": "discrete_action"},
    )
    modalities = {
        "text": text.Config(),
        "discrete": vector.Config(cells=50, channels=3, num_values=11),
        "discrete_action": tokens.Config(num_values=7),
    }
    codecs = {name: config.codec() for name, config in modalities.items()}
    words = text.Config().codec()
    episode = Episode(
        task=task.id,
        instruction="go to the red ball",
        observation_specs=task.observation_specs,
        action_specs=task.action_specs,
        observations={"view": np.zeros((1, 50, 3), np.uint8)},
        actions={"action": np.array([2])},  # forward
        rewards=np.zeros(1),
    )
    made = Serializer(layout, codecs).episode(episode)

    def shown(name: str, row: np.ndarray) -> str:
        if name == "discrete":
            return f"{row.shape[0]} cells x {row.shape[1]} codes"
        if name == "discrete_action":
            return task.action_specs["action"].meaning.split(", ")[int(row)].split(maxsplit=1)[1]
        piece = words.piece(int(row))
        return piece if piece == "<s>" else f'"{piece}"'

    lines = [
        (str(t), name, shown(name, row), "yes" if predict else "no", str(step), str(made.local_T[t]))
        for t, name, row, predict, step in made.rows()
    ]
    table = re.findall(r"^ +(\d+) +(\w+) +(\S.*?) +(yes|no) +(-?\d+) +(-?\d+)$", TokenSequence.__doc__ or "", re.M)
    assert len(table) >= 4
    assert all(line in lines for line in table), lines
    assert table[-1] == lines[-1], "the table ends where the step ends"
