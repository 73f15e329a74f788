"""What a client did wrong, or the server has no room for: a status, a sentence and the field that is meant."""

from __future__ import annotations

from typing import Any

TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "server_error",
    503: "overloaded_error",
}


class Refused(Exception):
    """An answer that is an error, in the form of OpenAI's: `param` is the field, as `messages[0].content`."""

    def __init__(self, status: int, message: str, field: str | None = None, retry_after: float | None = None) -> None:
        self.status, self.retry_after = status, retry_after
        self.message, self.field = shortened(message, 1000), None if field is None else shortened(field, 200)
        super().__init__(self.message)

    def body(self) -> dict[str, Any]:
        kind = TYPES.get(self.status, "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.field, "code": self.status}}


def shortened(text: str, longest: int) -> str:
    """A text that may repeat what was received, whose length nobody knows, and which may hold half a letter."""
    whole = text[: longest + 1].encode("utf-8", "backslashreplace").decode()
    return whole if len(whole) <= longest else f"{whole[:longest]}..."
