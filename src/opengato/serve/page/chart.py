"""The map of tasks: drawn by a command of its own, since it plays episodes, which may take a minute, hang or fail."""

from __future__ import annotations

import atexit
import json
import subprocess
import time
from pathlib import Path
from typing import Any

from opengato.serve.bodies import Ours
from opengato.serve.page.exhibits import Chart
from opengato.serve.refused import Refused

MOST_POINTS = 5000
LAST_WORDS = 300  # characters of what a command said that failed
DIGITS = 2


class Draw(Ours):
    """Draw the map, if it is not there."""


class TaskMap:
    """What there is of the map: nothing, a command that draws it, why that failed, or the points."""

    def __init__(self, chart: Chart | None) -> None:
        self.chart = chart
        self._process: subprocess.Popen[bytes] | None = None
        self._begun = 0.0

    def state(self) -> dict[str, Any]:
        """`state` is `none` (nobody draws here), `ready` (to be drawn), `drawing`, `failed` or `there`."""
        if self.chart is None:
            return {"state": "none"}
        if self._process is not None and self._process.poll() is None:
            if time.monotonic() - self._begun < self.chart.seconds:
                return {"state": "drawing"}
            self._process.kill()
            self._process.wait()
            return {"state": "failed", "why": f"it took more than {self.chart.seconds:g} s"}
        if self.chart.file.is_file():
            return {"state": "there", **self._points()}
        if self._process is None:
            return {"state": "ready"}
        return {"state": "failed", "why": self._last_words()}

    async def draw(self, _body: Draw) -> dict[str, Any]:
        """Begin to draw, if it is neither there nor under way; Refused where nothing can be drawn."""
        if self.chart is None:
            raise Refused(404, "this page has no map of tasks")
        if self.state()["state"] in ("ready", "failed"):
            self._said.parent.mkdir(parents=True, exist_ok=True)
            with self._said.open("wb") as said:  # a pipe that nobody reads could fill, and block it
                self._process = subprocess.Popen(self.chart.command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
            self._begun = time.monotonic()
            atexit.register(self._process.kill)
        return self.state()

    @property
    def _said(self) -> Path:
        """What the command said."""
        assert self.chart is not None
        return self.chart.file.with_suffix(".log")

    def _points(self) -> dict[str, Any]:
        assert self.chart is not None
        body = json.loads(self.chart.file.read_text(encoding="utf-8"))
        points = body["points"][:MOST_POINTS]
        tasks = list(dict.fromkeys(point["task"] for point in points))
        place = {task: number for number, task in enumerate(tasks)}
        rows = [[place[point["task"]], round(point["x"], DIGITS), round(point["y"], DIGITS)] for point in points]
        told = {name: body[name] for name in ("layer", "depth", "neighbours")}
        return {**told, "tasks": tasks, "points": rows}

    def _last_words(self) -> str:
        lines = self._said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1][-LAST_WORDS:] if lines else "it said nothing"
