"""Agents without a network: their likelihoods are known in closed form, their actions are the expert's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from opengato.agent.stream import Written
from opengato.core.episode import ArraySpec, Episode
from opengato.core.serialize import Codec, Layout, Role, Serializer
from opengato.modalities.text import TextCodec
from opengato.rollout import ExpertPolicy

TEXT = ArraySpec(name="text", kind="text", dtype="str")
ROUTES = {
    "instruction": "text",
    "observation/text": "text",
    "observation/image": "image",
    "action/text": "text",
}
BEGIN, END = 257, 256


class ByteCodec(Codec):
    """Every UTF-8 byte is a row; 257 opens an instruction, 256 ends a text that is to be written."""

    payload_shape = ()
    payload_dtype = "int64"

    def num_positions(self, spec: ArraySpec) -> int | None:
        return None

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        first, last = [BEGIN] * (role == "instruction"), [END] * (role == "action")
        rows = [[*first, *str(value).encode(), *last] for value in values]
        return np.array([i for row in rows for i in row], np.int64), np.array([len(row) for row in rows], np.int64)

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> str:
        return bytes(int(i) for i in payload if i < END).decode()


class OneRowCodec(ByteCodec):
    """A picture is one row."""

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(len(values), np.int64), np.ones(len(values), np.int64)


class FakeAgent(ExpertPolicy):
    """Acts as the expert, writes a fixed line, and gives each row of a document the nats that `nats` says.

    `nats(episode, rows)` gets a document and the rows (n,) it predicts last, its end included, and returns (n,) nats.
    It answers an episode with `says(episode)`, which ends if it has no more letters than it may have tokens.
    """

    num_parameters = 1_234_567
    ctc = None

    def __init__(
        self,
        nats: Callable[[Episode, np.ndarray], np.ndarray] = lambda _, rows: np.ones(len(rows)),
        *,
        context: int = 64,
        codec: Codec | None = None,
        card: dict[str, Any] | None = None,
        says: Callable[[Episode], str] = lambda _: "",
    ) -> None:
        super().__init__()
        self.context, self.writes = context, True
        self.nats = nats
        self.says = says
        self.card = card or {"recipe": "fake", "tasks": []}
        self.codec = codec or TextCodec()
        self.serializer = Serializer(
            Layout(order=("text", "image"), routes=ROUTES), {"text": self.codec, "image": OneRowCodec()}
        )
        self.asked: list[Episode] = []

    def log_likelihood(self, episodes: list[Episode]) -> list[np.ndarray]:
        self.asked += episodes
        return [np.asarray(self.nats(e, self.rows(written(e))), np.float32) for e in episodes]

    def answer(self, episode: Episode, max_new_tokens: int = 64) -> Written:
        return Written(text=self.says(episode), stopped=len(self.says(episode)) <= max_new_tokens)

    def rows(self, text: str) -> np.ndarray:
        return self.codec.encode([text], TEXT, "action")[0]

    def generate(self, inputs: list[Any], max_new_tokens: int = 64, temperature: float = 0.0, seed: int = 0) -> str:
        return "a <b>hat</b> & a cat" if len(inputs) > 1 else " <script>alert(1)</script> and so on"


def written(episode: Episode) -> str:
    """The text that a document writes last."""
    (values,) = episode.actions.values()
    return str(values[-1])
