"""Pictures, sounds and films as clients send them, looked at before the model is asked: data URLs and base64.

Letters: C channels, N samples.
"""

from __future__ import annotations

import base64
import binascii
import io
import math

from PIL import Image

from opengato.core.media import media_kind
from opengato.core.picture import decoded
from opengato.serve.config import Config
from opengato.serve.refused import Refused

FRAMES_A_SECOND = 120  # of a film, at most


def bytes_of_url(url: str, field: str) -> bytes:
    """What a data URL holds; Refused for any other: a server that fetches addresses fetches its neighbours' secrets."""
    head, separator, body = url.partition(",")
    if not head.startswith("data:") or not separator or not head.endswith(";base64"):
        raise Refused(
            400, f"{field}: received {url[:40]!r}, expected data:TYPE;base64,... (no address is fetched)", field
        )
    return bytes_of_base64(body, field)


def bytes_of_base64(text: str, field: str) -> bytes:
    """The bytes that base64 means; Refused where it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(400, f"{field}: received {len(text)} characters that are no base64: {error}", field) from None


def picture(data: bytes, field: str, max_pixels: int) -> Image.Image:
    """A picture as RGB; Refused for what is broken, none, or of more than `max_pixels`."""
    check_kind(data, "image", field)
    try:
        with Image.open(io.BytesIO(data)) as opened:
            width, height = opened.size
    except Exception as error:  # Pillow raises what its decoders meet: struct.error, SyntaxError, ...
        raise Refused(
            400, f"{field}: the picture cannot be read: {str(error) or type(error).__name__}", field
        ) from None
    if width * height > max_pixels:
        raise Refused(413, f"{field}: the picture has {width} x {height} pixels, allowed are {max_pixels}", field)
    try:
        return decoded(data, "the picture")
    except ValueError as error:
        raise Refused(400, f"{field}: {error}", field) from None


def sound(data: bytes, field: str, max_seconds: float) -> bytes:
    """The file itself; Refused for what is broken, none, or longer than `max_seconds`."""
    check_kind(data, "audio", field)
    import av

    seconds = 0.0
    try:
        with av.open(io.BytesIO(data), "r", metadata_errors="ignore") as container:
            for frame in container.decode(audio=0):
                seconds += frame.samples / frame.sample_rate
                if seconds > max_seconds:  # what a file says of its length may be wrong
                    raise Refused(413, f"{field}: the sound is longer than {max_seconds:g} s", field)
    except (av.FFmpegError, IndexError) as error:
        raise Refused(400, f"{field}: the sound cannot be decoded: {error}", field) from None
    if seconds == 0:
        raise Refused(400, f"{field}: the sound holds no samples", field)
    return data


def film(data: bytes, field: str, config: Config) -> bytes:
    """The file itself; Refused for what is broken, none, too large or too long.

    Nothing but the first frame is decoded here: how long it lasts, its packets say.
    """
    check_kind(data, "video", field)
    import av

    most, first, last = config.max_film_seconds, math.inf, 0.0
    try:
        with av.open(io.BytesIO(data), "r", metadata_errors="ignore") as container:
            track = container.streams.video[0]
            frame = next(container.decode(track))
            if frame.width * frame.height > config.max_pixels:
                size = f"{frame.width} x {frame.height} pixels, allowed are {config.max_pixels}"
                raise Refused(413, f"{field}: the film has {size}", field)
            container.seek(0)
            for count, packet in enumerate(container.demux(track)):
                if packet.pts is not None and packet.time_base is not None:
                    time = float(packet.pts * packet.time_base)
                    first, last = min(first, time), max(last, time)
                if last - first > most or count > most * FRAMES_A_SECOND:
                    raise Refused(413, f"{field}: the film is longer than {most:g} s", field)
    except (av.FFmpegError, IndexError, StopIteration) as error:
        raise Refused(400, f"{field}: the film cannot be decoded: {error or 'it has no picture'}", field) from None
    return data


def check_kind(data: bytes, kind: str, field: str) -> None:
    """Refused for a file of another kind."""
    try:
        found = media_kind(data)
    except ValueError as error:
        raise Refused(400, f"{field}: {error}", field) from None
    if found != kind:
        raise Refused(400, f"{field}: received a file of kind {found}, expected {kind}", field)
