"""The templates: each makes a scene, a question about it and the only right answer.

A template takes a generator, the names it may use and a running number, which says the answer where answers are to be
equally frequent.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from opengato.sources.scenes.compose import COLOURS, Scene, Thing

Made = tuple[Scene, str, str]
Template = Callable[[np.random.Generator, Sequence[str], int], Made]
SIDES = (64, 96)
LEAST, MOST = 0.22, 0.34  # the side of a thing as a share of the picture's
NUMBERS = 6
IN_A_ROW = (0.18, 0.27)
SMALL, BIG = (0.17, 0.24), (0.38, 0.5)
RELATIONS = {"left of": (-1, 0), "right of": (1, 0), "above": (0, -1), "below": (0, 1)}
TRIES = 100


def number(generator: np.random.Generator, names: Sequence[str], index: int) -> Made:
    """How many things of any kind."""
    count = 1 + index % NUMBERS
    return scattered(generator, pick(generator, names, count)), "how many things are there?", str(count)


def count(generator: np.random.Generator, names: Sequence[str], index: int) -> Made:
    """How many of one kind, among up to two others."""
    wanted = index % 5
    asked, *others = pick(generator, names, 1 + int(generator.integers(wanted == 0, 3)))
    return scattered(generator, [asked] * wanted + others), f"how many {plural(asked)} are there?", str(wanted)


def name(generator: np.random.Generator, names: Sequence[str], index: int) -> Made:
    """What the only thing is."""
    answer = names[index % len(names)]
    return scattered(generator, [answer], share=(0.3, 0.6)), "what is it?", answer


def beside(generator: np.random.Generator, names: Sequence[str], index: int) -> Made:
    """What is on one side of the middle one of three."""
    answer = names[index % len(names)]
    other, middle = pick(generator, [one for one in names if one != answer], 2)
    relation = list(RELATIONS)[int(generator.integers(len(RELATIONS)))]
    across, down = RELATIONS[relation]
    side = int(generator.choice(SIDES))
    things = []
    for thing, step in ((answer, 1), (middle, 0), (other, -1)):
        size = round(side * generator.uniform(*IN_A_ROW))
        centre = side * (0.5 + np.array([across, down]) * step / 3 + generator.uniform(-0.02, 0.02, 2))
        left, top = np.round(centre - size / 2).astype(int).tolist()
        things.append(Thing(name=thing, left=left, top=top, side=size))
    return shuffled(generator, side, things), f"what is {relation} the {middle}?", answer


def side(generator: np.random.Generator, names: Sequence[str], index: int) -> Made:
    """Where one of two things is, seen from the other."""
    answer = list(RELATIONS)[index % len(RELATIONS)]
    one, other = pick(generator, names, 2)
    for _ in range(TRIES):
        scene = scattered(generator, [one, other], share=(0.22, 0.4))
        if relation_of(*scene.things) == answer:
            break
        turned = Scene(side=scene.side, things=tuple(turn(thing, scene.side) for thing in scene.things))
        if relation_of(*turned.things) == answer:
            scene = turned
            break
    else:
        raise AssertionError(f"no scene with one thing {answer} another in {TRIES} tries")
    question = f"is the {one} {', '.join(list(RELATIONS)[:-1])} or {list(RELATIONS)[-1]} the {other}?"
    return scene, question, answer


def colour(generator: np.random.Generator, names: Sequence[str], index: int) -> Made:
    """The colour of one of up to three things, all of them of one colour each."""
    answer = list(COLOURS)[index % len(COLOURS)]
    asked, *others = pick(generator, names, 1 + int(generator.integers(3)))
    rest = generator.permutation([one for one in COLOURS if one != answer])
    scene = scattered(generator, [asked, *others], colours=[answer, *rest[: len(others)].tolist()], share=(0.25, 0.4))
    return scene, f"what colour is the {asked}?", answer


def there(generator: np.random.Generator, names: Sequence[str], index: int) -> Made:
    """Whether a thing is among up to four."""
    asked, *others = pick(generator, names, 2 + int(generator.integers(3)))
    answer = ("yes", "no")[index % 2]
    shown = [asked, *others[1:]] if answer == "yes" else others
    return scattered(generator, shown), f"is there {article(asked)} {asked}?", answer


def bigger(generator: np.random.Generator, names: Sequence[str], index: int) -> Made:
    """Which of two things is drawn bigger."""
    big, small = pick(generator, names, 2)
    side = int(generator.choice(SIDES))
    sizes = [round(side * generator.uniform(*share)) for share in (BIG, SMALL)]
    first, second = (big, small) if index % 2 else (small, big)
    scene = shuffled(generator, side, place(generator, side, [big, small], sizes))
    return scene, f"which is bigger, the {first} or the {second}?", big


TEMPLATES: dict[str, Template] = {
    "number": number,
    "count": count,
    "name": name,
    "beside": beside,
    "side": side,
    "colour": colour,
    "there": there,
    "bigger": bigger,
}
ANSWERED_BY_NAME = ("name", "beside")


def pick(generator: np.random.Generator, names: Sequence[str], count: int) -> list[str]:
    """Different names."""
    return [names[i] for i in generator.choice(len(names), count, replace=False)]


def scattered(
    generator: np.random.Generator,
    names: Sequence[str],
    *,
    colours: Sequence[str] = (),
    share: tuple[float, float] = (LEAST, MOST),
) -> Scene:
    """Things that do not touch, anywhere in a picture of either size; `share` is how large they are in it."""
    side = int(generator.choice(SIDES))
    crowd = 0.8 if len(names) > 4 else 1.0
    sizes = [max(8, round(side * crowd * generator.uniform(*share))) for _ in names]
    things = place(generator, side, names, sizes, colours)
    return Scene(side=side, things=tuple(things))


def shuffled(generator: np.random.Generator, side: int, things: Sequence[Thing]) -> Scene:
    """A scene whose order of things says nothing."""
    return Scene(side=side, things=tuple(things[i] for i in generator.permutation(len(things))))


def place(
    generator: np.random.Generator, side: int, names: Sequence[str], sizes: Sequence[int], colours: Sequence[str] = ()
) -> list[Thing]:
    """Things in boxes that do not overlap; where there is no room, all are tried again a pixel smaller."""
    while True:
        things: list[Thing] = []
        for i, (thing, size) in enumerate(zip(names, sizes, strict=True)):
            for _ in range(TRIES):
                left, top = generator.integers(0, side - size + 1, 2).tolist()
                made = Thing(name=thing, left=left, top=top, side=size, colour=colours[i] if colours else None)
                if not any(overlap(made, other) for other in things):
                    things.append(made)
                    break
        if len(things) == len(names):
            return things
        sizes = [max(8, size - 1) for size in sizes]


def overlap(one: Thing, other: Thing) -> bool:
    """Whether two boxes share a pixel."""
    return (
        one.left < other.left + other.side
        and other.left < one.left + one.side
        and one.top < other.top + other.side
        and other.top < one.top + one.side
    )


def relation_of(one: Thing, other: Thing) -> str | None:
    """Where `one` is, seen from `other`; None where it is as much beside as above or below."""
    across = (one.left + one.side / 2) - (other.left + other.side / 2)
    down = (one.top + one.side / 2) - (other.top + other.side / 2)
    for relation, (right, low) in RELATIONS.items():
        along, aside = across * right + down * low, across * low + down * right
        if along > 2 * abs(aside):
            return relation
    return None


def turn(thing: Thing, side: int) -> Thing:
    """The place of a thing after a quarter turn of the scene; the thing itself stands upright."""
    return Thing(name=thing.name, left=side - thing.top - thing.side, top=thing.left, side=thing.side)


def plural(name: str) -> str:
    """More than one of a thing with a regular plural."""
    if name.endswith(("s", "x", "ch", "sh")):
        return f"{name}es"
    if name.endswith("y") and name[-2] not in "aeiou":
        return f"{name[:-1]}ies"
    return f"{name}s"


def article(name: str) -> str:
    """The indefinite article."""
    return "an" if name[0] in "aeiou" else "a"
