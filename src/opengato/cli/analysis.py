"""`opengato analyse embeddings`, `attention` and `interference`: pictures of what goes on inside an agent."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from opengato.agent.files import load_agent
from opengato.cli.agents import ACTING_THREADS
from opengato.cli.analysis_arguments import AnalyseAttention, AnalyseEmbeddings, AnalyseInterference
from opengato.evaluators import interference as gradients
from opengato.evaluators import select_tasks, trained_tasks
from opengato.evaluators.attention_map import AttentionMap, attention_map
from opengato.evaluators.embedding_map import Config, EmbeddingMap, default_tasks, embedding_map
from opengato.evaluators.heldout import held_out_pictures


def embeddings(arguments: AnalyseEmbeddings) -> None:
    """Draw the map, and say how well tasks are told apart."""
    torch.set_num_threads(ACTING_THREADS)
    agent = load_agent(arguments.agent)
    trained = trained_tasks(agent) or []
    tasks = default_tasks(trained) if arguments.tasks is None else select_tasks(arguments.tasks, trained)
    config = Config(episodes=arguments.episodes, length=arguments.length, layer=arguments.layer, seed=arguments.seed)
    found = embedding_map(agent, tasks, config)
    for name, share in found.neighbours.items():
        print(f"nearest neighbour of the {name}: {share:.2f}")
    write(found, arguments.out)


def interference(arguments: AnalyseInterference) -> None:
    """Draw the matrix, and say which tasks pull apart."""
    torch.set_num_threads(ACTING_THREADS)
    agent = load_agent(arguments.agent)
    trained = trained_tasks(agent) or []
    tasks = default_tasks(trained) if arguments.tasks is None else select_tasks(arguments.tasks, trained)
    config = gradients.Config(episodes=arguments.episodes, seed=arguments.seed)
    found = gradients.interference(agent, tasks, config)
    for one, other, cosine in found.opposed():
        print(f"apart: {one} and {other}, {cosine:.2f}")
    if unsure := found.unsure():
        print(f"nothing can be said of {', '.join(unsure)}: the two halves do not agree; try more --episodes")
    write(found, arguments.out)


def attention(arguments: AnalyseAttention) -> None:
    """Draw the attention over a picture, and say what was written about it."""
    torch.set_num_threads(ACTING_THREADS)
    agent = load_agent(arguments.agent)
    pictures = held_out_pictures(arguments.task)
    if not 0 <= arguments.index < len(pictures):
        raise ValueError(f"received --index {arguments.index}, but {arguments.task} has {len(pictures)} pictures")
    shown = pictures[arguments.index]
    data = shown.png if arguments.picture is None else arguments.picture.read_bytes()
    found = attention_map(agent, data, shown.instruction, arguments.layer, arguments.words)
    print(f"written: {''.join(found.words)!r}")
    write(found, arguments.out)


def write(found: EmbeddingMap | AttentionMap | gradients.Interference, out: Path) -> None:
    """The picture, and the numbers beside it."""
    for path in (found.plot(out), found.to_json(out.with_suffix(".json"))):
        print(f"written: {path}", file=sys.stderr)
