"""What all requests of one server share: the agent's engine, its rows, counts, and whether it is about to stop."""

from __future__ import annotations

import asyncio
import heapq
import importlib.metadata
import time
from typing import Any

from opengato.agent.model import Agent
from opengato.agent.policy import AgentPolicy
from opengato.core.environment import TaskInfo
from opengato.envs import find_task
from opengato.serve.config import Config
from opengato.serve.control import task_of
from opengato.serve.engine import Engine, stopping
from opengato.serve.metrics import Metrics
from opengato.serve.refused import Refused


class Service:
    """Rows 0 to `max_sessions` - 1 are of sessions, the next `num_rows` of single requests.

    `policy` has as many rows as `rows_of` says. `name` is what clients call the agent.
    """

    def __init__(self, policy: AgentPolicy, name: str, config: Config) -> None:
        self.agent: Agent = policy.agent
        self.policy, self.name, self.config = policy, name, config
        self.metrics = Metrics()
        self.engine = Engine(policy, config.max_writing, config.max_waiting, self.metrics.on_pass)
        self.begun = time.time()
        self.draining = False
        self.closing = asyncio.Event()
        self._free = list(range(config.max_sessions))  # a heap: rows in use lie together
        self._spare: asyncio.LifoQueue[int] = asyncio.LifoQueue()
        self._want_spare = 0
        for row in range(config.max_sessions, rows_of(config)):
            self._spare.put_nowait(row)
        self._tasks: dict[str, TaskInfo] = {}

    @property
    def num_sessions(self) -> int:
        return self.config.max_sessions - len(self._free)

    def close(self) -> None:
        """The time to go on is over: sessions say their last words, texts break off."""
        self.closing.set()
        self.engine.close()

    def take_row(self) -> int:
        """A row for a session; Refused (503) where all are taken."""
        if self.draining:
            raise stopping()
        if not self._free:
            raise Refused(503, f"all {self.config.max_sessions} sessions are taken", retry_after=5)
        self.metrics.begun.inc()
        row = heapq.heappop(self._free)
        self.metrics.sessions.set(self.num_sessions)
        return row

    def give_row(self, row: int) -> None:
        """A session is over."""
        heapq.heappush(self._free, row)
        self.metrics.sessions.set(self.num_sessions)

    async def take_spare(self) -> int:
        """A row for a single request, when there is one; Refused (503) where too many wait for it."""
        if self._want_spare >= self.config.max_waiting:
            raise Refused(503, f"{self._want_spare} requests are waiting already", retry_after=1)
        self._want_spare += 1
        try:
            return await self._spare.get()
        finally:
            self._want_spare -= 1

    def give_spare(self, row: int) -> None:
        self._spare.put_nowait(row)

    def task(self, task_id: str, field: str = "task") -> TaskInfo:
        """A task that the agent can act in; Refused for another. It is checked once."""
        if task_id not in self._tasks:
            self._tasks[task_id] = task_of(self.agent, task_id, field)
        return self._tasks[task_id]

    def trained(self) -> list[str]:
        """Ids of what the agent was trained on."""
        return list(self.agent.card.get("tasks", ()))

    def control_tasks(self) -> list[TaskInfo]:
        """Those of them that are acted in, as far as they are known here."""
        found = []
        for task_id in self.trained():
            try:
                found.append(find_task(task_id))
            except ValueError:  # a corpus, or a task that a module of another machine registers
                continue
        return found

    def metadata(self) -> dict[str, Any]:
        """What a session is told first."""
        return {
            "server": "opengato",
            "model": self.name,
            "protocol": 1,
            "tasks": [task.id for task in self.control_tasks()],
            "idle_seconds": self.config.idle_seconds,
            "max_bytes": self.config.max_bytes,
        }


def rows_of(config: Config) -> int:
    """How many rows a policy needs for a server."""
    return config.max_sessions + config.num_rows


def version() -> str:
    """The package's; "unknown" where it runs from a checkout that nobody installed."""
    try:
        return importlib.metadata.version("opengato")
    except importlib.metadata.PackageNotFoundError:
        return "unknown"
