"""Which documents come when: sources mixed by their share of positions, as a pure function of (seed, group).

A group is a few rows packed together, the unit of the order. Letters: E episodes, B rows, T slots of a row.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import ClassVar, cast

import numpy as np

from opengato.core.config import choose
from opengato.core.episode import Episode
from opengato.core.returns import return_unit, with_predicted_returns, with_returns
from opengato.core.sequence import TokenSequence
from opengato.core.serialize import Serializer
from opengato.core.views import VIEWS, View, as_matched, as_read
from opengato.data.augment import Augment, augmented
from opengato.data.documents import Document, DocumentMaker, is_text
from opengato.data.packing import Rows
from opengato.data.questions import followed, gapped
from opengato.data.returns import expert_returns, good_enough
from opengato.data.rules import Prompter, Rules
from opengato.data.sounds import can_join, joined
from opengato.data.store import EpisodeStore

MIN_GAP = 16  # slots; a shorter stretch of text teaches too little to be worth a begin marker
_SAMPLE = 64  # documents measured per source
_SAMPLE_KEY = 0x6F70656E6761746F  # any number that is no seed of a run
_OF_TASKS = 1 << 63  # no group has such a number


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceConfig:
    """A store and its share of the mixture.

    `weight` is its share of positions relative to the other sources. `tasks` (names or patterns such as `babyai/*`)
    restricts it; empty means all. Its tasks are drawn uniformly unless `task_weights` gives theirs (others count 1).
    `rules` say which of its episodes are used, and how they become documents.
    """

    path: str
    weight: float = 1.0
    tasks: tuple[str, ...] = ()
    task_weights: dict[str, float] = field(default_factory=dict)
    rules: Rules = field(default_factory=Rules)


@dataclass(frozen=True, kw_only=True, slots=True)
class MixtureConfig:
    """Sources by name, `length` slots of a row (T), `rows_per_group` rows packed together, `seed` of the order.

    Documents carry the number of their task in `tasks` (-1: it is not there). Groups hold documents of all tasks side
    by side, or, `groups_per_task` of them in a row, of one task that is drawn for them by the same shares (0: never).
    """

    sources: dict[str, SourceConfig]
    length: int = 1024
    rows_per_group: int = 8
    seed: int = 0
    tasks: tuple[str, ...] = ()
    groups_per_task: int = 0


class Source:
    """One store as an endless supply of episodes: task by weight, then an episode of the task, uniformly."""

    def __init__(self, name: str, config: SourceConfig, maker: DocumentMaker, length: int):
        self.name = name
        self.weight = float(config.weight)
        self.store = EpisodeStore(config.path)
        if not (self.weight > 0 and np.isfinite(self.weight)):
            raise ValueError(f"source {name!r}: `weight` is {config.weight}, expected a positive number")
        if len(self.store) == 0:
            raise ValueError(f"source {name!r}: the store {config.path!r} has no episodes")
        self.tasks = chosen_tasks(self.store, config.tasks, name)
        for task in config.task_weights:
            choose(task, self.tasks, what=f"task in `task_weights` of source {name!r}:")
        weights = np.array([config.task_weights.get(task, 1.0) for task in self.tasks])
        if (weights < 0).any() or weights.sum() <= 0:
            raise ValueError(f"source {name!r}: `task_weights` must not be negative, nor all 0")
        self._cumulative = np.cumsum(weights / weights.sum())
        by_task = np.argsort(self.store.task_E, kind="stable")
        counts = np.bincount(self.store.task_E, minlength=len(self.store.task_names))
        pieces = dict(zip(self.store.task_names, np.split(by_task, np.cumsum(counts)[:-1]), strict=True))
        self.rules, self._maker = config.rules, maker
        if self.rules.predict_returns and maker.serializer.layout.parallel_actions:
            raise ValueError(
                f"source {name!r}: `predict_returns` is set, but with `parallel_actions` no action reads the return "
                "before it; choose one of both"
            )
        best = expert_returns(self.store) if config.rules.returns else {}
        self._units = {task: return_unit(value) for task, value in best.items()}
        self._episodes = self._keep([pieces[task] for task in self.tasks])
        self._prompter = self._make_prompter() if config.rules.prompt > 0 else None
        self._measure(length)

    def _keep(self, episodes: list[np.ndarray]) -> list[np.ndarray]:
        """Those of each task's episodes that are used and good enough."""
        if self.rules.share < 1:
            order = _generator(_SAMPLE_KEY, 2)
            counts = [max(1, round(self.rules.share * len(piece))) for piece in episodes]
            episodes = [np.sort(order.permutation(p)[:c]) for p, c in zip(episodes, counts, strict=True)]
        share = self.rules.min_return
        if share is None:
            return episodes
        return_E = self.store.column("episode_return")
        return [
            piece[good_enough(return_E[piece], task, share)] for task, piece in zip(self.tasks, episodes, strict=True)
        ]

    def _make_prompter(self) -> Prompter:
        used_E = np.zeros(len(self.store), bool)
        used_E[np.concatenate(self._episodes)] = True
        return Prompter(self.rules, self.store, used_E, self._maker, self.read)

    def _measure(self, length: int) -> None:
        """Lengths (in positions, at most T) of a fixed sample, and whether all of it is plain text."""
        generator = _generator(_SAMPLE_KEY, 0)
        lengths, texts = [], []
        for _ in range(_SAMPLE):
            index = self.draw(generator)
            with _Naming(self, index):
                texts.append(is_text(self.store[index]))
                lengths.append(sum(len(sequence) for _, sequence in self.documents(index, length, generator)))
        self.lengths = np.array(lengths)
        self.mean_length = float(self.lengths.mean())
        asks = self.rules.followed + self.rules.gapped > 0
        self.is_text = all(texts) and not asks
        if asks and not all(texts):
            raise ValueError(f"source {self.name!r} is no plain text, which `followed` and `gapped` are for")
        if all(texts) and replace(self.rules, followed=0.0, gapped=0.0) != Rules():
            raise ValueError(
                f"source {self.name!r} is plain text, which takes no `rules` but `followed` and `gapped`: received "
                f"{self.rules}"
            )
        if self._prompter is not None and not self._can_prompt(self._prompter, length):
            raise ValueError(
                f"source {self.name!r}: `prompt` is {self.rules.prompt}, but none of {_SAMPLE} documents can get one: "
                f"no task has two episodes of one policy, or no step fits {self.rules.prompt_length:g} of a row of "
                f"{length} positions; raise `length` or `prompt_length`, or ask for no prompts"
            )

    def _can_prompt(self, prompter: Prompter, length: int) -> bool:
        generator = _generator(_SAMPLE_KEY, 1)
        drawn = (self.draw(generator) for _ in range(_SAMPLE))
        return any(prompter.shown(index, self.read(index), length, generator) is not None for index in drawn)

    def draw(self, generator: np.random.Generator, task: int | None = None) -> int:
        """The index of an episode, of the task with a number among the source's own where one is given."""
        episodes = self._episodes[self.draw_task(generator) if task is None else task]
        return int(episodes[generator.integers(len(episodes))])

    def draw_task(self, generator: np.random.Generator) -> int:
        """The number of a task, by weight."""
        return min(int(np.searchsorted(self._cumulative, generator.random(), side="right")), len(self.tasks) - 1)

    def read(self, index: int) -> Episode:
        """An episode as it is trained on: with its returns in sight, if the rules say so."""
        episode = self.store[index]
        if not self.rules.returns or is_text(episode):
            return episode
        see = with_predicted_returns if self.rules.predict_returns else with_returns
        return see(episode, self._units[episode.task])

    def _varied(self, index: int, generator: np.random.Generator) -> Episode:
        """An episode with what is observed changed as the rules say."""
        episode, augment = self.read(index), self.rules.augment
        return episode if augment == Augment() else augmented(episode, augment, generator)

    def documents(self, index: int, limit: int, generator: np.random.Generator) -> list[tuple[View, TokenSequence]]:
        """The document that an episode becomes, or the two halves of a pair, if the rules say so.

        The first half is without its instruction, so that neither is told what the other holds.
        """
        shares = self.rules.views
        lot = generator.random() if any(shares.values()) else 1.0
        view = next((name for name, end in zip(shares, accumulate(shares.values()), strict=True) if lot < end), None)
        if view is None:
            return [("recorded", self.document(index, limit, generator))]
        episode = self._varied(index, generator)
        if view == "pairs_apart":
            whole = self._maker.make(replace(episode, instruction=""), limit, generator)
            return [("recorded", whole), ("read", self._maker.make(as_read(episode), limit, generator))]
        if view == "matched":
            others = self._others(index, 1, generator) if generator.random() < 0.5 else []
            asked = as_matched(episode, self.read(others[0]) if others else episode)
            return [("matched", self._maker.make(asked, limit, generator))]
        if view in ("followed", "gapped"):
            return [self._asked(view, index, episode, limit, generator)]
        alone = cast(View, view)
        return [(alone, self._maker.make(VIEWS[alone](episode), limit, generator))]

    def _asked(
        self, view: str, index: int, episode: Episode, limit: int, generator: np.random.Generator
    ) -> tuple[View, TokenSequence]:
        """A question that fits `limit` positions; the text as it is where there is none to ask."""
        others = self._others(index, 1, generator)
        most = limit  # characters, of which a position holds several: so a row has room for more than one question
        while most >= MIN_GAP:
            if view == "followed":
                asked = followed(episode, self.read(others[0]) if others else episode, most // 2, generator)
            else:
                asked = gapped(episode, most, generator)
            sequence = None if asked is None else self._maker.serializer.episode(asked)
            if sequence is None:
                break
            if len(sequence) <= limit:
                return cast(View, view), sequence
            most //= 2
        return "recorded", self._maker.make(episode, limit, generator)

    def document(self, index: int, limit: int, generator: np.random.Generator) -> TokenSequence:
        """The document that an episode becomes, in at most `limit` positions; the rules leave plain text alone.

        The generator is asked for no more than the rules need, so that a source without any keeps its order.
        """
        episode = self._varied(index, generator)
        if is_text(episode):
            return self._maker.make(episode, limit, generator)
        if self.rules.instructions < 1 and generator.random() >= self.rules.instructions:
            episode = replace(episode, instruction="")
        if self.rules.joined > 0 and generator.random() < self.rules.joined and can_join(episode):
            episode = self._followed(index, episode, limit, generator)
        if self.rules.pairs > 1:
            others = self._others(index, self.rules.pairs - 1, generator)
            return self._maker.make_joined([episode, *(self._varied(other, generator) for other in others)], limit)
        if self._prompter is not None and generator.random() < self.rules.prompt:
            prompted = self._prompter.document(index, episode, limit, generator)
            if prompted is not None:
                return prompted
        return self._maker.make(episode, limit, generator)

    def _followed(self, index: int, episode: Episode, limit: int, generator: np.random.Generator) -> Episode:
        """A recording and another one of its task as one; the recording alone where there is no other, or no room."""
        for other in self._others(index, 1, generator):
            both = joined(episode, self._varied(other, generator), generator)
            return both if self._maker.length(both) <= limit else episode
        return episode

    def _others(self, index: int, wanted: int, generator: np.random.Generator) -> list[int]:
        """So many different episodes of the same task, to be joined with one: fewer if it has no more."""
        task = self.tasks.index(self.store.task(index))
        peers = self._episodes[task][self._episodes[task] != index]
        count = min(wanted, len(peers))
        return generator.choice(peers, count, replace=False).tolist()

    def phase(self, generator: np.random.Generator) -> float:
        """Positions from here to the next document's start, in an endless chain of documents of this source."""
        length = generator.choice(self.lengths, p=self.lengths / self.lengths.sum())
        return float(length * generator.random())


def chosen_tasks(store: EpisodeStore, patterns: Sequence[str], name: str) -> list[str]:
    """The tasks of a store that match one of the patterns, all without any; ValueError for a pattern of nothing."""
    known = list(store.tasks())
    chosen: dict[str, None] = {} if patterns else dict.fromkeys(known)
    for pattern in patterns:
        matches = fnmatch.filter(known, pattern)
        if not matches:
            choose(pattern, known, what=f"task of source {name!r}:")
        chosen.update(dict.fromkeys(matches))
    return list(chosen)


class _Naming:
    """Says which episode of which source an error came from."""

    def __init__(self, source: Source, index: int, group: int | None = None):
        self.where = f"source {source.name!r}, episode {index} ({source.store.task(index)})"
        self.where += "" if group is None else f", group {group}"

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception):
            raise ValueError(f"{self.where}: {type(error).__name__}: {error}") from error


class Mixture:
    """`group(g)`: the rows of group g, always the same for the same config and data, whoever asks.

    Sources get positions in proportion to their weights. For each source of a group, longest documents first, the
    positions left are shared out by weight, and the documents that start within the share of an endless chain of the
    source's documents, entered at a random place, are drawn: this gives each its share in expectation however long its
    documents are, and each document the same chance however long it is. They are packed by best fit; plain text,
    which can be cut anywhere, comes last and fills the rows. [Renewal theory: a stationary chain of mean length m has
    q / m starts in a stretch of q.]
    """

    Config: ClassVar[type[MixtureConfig]] = MixtureConfig

    def __init__(self, config: MixtureConfig, serializer: Serializer):
        if not config.sources:
            raise ValueError("a mixture needs at least one source")
        if config.length < 2 * MIN_GAP or config.rows_per_group < 1:
            raise ValueError(
                f"`length` is {config.length} and `rows_per_group` {config.rows_per_group}: "
                f"expected at least {2 * MIN_GAP} and 1"
            )
        self.config = config
        self.maker = DocumentMaker(serializer)
        self.sources = [Source(name, source, self.maker, config.length) for name, source in config.sources.items()]
        self.names = tuple(source.name for source in self.sources)
        self._task_numbers = {task: number for number, task in enumerate(config.tasks)}
        numbers = range(len(self.sources))
        self._fillers = [s for s in numbers if self.sources[s].is_text]
        self._planned = sorted(
            (s for s in numbers if not self.sources[s].is_text), key=lambda s: -self.sources[s].mean_length
        )

    def group(self, index: int) -> list[list[Document]]:
        """`rows_per_group` lists of documents, each at most `length` positions long in all."""
        generator = _generator(self.config.seed, index)
        rows = Rows(self.config.rows_per_group, self.config.length)
        choice = self._choice(index)
        rows.place(self._plan(index, choice, generator))
        self._fill(rows, index, choice, generator)
        return rows.documents

    def _choice(self, group: int) -> dict[int, int | None]:
        """The sources that a group holds documents of, each with its one task, or None for all of them."""
        if not self.config.groups_per_task:
            return dict.fromkeys(range(len(self.sources)))
        generator = _generator(self.config.seed, _OF_TASKS + group // self.config.groups_per_task)
        weights = np.array([source.weight for source in self.sources])
        s = int(generator.choice(len(weights), p=weights / weights.sum()))
        return {s: self.sources[s].draw_task(generator)}

    def weights(self) -> dict[str, float]:
        """The share of positions asked for, by source."""
        total = sum(source.weight for source in self.sources)
        return {source.name: source.weight / total for source in self.sources}

    def describe(self) -> list[dict[str, object]]:
        """One line per source, for a log or a table."""
        shares = self.weights()
        return [
            {
                "source": source.name,
                "share": shares[source.name],
                "tasks": len(source.tasks),
                "episodes": int(sum(len(episodes) for episodes in source._episodes)),
                "mean_length": source.mean_length,
                "text": source.is_text,
                "fingerprint": source.store.fingerprint,
            }
            for source in self.sources
        ]

    def _plan(self, group: int, choice: Mapping[int, int | None], generator: np.random.Generator) -> list[Document]:
        documents: list[Document] = []
        pairs = 0
        left = self.config.rows_per_group * self.config.length
        weight_left = sum(self.sources[s].weight for s in choice)
        for s in [s for s in self._planned if s in choice]:
            source = self.sources[s]
            quota = max(0, left) * source.weight / weight_left
            weight_left -= source.weight
            start = source.phase(generator)
            while start < quota:
                found = self._draw(s, choice[s], self.config.length, group, generator)
                if len(found) == 2:
                    found = [replace(document, half=2 * pairs + side) for side, document in enumerate(found)]
                    pairs += 1
                documents += found
                size = sum(map(len, found))
                start += size
                left -= size
        return documents

    def _fill(self, rows: Rows, group: int, choice: Mapping[int, int | None], generator: np.random.Generator) -> None:
        """Fill what is left of each row with text of one source, drawn by weight: so texts keep their shares."""
        fillers = [s for s in self._fillers if s in choice]
        weights = np.array([self.sources[s].weight for s in fillers])
        for row in range(len(rows.room) if fillers else 0):
            s = fillers[int(generator.choice(len(weights), p=weights / weights.sum()))]
            while rows.room[row] >= MIN_GAP:
                [document] = self._draw(s, choice[s], rows.room[row], group, generator)
                rows.put(row, document)

    def _draw(self, s: int, task: int | None, limit: int, group: int, generator: np.random.Generator) -> list[Document]:
        source = self.sources[s]
        index = source.draw(generator, task)
        with _Naming(source, index, group):
            found = source.documents(index, limit, generator)
        number = self._task_numbers.get(source.store.task(index), -1)
        return [
            Document(sequence=sequence, source=s, episode=index, view=view, task=number) for view, sequence in found
        ]


def _generator(seed: int, index: int) -> np.random.Generator:
    """Independent streams for each (seed, index) [Salmon et al. 2011, Parallel random numbers]."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, index], np.uint64)))
