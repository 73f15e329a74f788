"""Spoken sentences as episodes: sounds made uniform, transcripts made plain, like sentences kept in one split."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path

from opengato.core.episode import Episode, document
from opengato.core.sound import read_sound
from opengato.sources.recordings import RATE, UnfitError, compact

INSTRUCTION = "write down what is said"
LONGEST = 15.0  # seconds
FASTEST = 25.0  # characters a second: nobody says more, so that sound and sentence do not belong together
ALIKE = 0.75  # share of the words of two sentences that both have, from which on they count as one


def transcript(text: str) -> str:
    """A sentence as it is compared: lower case, without punctuation and notes in brackets; numbers stay as written.

    >>> transcript("Please press 2 -- [beep] it’s O.K...")
    "please press 2 it's o k"
    """
    text = unicodedata.normalize("NFC", text).lower().replace("’", "'").replace("\u02bc", "'")
    text = re.sub(r"\[[^\]]*\]|\([^)]*\)|<[^>]*>", " ", text)
    text = re.sub(r"[^\w' ]|_", " ", text)
    return " ".join(word.strip("'") for word in text.split() if word.strip("'"))


def spoken(task: str, text: str, path: Path, *, answer: str | None = None, **about: str) -> Episode:
    """Write down `text`, having heard the sound at `path`; or write `answer`, where that is asked by an instruction.

    UnfitError as in `compact`, and where the text is too long for the sound.
    """
    sound, seconds = compact(read_sound(path.read_bytes(), RATE), LONGEST)
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
