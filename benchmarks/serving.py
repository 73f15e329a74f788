"""Serving: actions a second with many control sessions at once, how long each waits, fairness, memory over time.

    python benchmarks/serving.py
    python benchmarks/serving.py --minutes 10 --sessions 64

The server is a process of its own (`opengato serve`), the sessions are of this one; each sends its next observation
when it has the action. First rounds of a fixed number of steps, then, for `--minutes`, all sessions as fast as they
get answers: fairness is the fewest steps of a session by the most, and memory is the server's resident set.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _measure import Work, arguments, ratio, report, take_turns
from websockets.asyncio.client import ClientConnection, connect

from opengato.envs import find_task
from opengato.serve.wire import decode, encode

TASK = "babyai/GoToLocal"
LOOK_SECONDS = 5.0
MEBIBYTE = 2**20


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    options = arguments(__doc__ or "", argv, rounds=5, steps=50, sessions=64, minutes="1", agent="tiny")
    seconds = 60 * float(options.minutes)
    if options.quick:
        options.rounds, options.steps, options.sessions, seconds = 1, 3, 4, 1.0
    counts = sorted({1, min(8, options.sessions), options.sessions})
    with served(options.agent, options.sessions, options.threads) as (address, process):
        contestants = {f"sessions at once: {count}": rounds(address, count, options.steps) for count in counts}
        turns = take_turns(contestants, options.rounds, "actions/s")
        soaked = asyncio.run(soak(address, options.sessions, seconds, process))
    first, *_, last = contestants
    figures = {"agent": options.agent, "task": TASK, "server threads": options.threads, **soaked}
    ratios = [ratio(turns[last], turns[first])] if last != first else []
    return report("serving", options, turns.values(), ratios=ratios, figures=figures)


@contextlib.contextmanager
def served(agent: str, sessions: int, threads: int) -> Generator[tuple[str, int]]:
    """A server's address and process."""
    settings = ["--port", "0", "--max-sessions", str(sessions), "--requests-per-second", "0", "--threads", str(threads)]
    command = [sys.executable, "-m", "opengato", "serve", agent, *settings]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            found = re.search(r"http://(\S+)", line := process.stderr.readline())
            if found is None:
                raise RuntimeError(f"the server did not start: {line}{process.stderr.read()}")
            # Its log must be read, or it would wait for a reader one day.
            threading.Thread(target=process.stderr.read, daemon=True).start()
            yield f"ws://{found[1]}/v1/session", process.pid
        finally:
            process.terminate()
            process.wait()


Play = Callable[[ClientConnection, int], Awaitable[None]]


async def side_by_side(address: str, count: int, play: Play) -> None:
    """Sessions that have begun, all at once."""
    async with contextlib.AsyncExitStack() as opened:
        sockets = [await opened.enter_async_context(connect(address, compression=None)) for _ in range(count)]
        for number, socket in enumerate(sockets):
            await socket.recv()
            await answered(socket, encode({"type": "reset", "task": TASK, "seed": number}, "msgpack"))
        await asyncio.gather(*(play(socket, number) for number, socket in enumerate(sockets)))


async def answered(socket: ClientConnection, message: bytes) -> Any:
    """What a message is answered with."""
    await socket.send(message)
    data = await socket.recv()
    answer = decode(data if isinstance(data, bytes) else data.encode(), "msgpack")
    if answer["type"] == "error":
        raise RuntimeError(answer["error"]["message"])
    return answer


def observations(number: int) -> list[bytes]:
    """Messages with random views, made beforehand: this process must not be what is measured."""
    generator = np.random.default_rng(number)
    spec = find_task(TASK).observation_specs["view"]
    views = generator.integers(spec.num_values or 1, size=(16, *spec.shape)).astype(spec.dtype)
    return [encode({"type": "act", "observation": {"view": view}}, "msgpack") for view in views]


def rounds(address: str, count: int, steps: int) -> Work:
    """Sessions of a fixed number of steps; the actions of all."""

    async def play(socket: ClientConnection, number: int) -> None:
        messages = observations(number)
        for step in range(steps):
            await answered(socket, messages[step % len(messages)])

    def work() -> int:
        asyncio.run(side_by_side(address, count, play))
        return count * steps

    return work


async def soak(address: str, count: int, seconds: float, process: int) -> dict[str, Any]:
    """Steps of each session, the time each took as its client saw it, and the server's memory meanwhile."""
    steps, took, batches = [0] * count, [[] for _ in range(count)], [0, 0]
    end = 0.0

    async def play(socket: ClientConnection, number: int) -> None:
        nonlocal end
        messages = observations(number)
        end = end or time.perf_counter() + seconds
        while (begun := time.perf_counter()) < end:
            answer = await answered(socket, messages[steps[number] % len(messages)])
            took[number].append(1000 * (time.perf_counter() - begun))
            steps[number] += 1
            batches[0], batches[1] = batches[0] + answer["timing"]["batch"], batches[1] + 1

    memory: list[float] = []

    async def look() -> None:
        while True:
            memory.append(resident(process))
            await asyncio.sleep(min(LOOK_SECONDS, seconds / 4))

    looking = asyncio.ensure_future(look())
    try:
        await side_by_side(address, count, play)
    finally:
        looking.cancel()
    percentiles = np.array([np.percentile(one, (50, 99)) for one in took])
    warm = memory[len(memory) // 4 :]  # the first sessions touch their memory for the first time
    return {
        "sessions": count,
        "minutes": round(seconds / 60, 3),
        "actions/s": round(sum(steps) / seconds, 1),
        "mean batch": round(batches[0] / max(batches[1], 1), 2),
        "p50 ms (median session)": round(float(np.median(percentiles[:, 0])), 2),
        "p99 ms (median session)": round(float(np.median(percentiles[:, 1])), 2),
        "p99 ms (worst session)": round(float(percentiles[:, 1].max()), 2),
        "fairness (fewest / most steps)": round(min(steps) / max(steps), 3),
        "memory MiB after a quarter, at the end, most": [round(x, 1) for x in (warm[0], warm[-1], max(memory))],
    }


def resident(process: int) -> float:
    """MiB of a process; 0 where the system does not tell."""
    status = Path(f"/proc/{process}/status")
    found = re.search(r"VmRSS:\s+(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) * 1024 / MEBIBYTE if found else 0.0


if __name__ == "__main__":
    main()
