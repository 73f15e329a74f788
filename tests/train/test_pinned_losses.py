"""The numerics of training stay what they are: the first losses of the recipe `tiny`, on data of its shape.

Whoever changes them on purpose (another initialisation, layout, optimiser) pins them anew and says why in docs/log.md.
"""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
import torch

from opengato.core.batch import PackedBatch
from opengato.data.mixture import Mixture
from opengato.data.packing import collate, pack
from opengato.recipes import tiny
from opengato.train import optim
from opengato.train.distributed import ALONE, Layout, connect
from opengato.train.loop import train_step
from tests.house import ROOT

STEPS, ROWS, EPISODES = 20, 1, 20
LOSSES = (
    5.19065, 4.30131, 3.98911, 3.41668, 3.76841, 3.06749, 2.34606, 2.94118, 2.06357, 2.07390,
    2.37706, 3.50295, 0.33285, 5.07684, 1.66506, 2.67879, 1.88275, 1.46660, 1.85502, 1.32283,
)  # fmt: skip
TOLERANCE = 1e-3  # relative: other processors add in another order


def batches(folder: Path) -> list[PackedBatch]:
    """Rows of random control episodes, held-out text and pictures, in the shares of the recipe."""
    context, serializer = tiny.agent().context, tiny.agent().serializer()
    episodes = importlib.import_module("_episodes")
    mixture = Mixture(episodes.write_mixture(folder, EPISODES, context, ROWS), serializer)
    return [collate([pack(mixture.group(group), context)]) for group in range(STEPS)]


def test_the_first_losses_are_the_pinned_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    recipe = tiny.recipe().train
    torch.manual_seed(0)
    agent = tiny.agent().build().train()
    network = connect(agent, recipe.objective.build(), ALONE, Layout(1, 1))
    optimizers = optim.build(agent, recipe.optim)
    losses = [train_step(network, optimizers, [batch], 1.0, recipe.optim.clip)["loss"] for batch in batches(tmp_path)]
    assert losses == pytest.approx(LOSSES, rel=TOLERANCE)
