"""The one layout rule: how an episode becomes a sequence of positions, in training and in acting.

Order (after Gato, [Reed et al. 2022, arXiv:2205.06175, sec. 2.1]): the instruction once, then for each step the
observations (texts, then images, films, sounds, then arrays, each by sorted key; then the parts of a message in their
order), the separator if the layout has one, and the actions by sorted key, a predicted return before them. Keys such as
`arm/joint` are those of nested structures, sorted level by level. If the layout has marks, they stand around each
picture, sound and film. An action made of parts is a message, of which one is:

    a red panda <image> 12 7 ... 930 </image> </s>

So what is written after a piece of text says whether more text, a value of another kind or the end comes next.
Letters: S steps, T positions, N positions of one modality, F fields of a step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from opengato.core.episode import MEDIA, ArraySpec, Episode, Kind
from opengato.core.returns import TO_GO
from opengato.core.sequence import UNREAD, TokenSequence, concatenate

Role = Literal["instruction", "observation", "separator", "mark", "action"]
_PROMPTS = 4096  # instructions kept encoded
_PLANS, _PLAN_LENGTH = 4096, 512  # layouts of episodes kept, each of so many positions at most: 30 MB
_KIND_ORDER = {"text": 0, "image": 1, "video": 2, "audio": 3, "discrete": 4, "continuous": 4}
MARK = ArraySpec(name="mark", kind="discrete", num_values=2 * len(MEDIA), dtype="int64")
"""Value 2 k says that a value of kind `MEDIA[k]` begins, value 2 k + 1 that it ends."""
PART = "part "
"""Fields so called, "part 001" and on, are the parts of a message: read in their order, whatever their kinds."""
TEXT = ArraySpec(name="text", kind="text", dtype="str")


def begin_of(kind: Kind) -> ArraySpec:
    """The one value of `MARK` with which a value of this kind begins."""
    return replace(MARK, low=2 * MEDIA.index(kind), high=2 * MEDIA.index(kind))


class Codec(ABC):
    """Turns values into payload rows and back, in numpy. A row is what one position carries."""

    payload_shape: tuple[int, ...]
    payload_dtype: str

    @abstractmethod
    def num_positions(self, spec: ArraySpec) -> int | None:
        """Positions that one step's value of this spec takes; None if it depends on the value."""

    @abstractmethod
    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        """Values of S steps as rows (N, *payload_shape) in order, and how many rows each step got (S,)."""

    @abstractmethod
    def decode(self, payload: np.ndarray, spec: ArraySpec) -> Any:
        """The value of one step from its rows (n, *payload_shape)."""


class TokenCodec(Codec):
    """A codec whose row is one id in [0, num_ids): a table can embed it, a softmax can score it."""

    payload_shape = ()
    payload_dtype = "int64"
    num_ids: int

    @abstractmethod
    def allowed(self, spec: ArraySpec) -> np.ndarray:
        """The ids that a value of this spec may be written with, as a mask, bool (num_ids,)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Which modality carries what: `routes["action/continuous"] = "continuous"`.

    Keys are `role/kind` plus `"instruction"` and, optionally, `"separator"` and `"mark"` (a modality of tokens that
    has room for `MARK`). `order` lists the modalities; a sequence
    names them by this order, so that adding one at the end leaves old checkpoints right. With `parallel_actions`,
    actions of a known length are marked as not read; what is open-ended (text) is read as it is written.
    """

    order: tuple[str, ...]
    routes: dict[str, str]
    parallel_actions: bool = False

    def __post_init__(self) -> None:
        for route, modality in self.routes.items():
            if modality not in self.order:
                raise ValueError(
                    f"route {route!r} leads to {modality!r}, which is not among the modalities {self.order}"
                )

    def modality(self, role: Role, spec: ArraySpec) -> str:
        route = f"{role}/{spec.kind}"
        if route not in self.routes:
            raise ValueError(
                f"{role} {spec.name!r} is {spec.kind}, but this model has no modality for {route!r}; "
                f"it has {sorted(self.routes)}"
            )
        return self.routes[route]


def observation_order(specs: Mapping[str, ArraySpec]) -> list[str]:
    """The fields of an observation in the order of their positions: by kind and sorted key, then the parts."""

    def place(name: str) -> tuple[bool, int, list[str]]:
        is_part = name.startswith(PART)
        return is_part, 0 if is_part else _KIND_ORDER[specs[name].kind], name.split("/")

    return sorted(specs, key=place)


def action_order(specs: Mapping[str, ArraySpec]) -> list[str]:
    """The fields of an action in the order of their positions: the return that it leads to, then by sorted key."""
    return sorted(specs, key=lambda name: (name != TO_GO, name.split("/")))


class Serializer:
    """Applies a `Layout` with the codecs of a model.

    Training calls `episode`; acting calls `prompt`, then for each step `observation` and `action`. The pieces join to
    the same sequence: a test holds this. Its arrays may be shared between sequences: do not write to them. `shown` is
    a demonstration: its steps follow the instruction, and those of the episode are numbered on from it.
    """

    def __init__(self, layout: Layout, codecs: Mapping[str, Codec]):
        self.layout = layout
        self.codecs = codecs
        self._prompts: dict[str, TokenSequence] = {}
        self._plans: dict[tuple, _Plan] = {}

    def episode(self, episode: Episode, shown: Episode | None = None) -> TokenSequence:
        """The whole episode, instruction first, then what is shown; actions are predicted."""
        head = self.prompt(episode.instruction, shown)
        body = self._steps(
            episode.observation_specs,
            episode.observations,
            episode.action_specs,
            episode.actions,
            num_steps=episode.num_steps,
            first_step=0 if shown is None else shown.num_steps,
            first_position=len(head),
        )
        return concatenate([head, body])

    def prompt(self, instruction: str, shown: Episode | None = None) -> TokenSequence:
        """The begin marker and the instruction, then the steps of what is shown."""
        if shown is not None:
            return self.episode(replace(shown, instruction=instruction))
        if instruction not in self._prompts:  # the same few come again with every episode
            name = self.layout.routes["instruction"]
            spec = ArraySpec(name="instruction", kind="text", dtype="str")
            rows, counts = self.codecs[name].encode([instruction], spec, "instruction")
            fields = [(name, rows, counts, -1, False)]
            if len(self._prompts) >= _PROMPTS:
                self._prompts.clear()
            self._prompts[instruction] = self._assemble(fields, num_steps=1, first_step=-1, first_position=0)
        return self._prompts[instruction]

    def observation(
        self, specs: Mapping[str, ArraySpec], values: Mapping[str, Any], step: int, position: int
    ) -> TokenSequence:
        """One step's observation (and the separator), to be answered by an action at `position + len`."""
        stacked = {name: _stack(value) for name, value in values.items()}
        return self._steps(specs, stacked, {}, {}, num_steps=1, first_step=step, first_position=position)

    def action(
        self, specs: Mapping[str, ArraySpec], values: Mapping[str, Any], step: int, position: int
    ) -> TokenSequence:
        """One step's action, as if it had been recorded."""
        stacked = {name: _stack(value) for name, value in values.items()}
        fields = self._action_fields(specs, stacked)
        return self._assemble(fields, num_steps=1, first_step=step, first_position=position)

    def action_slots(self, specs: Mapping[str, ArraySpec]) -> list[tuple[str, str, int | None]]:
        """What an action is made of, in order: (field, modality, positions or None where open-ended)."""
        slots = []
        for name in action_order(specs):
            modality = self.layout.modality("action", specs[name])
            slots.append((name, modality, self.codecs[modality].num_positions(specs[name])))
        return slots

    def action_mark(self, modality: str, spec: ArraySpec) -> int:
        """What `local_T` holds at the positions of an action."""
        unread = self.layout.parallel_actions and self.codecs[modality].num_positions(spec) is not None
        return UNREAD if unread else -1

    def _steps(
        self,
        observation_specs: Mapping[str, ArraySpec],
        observations: Mapping[str, Any],
        action_specs: Mapping[str, ArraySpec],
        actions: Mapping[str, Any],
        *,
        num_steps: int,
        first_position: int,
        first_step: int = 0,
    ) -> TokenSequence:
        fields = []
        for name in observation_order(observation_specs):
            spec = observation_specs[name]
            modality = self.layout.modality("observation", spec)
            rows, counts = self.codecs[modality].encode(observations[name], spec, "observation")
            fields += self._marked(spec, (modality, rows, counts, 0, False))
        if "separator" in self.layout.routes and observation_specs:
            modality = self.layout.routes["separator"]
            spec = ArraySpec(name="separator", kind="discrete", num_values=1, dtype="int64")
            rows, counts = self.codecs[modality].encode(np.zeros(num_steps, np.int64), spec, "separator")
            fields.append((modality, rows, counts, 0, False))
        fields += self._action_fields(action_specs, actions)
        return self._assemble(fields, num_steps=num_steps, first_step=first_step, first_position=first_position)

    def _action_fields(self, specs: Mapping[str, ArraySpec], values: Mapping[str, Any]) -> list[tuple]:
        fields, order = [], action_order(specs)
        parts = [name for name in order if name.startswith(PART)]
        if len({specs[name].kind for name in parts}) > 1 and "mark" not in self.layout.routes:
            raise ValueError(
                f"a message of {[specs[name].kind for name in parts]} can only be written with marks, which say what "
                "comes next; give its text `marks=True` and the layout the route 'mark'"
            )
        for name in order:
            modality = self.layout.modality("action", specs[name])
            # A text before another part goes on as that part; the marker at its end would end the message.
            role = "observation" if name in parts[:-1] and specs[name].kind == TEXT.kind else "action"
            rows, counts = self.codecs[modality].encode(values[name], specs[name], role)
            fields += self._marked(specs[name], (modality, rows, counts, self.action_mark(modality, specs[name]), True))
        if parts and specs[parts[-1]].kind != TEXT.kind:
            modality = self.layout.modality("action", TEXT)
            rows, counts = self.codecs[modality].encode([""] * len(fields[0][2]), TEXT, "action")
            fields.append((modality, rows, counts, -1, True))
        return fields

    def has_marks(self, spec: ArraySpec) -> bool:
        """Whether values of this spec stand between marks."""
        return "mark" in self.layout.routes and spec.kind in MEDIA

    def mark(self, kind: Kind, *, end: bool = False) -> np.ndarray:
        """The row (1, *payload_shape) that says that a value of this kind begins or ends."""
        value = 2 * MEDIA.index(kind) + end
        return self.codecs[self.layout.routes["mark"]].encode(np.array([value]), MARK, "mark")[0]

    def _marked(self, spec: ArraySpec, field: tuple) -> list[tuple]:
        """A field, between marks if it has them; a value that takes no positions has none."""
        if not self.has_marks(spec):
            return [field]
        present_S = (field[2] > 0).astype(np.int64)
        modality, place, predict = self.layout.routes["mark"], min(field[3], 0), field[4]
        begin, end = (np.repeat(self.mark(spec.kind, end=end), present_S.sum(), axis=0) for end in (False, True))
        return [(modality, begin, present_S, place, predict), field, (modality, end, present_S, place, predict)]

    def _assemble(self, fields: list[tuple], *, num_steps: int, first_step: int, first_position: int) -> TokenSequence:
        """Interleave fields (modality, rows (N, ...), counts (S,), local, predict) by step."""
        counts_SF = np.stack([counts for _, _, counts, _, _ in fields], axis=1)
        if counts_SF.shape[0] != num_steps:
            raise ValueError(f"fields hold {counts_SF.shape[0]} steps, expected {num_steps}")
        # Episodes of a task differ in values, hardly in shape: the same few plans come again and again.
        key = (tuple((field[0], field[3], field[4]) for field in fields), num_steps, counts_SF.tobytes())
        plan = self._plans.get(key)
        if plan is None:
            plan = _interleave(self.layout.order, key[0], counts_SF)
            if len(plan.modality_T) <= _PLAN_LENGTH:
                if len(self._plans) >= _PLANS:
                    self._plans.clear()
                self._plans[key] = plan
        payload = {}
        for name, members, sort_N in plan.payload:
            rows = fields[members[0]][1] if len(members) == 1 else np.concatenate([fields[f][1] for f in members])
            payload[name] = rows if sort_N is None else rows[sort_N]
        length = len(plan.modality_T)
        return TokenSequence(
            names=self.layout.order,
            modality_T=plan.modality_T,
            payload=payload,
            predict_T=plan.predict_T,
            step_T=plan.step_T + np.int32(first_step) if first_step else plan.step_T,
            local_T=plan.local_T,
            position_T=np.arange(first_position, first_position + length, dtype=np.int32),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    """Where the rows of fields go: arrays of a `TokenSequence` with steps from 0, shared and so read-only.

    `payload` holds (modality, its fields, how to sort their joined rows by place or None) for each modality.
    """

    modality_T: np.ndarray
    predict_T: np.ndarray
    step_T: np.ndarray
    local_T: np.ndarray
    payload: tuple[tuple[str, tuple[int, ...], np.ndarray | None], ...]


def _interleave(order: tuple[str, ...], kinds: tuple[tuple[str, int, bool], ...], counts_SF: np.ndarray) -> _Plan:
    """The plan of fields of `kinds` (modality, local, predict) with `counts_SF` positions in each step."""
    num_steps, num_fields = counts_SF.shape
    flat = counts_SF.reshape(-1)
    field_T: np.ndarray = np.repeat(np.tile(np.arange(num_fields), num_steps), flat)
    step_T = np.repeat(np.repeat(np.arange(num_steps), num_fields), flat)
    starts_S = np.concatenate([[0], counts_SF.sum(1).cumsum()[:-1]])
    place_T = np.arange(len(field_T)) - starts_S[step_T]  # place within the step; observations come first
    indices = np.array([order.index(kind[0]) for kind in kinds], np.int16)
    marks = np.array([kind[1] for kind in kinds], np.int32)
    predicted = np.array([kind[2] for kind in kinds], bool)
    payload = []
    for index in dict.fromkeys(indices.tolist()):
        members = tuple(f for f in range(num_fields) if indices[f] == index)
        sort_N = None
        if len(members) > 1:  # two fields of one modality in a step must interleave by step too
            places = np.concatenate([np.flatnonzero(field_T == f) for f in members])
            sort_N = np.argsort(places, kind="stable")
        payload.append((order[index], members, sort_N))
    plan = _Plan(
        modality_T=indices[field_T],
        predict_T=predicted[field_T],
        step_T=step_T.astype(np.int32),
        local_T=np.where(marks[field_T] >= 0, place_T, marks[field_T]).astype(np.int32),
        payload=tuple(payload),
    )
    for array in (plan.modality_T, plan.predict_T, plan.step_T, plan.local_T):
        array.flags.writeable = False
    return plan


def _stack(value: Any) -> np.ndarray:
    """A single step's value as a stack of one."""
    if isinstance(value, (str, bytes)):
        stacked = np.empty(1, dtype=object)
        stacked[0] = value
        return stacked
    return np.asarray(value)[None]
