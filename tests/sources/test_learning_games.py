"""Readers of games for children, over made-up package trees: named drawings, spoken syllables."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from opengato.core.config import plugin
from opengato.core.media import wav
from opengato.sources import pictures, split_of
from opengato.sources.pysiogame import CATEGORIES, ENGLISH, LANGUAGES, word_lists
from tests.sources.trees import drawing

GAME = "usr/share/games/pysiogame"


def game(root: Path, words: dict[str, list[str]], said: dict[str, list[str]]) -> dict[str, Path]:
    """`words[kind]` in English with a drawing each, `said[kind]` the same in all other languages."""
    lists = root / GAME / "i18n/custom/a4a_py"
    lists.mkdir(parents=True)
    for language in (ENGLISH, *LANGUAGES):
        mine = words if language == ENGLISH else said
        lines = [f'd["a4a_{kind}"] = {mine.get(kind, [])!r}' for kind in CATEGORIES]
        (lists / f"{language}.py").write_text("\n".join(["d = dict()", *lines]), encoding="utf-8")
    for kind, mine in words.items():
        folder = root / GAME / "res/images/art4apps" / kind
        folder.mkdir(parents=True)
        for number, word in enumerate(mine):
            picture = drawing(100 * list(words).index(kind) + number, (200, 200)).convert("RGB")
            picture.save(folder / f"{word.replace(' ', '_').replace('policeman', 'police')}.jpg")
    return {"pysiogame": root}


def test_pysiogame(tmp_path: Path) -> None:
    words = {"animals": ["red panda", "owl"], "actions": ["juggle"], "jobs": ["policeman"]}
    said = {"animals": ["panda roux", "<owl>"], "actions": ["jongler"], "jobs": ["policier"]}
    found = list(plugin("sources", "pysiogame").Source().read(game(tmp_path, words, said)))
    texts = {(episode.task, episode.provenance["item"]): episode.actions["caption"][0] for _, episode in found}
    assert texts["caption/pysiogame", "red_panda"] == "red panda"
    assert texts["caption/pysiogame-fr", "red_panda"] == "panda roux"
    assert texts["label/pysiogame", "juggle"] == "actions"
    assert texts["caption/pysiogame", "police"] == "policeman", "its drawing is called otherwise"
    assert ("caption/pysiogame-fr", "owl") not in texts, "nobody translated it"
    for split, episode in found:
        episode.validate()
        assert split == split_of(pictures.concept(str(episode.provenance["concept"])))
        if episode.task.startswith("label/"):
            assert episode.instruction.endswith("sport or transport?")
    assert len(found) == 4 * (2 + len(LANGUAGES)) - len(LANGUAGES)


def test_lists_of_words_are_read_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "en_US.py"
    path.write_text('import os\nd = dict()\nprint("no")\nd["a4a_food"] = ["milk", "ice cream"]\n')
    assert word_lists(path) == {"food": ["milk", "ice cream"]}
    path.write_text('d["a4a_food"] = open("/etc/passwd")\n')
    with pytest.raises(ValueError, match="malformed"):
        word_lists(path)


def test_klettres(tmp_path: Path) -> None:
    pytest.importorskip("av")
    folder = tmp_path / "usr/share/klettres"
    syllables = [f"{first}{second}" for first in "bdfgklmnprst" for second in "aeiou"]
    for language in ("es", "it", "ml"):
        names = ["A", "B", *map(str.upper, syllables), "BA", "lost", "broken"]
        lines = [f'<sound name="{name}" file="{language}/syllab/{i}.ogg" />' for i, name in enumerate(names)]
        (folder / language / "syllab").mkdir(parents=True)
        (folder / language / "sounds.xml").write_text("<klettres>" + "\n".join(lines), encoding="utf-8")
        for i, name in enumerate(names):
            tone = 0.3 * np.sin(2 * np.pi * (300 + 5 * i) * np.arange(4000) / 8000)
            if name != "lost":
                data = b"OggS broken" if name == "broken" else wav(tone, 8000)
                (folder / language / "syllab" / f"{i}.ogg").write_bytes(data)
    found = list(plugin("sources", "klettres").Source().read({"klettres-data": tmp_path}))
    assert {episode.provenance["language"] for _, episode in found} == {"es", "it"}
    assert len(found) == 2 * (2 + len(syllables)), "each syllable of a language once, without what cannot be had"
    splits: dict[str, set[str]] = {}
    for split, episode in found:
        splits.setdefault(str(episode.actions["text"][0]), set()).add(split)
    assert splits["a"] == splits["b"] == {"train"}
    assert all(len(found) == 1 for found in splits.values()), "a syllable is in one split, whatever the language"
    assert {"test"} in splits.values()
