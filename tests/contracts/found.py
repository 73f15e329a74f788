"""The plug-ins of a group as the contract tests find them: by looking. There is no list to edit."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import json
from typing import Any

from opengato.core.config import from_json, plugins, to_json
from opengato.objectives import pairing, spelling
from tests.house import PACKAGE, parsed

# Settings that make another network of a variant, which is tested like one of its own.
SETTINGS: dict[str, dict[str, Any]] = {
    "backbones/decoder/+geglu": {"activation": "gelu", "norm_bias": True, "drop_path": 0.1, "recompute": True},
    "backbones/decoder/+plain": {"activation": "gelu", "gated": False},
    "backbones/encoder/+plain": {
        "activation": "gelu",
        "gated": False,
        "bias": True,
        "norm_bias": True,
        "recompute": True,
    },
    "backbones/factored/+divided": {"combine": "project", "within": "divided", "norm_bias": True, "recompute": True},
    "backbones/factored/+sum": {"combine": "sum"},
    "backbones/pathways/sparse/+one": {"chosen": 1, "activation": "gelu", "drop_path": 0.1, "recompute": True},
    "objectives/next_token/+beside": {"z": 1e-4, "beside": {"spelling": spelling.Config(), "pairs": pairing.Config()}},
    "backbones/palm/+grouped": {"heads": 4, "key_heads": 2, "drop_path": 0.1, "recompute": True},
}


def variants(group: str) -> list[str]:
    """Every module of a group's plug-ins that defines a class `Config`: `continuous/tokens`, `text`, ...

    And those of them that have other settings: `decoder/+geglu`.
    """
    found = []
    for name in plugins(group):
        for path in sorted((PACKAGE / group / name).rglob("*.py")):
            if any(isinstance(node, ast.ClassDef) and node.name == "Config" for node in parsed(path).body):
                place = path.relative_to(PACKAGE / group).with_suffix("").as_posix()
                found.append(place.removesuffix("/__init__"))
    return found + [name.removeprefix(f"{group}/") for name in SETTINGS if name.startswith(f"{group}/")]


def config_of(group: str, variant: str, **small: Any) -> Any:
    """The default config of a variant, with those of the settings `small` that it has."""
    module = importlib.import_module(f"opengato.{group}.{variant.split('/+')[0].replace('/', '.')}")
    names = {field.name for field in dataclasses.fields(module.Config)}
    fitting = {name: value for name, value in small.items() if name in names}
    return module.Config(**{**fitting, **SETTINGS.get(f"{group}/{variant}", {})})


def assert_survives_json(config: Any) -> None:
    text = json.dumps(to_json(config))
    again = from_json(json.loads(text))
    assert again == config
    assert type(again) is type(config)
    assert json.dumps(to_json(again)) == text
    assert dataclasses.fields(config), "a setting at least"
    assert type(config).__dataclass_params__.frozen
