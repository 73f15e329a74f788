"""Films: encoded files to frames at a steady rate, and back; PyAV (extra `media`) is imported when it is needed.

Letters: F frames, H height, W width, N samples, C channels.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

QUALITY = "26"  # x264's constant rate factor: about 100 kB for ten seconds of a robot arm at 256 pixels
TOLERANCE = 1e-3  # seconds: Matroska counts in thousandths, so that a third of a second is not met exactly
ADVICE = "films need PyAV; run: pip install 'opengato[media]'"


def read_film(data: bytes, fps: float, most_frames: int, longest: int | None = None) -> np.ndarray:
    """The first `most_frames` frames (F, H, W, 3) uint8 of an encoded film, `fps` a second, as they would be shown.

    Frame k is the picture on the screen at k / `fps` seconds after the first one, by the file's own time stamps, so
    that a film of changing rate is read at a steady one. A film that is stored turned is turned upright; what is
    transparent is seen on white. Colours are 8 bits, whatever the file has. A longer side than `longest` pixels is
    shrunk to that, so that a large film does not fill the memory.
    Raises ValueError, with the reason, where the bytes are no film, hold no pictures or break off in one.
    """
    if not fps > 0 or most_frames < 1:
        raise ValueError(f"received {fps} frames a second, at most {most_frames}; expected both above 0")
    if not data:
        raise ValueError("a film of 0 bytes cannot be read: expected the bytes of an MP4, WebM, AVI or MPEG file")
    av = _av()
    frames: list[np.ndarray] = []
    try:
        with av.open(io.BytesIO(data), metadata_errors="ignore") as container:
            for frame, begin, end in _spans(container, _stream(av, container)):
                pixels = None
                while len(frames) < most_frames and begin <= len(frames) / fps + TOLERANCE < end:
                    if pixels is None:  # most frames of a film are never asked for
                        pixels = _shrunk(upright(frame), longest)
                    frames.append(pixels)
                if len(frames) == most_frames:
                    break
    except av.error.FFmpegError as error:
        raise ValueError(
            f"a film of {len(data)} bytes (starts with {data[:12]!r}) cannot be read: {error.strerror}, after "
            f"{len(frames)} frames; expected a whole MP4, WebM, AVI or MPEG file"
        ) from error
    if not frames:
        raise ValueError(f"a film of {len(data)} bytes has a track of pictures, but not one picture in it")
    if any(frame.shape != frames[0].shape for frame in frames):
        sizes = sorted({frame.shape[:2] for frame in frames})
        raise ValueError(f"a film of {len(data)} bytes changes its size on the way {sizes}; expected one size")
    return np.stack(frames)


def write_film(
    frames: Sequence[np.ndarray] | np.ndarray,
    fps: int,
    sound: tuple[np.ndarray, int] | None = None,
    *,
    lossless: bool = False,
) -> bytes:
    """Frames (H, W, 3) uint8, `fps` a second, as the bytes of a film: MP4 (H.264), which every browser plays.

    `sound` is (samples in [-1, 1], (N,) or (N, C), and their rate). If `lossless`, a Matroska file (FFV1, PCM) from
    which every pixel comes back. Else odd sides get one more row or column.
    """
    kinds = {(frame.shape, str(frame.dtype)) for frame in frames}
    if len(kinds) != 1 or any(shape[2:] != (3,) or dtype != "uint8" for shape, dtype in kinds):
        raise ValueError(f"received frames of {sorted(map(str, kinds)) or 'nothing'}, expected one (H, W, 3) uint8")
    av = _av()
    if not lossless:
        # Colours are stored for blocks of 2 x 2 pixels (yuv420p, the one that every browser plays): sides must be even.
        padding = ((0, frames[0].shape[0] % 2), (0, frames[0].shape[1] % 2), (0, 0))
        frames = [np.pad(frame, padding, mode="edge") for frame in frames]
    with tempfile.TemporaryDirectory() as folder:  # what is to be found first in an MP4 is written last: not a stream
        path = Path(folder) / ("film.mkv" if lossless else "film.mp4")
        options = {"fflags": "+bitexact"} | ({} if lossless else {"movflags": "+faststart"})  # the same bytes each time
        with av.open(str(path), "w", options=options) as container:
            if lossless:
                pictures = container.add_stream("ffv1", rate=fps, options={"slicecrc": "0"})
                pictures.pix_fmt = "bgr0"
            else:
                pictures = container.add_stream("libx264", rate=fps, options={"crf": QUALITY, "preset": "veryfast"})
                pictures.pix_fmt = "yuv420p"
            pictures.height, pictures.width = frames[0].shape[:2]
            track = None
            if sound is not None:
                samples, rate = sound
                layout = "mono" if np.ndim(samples) == 1 or np.shape(samples)[1] == 1 else "stereo"
                track = container.add_stream("pcm_s16le" if lossless else "aac", rate=rate, layout=layout)
            for frame in frames:
                container.mux(pictures.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), "rgb24")))
            container.mux(pictures.encode())
            if track is not None and sound is not None:
                _write_sound(av, container, track, *sound)
        return path.read_bytes()


def upright(frame: Any) -> np.ndarray:
    """A decoded frame of PyAV as (H, W, 3) uint8: turned as its file says, on white where it is transparent."""
    if any(component.is_alpha for component in frame.format.components):
        rgba = frame.to_ndarray(format="rgba").astype(np.float32)
        alpha = rgba[..., 3:] / 255
        pixels = np.round(rgba[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    else:
        pixels = frame.to_ndarray(format="rgb24")
    turns = round(frame.rotation / 90) % 4  # counterclockwise, as numpy turns
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def _shrunk(pixels: np.ndarray, longest: int | None) -> np.ndarray:
    height, width = pixels.shape[:2]
    if longest is None or max(height, width) <= longest:
        return pixels
    scale = longest / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def _spans(container: Any, stream: Any) -> Iterator[tuple[Any, float, float]]:
    """Frames with the seconds after the first one from which and until which they are shown.

    A frame without a time follows the last; the last one lasts as long as it says, or as the others do.
    """
    step = 1 / float(stream.average_rate or 25)
    first, begin, shown_from, before = None, 0.0, 0.0, None
    for frame in container.decode(stream):
        time = _seconds(frame.pts, frame.time_base, None)
        if time is not None:
            first = time if first is None else first
            begin = max(shown_from, time - first)
        if before is not None:
            yield before, shown_from, begin
        before, shown_from = frame, begin
        begin += step
    if before is not None:
        last = _seconds(before.duration, before.time_base, 0.0) or step
        yield before, shown_from, shown_from + last


def _stream(av: Any, container: Any) -> Any:
    """The track of pictures; the cover of a record is none."""
    cover = av.stream.Disposition.attached_pic
    tracks = [stream for stream in container.streams.video if not stream.disposition & cover]
    if not tracks:
        raise ValueError(
            f"this {container.format.long_name} file has no pictures, only "
            f"{', '.join(stream.type for stream in container.streams) or 'nothing'}; expected a film"
        )
    tracks[0].codec_context.thread_count = 1  # many workers read films at once
    return tracks[0]


def _seconds(count: int | None, time_base: Fraction | None, default: Any) -> Any:
    return default if count is None or time_base is None else float(count * time_base)


def _write_sound(av: Any, container: Any, track: Any, samples: np.ndarray, rate: int) -> None:
    array = np.asarray(samples, np.float32).reshape(len(samples), -1)
    whole = np.round(np.clip(array, -1, 1) * 32767).astype(np.int16)
    frame = av.AudioFrame.from_ndarray(whole.reshape(1, -1), "s16", track.layout.name)
    frame.sample_rate = rate
    resampler = av.AudioResampler(format=track.format.name, layout=track.layout.name, rate=rate)
    queue = av.AudioFifo()
    for part in resampler.resample(frame):
        queue.write(part)
    while (part := queue.read(track.codec_context.frame_size or 1024)) is not None:
        container.mux(track.encode(part))
    if (rest := queue.read()) is not None:
        container.mux(track.encode(rest))
    container.mux(track.encode())


def _av() -> Any:
    try:
        import av
        import av.stream
    except ImportError as error:
        raise ImportError(ADVICE) from error
    return av
