"""The page on several processes: its commands run as they stand, and its table names what there is."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from opengato.train.checkpoint import newest_checkpoint, read_state
from opengato.train.distributed import LARGE, layout
from tests.docs.test_pages import blocks_of, open_checkout, run
from tests.house import ROOT

PAGE = ROOT / "docs" / "many-machines.md"
MODULES = {"opengato": "opengato", "torchrun": "torch.distributed.run"}


@pytest.mark.timeout(600)
def test_commands(tmp_path: Path) -> None:
    checkout = open_checkout(tmp_path)
    printed = ""
    for block in blocks_of(PAGE):
        for line in block.text.splitlines():
            program, *words = shlex.split(line, comments=True)
            printed += run(["-m", MODULES[program], *words], checkout)
    assert printed.count("the agent is in") == 2, "one of two processes says so"
    assert "FSDP2, 1 x 8" in printed
    newest = newest_checkpoint(checkout / "runs" / "go" / "checkpoints")
    assert newest is not None
    assert read_state(newest)["step"] == 4
    rows = [json.loads(line) for line in (checkout / "runs/go/log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [3, 4], "and one writes the log"


def test_settings_of_sharding_are_those_there_are() -> None:
    named = re.findall(r"^\| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert named == ["auto", "replicate", "shard", "2x8"]
    assert [str(layout(word, LARGE, 16, 8)) for word in named] == [
        *("FSDP2, 2 x 8 (replicas x shards)", "DDP, 16 x 1 (replicas x shards)"),
        *("FSDP2, 1 x 16 (replicas x shards)", "FSDP2, 2 x 8 (replicas x shards)"),
    ]
