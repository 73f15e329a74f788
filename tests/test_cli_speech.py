"""From sounds without words to letters: `pretrain`, `finetune --spell`, `evaluate` and `transcribe`."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from opengato import cli
from opengato.agent.files import load_agent
from opengato.data.store import StoreWriter
from tests.objectives.test_ctc import recording
from tests.test_cli import Output, elsewhere  # noqa: F401 - `elsewhere` is a fixture

RECIPE = '''
"""How voices sound."""
import dataclasses

from opengato.backbones import encoder
from opengato.modalities import audio
from opengato.recipes.data2vec import small


def recipe():
    base = small("sounds")
    front = audio.Config(rate=8000, window=200, hop=80, mels=16, frames=4, context=0, seconds=4)
    agent = dataclasses.replace(
        base.train.agent,
        modalities={**base.train.agent.modalities, "sound": front},
        backbone=encoder.Config(width=32, depth=5, heads=2, hidden=48),
    )
    return dataclasses.replace(
        base,
        train=dataclasses.replace(base.train, agent=agent, steps=2, precision="float32"),
        weights={"voices": 1.0},
        imports=(),
        stores={"voices": "data/asterisk/train"},
        rules={"voices": base.rules["asterisk"]},
        loader=dataclasses.replace(base.loader, workers=0),
        rows_per_group=2,
    )
'''
TUNE = "finetune runs/voices --data data/asterisk/train --spell loader.workers=0 loader.groups=1 rows_per_group=2"


@pytest.fixture
def voices() -> None:
    for split, said in (("train", ["cab", "fade", "bead", "a bad dad"]), ("test", ["face", "add"])):
        with StoreWriter(Path("data/asterisk", split)) as writer:
            for words in said:
                writer.append([replace(recording(words), task="speech/asterisk")])


def test_pretrain_then_finetune_then_evaluate(voices: None, capsys: Output) -> None:
    Path("voices.py").write_text(RECIPE)
    assert cli.main(["pretrain", "voices.py", "train.steps=1"]) == 0
    assert cli.main(["pretrain", "voices.py"]) == 0
    assert load_agent("runs/voices").card["steps"] == 2
    words = [*TUNE.split(), "precision=float32"]
    assert cli.main([*words, "steps=1"]) == 0
    assert cli.main([*words, "steps=3"]) == 0, "it goes on"
    assert cli.main([*words, "steps=3", "--out", "runs/straight"]) == 0
    spelt, straight = load_agent("runs/voices-spell"), load_agent("runs/straight")
    for name, weight in spelt.state_dict().items():
        assert torch.equal(weight, straight.state_dict()[name]), name
    before = load_agent("runs/voices").state_dict()
    assert not torch.equal(spelt.state_dict()["backbone.norm.weight"], before["backbone.norm.weight"])
    assert spelt.card["finetuned_on"] == ["speech/asterisk"]
    on = [word.replace("runs/voices", "runs/voices-spell") for word in words]
    assert cli.main([*on, "steps=0", "--out", "runs/on"]) == 0
    sound = recording("cab").observations["audio"][0]
    assert load_agent("runs/on").spell(sound) == spelt.spell(sound), "a head that is there goes on"
    capsys.readouterr()
    assert cli.main(["evaluate", "runs/voices-spell", "--tasks", "speech/asterisk", "--json", "out.json"]) == 0
    (result,) = json.loads(Path("out.json").read_text())["results"]
    assert (result["metric"], result["num_samples"]) == ("word error rate", 2)
    Path("cab.wav").write_bytes(sound)
    capsys.readouterr()
    assert cli.main(["transcribe", "cab.wav", "--agent", "runs/voices-spell"]) == 0
    assert capsys.readouterr().out == spelt.spell(sound) + "\n"
