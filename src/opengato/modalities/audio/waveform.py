"""Sounds as they are: patches of samples, one position each [Akbari et al. 2021, arXiv:2104.11178, sec. 3.1].

VATT takes 128 samples at 48 kHz; the default here takes 25 positions a second.
"""

from __future__ import annotations

from dataclasses import dataclass

from opengato.modalities.audio import Audio
from opengato.modalities.audio.codec import WaveCodec


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """A position holds `patch` samples, at `rate` a second. A sound lasts at most `seconds`."""

    rate: int = 16_000
    patch: int = 640
    seconds: float = 30.0

    def codec(self) -> WaveCodec:
        return WaveCodec(self.rate, self.patch, self.seconds)

    def build(self, width: int) -> Audio:
        return Audio(self.codec(), width)
