"""`opengato caption`, `ask`, `transcribe`, `draw` and `retrieve`: one agent, files in, words and pictures out."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from opengato.agent.files import load_agent
from opengato.agent.indexing import listed as files_of
from opengato.agent.model import Agent
from opengato.cli.agents import ACTING_THREADS
from opengato.cli.senses_arguments import Ask, Caption, Draw, Retrieve, Transcribe
from opengato.core.episode import Kind
from opengato.core.media import TEXT_SUFFIXES, media_kind
from opengato.core.picture import decoded
from opengato.evaluators.heldout import held_out_pictures, held_out_tasks
from opengato.sources import pictures, speech

SAMPLE, SAMPLES = "sample:", "samples"
NAMES: dict[Kind, str] = {"image": "pictures", "video": "films", "audio": "sounds", "text": "text"}
DESCRIBE: dict[Kind, str] = {
    "image": pictures.INSTRUCTION,
    "video": pictures.FILM_INSTRUCTION,
    "audio": "what is this sound?",
}


@dataclass(frozen=True, slots=True)
class Item:
    """What a user gave: where it came from, its kind, and what an agent takes."""

    name: str
    kind: Kind
    value: Any


def caption(arguments: Caption) -> None:
    """A line for each file, as it is written; with several files its name first."""
    items = [read_item(word) for word in given(arguments.files, "pictures, films or sounds")]
    agent = able_agent(arguments.agent, items)
    for item in items:
        inputs = [item.value, arguments.instruction or DESCRIBE[item.kind]]
        write(
            heading(item, items),
            agent.stream(inputs, arguments.length, temperature=arguments.temperature, seed=arguments.seed),
        )


def ask(arguments: Ask) -> None:
    """The answer, as it is written."""
    item = read_item(arguments.file)
    agent = able_agent(arguments.agent, [item])
    inputs = [item.value, arguments.question]
    write("", agent.stream(inputs, arguments.length, temperature=arguments.temperature, seed=arguments.seed))


def transcribe(arguments: Transcribe) -> None:
    """A line for each sound."""
    items = [read_item(word) for word in given(arguments.files, "sounds")]
    for item in items:
        if item.kind != "audio":
            raise ValueError(f"{item.name} is no sound: it holds {NAMES[item.kind]}, of which nothing can be heard")
    agent = able_agent(arguments.agent, items)
    for item in items:
        instruction = arguments.instruction or speech.INSTRUCTION
        spelt = None if agent.writes or agent.ctc is None else [agent.spell(item.value)]
        write(heading(item, items), spelt or agent.stream([item.value, instruction], arguments.length))


def draw(arguments: Draw) -> None:
    """Write a picture, enlarged."""
    if arguments.size < 1:
        raise ValueError(f"received --size {arguments.size}, expected 1 pixel or more")
    torch.set_num_threads(ACTING_THREADS)
    agent = load_agent(arguments.agent)
    if "action/image" not in agent.config.routes:
        raise ValueError(
            f"{arguments.agent!r} cannot draw: it writes {', '.join(kinds_of(agent, 'action'))}; train one whose "
            "recipe routes `action/image` to `image.tokens` and has `drawn` among its rules, such as `fusion-early`"
        )
    picture = agent.draw(arguments.text, temperature=arguments.temperature, seed=arguments.seed, top_p=arguments.top_p)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    picture.resize((arguments.size, arguments.size), Image.Resampling.BICUBIC).save(arguments.out)
    print(f"picture: {arguments.out}")


def retrieve(arguments: Retrieve) -> None:
    """The likest files first, with the cosine to the query."""
    if arguments.top < 1:
        raise ValueError(f"received --top {arguments.top}, expected 1 or more")
    is_file = Path(arguments.query).expanduser().is_file() or arguments.query.startswith(SAMPLE)
    query = read_item(arguments.query) if is_file else Item(arguments.query, "text", arguments.query)
    agent = able_agent(arguments.agent, [query])
    known = kinds_of(agent, "observation")
    items = [item for item in listed(arguments.folder) if item.kind in known]
    if not items:
        raise ValueError(
            f"{arguments.folder!r} holds nothing that this agent has a sense for; it takes "
            f"{', '.join(NAMES.get(kind, kind) for kind in known)}"
        )
    if agent.config.contrast is None:
        print(
            "this agent was not taught to retrieve: what it thinks of each file is compared as it is", file=sys.stderr
        )
    vectors = torch.from_numpy(agent.embed([[item.value] for item in (query, *items)]))
    cosine = torch.nn.functional.cosine_similarity(vectors[:1], vectors[1:])
    best = cosine.argsort(descending=True, stable=True)[: arguments.top].tolist()
    found = [{"file": items[i].name, "cosine": round(float(cosine[i]), 4)} for i in best]
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    for row in found:
        print(f"{row['cosine']:7.3f}  {row['file']}")


def able_agent(name: str, items: Iterable[Item]) -> Agent:
    """An agent that has a sense for all items; ValueError says which it lacks and what it has."""
    torch.set_num_threads(ACTING_THREADS)
    agent = load_agent(name)
    check_senses(agent, items, name)
    return agent


def check_senses(agent: Agent, items: Iterable[Item], name: str) -> None:
    """ValueError where an agent has no sense for an item."""
    known = kinds_of(agent, "observation")
    for item in items:
        if item.kind not in known:
            has = ", ".join(NAMES.get(kind, kind) for kind in known if kind in NAMES)
            raise ValueError(
                f"{name!r} has no sense for {NAMES[item.kind]} ({item.name}): it takes {has}; choose another with "
                "--agent, or train one whose recipe has it"
            )


def kinds_of(agent: Agent, role: str) -> list[str]:
    """The kinds of values that an agent takes as observations, or writes as actions."""
    return [route.partition("/")[2] for route in agent.config.routes if route.startswith(f"{role}/")]


def given(words: tuple[str, ...], what: str) -> tuple[str, ...]:
    """The words; ValueError if there are none."""
    if not words:
        raise ValueError(f"no file was named; expected {what}, or {SAMPLE}0, a picture that comes with the package")
    return words


def read_item(word: str) -> Item:
    """A file of a picture, a sound, a film or a text, or `sample:N`; ValueError says what is wrong with it."""
    if word.startswith(SAMPLE):
        samples = shipped_samples()
        number = word.removeprefix(SAMPLE)
        if not number.isdecimal() or int(number) >= len(samples):
            raise ValueError(f"received {word!r}, expected {SAMPLE}0 to {SAMPLE}{len(samples) - 1}")
        return samples[int(number)]
    path = Path(word).expanduser()
    if not path.is_file():
        raise ValueError(f"{word!r} is no file; expected the path of a picture, a sound or a film, or {SAMPLE}0")
    if path.suffix.lower() in TEXT_SUFFIXES:
        return Item(word, "text", path.read_text(encoding="utf-8").strip())
    data = path.read_bytes()
    try:
        kind = media_kind(data)
    except ValueError as error:
        raise ValueError(f"{word!r}: {error}") from error
    return Item(word, kind, decoded(data, word) if kind == "image" else data)


def shipped_samples() -> list[Item]:
    """The held-out pictures that come with the package; their captions are told by nobody."""
    found = [picture for task in held_out_tasks("caption") for picture in held_out_pictures(task)]
    return [Item(f"{SAMPLE}{number}", "image", picture.png) for number, picture in enumerate(found)]


def listed(folder: str) -> Iterator[Item]:
    """Everything in a folder that is a text, a picture, a sound or a film; other files are passed over."""
    if folder == SAMPLES and not Path(folder).exists():
        yield from shipped_samples()
        return
    for found in files_of(Path(folder).expanduser()):
        yield read_item(str(found.path))


def heading(item: Item, items: list[Item]) -> str:
    """What stands before an answer where there are several."""
    return f"{item.name}: " if len(items) > 1 else ""


def write(before: str, pieces: Iterable[str]) -> None:
    """Print what comes as it comes; the line ends however it ends, by Ctrl-C as well."""
    print(before, end="", flush=True)
    try:
        for piece in pieces:
            print(piece, end="", flush=True)
    finally:
        print(flush=True)
