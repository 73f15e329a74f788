"""One environment in a process of its own, stepped and drawn for who looks on: it may be slow, hang or crash.

Letters: H height, W width.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from PIL import Image

from opengato.core.policy import Observed, Policy, Values
from opengato.envs import family_of, find_task
from opengato.envs.registry import adopt, for_workers
from opengato.rollout.policies import as_policy
from opengato.rollout.seats import LocalSeats
from opengato.rollout.workers import GRACE_SECONDS, WorkerDied, die_with_parent

START_SECONDS, STEP_SECONDS = 180.0, 60.0
QUALITY = 82  # of JPEG


@dataclass(frozen=True, kw_only=True, slots=True)
class Scene:
    """What there is to see after a reset or a step.

    `picture` is a JPEG, or empty where the simulator cannot draw (`blind` says why). `action` is what was done, None
    after a reset. `seconds` is what the simulator took.
    """

    instruction: str
    values: Values
    picture: bytes
    blind: str
    seconds: float
    action: Values | None = None
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    success: bool | None = None

    @property
    def is_over(self) -> bool:
        return self.terminated or self.truncated


class LiveEnvironment:
    """An environment of a task; `actor` ("random" or "expert") acts in it, or, where it is None, the caller.

    WorkerDied where its process is gone, or was ended because it took too long; then make another one.
    """

    def __init__(self, task_id: str, actor: str | None = None, size: int = 320) -> None:
        context = multiprocessing.get_context("spawn")
        self._line, far_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(far_end,), daemon=True)
        self._process.start()
        far_end.close()
        self._opening: tuple[Any, ...] | None = (task_id, for_workers([task_id]), actor, size)

    @property
    def pid(self) -> int:
        """The number of the process."""
        assert self._process.pid is not None
        return self._process.pid

    def reset(self, seed: int) -> Scene:
        """Begin the episode of `seed`."""
        if self._opening is not None:
            opening, self._opening = self._opening, None
            self._ask("open", opening, START_SECONDS)
        return self._ask("reset", seed, START_SECONDS)

    def step(self, values: Values | None = None) -> Scene:
        """Do an action, or what the actor does."""
        return self._ask("step", values, STEP_SECONDS)

    def close(self) -> None:
        """End the process at once, whatever it does; who waits for it is told."""
        self._process.kill()
        self._process.join(GRACE_SECONDS)

    def _ask(self, call: str, given: Any, seconds: float) -> Any:
        try:
            self._line.send((call, given))
            if not self._line.poll(seconds):
                self.close()
                raise WorkerDied(f"the environment did not answer within {seconds:g} s")
            answer = self._line.recv()
        except (EOFError, OSError) as error:
            self._process.join(GRACE_SECONDS)
            code = self._process.exitcode
            raise WorkerDied(f"the process of the environment ended with exit code {code}") from error
        if isinstance(answer, Exception):
            raise answer
        return answer


class _Stage:
    """What is in the process: the environment, and who acts in it."""

    def __init__(self, task_id: str, actor: str | None, size: int) -> None:
        self.task = find_task(task_id)
        self.seats = LocalSeats(family_of(task_id), self.task, 1, size)
        self.actor: Policy | None = None if actor is None else as_policy(actor)
        self.instruction, self.blind, self.steps = "", "", 0
        self.seen: Observed | None = None

    def reset(self, seed: int) -> Scene:
        since = time.perf_counter()
        begun = self.seats.reset({0: seed})[0]
        self.instruction, self.seen, self.steps = begun.instruction, begun.observed, 0
        if self.actor is not None:
            self.actor.begin(0, self.task, begun.instruction, self.seats.env(0), seed)
        return self._scene(since)

    def step(self, values: Values | None) -> Scene:
        since = time.perf_counter()
        if values is None:
            assert self.actor is not None
            assert self.seen is not None
            (values,) = self.actor.act([0], [self.seen])
            if values is None:
                raise RuntimeError(f"the {self.actor.name} cannot go on with this episode")
        stepped = self.seats.step({0: values})[0]
        self.seen, self.steps = stepped.observed, self.steps + 1
        return self._scene(
            since,
            action=values,
            reward=stepped.observed.reward,
            terminated=stepped.terminated,
            truncated=stepped.truncated or self.steps >= self.task.max_steps,
            success=stepped.success,
        )

    def _scene(self, since: float, **told: Any) -> Scene:
        assert self.seen is not None
        seconds = time.perf_counter() - since
        picture = self._picture()
        return Scene(
            instruction=self.instruction,
            values=self.seen.values,
            picture=picture,
            blind=self.blind,
            seconds=seconds,
            **told,
        )

    def _picture(self) -> bytes:
        """The frame; a simulator that cannot draw is not asked again."""
        if self.blind:
            return b""
        try:
            frame = np.asarray(self.seats.render(0), np.uint8)
        except Exception as error:  # each simulator fails in its own way
            self.blind = str(error) or type(error).__name__
            return b""
        file = io.BytesIO()
        Image.fromarray(frame).save(file, "JPEG", quality=QUALITY)
        return file.getvalue()


def _serve(line: Connection) -> None:
    """Answer calls until the other end is closed."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    os.dup2(2, 1)
    stage: _Stage | None = None
    while True:
        try:
            call, given = line.recv()
        except (EOFError, OSError):
            return
        try:
            if call == "open":
                task_id, registrations, actor, size = given
                adopt(registrations)
                stage, answer = _Stage(task_id, actor, size), None
            else:
                assert stage is not None
                answer = getattr(stage, call)(given)
        except Exception as error:
            answer = RuntimeError(str(error) or type(error).__name__)  # its own class may not travel
        line.send(answer)
