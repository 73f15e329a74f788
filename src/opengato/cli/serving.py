"""`opengato serve` and `opengato client`."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from opengato.cli.serving_arguments import Client, Serve

if TYPE_CHECKING:
    from opengato.serve.client import RemotePolicy

TOKEN = "OPENGATO_TOKEN"  # in the environment no list of processes shows it
NEEDED = "serving needs more packages: pip install 'opengato[serve]'"


def serve(arguments: Serve) -> None:
    """Serve until a signal."""
    try:
        from opengato.serve.config import Config
        from opengato.serve.server import Server, address_of, greeting, listen
        from opengato.serve.service import Service, rows_of
    except ModuleNotFoundError as error:
        raise ImportError(f"{NEEDED} ({error})") from error
    import torch

    from opengato.agent.files import load_agent
    from opengato.agent.policy import AgentPolicy
    from opengato.cli.agents import limits_of

    names = {field.name for field in dataclasses.fields(Config)} & {field.name for field in dataclasses.fields(Serve)}
    given = {name: getattr(arguments, name) for name in names - {"token"}}
    config = Config(**given, token=arguments.token or os.environ.get(TOKEN) or None, origins=arguments.origin)
    logging.basicConfig(format="%(asctime)s %(message)s", level=logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    torch.set_num_threads(arguments.threads)
    listening = listen(config)  # before the weights: a port that is taken is told at once
    agent = load_agent(arguments.agent, arguments.acting.device, arguments.acting.weights)
    limits = limits_of(arguments.acting)
    policy = AgentPolicy(agent, arguments.acting.temperature, arguments.seed, rows_of(config), limits=limits)
    service = Service(policy, agent.card.get("name") or arguments.agent, config)
    print(greeting(service, address_of(listening)), file=sys.stderr, flush=True)
    Server(service).run(sockets=[listening])


def client(arguments: Client) -> None:
    """Play, and say how each episode ended and how steadily actions came."""
    try:
        from opengato.serve.client import RemotePolicy
    except ModuleNotFoundError as error:
        raise ImportError(f"{NEEDED} ({error})") from error
    from opengato.rollout import rollout

    policy = RemotePolicy(arguments.url, arguments.token or os.environ.get(TOKEN) or None, arguments.period_ms)
    settings: dict[str, Any] = {"episodes": arguments.episodes, "seed": arguments.seed, "num_envs": arguments.num_envs}
    played = []
    for number, episode in enumerate(rollout(arguments.task, policy, **settings)):
        facts = {
            "seed": arguments.seed + number,
            "instruction": episode.instruction,
            "steps": episode.num_steps,
            "return": episode.episode_return,
            "success": episode.success,
        }
        played.append(facts)
        if not arguments.json:
            ended = {True: ", solved", False: ", not solved", None: ""}[episode.success]
            told = f"{facts['steps']} steps, return {facts['return']:.3g}{ended}"
            print(f"seed {facts['seed']}: {episode.instruction!r}: {told}", flush=True)
    summary = cadence(policy)
    if arguments.json:
        print(json.dumps({"task": arguments.task, "episodes": played, **summary}, indent=1))
        return
    here, there = summary["round_trip_ms"], summary["server"]
    print(f"here      p50 {here['p50']:.1f} ms, p99 {here['p99']:.1f} ms from observation to action")
    for one in there:
        print(f"server    p50 {one['p50_ms']} ms, p99 {one['p99_ms']} ms of {one['steps']} steps, {one['missed']} late")


def cadence(policy: RemotePolicy) -> dict[str, Any]:
    """How long actions took on this side, and the server's own reports."""
    reports = policy.close()
    p50, p99 = np.percentile(policy.round_trips, (50, 99)).round(3).tolist()
    return {"round_trip_ms": {"p50": p50, "p99": p99}, "server": reports}
