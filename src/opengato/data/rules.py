"""The data rules of a source: which of its episodes are used, and how they become documents.

[Reed et al. 2022, arXiv:2205.06175, sec. 2.3, 3.1, 3.2]. Letters: E episodes of the store.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from opengato.core.episode import Episode
from opengato.core.sequence import TokenSequence
from opengato.data.augment import Augment
from opengato.data.documents import DocumentMaker, choose_steps, slice_steps
from opengato.data.store import EpisodeStore


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """All off by default; Gato's values are in brackets.

    `prompt` [0.25] is the share of documents that get a prompt: steps of another episode of the same task by the same
    policy, in at most `prompt_length` (open in the paper) of a row's positions; `prompt_ends` [0.5] of the prompts are
    the end of their episode, the others a window anywhere in it; the actions of a prompt are predicted like any others
    if `predict_prompt` (open in the paper). `min_return` [0.8] keeps the episodes with that share of the task's expert
    return. `pairs` [5] captioned pictures are joined to one document. `returns` adds the last reward and the return to
    go to each observation; with `predict_returns` the latter is not observed but predicted, before each action.
    `instructions` is the share of documents that keep their instruction. Of captioned pictures and the like,
    `pairs_apart` is the share of documents that come in two, what is seen and what is written, each by itself, to be
    found by one another (`objectives/pairing.py`); of pictures, `drawn` is the share that are to be drawn, `composed`
    the share that are to be drawn after a caption that is to be written, too (`agent.compose`). Without an instruction,
    `seen` is the share of documents that hold what is observed and nothing else, and `shown` of those that hold what is
    written about it too, as an observation; `matched` is the share that ask whether the two belong together, half of
    them with what was written of another episode of the task (objective `masked`). Of plain text, which takes no other
    rules, `followed` is the share of documents that ask whether a sentence follows another, and `gapped` of those that
    ask what stood in the gaps. Of recordings, `joined` is the share that are followed by another one of their task, and
    the text of both, where a row has room. `augment` changes pictures, texts and sounds that are observed, each by
    itself (`data/augment.py`). `share` is that of the episodes of each task that are used, one at least, the same in
    every run: a few labels, say.
    """

    prompt: float = 0.0
    prompt_length: float = 0.5
    prompt_ends: float = 0.5
    predict_prompt: bool = True
    min_return: float | None = None
    pairs: int = 1
    returns: bool = False
    predict_returns: bool = False
    instructions: float = 1.0
    pairs_apart: float = 0.0
    drawn: float = 0.0
    composed: float = 0.0
    joined: float = 0.0
    seen: float = 0.0
    shown: float = 0.0
    matched: float = 0.0
    followed: float = 0.0
    gapped: float = 0.0
    augment: Augment = field(default_factory=Augment)
    share: float = 1.0

    def __post_init__(self) -> None:
        for name in ("prompt", "prompt_ends", "instructions", "joined", *self.views):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"`{name}` is {getattr(self, name)}, expected a share from 0 to 1")
        if not 0 < self.share <= 1:
            raise ValueError(f"`share` is {self.share}, expected a share above 0 and up to 1")
        if not 0 < self.prompt_length < 1:
            raise ValueError(f"`prompt_length` is {self.prompt_length}, expected a share of the row, between 0 and 1")
        if self.min_return is not None and not 0 < self.min_return <= 1:
            raise ValueError(
                f"`min_return` is {self.min_return}, expected a share of the expert return up to 1, or None"
            )
        if self.pairs < 1:
            raise ValueError(f"`pairs` is {self.pairs}, expected at least 1")
        if sum(self.views.values()) > 1 + 1e-9:
            listed = ", ".join(f"`{name}` {share}" for name, share in self.views.items() if share)
            raise ValueError(f"received {listed}, expected shares of one whole: at most 1 in all")
        if self.predict_returns and not self.returns:
            raise ValueError("received `predict_returns` without `returns`; ask for both")
        if self.pairs > 1 and self.prompt > 0:
            raise ValueError(
                f"received `pairs` {self.pairs} and `prompt` {self.prompt}: joined pictures show one another already; "
                "ask for one of both"
            )

    @property
    def views(self) -> dict[str, float]:
        """The shares of documents that are not as recorded."""
        names = "drawn", "composed", "pairs_apart", "seen", "shown", "matched", "followed", "gapped"
        return {name: getattr(self, name) for name in names}


class Prompter:
    """Prompts from other episodes: of the same task, and by the same policy where episodes say who acted."""

    def __init__(
        self,
        rules: Rules,
        store: EpisodeStore,
        used_E: np.ndarray,
        maker: DocumentMaker,
        read: Callable[[int], Episode],
    ):
        """`used_E` is a mask of the episodes that may be shown, `read` gives one of them as it is trained on."""
        self.rules, self.maker, self.read = rules, maker, read
        provenance_E = store.column("provenance")
        peers: dict[tuple[int, str], list[int]] = {}
        for index in np.flatnonzero(used_E).tolist():
            policy = str(json.loads(provenance_E[index]).get("policy"))
            peers.setdefault((int(store.task_E[index]), policy), []).append(index)
        self._peers = [np.array(members) for members in peers.values()]
        self._group_E = np.full(len(store), -1)
        for group, members in enumerate(self._peers):
            self._group_E[members] = group

    def document(
        self, index: int, episode: Episode, limit: int, generator: np.random.Generator
    ) -> TokenSequence | None:
        """The document of an episode behind a prompt; None if there is none to show, or no step of it fits."""
        shown = self.shown(index, episode, limit, generator)
        if shown is None:
            return None
        sequence = self.maker.make_prompted(episode, shown, limit, generator)
        if self.rules.predict_prompt:
            return sequence
        return replace(sequence, predict_T=sequence.predict_T & (sequence.step_T >= shown.num_steps))

    def shown(self, index: int, episode: Episode, limit: int, generator: np.random.Generator) -> Episode | None:
        """Whole steps of a peer that leave room for any one step of the episode; None if there are none."""
        peer = self.peer(index, generator)
        at_end = generator.random() < self.rules.prompt_ends
        if peer is None:
            return None
        longest_step = int(np.diff(self.maker.edges(episode)).max())
        budget = min(int(self.rules.prompt_length * limit), self.maker.room(episode, limit) - longest_step)
        other = self.read(peer)
        edges = self.maker.edges(other)
        if edges[-1] <= budget:
            return other
        if np.diff(edges).max() > budget:
            return None
        if at_end:
            return slice_steps(other, int(np.searchsorted(edges, edges[-1] - budget)), other.num_steps)
        return slice_steps(other, *choose_steps(edges[:-1], int(edges[-1]), budget, generator))

    def peer(self, index: int, generator: np.random.Generator) -> int | None:
        """Another episode of the same task and policy, uniformly; None if there is no other."""
        members = self._peers[self._group_E[index]]
        if len(members) < 2:
            return None
        pick = int(generator.integers(len(members) - 1))
        return int(members[pick + (members[pick] >= index)])
