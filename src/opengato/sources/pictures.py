"""Captioned and labelled drawings made uniform: square PNGs, near-duplicates found, captions reduced to concepts."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from opengato.core.picture import opened

INSTRUCTION = "describe the picture"
FILM_INSTRUCTION = "describe the film"
LANGUAGES = {
    "zh": "Chinese",
    "fr": "French",
    "de": "German",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "ru": "Russian",
    "ja": "Japanese",
}
"""Names of the languages that captions may be asked for in."""
SIDE = 64
LONGEST_CAPTION = 60

_SKIN = "skin tone light medium dark"
_PEOPLE = "man men woman women person people boy boys girl girls adult child male female"
_COLOURS = "red green blue yellow orange purple violet pink brown black white grey gray golden gold silver"
_VARIANTS = "b w bw simple small big large old new open facing right left up down variant version example"
_GRAMMAR = "a an the of with in on at and or to by for from s symbol sign icon clipart clip art picture illustration"
UNTOLD = frozenset(" ".join((_SKIN, _PEOPLE, _COLOURS, _VARIANTS, _GRAMMAR)).split())


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A drawing and its caption: `png` is a (64, 64) RGB picture on white."""

    png: bytes
    caption: str
    concept: str


def instruction_in(language: str) -> str:
    """How a caption in a language is asked for: "describe the picture in French"."""
    return f"{INSTRUCTION} in {LANGUAGES[language]}"


def which(answers: Iterable[str]) -> str:
    """The question that names its possible answers: "which is it: food, people or plants?"."""
    *others, last = answers
    return f"which is it: {', '.join(others)} or {last}?"


def concept(caption: str) -> str:
    """What a caption is about: its words without accents, digits, plural s and variant words, sorted.

    Variants are gender, skin tone, colours, sides and sizes: "woman doctor", "Doctor 2" and "doctor (white)" are all
    "doctor"; "flag: Kenya" and "kenya flag" are both "flag kenya". Where nothing else is left ("red"), words stay.
    """
    plain = unicodedata.normalize("NFKD", caption.lower()).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z]+", plain)
    told = [word for word in words if word not in UNTOLD] or words or [caption.lower().strip()]
    return " ".join(sorted({_singular(word) for word in told}))


def _singular(word: str) -> str:
    if len(word) <= 3 or word.endswith(("ss", "us", "is")):
        return word
    return word[:-3] + "y" if word.endswith("ies") else word.removesuffix("s")


def square_png(source: Path | bytes, side: int = SIDE) -> tuple[bytes, np.ndarray] | None:
    """A picture on white, cut to what is drawn, padded to a square, resized: (PNG, pixels (side, side, 3) uint8).

    Never enlarged: a small black square stays small. None where nothing is to be seen (white drawn on white) or the
    file cannot be decoded.
    """
    try:
        image = opened(source).convert("RGBA")
    except ValueError:
        return None
    drawn = image.getchannel("A").getbbox()
    if drawn is None:
        return None
    image = image.crop(drawn)
    image.thumbnail((8 * side, 8 * side), Image.Resampling.BOX)  # before it is made square: some are 100 times as wide
    longest = max(*image.size, side)
    canvas = Image.new("RGBA", (longest, longest), "white")
    canvas.alpha_composite(image, ((longest - image.width) // 2, (longest - image.height) // 2))
    small = canvas.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
    pixels = np.asarray(small)
    if int(pixels.max()) - int(pixels.min()) < 24:
        return None
    stream = io.BytesIO()
    small.save(stream, "PNG", optimize=True)
    return stream.getvalue(), pixels


class Duplicates:
    """Finds pictures already seen: a 64-bit difference hash within 4 bits and no spot of another colour.

    The hash alone would take a red circle for a blue one, the colours alone one clock for another.
    """

    _BITS, _COLOUR = 4, 20  # differing bits of 64; largest difference of a cell (of 255) in a 16 x 16 thumbnail

    def __init__(self) -> None:
        self._hashes = np.zeros((0, 64), bool)
        self._thumbnails = np.zeros((0, 16, 16, 3), np.int16)

    def seen(self, pixels: np.ndarray) -> bool:
        """Whether `pixels` (h, w, 3) repeats an earlier picture; if not, remember it."""
        image = Image.fromarray(pixels)
        grey = np.asarray(image.convert("L").resize((9, 8), Image.Resampling.BOX), np.int16)
        bits = (grey[:, 1:] > grey[:, :-1]).reshape(1, 64)
        thumbnail = np.asarray(image.resize((16, 16), Image.Resampling.BOX), np.int16)[None]
        near = (self._hashes != bits).sum(1) <= self._BITS
        if near.any() and (np.abs(self._thumbnails[near] - thumbnail).max((1, 2, 3)) <= self._COLOUR).any():
            return True
        self._hashes = np.concatenate([self._hashes, bits])
        self._thumbnails = np.concatenate([self._thumbnails, thumbnail])
        return False


def distinct(candidates: Iterator[tuple[Path, str]]) -> Iterator[tuple[Path, Picture]]:
    """Pictures from (file, caption), the first of each group of near-duplicates only; unreadable ones are left out."""
    duplicates = Duplicates()
    for path, caption in candidates:
        made = square_png(path)
        if made is not None and not duplicates.seen(made[1]):
            yield path, Picture(png=made[0], caption=caption, concept=concept(caption))
