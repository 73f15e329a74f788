"""Spoken sentences as episodes: sounds made uniform, transcripts made plain, like sentences kept in one split."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from opengato.core.episode import Episode, document
from opengato.core.sound import flac, read_sound

INSTRUCTION = "write down what is said"
RATE = 16_000
LONGEST = 15.0  # seconds
FASTEST = 25.0  # characters a second: nobody says more, so that sound and sentence do not belong together
ALIKE = 0.75  # share of the words of two sentences that both have, from which on they count as one
_QUIET, _MARGIN = 0.01, 0.15  # of the largest sample; seconds kept before and after what is louder


def transcript(text: str) -> str:
    """A sentence as it is compared: lower case, without punctuation and notes in brackets; numbers stay as written.

    >>> transcript("Please press 2 -- [beep] it’s O.K...")
    "please press 2 it's o k"
    """
    text = unicodedata.normalize("NFC", text).lower().replace("’", "'").replace("ʼ", "'")
    text = re.sub(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>", " ", text)
    text = re.sub(r"[^\w' ]|_", " ", text)
    return " ".join(word.strip("'") for word in text.split() if word.strip("'"))


class UnfitError(ValueError):
    """A recording that is no item: why."""


def compact(data: bytes, *, trim: bool = True) -> tuple[bytes, float]:
    """A sound of any format as FLAC, one channel at 16 kHz, its largest sample at half of full scale; its seconds.

    With `trim`, what is silent before and after is cut. UnfitError where nothing is to be heard or the sound is too
    long, ValueError as in `read_sound`.
    """
    samples_N = read_sound(data, RATE)
    size_N = np.abs(samples_N)
    if size_N.max() < 1e-4:
        raise UnfitError(f"{len(samples_N) / RATE:.1f} seconds of silence")
    if trim:
        heard = np.flatnonzero(size_N > _QUIET * size_N.max())
        margin = round(_MARGIN * RATE)
        samples_N = samples_N[max(0, heard[0] - margin) : heard[-1] + margin]
    if len(samples_N) > LONGEST * RATE:
        raise UnfitError(f"{len(samples_N) / RATE:.1f} seconds are more than {LONGEST:g}")
    return flac(0.5 * samples_N / size_N.max(), RATE), len(samples_N) / RATE


def spoken(task: str, text: str, path: Path, *, answer: str | None = None, **about: str) -> Episode:
    """Write down `text`, having heard the sound at `path`; or write `answer`, where that is asked by an instruction.

    UnfitError as in `compact`, and where the text is too long for the sound.
    """
    sound, seconds = compact(path.read_bytes())
    if len(text) > FASTEST * seconds:
        raise UnfitError(f"{len(text)} characters in {seconds:.1f} seconds: {text!r}")
    about.setdefault("instruction", INSTRUCTION)
    return document(task, text if answer is None else answer, audio=sound, **about)


def concepts(sentences: Iterable[str]) -> Mapping[str, str]:
    """The concept of each sentence, by which it is split: one for all that share most of their words with another.

    It is the first of them in alphabetical order, so that a sentence more changes few others.
    """
    different = sorted(set(sentences))
    words = [set(sentence.split()) for sentence in different]
    concept = list(range(len(different)))
    for one, mine in enumerate(words):
        for other in range(one):
            if len(mine & words[other]) >= ALIKE * len(mine | words[other]):
                first, second = sorted((concept[one], concept[other]))
                concept = [first if number == second else number for number in concept]
    return {sentence: different[number] for sentence, number in zip(different, concept, strict=True)}


def files(folder: Path, ending: str) -> dict[str, Path]:
    """Files below a folder by their path in it, without the ending; sorted."""
    found = sorted(folder.rglob(f"*{ending}"))
    return {path.relative_to(folder).as_posix().removesuffix(ending): path for path in found}
