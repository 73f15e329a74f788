"""`/v1/chat/completions` and `/v1/embeddings`: messages as the inputs of an agent, its words as OpenAI's answers."""

from __future__ import annotations

import asyncio
import base64
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from opengato.core.episode import Episode, Kind
from opengato.serve.bodies import (
    ChatAnswer,
    ChatRequest,
    Choice,
    Embedding,
    EmbeddingsAnswer,
    EmbeddingsRequest,
    EmbeddingsUsage,
    FilmPart,
    Message,
    Part,
    PicturePart,
    SoundPart,
    TextPart,
    Timing,
    Usage,
    Written,
)
from opengato.serve.engine import Piecewise
from opengato.serve.media import bytes_of_base64, bytes_of_url, film, picture, sound
from opengato.serve.refused import Refused
from opengato.serve.service import Service
from opengato.serve.wire import encode
from opengato.serve.writing import Asked, Told, embed, write
from opengato.sources.answers import dialogue

DIALOGUES = "chat/"  # tasks of turns
LISTEN_SECONDS = 0.5  # between two looks whether a client is still there
SENSES: dict[Kind, str] = {"image": "pictures", "audio": "sounds", "video": "films"}


def inputs_of(service: Service, messages: list[Message]) -> list[Any] | Episode:
    """What an agent is to go on with.

    One that was taught dialogues reads all that was said, as there. Any other goes on with a text, and what was said
    before is not that text: it is given pictures, sounds and films of all messages and the words of the last one, in
    order.
    """
    said = [text_of(message) for message in messages]
    if any(task.startswith(DIALOGUES) for task in service.trained()) and None not in said:
        return dialogue_of(messages, [text for text in said if text is not None])
    inputs: list[Any] = []
    for number, message in enumerate(messages):
        place, last = f"messages[{number}].content", number == len(messages) - 1
        if isinstance(message.content, str):
            inputs += [message.content] if last else []
        else:
            inputs += parts_of(service, message.content, place, words=last)
    if not inputs or inputs == [""]:
        raise Refused(400, "messages: the last one says and shows nothing", "messages")
    return inputs


def text_of(message: Message) -> str | None:
    """What a message says; None where it shows something."""
    if isinstance(message.content, str):
        return message.content
    texts = [part.text for part in message.content if isinstance(part, TextPart)]
    return " ".join(texts) if len(texts) == len(message.content) else None


def dialogue_of(messages: list[Message], said: list[str]) -> Episode:
    """A step a turn; the reply of the last one is to be written. What the system says is the instruction."""
    told, turns = [], [["", ""]]
    for message, text in zip(messages, said, strict=True):
        side = ("user", "assistant").index(message.role) if message.role in ("user", "assistant") else None
        if side is None:
            told.append(text)
            continue
        if side == 0 and turns[-1][1]:
            turns.append(["", ""])
        turns[-1][side] = " ".join(filter(None, (turns[-1][side], text)))
    if messages[-1].role != "user" or not turns[-1][0]:
        raise Refused(400, "messages: the last one must be of the user and say something", "messages")
    return dialogue("chat/session", [(said, reply) for said, reply in turns], instruction=" ".join(told))


def parts_of(service: Service, parts: list[Part], place: str, words: bool = True) -> list[Any]:
    """The parts of a message as an agent takes them; Refused names the part that cannot be had."""
    found: list[Any] = []
    for number, part in enumerate(parts):
        field = f"{place}[{number}]"
        if isinstance(part, TextPart):
            found += [part.text] if words else []
        elif isinstance(part, PicturePart):
            check_sense(service, "image", field)
            data = bytes_of_url(part.image_url.url, f"{field}.image_url.url")
            found.append(picture(data, f"{field}.image_url.url", service.config.max_pixels))
        elif isinstance(part, FilmPart):
            check_sense(service, "video", field)
            data = bytes_of_url(part.video_url.url, f"{field}.video_url.url")
            found.append(film(data, f"{field}.video_url.url", service.config))
        else:
            assert isinstance(part, SoundPart)
            check_sense(service, "audio", field)
            data = bytes_of_base64(part.input_audio.data, f"{field}.input_audio.data")
            found.append(sound(data, f"{field}.input_audio.data", service.config.max_sound_seconds))
    return found


def check_sense(service: Service, kind: Kind, field: str) -> None:
    """Refused where the agent has no sense for a kind."""
    if f"observation/{kind}" not in service.agent.config.routes:
        raise Refused(400, f"{field}: {service.name!r} has no sense for {SENSES[kind]}", field)


class Writing:
    """A text under way: its pieces as they come, then what it was."""

    def __init__(self, service: Service, body: ChatRequest, inputs: list[Any] | Episode) -> None:
        self.service, self.id, self.created = service, f"chatcmpl-{uuid.uuid4().hex}", int(time.time())
        loop, self._pieces = asyncio.get_running_loop(), asyncio.Queue[str | None]()

        def tell(piece: str | None) -> None:
            loop.call_soon_threadsafe(self._pieces.put_nowait, piece)

        asked = Asked(
            inputs=inputs,
            max_new_tokens=min(body.max_completion_tokens or body.max_tokens or 64, service.config.max_new_tokens),
            max_read=service.config.max_read,
            sampling={name: getattr(body, name) for name in ("temperature", "top_p", "top_k")},
            seed=body.seed,
        )
        self.job = Piecewise(work=write(service.agent, asked, tell))
        self._done = service.engine.submit(self.job)
        self._done.add_done_callback(lambda _: tell(None))

    async def pieces(self) -> AsyncIterator[str]:
        while (piece := await self._pieces.get()) is not None:
            yield piece

    async def told(self) -> Told:
        """What was written; Refused where the agent could not."""
        told: Told = await asyncio.wrap_future(self._done)
        self.service.metrics.tokens.inc(told.written)
        return told

    def drop(self) -> None:
        """Nobody listens any more."""
        self.job.dropped = True


def usage(told: Told) -> Usage:
    """What it cost."""
    return Usage(prompt_tokens=told.read, completion_tokens=told.written, total_tokens=told.read + told.written)


async def complete(writing: Writing, is_gone: Callable[[], Awaitable[bool]]) -> ChatAnswer:
    """The whole answer; where the client is gone meanwhile, it is written no further."""
    told_later = asyncio.ensure_future(writing.told())
    try:
        while not (await asyncio.wait((told_later,), timeout=LISTEN_SECONDS))[0]:
            if await is_gone():
                raise Refused(400, "the client hung up")
        told = await told_later
    finally:
        told_later.cancel()
        writing.drop()
    return ChatAnswer(
        id=writing.id,
        created=writing.created,
        model=writing.service.name,
        choices=[Choice(message=Written(content=told.text), finish_reason="stop" if told.stopped else "length")],
        usage=usage(told),
        timing=Timing.model_validate(writing.job.clock.timing()),
    )


async def events(writing: Writing, with_usage: bool) -> AsyncIterator[bytes]:
    """The answer as server-sent events; an error that comes late is an event, too."""
    head = {
        "id": writing.id,
        "object": "chat.completion.chunk",
        "created": writing.created,
        "model": writing.service.name,
    }

    def event(delta: dict[str, str], reason: str | None = None, **more: Any) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": reason}]
        return b"data: " + encode({**head, "choices": choices, **more}, "json") + b"\n\n"

    try:
        yield event({"role": "assistant", "content": ""})
        async for piece in writing.pieces():
            yield event({"content": piece})
        told = await writing.told()
        yield event({}, "stop" if told.stopped else "length", timing=writing.job.clock.timing())
        if with_usage:
            counted = {**head, "choices": [], "usage": usage(told).model_dump()}
            yield b"data: " + encode(counted, "json") + b"\n\n"
        yield b"data: [DONE]\n\n"
    except Refused as error:
        yield b"data: " + encode(error.body(), "json") + b"\n\n"
    finally:
        writing.drop()


async def embeddings(service: Service, body: EmbeddingsRequest) -> EmbeddingsAnswer:
    """A vector for each input."""
    given = [body.input] if isinstance(body.input, str) else body.input
    inputs = []
    for number, item in enumerate(given):
        field = "input" if isinstance(body.input, str) else f"input[{number}]"
        if item == "":
            raise Refused(400, f"{field}: is empty", field)
        inputs.append([item] if isinstance(item, str) else parts_of(service, item, field))
    job = Piecewise(work=embed(service.agent, inputs, service.config.max_read))
    vectors, read = await asyncio.wrap_future(service.engine.submit(job))
    is_float = body.encoding_format == "float"
    shown = [row.tolist() if is_float else base64.b64encode(row.astype("<f4").tobytes()).decode() for row in vectors]
    return EmbeddingsAnswer(
        model=service.name,
        data=[Embedding(index=number, embedding=one) for number, one in enumerate(shown)],
        usage=EmbeddingsUsage(prompt_tokens=read, total_tokens=read),
        timing=Timing.model_validate(job.clock.timing()),
    )
