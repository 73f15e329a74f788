"""Two fishes talk their way through a game: their lines in eleven languages, and their exchanges in English."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from opengato import sources
from opengato.core.episode import Episode
from opengato.sources.answers import answered, dialogue, normalised, paired
from opengato.sources.fillets_lines import FOLDER, PACKAGE, lines, split_of_level

LANGUAGES = {
    "bg": "Bulgarian",
    "cs": "Czech",
    "de": "German",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "nl": "Dutch",
    "pl": "Polish",
    "ru": "Russian",
    "sv": "Swedish",
}
# One line of a script: the small or the big fish (m, v), or something else, says what has this name; then a number.
SAYS = re.compile(r'\s*(?:add([mv])|(\w+):planDialog)\(.*?"([^"]+)"(\s*\.\.)?')
# What may stand between two lines of one exchange.
PAUSES = re.compile(r"\s*(?:adddel|plan\w+)\b.*|\s*(?:--.*)?")


class Source(sources.Source):
    """`translate/fillets-cs-en`, `translate/fillets-en-cs` and so on, and `chat/fillets`."""

    card = sources.SourceCard(
        name="fillets",
        title="Fish Fillets - Next Generation",
        what="1,442 to 1,766 lines a language of the comic dialogue of two fishes with their translations, and 260 of "
        "their exchanges in English",
        tasks=(
            *(f"translate/fillets-{language}-en" for language in LANGUAGES),
            *(f"translate/fillets-en-{language}" for language in LANGUAGES),
            "chat/fillets",
        ),
        licence="GPL-2.0-or-later",
        split="whole levels of the game, about 10 % test; lines of a test level that come again elsewhere are left out",
        packages=(PACKAGE,),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        root = sources.require(roots[PACKAGE.name] / FOLDER, "fillets")
        levels = sorted(path.parent for path in root.glob("*/dialogs_en.lua"))
        seen: set[tuple[str, str]] = set()
        held_out: set[str] = set()
        # Test levels first, so that what is said there can be left out where it comes again.
        for split in ("test", "train"):
            for level in (level for level in levels if split_of_level(level.name) == split):
                for episode in (*_translations(level), *_exchanges(level)):
                    said = [
                        normalised(text) for side in (episode.observations, episode.actions) for text in _texts(side)
                    ]
                    key = (episode.task, "".join(said))
                    if split == "test":
                        held_out.update(said)
                    elif not held_out.isdisjoint(said):
                        continue
                    if key not in seen:
                        seen.add(key)
                        yield split, episode


def _texts(side: Mapping[str, np.ndarray]) -> list[str]:
    return [text for values in side.values() for text in values]


def _translations(level: Path) -> Iterator[Episode]:
    for language, name in LANGUAGES.items():
        path = level / f"dialogs_{language}.lua"
        if not path.exists():
            continue
        for key, english, other in lines(path):
            if english and other and normalised(english) != normalised(other):
                facts = {"source": "fillets", "level": level.name, "item": key}
                into, out_of = f"translate/fillets-{language}-en", f"translate/fillets-en-{language}"
                yield answered(into, other, english, instruction=f"translate from {name} to English", **facts)
                yield answered(out_of, english, other, instruction=f"translate from English to {name}", **facts)


def _exchanges(level: Path) -> Iterator[Episode]:
    """What the fishes say one after the other without a condition between; of several wordings the first."""
    script = level / "code.lua"
    if not script.exists():
        return
    words = {key: english for key, english, _ in lines(level / "dialogs_en.lua")}
    exchange: list[tuple[str, str]] = []
    for line in [*script.read_text(encoding="utf-8", errors="replace").splitlines(), "end"]:
        match = SAYS.match(line)
        said = words.get(match[3] + "0" * bool(match[4])) if match else None
        if match and said:
            speaker = match[1] or match[2]
            if exchange and exchange[-1][0] == speaker:
                said = f"{exchange.pop()[1]} {said}"
            exchange.append((speaker, said))
        elif match or not PAUSES.fullmatch(line):
            turns = paired([text for _, text in exchange])
            if turns:
                yield dialogue("chat/fillets", turns, source="fillets", level=level.name)
            exchange = []
