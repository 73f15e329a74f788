"""Pairs that do not fit, with agents that notice and agents that do not."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from opengato.core.episode import Episode, document
from opengato.core.views import task_about
from opengato.data.store import StoreWriter
from opengato.evaluators import Settings, evaluator_of, run_task
from opengato.evaluators.anomaly import sound_of, without_media
from opengato.evaluators.anomaly.ranking import auroc, auroc_interval, exchanged
from opengato.evaluators.heldout import held_out_pictures
from opengato.evaluators.imported import baselines
from tests.evaluators.fakes import FakeAgent, written

TASK = "anomaly/caption-emoji"
CAPTIONS = {picture.png: picture.caption for picture in held_out_pictures("caption/emoji")}


def prior(text: str) -> float:
    """Nats of a text by itself: from 1 to 60, whatever its length."""
    return 1 + zlib.crc32(text.encode()) % 60


def agent(gain: float) -> FakeAgent:
    """An agent to which a picture's own caption is likelier by `gain` nats."""

    def nats(episode: Episode, rows: np.ndarray) -> np.ndarray:
        png = bytes(episode.observations["image"][0])
        fits = CAPTIONS.get(png) == written(episode)
        return np.full(len(rows), (prior(written(episode)) - gain * fits) / len(rows))

    return FakeAgent(nats)


def test_area_by_hand() -> None:
    """Of 3 x 2 pairs 4 are in order and one is equal: 4.5 of 6."""
    assert auroc(np.array([3.0, 2.0, 1.0]), np.array([0.5, 2.0])) == pytest.approx(4.5 / 6)
    assert auroc(np.array([1.0, 2.0]), np.array([0.0, -1.0])) == 1.0
    assert auroc(np.array([1.0]), np.array([1.0])) == 0.5


def test_area_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    high, low = rng.integers(0, 9, 60) + 2.0, rng.integers(0, 9, 45)
    labels = np.r_[np.ones(60), np.zeros(45)]
    assert auroc(high, low) == pytest.approx(metrics.roc_auc_score(labels, np.r_[high, low]))


def test_interval_holds_the_area_and_narrows_with_items() -> None:
    rng = np.random.default_rng(1)
    widths = []
    for count in (20, 500):
        found = auroc_interval(rng.normal(1, 1, count), rng.normal(0, 1, count), np.random.default_rng(0))
        assert found.low is not None
        assert found.high is not None
        assert found.low < found.value < found.high
        widths.append(found.high - found.low)
    assert widths[1] < 0.4 * widths[0]


@pytest.mark.parametrize("seed", range(8))
def test_nobody_is_given_what_is_like_his_own(seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys = [[group, 10 * group + int(rng.integers(3))] for group in rng.integers(6, size=40).tolist()]
    others = exchanged(keys, np.random.default_rng(seed))
    assert sorted(others) == list(range(40)), "each is given once"
    assert all(a[0] != keys[b][0] and a[1] != keys[b][1] for a, b in zip(keys, others, strict=True))
    np.testing.assert_array_equal(others, exchanged(keys, np.random.default_rng(seed)))
    assert (others != exchanged(keys, np.random.default_rng(seed + 1))).any()


def test_a_group_that_is_too_large_is_given_others_twice() -> None:
    others = exchanged([["a"]] * 5 + [["b"], ["c"]], np.random.default_rng(0))
    assert set(others[:5]) == {5, 6}
    assert others[5] != 5
    assert others[6] != 6
    with pytest.raises(ValueError, match="all of 3 items are alike"):
        exchanged([["a"]] * 3, np.random.default_rng(0))
    linked = exchanged([["a", 1], ["b", 1], ["b", 2], ["c", 3], ["d", 4], ["e", 5]], np.random.default_rng(0))
    assert set(linked[:3]) == {3, 4, 5}, "the first three are one group"


def test_an_agent_that_notices_is_always_right_and_likely_captions_do_not_mislead() -> None:
    result = run_task(agent(2.0), TASK, Settings(documents=60))
    assert result.score.value == 1.0
    assert result.figures["own text wins"].value == 1.0
    assert result.figures["plain"].value < 0.75, "two nats drown among captions that are likely or not by themselves"
    assert result.references == {"chance": 0.5, "text alone": 0.5, **baselines(TASK, "caption/emoji")}
    assert "another's sound" not in result.figures


def test_an_agent_that_does_not_look_is_at_chance() -> None:
    result = run_task(agent(0.0), TASK, Settings(documents=60))
    assert result.score.value == 0.5
    assert result.figures["plain"].value == 0.5
    assert result.figures["own text wins"].value == 0


def test_tasks_are_those_of_media() -> None:
    evaluator = evaluator_of(TASK)
    tasks = evaluator.tasks("anomaly")
    assert {TASK, "anomaly/video-clips", "anomaly/caption-composed"} <= set(tasks)
    assert not [task for task in tasks if task.startswith("anomaly/text-")]
    assert task_about("anomaly/video-motion-side") == "video/motion-side"
    assert evaluator.unfit(TASK) is None
    assert "opengato import clips" in str(evaluator.unfit("anomaly/video-clips", Settings(data=Path("nowhere"))))


def test_sounds_change_places_between_films(tmp_path: Path) -> None:
    """Films a to f, twice each with the same sound and other captions: a sound that fits is worth 1 nat."""
    items = [
        document(
            "caption/composed",
            f"a thing {name}, moving {way}",
            video=f"film {name}{way}".encode(),
            audio=f"sound {name}".encode(),
            instruction="describe the film",
        )
        for name in "abcdef"
        for way in ("up", "down")
    ]
    with StoreWriter(tmp_path / "composed" / "test", {}) as writer:
        writer.append(items)

    def nats(episode: Episode, rows: np.ndarray) -> np.ndarray:
        film, sound = bytes(episode.observations["video"][0]), sound_of(episode)
        assert bool(film) == bool(sound), "left out are all media or none"
        text = written(episode)
        gain = float(film[5:6].decode() in text.split(",")[0].split()) + float(sound[6:7] == film[5:6] != b"")
        return np.full(len(rows), (70 - gain) / len(rows))

    result = run_task(FakeAgent(nats), "anomaly/caption-composed", Settings(data=tmp_path))
    assert result.num_samples == 12
    assert result.figures["another's sound"].value > 0.9
    assert result.figures["own sound wins"].value == 1.0
    assert without_media(items[0]).observations["audio"][0] == b""
