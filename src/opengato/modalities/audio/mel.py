"""Log-mel spectra of sounds, and sounds of log-mel spectra; numpy only.

Letters: N samples, F frames, K frequencies, M mel bands, L samples of a window.
"""

from __future__ import annotations

import functools

import numpy as np

DECADES = 8.0  # of power below the loudest that are told apart: 80 dB
SILENCE = -1.0
_FLOOR, _FAINT = 1e-14, -6.0  # of power; a sound whose loudest band lies below 10 ** _FAINT is not made louder


def mel(hertz: np.ndarray) -> np.ndarray:
    """Frequencies on the mel scale, f / (200 / 3) up to 1 kHz and 15 + 27 ln(f / 1000) / ln 6.4 above.

    [Slaney 1998, Auditory Toolbox: Version 2, Interval TR 1998-010].
    """
    return np.where(hertz < 1000, hertz * 3 / 200, 15 + 27 * np.log(np.maximum(hertz, 1) / 1000) / np.log(6.4))


def hertz(mels: np.ndarray) -> np.ndarray:
    """The inverse of `mel`."""
    return np.where(mels < 15, mels * 200 / 3, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))


@functools.cache
def filterbank(num_mels: int, size: int, rate: int) -> np.ndarray:
    """Triangles (M, K) of height 1, evenly spaced on the mel scale from 0 to `rate` / 2, over the bins of an FFT."""
    edges = hertz(np.linspace(0, mel(np.array(rate / 2)), num_mels + 2))
    bins_K = np.fft.rfftfreq(size, 1 / rate)
    rising = (bins_K - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins_K) / (edges[2:] - edges[1:-1])[:, None]
    bank_MK = np.maximum(0, np.minimum(rising, falling))
    if not bank_MK.any(1).all():
        raise ValueError(
            f"{num_mels} mel bands are too many for an FFT of {size} at {rate} samples a second: "
            f"{int((~bank_MK.any(1)).sum())} of them hold no frequency; ask for fewer or for a longer window"
        )
    return bank_MK


def fft_size(window: int) -> int:
    """The power of two that holds a window."""
    return 1 << (window - 1).bit_length()


def log_mel(samples_N: np.ndarray, rate: int, window: int, hop: int, num_mels: int) -> np.ndarray:
    """Log-mel spectrum (F, M) float32 in [-1, 1], F = ceil(N / hop); frame f is centred within its own `hop` samples.

    1 is the loudest band of the whole sound, -1 is 80 dB below it or fainter, so that a sound is the same however
    loud: max(log10 e, top - 8) -> (. - top) / 4 + 1 [Radford et al. 2022, arXiv:2212.04356, sec. 2.2].
    """
    frames_FL = _frames(samples_N, window, hop) * _hann(window)
    spectrum_FK = np.fft.rfft(frames_FL, fft_size(window))
    power_FK = np.square(np.abs(spectrum_FK) * 2 / _hann(window).sum())  # 1 for a sine of amplitude 1
    level_FM = np.log10(np.maximum(power_FK @ filterbank(num_mels, fft_size(window), rate).T, _FLOOR))
    top = max(float(level_FM.max(initial=_FAINT)), _FAINT)
    return (np.maximum((level_FM - top) / (DECADES / 2), -2) + 1).astype(np.float32)


def samples_of(log_mel_FM: np.ndarray, rate: int, window: int, hop: int, rounds: int = 32) -> np.ndarray:
    """A sound (F * hop,) whose log-mel spectrum is nearly this one, to be listened to; its largest sample is 0.9.

    Phases are those that agree best between overlapping windows [Griffin & Lim 1984, Signal Estimation from Modified
    Short-Time Fourier Transform].
    """
    frames, num_mels = log_mel_FM.shape
    bank_MK = filterbank(num_mels, fft_size(window), rate)
    power_FK = np.maximum(10 ** ((log_mel_FM.astype(np.float64) - 1) * DECADES / 2) @ np.linalg.pinv(bank_MK).T, 0)
    size_FK = np.sqrt(power_FK)
    phase_FK = np.random.default_rng(0).uniform(0, 2 * np.pi, size_FK.shape)
    for _ in range(rounds):
        samples_N = _overlapped(size_FK * np.exp(1j * phase_FK), window, hop)
        again_FK = np.fft.rfft(_frames(samples_N, window, hop) * _hann(window), fft_size(window))
        phase_FK = np.angle(again_FK)
    samples_N = _overlapped(size_FK * np.exp(1j * phase_FK), window, hop)[: frames * hop]
    return 0.9 * samples_N / max(float(np.abs(samples_N).max()), 1e-9)


@functools.cache
def _hann(window: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)


def _frames(samples_N: np.ndarray, window: int, hop: int) -> np.ndarray:
    """Windows (F, L), centred within the `hop` samples that each stands for; beyond the ends is silence."""
    count = -(-len(samples_N) // hop)
    before = (window - hop) // 2
    padded = np.pad(samples_N.astype(np.float64), (before, window + hop))
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::hop][:count]


def _overlapped(spectrum_FK: np.ndarray, window: int, hop: int) -> np.ndarray:
    """The sound whose windows have these spectra, in the sense of least squares."""
    frames_FL = np.fft.irfft(spectrum_FK, fft_size(window))[:, :window] * _hann(window)
    before, length = (window - hop) // 2, len(spectrum_FK) * hop
    total, weight = np.zeros(length + window + hop), np.zeros(length + window + hop)
    for frame, values_L in enumerate(frames_FL):
        place = slice(frame * hop, frame * hop + window)
        total[place] += values_L
        weight[place] += _hann(window) ** 2
    return (total / np.maximum(weight, 1e-3))[before : before + length]
