"""From an episode to a token sequence that fits a row: whole, or a window of whole steps.

Letters: S steps, T positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from opengato.core.episode import ArraySpec, Episode, objects
from opengato.core.sequence import TokenSequence
from opengato.core.serialize import PART, Serializer
from opengato.core.views import View

_CHARACTERS_PER_POSITION = 6  # more than a token holds on average; where it holds more, the row takes another text
_LONG_WORD = 64  # characters


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A sequence on its way into a row, and where it came from: source number and episode index.

    `half` is 2 k or 2 k + 1 for the two documents of pair k of a group, -1 where a document stands for itself; `view`
    says how the episode was looked at. `task` is the number of the episode's task, -1 where it has none.
    """

    sequence: TokenSequence
    source: int
    episode: int
    half: int = -1
    view: View = "recorded"
    task: int = -1

    def __len__(self) -> int:
        return len(self.sequence)


def is_text(episode: Episode) -> bool:
    """True for a document of nothing but text, which may be cut at any position."""
    return (
        episode.num_steps == 1
        and not episode.observation_specs
        and all(spec.kind == "text" for spec in episode.action_specs.values())
    )


class DocumentMaker:
    """Serializes episodes to at most `limit` positions, without encoding the steps that are cut off."""

    def __init__(self, serializer: Serializer):
        self.serializer = serializer
        self._per_step: dict[tuple[int, int], tuple[Mapping, Mapping, int | None]] = {}

    def length(self, episode: Episode) -> int:
        """Positions of the whole episode."""
        per_step = self.positions_per_step(episode)
        if per_step is None:
            return len(self.serializer.episode(episode))
        return len(self.serializer.prompt(episode.instruction)) + episode.num_steps * per_step

    def positions_per_step(self, episode: Episode) -> int | None:
        """Positions that each step takes, or None where they depend on the values."""
        # A store shares its spec dicts between episodes; the `is` checks make stale ids (after a pickle) harmless.
        observation, action = episode.observation_specs, episode.action_specs
        key = (id(observation), id(action))
        known = self._per_step.get(key)
        if known is None or known[0] is not observation or known[1] is not action:
            if len(self._per_step) > 1000:
                self._per_step.clear()
            known = (observation, action, self._count(observation, action))
            self._per_step[key] = known
        return known[2]

    def _count(self, observation: Mapping[str, ArraySpec], action: Mapping[str, ArraySpec]) -> int | None:
        layout, codecs = self.serializer.layout, self.serializer.codecs
        if any(name.startswith(PART) for name in action):  # a message ends with a text, whatever its parts
            return None
        counts = [codecs[layout.modality("observation", spec)].num_positions(spec) for spec in observation.values()]
        counts += [codecs[layout.modality("action", spec)].num_positions(spec) for spec in action.values()]
        counts += [2 for spec in (*observation.values(), *action.values()) if self.serializer.has_marks(spec)]
        if "separator" in layout.routes and observation:
            counts.append(1)
        fixed = [count for count in counts if count is not None]
        return sum(fixed) if len(fixed) == len(counts) else None

    def make(self, episode: Episode, limit: int, generator: np.random.Generator) -> TokenSequence:
        """The episode in at most `limit` positions: whole if it fits, else a random window of it.

        A window of a text starts anywhere; one of an episode of many steps holds whole steps after the instruction; a
        single step that is not text (a captioned picture) loses its end. ValueError if not even one step fits.
        """
        if is_text(episode):
            stretch, goes_on = _shorten(episode, limit, generator)
            sequence = self.serializer.episode(stretch)
            if goes_on:  # the last position may be an end marker, and half a word before it
                sequence = sequence.window(0, max(len(sequence) - 2, sequence.prompt_length + 1))
            return cut_text(sequence, limit, generator)
        per_step = self.positions_per_step(episode)
        if per_step is None or episode.num_steps == 1:
            return self._cut(self.serializer.episode(episode), limit, generator)
        prompt = len(self.serializer.prompt(episode.instruction))
        if prompt + per_step * episode.num_steps <= limit:
            return self.serializer.episode(episode)
        starts_S = np.arange(episode.num_steps) * per_step
        first, last = choose_steps(starts_S, per_step * episode.num_steps, limit - prompt, generator)
        sequence = self.serializer.episode(slice_steps(episode, first, last))
        later_T = sequence.step_T >= 0
        return replace(
            sequence,
            step_T=np.where(later_T, sequence.step_T + first, -1).astype(sequence.step_T.dtype),
            position_T=np.where(later_T, sequence.position_T + first * per_step, sequence.position_T).astype(
                sequence.position_T.dtype
            ),
        )

    def edges(self, episode: Episode) -> np.ndarray:
        """Where steps begin, counted in positions behind the instruction, and where the last one ends: (S + 1,)."""
        per_step = self.positions_per_step(episode)
        if per_step is not None:
            return np.arange(episode.num_steps + 1) * per_step
        sequence = self.serializer.episode(replace(episode, instruction=""))
        return np.append(step_starts(sequence), len(sequence)) - sequence.prompt_length

    def room(self, episode: Episode, limit: int) -> int:
        """Positions left of `limit` behind the episode's instruction."""
        return limit - len(self.serializer.prompt(episode.instruction))

    def make_prompted(
        self, episode: Episode, shown: Episode, limit: int, generator: np.random.Generator
    ) -> TokenSequence:
        """Whole steps of the episode behind those of the prompt `shown`, in at most `limit` positions.

        The steps are numbered on from the prompt's, wherever in the episode they start: as close to it as they are
        when acting begins. ValueError if not even one step fits.
        """
        edges, room = self.edges(episode), self.room(episode, limit) - int(self.edges(shown)[-1])
        if edges[-1] > room:
            episode = slice_steps(episode, *choose_steps(edges[:-1], int(edges[-1]), room, generator))
        return self.serializer.episode(episode, shown)

    def make_joined(self, episodes: list[Episode], limit: int) -> TokenSequence:
        """Single-step episodes as the steps of one, as many whole ones as fit `limit` positions.

        If not even the first fits, it loses its end, as it would alone. ValueError as in `join_steps`.
        """
        sequence = self.serializer.episode(join_steps(episodes))
        if len(sequence) <= limit:
            return sequence
        starts_S = step_starts(sequence)
        fitting = int(np.searchsorted(starts_S, limit, side="right")) - 1
        return take_steps(sequence, starts_S, 0, fitting) if fitting > 0 else sequence.window(0, limit)

    @staticmethod
    def _cut(sequence: TokenSequence, limit: int, generator: np.random.Generator) -> TokenSequence:
        if len(sequence) <= limit:
            return sequence
        starts_S = step_starts(sequence)
        if len(starts_S) == 1:
            return sequence.window(0, limit)
        prompt = sequence.prompt_length
        first, last = choose_steps(starts_S - prompt, len(sequence) - prompt, limit - prompt, generator)
        return take_steps(sequence, starts_S, first, last)


def step_starts(sequence: TokenSequence) -> np.ndarray:
    """The first position of each step (S,)."""
    prompt = sequence.prompt_length
    steps_T = sequence.step_T[prompt:]
    return np.flatnonzero(np.diff(steps_T, prepend=-1)) + prompt


def choose_steps(starts_S: np.ndarray, total: int, budget: int, generator: np.random.Generator) -> tuple[int, int]:
    """Whole steps [first, last) that fit `budget` positions, so that every step is seen about equally often.

    `starts_S` are the steps' first positions, from 0; `total` is the end of the last one. The start is uniform over
    the positions and `budget` before them, then moved to the next step that leaves a full window: so the first and
    last steps, which few windows hold, come up as often as the middle ones (within a factor of 2).
    """
    wish = int(generator.integers(1 - budget, total)) if budget > 0 else 0
    wish = min(max(wish, 0), total - budget)
    first = min(int(np.searchsorted(starts_S, wish)), len(starts_S) - 1)
    ends_S = np.append(starts_S[1:], total)
    last = int(np.searchsorted(ends_S, starts_S[first] + budget, side="right"))
    if last <= first:
        raise ValueError(
            f"step {first} takes {int(ends_S[first] - starts_S[first])} positions, but a row has {budget} after the "
            "instruction; raise `length` or choose a layout with fewer positions per step"
        )
    return first, last


def slice_steps(episode: Episode, first: int, last: int) -> Episode:
    """The steps [first, last) as an episode, for encoding; its ends are not those of the original."""
    return replace(
        episode,
        observations={name: values[first:last] for name, values in episode.observations.items()},
        actions={name: values[first:last] for name, values in episode.actions.items()},
        rewards=episode.rewards[first:last],
    )


def join_steps(episodes: list[Episode]) -> Episode:
    """Single-step episodes with the same instruction and the same fields as the steps of one.

    ValueError if they differ in these, or one has more steps.
    """
    first = episodes[0]
    for episode in episodes:
        specs = episode.observation_specs, episode.action_specs
        if episode.num_steps != 1 or specs != (first.observation_specs, first.action_specs):
            raise ValueError(
                f"an episode of {episode.task!r} has {episode.num_steps} steps with the fields "
                f"{[sorted(side) for side in specs]}; to be joined it must have one, with those of the others: "
                f"{[sorted(first.observation_specs), sorted(first.action_specs)]}"
            )
        if episode.instruction != first.instruction:
            raise ValueError(
                f"instructions {first.instruction!r} and {episode.instruction!r} cannot be joined: a document has one"
            )

    def join(side: str) -> dict[str, np.ndarray]:
        columns = [getattr(episode, side) for episode in episodes]
        return {name: _join([column[name] for column in columns], name) for name in columns[0]}

    rewards = np.concatenate([episode.rewards for episode in episodes])
    return replace(first, observations=join("observations"), actions=join("actions"), rewards=rewards)


def _join(arrays: list[np.ndarray], name: str) -> np.ndarray:
    shapes = {array.shape[1:] for array in arrays}
    if len(shapes) > 1:
        raise ValueError(
            f"{name!r} has values of the shapes {sorted(shapes)}, which one array cannot hold; store pictures of "
            "different sizes encoded (PNG, JPEG)"
        )
    return np.concatenate(arrays)


def take_steps(sequence: TokenSequence, starts_S: np.ndarray, first: int, last: int) -> TokenSequence:
    """The instruction and the steps [first, last), by their starts in the sequence."""
    keep_T = np.zeros(len(sequence), bool)
    keep_T[: sequence.prompt_length] = True
    keep_T[starts_S[first] : starts_S[last] if last < len(starts_S) else len(sequence)] = True
    return sequence.take(keep_T)


def cut_text(sequence: TokenSequence, limit: int, generator: np.random.Generator) -> TokenSequence:
    """A window of at most `limit` positions of a text; both ends come up like the middle, as in `choose_steps`."""
    if len(sequence) <= limit:
        return sequence
    prompt = sequence.prompt_length
    if 2 * prompt > limit:  # an instruction that leaves too little room for the text: keep the begin marker alone
        keep_T = np.ones(len(sequence), bool)
        keep_T[1:prompt] = False
        return cut_text(sequence.take(keep_T), limit, generator)
    budget, total = limit - prompt, len(sequence) - prompt
    wish = int(generator.integers(1 - budget, total))
    return sequence.window(prompt + min(max(wish, 0), total - budget), limit)


def split_steps(sequence: TokenSequence, room: int) -> tuple[TokenSequence, TokenSequence] | None:
    """Cut between two steps so that the first piece fits `room` positions; both pieces keep the instruction.

    None if not even the first step fits, or there is but one.
    """
    starts_S = step_starts(sequence)
    fitting = int(np.searchsorted(starts_S, room, side="right")) - 1  # steps that end within the room
    if len(starts_S) < 2 or fitting < 1:
        return None
    fitting = min(fitting, len(starts_S) - 1)
    return take_steps(sequence, starts_S, 0, fitting), take_steps(sequence, starts_S, fitting, len(starts_S))


def _shorten(episode: Episode, limit: int, generator: np.random.Generator) -> tuple[Episode, bool]:
    """A stretch of a long text, before it is encoded: a book costs no more than a page. Places count from its start.

    Also whether the text goes on after the stretch.
    """
    size = limit * _CHARACTERS_PER_POSITION
    if len(episode.actions) != 1:
        return episode, False
    ((name, values),) = episode.actions.items()
    text = values[0]
    if len(text) <= size:
        return episode, False
    start = min(max(int(generator.integers(1 - size, len(text))), 0), len(text) - size)
    if start:
        start = max(
            text.rfind(" ", max(0, start - _LONG_WORD), start) + 1, start - _LONG_WORD, 0
        )  # at the start of a word
    end = start + size
    return replace(episode, actions={name: objects([text[start:end]])}), end < len(text)
