"""Several trainings or measurements at once, each in a process of its own with its share of the cores.

Small networks gain from this: a matrix product of few rows is no faster on two cores than on one.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
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
    threads = max(1, (os.cpu_count() or 1) // jobs)
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(
        jobs,
        mp_context=context,
        initializer=torch.set_num_threads,
        initargs=(threads,),
        max_tasks_per_child=1,  # what a training leaves behind, compiled code above all, is gigabytes after twenty
    )
    old = signal.signal(signal.SIGTERM, _stop)
    waiting, running = deque(zip(inputs, logs, strict=True)), set[Future]()
    try:
        with pool:
            try:
                while waiting or running:
                    # No more than can run: what waits inside the pool would still begin after a stop.
                    while waiting and len(running) < jobs:
                        running.add(pool.submit(_logged, call, *waiting.popleft()))
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield future.result()
            except KeyboardInterrupt:  # a terminal sends Ctrl-C to the children too; a second signal is "at once"
                raise
            except BaseException:
                for child in multiprocessing.active_children():
                    child.terminate()
                raise
    except BrokenProcessPool as error:
        raise ChildProcessError(
            f"one of {jobs} processes was killed, most often for want of memory; ask for fewer `--jobs`. The same "
            "command goes on from what trainings had saved"
        ) from error
    finally:
        signal.signal(signal.SIGTERM, old)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _logged(call: Callable[..., Any], given: tuple, log: Path) -> Any:
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("a", encoding="utf-8", buffering=1) as out,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out),
    ):
        try:
            return call(*given)
        except SystemExit as stop:
            print(f"stopped ({stop.code})", file=sys.stderr)
            # Back in the pool it would wait for work that nobody gives, where another process died.
            os._exit(stop.code if isinstance(stop.code, int) else 1)
