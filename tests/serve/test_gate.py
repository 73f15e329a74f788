"""Who may ask, how much and how often."""

from __future__ import annotations

import socket as sockets
import time
from typing import Any

import pytest
import requests
from websockets.exceptions import InvalidStatus

from opengato.serve.cadence import Allowance, Cadence
from opengato.serve.config import Config
from tests.serve.asking import Running, error_of
from tests.serve.conftest import Serving

STRANGER = "stranger.test"


def denied(server: Running, query: str = "", **more: Any) -> int:
    """The status of a handshake that must fail; 101 if it does not."""
    try:
        with server.connect(query, **more):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:{port}"}, 200),
        ({"Host": STRANGER}, 403),
        ({"Host": f"127.0.0.1.{STRANGER}"}, 403),
        ({"Host": "[::1"}, 403),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": f"https://{STRANGER}"}, 403),
        ({"Origin": "null"}, 403),
        # A stranger's page whose name was made to mean this machine: its own origin is not ours.
        ({"Origin": f"http://{STRANGER}", "Host": STRANGER}, 403),
    ],
    ids=str,
)
def test_pages_of_strangers_are_kept_out(server: Running, headers: dict[str, str], status: int) -> None:
    port = server.address.rpartition(":")[2]
    filled = {name: value.format(port=port) for name, value in headers.items()}
    assert server.get("/v1/models", headers=filled).status_code == status
    if "Host" not in filled:  # the client writes its own
        assert denied(server, additional_headers=filled) == (101 if status == 200 else status)


def test_a_page_that_is_allowed(serving: Serving) -> None:
    with serving(origins=("https://example.com",)) as server:
        origin = {"Origin": "https://example.com"}
        assert server.get("/v1/models", headers=origin).status_code == 200
        assert server.get("/v1/models", headers={**origin, "Host": "example.com"}).status_code == 200
        assert denied(server, additional_headers=origin) == 101
        assert server.get("/v1/models", headers={"Origin": "http://localhost"}).status_code == 403


def test_names_of_a_server_that_listens_everywhere() -> None:
    everywhere = Config(host="0.0.0.0", origins=("https://example.com:8443",))
    assert all(map(everywhere.knows_host, ("127.0.0.1", "192.168.1.7", "fe80::1", "example.com")))
    assert not any(map(everywhere.knows_host, (STRANGER, "", f"1.2.3.4.{STRANGER}")))
    assert not Config().knows_host("192.168.1.7")
    for wrong in ("example.com", "https://example.com/"):
        with pytest.raises(ValueError, match="origin"):
            Config(origins=(wrong,))


def test_a_token(serving: Serving) -> None:
    with serving(token="sésame") as server:
        assert server.get("/healthz").status_code == 200
        for path in ("/metrics", "/v1/tasks", "/openapi.json", "/nowhere"):
            error_of(server.get(path), 401)
        wrong = [{}, {"Authorization": "Bearer sesame"}, {"Authorization": "Bearer "}, {"Authorization": "sésame"}]
        for headers in wrong:
            encoded = {name: value.encode() for name, value in headers.items()}
            assert server.get("/v1/models", headers=encoded).status_code == 401
        for scheme in ("Bearer", "Api-Key"):
            said = {"Authorization": f"{scheme} sésame".encode("latin-1")}
            assert server.get("/v1/models", headers=said).status_code == 200, scheme
        assert denied(server) == 401
        assert denied(server, "?token=other") == 401
        assert denied(server, "?token=s%C3%A9same") == 101
        assert error_of(server.get("/v1/models?token=s%C3%A9same"), 401), "addresses end up in logs"
        assert server.get("/metrics", headers={"Authorization": "Bearer sésame".encode("latin-1")}).status_code == 200


def test_a_rate(serving: Serving) -> None:
    with serving(requests_per_second=2.0) as server:
        answers = [server.get("/v1/models") for _ in range(12)]
        codes = [answer.status_code for answer in answers]
        assert codes[:4] == [200] * 4, "twice as many at once"
        assert codes.count(429) >= 4
        late = next(answer for answer in answers if answer.status_code == 429)
        assert int(late.headers["retry-after"]) >= 1
        assert denied(server) in (429, 101)
        assert all(server.get("/healthz").status_code == 200 for _ in range(12))
        time.sleep(0.6)
        assert server.get("/v1/models").status_code == 200


def test_an_allowance_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    allowance = Allowance(4.0)
    assert [allowance.take() for _ in range(8)] == [0.0] * 8
    assert allowance.take() == 0.25
    now += 0.5
    assert [allowance.take() > 0 for _ in range(3)] == [False, False, True]
    now += 1000
    assert allowance.is_full
    assert sum(allowance.take() == 0 for _ in range(20)) == 8
    assert [Allowance(0).take() for _ in range(9)] == [0.0] * 9


def test_a_cadence_by_hand() -> None:
    cadence = Cadence()
    nothing = {"steps": 0, "p50_ms": None, "p99_ms": None, "worst_ms": None, "missed": 0}
    assert cadence.report() == nothing
    late = [cadence.add(milliseconds / 1000, 50.0) for milliseconds in range(1, 101)]
    assert late == [False] * 50 + [True] * 50
    assert cadence.report() == {"steps": 100, "p50_ms": 50.5, "p99_ms": 99.01, "worst_ms": 100.0, "missed": 50}
    for _ in range(20_000):
        cadence.add(0.001, None)
    assert cadence.report() == {"steps": 20_100, "p50_ms": 1.0, "p99_ms": 1.0, "worst_ms": 100.0, "missed": 50}


# Requests that are none


@pytest.mark.parametrize("path", ["/v1/act", "/v1/chat/completions", "/v1/embeddings"])
def test_bodies_that_are_none(serving: Serving, path: str) -> None:
    kind = {"content-type": "application/json"}
    with serving(max_bytes=2048, body_seconds=0.5) as server:
        url = server.address + path

        def post(data: Any, headers: dict[str, str] = kind) -> requests.Response:
            return requests.post(url, data, headers=headers, timeout=20)

        error_of(post(b"{}", {}), 415)
        error_of(post(b"{}", {"content-type": "text/plain"}), 415)
        assert (
            "content-type"
            in error_of(post(b"{}", {"content-type": "application/x-www-form-urlencoded"}), 415)["message"]
        )
        for data in (b"", b"{", b"\x00", b"null", b"[]", b'{"a": NaN}', b"[" * 1000 + b"]" * 1000):
            error_of(post(data), 400)
        for data in (b"", b"\xc1", b"\x93\x01"):
            error_of(post(data, {"content-type": "application/msgpack"}), 400)
        assert "2048 bytes" in error_of(post(b'"' + b"x" * 4096 + b'"'), 413)["message"]
        assert error_of(post(iter([b"{", b" " * 4096, b"}"])), 413), "of a length that was not told"
        assert server.get("/healthz").json()["status"] == "ok"


def test_a_body_that_does_not_come(serving: Serving) -> None:
    with serving(body_seconds=0.4) as server:
        host, port = server.address.removeprefix("http://").split(":")
        with sockets.create_connection((host, int(port)), timeout=10) as socket:
            head = ["POST /v1/act HTTP/1.1", f"Host: {host}", "Content-Type: application/json", "Content-Length: 99"]
            socket.sendall("\r\n".join([*head, "", "{"]).encode())
            assert socket.recv(64).startswith(b"HTTP/1.1 408 ")
        assert server.get("/healthz").status_code == 200


def test_ways_that_do_not_exist(server: Running) -> None:
    assert "/openapi.json" in error_of(server.get("/v1/nothing"), 404)["message"]
    answer = server.get("/v1/act")
    error_of(answer, 405)
    assert answer.headers["allow"] == "POST"
    assert server.get("/v1/models").json()["data"][0]["id"] == "tiny"


def test_counts_for_prometheus(serving: Serving) -> None:
    with serving() as server:
        server.get("/v1/models")
        server.get("/v1/invented/by/a/stranger")
        server.get("/v1/tasks/babyai/GoToLocal")
        server.post("/v1/act", {"task": 1})
        server.post("/v1/act", server.get("/v1/tasks/babyai/GoToLocal/example").json())
        with server.connect():
            text = server.get("/metrics").text
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines['opengato_requests_total{route="/v1/models",status="200"}'] == "1.0"
    assert lines['opengato_requests_total{route="none",status="404"}'] == "1.0"
    assert lines['opengato_requests_total{route="/v1/tasks/{family}/{name}",status="200"}'] == "1.0"
    assert lines['opengato_requests_total{route="/v1/act",status="400"}'] == "1.0"
    assert lines["opengato_sessions"] == "1.0"
    assert lines["opengato_actions_total"] == "1.0"
    assert lines['opengato_refused_total{status="400"}'] == "1.0"
    assert "stranger" not in text


def test_what_fails_tells_nothing_of_the_inside(serving: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as server:
        monkeypatch.setattr(server.service, "trained", lambda: 1 / 0)
        error = error_of(server.get("/v1/tasks"), 500)
        assert error["message"] == "the server failed; its log says more"
        assert server.get("/v1/models").status_code == 200
