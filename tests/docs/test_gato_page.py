"""The pages on Gato and on the ideas around it name places; each must be there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "gato.md").read_text(encoding="utf-8")
IDEAS = (ROOT / "docs" / "ideas.md").read_text(encoding="utf-8")
PLACES = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE + IDEAS)))


@pytest.mark.parametrize(("file", "name"), PLACES)
def test_a_place_that_the_page_names_is_there(file: str, name: str) -> None:
    path = ROOT / file if file.startswith("tests/") else ROOT / "src" / "opengato" / file
    defined = {
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    assert name in defined


def test_every_mechanism_has_a_test() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and "::" in line]
    assert len(rows) > 25
    for row in rows:
        assert "tests/" in row.split("|")[3], row
