"""Small talk in English and Chinese, as ChatterBot learns from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from opengato import sources
from opengato.core.episode import Episode
from opengato.sources.answers import dialogue, normalised, paired
from opengato.sources.fetch import Package

FOLDER = "chatterbot_corpus/data"
LANGUAGES = {"en": "english", "zh": "chinese"}
LEFT_OUT = ("coding",)  # pages of source code
LONGEST = 300  # characters of what one says
# The corner of YAML that the files use: "- - first", or "- first" by mistake, "  - further", and lines that go on.
FIRST, FURTHER, GOES_ON = re.compile(r"- (?:- )?(.*)"), re.compile(r"  - (.*)"), re.compile(r" {3,}(\S.*)")


class Source(sources.Source):
    """`chat/chatterbot-en`, `chat/chatterbot-zh`: short dialogues, a step a turn."""

    card = sources.SourceCard(
        name="chatterbot",
        title="ChatterBot's conversations",
        what="1,265 conversations, 800 of them in English: questions and answers, jokes and small talk; without the "
        "pages of source code",
        tasks=tuple(f"chat/chatterbot-{language}" for language in LANGUAGES),
        licence="BSD-3-Clause",
        split="by what is said first, so that no question is in both; about 8 % test; doubles left out",
        packages=(
            Package(
                registry="pypi",
                name="chatterbot-corpus",
                version="1.3.3",
                sha256="615b5c4c605154f60ae51d03ed918ed92e9d32bc2b144b759bbc64ecdbe18481",
                licence="BSD-3-Clause",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        root = sources.require(roots["chatterbot-corpus"] / FOLDER, "chatterbot")
        for language, folder in LANGUAGES.items():
            seen: set[str] = set()
            for path in sorted(sources.require(root / folder, "chatterbot").glob("*.yml")):
                for utterances in conversations(path) if path.stem not in LEFT_OUT else ():
                    key = normalised("".join(utterances))
                    turns = paired(utterances)
                    if turns and key not in seen and max(map(len, utterances)) <= LONGEST:
                        seen.add(key)
                        episode = dialogue(f"chat/chatterbot-{language}", turns, source="chatterbot", topic=path.stem)
                        yield sources.split_of(normalised(utterances[0])), episode


def conversations(path: Path) -> Iterator[list[str]]:
    """The conversations of a file, each a list of what is said in turn; ValueError for YAML of another kind."""
    head, _, body = path.read_text(encoding="utf-8").partition("conversations:\n")
    current: list[str] = []
    for number, line in enumerate(body.splitlines(), head.count("\n") + 2):
        if match := FIRST.fullmatch(line):
            if current:
                yield [_unquoted(said) for said in current]
            current = [match[1]]
        elif (match := FURTHER.fullmatch(line)) and current and match[1][:1] not in "|>&*!{[":
            current.append(match[1])
        elif (match := GOES_ON.fullmatch(line)) and current:
            current[-1] += f" {match[1]}"
        elif line.strip():
            raise ValueError(f"source 'chatterbot': {path.name}, line {number}: received {line!r}, expected '- - text'")
    if current:
        yield [_unquoted(said) for said in current]


def _unquoted(text: str) -> str:
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'").strip()
    if len(text) > 1 and text[0] == text[-1] == '"':
        return text[1:-1].replace('\\"', '"').strip()
    return text
