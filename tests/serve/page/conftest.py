"""The page of the shipped agent in a real browser: Chromium without a screen, driven by playwright."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("uvicorn")

from opengato.agent.model import Agent
from opengato.core.environment import TaskInfo
from opengato.core.episode import Episode
from opengato.data.store import StoreWriter
from opengato.envs import find_task
from opengato.evaluators.attention_map import attention_map
from opengato.evaluators.heldout import held_out_folder, held_out_pictures
from opengato.serve.page.app import page_routes
from opengato.serve.page.exhibits import Chart, Exhibits
from tests.serve.asking import Running
from tests.serve.conftest import running, tiny  # noqa: F401
from tests.tiny import sensing_config

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PICTURES = 12
DRAW = "import sys, pathlib; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"
PLACES = {"babyai/GoToLocal": (0.0, 0.0), "babyai/PutNext": (4.0, 1.0), "metaworld/reach": (9.0, 9.0)}
MAP = {
    "layer": 4,
    "depth": 8,
    "neighbours": {"same task": 0.9, "same task by chance": 0.3, "same family": 1.0, "same family by chance": 0.5},
    "points": [{"task": task, "x": x + number / 10, "y": y} for task, (x, y) in PLACES.items() for number in range(4)],
}


def episode(task: TaskInfo, seed: int) -> Episode:
    """Three steps that nobody played; odd seeds succeed."""
    return Episode(
        task=task.id,
        instruction=f"go to number {seed}",
        observation_specs=task.observation_specs,
        action_specs=task.action_specs,
        observations={"view": np.zeros((3, 50, 3), np.uint8)},
        actions={"action": np.array([0, 1, 2])},
        rewards=np.array([0.0, 0.0, 1.0], np.float32),
        success=seed % 2 == 1,
        provenance={"seed": seed},
    )


def drawing(file: Path) -> Chart:
    """A map of three tasks, drawn in no time."""
    return Chart(file=file, command=(sys.executable, "-c", DRAW, str(file), json.dumps(MAP)))


@pytest.fixture(scope="session")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store in `data`, a run in `runs` and a secret beside them."""
    folder = tmp_path_factory.mktemp("shelf")
    task = find_task("babyai/GoToLocal")
    with StoreWriter(folder / "data" / "made") as writer:
        writer.append(episode(task, seed) for seed in range(60))
    (folder / "runs" / "mine").mkdir(parents=True)
    rows = [{"step": step, "loss": 4 / step, "learning_rate": 0.1} for step in range(1, 30)]
    log = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "runs" / "mine" / "log.jsonl").write_text(log + '{"step": 30, "lo', encoding="utf-8")
    (folder / "secret").mkdir()
    (folder / "secret" / "log.jsonl").write_text('{"step": 1}\n')
    return folder


def serve_page(
    agent: Agent, shelf: Path, chart: Chart | None = None, **settings: Any
) -> contextlib.AbstractContextManager[Running]:
    exhibits = Exhibits(
        chart=chart or drawing(shelf / "map.json"),
        pictures=held_out_pictures("caption/emoji")[:PICTURES],
        look=attention_map,
        stores=(held_out_folder(), shelf / "data"),
        runs=shelf / "runs",
    )
    usual = {"max_sessions": 4, "num_rows": 2}
    return running(agent, lambda service: page_routes(service, exhibits), **{**usual, **settings})


@pytest.fixture(scope="session")
def served(tiny: Agent, shelf: Path) -> Generator[Running]:  # noqa: F811
    with serve_page(tiny, shelf) as found:
        yield found


@pytest.fixture(scope="session")
def sensing_page(shelf: Path) -> Generator[Running]:
    """The page of an agent that hears and sees films, and has learnt nothing."""
    torch.manual_seed(0)
    with serve_page(sensing_config().build().eval(), shelf) as found:
        yield found


# Not of the session: an event loop runs in this thread as long as it lasts, and tests of other files start their own.
@pytest.fixture(scope="module")
def browser() -> Generator[Any]:
    """Chromium, or a clear reason why there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (extra `dev`)")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is on this machine; on Debian: apt-get install chromium")
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=found, args=["--no-sandbox"] if is_root else [])
        yield launched
        launched.close()
