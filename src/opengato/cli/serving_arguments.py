"""What `opengato serve` and `opengato client` take: a dataclass each. Nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from opengato.cli.argument_types import Acting, Agent, Flag

Token = Annotated[str | None, arg(metavar="WORD", help_behavior_hint="(default: OPENGATO_TOKEN, or none)")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Serve:
    """Serve an agent over HTTP and WebSockets: control sessions, single actions, chat, vectors for retrieval.

    It prints how to call it. Only this machine reaches it unless `--host` says otherwise. SIGTERM lets sessions go on
    for a while, Ctrl-C does not.

    For example:
        opengato serve tiny
        opengato serve runs/tiny --host 0.0.0.0 --token secret
        opengato serve tiny --max-sessions 8 --origin https://example.com
    """

    agent: Agent
    """A shipped agent, or the folder of an agent, a checkpoint or a run."""
    host: str = "127.0.0.1"
    """The address to listen at; 0.0.0.0 is all of this machine's."""
    port: int = 8400
    """The port; 0 takes a free one."""
    token: Token = None
    """What clients must say to be let in."""
    origin: Annotated[tuple[str, ...], UseAppendAction, arg(metavar="URL", help_behavior_hint="(repeatable)")] = ()
    """A web page that may use it, as https://example.com; its host may be the server's own name."""
    max_sessions: Annotated[int, arg(metavar="N")] = 64
    """Control sessions at once; each keeps a memory of its episode."""
    requests_per_second: Annotated[float, arg(metavar="N")] = 100.0
    """HTTP requests and new sessions of one client address; 0 allows any number."""
    idle_seconds: Annotated[float, arg(metavar="S")] = 300.0
    """A session that says nothing for so long is ended."""
    drain_seconds: Annotated[float, arg(metavar="S")] = 20.0
    """How long sessions may go on after SIGTERM."""
    threads: Annotated[int, arg(metavar="N")] = 1
    """Threads of torch; more of them help large agents on idle cores."""
    seed: int = 0
    """Where an agent draws its actions, the same seeds of server and episode draw the same."""
    acting: Annotated[Acting, arg(name="")] = field(default_factory=Acting)
    """How it acts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Client:
    """Play episodes of a task here, with the actions of an agent that is served elsewhere.

    For example:
        opengato client http://127.0.0.1:8400 --task babyai/GoToLocal
        opengato client robot.example.com:8400 --task metaworld/drawer-open --episodes 10 --period-ms 50
    """

    url: Annotated[str, Positional, arg(metavar="URL")]
    """Where `opengato serve` listens."""
    task: Annotated[str, arg(metavar="TASK")]
    """A control task; `opengato tasks` lists them."""
    episodes: Annotated[int, arg(metavar="N")] = 1
    """How many."""
    seed: int = 0
    """Episode i is the one of seed SEED + i."""
    num_envs: Annotated[int, arg(metavar="N")] = 1
    """Environments side by side, with a session each."""
    period_ms: Annotated[float | None, arg(metavar="MS", help_behavior_hint="(default: none)")] = None
    """How often actions are due; the report counts those that came late."""
    token: Token = None
    """The server's token."""
    json: Flag = False
    """Print how it went as JSON."""
