"""Rules of the house that no linter knows."""

from __future__ import annotations

import ast
import re
import tomllib
from urllib.parse import urlsplit

import pytest

from tests.house import PACKAGE, PLUGIN_GROUPS, ROOT, parsed, place, sources, tree

TEXT = {".py", ".md", ".toml", ".txt", ".json", ".yml", ".yaml", ".html", ".css", ".js", ".cfg", ".sh", ""}
MACHINE_PATH = re.compile(r"(?<![A-Za-z0-9_.~/-])/(?:work|farm|root|home/\w+|Users/\w+|opt/\w+|tmp/bash_jobs)(?:/|\b)")
# Documentation may point at these; packages come from whatever index the user's own client is set to.
HOSTS = {
    "arxiv.org", "github.com", "huggingface.co", "www.apache.org", "doi.org", "semver.org", "openreview.net",
    "docs.python.org", "www.w3.org", "json-schema.org", "localhost", "127.0.0.1", "0.0.0.0", "example.com",
    "farama.org", "minigrid.farama.org", "metaworld.farama.org", "gymnasium.farama.org", "pytorch.org",
    "docs.pytorch.org", "creativecommons.org", "www.gutenberg.org", "spdx.org", "en.wikipedia.org",
}  # fmt: skip
MAX_TRACKED_MEGABYTES = 60


def texts() -> list[tuple[str, str]]:
    """(place, text) of every file of text, but for this one and the licence."""
    mine = ROOT / "tests" / "test_house.py"
    found = []
    for path in tree():
        if path.suffix in TEXT and path not in (mine, ROOT / "LICENSE") and path.stat().st_size < 1_000_000:
            found.append((place(path), path.read_text(encoding="utf-8")))
    return found


def test_no_path_of_one_machine() -> None:
    wrong = [
        f"{where}:{number}: {line.strip()[:100]}"
        for where, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE_PATH.search(line) and not line.startswith("#!")
    ]
    assert not wrong, "paths of one machine:\n" + "\n".join(wrong)


def test_every_url_leads_to_a_known_host() -> None:
    """No package index, no private host: a new host is a decision, made in `HOSTS`."""
    wrong = []
    for where, text in texts():
        for url in re.findall(r"https?://[^\s\"'<>)\]}`]+", text):
            host = urlsplit(url).hostname or ""
            if re.fullmatch(r"[a-z0-9.-]+", host) and host not in HOSTS:
                wrong.append(f"{where}: {host}")
    assert not wrong, "hosts that are not on the list of this test:\n" + "\n".join(sorted(set(wrong)))


def test_licence_is_whole_and_named() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["license"] == "Apache-2.0"


def test_tree_is_small_enough_to_clone() -> None:
    sizes = {place(path): path.stat().st_size / 1e6 for path in tree()}
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:5]
    assert sum(sizes.values()) < MAX_TRACKED_MEGABYTES, f"the tree outgrew {MAX_TRACKED_MEGABYTES} MB: {largest}"


def test_ignore_rules_spare_the_code() -> None:
    """`data/` and `runs/` are ignored at the root only; the same word without a slash would hide src/opengato/data."""
    rules = [line.strip() for line in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()]
    packages = {path.parent.name for path in PACKAGE.rglob("__init__.py")}
    hidden = {rule for rule in rules if rule.strip("/") in packages and not rule.startswith("/")}
    assert not hidden


@pytest.mark.parametrize("group", PLUGIN_GROUPS)
def test_every_plugin_folder_is_a_package(group: str) -> None:
    """A folder without `__init__.py` would not be found, and nobody would be told."""
    folders = [path for path in (PACKAGE / group).iterdir() if path.is_dir() and path.name != "__pycache__"]
    loose = [path.name for path in folders if any(path.rglob("*.py")) and not (path / "__init__.py").is_file()]
    assert not loose


def spec_literals(module: ast.Module) -> set[int]:
    """`ArraySpec(name="text", kind="text")` describes a record, which is not to name a modality."""
    calls = (node for node in ast.walk(module) if isinstance(node, ast.Call))
    specs = (call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "ArraySpec")
    return {id(word.value) for call in specs for word in call.keywords}


def test_agent_and_trunk_name_no_modality() -> None:
    """What serves all modalities asks none by its name."""
    names = {path.parent.name for path in (PACKAGE / "modalities").glob("*/__init__.py")} | {"audio", "video"}
    wrong = []
    for path in sources():
        if path.relative_to(PACKAGE).parts[0] in ("agent", "nn", "backbones", "objectives"):
            described = spec_literals(parsed(path))
            for node in ast.walk(parsed(path)):
                if isinstance(node, ast.Constant) and node.value in names and id(node) not in described:
                    wrong.append(f"{place(path, node)}: {node.value!r}")
    assert not wrong, "modalities named outside their folder:\n" + "\n".join(wrong)
