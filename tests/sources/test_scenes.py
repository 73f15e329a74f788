"""Questions about composed scenes: each answer is worked out again from what lies where, and from the pixels."""

from __future__ import annotations

import io
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from opengato.core.episode import Episode
from opengato.sources import scenes, split_of
from opengato.sources.pictures import concept
from opengato.sources.scenes.compose import COLOURS, THINGS, Drawings, Scene, Thing, draw, tinted
from opengato.sources.scenes.templates import ANSWERED_BY_NAME, TEMPLATES, article, plural
from tests.sources import trees

Found = list[tuple[str, Episode]]


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    names = {f"{0x1F400 + i:X}": name for i, name in enumerate(THINGS)}
    return trees.emoji(tmp_path_factory.mktemp("emoji"), names)


@pytest.fixture(scope="module")
def found(roots: dict[str, Path]) -> Found:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "TRAIN", 60)
        patch.setattr(scenes, "TEST", 24)
        return list(scenes.Source().read(roots))


def answer_of(question: str, things: list[dict[str, Any]]) -> str:
    """The answer, by other code: boxes by their centres, words of the question in order."""
    names = [thing["name"] for thing in things]
    centre = {t["name"]: np.array([t["left"], t["top"]]) + t["side"] / 2 for t in things}
    asked = [word for word in re.findall(r"[a-z]+", question) if word in THINGS]
    if question == "how many things are there?":
        return str(len(things))
    if question == "what is it?":
        return names[0]
    if question.startswith("how many"):
        return str(sum(plural(name) == question.split()[2] for name in names))
    if question.startswith("what colour"):
        return next(t["colour"] for t in things if t["name"] == asked[0])
    if question.startswith("is there"):
        return "yes" if asked[0] in names else "no"
    if question.startswith("which is bigger"):
        return max((t for t in things if t["name"] in asked), key=lambda t: t["side"])["name"]
    if question.startswith("is the"):
        across, down = centre[asked[0]] - centre[asked[1]]
        if abs(across) > abs(down):
            return "left of" if across < 0 else "right of"
        return "above" if down < 0 else "below"
    axis, sign = {"left": (0, -1), "right": (0, 1), "above": (1, -1), "below": (1, 1)}[question.split()[2]]
    (there,) = [name for name in names if sign * (centre[name] - centre[asked[0]])[axis] > 5]
    return there


def test_every_answer_is_right(found: Found) -> None:
    for _, episode in found:
        episode.validate()
        things = episode.provenance["things"]
        assert episode.actions["caption"][0] == answer_of(episode.instruction, things), episode.instruction
        side = Image.open(io.BytesIO(episode.observations["image"][0])).width
        taken = np.zeros((side, side), int)
        for thing in things:
            rows, columns = (slice(thing[edge], thing[edge] + thing["side"]) for edge in ("top", "left"))
            assert taken[rows, columns].shape == (thing["side"],) * 2, "inside the picture"
            taken[rows, columns] += 1
        assert taken.max() == 1, "nothing lies on another thing"


def test_answers_are_balanced_and_tasks_are_those_of_the_card(found: Found) -> None:
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for split, episode in found:
        answers[episode.task if split == "train" else f"{episode.task} test"][episode.actions["caption"][0]] += 1
    assert {key.removesuffix(" test") for key in answers} == set(scenes.Source.card.tasks)
    for name in ("number", "count", "side", "colour", "there"):
        counts = answers[f"vqa/scenes-{name}"].values()
        assert max(counts) == min(counts), name
    assert max(answers["vqa/scenes-name"].values()) <= 2
    assert set(answers["vqa/scenes-number"]) == set("123456")


def test_the_first_of_two_names_is_not_the_answer(found: Found) -> None:
    asked = [e for _, e in found if e.task == "vqa/scenes-bigger"]
    first = sum(f"the {e.actions['caption'][0]} or" in e.instruction for e in asked)
    assert first == len(asked) // 2


def test_no_held_out_thing_is_trained_on_and_no_scene_comes_twice(found: Found) -> None:
    seen: dict[str, set[str]] = defaultdict(set)
    pictures: dict[str, set[bytes]] = defaultdict(set)
    for split, episode in found:
        part = "new" if episode.task.endswith("-new") else "known"
        seen[part] |= {thing["name"] for thing in episode.provenance["things"]}
        seen[part] |= {word for word in re.findall(r"[a-z]+", episode.instruction) if word in THINGS}
        pictures[split].add(episode.observations["image"][0])
    assert len(seen["new"]) >= 10
    assert {split_of(concept(name)) for name in seen["new"]} == {"test"}
    assert {split_of(concept(name)) for name in seen["known"]} == {"train"}
    assert not pictures["train"] & pictures["test"]


def test_the_same_every_time(roots: dict[str, Path], found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where fewer are asked for: an item depends on its own number alone."""
    monkeypatch.setattr(scenes, "TRAIN", 2)
    monkeypatch.setattr(scenes, "TEST", 1)
    again = list(scenes.Source().read(roots))
    assert len(again) == 3 * len(TEMPLATES) + len(TEMPLATES) - len(ANSWERED_BY_NAME)
    before = {(e.task, e.instruction, bytes(e.observations["image"][0])) for _, e in found}
    assert all((e.task, e.instruction, bytes(e.observations["image"][0])) in before for _, e in again)


def test_things_are_drawn_where_the_scene_says(roots: dict[str, Path]) -> None:
    """Two scenes that differ in one thing differ in its box and nowhere else."""
    drawings = Drawings(roots["emoji-datasource-google"], roots["emojibase-data"], held_out=False)
    one, other = (Thing(name=name, left=4, top=30, side=20) for name in ("dog", "cat"))
    far = Thing(name="key", left=40, top=2, side=15)
    pictures = [
        np.asarray(Image.open(io.BytesIO(draw(Scene(side=64, things=things), drawings, np.random.default_rng(3)))))
        for things in ((one, far), (other, far))
    ]
    changed = (pictures[0] != pictures[1]).any(-1)
    assert changed[30:50, 4:24].mean() > 0.9
    changed[30:50, 4:24] = False
    assert not changed.any()


def test_a_thing_of_one_colour_has_its_hue() -> None:
    grey = Image.fromarray(np.array([[[0, 0, 0, 255], [255, 255, 255, 9]]], np.uint8))
    for red, green, blue in COLOURS.values():
        dark, light = np.asarray(tinted(grey, (red, green, blue)))[0].astype(int)
        assert light.tolist() == [red, green, blue, 9]
        np.testing.assert_allclose(dark, [0.35 * red, 0.35 * green, 0.35 * blue, 255], atol=0.51)


def test_words() -> None:
    assert [plural(name) for name in ("dog", "bus", "strawberry", "key", "octopus")] == [
        "dogs",
        "buses",
        "strawberries",
        "keys",
        "octopuses",
    ]
    assert (article("owl"), article("dog")) == ("an", "a")
    assert len(set(map(plural, THINGS))) == len(THINGS) == len(set(THINGS))
