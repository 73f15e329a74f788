"""Labels, translations and dialogues, with agents whose answers are known; baselines beside them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from opengato.core.episode import Episode, document
from opengato.data.store import StoreWriter
from opengato.evaluators import Settings, evaluator_of, imported, run_task
from opengato.evaluators.choosing import CHOICES, dealt
from opengato.evaluators.classify import labels_of, macro_f1
from opengato.evaluators.likelihood import xz_bits_per_byte
from opengato.evaluators.replies import turns_of
from opengato.sources.answers import answered, dialogue
from tests.evaluators.fakes import ByteCodec, FakeAgent, written

MOOD, CHAT, TRANSLATE = "sentiment/vader-tweets", "chat/chatterbot-en", "translate/fillets-de-en"
BITS = 3 * math.log(2)


def store(folder: Path, train: Iterable[Episode], test: Iterable[Episode]) -> Settings:
    for split, episodes in (("train", train), ("test", test)):
        with StoreWriter(folder / "data" / imported.source_of(next(iter(test)).task) / split) as writer:
            for episode in episodes:
                writer.append([episode])
    return Settings(data=folder / "data")


def tweet(text: str, mood: str) -> Episode:
    return answered(MOOD, text, mood, instruction="is this tweet positive or negative?")


def spread(total: float, rows: np.ndarray) -> np.ndarray:
    return np.full(len(rows), total / len(rows))


def shown(episode: Episode) -> str:
    return str(episode.observations["text"][-1])


@pytest.fixture
def tweets(tmp_path: Path) -> Settings:
    """Six held-out tweets, of which two are positive; a third label that only training knows."""
    train = [tweet(f"t{i}", mood) for i, mood in enumerate(["negative"] * 3 + ["positive", "not at all of a mood"])]
    return store(tmp_path, train, [tweet(f"item {i}", "positive" if i < 2 else "negative") for i in range(6)])


def test_an_agent_that_knows_half(tweets: Settings) -> None:
    """Right on items 0, 2, 3 and 4: truth p p n n n n, answers p n n n n p."""

    def nats(episode: Episode, rows: np.ndarray) -> np.ndarray:
        says = "positive" if shown(episode) in ("item 0", "item 5") else "negative"
        return spread(1.0 if written(episode) == says else 2.0, rows)

    agent = FakeAgent(nats)
    result = run_task(agent, MOOD, tweets)
    assert labels_of(MOOD, tweets.data) == ["negative", "not at all of a mood", "positive"]
    assert result.score.value == pytest.approx(4 / 6)
    assert result.figures["macro F1"].value == pytest.approx((2 * 1 / 4 + 2 * 3 / 8) / 2)
    assert result.references["chance"] == pytest.approx(1 / 3)
    assert result.references["majority"] == pytest.approx(4 / 6)
    assert result.num_samples == evaluator_of(MOOD).num_samples(MOOD, tweets) == 6
    assert len(agent.asked) == 18
    assert {episode.instruction for episode in agent.asked} == {"is this tweet positive or negative?"}


def test_a_label_is_judged_by_its_whole_probability(tweets: Settings) -> None:
    """2 nats for a short label against 3 for a long one, whose mean over its rows is far smaller."""

    def nats(episode: Episode, rows: np.ndarray) -> np.ndarray:
        return spread({"negative": 2.0, "positive": 4.0, "not at all of a mood": 3.0}[written(episode)], rows)

    result = run_task(FakeAgent(nats), MOOD, tweets)
    assert set(result.samples["answer"]) == {0.0}
    assert result.score.value == pytest.approx(4 / 6)


def test_informed_answers_do_not_favour_frequent_labels(tweets: Settings) -> None:
    """Evidence of one nat, under a prior of five for "negative"."""

    def nats(episode: Episode, rows: np.ndarray) -> np.ndarray:
        true = "positive" if shown(episode) in ("item 0", "item 1") else "negative"
        prior = {"negative": 1.0, "positive": 6.0, "not at all of a mood": 50.0}[written(episode)]
        return spread(prior - (written(episode) == true), rows)

    result = run_task(FakeAgent(nats), MOOD, tweets)
    assert result.score.value == pytest.approx(4 / 6)
    assert result.figures["informed"].value == 1.0


def test_some_documents_are_drawn_from_all(tmp_path: Path) -> None:
    """The first of a store may all be of one label."""
    test = [tweet(f"item {i}", "positive" if i < 50 else "negative") for i in range(100)]
    settings = store(tmp_path, test[:1], test)
    few = Settings(data=settings.data, documents=20)
    result = run_task(FakeAgent(), MOOD, few)
    assert result.num_samples == imported.num_held_out(MOOD, few) == 20
    assert 4 <= sum(result.samples["label"]) <= 16
    assert run_task(FakeAgent(), MOOD, few).samples == result.samples


def test_macro_f1_is_that_of_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    for labels in (2, 5, 9):
        truth, answers = rng.integers(0, labels, 40), rng.integers(0, labels - 1, 40)
        assert macro_f1(truth, answers) == pytest.approx(metrics.f1_score(truth, answers, average="macro"))


@pytest.mark.parametrize("task", [MOOD, CHAT, "text/poetry", "topic/reuters"])
def test_what_is_not_imported_is_left_out_with_advice(task: str, tmp_path: Path) -> None:
    why = evaluator_of(task).unfit(task, Settings(data=tmp_path))
    assert why is not None
    assert f"opengato import {imported.source_of(task)}" in why


def test_baselines_stand_beside(tweets: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sources" / "vader").mkdir(parents=True)
    body = {"date": "2026-01-01", "tasks": {MOOD: {"TF-IDF": 0.85}}}
    (tmp_path / "sources" / "vader" / imported.BASELINES).write_text(json.dumps(body))
    monkeypatch.setattr(imported.importlib.resources, "files", lambda _: tmp_path)
    assert run_task(FakeAgent(codec=ByteCodec()), MOOD, tweets).references["TF-IDF"] == 0.85


def lines(count: int) -> list[Episode]:
    return [
        answered(TRANSLATE, f"das ist Zeile {i} hier", f"this is line {i} here", instruction="translate")
        for i in range(count)
    ]


def test_translations(tmp_path: Path) -> None:
    pytest.importorskip("sacrebleu")
    settings = store(tmp_path, lines(1), lines(5))

    def nats(_: Episode, rows: np.ndarray) -> np.ndarray:
        return np.where(rows == 256, 1e6, BITS)

    perfect = run_task(FakeAgent(nats, codec=ByteCodec(), says=written), TRANSLATE, settings)
    assert perfect.score.value == pytest.approx(100)
    assert perfect.figures["corpus chrF"].value == pytest.approx(100)
    assert perfect.figures["corpus BLEU"].value == pytest.approx(100)
    assert perfect.figures["bits per byte"].value == pytest.approx(3, rel=1e-6), "the end is no byte"
    assert perfect.figures["stops"].value == 1
    copied = run_task(FakeAgent(codec=ByteCodec(), says=shown), TRANSLATE, settings)
    assert copied.score.value == pytest.approx(copied.references["copied source"])
    assert copied.references["copied source"] == perfect.references["copied source"] < 60
    endless = run_task(FakeAgent(codec=ByteCodec(), says=lambda _: "x" * 129), TRANSLATE, settings)
    assert endless.figures["stops"].value == 0
    assert endless.score.value == pytest.approx(0, abs=1)


def test_without_its_package_translation_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = store(tmp_path, lines(1), lines(2))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    why = evaluator_of(TRANSLATE).unfit(TRANSLATE, settings)
    assert why is not None
    assert "opengato[language]" in why


def talks(count: int) -> list[Episode]:
    turns = [(f"what is {i}?", f"it is the number {i}") for i in range(2 * count)]
    return [dialogue(CHAT, turns[2 * i : 2 * i + 2]) for i in range(count)]


def test_replies(tmp_path: Path) -> None:
    """Twenty dialogues of two turns; each turn is asked about with the dialogue before it."""
    settings = store(tmp_path, talks(1), talks(20))

    def knows(episode: Episode, rows: np.ndarray) -> np.ndarray:
        right = shown(episode).split()[2].strip("?") == written(episode).split()[-1]
        nats = np.where(rows == 256, 5.0, BITS)
        return nats - 0.1 * right * (rows != 256)

    agent = FakeAgent(knows, codec=ByteCodec(), says=lambda episode: "x" * (60 + 10 * (episode.num_steps > 1)))
    result = run_task(agent, CHAT, settings)
    assert result.score.value == 1
    assert result.num_samples == 40
    assert result.figures["bits per byte"].value == pytest.approx(3 - 0.1 / math.log(2), rel=1e-5)
    assert result.figures["stops"].value == 0.5
    assert result.references["chance"] == 1 / 16
    assert {tuple(e.observations["text"]) for e in agent.asked if e.num_steps == 2} == {
        tuple(e.observations["text"]) for e in talks(20)
    }
    # Each turn alone, then 16 replies for each turn of three groups, which hold 40 different ones.
    assert len(agent.asked) == 40 + 3 * 16 * 16
    blind = run_task(FakeAgent(lambda e, rows: spread(1.0 + len(rows), rows)), CHAT, settings)
    assert blind.score.value < 0.3


def test_turns_hold_what_was_said_before() -> None:
    first, second = turns_of(talks(1)[0])
    assert (list(first.observations["text"]), written(first)) == (["what is 0?"], "it is the number 0")
    assert list(second.observations["text"]) == ["what is 0?", "what is 1?"]
    assert written(second) == "it is the number 1"


def test_answers_are_dealt_in_groups_that_differ() -> None:
    answers = [f"answer {i}" for i in range(40)] + ["Answer 3!", "answer 4"]
    groups = dealt(answers, np.random.default_rng(1))
    assert [asked for _, asked in groups] == [16, 16, 8]
    assert sorted(index for group, asked in groups for index in group[:asked]) == list(range(40))
    for group, _ in groups:
        assert len({answers[index] for index in group}) == CHOICES == len(group)
    assert groups == dealt(answers, np.random.default_rng(1))
    with pytest.raises(ValueError, match="3 different answers"):
        dealt(["a", "b", "c", "A"], np.random.default_rng(1))


def test_bits_per_byte_of_documents(tmp_path: Path) -> None:
    """Documents are read alone; the first bytes of each see nothing before them."""
    texts = ["气和玉烛。\nabc def", "second one " * 20]
    settings = store(tmp_path, [document("text/poetry", "x")], [document("text/poetry", text) for text in texts])

    def nats(_: Episode, rows: np.ndarray) -> np.ndarray:
        return np.where(rows == 256, 1e6, BITS)

    agent = FakeAgent(nats, codec=ByteCodec())
    result = run_task(agent, "text/poetry", settings)
    assert result.score.value == pytest.approx(3, rel=1e-6)
    assert sum(result.samples["bytes"]) == len("".join(texts).encode())
    assert result.references["xz -9e"] == xz_bits_per_byte("".join(texts).encode())
    assert written(agent.asked[0]) == texts[0]
    assert texts[1].startswith(written(agent.asked[1]))
    one = run_task(FakeAgent(nats, codec=ByteCodec()), "text/poetry", Settings(data=settings.data, documents=1))
    assert sum(one.samples["bytes"]) in {float(len(text.encode())) for text in texts}
