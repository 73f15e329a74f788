"""Every relative link of the documentation leads to a file, and every #fragment to a heading."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house import place, tree

PAGES = [path for path in tree() if path.suffix == ".md"]
LINK = re.compile(
    r"""(?<!\\)\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)|<(?:img|a)\s[^>]*?(?:src|href)="([^"]+)\""""
)
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def anchors(page: Path) -> set[str]:
    """Fragments of a page: its headings in lower case, without punctuation, spaces as hyphens."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#{1,6}\s+(.+?)\s*#*$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=place)
def test_links(page: Path) -> None:
    broken = []
    for found in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        link = found[0] or found[1]
        if re.match(r"[a-z]+:", link):
            continue
        target, _, fragment = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        if not file.exists():
            broken.append(f"{link}: no such file")
        elif fragment and file.suffix == ".md" and fragment not in anchors(file):
            broken.append(f"{link}: no such heading")
    assert not broken
