"""Attention that sees time learns which way a thing moves, attention over space alone cannot. Minutes on one core."""

from __future__ import annotations

import pytest

from opengato.nn.space_time import ATTENTIONS
from tests.test_benchmarks import script


@pytest.mark.timeout(3600)
def test_divided_and_joint_attention_see_the_order_and_space_alone_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    motion = script("motion", monkeypatch)
    learnt, asked = (motion.films(motion.config_of("joint", 1), count, seed) for seed, count in ((1, 400), (2, 100)))
    accuracy = {}
    for attention in ATTENTIONS:
        model, _ = motion.train(motion.config_of(attention, 1), learnt, 400)
        right = motion.accuracies(model, asked)
        accuracy[attention] = sum(right.values()) / len(right)
    assert accuracy["space"] == pytest.approx(0.5, abs=0.02), accuracy
    assert accuracy["joint"] > 0.6, accuracy
    assert accuracy["divided"] > 0.6, accuracy
