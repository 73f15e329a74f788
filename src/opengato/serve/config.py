"""What a server allows."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Where to listen, who may ask, and how much.

    `origins` are the web pages that may, as `https://example.com`, beside those of the server itself. A request of
    any kind must come within `body_seconds`, and is at most `max_bytes` long, as is a message of a session. A client
    is its address: `requests_per_second` of them, `messages_per_second` in a session (0: any number). A session that
    says nothing for `idle_seconds` is ended. Of `POST /v1/act` at most `num_rows` are under way, of texts
    `max_writing`; more wait, up to `max_waiting`. A text goes on after `max_read` positions at most, since all wait
    while they are read. A server that is told to stop lets sessions go on for `drain_seconds`.
    """

    host: str = "127.0.0.1"
    port: int = 8400
    token: str | None = None
    origins: tuple[str, ...] = ()
    max_sessions: int = 64
    num_rows: int = 8
    max_writing: int = 8
    max_waiting: int = 256
    max_bytes: int = 8 * 2**20
    max_steps: int = 64
    max_read: int = 2048
    max_new_tokens: int = 1024
    max_pixels: int = 4096 * 4096
    max_sound_seconds: float = 60.0
    max_film_seconds: float = 60.0
    requests_per_second: float = 100.0
    messages_per_second: float = 1000.0
    body_seconds: float = 30.0
    idle_seconds: float = 300.0
    drain_seconds: float = 20.0

    def __post_init__(self) -> None:
        least = {"max_sessions": 1, "num_rows": 1, "max_writing": 1, "max_waiting": 1, "max_bytes": 1024}
        for name, lowest in least.items():
            if getattr(self, name) < lowest:
                raise ValueError(f"received {name}={getattr(self, name)}, expected at least {lowest}")
        if self.idle_seconds <= 0 or self.body_seconds <= 0 or self.drain_seconds < 0:
            raise ValueError("received a time of 0 or less, expected seconds above 0 (`drain_seconds` may be 0)")
        for origin in self.origins:
            if not origin.startswith(("http://", "https://")) or origin.endswith("/"):
                raise ValueError(f"received origin {origin!r}, expected one as browsers say it: https://example.com")

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine can reach it."""
        return self.host in LOOPBACK

    def knows_host(self, name: str) -> bool:
        """Whether a request may call the server by this name.

        A page of a stranger can make a name of its own mean this address (DNS rebinding); it cannot do so with an
        address in digits, or with a name that the server was told.
        """
        if name in (*LOOPBACK, self.host) or name in map(_hostname, self.origins):
            return True
        if self.is_local:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _hostname(origin: str) -> str | None:
    return urlsplit(origin).hostname
