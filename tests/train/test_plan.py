"""Plans for GPUs, by hand: what each holds, what it sends, how long it takes.

Letters: N parameters.
"""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch

from opengato import cli
from opengato.data.loader import LoaderConfig
from opengato.objectives import next_token
from opengato.recipes import gato_1b
from opengato.train import loop, memory, optim, plan
from opengato.train.distributed import Layout, blocks
from opengato.train.plan import GPUS, flops_per_position, sent
from opengato.train.run import Recipe
from tests.tiny import tiny_agent, vector_config


def recipe(**changes: object) -> Recipe:
    """Eight groups of four rows of 64 positions, in four parts."""
    train = loop.Config(agent=vector_config(), objective=next_token.Config(), steps=3600, accumulate=4)
    train = dataclasses.replace(train, **changes)
    return Recipe(name="toy", train=train, weights={}, loader=LoaderConfig(groups=8), rows_per_group=4)


def test_arithmetic_of_a_position() -> None:
    """6 N, and for each of two blocks 12 x 64 positions x 32 wide."""
    assert flops_per_position(vector_config(), 1000) == 6000 + 2 * 12 * 64 * 32


def test_time_of_a_step_is_work_by_speed() -> None:
    found = plan.plan(recipe(), 2, "a100", 0.5)
    work = found.flops_per_position * 8 * 4 * 64
    assert found.compute_seconds == pytest.approx(work / (2 * 312e12 * 0.5))
    num_bytes = 4 * tiny_agent().num_parameters
    assert found.sent_within == num_bytes, "DDP: twice half of the gradients"
    assert found.sending_seconds == pytest.approx(num_bytes / 300e9)
    least, most = found.step_seconds
    assert most == pytest.approx(found.compute_seconds + found.update_seconds + found.sending_seconds)
    assert least == pytest.approx(max(found.compute_seconds + found.update_seconds, found.sending_seconds))
    assert found.hours(3600, found.positions) == pytest.approx((least, most))
    assert found.hours(1, 2 * found.positions) == pytest.approx((least / 1800, most / 1800))


@pytest.mark.parametrize(("gpus", "parts", "rows"), [(1, 4, 8), (2, 2, 8), (4, 1, 8), (8, 1, 4)])
def test_gpus_share_the_parts(gpus: int, parts: int, rows: int) -> None:
    found = plan.plan(recipe(), gpus)
    assert (found.parts, found.rows_each) == (parts, rows)
    alone = memory.estimate(recipe().train, 32, torch.bfloat16)
    assert found.memory.activations == pytest.approx(alone.activations * rows / 8, rel=0.03)
    assert found.memory.parameters == alone.parameters


def test_shards_divide_what_is_kept() -> None:
    whole, divided = plan.plan(recipe(), 4), plan.plan(recipe(sharding="2x2"), 4)
    assert divided.layout == Layout(2, 2)
    for name in ("parameters", "gradients", "optimizer"):
        assert getattr(divided.memory, name) == getattr(whole.memory, name) // 2
    assert (whole.gathered, divided.memory.activations) == (0, whole.memory.activations)
    agent = tiny_agent()
    block = sum(p.nbytes for p in blocks(agent)[0].parameters())
    outside = 4 * agent.num_parameters - 2 * block
    assert divided.gathered == 2 * (2 * block + outside)


def test_what_is_sent_by_hand() -> None:
    """Blocks of 800 bytes and 160 outside of them; 80 of matrices that Muon gathers."""
    sizes = (800, 160)
    assert sent(Layout(1, 1), sizes, 80, parts=3) == (0, 0)
    assert sent(Layout(4, 1), sizes, 80, parts=3) == (2 * 3 * 960 // 4, 0)
    shards = 3 * (3 * (3 * 800 + 2 * 160) + 80) // 4
    assert sent(Layout(1, 4), sizes, 80, parts=3) == (shards, 0)
    assert sent(Layout(2, 4), sizes, 80, parts=3) == (shards + 960 // 4, 0), "one machine"
    assert sent(Layout(4, 4), sizes, 80, parts=3) == (shards, 2 * 3 * 960 // 16), "two machines"
    assert sent(Layout(16, 1), sizes, 80, parts=3) == (0, 2 * 15 * 960 // 16)


def test_the_largest_size_of_gato() -> None:
    """Its name is 1.18B; a year has 8766 hours. Eight GPUs divide it, and 0.33 to 0.50 of the peak are published."""
    found = plan.plan(gato_1b.recipe(), 8, "h100")
    assert found.layout == Layout(1, 8)
    assert found.positions == plan.GATO_POSITIONS
    assert found.hours(found.steps, found.positions) == found.hours(plan.GATO_STEPS, plan.GATO_POSITIONS)
    least, most = found.hours(found.steps, found.positions)
    by_hand = 6 * found.num_parameters * 524_288 * 1e6 / (8 * 989e12 * 0.4) / 3600
    assert by_hand < least < 1.15 * by_hand, "attention is the rest"
    assert least < most < 1.3 * least
    assert found.total < GPUS["h100"].memory
    body = json.loads(json.dumps(found.to_json()))
    assert (body["engine"], body["fits"]) == ("FSDP2", True)
    lines = dict(plan.describe(found))
    assert "fits" in lines["memory of a GPU"]
    assert "0.4 assumed" in lines["computing"]
    cramped = dataclasses.replace(found, memory=dataclasses.replace(found.memory, kept=10**11))
    assert "DOES NOT FIT" in dict(plan.describe(cramped))["memory of a GPU"]


def test_the_command_prints_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--plan", "tiny", "--gpus", "2", "--gpu", "a100", "--mfu", "0.3", "--json"]) == cli.DONE
    body = json.loads(capsys.readouterr().out)
    assert (body["recipe"], body["gpus"], body["gpu"], body["mfu"], body["engine"]) == ("tiny", 2, "a100", 0.3, "DDP")
    assert cli.main(["doctor", "--plan", "tiny", "--gpus", "2"]) == cli.DONE
    assert "as long as Gato's" in capsys.readouterr().out


def test_what_cannot_be_planned_is_told() -> None:
    with pytest.raises(ValueError, match="3 GPUs cannot share batches of 8 groups of rows; choose one of 1, 2, 4, 8"):
        plan.plan(recipe(), 3)
    with pytest.raises(ValueError, match="unknown GPU 'h10'; did you mean 'h100'"):
        plan.plan(recipe(), 2, "h10")
    with pytest.raises(ValueError, match="the share of the peak is 40"):
        plan.plan(recipe(), 2, mfu=40)


def test_optimiser_moves_what_it_must() -> None:
    """AdamW alone: weights, gradients, two moments; read, and written but for the gradients."""
    found = plan.plan(recipe(optim=optim.Config(matrix_learning_rate=None)), 1)
    moved = (2 * 1 + 1 + 2 * 2) * 4 * found.num_parameters
    assert found.update_seconds == pytest.approx(moved / 3.35e12, rel=0.02)
