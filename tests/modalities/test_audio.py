"""Log-mel spectra against formulas written out and scipy; sounds in an agent, encoded whole however they are read.

Letters: N samples, F frames, K frequencies, M mel bands, T positions.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from opengato.agent import model
from opengato.agent.generate import Decoding
from opengato.agent.inputs import read
from opengato.agent.slots import slots_of
from opengato.core.episode import MEDIA_SPECS, document, objects
from opengato.core.media import wav
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.modalities import audio, text
from opengato.modalities.audio import encoder, waveform
from opengato.modalities.audio.mel import SILENCE, filterbank, hertz, log_mel, mel
from opengato.objectives import next_token
from opengato.train import optim
from opengato.train.distributed import Alone
from opengato.train.loop import train_step
from tests.close import assert_close
from tests.tiny import sharpen, trunk

pytest.importorskip("av")
RATE, WINDOW, HOP, MELS = 16_000, 400, 160, 64
AUDIO = MEDIA_SPECS["audio"]


def sine(hertz: float, samples: int, amplitude: float = 1.0) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * hertz * np.arange(samples) / RATE)


def rows_of(config: Any, *sounds: bytes) -> tuple[np.ndarray, np.ndarray]:
    return config.codec().encode(objects(list(sounds)), AUDIO, "observation")


def test_the_mel_scale_by_hand() -> None:
    """Slaney's: 15 mels to 1 kHz, then a factor of 6.4 every 27."""
    assert mel(np.array([0.0, 200.0, 1000.0, 6400.0])) == pytest.approx([0, 3, 15, 42])
    some = np.array([0.0, 123.0, 999.0, 1001.0, 7999.0])
    assert hertz(mel(some)) == pytest.approx(some)


def test_a_filterbank_is_its_definition() -> None:
    bank_MK = filterbank(MELS, 512, RATE)
    top = 15 + 27 * math.log(8) / math.log(6.4)
    edges = [hertz(np.array(top * i / (MELS + 1))).item() for i in range(MELS + 2)]
    for band in (0, 1, 20, 63):
        low, middle, high = edges[band : band + 3]
        for k in range(257):
            f = k * RATE / 512
            expected = 0.0
            if low < f <= middle:
                expected = (f - low) / (middle - low)
            elif middle < f < high:
                expected = (high - f) / (high - middle)
            assert bank_MK[band, k] == pytest.approx(expected)
    between = (np.fft.rfftfreq(512, 1 / RATE) >= edges[1]) & (np.fft.rfftfreq(512, 1 / RATE) <= edges[-2])
    assert bank_MK[:, between].sum(0) == pytest.approx(1.0), "neighbours share what lies between their peaks"
    with pytest.raises(ValueError, match="mel bands are too many"):
        filterbank(200, 512, RATE)


def test_power_is_that_of_scipy() -> None:
    signal = pytest.importorskip("scipy.signal")
    samples_N = np.random.default_rng(0).standard_normal(RATE)
    padded = np.pad(samples_N, (120, 120))  # so that window f is centred on sample (f + 0.5) * 160
    window = signal.get_window("hann", WINDOW)
    _, _, power_KF = signal.spectrogram(
        padded, RATE, window, WINDOW, WINDOW - HOP, 512, detrend=False, scaling="spectrum", mode="psd"
    )
    # scipy gives the squared root mean square of a sine, a half; the ends, which it does not double, hold no band
    level_FM = np.log10(2 * power_KF[:, :100].T @ filterbank(MELS, 512, RATE).T)
    expected = np.maximum((level_FM - level_FM.max()) / 4 + 1, -1)
    assert np.abs(log_mel(samples_N, RATE, WINDOW, HOP, MELS) - expected).max() < 1e-3


def test_a_tone_is_where_it_should_be_and_silence_is_silent() -> None:
    tone = np.concatenate([np.zeros(1600), sine(1000, 3200), np.zeros(1600)])
    spectrum_FM = log_mel(tone, RATE, WINDOW, HOP, MELS)
    assert spectrum_FM.shape == (40, MELS)
    centres = hertz(np.linspace(0, mel(np.array(8000)), MELS + 2))[1:-1]
    assert abs(centres[spectrum_FM[20].argmax()] - 1000) < 60
    assert spectrum_FM.max() == 1.0
    loud_F = spectrum_FM.max(1) > 0.5
    assert loud_F.nonzero()[0].tolist() == list(range(9, 31)), "windows reach 7.5 ms beyond their own 10 ms"
    assert (spectrum_FM[:8] == SILENCE).all()
    assert (log_mel(np.zeros(800), RATE, WINDOW, HOP, MELS) == SILENCE).all()


def test_a_sound_is_the_same_however_loud() -> None:
    noise = np.random.default_rng(0).standard_normal(4000) * 0.1
    loud, quiet = (log_mel(scale * noise, RATE, WINDOW, HOP, MELS) for scale in (1.0, 0.05))
    assert np.abs(loud - quiet).max() < 1e-5
    faint = log_mel(1e-5 * noise, RATE, WINDOW, HOP, MELS)
    assert faint.max() < 0.6, "but what is fainter than any recording is not made loud"


def test_rows_hold_new_frames_between_their_neighbours() -> None:
    config = audio.Config(frames=4, context=2)
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 10 * HOP)
    rows, counts = rows_of(config, wav(sound, RATE), b"", wav(sound[:1], RATE))
    assert counts.tolist() == [3, 0, 1]
    assert rows.dtype == np.float16
    assert rows[:, -1].tolist() == [0, 1, 2, 0]
    frames_FM = log_mel(np.round(sound * 32767) / 32768, RATE, WINDOW, HOP, MELS)
    padded = np.concatenate([np.full((2, MELS), -1), frames_FM, np.full((6, MELS), -1)])
    for row in range(3):
        expected = padded[4 * row : 4 * row + 8].reshape(-1)
        assert np.abs(rows[row, :-1] - expected).max() < 1e-3


def test_waves_are_their_samples() -> None:
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 1000)
    rows, counts = rows_of(waveform.Config(patch=400), wav(sound, RATE))
    assert counts.tolist() == [3]
    assert np.abs(rows[:, :-1].reshape(-1)[:1000] - sound).max() < 1e-4
    assert not rows[2, 200:400].any()


@pytest.mark.parametrize("config", [audio.Config(seconds=1.0), waveform.Config(seconds=1.0)])
def test_too_long_a_sound_is_told(config: Any) -> None:
    assert rows_of(config, wav(sine(440, RATE), RATE))[1] > 0
    with pytest.raises(ValueError, match=r"'audio' holds a sound of 1\.1 seconds; this model hears at most 1"):
        rows_of(config, wav(sine(440, RATE + 1600), RATE))
    with pytest.raises(ValueError, match=r"`seconds` is 3600\.0: at [\d.]+ positions a second there is room for"):
        replace(config, seconds=3600.0).codec()


def hearing(sense: Any) -> model.Config:
    return model.Config(
        modalities={"text": text.Config(), "audio": sense},
        routes={"instruction": "text", "observation/audio": "audio", "action/text": "text"},
        backbone=trunk(),
        context=16,
        num_local=16,
    )


@pytest.mark.parametrize("sense", [audio.Config(frames=2), encoder.Config(front=audio.Config(frames=2), reach=64)])
@torch.inference_mode()
def test_a_long_sound_is_read_by_pieces_as_it_is_read_whole(sense: Any) -> None:
    """An encoder looks at the whole sound, also where the cache takes fewer positions at a time."""
    torch.manual_seed(0)
    agent = hearing(sense).build().eval()
    for module in agent.children():
        sharpen(module)
    heard = wav(0.3 * np.random.default_rng(0).standard_normal(RATE), RATE)
    sequence = read(agent, ["what do you hear?", heard])
    assert len(sequence) > 2 * agent.context
    slots = slots_of([sequence], agent.device)
    x_BTD = agent.embed_slots(slots.payload, slots.slot_N, slots.local_BT)
    expected = agent.backbone(x_BTD, *slots.places)[:, -1]
    assert_close(Decoding(agent, 1).feed([0], [sequence]), expected)


def test_an_agent_learns_to_write_down_what_it_hears() -> None:
    """Two tones, whose order in time alone tells the texts apart; what is heard must reach the first word."""
    low, high = sine(300, RATE // 4, 0.3), sine(1500, RATE // 4, 0.3)
    sounds = {"up": wav(np.concatenate([low, high]), RATE), "down": wav(np.concatenate([high, low]), RATE)}
    torch.manual_seed(0)
    agent = hearing(encoder.Config(front=audio.Config(frames=5), reach=8, hidden=32)).build()
    episodes = [document("speech/toy", said, audio=sound, instruction="listen") for said, sound in sounds.items()]
    documents = [Document(sequence=agent.serializer.episode(e), source=0, episode=i) for i, e in enumerate(episodes)]
    batch = pack_documents(documents, length=32)
    objective, optimizers = next_token.Config().build(), optim.build(agent, optim.Config())
    for step in range(110):
        train_step(Alone(agent, objective), optimizers, [batch], rate=min(1.0, (step + 1) / 10), clip=1.0)
    agent.eval()
    assert {said: agent.generate(["listen", sound]) for said, sound in sounds.items()} == {"up": "up", "down": "down"}
