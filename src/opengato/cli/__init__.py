"""The command `opengato`: finds the sub-command, reads its arguments, runs it, and turns errors into exit codes.

0: done; 1: it failed, and why; 2: wrong use, and what was expected; 130: stopped by Ctrl-C. `--debug` or
OPENGATO_DEBUG=1 shows tracebacks; `--env MODULE` or OPENGATO_ENVS makes tasks known that a module registers, to this
process and to those it starts. A sub-command is imported when it is run, so that `opengato --help` does not wait for
torch: what they take stands in `arguments`, where `SECTIONS` names the function behind each.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import os
import re
import sys
import traceback
import warnings
from collections.abc import Generator, Sequence
from typing import Any

import tyro
from rich.console import Console
from rich.text import Text

import opengato
from opengato.cli.arguments import COMMANDS, SECTIONS
from opengato.core.config import choose

ENV, MODULES = "--env", "OPENGATO_ENVS"  # read by `envs.registry`, which is not imported for a line of help
DONE, FAILED, WRONG_USE, STOPPED, NO_READER = 0, 1, 2, 130, 141
GROUPS = sorted({name.split()[0] for name in COMMANDS if " " in name})
HELP = ("-h", "--help", "help")
SETTING = re.compile(r"[A-Za-z_][\w./-]*=")
TAKE_SETTINGS = ("train", "pretrain", "finetune", "few-shot", "perceiver train")
TAKE_STORES = ("--data", "--replay")
# What a user can put right: a wrong value, a folder that is not there, a file that is in the way.
USER_ERRORS = (ValueError, FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError)
CONFIG = (tyro.conf.FlagCreatePairsOff, tyro.conf.HelptextFromCommentsOff)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `opengato ARGV...` (default: the process's arguments) and return its exit code; errors are printed."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words or os.environ.get("OPENGATO_DEBUG", "0") not in ("", "0")
    words = [word for word in words if word != "--debug"]
    try:
        words, modules = without_modules(words)
        with contextlib.nullcontext() if debug else short_warnings(), named(modules):
            code = run(words)
            sys.stdout.flush()
            return code
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else FAILED if stop.code else DONE
    except KeyboardInterrupt:
        complain("stopped")
        return STOPPED
    except BrokenPipeError:  # `opengato tasks | head`: nobody reads on, and Python must not try again at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except Exception as error:
        if debug:
            traceback.print_exc()
        complain(explanation(error, debug))
        return WRONG_USE if isinstance(error, USER_ERRORS) else FAILED


def run(words: Sequence[str]) -> int:
    """Run a command line; its exit code. Raises what the command raises, and SystemExit after `--help`."""
    if not words or (words[0] in HELP and len(words) == 1):
        overview()
    elif words[0] == "--version":
        print(f"opengato {opengato.__version__}")
    elif words[0] == "help":
        return run([*words[1:], "--help"])
    elif words[0] in GROUPS and (len(words) == 1 or words[1] in HELP):
        overview(words[0])
    else:
        function, arguments = parse(words)
        module, _, name = function.partition(":")
        return getattr(importlib.import_module(module), name)(arguments) or DONE
    return DONE


def parse(words: Sequence[str]) -> tuple[str, Any]:
    """What to run (`module:function`) and its arguments. ValueError for an unknown command, with the near ones.

    SystemExit(2) for arguments that do not fit, SystemExit(0) after `--help`; both have printed what they say.
    """
    depth = 2 if words[0] in GROUPS else 1
    known = [name for name in COMMANDS if len(name.split()) == depth]
    if depth == 1:
        choose(words[0], [*known, *GROUPS], what="command")
    name = choose(" ".join(words[:depth]), known, what="command")
    arguments, function = COMMANDS[name]
    rest = list(words[depth:])
    if name in TAKE_SETTINGS:
        rest = settings_last(rest)
    return function, tyro.cli(arguments, prog=f"opengato {name}", args=rest, config=CONFIG)


def settings_last(words: Sequence[str]) -> list[str]:
    """Settings may stand anywhere between the options; `data/mine=2` after `--data` is none."""

    def is_setting(pair: tuple[str, str]) -> bool:
        before, word = pair
        return SETTING.match(word) is not None and before not in TAKE_STORES

    return [word for _, word in sorted(itertools.pairwise(["", *words]), key=is_setting)]


def without_modules(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words without `--env MODULE` and `--env=MODULE`, and the modules; ValueError for one without a module."""
    rest, modules, waiting = [], [], iter(words)
    for word in waiting:
        name, separator, module = word.partition("=")
        if name != ENV:
            rest.append(word)
            continue
        module = module if separator else next(waiting, "")
        if not module or module.startswith("-"):
            raise ValueError(f"{ENV} needs a module or a file that calls `opengato.register`, such as {ENV} mine.py")
        modules += module.split(",")
    return rest, modules


@contextlib.contextmanager
def named(modules: list[str]) -> Generator[None]:
    """The environment variable that names the modules of tasks, with some more."""
    before = os.environ.get(MODULES)
    if modules:
        os.environ[MODULES] = ",".join([*filter(None, [before]), *modules])
    try:
        yield
    finally:
        if modules:
            os.environ.pop(MODULES)
            if before is not None:
                os.environ[MODULES] = before


def overview(group: str | None = None) -> None:
    """Print every command with one line, or those of one group."""
    console = Console(highlight=False)
    console.print(f"[bold]opengato {opengato.__version__}[/]: one transformer for text, images and control\n")
    for title, section in SECTIONS.items():
        shown = {name: take for name, (take, _) in section.items() if group in (None, name.split()[0])}
        if shown:
            console.print(f"[bold]{title}[/]")
        for name, take in shown.items():
            console.print(f"  [cyan]{name:20}[/] {summary(take)}", soft_wrap=True)
    console.print("\nEach command explains itself, with examples: opengato [cyan]COMMAND[/] --help", soft_wrap=True)
    console.print("Any command: [cyan]--env MODULE[/] makes known the tasks that a module registers", soft_wrap=True)
    console.print("             [cyan]--debug[/] shows where an error came from", soft_wrap=True)


def summary(arguments: type) -> str:
    """The first sentence of a command's help."""
    return re.split(r"[.:;](?:\s|$)", arguments.__doc__ or "")[0].replace("\n", " ")


def explanation(error: Exception, debug: bool) -> str:
    """What to tell of an error; the kind of one that nobody worded, and where its traceback is."""
    if isinstance(error, USER_ERRORS):
        return f"error: {error}"
    if isinstance(error, RuntimeError | OSError | ImportError):  # ours say what to do
        return f"failed: {error}"
    return f"failed: {type(error).__name__}: {error}" + ("" if debug else "\nrun it again with --debug to see where")


def complain(message: str, style: str = "red") -> None:
    """Print a message to stderr, in colour on a terminal."""
    Console(stderr=True, highlight=False).print(Text(message, style=style), soft_wrap=True)


@contextlib.contextmanager
def short_warnings() -> Generator[None]:
    """Warnings as one yellow line, without the line of code that gave them."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        complain(f"warning: {message}", style="yellow")

    with warnings.catch_warnings():
        warnings.showwarning = show  # ty: ignore[invalid-assignment]
        yield
