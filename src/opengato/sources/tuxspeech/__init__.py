"""The captions of Tux Paint's stamps, read aloud in ten languages, most of them by one volunteer each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from opengato import sources
from opengato.core.episode import Episode
from opengato.sources import pictures, speech
from opengato.sources.recordings import UnfitError
from opengato.sources.tuxpaint_stamps import LICENCE, STAMPS, stamps

LANGUAGES = ("be", "bg", "ca", "da", "el", "en", "es", "fr", "ro", "ru")


class Source(sources.Source):
    """`speech/tuxspeech-fr` and so on; what is to be seen stands in the provenance, as in `caption/tuxpaint`."""

    card = sources.SourceCard(
        name="tuxspeech",
        title="Tux Paint's stamps, captions read aloud",
        what="4,783 recordings, 112 minutes, of short captions, each sentence of a language once: 602 in Bulgarian, "
        "601 in Russian, 592 in French, 591 in Romanian, 577 in Spanish, 556 in Catalan, 516 in Belarusian, 395 in "
        "Greek, 288 in Danish, 65 in English",
        tasks=tuple(f"speech/tuxspeech-{language}" for language in LANGUAGES),
        licence=LICENCE,
        split="by concept of the English caption (`pictures.concept`), as the pictures are, about 8 % test",
        packages=(STAMPS,),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        told: set[tuple[str, str]] = set()
        for stamp in stamps(roots[STAMPS.name], self.card.name):
            concept = pictures.concept(stamp.captions["en"])
            for language in LANGUAGES:
                said = speech.transcript(stamp.captions.get(language, ""))
                path = stamp.spoken.get(language)
                if path is None or not said or (language, said) in told:
                    continue
                facts = {"source": self.card.name, "item": stamp.item, "concept": concept, "category": stamp.category}
                try:
                    episode = speech.spoken(f"speech/tuxspeech-{language}", said, path, **facts)
                except UnfitError:
                    continue
                told.add((language, said))
                yield sources.split_of(concept), episode
