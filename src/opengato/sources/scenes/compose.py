"""Drawings put on a ground where a scene says. Letters: H height, W width, C channels."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from opengato.core.picture import opened
from opengato.sources import require, split_of
from opengato.sources.emoji_sets import catalogue
from opengato.sources.pictures import concept

# Things with one look, one name and a regular plural. Which of them are held out, `split_of` says.
THINGS: Sequence[str] = (
    "airplane anchor avocado axe backpack balloon banana basket bell bicycle broom bus butterfly cactus camel camera "
    "candle carrot castle cat chair cookie cow crab crown dog dolphin door doughnut dress drum duck eggplant elephant "
    "frog giraffe guitar hamburger hammer hedgehog helicopter horse house kangaroo key kite lemon lobster lollipop "
    "magnet mirror mushroom octopus owl parachute peacock pear pencil penguin pig pineapple pizza rabbit rocket rose "
    "shield snail snake spider squid strawberry sunflower taco teapot tractor trophy trumpet turtle umbrella violin "
    "volcano watermelon whale zebra"
).split()
COLOURS = {
    "red": (225, 40, 40),
    "orange": (245, 140, 30),
    "yellow": (245, 220, 40),
    "green": (45, 170, 60),
    "blue": (50, 90, 230),
    "purple": (150, 60, 190),
}
DARKEST = 0.35  # how bright a black line is in a thing of one colour


@dataclass(frozen=True, kw_only=True, slots=True)
class Thing:
    """A thing in a scene: the corner and the longer side of its box in pixels, and its colour if it has only one."""

    name: str
    left: int
    top: int
    side: int
    colour: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """A square picture of `side` pixels and what is in it."""

    side: int
    things: tuple[Thing, ...]


class Drawings:
    """The drawings of things in one split, cut out: those that may be trained on, or those held out."""

    def __init__(self, drawings: Path, names: Path, held_out: bool):
        paths = {name: path for path, _, name in catalogue(drawings, names, "google", "scenes")}
        wanted = [name for name in THINGS if (split_of(concept(name)) == "test") == held_out]
        self.paths = {name: require(paths.get(name, drawings / name), "scenes") for name in wanted}
        self.names = tuple(wanted)
        self._cut: dict[str, Image.Image] = {}
        self._small: dict[tuple[str, int, str | None], Image.Image] = {}

    def cut_out(self, name: str, side: int, colour: str | None) -> Image.Image:
        """A thing, RGBA, its longer side `side` pixels; with a colour, in shades of it."""
        key = name, side, colour
        if key not in self._small:
            if name not in self._cut:
                picture = opened(self.paths[name]).convert("RGBA")
                self._cut[name] = picture.crop(picture.getchannel("A").getbbox())
            whole = self._cut[name]
            scale = side / max(whole.size)
            size = (max(1, round(whole.width * scale)), max(1, round(whole.height * scale)))
            small = whole.resize(size, Image.Resampling.LANCZOS)
            self._small[key] = small if colour is None else tinted(small, COLOURS[colour])
        return self._small[key]


def tinted(picture: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    """A picture (RGBA) in shades of one colour."""
    grey_HW1 = np.asarray(picture.convert("L"), np.float64)[..., None] / 255
    shaded_HWC = (DARKEST + (1 - DARKEST) * grey_HW1) * np.array(colour)
    alpha_HW1 = np.asarray(picture.getchannel("A"))[..., None]
    return Image.fromarray(np.concatenate([shaded_HWC.round().astype(np.uint8), alpha_HW1], axis=2))


def draw(scene: Scene, drawings: Drawings, generator: np.random.Generator) -> bytes:
    """The scene as a PNG; each thing lies in the middle of its box."""
    canvas = Image.fromarray(ground(scene.side, generator)).convert("RGBA")
    for thing in scene.things:
        picture = drawings.cut_out(thing.name, thing.side, thing.colour)
        left = thing.left + (thing.side - picture.width) // 2
        canvas.alpha_composite(picture, (left, thing.top + (thing.side - picture.height) // 2))
    stream = io.BytesIO()
    canvas.convert("RGB").save(stream, "PNG")
    return stream.getvalue()


def ground(side: int, generator: np.random.Generator) -> np.ndarray:
    """A pale or dark grey-ish ground (side, side, 3): plain, a slope of light, stripes, or squares."""
    base_C = generator.choice([60, 130, 235]) + generator.integers(-20, 20, 3)
    across, down = np.meshgrid(np.arange(side), np.arange(side))
    width = int(generator.integers(4, 17))
    patterns = (
        np.zeros((side, side)),
        (across + down) / side - 1,
        (across + int(generator.integers(0, 2)) * down) // width % 2 - 0.5,
        (across // width + down // width) % 2 - 0.5,
    )
    pattern_HW = patterns[int(generator.integers(len(patterns)))]
    light_HWC = base_C + float(generator.uniform(8, 24)) * pattern_HW[..., None]
    return np.clip(light_HWC, 0, 255).astype(np.uint8)
