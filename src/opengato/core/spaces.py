"""Any Gymnasium space as the arrays of a step, and back, without loss.

A plain space is one field, named by its side; `Dict` and `Tuple` give a field for each of their leaves, with keys
joined by `/`. Each field gets the spec that an agent reads and writes best:

| space | field |
|---|---|
| `Box` of floats | continuous, with the bounds of each number |
| `Box` of integers | discrete, counted from its lower bound; continuous where it spans more than 1024 values |
| `Box` of uint8 in [0, 255], (H, W), (H, W, 1 or 3) or (1 or 3, H, W), sides of 16 and more | image (H, W, 3) |
| `Discrete`, `MultiDiscrete`, `MultiBinary` | discrete, counted from `start` |
| `Text` | text |

An action whose numbers have different counts of values becomes a field for each of them, so that none can be chosen
that does not exist. Letters: H height, W width of an image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from gymnasium import spaces

from opengato.core.episode import ArraySpec

Side = Literal["observation", "action"]
Values = dict[str, np.ndarray]
MOST_VALUES = 1024  # of a discrete field, as in Gato; integers that span more are numbers
SMALLEST_IMAGE = 16  # pixels a side; what is smaller is a grid of cells, such as MiniGrid's 7 x 7 x 3
HUGE = 1e30  # a bound beyond it is none: some spaces write "unbounded" as the largest float


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A space that holds no others: its fields by the end of their key ("" for a single one), to arrays and back."""

    specs: dict[str, ArraySpec]
    take: Callable[[Any], Values]
    give: Callable[[Values], Any]


class SpaceArrays:
    """Values of `space` as arrays by field, and back.

    `specs` are named `<name>/<side>/<key>`, so that statistics of different tasks stay apart. ValueError for a space
    that cannot be represented says what to do.

    >>> arrays = SpaceArrays(spaces.Dict(grip=spaces.Discrete(2), arm=spaces.Box(-1, 1, (3,))), "mine/lift", "action")
    >>> list(arrays.specs)
    ['arm', 'grip']
    """

    def __init__(self, space: spaces.Space, name: str, side: Side) -> None:
        self.space = space
        self._leaves = {key: _leaf(leaf, _joined(name, side, key), side) for key, leaf in _leaves_of(space, "")}
        self.specs: dict[str, ArraySpec] = {
            _joined(key, end) or side: spec for key, leaf in self._leaves.items() for end, spec in leaf.specs.items()
        }
        self._side = side

    def arrays(self, value: Any) -> Values:
        """A value of the space as arrays that fit `specs`."""
        found: Values = {}
        for key, part in _parts_of(self.space, value, ""):
            for end, array in self._leaves[key].take(part).items():
                found[_joined(key, end) or self._side] = array
        return found

    def value(self, arrays: Mapping[str, Any]) -> Any:
        """The value of the space that `arrays` made."""
        return self._value(self.space, "", arrays)

    def _value(self, space: spaces.Space, key: str, arrays: Mapping[str, Any]) -> Any:
        if isinstance(space, spaces.Dict):
            return {name: self._value(part, _joined(key, name), arrays) for name, part in space.spaces.items()}
        if isinstance(space, spaces.Tuple):
            return tuple(self._value(part, _joined(key, str(i)), arrays) for i, part in enumerate(space.spaces))
        leaf = self._leaves[key]
        return leaf.give({end: arrays[_joined(key, end) or self._side] for end in leaf.specs})


def _joined(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def _members(space: spaces.Space) -> list[tuple[str, spaces.Space]] | None:
    """The parts of a space of spaces by key, None for a leaf."""
    if isinstance(space, spaces.Tuple):
        return [(str(i), part) for i, part in enumerate(space.spaces)]
    if isinstance(space, spaces.Dict):
        wrong = [name for name in space.spaces if not isinstance(name, str) or not name or "/" in name]
        if wrong:
            raise ValueError(f"a Dict space has the keys {wrong}; expected words without `/`: rename them in a wrapper")
        return list(space.spaces.items())
    return None


def _leaves_of(space: spaces.Space, key: str) -> list[tuple[str, spaces.Space]]:
    members = _members(space)
    if members is None:
        return [(key, space)]
    return [leaf for name, part in members for leaf in _leaves_of(part, _joined(key, name))]


def _parts_of(space: spaces.Space, value: Any, key: str) -> list[tuple[str, Any]]:
    members = _members(space)
    if members is None:
        return [(key, value)]
    by_name = dict(value) if isinstance(space, spaces.Dict) else {str(i): part for i, part in enumerate(value)}
    if by_name.keys() != dict(members).keys():
        raise ValueError(
            f"{key or 'the value'} has the parts {sorted(by_name)}, but its space {sorted(dict(members))}; "
            "make the environment give what it declares"
        )
    return [leaf for name, part in members for leaf in _parts_of(part, by_name[name], _joined(key, name))]


def _leaf(space: spaces.Space, name: str, side: Side) -> _Leaf:
    if isinstance(space, spaces.Discrete):
        return _discrete(space, name, side, np.asarray(space.n), np.asarray(space.start))
    if isinstance(space, spaces.MultiDiscrete):
        return _discrete(space, name, side, space.nvec, space.start)
    if isinstance(space, spaces.MultiBinary):
        return _discrete(space, name, side, np.full(space.shape, 2), np.zeros(space.shape, np.int64))
    if isinstance(space, spaces.Text):
        spec = ArraySpec(name=name, kind="text", dtype="str", meaning=_meaning(space))
        return _single(spec, str, str)
    if isinstance(space, spaces.Box):
        return _box(space, name, side)
    raise ValueError(
        f"{name!r} is a {type(space).__name__} space, which has no fixed fields; expected Box, Discrete, "
        "MultiDiscrete, MultiBinary, Text, or a Dict or Tuple of them: turn it into one with "
        f"gymnasium.wrappers.Transform{side.capitalize()}"
    )


def _box(space: spaces.Box, name: str, side: Side) -> _Leaf:
    low, high = space.low.astype(np.float64), space.high.astype(np.float64)
    whole = space.dtype.kind in "biu"
    bounded = bool(np.isfinite(low).all() and np.isfinite(high).all() and max(abs(low).max(), abs(high).max()) < HUGE)
    if space.dtype == np.uint8 and low.min() == low.max() == 0 and high.min() == high.max() == 255 and side != "action":
        layout = _image_layout(space.shape, name)
        if layout is not None:
            return _image(space, name, layout)
    if whole and bounded and (high - low).max() < MOST_VALUES:
        return _discrete(space, name, side, (high - low + 1).astype(np.int64), low.astype(np.int64))
    if side == "action" and not bounded:
        raise ValueError(
            f"action {name!r} is {space}, without bounds on every number; an agent chooses among bins between bounds: "
            "wrap the environment in gymnasium.wrappers.TransformAction(env, lambda action: action, "
            f"gymnasium.spaces.Box(-1, 1, {space.shape})), with the bounds that your robot really uses"
        )
    spec = ArraySpec(
        name=name,
        kind="continuous",
        shape=space.shape,
        dtype="float64" if whole else space.dtype.name,
        low=tuple(low.ravel().tolist()) if bounded else None,
        high=tuple(high.ravel().tolist()) if bounded else None,
        meaning=_meaning(space),
    )

    def give(value: np.ndarray) -> np.ndarray:
        array = np.rint(value) if whole else value
        return np.asarray(array, space.dtype).reshape(space.shape)

    return _single(spec, lambda value: np.asarray(value, spec.dtype), give)


def _discrete(space: spaces.Space, name: str, side: Side, count: np.ndarray, start: np.ndarray) -> _Leaf:
    """Counts from `start`; one field, or one for each number if an action's numbers have different counts."""
    shape, dtype = count.shape, np.dtype(space.dtype or np.int64)
    split = side == "action" and len(set(count.ravel().tolist())) > 1
    counts = dict(zip(map(str, range(count.size)), count.ravel().tolist(), strict=True)) if split else {"": count.max()}
    specs = {
        end: ArraySpec(
            name=_joined(name, end),
            kind="discrete",
            shape=() if split else shape,
            dtype="int64" if split or not shape else _smallest(int(most)),
            num_values=int(most),
            meaning=_meaning(space),
        )
        for end, most in counts.items()
    }

    def take(value: Any) -> Values:
        counted = np.asarray(value).astype(np.int64) - start
        if split:
            return {end: np.asarray(number, np.int64) for end, number in zip(specs, counted.ravel(), strict=True)}
        if counted.size and not (counted.min() >= 0 and counted.max() < 2**31):
            raise ValueError(f"{name!r} holds {value}, expected values of {space}")
        return {"": counted.astype(specs[""].dtype)}

    def give(values: Values) -> Any:
        counted = np.array([int(values[end]) for end in specs]).reshape(shape) if split else np.asarray(values[""])
        array = (counted.astype(np.int64) + start).astype(dtype).reshape(shape)
        return array if shape else dtype.type(array)

    return _Leaf(specs, take, give)


def _smallest(num_values: int) -> str:
    """The smallest integers that hold the values: grids of cells are the bulk of some stores."""
    return "uint8" if num_values <= 256 else "int64"


def _image_layout(shape: tuple[int, ...], name: str) -> str | None:
    """How pixels lie: "hw", "hwc" or "chw"; None for what is too small to be a picture."""
    sides = sorted(shape, reverse=True)[:2]
    if len(shape) not in (2, 3) or min(sides) < SMALLEST_IMAGE:
        return None
    if len(shape) == 2:
        return "hw"
    if shape[2] in (1, 3):
        return "hwc"
    if shape[0] in (1, 3):
        return "chw"
    raise ValueError(
        f"{name!r} is a Box of uint8 of shape {shape}: pictures have 1 or 3 channels, first or last. If it stacks "
        "frames, leave gymnasium.wrappers.FrameStackObservation out, as an agent remembers past steps itself; else "
        "choose channels with gymnasium.wrappers.TransformObservation"
    )


def _image(space: spaces.Box, name: str, layout: str) -> _Leaf:
    """Pixels as (H, W, 3); grey ones are repeated in all three channels."""
    height, width = space.shape[1:] if layout == "chw" else space.shape[:2]
    channels = 1 if layout == "hw" else space.shape[0] if layout == "chw" else space.shape[2]
    spec = ArraySpec(name=name, kind="image", shape=(height, width, 3), dtype="uint8", meaning=_meaning(space))

    def take(value: Any) -> np.ndarray:
        pixels = np.asarray(value, np.uint8).reshape(space.shape)
        pixels = np.moveaxis(pixels, 0, 2) if layout == "chw" else pixels.reshape(height, width, channels)
        return np.ascontiguousarray(np.broadcast_to(pixels, spec.shape))

    def give(array: np.ndarray) -> np.ndarray:
        pixels = np.asarray(array)[..., :channels]
        pixels = np.moveaxis(pixels, 2, 0) if layout == "chw" else pixels
        return np.ascontiguousarray(pixels).reshape(space.shape)

    return _single(spec, take, give)


def _single(spec: ArraySpec, take: Callable[[Any], Any], give: Callable[[Any], Any]) -> _Leaf:
    return _Leaf({"": spec}, lambda value: {"": take(value)}, lambda values: give(values[""]))


def _meaning(space: spaces.Space) -> str:
    text = " ".join(str(space).split())
    return f"of {text if len(text) <= 120 else type(space).__name__ + ' ' + str(space.shape)}"
