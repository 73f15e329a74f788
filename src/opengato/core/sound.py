"""Sounds as files of any kind, read as samples of one channel at one rate, and written as FLAC.

Letters: N samples, C channels.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np

SILENT = 0.01  # of the loudest channel's level: -40 dB
PADDING = 256  # samples, more than the resampler's filter is long


def read_sound(data: bytes, rate: int) -> np.ndarray:
    """The sound of a file, or the sound track of a film, as one channel (N,) float32 at `rate` samples a second.

    1.0 is the largest value of whole numbers, whatever their bits. Channels are averaged, but for those that are
    silent; where that leaves nothing because they cancel, the loudest is taken. ValueError where there is no sound
    track, no sample, or what cannot be decoded; ImportError says how to get PyAV.
    """
    samples_CN, own_rate = _decode(data)
    if not np.isfinite(samples_CN).all():
        raise ValueError(f"a sound of {len(data)} bytes holds samples that are not finite numbers; export it again")
    return resample(mix(samples_CN), own_rate, rate)


def mix(samples_CN: np.ndarray) -> np.ndarray:
    """Channels as one (N,): the mean of those that are not silent, or the loudest where they cancel."""
    if len(samples_CN) == 1:
        return samples_CN[0]
    level_C = np.sqrt(np.square(samples_CN, dtype=np.float64).mean(1))
    loudest = int(level_C.argmax())
    mean_N = samples_CN[level_C >= SILENT * level_C[loudest]].mean(0)
    if np.sqrt(np.square(mean_N, dtype=np.float64).mean()) < SILENT * level_C[loudest]:
        return samples_CN[loudest]
    return mean_N


def resample(samples_N: np.ndarray, own_rate: int, rate: int) -> np.ndarray:
    """Samples (N,) of `own_rate` a second as ceil(N * `rate` / `own_rate`) of `rate` a second, float32."""
    av = _pyav()
    samples_N = samples_N.astype(np.float32, copy=False)
    if own_rate == rate:
        return samples_N
    # Of what is shorter than its filter the resampler gives nothing.
    padded = np.pad(samples_N, (0, PADDING * max(1, own_rate // rate)))
    frame = av.AudioFrame.from_ndarray(padded[None], format="fltp", layout="mono")
    frame.sample_rate = own_rate
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=rate)
    frames = [*resampler.resample(frame), *resampler.resample(None)]
    return np.concatenate([part.to_ndarray()[0] for part in frames])[: -(-len(samples_N) * rate // own_rate)]


def _decode(data: bytes) -> tuple[np.ndarray, int]:
    """All channels (C, N) and their rate."""
    av = _pyav()
    what = f"a sound of {len(data)} bytes (starts with {data[:8]!r})"
    if not data:
        raise ValueError("a sound has 0 bytes; expected an encoded file: WAV, FLAC, OGG, MP3, M4A or a film")
    try:
        with av.open(io.BytesIO(data), metadata_errors="ignore") as container:
            if not container.streams.audio:
                kinds = sorted({stream.type for stream in container.streams})
                raise ValueError(f"{what} has no sound track: it holds {kinds or 'nothing'}")
            parts = [(_channels(frame), frame.sample_rate) for frame in container.decode(audio=0)]
    except av.FFmpegError as error:
        raise ValueError(
            f"{what} cannot be decoded: {error.strerror}; it is broken, or no WAV, FLAC, OGG, MP3, M4A or film"
        ) from error
    forms = {(len(samples_CN), rate) for samples_CN, rate in parts}
    if len(forms) > 1:
        raise ValueError(f"{what} changes between (channels, rate) {sorted(forms)}; convert it to one of them")
    samples_CN = np.concatenate([samples_CN for samples_CN, _ in parts], axis=1) if parts else np.zeros((1, 0))
    if samples_CN.shape[1] == 0:
        raise ValueError(f"{what} holds no samples: its sound track is empty or broken")
    return samples_CN, parts[0][1]


def _channels(frame: Any) -> np.ndarray:
    """One frame of PyAV as (C, N) float32; whole numbers are divided by their largest."""
    samples = frame.to_ndarray()
    if not frame.format.is_planar:  # (1, N * C)
        samples = samples.reshape(-1, frame.layout.nb_channels).T
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if np.issubdtype(samples.dtype, np.signedinteger):
        return (samples / -float(np.iinfo(samples.dtype).min)).astype(np.float32)
    return samples.astype(np.float32, copy=False)


def _pyav() -> Any:
    try:
        import av
    except ImportError as error:
        raise ImportError("sounds are read and written by PyAV; run: pip install 'opengato[media]'") from error
    return av


def flac(samples_N: np.ndarray, rate: int) -> bytes:
    """Samples (N,) in [-1, 1] as a FLAC file of 16 bits, the same bytes each time; what lies outside is clipped."""
    av = _pyav()
    if samples_N.ndim != 1 or not len(samples_N) or not np.isfinite(samples_N).all():
        raise ValueError(f"received samples of shape {samples_N.shape}; expected finite numbers (N,), at least one")
    whole_N = np.round(np.clip(samples_N, -1, 1) * 32767).astype(np.int16)
    stream = io.BytesIO()
    with av.open(stream, "w", format="flac", container_options={"fflags": "+bitexact"}) as container:
        track = container.add_stream("flac", rate=rate, layout="mono", format="s16")
        track.codec_context.flags |= av.codec.context.Flags.bitexact
        frame = av.AudioFrame.from_ndarray(whole_N[None], format="s16", layout="mono")
        frame.sample_rate = rate
        container.mux([*track.encode(frame), *track.encode(None)])
    return stream.getvalue()
