"""Watch an agent live: a WebSocket that plays a task, beside the expert and chance, at the pace of who looks on.

A client sends `start`, `pace`, `step`, `hand` and `who` as JSON. The server answers in binary frames: four bytes of
length, as many of JSON, then the JPEGs whose sizes the JSON names in `pictures`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any, Literal

from pydantic import Field
from starlette.websockets import WebSocket, WebSocketDisconnect

from opengato.rollout import TRAIN_SEED
from opengato.serve.bodies import Instruction, Name, Ours, Values, read_body
from opengato.serve.cadence import Allowance
from opengato.serve.page.game import Game
from opengato.serve.refused import Refused
from opengato.serve.service import Service
from opengato.serve.visit import POLICY, Over, Visit, welcome
from opengato.serve.wire import decode, encode

MOST_MESSAGES = 60.0  # a second
MOST_WAITING = 4  # actions of a hand that are not done yet
log = logging.getLogger("opengato.serve")


class Start(Ours):
    """Begin an episode; `beside` plays it with the expert and chance, too."""

    type: Literal["start"]
    task: Name
    seed: int = Field(0, ge=0, lt=TRAIN_SEED)
    instruction: Instruction | None = None
    beside: bool = False


class Pace(Ours):
    """Whether to go on by itself, and how many steps a second."""

    type: Literal["pace"]
    playing: bool
    fps: float = Field(15.0, ge=0.2, le=60)


class OneStep(Ours):
    """One step of the agent."""

    type: Literal["step"]


class Hand(Ours):
    """One step by hand."""

    type: Literal["hand"]
    action: Values


class Who(Ours):
    """Who acts from here on."""

    type: Literal["who"]
    by: Literal["agent", "hand"]


MESSAGES: dict[str, type[Ours]] = {"start": Start, "pace": Pace, "step": OneStep, "hand": Hand, "who": Who}


async def watch(socket: WebSocket) -> None:
    """Serve one who looks on."""
    await welcome(socket, Watch)


class Watch(Visit):
    """Commands come in `run`; `play`, a task beside it, does what they left in the fields below."""

    def __init__(self, socket: WebSocket, service: Service, row: int) -> None:
        super().__init__(socket, service, row)
        self.playing, self.fps, self.by = False, 15.0, "agent"
        self.due = 0  # steps of the agent that were asked for one by one
        self.hands: list[dict[str, Any]] = []
        self.player: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._sending = asyncio.Lock()
        self._allowance = Allowance(MOST_MESSAGES)

    async def run(self) -> None:
        """Commands until the client is gone, or says nothing while nothing plays."""
        while True:
            try:
                frame = await self.frame()
                if self._allowance.take():
                    raise Over(POLICY, f"more than {MOST_MESSAGES:g} messages a second")
                await self.obey(frame.get("text") or "")
            except Refused as error:
                await self.tell_error(error)
            except Over as over:
                await self.socket.close(over.code, over.reason)
                return

    @property
    def is_busy(self) -> bool:
        return self.playing and self.player is not None and not self.player.done()

    async def obey(self, text: str) -> None:
        """Do what a message asks for."""
        if len(text) > self.service.config.max_bytes:
            raise Refused(413, f"a message of {len(text)} characters")
        message = decode(text.encode(), "json")
        kind = message.get("type") if isinstance(message, dict) else None
        if not isinstance(kind, str) or kind not in MESSAGES:
            raise Refused(400, f"type: received {str(kind)[:40]!r}, expected {', '.join(MESSAGES)}", "type")
        body = read_body(MESSAGES[kind], message)
        match body:
            case Start():
                self.service.task(body.task)
                await self.stop()
                self.due, self.hands, self.by = 0, [], "agent"
                self.player = asyncio.create_task(self.play(body))
            case Pace():
                self.playing, self.fps = body.playing, body.fps
            case OneStep():
                self.due = min(self.due + 1, MOST_WAITING)
            case Hand():
                self.hands = [*self.hands, body.action][:MOST_WAITING]
            case Who():
                self.by, self.hands = body.by, []
        self._changed.set()

    async def play(self, start: Start) -> None:
        """An episode from its reset to its end; what goes wrong is told, and ends it."""
        game = Game(self.service, self.row, start.task)
        try:
            await self.tell(*await game.begin(start.seed, start.instruction, start.beside))
            while not game.is_over:
                began = time.perf_counter()
                action = await self.turn()
                try:
                    told = await (game.by_agent() if action is None else game.by_hand(action))
                except Refused as error:
                    if action is None:
                        raise
                    await self.tell_error(error)  # an action that does not fit was not done
                    continue
                await self.tell(*told)
                await asyncio.sleep(max(0.0, 1 / self.fps - (time.perf_counter() - began)))
        except Refused as error:
            await self.tell_error(error)
        except WebSocketDisconnect:
            return
        except Exception as error:  # a simulator fails in its own way; the page says how, and another task may go well
            log.warning("watching %s failed: %s", start.task, error)
            await self.tell({"type": "error", "message": f"{start.task}: {error}", "code": 500, "param": None})
        finally:
            self.playing = False
            game.close()

    async def turn(self) -> dict[str, Any] | None:
        """Wait until a step is due: the action of a hand, or None for the agent's."""
        while True:
            if self.hands:
                return self.hands.pop(0)
            if self.due or (self.playing and self.by == "agent"):
                self.due = max(0, self.due - 1)
                return None
            self._changed.clear()
            await self._changed.wait()

    async def tell(self, facts: dict[str, Any], pictures: dict[str, bytes] | None = None) -> None:
        """Send a message with its pictures."""
        pictures = pictures or {}
        sizes = {name: len(data) for name, data in pictures.items()}
        head = encode({**facts, "pictures": sizes}, "json")
        async with self._sending:
            with contextlib.suppress(RuntimeError):  # closed meanwhile
                await self.socket.send_bytes(len(head).to_bytes(4, "big") + head + b"".join(pictures.values()))

    async def tell_error(self, error: Refused) -> None:
        """What was wrong, counted."""
        self.service.metrics.refused.labels(str(error.status)).inc()
        await self.tell({**error.body()["error"], "type": "error"})

    async def stop(self) -> None:
        """End the episode under way."""
        if self.player is not None:
            self.player.cancel()
            await asyncio.wait((self.player,))
            self.player = None
