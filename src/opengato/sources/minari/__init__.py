"""Minari, the datasets of the Farama Foundation: https://farama.org (package `minari`, extra `minari`).

A dataset is one environment: spaces of observation and action, and per episode one observation more than actions. Our
episodes end with the last action, so an export repeats the last observation, and an import leaves the last one out.
What is written is an id below the folder, where `minari.load_dataset` finds it with MINARI_DATASETS_PATH=FOLDER.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from gymnasium import spaces

from opengato.core.episode import ArraySpec, Episode, SpecSet, columns, specs_from_json, specs_to_json
from opengato.core.spaces import HUGE, Side, SpaceArrays
from opengato.sources import format as contract
from opengato.sources.format import (
    OURS,
    Labels,
    Options,
    nested,
    of_one_kind,
    pixels,
    place_name,
    stacked,
    widened,
    words,
)

WORDS = "".join(map(chr, range(32, 127))) + "\n\t"


class Format(contract.Format):
    """An id of Minari (fetched if it is not on this machine), or the folder of a dataset."""

    title = "a dataset of Minari: one environment, its spaces, its episodes"

    def about(self, place: str) -> dict[str, Any]:
        known = self._dataset(place).storage.metadata
        told = {key: str(known[key]) for key in ("dataset_id", "author", "code_permalink", "env_spec") if key in known}
        return {"licence": "as its authors say", "minari": told, "description": known.get("description")}

    def read(self, place: str, labels: Labels) -> Iterator[Episode]:
        dataset = self._dataset(place)
        ours = json.loads(dataset.storage.metadata.get(OURS, "null"))
        notes = dataset.storage.get_episode_metadata(dataset.episode_indices)
        read = self._ours(dataset, notes, specs_from_json(ours)) if ours else self._theirs(dataset, notes, labels)
        for episode in read:
            yield contract.relabelled(episode, labels)

    def write(self, episodes: Iterable[Episode], folder: Path, options: Options) -> None:
        minari = _package()
        from minari.dataset.minari_storage import MinariStorage

        storage = None
        for episode in of_one_kind(episodes):
            specs = episode.observation_specs, episode.action_specs
            values = {name: _plain(episode.observations[name], spec) for name, spec in specs[0].items()}
            actions = {name: _plain(episode.actions[name], spec) for name, spec in specs[1].items()}
            if storage is None:
                task = episode.task
                identity = f"{task}-v0"
                (folder / identity).mkdir(parents=True)
                storage = MinariStorage.new(
                    (folder / identity / "data").resolve(),  # Minari joins a relative one to itself
                    observation_space=_space(specs[0], values, "observation"),
                    action_space=_space(specs[1], actions, "action"),
                    jpeg_encoding=False,
                )
                described = {"dataset_id": identity, "minari_version": minari.__version__}
                storage.update_metadata({**described, OURS: json.dumps(specs_to_json(*specs))})
            number = storage.total_episodes
            storage.update_episodes([_buffer(episode, values, actions)])
            note = json.dumps(contract.facts(episode))
            storage.update_episode_metadata([{OURS: note}], [number])

    @staticmethod
    def _dataset(place: str) -> Any:
        minari = _package()
        folder = Path(place).resolve()
        for candidate in (folder, folder / "data"):
            if (candidate / "metadata.json").is_file():
                return minari.MinariDataset(candidate)
        below = sorted(folder.glob("**/data/metadata.json"))
        if len(below) == 1:
            return minari.MinariDataset(below[0].parent)
        if folder.is_dir():
            found = [str(path.parent.parent.relative_to(folder)) for path in below]
            raise ValueError(
                f"{place!r} holds {len(found)} datasets of Minari {found[:6]}, expected one; name its folder"
            )
        try:
            return minari.load_dataset(place, download=True)
        except Exception as error:  # of its id, of its hub, of the network: it says what
            raise ValueError(f"Minari has no dataset {place!r} here, and could not fetch it: {error}") from error

    @staticmethod
    def _ours(dataset: Any, notes: Iterable[dict], specs: SpecSet) -> Iterator[Episode]:
        for data, note in zip(dataset, notes, strict=True):
            steps = len(data.rewards)
            sides = [
                {name: stacked(_reach(tree, name, side)[:steps], spec) for name, spec in fields.items()}
                for tree, fields, side in (
                    (data.observations, specs[0], "observation"),
                    (data.actions, specs[1], "action"),
                )
            ]
            yield Episode(
                observation_specs=specs[0],
                action_specs=specs[1],
                observations=sides[0],
                actions=sides[1],
                rewards=np.asarray(data.rewards, np.float32),
                **json.loads(str(note[OURS])),
            )

    @staticmethod
    def _theirs(dataset: Any, notes: Iterable[dict], labels: Labels) -> Iterator[Episode]:
        identity = dataset.spec.dataset_id
        name = place_name(identity)
        task = labels.task or f"minari/{name}"
        seen = SpaceArrays(dataset.observation_space, task, "observation")
        done = SpaceArrays(_bounded(dataset), task, "action")
        for data, note in zip(dataset, notes, strict=True):
            steps = range(len(data.rewards))
            observed = [seen.arrays(_at(data.observations, t)) for t in steps]
            acted = [done.arrays(_at(data.actions, t)) for t in steps]
            told = (data.infos or {}).get("success", (data.infos or {}).get("is_success"))
            yield Episode(
                task=task,
                instruction=words(name),
                observation_specs=seen.specs,
                action_specs=done.specs,
                observations=columns(observed, seen.specs),
                actions=columns(acted, done.specs),
                rewards=np.asarray(data.rewards, np.float32),
                terminated=bool(data.terminations[-1]),
                truncated=bool(data.truncations[-1]),
                success=None if told is None else bool(np.any(told)),
                provenance={"source": f"minari:{identity}", "episode": int(data.id), "seed": note.get("seed")},
            )


def _bounded(dataset: Any) -> spaces.Space:
    """The space of actions; where it is a box without bounds, with those of the actions that were taken."""
    space = dataset.action_space
    if not isinstance(space, spaces.Box) or (space.is_bounded() and np.abs([space.low, space.high]).max() < HUGE):
        return space
    ends = [(actions.min(0), actions.max(0)) for actions in (np.asarray(data.actions) for data in dataset)]
    low, high = widened(np.min([low for low, _ in ends], axis=0), np.max([high for _, high in ends], axis=0))
    dtype: Any = space.dtype
    lowest, highest = (np.reshape(bound, space.shape).astype(dtype) for bound in (low, high))
    return spaces.Box(lowest, highest, dtype=dtype)


def _package() -> ModuleType:
    try:
        import minari
    except ImportError as error:
        raise ImportError("Minari's datasets need its package; run: pip install 'opengato[minari]'") from error
    return minari


def _buffer(episode: Episode, values: dict[str, Any], actions: dict[str, Any]) -> Any:
    """An episode as Minari takes it, its last observation once more at the end."""
    from minari.data_collector import EpisodeBuffer

    steps = episode.num_steps
    ends = np.zeros((2, steps), bool)
    ends[:, -1] = episode.terminated, episode.truncated
    success = np.zeros(steps + 1, bool)
    success[-1] = bool(episode.success)
    repeated = {
        name: [*column, column[-1]] if isinstance(column, list) else np.concatenate([column, column[-1:]])
        for name, column in values.items()
    }
    seed = episode.provenance.get("seed")
    return EpisodeBuffer(
        seed=seed if isinstance(seed, int) else None,
        observations=_tree(repeated, "observation"),
        actions=_tree(actions, "action"),
        rewards=list(episode.rewards),
        terminations=list(ends[0]),
        truncations=list(ends[1]),
        infos=None if episode.success is None else {"success": success},
    )


def _plain(values: Any, spec: ArraySpec) -> Any:
    """A field as Minari keeps it: an array by step, or a list of texts."""
    if spec.kind == "text":
        return [str(value) for value in values]
    return pixels(values, spec) if spec.kind == "image" else np.asarray(values)


def _space(specs: dict[str, ArraySpec], values: dict[str, Any], side: Side) -> spaces.Space:
    leaves = {name: _leaf(spec, values[name]) for name, spec in specs.items()}

    def dict_of(tree: Any) -> spaces.Space:
        return spaces.Dict({k: dict_of(v) for k, v in tree.items()}) if isinstance(tree, dict) else tree

    return dict_of(_tree(leaves, side))


def _leaf(spec: ArraySpec, values: Any) -> spaces.Space:
    if spec.kind == "text":
        return spaces.Text(max_length=100_000, min_length=0, charset=WORDS)
    if spec.kind == "image":
        return spaces.Box(0, 255, values.shape[1:], np.uint8)
    if spec.num_values is not None:
        return spaces.Discrete(spec.num_values) if not spec.shape else _counts(spec)
    dtype: Any = np.dtype(spec.dtype)
    low, high = (np.broadcast_to(bound, spec.shape).astype(dtype) for bound in spec.bounds)
    return spaces.Box(low, high, spec.shape, dtype)


def _counts(spec: ArraySpec) -> spaces.Box:
    dtype: Any = np.dtype(spec.dtype)
    return spaces.Box(0, (spec.num_values or 1) - 1, spec.shape, dtype)


def _tree(leaves: dict[str, Any], side: Side) -> Any:
    """Fields as nested dicts; a single one that is named by its side stands alone, as a plain space does."""
    return leaves[side] if leaves.keys() == {side} else nested(leaves)


def _reach(tree: Any, key: str, side: str) -> Any:
    if not isinstance(tree, dict):
        assert key == side
        return tree
    for part in key.split("/"):
        tree = tree[part]
    return tree


def _at(tree: Any, step: int) -> Any:
    if isinstance(tree, dict):
        return {key: _at(part, step) for key, part in tree.items()}
    if isinstance(tree, tuple):
        return tuple(_at(part, step) for part in tree)
    return tree[step]
