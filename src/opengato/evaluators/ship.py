"""Making a trained agent one that ships: half-size weights, scored, with a card.

    python -m opengato.evaluators.ship runs/tiny src/opengato/assets/agents/tiny --episodes 20
    python -m opengato.evaluators.ship runs/senses src/opengato/assets/agents/senses --tasks all --data data

The scores are those of the weights as they ship, in bfloat16, on the first evaluation seeds.
"""

from __future__ import annotations

import argparse
import datetime
import json
from pathlib import Path

import torch
from rich.console import Console

from opengato.agent.files import CARD, load_agent, save_agent
from opengato.evaluators import Settings, evaluate
from opengato.evaluators.kept import part_of
from opengato.evaluators.report import Report
from opengato.evaluators.statistics import Interval

TASKS = "babyai,metaworld,caption,text"


def ship(run: Path, out: Path, tasks: str, settings: Settings) -> Report:
    """Write the agent of `run` to `out` with its scores in the card, and return the whole report.

    The same call goes on where it was broken off.
    """
    trained = load_agent(run)
    save_agent(trained, out, dtype=torch.bfloat16)
    agent = load_agent(out)
    agent.card |= {"name": out.name, "num_parameters": agent.num_parameters}
    keep = part_of(out / CARD)
    report = evaluate(agent, tasks, settings=settings, keep=keep)
    scores = {
        result.task: {
            "metric": result.metric,
            "score": round(result.score.value, 4),
            "interval": ends(result.score),
            "samples": result.num_samples,
            "references": {name: round(value, 4) for name, value in result.references.items()},
        }
        for result in report.results
    }
    aggregates = {
        name: {
            "tasks": aggregate.num_tasks,
            "mean": round(aggregate.mean.value, 4),
            "interval": ends(aggregate.mean),
            "median": round(aggregate.median.value, 4),
            "iqm": round(aggregate.iqm.value, 4),
        }
        for name, aggregate in report.aggregates().items()
    }
    agent.card |= {
        "licence": "Apache-2.0",
        "scored": {
            "date": datetime.date.today().isoformat(),
            "command": f"opengato evaluate {out.name} --tasks {tasks} --episodes {settings.episodes}",
            "aggregates": aggregates,
            "tasks": scores,
        },
    }
    (out / CARD).write_text(json.dumps(agent.card, indent=1) + "\n")
    keep.unlink()
    return report


def ends(interval: Interval) -> list[float | None]:
    """Both ends of an interval, rounded for a card."""
    return [None if end is None else round(end, 4) for end in (interval.low, interval.high)]


def main() -> None:
    """Read the arguments and ship."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a finished run or agent")
    parser.add_argument("out", type=Path, help="folder of the agent to ship")
    parser.add_argument("--tasks", default=TASKS, help=f"what to measure (default {TASKS})")
    parser.add_argument("--episodes", type=int, default=20, help="episodes a control task (default 20)")
    parser.add_argument("--data", type=Path, default=Path("data"), help="where imported corpora are (default data)")
    parser.add_argument("--report", type=Path, help="where to write the whole report as JSON")
    arguments = parser.parse_args()
    settings = Settings(episodes=arguments.episodes, data=arguments.data)
    report = ship(arguments.run, arguments.out, arguments.tasks, settings)
    Console().print(report)
    if arguments.report:
        report.to_json(arguments.report)


if __name__ == "__main__":
    main()
