"""Plug-ins found by folder name, and settings that correct their user.

A plug-in is a package under `opengato/<group>/` (`modalities/text`); each variant is a module or package with a frozen
dataclass `Config` whose `build(...)` makes the object. There is no list to edit: a new folder is found at once.
A config turns into JSON with its place (`"type": "modalities/text"`) and back, so that a checkpoint can rebuild itself.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import json
import pkgutil
import re
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = "opengato"


def plugins(group: str, offering: str | None = None) -> list[str]:
    """Names of the plug-in folders of a group, sorted: `plugins("envs") -> ["babyai", "metaworld"]`.

    Where a group holds several kinds, `offering` is the name that those asked for define.
    """
    package = importlib.import_module(f"{ROOT}.{group}")
    found = sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.ispkg)
    return [name for name in found if offering is None or offering in vars(plugin(group, name))]


def plugin(group: str, name: str) -> types.ModuleType:
    """The module of a plug-in; an unknown name is a ValueError that suggests the near ones."""
    choose(name.split("/")[0], plugins(group), what=f"{group} plug-in")
    return importlib.import_module(f"{ROOT}.{group}.{name.replace('/', '.')}")


def choose(name: str, choices: Iterable[str], what: str) -> str:
    """Return `name` if it is one of `choices`; else raise ValueError with the nearest ones."""
    choices = list(choices)
    if name in choices:
        return name
    if not choices:
        raise ValueError(f"unknown {what} {name!r}; there is none yet")
    near = difflib.get_close_matches(name, choices, n=3, cutoff=0.4)
    if near:
        hint = "did you mean " + " or ".join(repr(n) for n in near) + "?"
    else:
        hint = "choose one of: " + ", ".join(choices[:12]) + (", ..." if len(choices) > 12 else "")
    raise ValueError(f"unknown {what} {name!r}; {hint}")


def to_json(config: Any) -> Any:
    """A config as plain JSON values; dataclasses carry their place as `"type"`."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        place = type(config).__module__.removeprefix(f"{ROOT}.").replace(".", "/")
        body = {f.name: to_json(getattr(config, f.name)) for f in dataclasses.fields(config)}
        return {"type": f"{place}:{type(config).__qualname__}", **body}
    if isinstance(config, dict):
        return {str(key): to_json(value) for key, value in config.items()}
    if isinstance(config, (list, tuple)):
        return [to_json(value) for value in config]
    if isinstance(config, Path):
        return str(config)
    return config


def from_json(data: Any, hint: Any = None) -> Any:
    """Inverse of `to_json`. Only dataclasses inside opengato are ever built."""
    if isinstance(data, dict) and isinstance(data.get("type"), str):
        place, _, class_name = data["type"].partition(":")
        try:
            module = importlib.import_module(f"{ROOT}." + place.replace("/", "."))
            cls = getattr(module, class_name)
        except (ImportError, AttributeError) as error:
            raise ValueError(f"config names {data['type']!r}, which this version of opengato does not have") from error
        if not (isinstance(cls, type) and dataclasses.is_dataclass(cls) and cls.__module__.startswith(f"{ROOT}.")):
            raise ValueError(f"config names {data['type']!r}, which is not a config")
        hints = typing.get_type_hints(cls)
        values = {key: value for key, value in data.items() if key != "type"}
        for key in values:
            choose(key, hints, what=f"field of {data['type']}")
        return cls(**{key: from_json(value, hints[key]) for key, value in values.items()})
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(data, dict):
        return {key: from_json(value, inner[1] if origin is dict else None) for key, value in data.items()}
    if isinstance(data, list):
        items = [from_json(value, inner[0] if inner else None) for value in data]
        return tuple(items) if origin is tuple else items
    if hint is Path:
        return Path(data)
    return data


def renewed(data: Any) -> Any:
    """Configs as JSON that an earlier version wrote, with the fields that are younger, as this version writes them."""
    return json.loads(json.dumps(to_json(from_json(data))))


def differences(first: Any, second: Any, path: str = "") -> list[str]:
    """Where two configs as JSON differ: `["backbone.window: 256 and 128", ...]`."""
    if isinstance(first, dict) and isinstance(second, dict):
        keys = dict.fromkeys([*first, *second])
        members = [(key, first.get(key, "nothing"), second.get(key, "nothing")) for key in keys]
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        members = [(index, *pair) for index, pair in enumerate(zip(first, second, strict=True))]
    else:
        return [] if first == second else [f"{path}: {first} and {second}"]
    return [line for key, a, b in members for line in differences(a, b, f"{path}.{key}" if path else str(key))]


def override(config: Any, assignments: list[str]) -> Any:
    """A copy of a frozen config with `a.b=c` applied; values are read by the type of the field they replace.

    `null` takes away what may be absent (`float | None`).

    >>> override(run, ["optim.learning_rate=1e-4", "mixture.weights.babyai=2"])
    """
    for assignment in assignments:
        path, separator, text = assignment.partition("=")
        if not separator:
            raise ValueError(f"setting {assignment!r} must look like a.b=value")
        config = _replace(config, path.split("."), text, path)
    return config


def _replace(node: Any, keys: list[str], text: str, path: str) -> Any:
    key, rest = keys[0], keys[1:]
    if isinstance(node, dict):
        choose(key, node, what=f"setting in {path!r}:")
        return {**node, key: _replace(node[key], rest, text, path) if rest else _parse(text, node[key], path)}
    if not dataclasses.is_dataclass(node):
        raise ValueError(f"setting {path!r}: {type(node).__name__} has no fields")
    choose(key, [f.name for f in dataclasses.fields(node)], what=f"setting in {path!r}:")
    old = getattr(node, key)
    if text == "null" and not rest and types.NoneType in typing.get_args(typing.get_type_hints(type(node))[key]):
        return dataclasses.replace(node, **{key: None})
    return dataclasses.replace(node, **{key: _replace(old, rest, text, path) if rest else _parse(text, old, path)})


def _parse(text: str, old: Any, path: str) -> Any:
    try:
        if isinstance(old, bool):
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        if isinstance(old, int):
            return int(text)
        if isinstance(old, float):
            return float(text)
        if isinstance(old, tuple):
            return tuple(_parse(part, old[0] if old else "", path) for part in text.split(",")) if text else ()
        if isinstance(old, Path):
            return Path(text)
        if old is None:  # nothing tells its type: a number or a word like true, else text
            return json.loads(text) if re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?|true|false|null", text) else text
        if isinstance(old, str):
            return text
    except (KeyError, ValueError):
        pass
    raise ValueError(f"setting {path!r}: received {text!r}, expected {type(old).__name__} like {old!r}")
