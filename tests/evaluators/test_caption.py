"""The right caption among sixteen, with agents that know and agents that do not."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from opengato.core.episode import Episode
from opengato.evaluators import Settings, run_task
from opengato.evaluators.caption import CHOICES, choices, pointwise_information, rank_of
from opengato.evaluators.heldout import held_out_pictures, held_out_tasks
from tests.evaluators.fakes import FakeAgent, written

TASK = "caption/emoji"


def spread(total: float, rows: np.ndarray) -> np.ndarray:
    return np.full(len(rows), total / len(rows))


def truth(episode: Episode) -> bool:
    """Whether the document writes the caption of the picture it shows."""
    png = bytes(episode.observations["image"][0])
    return any(picture.caption == written(episode) and picture.png == png for picture in held_out_pictures(TASK))


def prior(caption: str) -> float:
    """Nats of a caption without a picture: from 1 to 60, whatever its length."""
    return 1 + zlib.crc32(caption.encode()) % 60


def test_the_sample_can_be_asked() -> None:
    assert held_out_tasks("caption") == ["caption/emoji", "caption/openclipart"]
    for task in held_out_tasks("caption"):
        assert len({picture.caption for picture in held_out_pictures(task)}) >= CHOICES


def test_an_agent_that_knows_is_always_right_and_common_captions_do_not_mislead() -> None:
    def nats(episode: Episode, rows: np.ndarray) -> np.ndarray:
        gain = 2.0 if episode.observations and truth(episode) else 0.0
        return spread(prior(written(episode)) - gain, rows)

    result = run_task(FakeAgent(nats), TASK, Settings(documents=40))
    assert result.score.value == 1.0
    assert result.samples["rank"] == (0.0,) * 40
    # Without the prior the two nats of evidence drown in captions that are common anyway.
    assert result.figures["plain"].value < 0.5


def test_an_agent_that_does_not_look_is_at_chance() -> None:
    def nats(episode: Episode, rows: np.ndarray) -> np.ndarray:
        return spread(prior(written(episode)), rows)

    result = run_task(FakeAgent(nats), TASK, Settings())
    low, high = result.score.low, result.score.high
    assert low is not None
    assert high is not None
    assert low <= 1 / CHOICES <= high
    assert 6 < np.mean(result.samples["rank"]) < 9
    assert result.references["chance"] == 1 / 16


def test_information_is_by_hand_and_zero_where_the_picture_says_nothing() -> None:
    """Two pictures, captions of p = (1/2, 1/8, 1/4) and (1/4, 1/8, 1/2): the means are (3/8, 1/8, 3/8)."""
    given = np.log([[1 / 2, 1 / 8, 1 / 4], [1 / 4, 1 / 8, 1 / 2]])
    expected = np.log([[4 / 3, 1, 2 / 3], [2 / 3, 1, 4 / 3]])
    np.testing.assert_allclose(pointwise_information(given), expected, atol=1e-12)


def test_every_caption_is_asked_of_every_picture_with_the_instruction_of_training() -> None:
    agent = FakeAgent()
    run_task(agent, TASK, Settings(documents=2))
    captions = {picture.caption for picture in held_out_pictures(TASK)}
    assert len(agent.asked) == 2 * len(captions)
    assert {written(episode) for episode in agent.asked} == captions
    assert {episode.instruction for episode in agent.asked} == {"describe the picture"}


def test_choices_are_distinct_shuffled_and_follow_the_seed() -> None:
    pictures = held_out_pictures(TASK)
    places = []
    for index in range(60):
        drawn = choices(pictures, index, np.random.default_rng((3, index)))
        assert len(set(drawn)) == CHOICES
        places.append(drawn.index(pictures[index].caption))
        assert drawn == choices(pictures, index, np.random.default_rng((3, index)))
    assert drawn != choices(pictures, 59, np.random.default_rng((4, 59)))
    assert len(set(places)) > 8, "the right one is to stand anywhere"


def test_too_few_captions_are_refused() -> None:
    with pytest.raises(ValueError, match="5 different captions"):
        choices(held_out_pictures(TASK)[:5], 0, np.random.default_rng(0))


def test_rank_of_ties() -> None:
    assert rank_of(2, [0.0, 3.0, 2.0, 2.0, 5.0]) == 2
    assert rank_of(3, [0.0, 3.0, 2.0, 2.0, 5.0]) == 3
    assert rank_of(0, [1.0] * 4) == 0
