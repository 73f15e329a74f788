"""The recipe `senses`: its size, and that its parts are what it learns and what is held out."""

from __future__ import annotations

import fnmatch

import pytest
import torch

from opengato.core.config import plugin
from opengato.recipes import senses


def test_about_ten_million_parameters() -> None:
    torch.manual_seed(0)
    assert 9e6 < senses.agent().build().num_parameters < 12e6


def test_shares_of_positions_make_one_whole() -> None:
    assert sum(senses.recipe().weights.values()) == pytest.approx(1.0)


def test_every_task_of_a_source_is_measured_by_its_part() -> None:
    for part in senses.PARTS.values():
        known = [task for name in part.weights for task in plugin("sources", name).Source.card.tasks]
        unmeasured = [task for task in known if not any(fnmatch.fnmatch(task, pattern) for pattern in part.tasks)]
        assert not unmeasured
        for pattern in part.tasks:
            assert fnmatch.filter(known, pattern), f"{pattern} names no task"
