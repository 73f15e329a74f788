"""A page of what a search found: one HTML file with small pictures inside it, without scripts."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import quote

from opengato.core.episode import Kind
from opengato.core.picture import decoded

SIDE = 240  # pixels of a small picture
PASSAGE = 400  # characters that are shown of a text
PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; media-src 'self' file:; \
style-src 'unsafe-inline'">
<title>$query</title>
<style>
:root { color-scheme: light dark; font: 16px/1.45 system-ui, sans-serif; }
body { margin: 2rem auto; padding: 0 1rem; max-width: 70rem; }
ol { display: grid; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); gap: 1rem; padding: 0; }
li { list-style: none; border: 1px solid #8886; border-radius: .5rem; padding: .75rem; overflow-wrap: anywhere; }
img, video, audio { display: block; max-width: 100%; margin-bottom: .5rem; }
p { margin: 0 0 .5rem; } small { opacity: .8; }
</style></head><body><main><h1>$query</h1>
<ol>
$cards
</ol></main></body></html>
""")


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """A file that was found; `passage` is what of a text is near, `picture` a small JPEG of a picture."""

    path: Path
    kind: Kind
    cosine: float
    passage: str = ""
    picture: bytes | None = None


def card(path: Path, kind: Kind, cosine: float, start: int) -> Card:
    """What is shown of a file; of one that is gone or broken by now, its name."""
    try:
        if kind == "text":
            passage = " ".join(path.read_text(encoding="utf-8-sig")[start : start + PASSAGE].split())
            return Card(path=path, kind=kind, cosine=cosine, passage=passage)
        if kind == "image":
            return Card(path=path, kind=kind, cosine=cosine, picture=small(path))
    except (OSError, ValueError):
        pass
    return Card(path=path, kind=kind, cosine=cosine)


def small(path: Path) -> bytes:
    """A small JPEG of a picture."""
    picture = decoded(path, str(path))
    picture.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=85)
    return file.getvalue()


def page(query: str, cards: Sequence[Card], out: Path) -> str:
    """The whole page as HTML; sounds and films are played from where they lie, as seen from `out`."""
    return PAGE.substitute(query=escape(query), cards="\n".join(_item(one, out) for one in cards))


def _item(one: Card, out: Path) -> str:
    shown = f"<p>{escape(one.passage)}</p>" if one.passage else ""
    if one.picture is not None:
        shown = f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(one.picture).decode()}">'
    elif one.kind in ("audio", "video"):
        place = quote(os.path.relpath(one.path.resolve(), out.resolve().parent))
        shown = f'<{one.kind} controls preload="metadata" src="{place}"></{one.kind}>'
    return f"<li>{shown}<b>{one.cosine:.3f}</b> <small>{escape(str(one.path))}</small></li>"
