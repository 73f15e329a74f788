"""Drawings of things and of what one does, with their names in seven languages, from a game for children."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.sources import pictures
from opengato.sources.fetch import Package

FOLDER = Path("usr/share/games/pysiogame")
ENGLISH = "en_US"
LANGUAGES = ("fr", "de", "es", "it", "pt", "ru")
CATEGORIES = {
    "actions": "actions",
    "animals": "animals",
    "body": "body",
    "clothes_n_accessories": "clothes and accessories",
    "construction": "buildings and their parts",
    "food": "food",
    "fruit_n_veg": "fruit and vegetables",
    "jobs": "jobs",
    "nature": "nature",
    "people": "people",
    "sport": "sport",
    "transport": "transport",
}
FILES = {"trainer": "sneaker", "ballet dancer": "ballet", "magician": "magic", "office worker": "office"}
FILES |= {"policeman": "police"}
"""Words whose drawing is called otherwise."""
WHICH = pictures.which(CATEGORIES.values())
UNTRANSLATED = "<"  # what stands before a word that nobody has translated


class Source(sources.Source):
    """`caption/pysiogame` in English, `caption/pysiogame-fr` and so on; `label/pysiogame` is the kind of thing."""

    card = sources.SourceCard(
        name="pysiogame",
        title="Drawings of words in seven languages",
        what="581 drawings of things, 80 of them of what one does (juggle, sleep), 64x64 on white, with their names in "
        "English, French, German, Spanish, Italian, Portuguese and Russian, and twelve categories; words that nobody "
        "translated and near-duplicates left out",
        tasks=(
            "caption/pysiogame",
            *(f"caption/pysiogame-{language}" for language in LANGUAGES),
            "label/pysiogame",
        ),
        licence="CC-BY-SA (Art4Apps by Smart4Kids, say the package's credits; its copyright file says public domain)",
        split="by concept of the English word (`pictures.concept`), about 8 % test",
        packages=(
            Package(
                registry="debian",
                name="pysiogame",
                version="4.20.01-1",
                sha256="6b22766dfd8ef3a046c2665fe2598ac8a1ecee3d331bda38accf53de65bc59bf",
                licence="GPL-3.0-or-later; drawings CC-BY-SA",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        game = roots["pysiogame"] / FOLDER
        drawings = sources.require(game / "res/images/art4apps", self.card.name)
        said = {
            language: word_lists(sources.require(game / f"i18n/custom/a4a_py/{language}.py", self.card.name))
            for language in (ENGLISH, *LANGUAGES)
        }
        listed = [
            (drawings / kind / f"{FILES.get(word, word).replace(' ', '_')}.jpg", kind, index, word)
            for kind in CATEGORIES
            for index, word in enumerate(said[ENGLISH][kind])
        ]
        places = {path: (kind, index) for path, kind, index, _ in listed}
        for path, picture in pictures.distinct((path, word) for path, _, _, word in listed):
            kind, index = places[path]
            written = [
                ("caption/pysiogame", picture.caption, pictures.INSTRUCTION),
                ("label/pysiogame", CATEGORIES[kind], WHICH),
            ]
            for language in LANGUAGES:
                word = said[language][kind][index]
                if not word.startswith(UNTRANSLATED):
                    written.append((f"caption/pysiogame-{language}", word, pictures.instruction_in(language)))
            for task, text, instruction in written:
                episode = document(
                    task,
                    text,
                    image=picture.png,
                    instruction=instruction,
                    source="pysiogame",
                    item=path.stem,
                    concept=picture.concept,
                    category=kind,
                )
                yield sources.split_of(picture.concept), episode


def word_lists(path: Path) -> dict[str, list[str]]:
    """The words of each kind, in the order of the game: `d["a4a_food"] = ["milk", ...]` of a file, read and not run."""
    found = {}
    for line in ast.parse(path.read_text(encoding="utf-8")).body:
        match line:
            case ast.Assign(targets=[ast.Subscript(slice=ast.Constant(value=str(name)))], value=words):
                found[name.removeprefix("a4a_")] = ast.literal_eval(words)
    return found
