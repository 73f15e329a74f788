"""What every WebSocket of this server has: a row of the agent's memory while it lasts, and an end.

An end comes when the client hangs up, says nothing for too long, or the server stops.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from opengato.serve.gate import refusal
from opengato.serve.refused import Refused
from opengato.serve.service import Service

GOING_AWAY, POLICY, RESTART = 1001, 1008, 1012


class Over(Exception):
    """The visit ends, with a code of WebSockets and why."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason


class Visit(ABC):
    """One client on one socket, which has `row` to itself."""

    def __init__(self, socket: WebSocket, service: Service, row: int) -> None:
        self.socket, self.service, self.row = socket, service, row

    @abstractmethod
    async def run(self) -> None:
        """Answer until it is over."""

    @abstractmethod
    async def stop(self) -> None:
        """Leave nothing behind, however it ended."""

    @property
    def is_busy(self) -> bool:
        """Whether the server is at work by itself, so that nobody needs to say anything."""
        return False

    async def frame(self) -> dict[str, Any]:
        """The next frame of the socket. Over where none comes in time, or the server stops."""
        seconds = self.service.config.idle_seconds
        coming = asyncio.ensure_future(self.socket.receive())
        closing = asyncio.ensure_future(self.service.closing.wait())
        try:
            await asyncio.wait((coming, closing), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            while self.is_busy and not coming.done() and not closing.done():
                await asyncio.wait((coming, closing), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closing.cancel()
            if not coming.done():
                coming.cancel()
        if not coming.done():
            if self.service.closing.is_set():
                raise Over(RESTART, "the server is stopping")
            raise Over(GOING_AWAY, f"no message for {seconds:g} s")
        frame = dict(coming.result())
        if frame["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(frame.get("code") or 1005)
        return frame


async def welcome(socket: WebSocket, kind: type[Visit]) -> None:
    """A visit from its handshake to its end; its row is free afterwards, however it ended."""
    service: Service = socket.app.state.service
    try:
        row = service.take_row()
    except Refused as error:
        service.metrics.refused.labels(str(error.status)).inc()
        await socket.send_denial_response(refusal(error))
        return
    visit = kind(socket, service, row)
    try:
        await socket.accept()
        await visit.run()
    except WebSocketDisconnect:  # also in the midst of an answer
        pass
    finally:
        await visit.stop()
        service.engine.release(row)
        service.give_row(row)
