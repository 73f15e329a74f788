"""Held-out pictures, what is near a text or a picture among them, and where the agent looks while it writes."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Generator
from typing import Any

import numpy as np
from PIL import Image
from pydantic import Field

from opengato.core.episode import document
from opengato.serve.bodies import Instruction, Ours, Text
from opengato.serve.chat import check_sense
from opengato.serve.engine import Piecewise
from opengato.serve.media import bytes_of_url, picture
from opengato.serve.page.cells import cells
from opengato.serve.page.exhibits import Exhibits
from opengato.serve.refused import Refused
from opengato.serve.service import Service
from opengato.serve.writing import embed

NEAREST = 8
TASK = "caption/shown"


class Find(Ours):
    """Look for what is near a text, or a picture as a data URL."""

    text: Text | None = None
    picture: str | None = None


class Look(Ours):
    """Look at a picture: a data URL, or the number of a held-out one."""

    picture: str | None = None
    number: int | None = Field(None, ge=0)
    instruction: Instruction = "describe the picture"
    layer: int = Field(1, ge=1)


class Looking:
    """The held-out pictures in the eyes of the agent; their vectors are made when they are first asked for."""

    def __init__(self, service: Service, exhibits: Exhibits) -> None:
        self.service, self.exhibits = service, exhibits
        self._vectors: dict[str, np.ndarray] = {}
        self._making = asyncio.Lock()

    def pictures(self) -> list[dict[str, Any]]:
        """All of them, with their captions."""
        return [
            {"number": number, "caption": one.caption, "instruction": one.instruction, "url": url_of(one.png)}
            for number, one in enumerate(self.exhibits.pictures)
        ]

    async def find(self, body: Find) -> list[dict[str, Any]]:
        """The nearest held-out pictures of a text, the nearest captions of a picture, by cosine, best first."""
        if (body.text is None) == (body.picture is None):
            raise Refused(400, "text: give either a text or a picture", "text")
        if body.text is not None and not body.text.strip():
            raise Refused(400, "text: is empty", "text")
        check_sense(self.service, "image", "picture")
        sought = "picture" if body.text is not None else "caption"
        given: Any = body.text if body.picture is None else await self.opened(body.picture)
        async with self._making:
            if sought not in self._vectors:
                every = [[one.png if sought == "picture" else one.caption] for one in self.exhibits.pictures]
                self._vectors[sought] = await self._embed(every)
        (asked,) = await self._embed([[given]])
        cosines = normalised(self._vectors[sought]) @ normalised(asked[None])[0]
        best = np.argsort(-cosines, kind="stable")[:NEAREST]
        return [{"number": int(number), "cosine": round(float(cosines[number]), 4)} for number in best]

    async def look(self, body: Look) -> dict[str, Any]:
        """The words that the agent writes about a picture, the attention of a layer, and the sequence it read."""
        if self.exhibits.look is None:
            raise Refused(404, "this page looks at no pictures")
        check_sense(self.service, "image", "picture")
        if body.number is not None:
            if body.number >= len(self.exhibits.pictures):
                raise Refused(400, f"number: there are {len(self.exhibits.pictures)} held-out pictures", "number")
            shown, instruction = (
                self.exhibits.pictures[body.number].png,
                self.exhibits.pictures[body.number].instruction,
            )
        elif body.picture is not None:
            shown, instruction = png_of(await self.opened(body.picture)), body.instruction
        else:
            raise Refused(400, "picture: is missing", "picture")
        look, agent = self.exhibits.look, self.service.agent

        def work() -> Generator[None, None, dict[str, Any]]:
            found = look(agent, shown, instruction, body.layer)
            yield
            written = document(TASK, "".join(found.words).replace("(end)", ""), image=shown, instruction=instruction)
            return {
                "picture": url_of(png_of(Image.fromarray(found.picture))),
                "words": found.words,
                "weights": found.weight_QHRC.round(4).tolist(),
                "instruction": instruction,
                "cells": cells(agent, agent.serializer.episode(written)),
            }

        return await asyncio.wrap_future(self.service.engine.submit(Piecewise(work=work())))

    async def opened(self, url: str) -> Image.Image:
        """A picture that a client sent."""
        data = bytes_of_url(url, "picture")
        return await asyncio.to_thread(picture, data, "picture", self.service.config.max_pixels)

    async def _embed(self, inputs: list[list[Any]]) -> np.ndarray:
        job = Piecewise(work=embed(self.service.agent, inputs, self.service.config.max_read))
        vectors, _ = await asyncio.wrap_future(self.service.engine.submit(job))
        return vectors


def normalised(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def url_of(data: bytes, kind: str = "image/png") -> str:
    """A data URL."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def png_of(shown: Image.Image) -> bytes:
    """A picture as a file."""
    file = io.BytesIO()
    shown.save(file, "PNG")
    return file.getvalue()
