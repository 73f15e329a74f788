"""Windows of episodes: whole steps, every step about equally often, the same rows as the whole has there."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opengato.core.episode import ArraySpec, Episode, document, objects
from opengato.core.sequence import TokenSequence
from opengato.core.serialize import Serializer
from opengato.data.documents import DocumentMaker, choose_steps, cut_text, split_steps, step_starts
from tests.data.fakes import VectorCodec, arm_episode, grid_episode, serializer, text_episode

SERIALIZER = serializer()


def _talk(lengths: list[int]) -> Episode:
    """Steps of different lengths: a text to answer with a move."""
    return Episode(
        task="talk/x",
        instruction="hi",
        observation_specs={"said": ArraySpec(name="said", kind="text", dtype="str")},
        action_specs={"action": ArraySpec(name="move", kind="discrete", num_values=7, dtype="int64")},
        observations={"said": objects(["x" * n for n in lengths])},
        actions={"action": np.arange(len(lengths)) % 7},
        rewards=np.zeros(len(lengths), np.float32),
    )


def _assert_part(part: TokenSequence, whole: TokenSequence) -> None:
    """Each position of `part` is the position of `whole` with the same absolute place."""
    rows = {t: row for t, *row in whole.rows()}
    for t, name, payload, predict, step in part.rows():
        expected = rows[int(part.position_T[t])]
        assert (name, predict, step) == (expected[0], expected[2], expected[3])
        np.testing.assert_array_equal(payload, expected[1])
        assert part.local_T[t] == whole.local_T[part.position_T[t]]


@pytest.mark.parametrize("episode", [grid_episode(1, 200), arm_episode(1, 200), _talk([3, 9, 1] * 40)])
def test_a_window_is_a_full_part_of_the_episode(episode):
    maker, whole = DocumentMaker(SERIALIZER), SERIALIZER.episode(episode)
    generator = np.random.default_rng(0)
    longest = int(np.diff(step_starts(whole)).max())
    for _ in range(40):
        part = maker.make(episode, 100, generator)
        _assert_part(part, whole)
        assert 100 - longest < len(part) <= 100
        assert part.prompt_length == whole.prompt_length
        starts, ends = step_starts(part), np.append(step_starts(part)[1:], len(part))
        for step, size in zip(part.step_T[starts], ends - starts, strict=True):
            assert size == np.count_nonzero(whole.step_T == step)
    assert maker.length(episode) == len(whole)
    assert len(maker.make(episode, len(whole), generator)) == len(whole)


def test_every_step_comes_up_about_equally_often():
    maker, episode, generator = DocumentMaker(SERIALIZER), grid_episode(1, 300), np.random.default_rng(0)
    seen = np.zeros(300)
    for _ in range(2000):
        part = maker.make(episode, 115, generator)
        seen[np.unique(part.step_T[part.step_T >= 0])] += 1
    middle = seen[100:200].mean()
    assert seen.min() > 0.8 * middle
    assert seen.max() < 2.3 * middle


def test_what_is_cut_off_is_not_encoded():
    seen = []

    class Counting(VectorCodec):
        def encode(self, values, spec, role):
            seen.append(len(values))
            return super().encode(values, spec, role)

    codecs = {**SERIALIZER.codecs, "grid": Counting(12, "uint8")}
    maker = DocumentMaker(Serializer(SERIALIZER.layout, codecs))
    maker.make(grid_episode(1, 1000), 100, np.random.default_rng(0))
    assert max(seen) < 50


def test_text_is_cut_anywhere_and_both_ends_are_seen():
    whole = SERIALIZER.episode(text_episode(0, 500))
    generator = np.random.default_rng(0)
    seen = np.zeros(len(whole))
    for trial in range(3000):
        part = cut_text(whole, 64, generator)
        assert len(part) == 64
        if trial < 20:
            _assert_part(part, whole)
        seen[part.position_T] += 1
    assert seen[1:].min() > 0.7 * seen[200:300].mean()


def test_a_book_costs_a_page_and_a_long_instruction_gives_way():
    maker, generator = DocumentMaker(SERIALIZER), np.random.default_rng(0)
    book = document("text/book", "word " * 200_000)
    part = maker.make(book, 64, generator)
    assert len(part) == 64
    assert int(part.position_T.max()) < 10_000
    asked = document("text/asked", "answer " * 20, instruction="please " * 10)
    assert len(maker.make(asked, 20, generator)) == 20
    assert maker.make(asked, 20, generator).prompt_length == 1
    picture = dataclasses.replace(asked, observation_specs=_talk([1]).observation_specs)
    picture = dataclasses.replace(picture, observations={"said": objects(["see"])})
    cut = maker.make(picture, 100, generator)
    assert cut.position_T.tolist() == list(range(100))  # a single step that is not all text loses its end


def test_a_step_that_fits_no_row_is_an_error():
    maker = DocumentMaker(SERIALIZER)
    with pytest.raises(ValueError, match="raise `length`"):
        maker.make(_talk([50, 50]), 40, np.random.default_rng(0))


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.integers(10, 200), st.integers(0, 2**31))
def test_chosen_steps_fit_and_fill(sizes, budget, seed):
    starts, total = np.cumsum([0, *sizes[:-1]]), sum(sizes)
    if total <= budget:
        return
    first, last = choose_steps(starts, total, budget, np.random.default_rng(seed))
    assert 0 <= first < last <= len(sizes)
    assert sum(sizes[first:last]) <= budget
    assert sum(sizes[first:last]) > budget - 18 or last == len(sizes)
    assert last < len(sizes) or sum(sizes[first:last]) > budget - 9


@given(st.integers(1, 40), st.integers(0, 120))
def test_pieces_of_a_split_hold_each_step_once(steps, room):
    whole = SERIALIZER.episode(arm_episode(0, steps))
    pieces = split_steps(whole, room)
    prompt = whole.prompt_length
    if steps == 1 or room < prompt + 3:
        assert pieces is None
        return
    assert pieces is not None
    first, rest = pieces
    assert len(first) <= room
    assert len(first) + len(rest) == len(whole) + prompt
    assert set(first.step_T.tolist()) & set(rest.step_T.tolist()) == {-1}
    for piece in pieces:
        _assert_part(piece, whole)
