"""`opengato demo`, `evaluate` and `play`: an agent at work."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import sys
from typing import Any

import gymnasium
import torch

from opengato.agent.files import load_agent
from opengato.agent.model import Agent
from opengato.agent.policy import AgentPolicy, Limits
from opengato.cli.argument_types import Acting
from opengato.cli.arguments import Demo, Evaluate, Play
from opengato.cli.page import serve_page
from opengato.cli.printing import wide_console
from opengato.core.config import choose
from opengato.core.environment import TaskInfo
from opengato.core.episode import Episode
from opengato.core.policy import Observed, Policy, Values
from opengato.evaluators import Player, Settings, measurable_families, trained_tasks, video
from opengato.evaluators import evaluate as measure
from opengato.evaluators.demo import main as run_demo
from opengato.evaluators.kept import part_of
from opengato.rollout import as_policy

# A step of a small model is too short to share: on two busy cores a token took 18 ms with two threads, 4 ms with one.
ACTING_THREADS = 1
MOST_PROCESSES = 8  # that run environments, where nobody says how many; the network does not keep more of them busy
UNTRAINED = ("random", "expert")


def demo(arguments: Demo) -> None:
    """Write the report of an agent, then serve its page where somebody looks."""
    if arguments.no_serve and arguments.page_only:
        raise ValueError("received --no-serve and --page-only, which leave nothing to do; give one of them")
    torch.set_num_threads(ACTING_THREADS)
    if not arguments.page_only:
        run_demo(arguments.out, arguments.model)
    if arguments.page_only or (sys.stdout.isatty() and not arguments.no_serve):
        serve_page(arguments)


def evaluate(arguments: Evaluate) -> None:
    """Print the tables of a report, and write it to files."""
    if arguments.episodes < 1 or arguments.num_envs < 1:
        raise ValueError(
            f"received --episodes {arguments.episodes} --num-envs {arguments.num_envs}; expected at least one of each"
        )
    # One core is the network's.
    spare = min((os.cpu_count() or 1) - 1, MOST_PROCESSES)
    player = player_of(arguments.agent, arguments.acting)
    settings = Settings(
        episodes=arguments.episodes,
        seed=arguments.seed,
        num_envs=arguments.num_envs,
        processes=spare if arguments.processes is None else arguments.processes,
        documents=arguments.documents,
        data=arguments.data,
        temperature=arguments.acting.temperature,
        limits=dataclasses.replace(limits_of(arguments.acting), instructed=not arguments.uninstructed),
        prompted=arguments.prompted,
        anchors=arguments.anchors,
    )
    tasks = arguments.tasks or measurable_families(trained_tasks(player))
    keep = None if arguments.json is None else part_of(arguments.json)
    report = measure(player, tasks, settings=settings, keep=keep)
    console = wide_console()
    console.print(report)
    written = [report.to_json(arguments.json)] if arguments.json else []
    if arguments.plot:
        written.append(report.plot(arguments.plot, arguments.plot_kind))
    for path in written:
        print(f"written: {path}", file=sys.stderr)
    if keep is not None:
        keep.unlink()


def limits_of(acting: Acting) -> Limits:
    """What an agent may choose from and how far it looks back."""
    names = ("top_p", "top_k", "history", "window", "good_returns")
    return Limits(**{name: getattr(acting, name) for name in names})


def player_of(name: str, acting: Acting) -> Player:
    """`random`, `expert`, or an agent that is loaded to act."""
    torch.set_num_threads(ACTING_THREADS)
    return name if name in UNTRAINED else load_agent(name, acting.device, acting.weights)


def play(arguments: Play) -> None:
    """Play an episode, write its video, say how it ended."""
    if arguments.out.suffix:  # else a folder
        choose(arguments.out.suffix, video.SUFFIXES, what="kind of video file")
    player = player_of(arguments.agent, arguments.acting)
    policy = (
        as_policy(player)
        if isinstance(player, str | Policy)
        else AgentPolicy(
            player, arguments.acting.temperature, arguments.seed, rows=1, limits=limits_of(arguments.acting)
        )
    )
    if arguments.instruction is not None:
        policy = Told(policy, arguments.instruction)
    played = video.play(policy, arguments.task, arguments.seed, arguments.out, arguments.size)
    episode = played.episode
    facts: dict[str, Any] = {
        "video": str(played.path),
        "task": episode.task,
        "seed": played.seed,
        "instruction": episode.instruction,
        "told": arguments.instruction or episode.instruction,
        "steps": episode.num_steps,
        "return": episode.episode_return,
        "success": episode.success,
    }
    if isinstance(player, Agent) and player.decision is not None:
        facts["taken for"] = taken_for(player, episode)
    if arguments.json:
        print(json.dumps(facts, indent=1))
        return
    print(f"{episode.task}, seed {played.seed}: {episode.instruction!r}: {video.outcome(episode)}")
    if arguments.instruction is not None:
        print(f"told: {arguments.instruction!r}; it was judged by the instruction above")
    if "taken for" in facts:
        print("taken for: " + ", ".join(f"{task} {share:.2f}" for task, share in facts["taken for"].items()))
    print(f"video: {played.path}")


def taken_for(agent: Agent, episode: Episode) -> dict[str, float]:
    """The three tasks that an agent most takes an episode for."""
    return dict(itertools.islice(agent.which_task(episode).items(), 3))


class Told(Policy):
    """A policy that is told `instruction`, whatever the episode's own is."""

    def __init__(self, policy: Policy, instruction: str) -> None:
        self.name = f"{policy.name}, told {instruction!r}"
        self.policy, self.instruction = policy, instruction

    def begin(self, slot: int, task: TaskInfo, instruction: str, env: gymnasium.Env | None, seed: int) -> None:
        self.policy.begin(slot, task, self.instruction, env, seed)

    def act(self, slots: list[int], observed: list[Observed]) -> list[Values | None]:
        return self.policy.act(slots, observed)

    def end(self, slot: int) -> None:
        self.policy.end(slot)
