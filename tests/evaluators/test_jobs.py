"""Calls in processes of their own: all results, output in files, and a stop that reaches the processes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from opengato.evaluators.jobs import in_processes


def square(number: int) -> tuple[int, int, int]:
    print(f"squaring {number}")
    print("to the error stream", file=sys.stderr)
    return number * number, os.getpid(), torch.get_num_threads()


def wait_for_a_signal(path: Path) -> None:
    """As a training does: note that it runs, and on SIGTERM what it would save."""

    def save(number: int, frame: object) -> None:
        del frame
        path.write_text("saved")
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, save)
    begun = path.with_suffix(".begun")
    begun.write_text("running")
    begun.rename(path)  # at once, so that nobody who sees it sends a signal while it is written
    time.sleep(60)


def fail(number: int) -> None:
    raise ValueError(f"{number} is wrong")


def test_results_of_all_calls_and_what_they_print(tmp_path: Path) -> None:
    logs = [tmp_path / str(n) / "output.txt" for n in range(4)]
    found = list(in_processes(square, [(n,) for n in range(4)], 2, logs))
    assert sorted(result for result, _, _ in found) == [0, 1, 4, 9]
    assert os.getpid() not in {process for _, process, _ in found}
    assert {threads for _, _, threads in found} == {max(1, (os.cpu_count() or 1) // 2)}
    assert [log.read_text() for log in logs] == [f"squaring {n}\nto the error stream\n" for n in range(4)]


class Odd(Exception):
    def __init__(self, one: int, other: int):
        super().__init__(f"{one} and {other}")


def fail_oddly(number: int) -> None:
    raise Odd(number, number + 1)


def test_an_error_of_a_call_is_raised_here(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="3 is wrong") as raised:
        list(in_processes(fail, [(3,)], 1, [tmp_path / "log"]))
    assert "in fail" in raised.value.__notes__[0], "where it was raised"
    with pytest.raises(RuntimeError, match="3 and 4"):  # pickled, it could not be made again
        list(in_processes(fail_oddly, [(3,)], 1, [tmp_path / "log"]))


def test_a_signal_reaches_the_calls(tmp_path: Path) -> None:
    places = [tmp_path / "a", tmp_path / "b"]

    def interrupt() -> None:
        while not all(place.is_file() and place.read_text() == "running" for place in places):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    killer = threading.Thread(target=interrupt, daemon=True)
    killer.start()
    logs = [tmp_path / "a.log", tmp_path / "b.log"]
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop:
        list(in_processes(wait_for_a_signal, [(place,) for place in places], 2, logs))
    assert stop.value.code == 128 + signal.SIGTERM
    assert [place.read_text() for place in places] == ["saved", "saved"]
    assert signal.getsignal(signal.SIGTERM) == before
    assert logs[0].read_text() == "stopped (143)\n"


def die_when_there(path: Path) -> None:
    """As for want of memory, once another call runs."""
    while not path.is_file():
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGKILL)


def either(call: str, path: Path) -> None:
    {"wait": wait_for_a_signal, "die": die_when_there}[call](path)


def test_a_process_that_is_killed_stops_the_others_and_is_told(tmp_path: Path) -> None:
    place, logs = tmp_path / "a", [tmp_path / "a.log", tmp_path / "b.log"]
    with pytest.raises(ChildProcessError, match=r"one of 2 processes was killed, .* `--jobs`"):
        list(in_processes(either, [("wait", place), ("die", place)], 2, logs))
    assert place.read_text() == "saved"
