"""What clients send and get, as models that check it and describe it in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from opengato.serve.refused import Refused

LONGEST = 100_000  # characters of a text
LONGEST_INSTRUCTION = 4000
Text = Annotated[str, Field(max_length=LONGEST)]
Instruction = Annotated[str, Field(max_length=LONGEST_INSTRUCTION)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Name = Annotated[str, Field(max_length=200)]
Values = Annotated[
    dict[str, Any],
    Field(
        description="The fields of the task, as `GET /v1/tasks` lists them: numbers, nested lists, texts, data URLs."
    ),
]
PART_TYPES = ("text", "image_url", "input_audio", "video_url")
Body = TypeVar("Body", bound=BaseModel)


class Ours(BaseModel):
    """A body of our own: an unknown field is a mistake."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Theirs(BaseModel):
    """A body of OpenAI's: clients send fields that mean nothing here."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class PastStep(Ours):
    """A step that is over."""

    observation: Values
    action: Values
    reward: float = 0.0


class ActRequest(Ours):
    """One observation to be answered, after `past` steps of the same episode."""

    task: Name
    observation: Values
    instruction: Instruction | None = Field(None, description="Default: the task's own.")
    past: list[PastStep] = []
    reward: float | None = Field(None, description="What the last of the past steps earned.")
    seed: Seed = 0


class Timing(BaseModel):
    """Milliseconds: waited for the model, of its passes, from the request's last byte to the answer; who shared it."""

    queue_ms: float
    model_ms: float
    total_ms: float
    batch: int = Field(description="Sessions and requests that were answered by the same forward pass.")


class ActAnswer(BaseModel):
    """The action, a field each as the task names them."""

    actions: dict[str, Any]
    timing: Timing


class Reset(Ours):
    """Begin an episode in a session."""

    type: Literal["reset"]
    task: Name | None = Field(None, description="Default: that of the address, then that of the episode before.")
    instruction: Instruction | None = None
    seed: Seed = 0
    period_ms: float | None = Field(None, gt=0, description="How often actions are due; misses are counted.")


class Act(Ours):
    """Answer an observation in a session."""

    type: Literal["act"]
    observation: Values
    reward: float | None = Field(None, description="What the action before it earned.")


class End(Ours):
    """End a session; the cadence report is the answer."""

    type: Literal["end"]


class TextPart(Theirs):
    """Words of a message."""

    type: Literal["text"]
    text: Text


class Url(Theirs):
    """`data:image/png;base64,...`, or of a film `data:video/mp4;base64,...`: nothing is fetched."""

    url: str


class PicturePart(Theirs):
    """A picture of a message."""

    type: Literal["image_url"]
    image_url: Url


class Sound(Theirs):
    """A file, in base64."""

    data: str
    format: Literal["wav", "mp3", "flac", "ogg"] = "wav"


class SoundPart(Theirs):
    """A sound of a message."""

    type: Literal["input_audio"]
    input_audio: Sound


class FilmPart(Theirs):
    """A film of a message; OpenAI has none, other servers that speak its language take it so."""

    type: Literal["video_url"]
    video_url: Url


Part = Annotated[TextPart | PicturePart | SoundPart | FilmPart, Field(discriminator="type")]
Parts = Annotated[list[Part], Field(min_length=1, max_length=64)]


class Message(Theirs):
    """What one says."""

    role: Literal["system", "developer", "user", "assistant"]
    content: Text | Parts


class StreamOptions(Theirs):
    """Whether the stream ends with a count of tokens."""

    include_usage: bool = False


class ChatRequest(Theirs):
    """A text to go on with; pictures, sounds and films to be told about."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=256)]
    model: Name | None = None
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    temperature: float = Field(0.7, ge=0, le=2)
    top_p: float = Field(0.95, gt=0, le=1)
    top_k: int | None = Field(None, ge=1, description="Draw from the likeliest tokens only; not of OpenAI's.")
    seed: Seed = 0
    n: Literal[1] = 1
    stream: bool = False
    stream_options: StreamOptions | None = None


class Written(BaseModel):
    """An answer's message."""

    role: Literal["assistant"] = "assistant"
    content: str


class Choice(BaseModel):
    """The one answer; it stopped by itself, or was cut at the length."""

    index: int = 0
    message: Written
    finish_reason: Literal["stop", "length"]


class Usage(BaseModel):
    """Positions that were read and tokens that were written."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class ChatAnswer(BaseModel):
    """A `chat.completion` of OpenAI's, with a timing block."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage
    timing: Timing


class EmbeddingsRequest(Theirs):
    """What to make vectors of: a text, several, or messages' parts for each."""

    input: Text | Annotated[list[Text | Parts], Field(min_length=1, max_length=64)]
    model: Name | None = None
    encoding_format: Literal["float", "base64"] = "float"


class Embedding(BaseModel):
    """A vector; in base64 the bytes of its float32 numbers, little end first."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingsUsage(BaseModel):
    """Positions that were read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(BaseModel):
    """A list of OpenAI's, with a timing block."""

    object: Literal["list"] = "list"
    model: str
    data: list[Embedding]
    usage: EmbeddingsUsage
    timing: Timing


class ErrorDetail(BaseModel):
    """What was wrong, and in which field."""

    message: str
    type: str
    param: str | None
    code: int


class ErrorAnswer(BaseModel):
    """A refusal, in the form of OpenAI's."""

    error: ErrorDetail


def read_body(model: type[Body], value: Any) -> Body:
    """The body that a decoded value is; Refused (400) names the first field that is wrong."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        # Of a union every member says why it does not fit; the one that was reached deepest was meant.
        meant = max(found, key=lambda one: len(one["loc"]))
        field = _path(meant["loc"])
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise Refused(400, f"{field or 'the body'}: {meant['msg']}{more}", field or None) from None


def _path(places: tuple[int | str, ...]) -> str:
    """`("messages", 0, "content")` as `messages[0].content`; the names of a union's members are left out."""
    path, before = "", None
    for place in places:
        is_member = isinstance(before, int) and place in PART_TYPES
        if isinstance(place, int):
            path += f"[{place}]"
        elif place.isidentifier() and place != "str" and not is_member:
            path += f".{place}" if path else place
        before = place
    return path
