"""`opengato chat`: type a text, the agent continues it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import torch
from PIL import Image, UnidentifiedImageError
from rich.console import Console

from opengato.agent.files import load_agent
from opengato.cli.agents import ACTING_THREADS
from opengato.cli.arguments import Chat
from opengato.core.config import choose

Number = TypeVar("Number", int, float)
COMMANDS = {
    "/image": "FILE: show a picture; then type what to do with it, such as: describe the picture",
    "/temperature": "T: 0 takes the likeliest token, above 0 draws",
    "/length": "N: tokens to write at most",
    "/clear": "take the pictures away",
    "/help": "this list",
    "/quit": "end (so does Ctrl-D)",
}


def chat(arguments: Chat) -> None:
    """Answer line by line until `/quit` or the end of the input. A wrong line ends a piped chat, not a typed one."""
    torch.set_num_threads(ACTING_THREADS)
    conversation = Conversation(load_agent(arguments.agent), arguments)
    typed = sys.stdin.isatty()
    notes = Console(stderr=True, highlight=False)
    if typed:
        notes.print("[dim]Type a text to continue. /help lists the commands.[/]")
    for line in lines(typed):
        try:
            answer = conversation.answer(line)
        except (ValueError, OSError) as error:
            if not typed:
                raise
            notes.print(str(error), style="red", markup=False)
            continue
        if answer is None:
            return
        if answer:
            print(answer, flush=True)


def lines(typed: bool) -> Iterator[str]:
    """Lines of the input, with a prompt and editing where a person types."""
    while True:
        try:
            yield input("> " if typed else "")
        except EOFError:
            return


class Conversation:
    """What is shown and set; each text is continued for itself, after the pictures."""

    def __init__(self, agent: Any, settings: Chat) -> None:
        self.agent = agent
        self.temperature, self.length, self.seed = settings.temperature, settings.length, settings.seed
        self.top_k, self.top_p = settings.top_k, settings.top_p
        self.pictures: list[Image.Image] = []
        self.turns = 0

    def answer(self, line: str) -> str | None:
        """What to print for a line ("" for nothing); None to end. ValueError says what is wrong with it."""
        if not line.strip():
            return ""
        if line.startswith("/"):
            name, _, value = line.strip().partition(" ")
            return self._command(choose(name, COMMANDS, what="command"), value.strip())
        self.turns += 1
        return self.agent.generate(
            [*self.pictures, line],
            max_new_tokens=self.length,
            temperature=self.temperature,
            seed=self.seed + self.turns - 1,
            top_p=self.top_p,
            top_k=self.top_k,
        )

    def _command(self, name: str, value: str) -> str | None:
        if name == "/quit":
            return None
        if name == "/help":
            return "\n".join(f"{command:14}{what}" for command, what in COMMANDS.items())
        if name == "/image":
            self.pictures.append(read_picture(value))
        elif name == "/temperature":
            self.temperature = number(name, value, float, "0 or more, such as 0.7")
        elif name == "/length":
            self.length = number(name, value, int, "a number of tokens, such as 80")
        else:
            self.pictures.clear()
        return ""


def read_picture(path: str) -> Image.Image:
    """A picture on white, as those that agents are trained on."""
    if not Path(path).expanduser().is_file():
        raise ValueError(f"/image: expected the path of a picture, received {path!r}, which is no file")
    try:
        with Image.open(Path(path).expanduser()) as picture:
            coloured = picture.convert("RGBA")
    except UnidentifiedImageError as error:
        raise ValueError(f"/image: {path!r} is no picture that Pillow reads (PNG, JPEG, WebP, ...)") from error
    white = Image.new("RGBA", coloured.size, "white")
    white.alpha_composite(coloured)
    return white.convert("RGB")


def number(name: str, value: str, kind: type[Number], expected: str) -> Number:
    """A number that is not negative."""
    try:
        received = kind(value)
    except ValueError:
        received = kind(-1)
    if not received >= 0:
        raise ValueError(f"{name}: received {value!r}, expected {expected}")
    return received
