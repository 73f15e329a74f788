"""`opengato inspect`: a group of packed rows, position by position, as training sees it.

Letters: B rows, T slots of a row, N positions of one modality.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from opengato import recipes
from opengato.cli.arguments import Inspect
from opengato.core.episode import MEDIA, ArraySpec, Episode
from opengato.core.serialize import Codec, Role, Serializer, TokenCodec, action_order, observation_order
from opengato.core.views import VIEWS
from opengato.data.documents import Document
from opengato.data.mixture import Mixture
from opengato.data.packing import PackedGroup, pack
from opengato.data.store import MANIFEST, EpisodeStore, read_manifest
from opengato.train.run import Recipe, mixture_config, with_statistics

SHOWN_NUMBERS = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """One slot that holds something. `field` is what of the step it carries, `value` that in words or numbers.

    `id` is that of a row that is one id, else None.
    """

    row: int
    slot: int
    modality: str
    predict: bool
    document: int
    position: int
    step: int
    field: str
    id: int | None
    value: str


def inspect(arguments: Inspect) -> None:
    """Print a group of a recipe's mixture, or of a store."""
    mixture = mixture_of(arguments)
    if arguments.group < 0:
        raise ValueError(f"received --group {arguments.group}, expected 0 or more")
    rows = mixture.group(arguments.group)
    if arguments.row is not None and not 0 <= arguments.row < len(rows):
        raise ValueError(f"received --row {arguments.row}, but a group has rows 0 to {len(rows) - 1}")
    group = pack(rows, mixture.config.length)
    chosen = range(len(rows)) if arguments.row is None else [arguments.row]
    if not arguments.json:
        place = f"{'row':>3} {'slot':>5} {'doc':>3} {'position':>8} {'step':>5}"
        print(f"{place} {'modality':10}   {'field':12} {'id':>5} value")
    for row in chosen:
        start = 0
        for number, document in enumerate(rows[row]):
            source = mixture.sources[document.source]
            facts = {"source": source.name, "task": source.store.task(document.episode), "episode": document.episode}
            if not arguments.json:
                about = ", ".join(f"{name} {fact}" for name, fact in facts.items())
                print(f"-- row {row}, document {number}: {about}, {len(document)} positions")
            episode = VIEWS[document.view](source.read(document.episode))
            walk = Walk(group, mixture.maker.serializer, episode)
            for position in walk.positions(document, row, start):
                print(json.dumps(asdict(position) | facts) if arguments.json else as_line(position))
            start += len(document)
        if not arguments.json:
            print(f"-- row {row}: {start} of {mixture.config.length} slots filled")


def as_line(position: Position) -> str:
    """A position as columns of one width."""
    p, mark = position, "*" if position.predict else " "
    place = f"{p.row:>3} {p.slot:>5} {p.document:>3} {p.position:>8} {p.step:>5}"
    return f"{place} {p.modality:10} {mark} {p.field:12} {'' if p.id is None else p.id:>5} {p.value}"


def mixture_of(arguments: Inspect) -> Mixture:
    """The mixture of a recipe, or of one store in the layout of a recipe."""
    what, data = Path(arguments.what), arguments.data
    if (what / MANIFEST).is_file() or (len(what.parts) > 1 and what.suffix != ".py"):
        read_manifest(what)  # says so where there is no store
        recipe = of_store(what, arguments.recipe)
    elif what.is_dir() or (what.suffix != ".py" and len(what.parts) > 1):
        read_manifest(what)
        raise AssertionError("a store was found above")
    else:
        recipe = recipes.load(arguments.what)
        missing = [name for name in recipe.used if not (recipe.folder(name, data) / MANIFEST).is_file()]
        if missing:
            raise FileNotFoundError(
                f"no data of {', '.join(missing)} in {str(data)!r}; `opengato train {arguments.what}` brings them, or "
                "name their folder with --data"
            )
    recipe = with_statistics(recipe, data)
    return Mixture(mixture_config(recipe, data), recipe.train.agent.serializer())


def of_store(folder: Path, name: str | None) -> Recipe:
    """A store in the layout of a recipe; None takes one in the shape of the store."""
    base = recipes.load(name or str(folder))
    source = folder.resolve().name
    return Recipe(name=base.name, train=base.train, weights={source: 1.0}, stores={source: str(folder)})


def of_episode(folder: Path, index: int, name: str | None) -> Iterator[Position]:
    """The positions of one whole episode of a store, however long."""
    serializer = with_statistics(of_store(folder, name), folder).train.agent.serializer()
    episode = EpisodeStore(folder)[index]
    document = Document(sequence=serializer.episode(episode), source=0, episode=index)
    yield from Walk(pack([[document]], len(document)), serializer, episode).positions(document, 0, 0)


class Walk:
    """The positions of one document of a packed group, decoded by the specs of its episode."""

    def __init__(self, group: PackedGroup, serializer: Serializer, episode: Episode) -> None:
        self.group, self.serializer, self.episode = group, serializer, episode
        slots = group.document_BT.size
        self.owner_S = np.full(slots, "", object)
        self.place_S = np.zeros(slots, np.int64)
        for name, slot_N in group.slot_N.items():
            self.owner_S[slot_N] = name
            self.place_S[slot_N] = np.arange(len(slot_N))
        self._fields: dict[tuple[int, Role], list[tuple[str, int]]] = {}

    def positions(self, document: Document, row: int, start: int) -> Iterator[Position]:
        """Its positions, which begin at slot `start` of `row`."""
        width = self.group.document_BT.shape[1]
        actions: Counter[int] = Counter()
        for t, step in enumerate(document.sequence.step_T.tolist()):
            slot = start + t
            flat = row * width + slot
            name, place = self.owner_S[flat], self.place_S[flat]
            local = int(self.group.local_BT[row, slot])
            role: Role = "instruction" if step < 0 else "observation" if local >= 0 else "action"
            payload = self.group.payload[name][place]
            field, value = self.read(name, role, payload, step, local if role == "observation" else actions[step])
            actions[step] += role == "action"
            yield Position(
                row=row,
                slot=slot,
                modality=name,
                predict=bool(self.group.predict_N[name][place]),
                document=int(self.group.document_BT[row, slot]),
                position=int(self.group.position_BT[row, slot]),
                step=step,
                field=field,
                id=int(payload) if payload.ndim == 0 else None,
                value=value,
            )

    def read(self, name: str, role: Role, payload: np.ndarray, step: int, index: int) -> tuple[str, str]:
        """The field and the value of the `index`-th position of a step's observation or action."""
        codec = self.serializer.codecs[name]
        if role == "instruction":
            return role, value_text(codec, payload, ArraySpec(name=role, kind="text", dtype="str"), None)
        specs = self.episode.observation_specs if role == "observation" else self.episode.action_specs
        for field, count in self.fields(role, step):
            if index < count:
                return field, value_text(codec, payload, specs[field], count)
            index -= count
        return "separator", ""

    def fields(self, role: Role, step: int) -> list[tuple[str, int]]:
        """The fields of a step in the order of the layout, and how many positions each takes."""
        if (step, role) not in self._fields:
            acts = role == "action"
            specs = self.episode.action_specs if acts else self.episode.observation_specs
            values = self.episode.actions if acts else self.episode.observations
            order = action_order(specs) if acts else observation_order(specs)
            counts = [self.count(role, specs[field], values[field][step : step + 1]) for field in order[:-1]]
            if acts:  # nothing comes after an action, and a whole book would be long to encode
                codec = self.serializer.codecs[self.serializer.layout.modality(role, specs[order[-1]])]
                counts.append(codec.num_positions(specs[order[-1]]) or self.group.document_BT.size)
            elif order:
                counts.append(self.count(role, specs[order[-1]], values[order[-1]][step : step + 1]))
            self._fields[step, role] = list(zip(order, counts, strict=True))
        return self._fields[step, role]

    def count(self, role: Role, spec: ArraySpec, value: Any) -> int:
        """Positions of the value of a field, a stack of one."""
        codec = self.serializer.codecs[self.serializer.layout.modality(role, spec)]
        fixed = codec.num_positions(spec)
        return len(codec.encode(value, spec, role)[0]) if fixed is None else fixed


def value_text(codec: Codec, payload: np.ndarray, spec: ArraySpec, count: int | None) -> str:
    """One row of a payload in words or numbers; `count` positions make a value."""
    if spec.kind in MEDIA and isinstance(codec, TokenCodec):  # a picture takes all of its ids to be seen
        return f"{spec.kind}, id {int(payload)} of {codec.num_ids}"
    whole = count == 1 or spec.kind in ("text", "image")
    value = codec.decode(payload[None], spec if whole else spec.single())
    if spec.kind == "text":
        return repr(value)
    array = np.asarray(value)
    if spec.kind == "image":
        red, green, blue = array.reshape(-1, 3).mean(0).round().astype(int)
        return f"patch {array.shape[0]}x{array.shape[1]}, mean colour {red} {green} {blue}"
    text = np.array2string(
        array, precision=3, threshold=SHOWN_NUMBERS, edgeitems=SHOWN_NUMBERS // 2, suppress_small=True
    )
    return " ".join(text.split())
