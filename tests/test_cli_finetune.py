"""`opengato finetune` and `opengato few-shot`, run as a user runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opengato import cli
from opengato.agent.files import load_agent, save_agent
from opengato.cli import finetuning
from opengato.cli.arguments import FewShot, Finetune
from opengato.data.store import StoreWriter
from opengato.evaluators import few_shot
from tests.evaluators.test_few_shot import study
from tests.test_cli import Output, elsewhere, wrong  # noqa: F401 - `elsewhere` is a fixture
from tests.tiny import tiny_agent, toy_episode


@pytest.fixture
def base(elsewhere: None) -> None:  # noqa: F811
    """An agent and a store beside it."""
    save_agent(tiny_agent(), Path("base"))
    with StoreWriter(Path("data/mine")) as writer:
        writer.append([toy_episode(steps=2)])


def test_finetune(base: None, capsys: Output) -> None:
    words = "finetune base --data data/mine=2 --mode head steps=1 loader.workers=0 rows_per_group=1 precision=float32"
    assert cli.main([*words.split(), "--out", "run"]) == 0
    seen = capsys.readouterr()
    assert "statistics of 'toy/joint': new to the agent" in seen.err
    assert seen.out == "the agent is in run/agent\n", "nothing here measures the tasks of this store"
    card = load_agent("run").card
    assert (card["mode"], card["steps"], card["from"]["name"]) == ("head", 1, "base")
    assert "holds a fine-tuning with other settings" in wrong(capsys, *words.split(), "--out", "run", "seed=3")


def test_it_says_how_to_measure_the_agent(base: None, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    tuned = tiny_agent()
    tuned.card = {"finetuned_on": ["babyai/GoToObj", "arm/hold", "text/mine"]}
    monkeypatch.setattr(finetuning.tuning, "finetune", lambda *words, tell: tuned)
    assert cli.main("finetune base --data data/mine --mode lora".split()) == 0
    assert "opengato evaluate runs/base-lora --tasks 'babyai/GoToObj,text/mine'\n" in capsys.readouterr().out


def test_a_dry_run_lists_the_settings(base: None, capsys: Output) -> None:
    assert cli.main("finetune base --dry-run steps=7 --mode lora adapters.rank=3".split()) == 0
    text = capsys.readouterr().out
    for line in ("mode = lora", "steps = 7", "adapters.rank = 3", "optim.matrix_learning_rate = None"):
        assert f"{line}\n" in text
    assert sorted(path.name for path in Path().iterdir()) == ["base", "data"]


def test_wrong_use(base: None, capsys: Output) -> None:
    for words, said in {
        "finetune base": "at least one store of new episodes: --data FOLDER",
        "finetune base --data data/mine=much": "received 'data/mine=much', expected a store, or a store and its weight",
        "finetune base --data data/mine --replay data/old": "expected a store and its share",
        "finetune base --data data/gone": "no store at 'data/gone'",
        "finetune bass --data data/mine": "unknown agent",
        "finetune base --data data/mine stps=3": "did you mean 'steps'",
        "few-shot smal": "unknown study (neither a preset nor a .json file) 'smal'; did you mean 'small'",
    }.items():
        assert said in " ".join(wrong(capsys, *words.split()).split()), words


def test_settings_and_stores_are_told_apart() -> None:
    words = "finetune tiny a.b=1 --data data/x=2 --replay data/y=0.2 --data z c=3".split()
    _, arguments = cli.parse(words)
    assert arguments == Finetune(
        agent="tiny", settings=("a.b=1", "c=3"), data=("data/x=2", "z"), replay=("data/y=0.2",)
    )
    _, arguments = cli.parse("few-shot small every=5 --out x series=2".split())
    assert arguments == FewShot(study="small", settings=("every=5", "series=2"), out=Path("x"))


def test_a_store_and_its_weight() -> None:
    assert finetuning.store_and_weight("a/b=0.5") == ("a/b", 0.5)
    assert finetuning.store_and_weight("a/b") == ("a/b", 1.0)
    Path("a=7").mkdir()
    assert finetuning.store_and_weight("a=7") == ("a=7", 1.0), "a folder that is there is a folder"


def test_few_shot(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    assert cli.main("few-shot small --show series=4".split()) == 0
    text = capsys.readouterr().out
    assert json.loads(text)["series"] == 4
    Path("mine.json").write_text(text)
    asked = []
    monkeypatch.setattr(few_shot, "run", lambda *words, tell: asked.append(words) or study())
    assert cli.main("few-shot mine.json --workers 3 series=5".split()) == 0
    ((config, out, workers),) = asked
    assert (config.series, out, workers) == (5, Path("runs/few-shot-mine"), 3)
    seen = capsys.readouterr()
    assert "toy/new, full" in seen.out
    assert (out / "few_shot.png").stat().st_size > 0


def test_a_few_steps_and_what_they_are_worth(base: None, capsys: Output) -> None:
    with StoreWriter(Path("data/more")) as writer:
        writer.append([toy_episode(seed, steps=2) for seed in range(4)])
    words = "finetune base --data data/more --meta steps=1,2 shots=2".split()
    assert cli.main([*words, "--dry-run"]) == 0
    assert "steps = 1,2\n" in capsys.readouterr().out
    assert cli.main([*words, "--out", "run"]) == 0
    seen = capsys.readouterr()
    assert "toy/task" in seen.out
    assert "opengato evaluate run/TASK/steps-N" in seen.out
    assert "after 2" in seen.err
    assert load_agent("run/toy-task/steps-2").card["adapted"] == {"steps": 2, "rate": 0.01, "shots": 2}
    assert "no --replay" in wrong(capsys, *words, "--replay", "data/mine=0.5")
    assert "`full` or `head`" in wrong(capsys, *words, "--mode", "lora")
