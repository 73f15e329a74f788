"""Recordings made uniform: FLAC of one channel at 16 kHz, without the silence around, equally loud.

Letters: N samples.
"""

from __future__ import annotations

import numpy as np

from opengato.core.sound import flac

RATE = 16_000
_QUIET, _MARGIN = 0.01, 0.15  # of the largest sample; seconds kept before and after what is louder


class UnfitError(ValueError):
    """A recording that is no item: why."""


def compact(samples_N: np.ndarray, longest: float) -> tuple[bytes, float]:
    """Samples (N,) at 16 kHz as FLAC, its largest sample at half of full scale, and its seconds.

    What is silent before and after is cut. UnfitError where nothing is to be heard, or for more than `longest` seconds.
    """
    size_N = np.abs(samples_N)
    if size_N.max(initial=0) < 1e-4:
        raise UnfitError(f"{len(samples_N) / RATE:.1f} seconds of silence")
    heard, margin = np.flatnonzero(size_N > _QUIET * size_N.max()), round(_MARGIN * RATE)
    samples_N = samples_N[max(0, heard[0] - margin) : heard[-1] + margin]
    if len(samples_N) > longest * RATE:
        raise UnfitError(f"{len(samples_N) / RATE:.1f} seconds are more than {longest:g}")
    return flac(0.5 * samples_N / size_N.max(), RATE), len(samples_N) / RATE


def named(classes: tuple[str, ...]) -> str:
    """The instruction to name a sound as one of `classes`."""
    return f"what is this sound: {', '.join(classes[:-1])} or {classes[-1]}?"
