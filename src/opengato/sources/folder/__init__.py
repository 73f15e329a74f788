"""A folder of your own as documents: texts, or pictures, sounds and films with the words that belong to them.

    captions.csv           a table (.csv, .tsv, .jsonl): a column of files, one of texts, perhaps one of questions
    dog.jpg  dog.txt       or: a text file beside each picture, sound or film, with the same name
    cats/1.png dogs/2.png  or: a folder for each label
    book.txt  notes.md     or: texts alone, also a table with a column of texts only

What a file is, its first bytes say. A broken file and one that repeats another are left out and named. A part of the
files is held out, by a hash of what is in them, so that the same file is on the same side in every import.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from opengato.core.episode import MEDIA_SPECS, Episode, document, is_absent, specs_from_json, specs_to_json
from opengato.core.media import media_kind
from opengato.core.picture import decoded
from opengato.sources import Split, split_of
from opengato.sources import format as contract
from opengato.sources.folder.find import TABLE, Item, items
from opengato.sources.format import OURS, Labels, Options, facts, place_name, png
from opengato.sources.pictures import INSTRUCTION, Duplicates
from opengato.sources.prose import paragraphs, pieces

FAMILIES = {"text": "text", "image": "caption", "audio": "speech", "video": "caption"}
ASKED = {"image": INSTRUCTION, "audio": "write down what is said", "video": "describe the film"}
NEAR = 5000  # pictures that are compared with each other; of more, only exact copies are found
NAMED = 12  # files named in a message


class Format(contract.Format):
    """A folder of texts and media, or a table of them."""

    title = "a folder of your own: texts, or pictures, sounds and films with captions, labels or transcripts"
    documents_only = True

    def about(self, place: str) -> dict[str, Any]:
        return {"licence": "as its owner says", "folder": place}

    def split(self, episode: Episode) -> Split:
        content = episode.provenance.get("sha256") or _hash(*_bytes(episode))
        return split_of(content)

    def read(self, place: str, labels: Labels) -> Iterator[Episode]:
        problems: list[str] = []
        repeats, found = Repeats(), 0
        for item in items(Path(place), problems):
            try:
                data = item.file.read_bytes() if item.file else None
                made = list(_episodes(item, data, place, labels))
                repeats.check(item, data)
            except (ValueError, OSError) as error:
                problems.append(f"{item.name}: {error}")
                continue
            found += len(made)
            yield from made
        told = "; ".join(problems[:NAMED]) + (f"; and {len(problems) - NAMED} more" if len(problems) > NAMED else "")
        if not found:
            raise ValueError(f"{place!r} holds nothing that can be used: {told or 'it is empty'}")
        if problems:
            warnings.warn(f"{place}: {len(problems)} left out: {told}", stacklevel=2)

    def write(self, episodes: Iterable[Episode], folder: Path, options: Options) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / TABLE).open("w", encoding="utf-8") as table:
            for number, episode in enumerate(contract.of_one_kind(episodes)):
                row = _row(episode, number, folder)
                table.write(json.dumps(row, ensure_ascii=False) + "\n")


class Repeats:
    """Finds what came before: the same file with the same words, and pictures that look the same."""

    def __init__(self) -> None:
        self._words: dict[str, dict[tuple[str, str | None], str]] = {}
        self._pictures, self._count = Duplicates(), 0

    def check(self, item: Item, data: bytes | None) -> None:
        """Remember an item; ValueError if it repeats an earlier one. A file may come again with other words."""
        content = _hash(item.text.encode() if data is None else data)
        known = self._words.setdefault(content, {})
        words = item.text, item.question
        if words in known:
            raise ValueError(f"repeats {known[words]}")
        if data is not None and not known and media_kind(data) == "image" and self._count < NEAR:
            self._count += 1
            if self._pictures.seen(np.asarray(decoded(data))):
                raise ValueError("looks the same as an earlier picture")
        known[words] = item.name


def _episodes(item: Item, data: bytes | None, place: str, labels: Labels) -> Iterator[Episode]:
    """What an item becomes: one document, or as many as a long text is cut into; ValueError for a broken file."""
    kind = "text" if data is None else media_kind(data)
    if kind == "image":
        decoded(data or b"")  # what cannot be looked at is to be found now and not in a training
    if not item.text.strip():
        raise ValueError("has no words" if kind != "text" else "is empty")
    if item.ours is not None:
        yield contract.relabelled(_ours(item, data), labels)
        return
    family = item.family or FAMILIES[kind]
    texts = pieces(paragraphs(item.text, unwrap=False)) if kind == "text" and item.file_is_text else [item.text.strip()]
    for text in texts:
        episode = document(
            f"{family}/{place_name(place)}",
            text,
            **({} if data is None else {kind: data}),
            instruction=item.question or ASKED.get(kind, ""),
            source=f"folder:{Path(place).name}",
            item=item.name,
            sha256=_hash(item.text.encode() if data is None else data),
        )
        yield contract.relabelled(episode, labels)


def _ours(item: Item, data: bytes | None) -> Episode:
    """An episode as `write` noted it."""
    noted = dict(item.ours or {})
    observation, action = specs_from_json(noted.pop("specs"))
    name = next(iter(action))
    return Episode(
        **noted,
        observation_specs=observation,
        action_specs=action,
        observations={key: contract.objects([data]) for key in observation},
        actions={name: contract.objects([item.text])},
        rewards=np.zeros(1, np.float32),
    )


def _row(episode: Episode, number: int, folder: Path) -> dict[str, Any]:
    """The line of the table for an episode, its file written; ValueError for what is no document."""
    seen, (spec, *others) = list(episode.observation_specs.items()), episode.action_specs.values()
    values = [episode.observations[key][0] for key, _ in seen]
    is_media = all(one.kind in MEDIA_SPECS for _, one in seen) and not any(map(is_absent, values))
    if episode.num_steps != 1 or spec.kind != "text" or others or len(seen) > 1 or not is_media:
        raise ValueError(
            f"an episode of {episode.task!r} is no document: a folder holds texts, and pictures, sounds and films one "
            "at a time with a text; export control to lerobot, minari or hf"
        )
    (text,) = (values[0] for values in episode.actions.values())
    row: dict[str, Any] = {"text": str(text)}
    if episode.instruction:
        row["question"] = episode.instruction
    if values:
        data = values[0] if isinstance(values[0], bytes) else png(values[0])
        row = {"file": f"{number:06d}{_ending(data)}", **row}
        (folder / row["file"]).write_bytes(data)
    specs = specs_to_json(episode.observation_specs, episode.action_specs)
    return {**row, OURS: {"specs": specs, **facts(episode)}}


def _ending(data: bytes) -> str:
    """The ending of a file's name, for those who look at names."""
    known = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"RIFF": ".wav", b"fLaC": ".flac", b"OggS": ".ogg"}
    usual = {"image": ".img", "audio": ".mp3", "video": ".mp4"}[media_kind(data)]
    return next((ending for start, ending in known.items() if data.startswith(start)), usual)


def _bytes(episode: Episode) -> Iterator[bytes]:
    """What tells one document from another: its file, or its text."""
    media = [values[0] for values in episode.observations.values()]
    texts = [str(values[0]).encode() for values in episode.actions.values()]
    yield from (value if isinstance(value, bytes) else np.asarray(value).tobytes() for value in media or texts)


def _hash(*contents: bytes) -> str:
    return hashlib.sha256(b"".join(contents)).hexdigest()
