"""Four processes, two replicas of two shards among them, train what one trains."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.train.several_processes import config, train
from tests.train.test_distributed import CLOSE, difference, launch


@pytest.mark.timeout(600)
def test_four_processes_train_as_one_does(tmp_path: Path) -> None:
    train(tmp_path / "whole-alone", config(accumulate=8))
    shardings = ("2x2", "shard", "replicate")
    launch("tests.train.several_processes", str(tmp_path), *shardings, processes=4)
    for sharding in shardings:
        assert difference(tmp_path / f"whole-{sharding}", tmp_path / "whole-alone") < CLOSE, sharding
