"""Books cut into documents at paragraph boundaries."""

from __future__ import annotations

import re
from collections.abc import Iterator

LOWEST, HIGHEST = 1500, 3000


def paragraphs(text: str, *, unwrap: bool) -> list[str]:
    """Split at blank lines. `unwrap` joins the hard-wrapped lines of prose by one space; verse keeps its lines."""
    blocks = (block.strip("\n") for block in re.split(r"\n(?:[ \t]*\n)+", text.replace("\r\n", "\n")))
    if unwrap:
        return [" ".join(block.split()) for block in blocks if block.strip()]
    return ["\n".join(line.rstrip() for line in block.split("\n")) for block in blocks if block.strip()]


def pieces(blocks: list[str], lowest: int = LOWEST, highest: int = HIGHEST) -> Iterator[str]:
    """Whole paragraphs, joined by a blank line, as documents of `lowest` to about `highest` characters.

    A paragraph that would leave a document too short or make it too long is cut at a line or sentence end. A rest
    shorter than `lowest` joins the last document, so that only a whole work may be shorter.
    """
    documents: list[str] = []
    current = ""
    for block in blocks:
        while block:
            room = highest - len(current) - 2
            if len(current) >= lowest and len(block) > room:
                documents.append(current)
                current = ""
                continue
            head, block = _cut(block, room)
            current = f"{current}\n\n{head}" if current else head
    if documents and len(current) < lowest:
        documents[-1] = f"{documents[-1]}\n\n{current}"
    elif current:
        documents.append(current)
    yield from documents


def _cut(block: str, highest: int) -> tuple[str, str]:
    """A head of at most `highest` characters that ends a line or sentence where it can, and the rest."""
    if len(block) <= highest:
        return block, ""
    head = block[:highest]
    ends = [head.rfind("\n"), *(head.rfind(mark) + len(mark) - 1 for mark in (". ", "? ", "! ", "; ", '" '))]
    at = max(ends) if max(ends) > highest // 3 else highest
    return block[:at].rstrip(), block[at:].lstrip(" \n")
