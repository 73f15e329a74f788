"""OpenAI's endpoints: the words that the agent itself writes, whole and as they come; vectors; clear refusals."""

from __future__ import annotations

import base64
import io
import json
import signal
import wave
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from opengato.agent.model import Agent
from opengato.agent.policy import AgentPolicy
from opengato.core.film import write_film
from opengato.envs import find_task
from opengato.evaluators.heldout import held_out_pictures
from opengato.serve.config import Config
from opengato.serve.engine import Act, Begin
from opengato.serve.media import film, sound
from opengato.serve.refused import Refused
from opengato.serve.service import Service, rows_of
from opengato.sources.answers import dialogue
from tests.serve.asking import GRID, VIEW, Running, ask, begun, error_of, until
from tests.serve.conftest import Serving, running
from tests.tiny import tiny_agent

CHAT, VECTORS = "/v1/chat/completions", "/v1/embeddings"
PICTURE = held_out_pictures("caption/openclipart")[0].png


def url_of(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def shown(data: bytes, kind: str = "image/png") -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url_of(data, kind)}}


def said(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def user(content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": content}]


def streamed(response: requests.Response) -> Iterator[dict[str, Any]]:
    """Events of a stream, up to the one that ends it."""
    assert response.headers["content-type"].startswith("text/event-stream")
    for line in response.iter_lines():
        if line == b"data: [DONE]":
            return
        if line:
            yield json.loads(line.removeprefix(b"data: "))
    raise AssertionError("the stream has no end")


@pytest.mark.parametrize(
    ("content", "inputs"),
    [
        ("It was", ["It was"]),
        ([said("It was")], ["It was"]),
        ([said("describe the picture"), shown(PICTURE)], ["describe the picture", PICTURE]),
    ],
    ids=["text", "part", "picture"],
)
def test_it_writes_what_the_agent_writes(server: Running, tiny: Agent, content: Any, inputs: list[Any]) -> None:
    settings: dict[str, Any] = {"temperature": 0.8, "seed": 7, "top_p": 0.9, "top_k": 20}
    expected = tiny.generate(inputs, max_new_tokens=24, **settings)
    body = {"model": "tiny", "messages": user(content), "max_tokens": 24, **settings}
    whole = server.post(CHAT, body).json()
    (choice,) = whole["choices"]
    assert choice["message"] == {"role": "assistant", "content": expected}
    assert whole["object"] == "chat.completion"
    assert whole["usage"]["total_tokens"] == whole["usage"]["prompt_tokens"] + whole["usage"]["completion_tokens"]
    assert 0 < whole["usage"]["completion_tokens"] <= 24
    assert whole["timing"]["total_ms"] >= whole["timing"]["model_ms"] > 0
    body |= {"stream": True, "stream_options": {"include_usage": True}}
    *chunks, last, counted = streamed(server.post(CHAT, body, stream=True))
    assert "".join(chunk["choices"][0]["delta"]["content"] for chunk in chunks) == expected
    assert all(chunk["choices"][0]["finish_reason"] is None for chunk in chunks)
    assert last["choices"][0] == {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
    assert counted["usage"] == whole["usage"]
    assert len({chunk["id"] for chunk in (*chunks, last, counted)}) == 1


def test_how_it_ended_is_told(server: Running, tiny: Agent) -> None:
    body = {"messages": user([said("describe the picture"), shown(PICTURE)]), "temperature": 0.0}
    ended = server.post(CHAT, {**body, "max_completion_tokens": 60}).json()
    assert ended["choices"][0]["finish_reason"] == "stop"
    cut = server.post(CHAT, {**body, "max_tokens": 1}).json()
    assert cut["choices"][0]["finish_reason"] == "length"
    assert ended["choices"][0]["message"]["content"].startswith(cut["choices"][0]["message"]["content"])
    assert ended["usage"]["prompt_tokens"] == cut["usage"]["prompt_tokens"] > 4


def test_pictures_of_earlier_messages_stay_in_sight(server: Running) -> None:
    ask_again = user("describe the picture")
    first = server.post(CHAT, {"messages": user([shown(PICTURE), *[said("describe the picture")]]), "temperature": 0})
    before = [{"role": "user", "content": [shown(PICTURE), said("look")]}, {"role": "assistant", "content": "yes"}]
    then = server.post(CHAT, {"messages": [*before, *ask_again], "temperature": 0})
    assert then.json()["choices"] == first.json()["choices"]


def test_an_agent_that_was_taught_dialogues_reads_what_was_said() -> None:
    agent = tiny_agent()
    agent.card = {"tasks": ["chat/toy"]}
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": [said("good"), said("day")]},
        {"role": "user", "content": "how are"},
        {"role": "user", "content": "you?"},
    ]
    turns = [("hello", "good day"), ("how are you?", "")]
    expected = agent.answer(dialogue("chat/toy", turns, instruction="be brief"), max_new_tokens=12)
    alone = agent.answer(dialogue("chat/toy", turns[1:]), max_new_tokens=12)
    assert expected.text != alone.text, "the test would notice that the past is not read"
    with running(agent) as server:
        answer = server.post(CHAT, {"messages": messages, "temperature": 0, "max_tokens": 12}).json()
        assert answer["choices"][0]["message"]["content"] == expected.text
        error = error_of(server.post(CHAT, {"messages": messages[:3]}), 400)
        assert "must be of the user" in error["message"]
        with_picture = [*messages, {"role": "user", "content": [shown(PICTURE), said("look")]}]
        assert server.post(CHAT, {"messages": with_picture, "max_tokens": 4}).status_code == 200


BIG = io.BytesIO()
Image.new("1", (9000, 9000)).save(BIG, "PNG")


@pytest.mark.parametrize(
    ("body", "field", "says"),
    [
        ({}, "messages", "required"),
        ({"messages": []}, "messages", "at least 1"),
        ({"messages": "hello"}, "messages", "list"),
        ({"messages": user("")}, "messages", "nothing"),
        ({"messages": user(5)}, "messages[0].content", "valid"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role", "'user'"),
        ({"messages": user([{"type": "smell"}])}, "messages[0].content[0]", "smell"),
        ({"messages": user([said("x"), {"type": "text"}])}, "messages[0].content[1].text", "required"),
        (
            {"messages": user([{"type": "image_url", "image_url": {}}])},
            "messages[0].content[0].image_url.url",
            "required",
        ),
        ({"messages": user("x"), "temperature": 3}, "temperature", "less than"),
        ({"messages": user("x"), "max_tokens": 0}, "max_tokens", "greater"),
        ({"messages": user("x"), "n": 2}, "n", "1"),
        ({"messages": user("x"), "stream": "yes"}, "stream", "boolean"),
        *(
            ({"messages": user([part])}, f"messages[0].content[0].{where}", says)
            for part, where, says in (
                (shown(b""), "image_url.url", "0 bytes"),
                (shown(b"GIF8 and no more"), "image_url.url", "cannot be read"),
                (shown(PICTURE[: len(PICTURE) // 2]), "image_url.url", "cannot be decoded"),
                (shown(b"RIFF\x24\x00\x00\x00WAVEfmt "), "image_url.url", "kind audio"),
                (shown(b"MZ\x90\x00" * 10), "image_url.url", "of a known format"),
                ({"type": "image_url", "image_url": {"url": "http://127.0.0.1:22/"}}, "image_url.url", "no address"),
                ({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}, "image_url.url", "no address"),
                ({"type": "image_url", "image_url": {"url": "data:;base64,%%%"}}, "image_url.url", "no base64"),
            )
        ),
        (
            {"messages": user([{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}])},
            "messages[0].content[0]",
            "no sense for sounds",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_wrong_is_told_by_its_field(server: Running, body: Any, field: str, says: str) -> None:
    error = error_of(server.post(CHAT, body), 400)
    assert error["param"] == field
    assert says in error["message"]


def test_a_picture_of_too_many_pixels_is_not_decoded(server: Running) -> None:
    error = error_of(server.post(CHAT, {"messages": user([shown(BIG.getvalue())])}), 413)
    assert "9000 x 9000" in error["message"]
    assert error["param"] == "messages[0].content[0].image_url.url"


def wav(seconds: float) -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\x01\x00" * round(8000 * seconds))
    return stream.getvalue()


def test_sounds_are_looked_at_before_the_model_is_asked() -> None:
    pytest.importorskip("av")
    assert sound(wav(0.5), "x", 1.0) == wav(0.5)
    for data, status, says in (
        (wav(1.5), 413, "longer than 1 s"),
        (wav(0.5)[:20], 400, "cannot be decoded"),
        (wav(0), 400, "x: the sound"),
        (PICTURE, 400, "kind image"),
        (b"ID3 nonsense", 400, "cannot be decoded"),
    ):
        with pytest.raises(Refused, match=says) as found:
            sound(data, "x", 1.0)
        assert found.value.status == status


def test_films_are_looked_at_before_the_model_is_asked(server: Running) -> None:
    pytest.importorskip("av")
    frames = np.random.default_rng(0).integers(0, 255, (8, 32, 48, 3)).astype(np.uint8)
    short = write_film(frames, 4)
    assert film(short, "x", Config(max_film_seconds=2)) == short
    cases: list[tuple[bytes, dict[str, Any], int, str]] = [
        (short, {"max_film_seconds": 1.0}, 413, "longer than 1 s"),
        (short, {"max_pixels": 1000}, 413, "48 x 32 pixels, allowed are 1000"),
        (short[: len(short) // 3], {}, 400, "cannot be decoded"),
        (wav(0.5), {}, 400, "kind audio"),
        (b"\0\0\0\x18ftypisom", {}, 400, "cannot be decoded"),
    ]
    for data, settings, status, says in cases:
        with pytest.raises(Refused, match=says) as found:
            film(data, "x", Config(**settings))
        assert found.value.status == status
    part = {"type": "video_url", "video_url": {"url": url_of(short, "video/mp4")}}
    error = error_of(server.post(CHAT, {"messages": user([part])}), 400)
    assert (error["param"], "no sense for films" in error["message"]) == ("messages[0].content[0]", True)
    error = error_of(server.post(CHAT, {"messages": user([{"type": "video_url", "video_url": {}}])}), 400)
    assert error["param"] == "messages[0].content[0].video_url.url"


def test_who_sees_films_is_shown_one(sensing: Running) -> None:
    """The answer is that of the agent itself to the same film."""
    frames = np.random.default_rng(0).integers(0, 255, (8, 32, 48, 3)).astype(np.uint8)
    data = write_film(frames, 4)
    part = {"type": "video_url", "video_url": {"url": url_of(data, "video/mp4")}}
    words = {"type": "text", "text": "what happens?"}
    body = {"messages": user([part, words]), "temperature": 0, "max_tokens": 6}
    answer = sensing.post(CHAT, body).json()["choices"][0]["message"]["content"]
    assert answer == sensing.service.agent.generate([data, "what happens?"], max_new_tokens=6)
    assert sensing.post("/v1/embeddings", {"input": [[part]]}).status_code == 200


def test_a_text_nobody_reads_any_more_is_not_written_on(serving: Serving) -> None:
    with serving(max_new_tokens=100_000) as server:
        engine = server.service.engine
        body = {"messages": user("It was"), "max_tokens": 100_000, "temperature": 0}  # drawn, it might end by itself
        stream = server.post(CHAT, {**body, "stream": True}, stream=True)
        lines = stream.iter_lines()  # kept: where it is collected, requests hangs up
        next(lines)
        until(lambda: len(engine._under_way) == 1, "the text is under way")
        stream.close()
        until(lambda: not engine._under_way, "the stream's text is dropped", 20)
        with pytest.raises(requests.ReadTimeout):
            requests.post(server.address + CHAT, json=body, timeout=(20, 0.3))
        until(lambda: not engine._under_way, "the text of a client that hung up is dropped", 20)


def test_texts_do_not_hold_up_control(serving: Serving) -> None:
    """A step waits for a piece of one text at most, however many are written."""
    with serving(max_writing=4, max_new_tokens=100_000) as server, server.connect() as socket:
        body = {"messages": user("It was"), "max_tokens": 100_000, "stream": True}
        streams = [server.post(CHAT, body, stream=True) for _ in range(6)]
        until(lambda: len(server.service.engine._under_way) == 4, "four texts are written, two wait")
        begun(socket)
        for number in range(10):
            assert ask(socket, {"type": "act", "observation": {"view": VIEW}})["step"] == number
        assert len(server.service.engine._queued) == 2
        for stream in streams:
            stream.close()


def test_what_is_too_long_to_read_is_refused(server: Running) -> None:
    """All wait while a text is read, and vectors take memory by the square of its length."""
    long = "it was the best of times " * 1000
    for path, body, field in (
        (CHAT, {"messages": user(long)}, "messages"),
        (VECTORS, {"input": ["x", long]}, "input[1]"),
    ):
        error = error_of(server.post(path, body), 413)
        assert error["param"] == field
        assert "allowed are 2048" in error["message"]


def test_texts_that_wait_are_counted(serving: Serving) -> None:
    with serving(max_writing=1, max_waiting=1, max_new_tokens=100_000) as server:
        body = {"messages": user("It was"), "max_tokens": 100_000, "stream": True}
        streams = [server.post(CHAT, body, stream=True)]
        until(lambda: len(server.service.engine._under_way) == 1, "one is written")
        streams.append(server.post(CHAT, body, stream=True))
        until(lambda: len(server.service.engine._queued) == 1, "one waits")
        assert "waiting already" in error_of(server.post(CHAT, body), 503)["message"]
        for stream in streams:
            stream.close()


def test_a_text_breaks_off_where_the_server_stops(serving: Serving) -> None:
    with serving(max_new_tokens=100_000, drain_seconds=0.5) as server:
        body = {"messages": user("It was"), "max_tokens": 100_000, "stream": True}
        lines = server.post(CHAT, body, stream=True).iter_lines()
        next(lines)
        server.server.handle_exit(signal.SIGTERM, None)
        *_, last = filter(None, lines)
        assert json.loads(last.removeprefix(b"data: "))["error"]["message"] == "the server is stopping"
        until(lambda: server.server.should_exit, "it ends by itself")


# Vectors


def test_vectors_are_those_of_the_agent(server: Running, tiny: Agent) -> None:
    given = ["a dog", "the sea", [shown(PICTURE), said("a picture")]]
    answer = server.post(VECTORS, {"input": given}).json()
    expected = tiny.embed([["a dog"], ["the sea"], [PICTURE, "a picture"]])
    found = np.array([one["embedding"] for one in answer["data"]], np.float32)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert [one["index"] for one in answer["data"]] == [0, 1, 2]
    assert answer["usage"]["total_tokens"] > 6
    coded = server.post(VECTORS, {"input": given, "encoding_format": "base64"}).json()
    decoded = [np.frombuffer(base64.b64decode(one["embedding"]), "<f4") for one in coded["data"]]
    np.testing.assert_array_equal(np.stack(decoded), found)
    (single,) = server.post(VECTORS, {"input": "a dog"}).json()["data"]
    np.testing.assert_allclose(single["embedding"], expected[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("given", "field"),
    [("", "input"), ([], "input"), (["x", ""], "input[1]"), ([[]], "input[0]"), (5, "input"), (["x"] * 65, "input")],
    ids=str,
)
def test_nothing_has_no_vector(server: Running, given: Any, field: str) -> None:
    assert error_of(server.post(VECTORS, {"input": given}), 400)["param"] == field


def test_an_agent_whose_observation_fails_in_a_batch_fails_alone(tiny: Agent) -> None:
    """What passes every check and still cannot be laid out is told to the one who sent it."""
    config = Config(max_sessions=3, num_rows=1)
    service = Service(AgentPolicy(tiny, rows=rows_of(config)), "tiny", config)
    engine, task = service.engine, find_task(GRID)
    good = {"view": np.ones((50, 3), np.uint8)}
    begins = [engine.submit(Begin(row=row, task=task, instruction="go")) for row in range(3)]
    acts = [
        engine.submit(Act(row=row, values={"view": np.ones((50, 4), np.uint8)} if row == 1 else good))
        for row in range(3)
    ]
    engine.start()
    try:
        assert [begin.result(20) for begin in begins] == [None, None, None]
        assert acts[0].result(20) == acts[2].result(20)
        with pytest.raises(Refused):
            acts[1].result(20)
    finally:
        engine.stop()
    with pytest.raises(Refused, match="stopping"):
        engine.submit(Act(row=0, values=good))
