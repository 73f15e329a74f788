"""What every outside corpus owes its readers; a new folder under `opengato/sources` is tested the moment it exists."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

from opengato.core.config import plugin
from opengato.data.importing import corpora
from opengato.evaluators import evaluator_of
from opengato.evaluators.imported import BASELINES
from opengato.sources import Source
from tests.house import PACKAGE

SOURCES = corpora()
BASELINES_OF = {path.parent.name: path for path in sorted(PACKAGE.glob(f"sources/*/{BASELINES}"))}


@pytest.fixture(params=SOURCES)
def source(request: pytest.FixtureRequest) -> Source:
    return plugin("sources", request.param).Source()


@pytest.mark.parametrize("name", SOURCES)
def test_the_card_has_the_name_of_its_folder(name: str) -> None:
    assert plugin("sources", name).Source.card.name == name


def test_the_card_is_complete(source: Source) -> None:
    card = source.card
    for field in ("title", "what", "licence", "split"):
        text = getattr(card, field)
        assert len(text.strip()) > 2, field
        assert not re.search(r"todo|unknown|fixme", text, re.IGNORECASE), field
    assert card.tasks
    for task in card.tasks:
        assert re.fullmatch(rf"[a-z]+/{re.escape(card.name)}(-[a-z0-9-]+)?", task), task
    assert isinstance(card.synthetic, bool)
    assert card.packages


@pytest.mark.parametrize("path", BASELINES_OF.values(), ids=BASELINES_OF)
def test_baselines_are_of_its_tasks_and_say_how_they_were_measured(path: Path) -> None:
    body = json.loads(path.read_text(encoding="utf-8"))
    assert {"date", "command", "versions"} <= body.keys()
    assert body["tasks"].keys() == body["items"].keys()
    about = {evaluator_of(task).about(task) for task in body["tasks"]}
    assert about <= set(plugin("sources", path.parent.name).Source.card.tasks)
    for task, methods in body["tasks"].items():
        assert methods, task
        assert all(math.isfinite(value) for value in methods.values()), task


def test_packages_are_pinned_and_licensed(source: Source) -> None:
    for package in source.card.packages:
        assert re.fullmatch(r"[0-9a-f]{64}", package.sha256), package.name
        assert re.match(r"\d", package.version), f"{package.name}: a version, not a range"
        assert package.licence, package.name
        assert package.name == package.name.strip() != ""


def test_a_package_of_another_layout_is_told(source: Source, tmp_path: Path) -> None:
    """Not an empty corpus, and not an error about some path."""
    roots = {package.name: tmp_path for package in source.card.packages}
    with pytest.raises(ValueError, match=f"source '{source.card.name}': expected .* found nothing"):
        list(source.read(roots))
