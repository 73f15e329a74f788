"""Episodes: the only record of opengato.

A game, a robot trajectory, a captioned picture and a page of a book are all an `Episode`: arrays indexed by step,
described by `ArraySpec`s. Letters: S steps.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np

Kind = Literal["text", "image", "audio", "video", "discrete", "continuous"]
MEDIA: tuple[Kind, ...] = ("image", "audio", "video")
"""Kinds whose values are files: pictures, sounds and films as the bytes of a PNG, a WAV, an MP4; no bytes: no value."""
Bound = float | tuple[float, ...] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ArraySpec:
    """What one field of a step holds.

    `name` carries meaning (`"metaworld/state"`): statistics and reports are keyed by it. `shape` is that of one step
    and may hold -1 where it varies (image sizes). A `discrete` value lies in [0, num_values); a `continuous` one in
    [low, high], where None means unbounded and a tuple gives each of its numbers, in row-major order, a bound of its
    own. `meaning` says it in words, with units.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...] = ()
    dtype: str = "float32"
    low: Bound = None
    high: Bound = None
    num_values: int | None = None
    meaning: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(self.shape))
        if self.kind not in get_args(Kind):
            raise ValueError(f"`kind` (={self.kind!r}) of spec {self.name!r} must be one of {get_args(Kind)}")
        if (self.num_values is not None) != (self.kind == "discrete"):
            raise ValueError(f"spec {self.name!r}: `num_values` belongs to discrete values and to them alone")
        for side in ("low", "high"):
            bound = getattr(self, side)
            if isinstance(bound, list | tuple):
                if len(bound) != self.size:
                    raise ValueError(f"spec {self.name!r}: `{side}` has {len(bound)} bounds for {self.size} numbers")
                one = len(set(bound)) == 1
                object.__setattr__(self, side, float(bound[0]) if one else tuple(float(x) for x in bound))

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest value, of shape () or `shape`, infinite where there is no bound."""
        low, high = (
            np.asarray(limit if bound is None else bound, np.float64)
            for bound, limit in ((self.low, -np.inf), (self.high, np.inf))
        )
        return low.reshape(self.shape) if low.ndim else low, high.reshape(self.shape) if high.ndim else high

    @property
    def size(self) -> int:
        """Numbers in one step's value."""
        return int(np.prod(self.shape, dtype=np.int64))

    def single(self) -> ArraySpec:
        """The spec of one of its numbers, whichever, with the widest bounds."""
        ends = zip((self.low, self.high), (min, max), strict=True)
        low, high = (widest(bound) if isinstance(bound, tuple) else bound for bound, widest in ends)
        return replace(self, shape=(), low=low, high=high)

    def validate(self, value: Any, where: str = "value", steps: int | None = None) -> None:
        """Raise ValueError, saying where and what, unless `value` fits; with `steps`, a stack (S, *shape) must."""
        fail = f"{where} does not fit its spec {self.name!r}: "
        if self.kind == "text" or (self.kind in MEDIA and not _is_numeric(value)):
            items = [value] if steps is None else list(value)
            wanted = str if self.kind == "text" else bytes
            if steps is not None and len(items) != steps:
                raise ValueError(f"{fail}received {len(items)} steps, expected {steps}")
            for item in items:
                if not isinstance(item, wanted):
                    raise ValueError(f"{fail}received {type(item).__name__}, expected {wanted.__name__}")
            return
        array = np.asarray(value)
        expected = self.shape if steps is None else (steps, *self.shape)
        if array.ndim != len(expected) or any(e not in (-1, a) for a, e in zip(array.shape, expected, strict=True)):
            raise ValueError(f"{fail}received shape {array.shape}, expected {expected}")
        if self.kind == "continuous":
            if not np.issubdtype(array.dtype, np.number):
                raise ValueError(f"{fail}received dtype {array.dtype}, expected numbers")
            if not np.isfinite(array).all():
                raise ValueError(f"{fail}received {int((~np.isfinite(array)).sum())} values that are not finite")
            self._check_range(array, *self.bounds, fail)
        elif self.kind == "discrete":
            if not np.issubdtype(array.dtype, np.integer):
                raise ValueError(f"{fail}received dtype {array.dtype}, expected integers")
            self._check_range(array, np.asarray(0), np.asarray((self.num_values or 1) - 1), fail)
        elif self.kind == "audio":
            raise ValueError(f"{fail}received {array.dtype} numbers, expected an encoded sound (see `media.wav`)")
        elif array.dtype != np.uint8:
            raise ValueError(f"{fail}received dtype {array.dtype}, expected uint8 pixels or encoded bytes")

    def _check_range(self, array: np.ndarray, low: np.ndarray, high: np.ndarray, fail: str) -> None:
        wrong = (array < low - 1e-4) | (array > high + 1e-4)
        if not wrong.any():
            return
        first = tuple(int(i) for i in np.argwhere(wrong)[0][-len(self.shape) :]) if self.shape else ()
        if low.ndim or high.ndim:  # each number has its own bounds: name the one that is wrong
            of_all = array[(..., *first)]
            low, high = (bound[first] if bound.ndim else bound for bound in (low, high))
            fail += f"number {list(first)}: "
        else:
            of_all = array
        span = f"[{of_all.min():g}, {of_all.max():g}]"
        raise ValueError(f"{fail}received values in {span}, expected [{_plain(low)}, {_plain(high)}]")


def _plain(bound: np.ndarray) -> str:
    return "None" if np.isinf(bound) else f"{bound:g}"


def is_absent(value: Any) -> bool:
    """Whether a step has no picture, sound or film where others of its episode have one."""
    return isinstance(value, bytes) and not value


def _is_numeric(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype != object


SpecSet = tuple[dict[str, ArraySpec], dict[str, ArraySpec]]


def specs_to_json(observation: dict[str, ArraySpec], action: dict[str, ArraySpec]) -> dict[str, Any]:
    """A spec set as JSON values; `specs_from_json` is its inverse."""
    return {
        "observation": {name: asdict(spec) for name, spec in observation.items()},
        "action": {name: asdict(spec) for name, spec in action.items()},
    }


def specs_from_json(data: dict[str, Any]) -> SpecSet:
    """Observation and action specs; a field this version does not know is a TypeError of `ArraySpec`."""
    observation, action = (
        {name: ArraySpec(**spec) for name, spec in data[side].items()} for side in ("observation", "action")
    )
    return observation, action


@dataclass(frozen=True, kw_only=True, slots=True)
class Episode:
    """What happened from a reset to the end, or one document (a single step whose action is its text).

    `observations[name]` and `actions[name]` hold S values each: arrays (S, *spec.shape), or object arrays (S,) of
    `str` for text and of encoded `bytes` for what is a file (`MEDIA`), none where a step has none; pictures and films
    may be arrays of pixels, too: (H, W, 3) and (F, H, W, 3) uint8. Action t answers observation t. An action is what
    the policy meant to do; where a collector disturbed its execution, `provenance` says so. `actions` may lie outside
    a controller's tolerance: codecs clip, the record does not.

    Example: a captioned picture has `observations={"image": [png_bytes]}` and `actions={"caption": ["red panda"]}`.
    """

    task: str
    instruction: str
    observation_specs: dict[str, ArraySpec]
    action_specs: dict[str, ArraySpec]
    observations: dict[str, np.ndarray]
    actions: dict[str, np.ndarray]
    rewards: np.ndarray
    terminated: bool = True
    truncated: bool = False
    success: bool | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def num_steps(self) -> int:
        return len(self.rewards)

    @property
    def episode_return(self) -> float:
        """Sum of rewards, undiscounted."""
        return float(np.sum(self.rewards, dtype=np.float64))

    def validate(self) -> Episode:
        """Return self, or raise ValueError saying what, where, received, expected."""
        if self.num_steps == 0:
            raise ValueError(f"episode of {self.task!r} has no steps")
        sides = (
            ("observation", self.observation_specs, self.observations),
            ("action", self.action_specs, self.actions),
        )
        for side, specs, values in sides:
            if specs.keys() != values.keys():
                raise ValueError(
                    f"episode of {self.task!r}: {side} fields {sorted(values)} do not match the specs {sorted(specs)}"
                )
            for name, spec in specs.items():
                spec.validate(
                    values[name], where=f"{side} {name!r} of an episode of {self.task!r}", steps=self.num_steps
                )
        if not np.isfinite(self.rewards).all():
            raise ValueError(f"episode of {self.task!r}: rewards hold values that are not finite")
        return self


def columns(steps: list[dict[str, Any]], specs: dict[str, ArraySpec]) -> dict[str, np.ndarray]:
    """Values by step as the fields of an episode."""
    return {
        name: objects([step[name] for step in steps]) if spec.kind == "text" else np.stack([s[name] for s in steps])
        for name, spec in specs.items()
    }


def objects(items: list[Any]) -> np.ndarray:
    """An object array (S,) of strings or bytes, never split into characters by numpy."""
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


MEDIA_SPECS = {
    "image": ArraySpec(name="image", kind="image", shape=(-1, -1, 3), dtype="uint8"),
    "audio": ArraySpec(name="audio", kind="audio", shape=(-1,), dtype="float32"),
    "video": ArraySpec(name="video", kind="video", shape=(-1, -1, -1, 3), dtype="uint8"),
}


def document(
    task: str,
    text: str,
    *,
    image: bytes | None = None,
    audio: bytes | None = None,
    video: bytes | None = None,
    instruction: str = "",
    **provenance: Any,
) -> Episode:
    """A one-step episode: write `text`, having seen `image`, `audio`, `video` (encoded bytes), those that there are."""
    given = {"image": image, "audio": audio, "video": video}
    seen = {name: value for name, value in given.items() if value is not None}
    field_name = "text" if image is None else "caption"
    return Episode(
        task=task,
        instruction=instruction,
        observation_specs={name: MEDIA_SPECS[name] for name in seen},
        action_specs={field_name: ArraySpec(name=field_name, kind="text", dtype="str")},
        observations={name: objects([value]) for name, value in seen.items()},
        actions={field_name: objects([text])},
        rewards=np.zeros(1, np.float32),
        provenance=provenance,
    )
