"""Optimisers: every parameter once, an orthogonal update, a schedule by hand. Letters: M rows, N columns."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from opengato.core.config import from_json, override, to_json
from opengato.train import optim
from opengato.train.optim import Muon, orthogonal, schedule
from tests.close import assert_close
from tests.tiny import tiny_agent


@pytest.mark.parametrize("shape", [(24, 24), (48, 16), (16, 48), (1, 8), (8, 1)])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_orthogonal_is_about_the_polar_factor(shape: tuple[int, int], scale: float) -> None:
    """U S V^T becomes U S' V^T with all of S' near 1: the directions of the SVD, not its values."""
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0)).double()
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    matrix = (u * s.clamp(min=0.2 * float(s.max()))) @ v  # well conditioned: a value near 0 needs more iterations
    core = u.T @ orthogonal(scale * matrix[None], iterations=5)[0] @ v.T
    values = core.diagonal()
    assert (core - torch.diag(values)).abs().max() < 1e-6, "the same singular vectors"
    assert values.min() > 0.6
    assert values.max() < 1.3


def test_a_zero_gradient_moves_nothing() -> None:
    assert torch.equal(orthogonal(torch.zeros(2, 4, 6)), torch.zeros(2, 4, 6))


def test_muon_by_hand() -> None:
    """Two steps: Nesterov momentum, decoupled decay, a scale that grows with tall matrices."""
    start = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    weight = nn.Parameter(start.clone())
    muon = Muon([weight], lr=0.1, momentum=0.9, weight_decay=0.5)
    expected, momentum = start.clone(), torch.zeros(12, 3)
    for seed in (1, 2):
        gradient = torch.randn(12, 3, generator=torch.Generator().manual_seed(seed))
        weight.grad = gradient.clone()
        muon.step()
        momentum = 0.9 * momentum + 0.1 * gradient
        update = orthogonal(0.1 * gradient[None] + 0.9 * momentum)[0]
        expected = expected * (1 - 0.1 * 0.5) - 0.1 * math.sqrt(4) * update
        assert_close(weight.data, expected)
    untouched = nn.Parameter(start.clone())
    Muon([untouched], lr=0.1, momentum=0.9, weight_decay=0.5).step()
    assert torch.equal(untouched, start), "no gradient, no step"


@pytest.mark.parametrize("most", [1, 60, 10_000])
def test_matrices_side_by_side_move_as_each_does_alone(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optim, "MOST_AT_ONCE", most)
    generator = torch.Generator().manual_seed(2)
    build = partial(Muon, lr=0.1, momentum=0.9, weight_decay=0.5)
    shapes = [(4, 6), (6, 4), (4, 6), (3, 3), (4, 6)]
    together, alone = ([nn.Parameter(torch.ones(shape)) for shape in shapes] for _ in range(2))
    muons = [build(together), *(build([weight]) for weight in alone)]
    for _ in range(2):
        for one, other in zip(together, alone, strict=True):
            one.grad = other.grad = torch.randn(one.shape, generator=generator) * one.shape[0]
        for muon in muons:
            muon.step()
    for one, other in zip(together, alone, strict=True):
        assert_close(one.data, other.data)


def test_groups_are_a_partition() -> None:
    agent = tiny_agent()
    config = optim.Config()
    adam, muon = optim.build(agent, config).parts
    groups = [[id(p) for p in group["params"]] for part in (adam, muon) for group in part.param_groups]
    everything = [id(parameter) for parameter in agent.parameters()]
    assert sorted(i for group in groups for i in group) == sorted(everything)
    decayed, plain, matrices = (set(group) for group in groups)
    for name, parameter in agent.named_parameters():
        if name.startswith("backbone.") and parameter.ndim == 2:
            assert id(parameter) in matrices, name
        elif parameter.ndim == 2:
            assert id(parameter) in decayed, name
        else:
            assert id(parameter) in plain, f"{name}: norms and biases are not pulled to zero"
    assert [group["weight_decay"] for group in adam.param_groups] == [config.weight_decay, 0.0]


def test_rates_follow_the_schedule_from_their_base() -> None:
    optimizers = optim.build(tiny_agent(), optim.Config(learning_rate=2e-3, matrix_learning_rate=0.02))
    for factor in (0.5, 0.25, 1.0):
        optimizers.set_rate(factor)
        rates = [group["lr"] for part in optimizers.parts for group in part.param_groups]
        assert rates == pytest.approx([2e-3 * factor, 2e-3 * factor, 0.02 * factor])


def test_schedule_by_hand() -> None:
    """Up over 4 steps, flat, and down over the last half of 20."""
    config = optim.Config(warmup=4, decay=0.5)
    received = [schedule(step, 20, config) for step in range(20)]
    expected = [0.25, 0.5, 0.75, *[1.0] * 8, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    assert received == pytest.approx(expected)
    assert min(received) > 0, "the last step still learns"
    without = optim.Config(warmup=0, decay=0.0)
    assert {schedule(step, 20, without) for step in range(20)} == {1.0}
    both = [schedule(step, 10, optim.Config(warmup=10, decay=1.0)) for step in range(10)]
    assert both == pytest.approx([(k + 1) / 10 * (10 - k) / 10 for k in range(10)])
    assert np.argmax(both) in (4, 5)


def test_falls_by_hand() -> None:
    """From 1 at the start of the fall to what is left at its end; a cosine is half way down in the middle."""
    for fall, middle in (
        (optim.Linear(final=0.1), 0.55),
        (optim.Cosine(final=0.1), 0.55),
        (optim.Cosine(final=0), 0.5),
    ):
        assert fall.factor(1.0) == pytest.approx(1)
        assert fall.factor(0.5) == pytest.approx(middle)
        assert fall.factor(0.0) == pytest.approx(fall.final)
    assert optim.Cosine(final=0).factor(0.25) == pytest.approx((1 - math.sqrt(0.5)) / 2)
    assert optim.Cosine(final=0).factor(1 / 3) == pytest.approx(0.25)


def test_the_warm_up_starts_where_it_is_told() -> None:
    config = optim.Config(warmup=4, start=0.2, decay=0.0)
    assert [schedule(step, 20, config) for step in range(6)] == pytest.approx([0.4, 0.6, 0.8, 1, 1, 1])


def test_without_a_rate_for_matrices_all_is_adamw() -> None:
    agent = tiny_agent()
    (adam,) = optim.build(agent, optim.Config(matrix_learning_rate=None, weight_decay=0.1, epsilon=1e-6)).parts
    assert isinstance(adam, torch.optim.AdamW)
    decayed, plain = adam.param_groups
    assert {id(p) for p in decayed["params"]} == {id(p) for p in agent.parameters() if p.ndim == 2}
    assert {id(p) for p in plain["params"]} == {id(p) for p in agent.parameters() if p.ndim == 1}
    assert [group["weight_decay"] for group in adam.param_groups] == [0.1, 0.0]
    assert {group["eps"] for group in adam.param_groups} == {1e-6}


def test_kernels_are_decayed_and_no_matter_for_muon() -> None:
    module = nn.Module()
    module.backbone = nn.Conv2d(2, 3, 3)
    found = optim.groups(module, optim.Config())
    assert [p.ndim for p in found.decayed] == [4]
    assert [p.ndim for p in found.plain] == [1]
    assert not found.matrices


def test_a_config_on_disk_from_before_there_was_a_choice_is_read() -> None:
    fields = {"learning_rate": 2e-3, "matrix_learning_rate": 0.02, "weight_decay": 0.05, "betas": [0.9, 0.95]}
    fields |= {"momentum": 0.95, "warmup": 100, "decay": 0.6, "clip": 1.0}
    assert from_json({"type": "train/optim:Config", **fields}) == optim.Config()
    other = optim.Config(matrix_learning_rate=None, fall=optim.Cosine(final=0.2))
    assert from_json(to_json(other)) == other


def test_settings_reach_the_schedule_and_take_muon_away() -> None:
    changed = override(optim.Config(), ["fall.final=0.1", "start=0.5", "matrix_learning_rate=null"])
    assert changed == optim.Config(fall=optim.Linear(final=0.1), start=0.5, matrix_learning_rate=None)
    assert override(changed, ["matrix_learning_rate=0.01"]).matrix_learning_rate == 0.01
    with pytest.raises(ValueError, match="'learning_rate': received 'null', expected float"):
        override(optim.Config(), ["learning_rate=null"])
