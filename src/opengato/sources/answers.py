"""Items of text with an answer, dialogues, and what makes two texts the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from opengato.core.episode import ArraySpec, Episode, objects

TEXT = ArraySpec(name="text", kind="text", dtype="str")
ANSWER = ArraySpec(name="answer", kind="text", dtype="str")


def answered(task: str, text: str, answer: str, *, instruction: str, **provenance: object) -> Episode:
    """A one-step episode: having read the instruction and `text`, write `answer`."""
    return dialogue(task, [(text, answer)], instruction=instruction, **provenance)


def dialogue(task: str, turns: Sequence[tuple[str, str]], *, instruction: str = "", **provenance: object) -> Episode:
    """An episode of one step a turn: what is said, and the reply to it."""
    said, replies = zip(*turns, strict=True)
    return Episode(
        task=task,
        instruction=instruction,
        observation_specs={"text": TEXT},
        action_specs={"answer": ANSWER},
        observations={"text": objects(list(said))},
        actions={"answer": objects(list(replies))},
        rewards=np.zeros(len(turns), np.float32),
        provenance=provenance,
    )


def paired(utterances: Sequence[str]) -> list[tuple[str, str]]:
    """What two say in turn as (said, reply) pairs; one who has the last word without an answer is not heard."""
    return list(zip(utterances[::2], utterances[1::2], strict=False))


def normalised(text: str) -> str:
    """Letters and digits alone, in lower case and compatible forms: texts that differ in nothing else are the same.

    >>> normalised("It's  GREAT, 100 %!")
    'itsgreat100'
    """
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(letter for letter in folded if letter.isalnum()) or text.strip()


def unambiguous(items: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Of (text, label) items each text once, the first of those that are the same; none of a text with two labels."""
    listed = list(items)
    labels: dict[str, set[str]] = {}
    for text, label in listed:
        labels.setdefault(normalised(text), set()).add(label)
    for text, label in listed:
        if len(labels.pop(normalised(text), ())) == 1:
            yield text, label


def shortened(text: str, longest: int) -> str:
    """The beginning of a text, at most `longest` characters, cut at a space where there is one in its last fifth."""
    if len(text) <= longest:
        return text
    head = text[: longest + 1]
    at = head.rfind(" ")
    return head[:at] if at > 0.8 * longest else head[:longest]
