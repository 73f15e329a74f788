"""Sounds varied in training: what stays, what changes, and that a seed decides it.

Letters: N samples.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opengato.core.episode import Episode, document
from opengato.core.media import wav
from opengato.core.sequence import TokenSequence
from opengato.core.serialize import Layout, Serializer
from opengato.core.sound import read_sound
from opengato.data import sounds
from opengato.data.augment import Augment
from opengato.data.documents import DocumentMaker
from opengato.data.mixture import Source, SourceConfig
from opengato.data.rules import Rules
from opengato.data.sounds import RATE, can_join, joined, vary
from opengato.modalities import text
from opengato.modalities.audio import waveform
from tests.data.fakes import text_episode, write_store
from tests.tiny import assert_same_sequence, caption_episode

TEXT, SOUND = text.Config().codec(), waveform.Config(patch=1600).codec()
SERIALIZER = Serializer(
    Layout(
        order=("text", "audio"),
        routes={"instruction": "text", "observation/audio": "audio", "action/text": "text"},
    ),
    {"text": TEXT, "audio": SOUND},
)


def tone(hertz: float, seconds: float) -> np.ndarray:
    return 0.4 * np.sin(2 * np.pi * hertz * np.arange(round(RATE * seconds)) / RATE)


def recording(seed: int) -> Episode:
    """A tone of its own length and pitch, and the number of it."""
    return document("speech/toy", f"number {seed}", audio=wav(tone(300 + 50 * seed, 0.5 + 0.1 * seed), RATE))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_store(tmp_path_factory.mktemp("sounds") / "store", recording, episodes=6)


def source(store: str, **rules: Any) -> Source:
    return Source("x", SourceConfig(path=store, rules=Rules(**rules)), DocumentMaker(SERIALIZER), 100)


def made(made_by: Source, seed: int, index: int = 2, limit: int = 100) -> TokenSequence:
    return made_by.document(index, limit, np.random.default_rng(seed))


def written(sequence: TokenSequence) -> str:
    return TEXT.decode(sequence.payload["text"][-int(sequence.predict_T.sum()) :], SOUND_TEXT)


SOUND_TEXT = document("x/x", "").action_specs["text"]


def plain(monkeypatch: pytest.MonkeyPatch, **other: Any) -> None:
    """No noise worth naming, nothing silenced, the same speed; but for what is asked."""
    for name, value in {"NOISE": (200.0, 200.0), "BANDS": 0, "GAPS": 0, "SPEEDS": (1.0, 1.0), **other}.items():
        monkeypatch.setattr(sounds, name, value)


def test_what_is_switched_off_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    plain(monkeypatch)
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 5001)
    assert np.abs(vary(samples, np.random.default_rng(1)) - samples).max() < 1e-6


@pytest.mark.parametrize("speed", [0.87, 1.0, 1.15])
def test_another_speed_is_another_length_and_pitch(speed: float, monkeypatch: pytest.MonkeyPatch) -> None:
    plain(monkeypatch, SPEEDS=(speed, speed))
    faster = vary(tone(500, 1.0), np.random.default_rng(0))
    assert len(faster) == round(RATE / speed)
    expected = 0.4 * np.sin(2 * np.pi * 500 * speed * np.arange(len(faster)) / RATE)
    assert np.abs(faster - expected)[500:-500].max() < 0.02


def test_noise_is_as_loud_as_said(monkeypatch: pytest.MonkeyPatch) -> None:
    plain(monkeypatch, NOISE=(20.0, 20.0))
    noise = vary(tone(500, 1.0), np.random.default_rng(0)) - tone(500, 1.0)
    assert np.sqrt(np.mean(noise**2)) == pytest.approx(0.1 * 0.4 / np.sqrt(2), rel=0.05)


def test_silenced_bands_and_gaps_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = np.random.default_rng(0).standard_normal(RATE) * 0.1
    plain(monkeypatch, BANDS=2)
    banded = np.abs(np.fft.rfft(vary(samples, np.random.default_rng(3))))
    silent = banded < 1e-6 * banded.max()
    assert 1 <= np.abs(np.diff(silent.astype(int))).sum() <= 4, "at most two runs of frequencies"
    assert 0.01 < silent.mean() < 0.6
    plain(monkeypatch, GAPS=2)
    gapped = vary(samples, np.random.default_rng(3)) == 0
    assert 0.01 < gapped.mean() <= 0.2
    assert np.abs(np.diff(gapped.astype(int))).sum() <= 4


def test_a_seed_decides_and_a_source_without_rules_keeps_its_order(store: str) -> None:
    varying = source(store, augment=Augment(sounds=1.0))
    assert_same_sequence(made(varying, 5), made(varying, 5))
    assert len({made(varying, seed).payload["audio"].tobytes() for seed in range(8)}) == 8
    assert len({len(made(varying, seed)) for seed in range(20)}) > 1, "speeds differ"
    assert {written(made(varying, seed)) for seed in range(8)} == {"number 2"}
    assert_same_sequence(made(source(store), 5), SERIALIZER.episode(recording(2)))
    drawn = [np.random.default_rng(0) for _ in range(2)]
    source(store).document(2, 100, drawn[0])
    assert drawn[0].random() == drawn[1].random()


def test_shares_are_shares(store: str) -> None:
    varying, original = source(store, augment=Augment(sounds=0.3)), SERIALIZER.episode(recording(2)).payload["audio"]
    changed = sum(not np.array_equal(made(varying, seed).payload["audio"], original) for seed in range(200))
    assert 35 <= changed <= 85  # 60, six deviations of sqrt(200 * 0.3 * 0.7)
    with pytest.raises(ValueError, match="`sounds` is 2, expected a probability"):
        Augment(sounds=2)
    with pytest.raises(ValueError, match="`joined` is 2, expected a share"):
        Rules(joined=2)


def test_two_recordings_are_heard_one_after_the_other() -> None:
    both = joined(recording(1), recording(3), np.random.default_rng(0)).validate()
    heard = read_sound(both.observations["audio"][0], RATE)
    first, second = tone(350, 0.6), tone(450, 0.8)
    assert np.abs(heard[: len(first)] - first).max() < 1e-3
    assert np.abs(heard[-len(second) :] - second).max() < 1e-3
    pause = heard[len(first) : -len(second)]
    assert 0.05 * RATE <= len(pause) <= 0.4 * RATE
    assert not pause.any()
    assert both.actions["text"][0] == "number 1 number 3"


def test_recordings_are_joined_where_there_is_room(store: str) -> None:
    joining = source(store, joined=1.0)
    texts = {written(made(joining, seed)) for seed in range(40)}
    assert texts == {f"number 2 number {other}" for other in (0, 1, 3, 4, 5)}
    short = len(SERIALIZER.episode(recording(2)))
    assert {written(made(joining, seed, limit=short)) for seed in range(10)} == {"number 2"}
    long = document("speech/toy", "long", audio=wav(tone(440, 15.0), RATE))
    assert joined(long, long, np.random.default_rng(0)) is long


def test_of_joined_recordings_each_is_varied_by_itself(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """All is made twice as fast but the pause between, which nothing changes."""
    plain(monkeypatch, SPEEDS=(2.0, 2.0), PAUSE=(0.3, 0.3))
    both = source(store, joined=1.0, augment=Augment(sounds=1.0))
    for seed in range(4):
        sequence = made(both, seed)
        first, second = 0.5 + 0.1 * 2, 0.5 + 0.1 * int(written(sequence).rpartition(" ")[2])
        expected = np.ceil((first / 2 + 0.3 + second / 2) * 10 - 1e-9)  # patches of a tenth of a second
        assert len(sequence.payload["audio"]) == expected


def test_only_a_recording_and_its_text_are_joined(tmp_path: Path) -> None:
    assert can_join(recording(0))
    assert not can_join(caption_episode())
    assert not can_join(text_episode(0))
