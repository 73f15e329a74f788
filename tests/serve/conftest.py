"""A server of the shipped agent in this process, asked over real sockets."""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import threading
from collections.abc import Callable, Generator, Sequence
from typing import Any

import pytest
import torch

pytest.importorskip("uvicorn")

from starlette.routing import BaseRoute

from opengato.agent.files import load_agent, shipped
from opengato.agent.model import Agent
from opengato.agent.policy import AgentPolicy
from opengato.serve.config import Config
from opengato.serve.server import Server, address_of, listen
from opengato.serve.service import Service, rows_of
from tests.serve.asking import Running
from tests.tiny import sensing_config

Routes = Callable[[Service], Sequence[BaseRoute]]
ENDING = 60  # seconds: other tests may be busy beside it
Serving = Callable[..., contextlib.AbstractContextManager[Running]]


@pytest.fixture(scope="session")
def tiny() -> Agent:
    if "tiny" not in shipped():
        pytest.skip("the shipped agent is not there")
    return load_agent("tiny")


@contextlib.contextmanager
def running(agent: Agent, routes: Routes = lambda _: (), **settings: Any) -> Generator[Running]:
    """A server in a thread, with further `routes`.

    `settings` are those of `Config` that differ, `policy` those of the policy.
    """
    acting = settings.pop("policy", {})
    usual: dict[str, Any] = {
        "port": 0,
        "max_sessions": 8,
        "num_rows": 4,
        "requests_per_second": 0,
        "max_new_tokens": 64,
    }
    config = Config(**{**usual, **settings})
    service = Service(AgentPolicy(agent, rows=rows_of(config), **acting), "tiny", config)
    listening, server = listen(config), Server(service, routes(service))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield Running(address_of(listening), service, server)
    finally:
        server.handle_exit(signal.SIGINT, None)
        thread.join(ENDING)
        if thread.is_alive():
            faulthandler.dump_traceback(all_threads=True)
        assert not thread.is_alive(), f"the server does not end within {ENDING} s; see above where its threads are"


@pytest.fixture(scope="session")
def server(tiny: Agent) -> Generator[Running]:
    """One that all tests share which ask nothing unusual of it."""
    with running(tiny) as found:
        yield found


@pytest.fixture(scope="session")
def sensing() -> Generator[Running]:
    """One of an agent that hears and sees films, and has learnt nothing."""
    torch.manual_seed(0)
    with running(sensing_config().build().eval()) as found:
        yield found


@pytest.fixture
def serving(tiny: Agent) -> Serving:
    """A server of one's own, with settings."""
    return lambda **settings: running(tiny, **settings)
