"""Several trainings or measurements at once, each in a process of its own with its share of the cores.

Small networks gain from this: a matrix product of few rows is no faster on two cores than on one.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

import torch

T = TypeVar("T")


def in_processes(call: Callable[..., T], inputs: Sequence[tuple], jobs: int, logs: Sequence[Path]) -> Iterator[T]:
    """`call(*arguments)` for all `inputs`, `jobs` at a time; results as they come, not in order.

    What a call prints goes to the end of its file among `logs`. A SIGTERM to this process, or an error in a call, stops
    all of them, so that trainings save what they have; it is raised here when they have ended. ChildProcessError where
    one was killed.
    """
    # A process for each call: what a training leaves behind, compiled code above all, is gigabytes after twenty.
    threads = max(1, (os.cpu_count() or 1) // jobs)
    context = multiprocessing.get_context("spawn")
    waiting = deque(zip(inputs, logs, strict=True))
    running: dict[connection.Connection, SpawnProcess] = {}
    old = signal.signal(signal.SIGTERM, _stop)
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                given, log = waiting.popleft()
                mine, theirs = context.Pipe(duplex=False)
                process = context.Process(target=_answer, args=(theirs, threads, call, given, log))
                process.start()
                theirs.close()  # so that the end of the process is the end of what it says
                running[mine] = process
            ready = set(connection.wait(list(running)))
            for mine in [one for one in running if one in ready]:
                result = _received(mine, jobs)
                running.pop(mine).join()
                yield result
    except KeyboardInterrupt:  # a terminal sends Ctrl-C to the children too; a second signal is "at once"
        raise
    except BaseException:
        for process in running.values():
            process.terminate()
        raise
    finally:
        for process in running.values():
            process.join()
        signal.signal(signal.SIGTERM, old)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _received(answer: connection.Connection, jobs: int) -> Any:
    """What a call gave; its error, or ChildProcessError if it ended without a word, is raised."""
    try:
        is_result, value = answer.recv()
    except EOFError as error:
        raise ChildProcessError(
            f"one of {jobs} processes was killed, most often for want of memory; ask for fewer `--jobs`. The same "
            "command goes on from what trainings had saved"
        ) from error
    if is_result:
        return value
    raise value


def _answer(said: Any, threads: int, call: Callable[..., Any], given: tuple, log: Path) -> None:
    """In the child: call, and say what came of it."""
    torch.set_num_threads(threads)
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("a", encoding="utf-8", buffering=1) as out,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
    ):
        try:
            said.send((True, call(*given)))
        except SystemExit as stop:
            print(f"stopped ({stop.code})", file=sys.stderr)
            raise
        except Exception as error:
            error.add_note(traceback.format_exc())
            said.send((False, _sendable(error)))


def _sendable(error: Exception) -> Exception:
    """The error itself, or what it says where it cannot leave the process."""
    try:
        pickle.loads(pickle.dumps(error))  # our own bytes
    except Exception:
        return RuntimeError("".join(traceback.format_exception(error)))
    return error
