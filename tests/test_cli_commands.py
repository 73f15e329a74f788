"""The sub-commands of `opengato`, run as a user runs them, in the process of the test."""

from __future__ import annotations

import ast
import io
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opengato import cli
from opengato.cli import chat, collecting, machine, positions
from opengato.cli.arguments import Chat
from opengato.core.episode import document
from opengato.core.media import wav
from opengato.data.documents import Document
from opengato.data.packing import pack
from opengato.data.store import EpisodeStore, StoreWriter
from opengato.envs import all_tasks
from opengato.rollout import CollectJob, LocalCrew
from opengato.train.collecting import Summary
from tests import tiny
from tests.test_cli import Output, elsewhere, wrong  # noqa: F401 - `elsewhere` is a fixture
from tests.tiny import toy_episode

TASK = "babyai/GoToRedBallNoDists"
RECIPE = '''"""mine: a recipe for a test."""

import dataclasses

from opengato.backbones import decoder
from opengato.recipes import tiny
from opengato.rollout import CollectJob


def recipe():
    base = tiny.recipe()
    trunk = decoder.Config(width=32, depth=1, heads=2, hidden=32, window=64, sinks=8)
    agent = dataclasses.replace(base.train.agent, backbone=trunk)
    return dataclasses.replace(
        base,
        name="mine",
        train=dataclasses.replace(base.train, agent=agent, steps=2, precision="float32"),
        weights={"babyai": 1.0},
        task_weights={},
        tasks={},
        collect={"babyai": (CollectJob(task="TASK", episodes=4),)},
        imports=(),
        loader=dataclasses.replace(base.loader, groups=1, workers=0),
    )
'''.replace("TASK", TASK)
IMPORT_RULES = "from opengato.data.rules import Rules\n"


# Commands without an agent


def test_tasks(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    assert cli.main(["tasks", "--family", "babyai", "--json"]) == 0
    found = {task["id"]: task for task in json.loads(capsys.readouterr().out)}
    assert found[TASK]["expert_score"]["mean"] > found[TASK]["random_score"]["mean"]
    assert cli.main(["tasks"]) == 0
    text = capsys.readouterr().out
    assert "babyai/GoToLocal " in text
    assert "metaworld/drawer-open" in text
    assert cli.main(["tasks", "--family", "babyai", "--scores"]) == 0
    [row] = [line for line in capsys.readouterr().out.splitlines() if "babyai/GoToLocal " in line]
    assert re.search(r"0\.1612 ± 0\.29 +400 .* 100% .* 0\.1625 +0\.925 +0\.87 +0\.93", row)


def test_settings_stand_anywhere_and_a_dry_run_lists_them(capsys: Output) -> None:
    words = "train tiny train.steps=7 --out x train.agent.routes.action/text=choice --dry-run weights.babyai=3"
    assert cli.main(words.split()) == 0
    text = capsys.readouterr().out
    assert re.search(r"\nmemory to train: [\d.]+ GiB: parameters .* \+ activations .* if recomputed\)\n", text)
    for line in ("train.steps = 7", "train.agent.routes.action/text = choice", "weights.babyai = 3.0"):
        assert f"\n{line}\n" in text
    assert re.match(r"[\d,]+ parameters\n7 steps of ", text)
    assert cli.main([*words.split(), "--json", "train.optim.betas=0.8,0.99"]) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["recipe"]["train"]["optim"]["betas"] == [0.8, 0.99]
    assert body["num_parameters"] > 1_000_000
    needs = ("parameters", "gradients", "optimizer", "activations")
    assert body["memory"]["total"] == sum(body["memory"][name] for name in needs)
    assert body["memory"]["gradients"] == 4 * body["num_parameters"]
    assert body["data"]["babyai"] is None
    assert not list(Path().iterdir())


def test_recipes(capsys: Output) -> None:
    assert cli.main(["recipes", "ls", "--json"]) == 0
    assert "tiny" in json.loads(capsys.readouterr().out)
    assert cli.main(["recipes", "ls"]) == 0
    assert "tiny" in capsys.readouterr().out
    assert cli.main(["recipes", "show", "tiny"]) == 0
    text = capsys.readouterr().out
    assert cli.main(["recipes", "cp", "tiny", "mine.py"]) == 0
    assert Path("mine.py").read_text(encoding="utf-8") == text
    assert "exists" in (capsys.readouterr() and wrong(capsys, "recipes", "cp", "tiny", "mine.py"))
    assert cli.main(["train", "mine.py", "--dry-run"]) == 0
    assert "name = tiny" in capsys.readouterr().out
    Path("mine.py").write_text("x = 1\n", encoding="utf-8")
    assert "must define `recipe() -> Recipe`" in wrong(capsys, "train", "mine.py")


def test_import_lists_the_corpora(capsys: Output) -> None:
    assert cli.main(["import", "--json"]) == 0
    cards = {card["name"]: card for card in json.loads(capsys.readouterr().out)}
    assert cards["austen"]["tasks"] == ["text/austen"]
    assert all(card["licence"] for card in cards.values())
    assert cli.main(["import", "austen", "--list"]) == 0
    assert "openclipart" in capsys.readouterr().out


def test_bench_lists_the_scripts_of_the_checkout(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    assert cli.main(["bench", "--list"]) == 0
    assert "packing" in capsys.readouterr().out.split()
    script = Path("benchmarks/small.py")
    script.parent.mkdir()
    script.write_text("raise SystemExit(3)\n", encoding="utf-8")
    monkeypatch.setattr(machine.opengato, "__file__", str(Path("a/b/c/opengato.py").absolute()))
    assert cli.main(["bench", "small"]) == cli.FAILED
    assert "exit code 3" in capsys.readouterr().err
    script.unlink()
    assert "part of the repository" in wrong(capsys, "bench")


def test_doctor_json(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(machine.examination, "report", lambda: {"torch": "2"})
    assert cli.main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"torch": "2"}
    assert cli.main(["doctor", "tiny", "--json"]) == 0
    training = json.loads(capsys.readouterr().out)["training"]
    assert training["recipe"] == "tiny"
    assert 2e8 < training["total"] < 2e9
    assert "'tiny'" in wrong(capsys, "doctor", "tinny")


def write_store(folder: Path) -> None:
    with StoreWriter(folder) as writer:
        writer.append(toy_episode(seed, steps=3) for seed in range(3))


def test_data(capsys: Output) -> None:
    write_store(Path("store"))
    assert cli.main(["data", "stats", "store", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["tasks"]["toy/task"]["episodes"] == 3
    assert cli.main(["data", "show", "store", "-1"]) == 0
    assert "toy/task" in capsys.readouterr().out
    assert "has 3 episodes" in wrong(capsys, "data", "show", "store", "3")
    assert cli.main(["data", "validate", "store", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["problems"] == []
    next(Path("store").glob("*.arrow")).write_bytes(b"gone")
    assert cli.main(["data", "validate", "store"]) == cli.FAILED


def test_collect_and_inspect(capsys: Output) -> None:
    words = f"collect {TASK} --episodes 3 --workers 1 --noise 0 0.1 --seed 2000000 --out store --json"
    assert cli.main(words.split()) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["out"], said["episodes"], said["tasks"], said["missing"]) == ("store", 3, {TASK: 3}, {})
    [about] = said["stores"]
    assert (about["asked"], about["collected"], about["lost"], about["given_up"]) == (3, 3, [], {})
    store = EpisodeStore("store")
    assert [episode.provenance["seed"] for episode in store] == [2_000_000, 2_000_001, 2_000_002]
    assert cli.main(words.split()) == 0, "the same command finds all that it wants"
    assert json.loads(capsys.readouterr().out) == said
    assert EpisodeStore("store").fingerprint == store.fingerprint
    assert "is not empty" in wrong(capsys, *words.replace("0.1", "0.2").split())

    assert cli.main("inspect store --row 1 --json".split()) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["slot"] for line in lines] == list(range(len(lines)))
    assert {line["task"] for line in lines} == {TASK}
    first = [line for line in lines if line["document"] == 0]
    episode = store[first[0]["episode"]]
    words = [line["value"] for line in first if line["field"] == "instruction"]
    assert "".join(map(ast.literal_eval, words)) == episode.instruction
    actions = [line for line in first if line["field"] == "action"]
    assert [int(line["value"]) for line in actions] == episode.actions["action"].tolist()[: len(actions)]
    assert all(line["predict"] == (line["field"] == "action") for line in lines)
    assert [line["position"] for line in first] == list(range(len(first)))

    assert cli.main("inspect store --row 0".split()) == 0
    text = capsys.readouterr().out
    assert f"task {TASK}, episode" in text
    assert re.search(r"choice +\* action +\d", text)
    assert "rows 0 to" in wrong(capsys, "inspect", "store", "--row", "99")


def test_collect_all_takes_what_can_be_played_here(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    """Of every family that has its simulator, and of tasks of several families, to a store for each."""
    asked: dict[Path, list[CollectJob]] = {}

    def collect_stores(plans: dict[Path, list[CollectJob]], crew: LocalCrew, *_: object, **__: object) -> list[Summary]:
        asked.clear()
        asked.update(plans)
        return [Summary(folder="data/babyai", asked=9, tasks={TASK: 7}, dropped=1, given_up={TASK: "it burnt"})]

    monkeypatch.setattr(collecting, "collect_stores", collect_stores)
    no_robots = lambda family: "install robots" if family.name == "metaworld" else None  # noqa: E731
    monkeypatch.setattr(collecting, "lacking", no_robots)
    assert cli.main("collect all --episodes 5 --min-return 0.5 --out data".split()) == cli.FAILED, "a task is given up"
    seen = capsys.readouterr()
    assert seen.out == "data/babyai: 7 of 9 episodes, 1 task; 1 dropped by the expert\n"
    assert "metaworld is left out: install robots" in seen.err
    assert f"given up: {TASK}: it burnt" in seen.err
    assert Path("data/metaworld") not in asked
    able = [task.id for task in all_tasks("babyai") if task.expert]
    assert [job.task for job in asked[Path("data/babyai")]] == able
    assert {(job.episodes, job.min_return) for job in asked[Path("data/babyai")]} == {(5, 0.5)}

    assert cli.main(["collect", "babyai/GoTo*", "metaworld/reach", "--out", "data", "--json"]) == cli.FAILED
    assert asked.keys() == {Path("data/babyai"), Path("data/metaworld")}
    assert json.loads(capsys.readouterr().out)["stores"][0]["given_up"] == {TASK: "it burnt"}
    cli.main(["collect", "babyai/GoTo*", "--out", "data"])
    assert asked.keys() == {Path("data")}
    monkeypatch.setattr(collecting, "lacking", lambda family: "install it")
    assert cli.main(["collect", "all"]) == cli.FAILED
    assert "no simulator is installed" in capsys.readouterr().err


def test_inspect_names_pictures_and_texts(capsys: Output) -> None:
    with StoreWriter("prose") as writer:
        writer.append([document("text/toy", "It is a truth universally acknowledged")])
    assert cli.main("inspect prose --row 0 --json".split()) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["field"] for line in lines} == {"instruction", "text"}
    assert ast.literal_eval(lines[1]["value"]).strip() == "It"


@pytest.mark.parametrize("encoding", ["tokens", "shared"])
def test_positions_of_fields_that_take_several(encoding: str) -> None:
    """In the token encodings each number has a position, and arrays, or all but pictures, share a modality."""
    episode, serializer = toy_episode(steps=2), tiny.serializer(encoding)
    document = Document(sequence=serializer.episode(episode), source=0, episode=0)
    walk = positions.Walk(pack([[document]], len(document)), serializer, episode)
    found = list(walk.positions(document, row=0, start=0))
    fields = [position.field for position in found if position.step == 1]
    assert list(dict.fromkeys(fields)) == ["note", "camera", "arm", "joint", "view", "separator", "force", "move"]
    counts = Counter(fields)
    assert [counts[name] for name in ("camera", "arm", "joint", "view", "separator", "force", "move")] == [
        *(2, 2, 3, 4, 1, 2, 1)
    ]
    values = {name: [p.value for p in found if p.step == 1 and p.field == name] for name in counts}
    assert [int(value) for value in values["view"]] == episode.observations["view"][1].reshape(-1).tolist()
    np.testing.assert_allclose(
        [float(v) for v in values["joint"]], episode.observations["joint"][1], rtol=0.1, atol=0.05
    )
    assert values["camera"][0].startswith("patch 4x4, mean colour ")
    assert "".join(map(ast.literal_eval, values["note"])) == episode.observations["note"][1]
    rows = {name: iter(payload) for name, payload in document.sequence.payload.items()}
    assert [p.id for p in found] == [None if p.modality == "image" else int(next(rows[p.modality])) for p in found]
    assert [position.predict for position in found] == [position.field in ("force", "move") for position in found]


# Commands with an agent


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two steps, by the command itself; and once more, which changes nothing."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "mine.py").write_text(RECIPE, encoding="utf-8")
    words = ["train", str(folder / "mine.py"), "--out", str(folder / "run"), "--data", str(folder / "data")]
    assert cli.main([*words, "--workers", "1"]) == 0
    weights = (folder / "run" / "agent" / "weights.safetensors").read_bytes()
    assert cli.main(words) == 0
    assert (folder / "run" / "agent" / "weights.safetensors").read_bytes() == weights
    return folder / "run"


def test_evaluate(trained: Path, capsys: Output) -> None:
    assert cli.main(["evaluate", str(trained), "--episodes", "2", "--json", "out/report.json"]) == 0
    seen = capsys.readouterr()
    assert TASK in seen.out
    assert "written: out/report.json" in seen.err
    assert [path.name for path in Path("out").iterdir()] == ["report.json"]
    body = json.loads(Path("out/report.json").read_text())
    assert body["results"][0]["num_samples"] == 2
    assert body["agent"]["acting"] == "temperature 0"
    words = "--episodes 2 --temperature 0.5 --top-k 3 --history 1 --window 20 --json out/report.json"
    assert cli.main(["evaluate", str(trained), *words.split()]) == 0
    body = json.loads(Path("out/report.json").read_text())
    assert body["agent"]["acting"] == "temperature 0.5, top_k 3, history 1, window 20"
    assert "received history=0" in (capsys.readouterr() and wrong(capsys, "evaluate", str(trained), "--history", "0"))


def test_evaluate_draws(trained: Path) -> None:
    pytest.importorskip("matplotlib")
    words = ["evaluate", str(trained), "--episodes", "2", "--plot", "tasks.png", "--plot-kind", "tasks"]
    assert cli.main(words) == 0
    assert is_png("tasks.png")


def is_png(path: str) -> bool:
    return Path(path).read_bytes().startswith(b"\x89PNG")


def test_analyse(trained: Path, capsys: Output) -> None:
    pytest.importorskip("sklearn")
    pytest.importorskip("matplotlib")
    words = ["analyse", "embeddings", str(trained), "--episodes", "5", "--out", "a/map.png"]
    assert cli.main([*words, "--tasks", f"{TASK},caption/emoji"]) == 0
    assert "same task by chance: 0.44" in capsys.readouterr().out
    assert {point["task"] for point in json.loads(Path("a/map.json").read_text())["points"]} == {TASK, "caption/emoji"}
    assert "expected one from 1 to 1" in wrong(capsys, *words, "--layer", "2")
    words = ["analyse", "attention", str(trained), "--words", "2", "--out", "a/look.png"]
    assert cli.main(words) == 0
    seen = capsys.readouterr()
    assert "written: " in seen.out
    assert "a/look.json" in seen.err
    Image.new("RGB", (20, 30), "red").save("red.png")
    assert cli.main([*words, "--picture", "red.png"]) == 0
    assert "but caption/emoji has" in (capsys.readouterr() and wrong(capsys, *words, "--index", "100000"))
    assert is_png("a/map.png")
    assert is_png("a/look.png")


def test_data_rules_from_the_recipe_to_the_agent(trained: Path, capsys: Output) -> None:
    """Returns come into sight of the training rows, of the card, and of the agent as it plays."""
    rules = 'imports=(),\n        rules={"babyai": Rules(prompt=0.5, returns=True)},'
    text = RECIPE.replace("imports=(),", rules).replace("import tiny\n", "import tiny\n" + IMPORT_RULES)
    Path("ruled.py").write_text(text, encoding="utf-8")
    data = str(trained.parent / "data")
    assert cli.main(["inspect", "ruled.py", "--data", data, "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["field"] for line in lines} == {"instruction", "view", "last_reward", "return_to_go", "action"}
    first = [
        float(line["value"].strip("[]")) for line in lines if line["field"] == "return_to_go" and line["step"] == 0
    ]
    assert max(first) == pytest.approx(1), "the best of so few episodes is the expert"
    assert cli.main(["train", "ruled.py", "--out", "run", "--data", data]) == 0
    assert list(json.loads(Path("run/agent/card.json").read_text())["expert_returns"]) == [TASK]
    assert cli.main(["evaluate", "run", "--episodes", "1"]) == 0
    assert TASK in capsys.readouterr().out


def test_play_tells_the_agent_what_is_asked(trained: Path, capsys: Output) -> None:
    words = ["play", str(trained), TASK, "--out", "a.webp", "--size", "32", "--seed", "3", "--json", "--history", "2"]
    assert cli.main([*words, "--instruction", "go to the green key"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["told"] == "go to the green key"
    assert facts["instruction"] == "go to the red ball"
    assert facts["seed"] == 3
    assert Path("a.webp").stat().st_size > 0
    assert cli.main(["play", "expert", TASK, "--out", "a.webp", "--size", "32"]) == 0
    assert "solved in" in capsys.readouterr().out


def test_chat_reads_a_pipe(trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("She opened the letter\n\n/help\n/quit\nnever read\n"))
    assert cli.main(["chat", str(trained), "--length", "4", "--temperature", "0"]) == 0
    seen = capsys.readouterr()
    assert "/temperature" in seen.out
    assert seen.err == ""
    monkeypatch.setattr(sys, "stdin", io.StringIO("/shwo a.png\n"))
    assert "did you mean '/show'" in wrong(capsys, "chat", str(trained))


class Parrot:
    """An agent that says what it was given, in two pieces."""

    config = tiny.vector_config()

    def stream(self, inputs: list, **settings: object) -> Iterator[str]:
        yield f"{len(inputs) - 1} pictures, {inputs[-1]!r}, "
        yield f"{settings}"


def said(talk: chat.Conversation, line: str) -> str | None:
    answer = talk.answer(line)
    return None if answer is None else "".join(answer)


def test_a_conversation_keeps_pictures_and_settings(tmp_path: Path) -> None:
    talk = chat.Conversation(Parrot(), Chat(agent="x", temperature=0.7, length=80, seed=5, top_k=9))
    assert said(talk, "hello") == (
        "0 pictures, 'hello', {'max_new_tokens': 80, 'temperature': 0.7, 'seed': 5, 'top_p': 0.95, 'top_k': 9}"
    )
    Image.new("RGBA", (4, 2), (255, 0, 0, 0)).save(tmp_path / "clear.png")
    assert talk.answer(f"/show {tmp_path / 'clear.png'}") == ""
    assert talk.shown[0].getpixel((0, 0)) == (255, 255, 255), "what is clear must be white, not black"
    assert talk.answer("/temperature 0") == talk.answer("/length 3") == ""
    assert said(talk, "what is it?") == (
        "1 pictures, 'what is it?', {'max_new_tokens': 3, 'temperature': 0.0, 'seed': 6, 'top_p': 0.95, 'top_k': 9}"
    )
    assert talk.answer("/clear") == ""
    assert talk.shown == []
    assert talk.answer("/quit") is None
    (tmp_path / "no.png").write_text("no")
    (tmp_path / "a.wav").write_bytes(wav(np.zeros(80), 8000))
    for line, complaint in {
        "/show": "is no file",
        "/show gone.png": "'gone.png' is no file",
        f"/show {tmp_path / 'no.png'}": "no picture, sound or film of a known format",
        f"/show {tmp_path / 'a.wav'}": "'this agent' has no sense for sounds .* it takes text, pictures",
        "/temperature hot": "received 'hot'",
        "/length -1": "received '-1'",
        "/quti": "did you mean '/quit'",
    }.items():
        with pytest.raises(ValueError, match=complaint):
            talk.answer(line)


def test_demo(trained: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    asked = []
    monkeypatch.setattr("opengato.cli.agents.run_demo", lambda out, model: asked.append((out, model)))
    assert cli.main(["demo", "--model", str(trained), "--out", "page"]) == 0
    assert asked == [(Path("page"), str(trained))]
