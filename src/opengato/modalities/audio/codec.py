"""Sounds as rows of features, each with its place in the sound; numpy only.

Letters: N samples or rows, F frames, M mel bands, P payload features.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from opengato.core.episode import ArraySpec, is_absent
from opengato.core.media import wav
from opengato.core.serialize import Codec, Role
from opengato.core.sound import read_sound
from opengato.modalities.audio.mel import SILENCE, log_mel, samples_of

PLACES = 2048  # rows of one sound: float16 holds whole numbers up to here


class SoundCodec(Codec):
    """A sound, at `rate` samples a second, as a row for each `stride` of them; the last number of a row is its place.

    Rows of features come from `features`, and are made a sound again by `sound`.
    """

    def __init__(self, rate: int, stride: int, seconds: float):
        self.rate, self.stride, self.seconds = rate, stride, seconds
        if seconds * rate > PLACES * stride:
            raise ValueError(
                f"`seconds` is {seconds}: at {rate / stride:g} positions a second there is room for "
                f"{PLACES * stride / rate:g}; ask for less, or for fewer positions"
            )

    @abstractmethod
    def features(self, samples_N: np.ndarray) -> np.ndarray:
        """A row of numbers (N, P) for each `stride` samples that have begun."""

    @abstractmethod
    def sound(self, rows_NP: np.ndarray) -> np.ndarray:
        """Samples (N,) from rows of features, as nearly as can be."""

    def num_positions(self, spec: ArraySpec) -> int | None:
        return None  # as many as the sound is long

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        rows = [self._rows(value, spec) for value in values]
        empty = np.zeros((0, *self.payload_shape), self.payload_dtype)
        return np.concatenate([empty, *rows]), np.array([len(row) for row in rows], np.int64)

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> bytes:
        return wav(self.sound(payload[:, :-1].astype(np.float32)), self.rate) if len(payload) else b""

    def _rows(self, value: bytes, spec: ArraySpec) -> np.ndarray:
        if is_absent(value):
            return np.zeros((0, *self.payload_shape), self.payload_dtype)
        samples_N = read_sound(value, self.rate)
        if len(samples_N) > self.seconds * self.rate:
            raise ValueError(
                f"{spec.name!r} holds a sound of {len(samples_N) / self.rate:.1f} seconds; this model hears at most "
                f"{self.seconds:g}: cut it into shorter ones"
            )
        rows_NP = self.features(samples_N)
        return np.concatenate([rows_NP, np.arange(len(rows_NP))[:, None]], axis=1, dtype=self.payload_dtype)


class MelCodec(SoundCodec):
    """`frames` new frames of a log-mel spectrum a row, between `context` frames of what comes before and after."""

    payload_dtype = "float16"

    def __init__(self, *, rate: int, window: int, hop: int, mels: int, frames: int, context: int, seconds: float):
        super().__init__(rate, hop * frames, seconds)
        self.window, self.hop, self.mels, self.frames, self.context = window, hop, mels, frames, context
        self.payload_shape = ((frames + 2 * context) * mels + 1,)

    def features(self, samples_N: np.ndarray) -> np.ndarray:
        log_mel_FM = log_mel(samples_N, self.rate, self.window, self.hop, self.mels)
        missing = -len(log_mel_FM) % self.frames
        around = ((self.context, self.context + missing), (0, 0))
        padded_FM = np.pad(log_mel_FM, around, constant_values=SILENCE)
        windows = np.lib.stride_tricks.sliding_window_view(padded_FM, self.frames + 2 * self.context, axis=0)
        return windows[:: self.frames].swapaxes(1, 2).reshape(-1, self.payload_shape[0] - 1)

    def sound(self, rows_NP: np.ndarray) -> np.ndarray:
        frames = rows_NP.reshape(len(rows_NP), -1, self.mels)[:, self.context : self.context + self.frames]
        return samples_of(frames.reshape(-1, self.mels), self.rate, self.window, self.hop)


class WaveCodec(SoundCodec):
    """`patch` samples a row, the last row filled with silence."""

    payload_dtype = "float32"

    def __init__(self, rate: int, patch: int, seconds: float):
        super().__init__(rate, patch, seconds)
        self.payload_shape = (patch + 1,)

    def features(self, samples_N: np.ndarray) -> np.ndarray:
        return np.pad(samples_N, (0, -len(samples_N) % self.stride)).reshape(-1, self.stride)

    def sound(self, rows_NP: np.ndarray) -> np.ndarray:
        return rows_NP.reshape(-1)
