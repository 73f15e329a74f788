"""Import rules that need to know the plug-ins; the layers are contracts of import-linter in pyproject.toml."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import grimp

from tests.house import PACKAGE, PLUGIN_GROUPS, ROOT, functions, place, plugin_of, sources

TOP_LEVEL = {
    "__init__.py", "__main__.py", "cli", "doctor.py", "py.typed", "rollout", "assets",
    "core", "nn", "modalities", "backbones", "objectives", "envs", "sources", "data", "agent", "train", "evaluators",
    "serve", "recipes",
}  # fmt: skip
# `opengato --help` must not wait for torch (5 s): a command imports what it runs.
MAY_IMPORT_LATE = {"cli"}
BY_NAME_ONLY = ("cli", "doctor", "serve", "train", "agent", "data", "rollout")
WITHOUT_TORCH = (
    *("core.config", "core.environment", "core.episode", "core.returns", "core.sequence", "core.serialize"),
    *("core.film", "core.sound"),
    "core.spaces",
    *("envs", "sources", "rollout", "data.recorder", "data.store"),
)


@functools.cache
def imports() -> grimp.ImportGraph:
    """Who imports whom in the package."""
    return grimp.build_graph("opengato", cache_dir=None)


def plugins() -> set[str]:
    """Modules that are plug-ins: folders of a plug-in group."""
    folders = (path for group in PLUGIN_GROUPS for path in (PACKAGE / group).glob("*/__init__.py"))
    return {f"opengato.{path.parts[-3]}.{path.parts[-2]}" for path in folders}


def plugin_module(module: str) -> str | None:
    name = ".".join(module.split(".")[:3])
    return name if name in plugins() else None


def test_top_level_is_the_list_of_the_design() -> None:
    found = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    strange = sorted(found - TOP_LEVEL)
    assert not strange, f"{strange}: docs/design.md knows no such folder; in which of its folders does this belong?"


def test_plugins_never_import_one_another() -> None:
    wrong = []
    for module in sorted(imports().modules):
        mine = plugin_module(module)
        for other in imports().find_modules_directly_imported_by(module):
            theirs = plugin_module(other)
            if mine and theirs and mine != theirs and mine.split(".")[1] == theirs.split(".")[1]:
                wrong.append(f"{module} imports {other}")
            elif not mine and theirs and module.split(".")[1:2] == theirs.split(".")[1:2]:
                wrong.append(f"{module}, which all plug-ins of its group share, imports {other}")
    assert not wrong, "what two plug-ins share lies a layer lower:\n" + "\n".join(wrong)


def test_plugins_are_reached_by_folder_name() -> None:
    wrong = [
        f"{module} imports {other}"
        for module in sorted(imports().modules)
        if module.split(".")[1:2] and module.split(".")[1] in BY_NAME_ONLY
        for other in imports().find_modules_directly_imported_by(module)
        if plugin_module(other)
    ]
    assert not wrong, "use opengato.core.config.plugin(group, name):\n" + "\n".join(wrong)


def test_the_raw_side_runs_without_torch() -> None:
    """Workers that step simulators start in a second, not in six. (The contract of import-linter sees what is imported
    by name; this sees what really happens, the package's own `__init__` included.)"""
    code = """
import importlib.util, sys
for name in sys.argv[1:]:
    if importlib.util.find_spec(name) is not None:
        importlib.import_module(name)
    if heavy := sorted({"torch", "transformers"} & set(sys.modules)):
        sys.exit(f"importing {name} loads {heavy}")
"""
    names = ["opengato", *(f"opengato.{module}" for module in WITHOUT_TORCH)]
    done = subprocess.run([sys.executable, "-c", code, *names], capture_output=True, text=True, cwd=PACKAGE.parent)
    assert done.returncode == 0, done.stderr


@functools.cache
def optional_packages() -> set[str]:
    """Import names of what the extras in pyproject.toml bring, but for the tools of developers."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: needs for name, needs in project["optional-dependencies"].items() if name != "dev"}
    wanted = {re.split(r"[<>=!~\[ ;]", need)[0].lower() for needs in extras.values() for need in needs} - {"opengato"}
    installed = {name for name, owners in packages_distributions().items() if wanted & {o.lower() for o in owners}}
    return wanted | installed


def may_be_late(name: str, owner: tuple[str, str] | None) -> bool:
    """An optional package, or the module of the same plug-in that imports one at its top."""
    if owner is not None and name.startswith("opengato."):
        return name.startswith(f"opengato.{owner[0]}.{owner[1]}")
    return name.split(".")[0] in optional_packages() or name == "torch.utils.tensorboard"


def test_imports_stand_on_top() -> None:
    wrong = []
    for path in sources():
        if path.relative_to(PACKAGE).parts[0] in MAY_IMPORT_LATE:
            continue
        for function in functions(path):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names = [node.module or "."]
                else:
                    continue
                wrong += [f"{place(path, node)}: {n}" for n in names if not may_be_late(n, plugin_of(path))]
    assert not wrong, (
        "imports inside functions; only what an extra in pyproject.toml brings may wait there:\n" + "\n".join(wrong)
    )
