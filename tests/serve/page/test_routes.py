"""What the page asks for: only what it was given, in words where it cannot be had."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from opengato.agent.model import Agent
from opengato.envs import family_of, make
from opengato.evaluators.heldout import held_out_pictures
from opengato.serve.page.app import STATIC
from opengato.serve.page.exhibits import Chart
from tests.serve.asking import Running, error_of, until
from tests.serve.page.conftest import PLACES, drawing, serve_page

GRID = "babyai/GoToLocal"
SEED = 3
STRANGER = "stranger.test"


@pytest.fixture
def guarded(tiny: Agent, shelf: Path) -> Generator[Running]:
    with serve_page(tiny, shelf, token="sesame", max_sessions=1) as found:
        yield found


def watching(server: Running, query: str = "", **more: Any) -> ClientConnection:
    return connect(f"{server.address.replace('http', 'ws')}/page/watch{query}", compression=None, max_size=None, **more)


def told(socket: ClientConnection) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A message and its pictures, which fill its frame."""
    data = socket.recv(timeout=60)
    assert isinstance(data, bytes)
    start = 4 + int.from_bytes(data[:4], "big")
    message, pictures = json.loads(data[4:start]), {}
    for name, size in message.get("pictures", {}).items():
        pictures[name], start = data[start : start + size], start + size
    assert start == len(data)
    return message, pictures


def ask(socket: ClientConnection, message: Any) -> dict[str, Any]:
    socket.send(message if isinstance(message, str) else json.dumps(message))
    return told(socket)[0]


def test_the_page_and_its_files(served: Running) -> None:
    page = served.get("/")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    for path in STATIC.iterdir():
        assert served.get(f"/page/static/{path.name}").content == path.read_bytes()
        if path.suffix in (".js", ".html"):
            text = path.read_text(encoding="utf-8")
            assert not {word for word in ("innerHTML", "insertAdjacentHTML", "document.write", "eval(") if word in text}
    assert served.get("/page/static/..%2fapp.py").status_code == 404


def test_without_a_token_only_what_asks_for_it(guarded: Running) -> None:
    assert guarded.get("/").status_code == 200
    assert guarded.get("/page/static/main.js").status_code == 200
    for path in ("/page/about", "/page/stores", "/page/static", "/v1/tasks"):
        error_of(guarded.get(path), 401)
    assert guarded.get("/page/about", headers={"Authorization": "Bearer sesame"}).json()["model"] == "tiny"
    with pytest.raises(InvalidStatus):
        watching(guarded)
    with watching(guarded, "?token=sesame"):
        until(lambda: guarded.service.num_sessions == 1, "a row is taken")
        with pytest.raises(InvalidStatus) as full:
            watching(guarded, "?token=sesame")
        assert full.value.response.status_code == 503
    until(lambda: guarded.service.num_sessions == 0, "the row is free again")


def test_strangers_do_not_look_on(served: Running) -> None:
    with pytest.raises(InvalidStatus) as refused:
        watching(served, additional_headers={"Origin": f"http://{STRANGER}"})
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("name", ["", "..", "../secret", "/etc", "mine/..", "secret", "mine%00"])
def test_nothing_beside_the_shelves_is_read(served: Running, name: str) -> None:
    error_of(served.get("/page/run", params={"run": name}), 404)
    error_of(served.get("/page/episodes", params={"store": name}), 404)
    error_of(served.get("/page/episode", params={"store": name}), 404)


def test_a_log_is_read_on_from_where_it_was(served: Running, shelf: Path) -> None:
    folder = shelf / "runs" / "other"
    folder.mkdir()
    log = folder / "log.jsonl"
    log.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    first = served.get("/page/run", params={"run": "other"}).json()
    assert first == {"rows": [{"step": 1, "loss": 2.0}], "after": 25}
    with log.open("a") as file:
        file.write('ss": NaN}\nnonsense\n')
    second = served.get("/page/run", params={"run": "other", "after": first["after"]}).json()
    assert second == {"rows": [{"step": 2, "loss": None}], "after": log.stat().st_size}
    error_of(served.get("/page/run", params={"run": "other", "after": "-1"}), 400)


def test_episodes_and_their_filters(served: Running) -> None:
    def found(**query: Any) -> dict[str, Any]:
        return served.get("/page/episodes", params={"store": "made", **query}).json()

    assert [one["number"] for one in found(first=50)["episodes"]] == list(range(50, 60))
    assert found(success="true")["total"] == 30
    assert found(task="babyai/GoTo")["total"] == 0
    one = served.get("/page/episode", params={"store": "made", "number": 1}).json()
    assert (one["instruction"], one["return"], one["success"], one["num_steps"]) == ("go to number 1", 1.0, True, 3)
    assert [step["action"]["action"]["numbers"] for step in one["steps"]] == [[0.0], [1.0], [2.0]]
    assert [cell["value"] for cell in one["cells"] if cell["modality"] == "choice"] == ["0", "1", "2"]
    error_of(served.get("/page/episode", params={"store": "made", "number": 60}), 404)
    error_of(served.get("/page/episode", params={"store": "made", "number": "one"}), 400)


def test_what_is_near_a_text_is_what_its_vectors_say(served: Running, tiny: Agent) -> None:
    pictures = held_out_pictures("caption/emoji")[:12]
    hits = served.post("/page/find", {"text": "a shoe"}).json()
    vectors = tiny.embed([["a shoe"], *([one.png] for one in pictures)])
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit[1:] @ unit[0]
    assert [hit["number"] for hit in hits] == np.argsort(-cosines)[:8].tolist()
    assert [hit["cosine"] for hit in hits] == pytest.approx(np.sort(cosines)[::-1][:8].tolist(), abs=2e-4)
    for body in (
        {},
        {"text": " "},
        {"text": "a", "picture": "b"},
        {"picture": "http://example.com/a.png"},
        {"txt": "a"},
    ):
        error_of(served.post("/page/find", body), 400)


def test_where_it_looks(served: Running) -> None:
    found = served.post("/page/look", {"number": 3, "layer": 2}).json()
    weight_QHRC = np.array(found["weights"])
    assert weight_QHRC.shape == (len(found["words"]), 4, 4, 4)
    assert (weight_QHRC.sum((2, 3)) <= 1.001).all()
    assert sum("colour" in cell for cell in found["cells"]) == 16
    for body in ({}, {"number": 99}, {"number": 1, "layer": 99}, {"number": 1, "layer": 0}, {"picture": "data:,"}):
        error_of(served.post("/page/look", body), 400)


def test_the_map_is_drawn_once(tiny: Agent, shelf: Path, tmp_path: Path) -> None:
    file = tmp_path / "drawn.json"
    with serve_page(tiny, shelf, drawing(file)) as server:
        assert server.get("/page/map").json() == {"state": "ready"}
        assert server.post("/page/map", {}).json()["state"] in ("drawing", "there")
        until(lambda: server.get("/page/map").json()["state"] == "there", "the map is drawn")
        found = server.post("/page/map", {}).json()
        assert (found["tasks"], found["layer"], found["depth"]) == ([*PLACES], 4, 8)
        assert found["points"][4:6] == [[1, 4.0, 1.0], [1, 4.1, 1.0]]
        error_of(server.post("/page/map", {"command": "rm"}), 400)
    fails = Chart(file=tmp_path / "never", command=(sys.executable, "-c", "raise SystemExit('no: ' + 'x' * 999)"))
    with serve_page(tiny, shelf, fails) as server:
        server.post("/page/map", {})
        until(lambda: server.get("/page/map").json()["state"] == "failed", "it fails")
        assert server.get("/page/map").json()["why"] == "x" * 300
    hangs = Chart(file=tmp_path / "late", command=(sys.executable, "-c", "import time; time.sleep(99)"), seconds=0.0)
    with serve_page(tiny, shelf, hangs) as server:
        assert server.post("/page/map", {}).json() == {"state": "failed", "why": "it took more than 0 s"}


def test_a_hand_takes_over_and_the_agent_goes_on_from_what_it_did(served: Running) -> None:
    """What it does then is what `/v1/act` answers that is told of the same steps."""
    view = []
    with watching(served) as socket:
        begun = ask(socket, {"type": "start", "task": GRID, "seed": SEED})
        assert begun["type"] == "begun"
        assert begun["players"]["agent"]["steps"] == 0
        first = ask(socket, {"type": "step"})
        hand = ask(socket, {"type": "hand", "action": {"action": 2}})
        assert (hand["by"], hand["action"]) == ("hand", {"action": 2})
        last = ask(socket, {"type": "step"})
        assert last["players"]["agent"]["steps"] == 3
        (row,) = last["chances"][0]["rows"]
        assert sum(row) == pytest.approx(1, abs=1e-3)
        assert int(np.argmax(row)) == last["action"]["action"]
    env, family = make(GRID), family_of(GRID)
    try:
        raw, _ = env.reset(seed=SEED)
        for action in (first["action"]["action"], 2):
            view.append(family.observation(raw)["view"].tolist())
            raw, *_ = env.step(family.action({"action": np.array(action)}))
        past = [
            {"observation": {"view": seen}, "action": {"action": done}}
            for seen, done in zip(view, (first["action"]["action"], 2), strict=True)
        ]
        body = {
            "task": GRID,
            "instruction": begun["instruction"],
            "observation": {"view": family.observation(raw)["view"].tolist()},
            "past": past,
            "seed": SEED,
        }
        assert served.post("/v1/act", body).json()["actions"] == last["action"]
    finally:
        env.close()


def test_played_beside_the_expert_and_chance_to_the_end(served: Running) -> None:
    with watching(served) as socket:
        begun = ask(socket, {"type": "start", "task": GRID, "seed": SEED, "beside": True})
        assert begun["players"].keys() == {"agent", "expert", "random"}
        socket.send(json.dumps({"type": "pace", "playing": True, "fps": 60}))
        message, pictures = told(socket)
        assert all(picture.startswith(b"\xff\xd8\xff") for picture in pictures.values())
        while not message["over"]:
            message, _ = told(socket)
        assert message["players"]["expert"]["success"] is True
        again = ask(socket, {"type": "start", "task": GRID, "seed": SEED})
        assert again["players"]["agent"]["return"] == 0


def test_wrong_messages_are_answered_and_the_session_lives_on(served: Running) -> None:
    with watching(served) as socket:
        wrong: list[Any] = [
            "{",
            "[" * 100_000,
            "[]",
            {"type": "dance"},
            {"type": "start"},
            {"type": "start", "task": "babyai/Nowhere"},
            {"type": "start", "task": GRID, "seed": -1},
            {"type": "pace", "playing": True, "fps": 1000},
            {"type": "who", "by": "cat"},
        ]
        for message in wrong:
            answer = ask(socket, message)
            assert answer["type"] == "error"
            assert answer["code"] in (400, 404)
        assert ask(socket, {"type": "start", "task": GRID})["type"] == "begun"
        answer = ask(socket, {"type": "hand", "action": {"action": 99}})
        assert answer["param"] == "action.action"
        assert ask(socket, {"type": "hand", "action": {"action": 1}})["players"]["agent"]["steps"] == 1


def test_who_floods_is_hung_up_on(served: Running) -> None:
    with watching(served) as socket, pytest.raises(ConnectionClosed):
        flood(socket)
    until(lambda: served.service.num_sessions == 0, "its row is free")


def flood(socket: ClientConnection) -> None:
    """More messages than a hand can send."""
    for _ in range(1000):
        socket.send('{"type": "step"}')
    while True:
        socket.recv(timeout=10)
