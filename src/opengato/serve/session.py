"""A control session: a WebSocket that holds a row of the agent's memory, episode after episode.

The server speaks first (`Service.metadata`). The client then sends `reset`, `act` and `end` (see `bodies`), as JSON
in frames of text or as msgpack in binary ones, and is answered in kind. A map without a `type` is an observation as
the clients of openpi send it: the fields themselves, a new `prompt` beginning a new episode of the address's task.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

from starlette.websockets import WebSocket

from opengato.agent.opening import returns_in_sight
from opengato.core.environment import TaskInfo
from opengato.serve.bodies import Act, End, Reset, read_body
from opengato.serve.cadence import Allowance, Cadence
from opengato.serve.control import describe, read_values
from opengato.serve.engine import Act as ActJob
from opengato.serve.engine import Begin, Clock
from opengato.serve.refused import Refused
from opengato.serve.service import Service
from opengato.serve.visit import POLICY, Over, Visit, welcome
from opengato.serve.wire import Format, decode, encode

MESSAGES = {"reset": Reset, "act": Act, "end": End}
MOST_MISTAKES = 32  # in a row: who makes more is no client
LARGE = 2**16  # bytes that are decoded beside the event loop
PLAIN_PREFIX = "observation/"  # as openpi's examples name their fields
log = logging.getLogger("opengato.serve")


async def session(socket: WebSocket) -> None:
    """Serve one session."""
    await welcome(socket, Session)


class Session(Visit):
    """The state of one: the task and the step of its episode, its cadence."""

    def __init__(self, socket: WebSocket, service: Service, row: int) -> None:
        super().__init__(socket, service, row)
        self.form: Format = "json" if socket.query_params.get("format") == "json" else "msgpack"
        self.task_id = socket.query_params.get("task")
        self.task: TaskInfo | None = None
        self.prompt: str | None = None
        self.period_ms: float | None = None
        self.steps = 0
        self.cadence = Cadence()
        self._allowance = Allowance(service.config.messages_per_second)

    async def run(self) -> None:
        await self.send(self.service.metadata())
        mistakes = 0
        while True:
            plain = False
            try:
                message, clock = await self.receive()
                plain = isinstance(message, dict) and "type" not in message
                answer = await (self.infer(message, clock) if plain else self.answer(message, clock))
                await self.send(answer)
                if answer.get("type") == "ended":
                    await self.socket.close()
                    return
                mistakes = 0
            except Refused as error:
                mistakes += 1
                self.service.metrics.refused.labels(str(error.status)).inc()
                await self.send_error(error, plain)
                if mistakes >= MOST_MISTAKES:
                    await self.close(POLICY, f"{mistakes} messages in a row were wrong")
                    return
            except Over as over:
                await self.close(over.code, over.reason)
                return

    async def receive(self) -> tuple[Any, Clock]:
        """The next message and when it came. Over where none comes in time, or the server stops."""
        config = self.service.config
        frame = await self.frame()
        clock = Clock()
        text: str | None = frame.get("text")
        self.form = "msgpack" if text is None else "json"
        raw: bytes = frame["bytes"] if text is None else text.encode()
        if len(raw) > config.max_bytes:
            raise Refused(413, f"a message of {len(raw)} bytes, allowed are {config.max_bytes}")
        if wait := self._allowance.take():
            raise Refused(429, f"more than {config.messages_per_second:g} messages a second", retry_after=wait)
        if len(raw) > LARGE:
            return await asyncio.to_thread(decode, raw, self.form), clock
        return decode(raw, self.form), clock

    async def answer(self, message: Any, clock: Clock) -> dict[str, Any]:
        """What a message with a `type` is answered with."""
        kind = message.get("type") if isinstance(message, dict) else None
        if not isinstance(kind, str) or kind not in MESSAGES:
            raise Refused(400, f"type: received {str(kind)[:40]!r}, expected {', '.join(MESSAGES)}", "type")
        body = read_body(MESSAGES[kind], message)
        if isinstance(body, Reset):
            return await self.reset(body, clock)
        if isinstance(body, Act):
            return await self.act(body.observation, body.reward, clock)
        assert isinstance(body, End)
        return {"type": "ended", "cadence": self.cadence.report()}

    async def reset(self, body: Reset, clock: Clock) -> dict[str, Any]:
        """Begin an episode."""
        task_id = body.task or self.task_id
        if task_id is None:
            raise Refused(400, "task: is missing; `GET /v1/tasks` lists what there is", "task")
        task = self.service.task(task_id)
        instruction = task.instruction if body.instruction is None else body.instruction
        begin = Begin(row=self.row, task=task, instruction=instruction, seed=body.seed, clock=clock)
        self.task = None
        await self.result(begin)
        self.task, self.task_id, self.steps = task, task_id, 0
        self.period_ms = body.period_ms
        told = {"task": describe(task, task.id in self.service.trained()), "instruction": instruction}
        return {"type": "begun", **told, "timing": clock.timing()}

    async def act(self, given: dict[str, Any], reward: float | None, clock: Clock) -> dict[str, Any]:
        """Answer an observation."""
        if self.task is None:
            raise Refused(400, "no episode has begun; send a message of type `reset` first", "type")
        values = read_values(given, self.task.observation_specs, "observation", self.service.config.max_pixels)
        if reward is None and self.steps:
            policy = self.service.policy
            if returns_in_sight(policy.agent, self.task, policy.target_return) is not None:
                raise Refused(400, "reward: is missing; this agent sees the rewards of this task", "reward")
        actions = await self.result(ActJob(row=self.row, values=values, reward=reward or 0.0, clock=clock))
        self.steps += 1
        self.service.metrics.waited.observe(clock.taken - clock.came)
        if self.cadence.add(time.perf_counter() - clock.came, self.period_ms):
            self.service.metrics.missed.inc()
        answer = {"type": "action", "actions": actions, "step": self.steps - 1, "timing": clock.timing()}
        return {**answer, "draining": True} if self.service.draining else answer

    async def infer(self, message: dict[str, Any], clock: Clock) -> dict[str, Any]:
        """An observation without a type, as openpi's clients send it; they get the actions of one step, (1, A)."""
        given = {str(name).removeprefix(PLAIN_PREFIX): value for name, value in message.items()}
        prompt = given.pop("prompt", None)
        if self.task is None or prompt != self.prompt:
            await self.reset(read_body(Reset, {"type": "reset", "instruction": prompt}), Clock())
            self.prompt = prompt
        answer = await self.act(given, None, clock)
        timing = answer["timing"]
        actions = list(answer["actions"].values())
        single = {"actions": actions[0][None]} if len(actions) == 1 else {"actions": answer["actions"]}
        return {**single, "server_timing": {"infer_ms": timing["model_ms"], **timing}}

    async def result(self, job: Begin | ActJob) -> Any:
        """What the model makes of a job; a failure that is nobody's fault ends the episode."""
        try:
            return await asyncio.wrap_future(self.service.engine.submit(job))
        except Refused:
            raise
        except Exception:
            log.exception("the model failed in a session")
            self.task = None
            raise Refused(500, "the model failed; the episode is over, and the server's log says more") from None

    async def send(self, answer: dict[str, Any]) -> None:
        data = encode(answer, self.form)
        await (self.socket.send_text(data.decode()) if self.form == "json" else self.socket.send_bytes(data))

    async def send_error(self, error: Refused, plain: bool) -> None:
        """What was wrong; to openpi's clients as text, which they raise."""
        if plain:
            self.form = "json"
        await self.send({"type": "error", **error.body()})

    async def stop(self) -> None:
        log.info("session ended: %s", self.cadence.report())

    async def close(self, code: int, reason: str) -> None:
        """Say the cadence and why, and hang up."""
        await self.send({"type": "ended", "cadence": self.cadence.report(), "reason": reason})
        await self.socket.close(code, reason)
