"""The page of `opengato demo`: the agent live in a browser."""

from __future__ import annotations

import dataclasses
import logging
import os
import sys
import threading
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from opengato.agent.files import load_agent
from opengato.agent.indexing import made_by
from opengato.agent.policy import AgentPolicy
from opengato.cli.arguments import Demo
from opengato.evaluators.attention_map import attention_map
from opengato.evaluators.heldout import held_out_folder, held_out_pictures, held_out_tasks

if TYPE_CHECKING:
    import socket

    from opengato.serve.config import Config
    from opengato.serve.page.exhibits import Exhibits

SEATS = 8  # who looks on at once: each may have three environments
LOOK_SECONDS = 0.5
MAP_EPISODES = 12  # of each task on the map: a minute or two on two cores


def serve_page(arguments: Demo) -> None:
    """Serve until a signal."""
    try:
        from opengato.serve.config import Config
        from opengato.serve.page.app import page_routes
        from opengato.serve.server import Server, address_of
        from opengato.serve.service import Service, rows_of
    except ModuleNotFoundError as error:
        raise ImportError(f"the page needs more packages: pip install 'opengato[demo]' ({error})") from error
    config = Config(port=arguments.port, max_sessions=SEATS, idle_seconds=1800.0)
    listening = listen_somewhere(config)
    agent = load_agent(arguments.model)
    service = Service(AgentPolicy(agent, rows=rows_of(config)), agent.card.get("name") or arguments.model, config)
    address = address_of(listening)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    print(f"\nThe live page: {address}   (Ctrl-C ends)", flush=True)
    if sys.stdout.isatty() and has_screen():
        threading.Timer(LOOK_SECONDS, webbrowser.open, (address,)).start()
    exhibits = exhibits_of(arguments.out, arguments.data, arguments.runs, arguments.model)
    Server(service, page_routes(service, exhibits)).run(sockets=[listening])


def listen_somewhere(config: Config) -> socket.socket:
    """A socket at the port of the configuration, or at a free one."""
    from opengato.serve.server import listen

    try:
        return listen(config)
    except ValueError:
        return listen(dataclasses.replace(config, port=0))


def exhibits_of(out: Path, data: Path, runs: Path, model: str) -> Exhibits:
    """What the page shows: the shipped held-out pictures, the report in `out`, the stores and runs of this machine.

    The map of tasks lies beside the report, one for each set of weights.
    """
    from opengato.serve.page.exhibits import Chart, Exhibits

    pictures = [shown for task in held_out_tasks("caption") for shown in held_out_pictures(task)]
    picture = out / f"map-{made_by(model).weights[:12]}.png"
    command = (sys.executable, "-m", "opengato", "analyse", "embeddings", model, "--episodes", str(MAP_EPISODES))
    command = (*command, "--out", str(picture))
    return Exhibits(
        pictures=pictures,
        look=lambda agent, picture, instruction, layer: attention_map(agent, picture, instruction, layer),
        report=out,
        stores=(held_out_folder(), data),
        runs=runs,
        chart=Chart(file=picture.with_suffix(".json"), command=command),
    )


def has_screen() -> bool:
    """Whether a browser could show anything here."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
