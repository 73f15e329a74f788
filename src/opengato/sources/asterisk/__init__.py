"""Asterisk's telephone prompts in five languages, each read by one speaker in a studio, with what is said."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from opengato import sources
from opengato.core.episode import Episode
from opengato.sources import speech
from opengato.sources.fetch import Package
from opengato.sources.recordings import UnfitError

VERSION = "1.6.1-1"
TEST_SHARE = 0.12
# language -> sha256 of the sounds, of the sentences
PINNED = {
    "en": (
        "2be3ea287d83299d143815fa804f11179a75b7affd4a758b98b55f5afc18a35d",
        "973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50",
    ),
    "es": (
        "9283a09a6d56fccdcc2bcfe86c48f0f844289cfbd46a3184d8785a6f7f569903",
        "9afdab7f559f036649fb406e625899306ca1004df8ebe39c30bfbd5912d66f74",
    ),
    "fr": (
        "8d4e1bc32ed5ba7fbda40841ca1825ed20cc6232724a473c90f8bb0e53e6073e",
        "04c82c78c570c43a7136cbc5e2488d0c470b775468dff9fbce4a131b18cf1056",
    ),
    "it": (
        "5a26638089e134b8ac39363fe249c5c93c50cd8bfdc9b2499ae61ec4a35e2fcb",
        "3884d9457e12f21caa018c18f0d587df5d53ebea14b673d8453a134c5941ab3b",
    ),
    "ru": (
        "ccbfaebfa450b7a9ddf644ae0f3d1e9017d5df7c0aebe816e946345589d38201",
        "28a61616bb0cd3345a7ea532dec4df9f071e5d0fa9f8c1a563ea9669002f39ab",
    ),
}
# Several prompts on one line, and the name of one behind the sentence before it.
_NAME = re.compile(r"(?:^|(?<=[\s.]))((?:[a-z0-9_]+/)?[a-z0-9_]+(?:-[a-z0-9_]+)*):\s", re.IGNORECASE | re.MULTILINE)


def _packages() -> Iterator[Package]:
    for language, (sounds, sentences) in PINNED.items():
        licence = "CC-BY-3.0" if language == "ru" else "CC-BY-SA-3.0"
        for name, sha256 in ((f"{language}-wav", sounds), (language, sentences)):
            yield Package(
                registry="debian",
                name=f"asterisk-core-sounds-{name}",
                version=VERSION,
                sha256=sha256,
                licence=licence,
            )


class Source(sources.Source):
    """`speech/asterisk` in English, `speech/asterisk-es` and so on: one recording of each different sentence."""

    card = sources.SourceCard(
        name="asterisk",
        title="Asterisk core sounds 1.6.1",
        what="2,428 recordings, 86 minutes: 497 in English, 437 in Spanish, 460 in French, 527 in Italian, 507 in "
        "Russian; telephone band, one speaker a language",
        tasks=("speech/asterisk", *(f"speech/asterisk-{language}" for language in PINNED if language != "en")),
        licence="CC-BY-SA-3.0 (Digium and the speakers; Russian CC-BY-3.0)",
        split="by sentence: those that share three quarters of their words are one; about 12 % of the sentences of two "
        "words or more are test, single words (digits, letters) are all train; the speaker is the same in both",
        packages=tuple(_packages()),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        for language in PINNED:
            sounds = sources.require(
                roots[f"asterisk-core-sounds-{language}-wav"] / "usr/share/asterisk/sounds", "asterisk"
            )
            listing = sources.require(
                roots[f"asterisk-core-sounds-{language}"]
                / f"usr/share/doc/asterisk-core-sounds-{language}/core-sounds-{language}.txt.gz",
                "asterisk",
            )
            yield from _prompts(language, next(path for path in sorted(sounds.iterdir()) if path.is_dir()), listing)


def _prompts(language: str, sounds: Path, listing: Path) -> Iterator[tuple[sources.Split, Episode]]:
    said = sentences(gzip.decompress(listing.read_bytes()).decode("utf-8-sig"))
    recordings = {name.lower(): path for name, path in speech.files(sounds, ".wav").items()}
    concepts = speech.concepts(said.values())
    task = "speech/asterisk" if language == "en" else f"speech/asterisk-{language}"
    told: set[str] = set()
    for name, path in recordings.items():
        sentence = said.get(name, "")
        if not sentence or sentence in told:
            continue
        try:
            episode = speech.spoken(
                task, sentence, path, source="asterisk", item=name, concept=concepts[sentence], speaker=sounds.name
            )
        except UnfitError:
            continue
        told.add(sentence)
        single = " " not in sentence
        yield "train" if single else sources.split_of(concepts[sentence], TEST_SHARE), episode


def sentences(listing: str) -> dict[str, str]:
    """What is said by the names of the prompts, both in lower case; comments and what is no speech left out."""
    lines = "\n".join(line for line in listing.splitlines() if line.strip() and not line.lstrip().startswith(";"))
    pieces = _NAME.split(lines)[1:]
    said = ((name.lower(), speech.transcript(text)) for name, text in zip(pieces[::2], pieces[1::2], strict=True))
    return {name: sentence for name, sentence in said if sentence}
