"""The command `opengato`: its help is true, and its errors are clear."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from opengato import cli
from opengato.cli import machine
from opengato.cli.argument_types import Acting
from opengato.cli.arguments import COMMANDS
from tests.house import PACKAGE

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test in an empty folder, in the width of a terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("OPENGATO_DEBUG", raising=False)


def wrong(output: Output, *words: str) -> str:
    """What is said of wrong use; it is a line on stderr, and nothing else."""
    assert cli.main(words) == cli.WRONG_USE
    seen = output.readouterr()
    assert seen.out == ""
    assert "Traceback" not in seen.err
    return seen.err


# Help


def help_of(name: str, output: Output) -> str:
    assert cli.main([*name.split(), "--help"]) == cli.DONE
    seen = output.readouterr()
    assert seen.err == ""
    return seen.out


def examples(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip().startswith("opengato ")]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_of_the_help_can_be_read(name: str, capsys: Output) -> None:
    found = examples(help_of(name, capsys))
    assert found
    assert found == examples(COMMANDS[name][0].__doc__ or ""), "an example was wrapped or joined: make it shorter"
    for line in found:
        words = shlex.split(line)[1:]
        assert words[: len(name.split())] == name.split()
        function, arguments = cli.parse(cli.without_modules(words)[0])
        assert (type(arguments), function) == COMMANDS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str, capsys: Output) -> None:
    text = " ".join(help_of(name, capsys).replace("│", " ").split())
    for field, what in explanations(COMMANDS[name][0]).items():
        assert what in text, field


def explanations(arguments: type) -> dict[str, str]:
    """The line below each field of a class of arguments; those of `Acting` where it is one of them."""
    text = Path(inspect.getfile(arguments)).read_text(encoding="utf-8")
    body = re.split(rf"^class {arguments.__name__}\b.*:$", text, flags=re.MULTILINE)[1].split("\n\n\n")[0]
    found = explanations(arguments.__base__) if arguments.__base__ not in (object, None) else {}
    found |= dict(re.findall(r'^    (\w+): .*\n    """(.*)"""$', body, flags=re.MULTILINE))
    assert [*found] == [*inspect.signature(arguments).parameters]
    for name, parameter in inspect.signature(arguments).parameters.items():
        if "Acting" in str(parameter.annotation):
            del found[name]
            found |= explanations(Acting)
    return found


def test_overview_names_every_command(capsys: Output) -> None:
    for words in ([], ["--help"], ["help"], ["-h"]):
        assert cli.main(words) == cli.DONE
        seen = capsys.readouterr()
        assert all(f"  {name} " in seen.out for name in COMMANDS)
    assert cli.main(["data"]) == cli.DONE
    assert "data validate" in (seen := capsys.readouterr()).out
    assert "evaluate" not in seen.out
    assert cli.main(["help", "tasks"]) == cli.DONE
    assert "opengato tasks" in capsys.readouterr().out
    assert cli.main(["--version"]) == cli.DONE
    assert capsys.readouterr().out.startswith("opengato 0")


def test_every_command_leads_to_a_function() -> None:
    for name, (_, function) in COMMANDS.items():
        module, _, attribute = function.partition(":")
        assert callable(getattr(importlib.import_module(module), attribute)), name


def test_starting_takes_no_torch_and_little_time() -> None:
    """Processor time and not the clock: other tests run beside this one."""
    code = """
import sys, time
from opengato.cli import main
for words in (["--help"], ["tasks", "--json"], ["train", "--help"]):
    main(words)
print(sorted({"torch", "pyarrow", "mujoco", "minigrid"} & set(sys.modules)), time.process_time(), file=sys.stderr)
"""
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    heavy, seconds = done.stderr.rsplit(" ", 1)
    assert heavy == "[]"
    assert float(seconds) < 2  # three commands; measured: 0.5


# Errors and exit codes


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("tranee", r"unknown command 'tranee'; did you mean 'train'"),
        ("data shwo x", r"unknown command 'data shwo'; did you mean 'data show'"),
        ("tasks --family babyia", r"unknown task family 'babyia'; did you mean 'babyai'"),
        ("tasks --familly babyai", r"--family NAME"),
        ("tasks --seed", r"--seed"),
        ("train", r"RECIPE"),
        ("train tinny", r"unknown recipe 'tinny'; did you mean 'tiny'"),
        ("train tiny train.stps=3 --dry-run", r"'stps'; did you mean 'steps'"),
        ("train tiny train.steps=few --dry-run", r"received 'few', expected int"),
        ("train tiny steps --dry-run", r"'steps' must look like a.b=value"),
        ("train tiny --json", r"--json belongs to --dry-run"),
        ("train mine.py", r"no recipe at 'mine.py'; make one with"),
        ("collect", r"name at least one task"),
        ("collect babyai/GoToOb", r"did you mean 'babyai/GoToObj'"),
        ("collect babyai/Xyz*", r"no task matches 'babyai/Xyz\*'"),
        ("collect babyai/GoToObj --episodes 0", r"expected at least one episode"),
        ("collect babyai/GoToObj --noise -0.5", r"shares of 0 or more"),
        ("collect babyai/GoToObj --policy exprt", r"'expert'"),
        ("import austin", r"unknown corpus or format 'austin'; did you mean 'austen'"),
        ("import lerobt:x", r"unknown format 'lerobt'; did you mean 'lerobot'"),
        ("import lerobot", r"expected a format and what to read: lerobot:FOLDER"),
        ("import lerobot:nowhere", r"no LeRobot dataset at 'nowhere'.*hf download"),
        ("import lerobot:nowhere --task pick", r"expected `family/name`"),
        ("import austen --task a/b", r"'austen' is a corpus"),
        ("export nowhere --to hf --out x", r"no store at 'nowhere'"),
        ("export nowhere --to lerobt --out x", r"did you mean 'lerobot'"),
        ("data stats nowhere", r"no store at 'nowhere'"),
        ("inspect nowhere/there", r"no store at 'nowhere/there'"),
        ("inspect tiny", r"no data of babyai, .* in 'data'; `opengato train tiny` brings them"),
        ("play random babyai/GoToOb", r"did you mean 'babyai/GoToObj'"),
        ("play random babyai/GoToObj --out a.avi", r"unknown kind of video file '.avi'"),
        ("evaluate random", r"name tasks"),
        ("evaluate random --tasks babyai/GoToObj --episodes 0", r"at least one"),
        ("evaluate nobody/here --tasks babyai/GoToObj", r"unknown agent"),
        ("bench pakking", r"unknown benchmark 'pakking'; did you mean 'packing'"),
        ("recipes show tinny", r"unknown recipe 'tinny'"),
        ("recipes cp tiny mine.txt", r"ends in .py"),
    ],
)
def test_wrong_use_is_answered_with_what_is_right(words: str, said: str, capsys: Output) -> None:
    assert re.search(said, " ".join(wrong(capsys, *words.split()).split()))


def raising(error: BaseException) -> Callable[[object], None]:
    def command(arguments: object) -> None:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ValueError("expected 3"), 2, "error: expected 3\n"),
        (FileExistsError("it is there"), 2, "error: it is there\n"),
        (RuntimeError("no OpenGL"), 1, "failed: no OpenGL\n"),
        (ImportError("install it"), 1, "failed: install it\n"),
        (KeyError("x"), 1, "failed: KeyError: 'x'\nrun it again with --debug to see where\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
        (SystemExit(143), 143, ""),
        (SystemExit(None), 0, ""),
    ],
)
def test_errors_become_exit_codes(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.setattr(machine, "doctor", raising(error))
    assert cli.main(["doctor"]) == code
    assert capsys.readouterr().err == said


def test_debug_shows_where(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(machine, "doctor", raising(ValueError("expected 3")))
    assert cli.main(["doctor", "--debug"]) == cli.WRONG_USE
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("OPENGATO_DEBUG", "1")
    assert cli.main(["doctor"]) == cli.WRONG_USE
    assert "Traceback" in capsys.readouterr().err


def test_errors_are_red_and_warnings_yellow_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    cli.main(["tranee"])
    assert capsys.readouterr().err.startswith("\x1b[31merror: ")

    def warn(arguments: object) -> None:
        warnings.simplefilter("always")
        warnings.warn("two are missing", stacklevel=2)

    monkeypatch.setattr(machine, "doctor", warn)
    assert cli.main(["doctor"]) == cli.DONE
    assert capsys.readouterr().err == "\x1b[33mwarning: two are missing\x1b[0m\n"


def test_a_reader_that_stops_early_is_no_error() -> None:
    code = "from opengato.cli import main; import sys; sys.exit(main(['tasks', '--json']))"
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == cli.NO_READER
