"""PaLM's sizes against table 1 of its paper, its schedule against its words, its table of ids and z-loss by hand."""

from __future__ import annotations

import math

import pytest
import torch

from opengato.core.episode import ArraySpec
from opengato.modalities.text import unit
from opengato.nn.layers import UnitTable
from opengato.recipes import load, palm_sizes, tiny
from opengato.train.memory import on_meta
from opengato.train.optim import InverseRoot, schedule
from tests.close import assert_close

# Blocks of q and out (heads x 256), a key and a value of 256, three matrices of width x 4 width; 256,000 ids.
COUNTS = {
    "8B": 32 * (2 * 4096 * 16 * 256 + 2 * 4096 * 256 + 3 * 4096 * 16384) + 256_000 * 4096,
    "62B": 64 * (2 * 8192 * 32 * 256 + 2 * 8192 * 256 + 3 * 8192 * 32768) + 256_000 * 8192,
    "540B": 118 * (2 * 18432 * 48 * 256 + 2 * 18432 * 256 + 3 * 18432 * 73728) + 256_000 * 18432,
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_are_the_published_ones(name: str) -> None:
    matrices, norms = palm_sizes.num_parameters(name)
    size = palm_sizes.SIZES[name]
    assert matrices == COUNTS[name]
    assert round(matrices / 1e9, 2) == size.parameters / 1e9
    assert norms == (size.blocks + 1) * size.width
    agent = on_meta(load(f"palm-{name.lower()}").train.agent)
    assert agent.num_parameters == matrices + norms + 33 * size.width, "and the codes of places in an observation"


def test_the_rate_is_flat_and_then_falls_with_the_root_of_the_step() -> None:
    config, steps = palm_sizes.optimizer("540B"), palm_sizes.steps_of("540B")
    assert steps == 780_000_000_000 // (2048 * 2048)
    for step in (0, 5_000, 9_999):
        assert schedule(step, steps, config) == pytest.approx(1.0, rel=1e-3)
    for step in (20_000, 50_000, 100_000, steps - 1):
        assert schedule(step, steps, config) == pytest.approx(math.sqrt(10_000 / step), rel=1e-4)
    assert config.learning_rate * 18432**0.5 == pytest.approx(1e-2)
    assert config.learning_rate * config.weight_decay == pytest.approx(1e-4), "the rate squared"


def test_the_root_reaches_its_share() -> None:
    fall = InverseRoot(final=0.25)
    assert [fall.factor(left) for left in (1.0, 0.8, 0.0)] == pytest.approx([1.0, 0.5, 0.25])


def test_a_table_of_unit_vectors_scores_with_size_one() -> None:
    torch.manual_seed(0)
    table = UnitTable(500, 64)
    ids, h = torch.tensor([3, 499]), torch.nn.functional.layer_norm(torch.randn(2, 64), (64,))
    assert float(table.weight.detach().std()) == pytest.approx(1.0, rel=0.02)
    assert torch.equal(table.embed(ids), table.weight[ids])
    assert float(table.logits(h).detach().std()) == pytest.approx(1.0, rel=0.1)
    assert_close(table.logits(h), h @ table.weight.T / 8)
    assert_close(table.score(h, ids), table.logits(h)[[0, 1], ids])


def test_ids_are_reserved_and_none_of_them_is_written() -> None:
    codec = unit.Config(num_ids=5000).codec()
    assert (codec.num_ids, codec.num_pieces) == (5000, 4096)
    allowed = codec.allowed(ArraySpec(name="x", kind="text", dtype="str"))
    assert allowed[:4096].any()
    assert not allowed[4096:].any()


def test_the_laptop_run_is_tiny_with_another_trunk() -> None:
    run, base = load("palm-tiny"), tiny.recipe()
    assert (run.weights, run.collect, run.imports, run.rows) == (base.weights, base.collect, base.imports, base.rows)
    assert run.collected == base.name
    counts = [sum(p.numel() for p in on_meta(r.train.agent).backbone.parameters()) for r in (run, base)]
    assert counts[0] == pytest.approx(counts[1], rel=1e-3)
