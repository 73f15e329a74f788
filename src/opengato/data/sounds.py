"""Sounds made different in training: other speeds, noise, gaps in time and in frequency, two recordings in one.

On samples, so that whatever carries sound hears it; all draws come from the generator that chose the document.
Letters: N samples, K frequencies.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from opengato.core.episode import Episode, objects
from opengato.core.media import wav
from opengato.core.sound import read_sound

RATE = 16_000
SPEEDS = (0.87, 1.15)  # [Ko et al. 2015, Audio augmentation for speech recognition] take 0.9, 1.0 and 1.1
NOISE = (10.0, 50.0)  # decibels below the sound
BANDS, BAND = 2, 0.15  # silenced, of at most this share of the mel scale [Park et al. 2019, arXiv:1904.08779, sec. 2]
GAPS, GAP, GAP_SHARE = 2, 0.25, 0.1  # silenced, of at most so many seconds and this share of the sound
PAUSE = (0.05, 0.4)  # seconds between two recordings
LONGEST = 20.0  # seconds of two recordings


def varied(sound: bytes, generator: np.random.Generator) -> bytes:
    """Another version of a sound, as a WAV at `RATE`."""
    return wav(vary(read_sound(sound, RATE), generator), RATE)


def vary(samples_N: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Samples at `RATE` at another speed, which changes the pitch too, with noise and with silenced parts."""
    level = float(np.sqrt(np.square(samples_N).mean()))
    noise = level * 10 ** (-generator.uniform(*NOISE) / 20)
    spectrum_K = np.fft.rfft(samples_N + noise * generator.standard_normal(len(samples_N)))
    length = max(1, round(len(samples_N) / generator.uniform(*SPEEDS)))
    # A spectrum cut off or filled with zeros is the sound at another speed, without aliases.
    fitting_K = np.zeros(length // 2 + 1, complex)
    shared = min(len(fitting_K), len(spectrum_K))
    fitting_K[:shared] = spectrum_K[:shared]
    top = _mel(RATE / 2)
    for _ in range(BANDS):
        width = generator.uniform(0, BAND * top)
        low = generator.uniform(0, top - width)
        first, last = (round(_hertz(edge) * length / RATE) for edge in (low, low + width))
        fitting_K[first:last] = 0
    other_N = np.fft.irfft(fitting_K, length) * length / len(samples_N)
    for _ in range(GAPS):
        size = round(min(generator.uniform(0, GAP) * RATE, GAP_SHARE * length))
        start = int(generator.integers(0, length - size + 1))
        other_N[start : start + size] = 0
    return other_N / max(1.0, float(np.abs(other_N).max()))


def _mel(hertz: float) -> float:
    return 2595 * float(np.log10(1 + hertz / 700))


def _hertz(mel: float) -> float:
    return 700 * (10 ** (mel / 2595) - 1)


def can_join(episode: Episode) -> bool:
    """Whether an episode is one recording and the text of it."""
    observed, written = (list(specs.values()) for specs in (episode.observation_specs, episode.action_specs))
    return (
        episode.num_steps == 1
        and [spec.kind for spec in observed] == ["audio"]
        and [spec.kind for spec in written] == ["text"]
    )


def joined(one: Episode, other: Episode, generator: np.random.Generator) -> Episode:
    """Two recordings behind one another with a pause between, and both texts; `one` alone if they are too long."""
    (heard,), (written,) = one.observations, one.actions
    values = [[episode.observations[heard][0], episode.actions[written][0]] for episode in (one, other)]
    pause = np.zeros(round(generator.uniform(*PAUSE) * RATE))
    first, second = (read_sound(sound, RATE) for sound, _ in values)
    if len(first) + len(pause) + len(second) > LONGEST * RATE:
        return one
    sound = wav(np.concatenate([first, pause, second]), RATE)
    text = " ".join(text for _, text in values)
    return replace(one, observations={heard: objects([sound])}, actions={written: objects([text])})
