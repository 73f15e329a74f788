"""The right caption among sixteen, with agents that know and agents that do not."""

from __future__ import annotations

import math
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from opengato.core.episode import Episode, document
from opengato.data.store import StoreWriter
from opengato.evaluators import Settings, evaluator_of, run_task, select_tasks
from opengato.evaluators.caption import choices
from opengato.evaluators.caption.cider import cider, words_of
from opengato.evaluators.choosing import CHOICES, pointwise_information, rank_of
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
    pictures = [picture.caption for picture in held_out_pictures(TASK)]
    places = []
    for index in range(60):
        drawn = choices(pictures, index, np.random.default_rng((3, index)))
        assert len(set(drawn)) == CHOICES
        places.append(drawn.index(pictures[index]))
        assert drawn == choices(pictures, index, np.random.default_rng((3, index)))
    assert drawn != choices(pictures, 59, np.random.default_rng((4, 59)))
    assert len(set(places)) > 8, "the right one is to stand anywhere"


def test_too_few_captions_are_refused() -> None:
    with pytest.raises(ValueError, match="5 different captions"):
        choices([picture.caption for picture in held_out_pictures(TASK)][:5], 0, np.random.default_rng(0))


def test_rank_of_ties() -> None:
    assert rank_of(2, [0.0, 3.0, 2.0, 2.0, 5.0]) == 2
    assert rank_of(3, [0.0, 3.0, 2.0, 2.0, 5.0]) == 3
    assert rank_of(0, [1.0] * 4) == 0


def test_cider_by_hand() -> None:
    """Of two pictures, `a` is said of both and counts nothing, all else counts log 2 a time.

    "a dog" has one word and one pair that count: (1 + 1 + 0 + 0) / 4 of 10. "dog" lacks the pair and a word:
    1 / 4 of 10 with the penalty of 1 word. "dog dog" shares one of its two: half of that.
    """
    references = [["a dog"], ["a cat"]]
    penalty = math.exp(-1 / 72)
    for candidates, expected in (
        (["a dog", "a cat"], [5.0, 5.0]),
        (["a cat", "cat"], [0.0, 2.5 * penalty]),
        (["", "A  CAT!"], [0.0, 5.0]),
    ):
        assert cider(candidates, references) == pytest.approx(expected)
    assert cider(["dog dog", "x"], [["dog"], ["cat"]]) == pytest.approx([1.25 * penalty, 0.0])
    long = ["the big red dog", "some small blue cat"]
    assert cider(long, [[one] for one in long]) == pytest.approx([10.0, 10.0])
    assert cider(["dog", "x"], [["dog", "cow"], ["cat"]]) == pytest.approx([1.25, 0.0]), "the mean over references"


def test_words_of_a_caption() -> None:
    assert words_of("A man's 2 ÉTÉ, 珍珠鸡 and フク") == ["a", "man", "s", "2", "été", *"珍珠鸡", "and", *"フク"]


def corpus(folder: Path, task: str, name: str, count: int) -> Settings:
    """Pictures of one byte each, called "thing 0 of mine" and so on."""
    for split in ("train", "test"):
        with StoreWriter(folder / "data" / name / split) as writer:
            writer.append(
                [document(task, f"thing {i} of mine", image=bytes([65 + i]), instruction="say") for i in range(count)]
            )
    return Settings(data=folder / "data")


def true_caption(episode: Episode) -> str:
    return f"thing {episode.observations['image'][0][0] - 65} of mine"


def test_what_is_written_is_compared_with_what_a_person_wrote(tmp_path: Path) -> None:
    """Perfect captions, but for two of twenty that are cut off and say nothing that counts."""
    task = "caption/tuxpaint-fr"
    settings = corpus(tmp_path, task, "tuxpaint", 20)

    def says(episode: Episode) -> str:
        caption = true_caption(episode)
        return "word " * 20 if caption.split()[1] in ("3", "4") else caption

    agent = FakeAgent(lambda e, rows: spread(float(written(e) != true_caption(e)), rows), says=says)
    result = run_task(agent, task, settings)
    assert result.score.value == 1.0
    assert result.num_samples == evaluator_of(task).num_samples(task, settings) == 20
    assert result.figures["stops"].value == pytest.approx(0.9)
    assert result.figures["CIDEr"].value == pytest.approx(9.0)
    assert 0 < result.figures["BLEU-4"].value < 100
    perfect = run_task(FakeAgent(says=true_caption), task, settings)
    assert perfect.figures["BLEU-4"].value == pytest.approx(100)
    assert perfect.samples["stopped"] == (1.0,) * 20


def test_without_sacrebleu_the_rest_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    result = run_task(FakeAgent(), TASK, Settings(documents=2))
    assert "BLEU-4" not in result.figures
    assert "opengato[language]" in result.notes["BLEU-4"]


def test_pictures_of_ones_own_can_be_measured(tmp_path: Path) -> None:
    settings = corpus(tmp_path, "caption/mine", "mine", 16)
    learnt = ["caption/mine", "caption/gone", TASK]
    assert select_tasks("caption/mine", learnt) == ["caption/mine"]
    assert select_tasks("caption", learnt) == [TASK, "caption/gone", "caption/mine"]
    assert evaluator_of(TASK).unfit("caption/mine", settings) is None
    assert run_task(FakeAgent(says=true_caption), "caption/mine", settings).figures["CIDEr"].value == pytest.approx(
        10.0
    )
    assert "opengato import folder:PLACE --task caption/gone" in str(evaluator_of(TASK).unfit("caption/gone", settings))
    with pytest.raises(ValueError, match="unknown task 'caption/none'"):
        select_tasks("caption/none", learnt)
    few = evaluator_of(TASK).unfit("caption/few", corpus(tmp_path, "caption/few", "few", 5))
    assert few == "5 different captions are held out, expected at least 16"
