"""`opengato chat`: type a text, the agent continues it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import torch
from rich.console import Console

from opengato.agent.files import load_agent
from opengato.cli.agents import ACTING_THREADS
from opengato.cli.arguments import Chat
from opengato.cli.senses import check_senses, read_item, write
from opengato.core.config import choose

Number = TypeVar("Number", int, float)
COMMANDS = {
    "/show": "FILE: show a picture, a sound or a film; then type what to do with it, such as: describe the picture",
    "/temperature": "T: 0 takes the likeliest token, above 0 draws",
    "/length": "N: tokens to write at most",
    "/clear": "take away what was shown",
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
        try:
            if answer != "":
                write("", answer)
        except KeyboardInterrupt:  # it ends an answer; where a person types, the chat goes on
            if not typed:
                raise


def lines(typed: bool) -> Iterator[str]:
    """Lines of the input, with a prompt and editing where a person types."""
    while True:
        try:
            yield input("> " if typed else "")
        except EOFError:
            return


class Conversation:
    """What is shown and set; each text is continued for itself, after what was shown."""

    def __init__(self, agent: Any, settings: Chat) -> None:
        self.agent = agent
        self.temperature, self.length, self.seed = settings.temperature, settings.length, settings.seed
        self.top_k, self.top_p = settings.top_k, settings.top_p
        self.shown: list[Any] = []
        self.turns = 0

    def answer(self, line: str) -> Iterable[str] | None:
        """What to print for a line, in pieces ("" for nothing); None to end. ValueError says what is wrong with it."""
        if not line.strip():
            return ""
        if line.startswith("/"):
            name, _, value = line.strip().partition(" ")
            return self._command(choose(name, COMMANDS, what="command"), value.strip())
        self.turns += 1
        return self.agent.stream(
            [*self.shown, line],
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
        if name == "/show":
            item = read_item(value)
            check_senses(self.agent, [item], "this agent")
            self.shown.append(item.value)
        elif name == "/temperature":
            self.temperature = number(name, value, float, "0 or more, such as 0.7")
        elif name == "/length":
            self.length = number(name, value, int, "a number of tokens, such as 80")
        else:
            self.shown.clear()
        return ""


def number(name: str, value: str, kind: type[Number], expected: str) -> Number:
    """A number that is not negative."""
    try:
        received = kind(value)
    except ValueError:
        received = kind(-1)
    if not received >= 0:
        raise ValueError(f"{name}: received {value!r}, expected {expected}")
    return received
