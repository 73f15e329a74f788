"""The paper's encoding: golden steps, the canonical order, the length of an episode, and no work per number in Python.

Letters: T positions.
"""

from __future__ import annotations

import importlib.resources
import math
import sys
from types import FrameType
from typing import Any

import numpy as np
import pytest
import sentencepiece

from opengato.core.episode import ArraySpec, Episode, objects
from opengato.data.documents import Document, DocumentMaker
from opengato.data.packing import pack
from opengato.envs import find_task
from tests.golden import steps

SEPARATOR, FIRST_BIN = 33_024, 32_000


def words(text: str) -> list[int]:
    """Pieces of text by SentencePiece itself."""
    model = importlib.resources.files("opengato") / "assets" / "tokenizer.model"
    return sentencepiece.SentencePieceProcessor(model_file=str(model)).encode(text)


def begin(instruction: str) -> list[int]:
    return [2, *words(instruction)]


def mu_law_id(x: float) -> int:
    """[Reed et al. 2022, app. B], one number at a time."""
    y = math.copysign(math.log(abs(x) * 100 + 1) / math.log(256 * 100 + 1), x)
    return unit_id(max(-1.0, min(1.0, y)))


def unit_id(x: float) -> int:
    return FIRST_BIN + min(1023, math.floor((x + 1) / 2 * 1024))


def expected_ids(episode: Episode) -> list[int]:
    """The ids of a step by hand, from its raw values."""
    if episode.task.startswith("babyai/"):
        seen = [int(x) for x in episode.observations["view"][0].reshape(-1)]
        done = [int(episode.actions["action"][0])]
    else:
        seen = [mu_law_id(float(x)) for x in episode.observations["state"][0]]
        done = [unit_id(float(x)) for x in episode.actions["action"][0]]
    return [*begin(episode.instruction), *seen, SEPARATOR, *done]


@pytest.mark.parametrize("family", steps.TASKS)
def test_a_real_step_has_the_golden_ids(family: str) -> None:
    try:
        episode = steps.one_step(steps.TASKS[family])
    except ImportError as error:
        pytest.skip(str(error))
    golden = steps.path(family).read_text(encoding="utf-8").splitlines()
    assert steps.lines(episode) == golden
    rows = [line.split() for line in golden[2:]]
    assert [int(row[2]) for row in rows] == expected_ids(episode)
    assert [int(row[0]) for row in rows] == list(range(len(rows)))
    actions = sum(spec.size for spec in episode.action_specs.values())
    assert [row[3] for row in rows] == ["no"] * (len(rows) - actions) + ["yes"] * actions
    assert rows[-actions - 1][1:3] == ["separator", str(SEPARATOR)]


NESTED = {
    "z/note": ArraySpec(name="n/note", kind="text", dtype="str"),
    "b/camera": ArraySpec(name="n/camera", kind="image", shape=(32, 48, 3), dtype="uint8"),
    "a/x/joint": ArraySpec(name="n/joint", kind="continuous", shape=(2, 2)),
    "a/grip": ArraySpec(name="n/grip", kind="discrete", num_values=9, dtype="int64"),
    "a-b": ArraySpec(name="n/ab", kind="discrete", num_values=9, shape=(2,), dtype="int64"),
    "c": ArraySpec(name="n/c", kind="continuous", shape=(1,), low=-1.0, high=1.0),
}
ACTIONS = {
    "wheel": ArraySpec(name="n/wheel", kind="continuous", shape=(2,), low=-1.0, high=1.0),
    "button": ArraySpec(name="n/button", kind="discrete", num_values=4, dtype="int64"),
}


def nested_episode(num_steps: int) -> Episode:
    """The same at every step: a note, a picture of 2 x 3 patches, four arrays, two actions."""

    def each(value: Any, dtype: str) -> np.ndarray:
        return np.repeat(np.asarray(value, dtype)[None], num_steps, 0)

    return Episode(
        task="n/task",
        instruction="go on",
        observation_specs=NESTED,
        action_specs=ACTIONS,
        observations={
            "z/note": objects(["red ball"] * num_steps),
            "b/camera": each(np.zeros((32, 48, 3)), "uint8"),
            "a/x/joint": each([[0, 1], [10, -1]], "float32"),
            "a/grip": each(3, "int64"),
            "a-b": each([7, 8], "int64"),
            "c": each([1.0], "float32"),
        },
        actions={"wheel": each([-1, 0.5], "float32"), "button": each(2, "int64")},
        rewards=np.zeros(num_steps, np.float32),
    ).validate()


def test_the_canonical_order_of_a_nested_step() -> None:
    """Text, image, arrays by key: a/grip, a/x/joint, a-b, c (level by level: `a` comes before `a-b`); then actions."""
    sequence = steps.serializer().episode(nested_episode(2))
    text, arrays = words("red ball"), [3, 32512, 32744, 32860, 32279, 7, 8, 33023]
    step = [*text, *["patch"] * 6, *arrays, SEPARATOR, 2, 32000, 32768]
    received = [row.item() if name == "tokens" else "patch" for _, name, row, *_ in sequence.rows()]
    assert received == [*begin("go on"), *step, *step]
    places = sequence.local_T[sequence.step_T == 1].tolist()
    assert places == [*range(len(step) - 3), -1, -1, -1], "the separator is numbered on, actions share one place"
    assert sequence.predict_T[sequence.step_T == 1].tolist() == [False] * (len(step) - 3) + [True] * 3


@pytest.mark.parametrize("num_steps", [1, 2, 7])
def test_the_length_of_an_episode(num_steps: int) -> None:
    """L = T (k + m + n + 1 + A) after the instruction [Reed et al. 2022, app. B]."""
    k, m, n, a = len(words("red ball")), 2 * 3, 4 + 1 + 2 + 1, 2 + 1
    episode, made = nested_episode(num_steps), steps.serializer()
    assert len(made.episode(episode)) == len(begin("go on")) + num_steps * (k + m + n + 1 + a)


@pytest.mark.parametrize(("task", "per_step"), [("babyai/GoToLocal", 150 + 1 + 1), ("metaworld/reach", 39 + 1 + 4)])
def test_positions_of_a_step_of_the_families(task: str, per_step: int) -> None:
    assert DocumentMaker(steps.serializer()).positions_per_step(control(task, 3)) == per_step


def control(task_id: str, num_steps: int) -> Episode:
    """Zeros under the specs of a task."""
    task = find_task(task_id)
    sides = (task.observation_specs, task.action_specs)
    observations, actions = (
        {name: np.zeros((num_steps, *spec.shape), spec.dtype) for name, spec in specs.items()} for specs in sides
    )
    return Episode(
        task=task_id,
        instruction=task.instruction,
        observation_specs=task.observation_specs,
        action_specs=task.action_specs,
        observations=observations,
        actions=actions,
        rewards=np.zeros(num_steps, np.float32),
    )


def instructions_executed(episode: Episode) -> int:
    """Bytecode instructions that Python runs to lay out an episode and pack it."""
    made, count = steps.serializer(), 0

    def trace(frame: FrameType, event: str, arg: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    made.prompt(episode.instruction)
    before = sys.gettrace()
    sys.settrace(trace)
    try:
        sequence = made.episode(episode)
        pack([[Document(sequence=sequence, source=0, episode=0)]], len(sequence))
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("task", ["babyai/GoToLocal", "metaworld/reach"])
def test_ten_times_the_steps_are_no_more_work_for_python(task: str) -> None:
    short, long = (instructions_executed(control(task, num_steps)) for num_steps in (20, 200))
    assert 100 < short == long
