"""Cached decoding: feed sequences, sample what comes next.

Letters: B rows, T slots, N last positions of each row, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from opengato.agent.inputs import TEXT, read
from opengato.agent.slots import slots_of
from opengato.core.backbone import CachedBackbone
from opengato.core.episode import ArraySpec, Episode
from opengato.core.modality import Sampling
from opengato.core.sequence import TokenSequence

if TYPE_CHECKING:
    from opengato.agent.model import Agent


class Decoding:
    """Several sequences of one agent, decoded side by side; row b has its own length and its own past.

    `window` is how many positions a layer sees of it (default: as many as in training).
    """

    def __init__(self, agent: Agent, rows: int, window: int | None = None):
        backbone = agent.backbone
        if not isinstance(backbone, CachedBackbone):
            raise ValueError(f"{type(backbone).__name__} cannot decode step by step: it keeps no cache")
        self.agent = agent
        self.backbone = backbone
        self.cache = backbone.new_cache(rows, window)
        self.length = [0] * rows

    def reset(self, row: int) -> None:
        """Start a new sequence in `row`."""
        self.cache.reset(row)
        self.length[row] = 0

    def feed(self, rows: list[int], sequences: list[TokenSequence]) -> Tensor:
        """Append a sequence to each row; the hidden state h_BD after the last position of each."""
        return self.feed_for(rows, sequences, 1)[:, 0]

    @torch.inference_mode()
    def feed_for(self, rows: list[int], sequences: list[TokenSequence], count: int) -> Tensor:
        """Append a sequence to each row; the hidden states h_BND after the last `count` positions of each."""
        for row, sequence in zip(rows, sequences, strict=True):
            if len(sequence) == 0 or sequence.position_T[0] != self.length[row]:
                raise ValueError(
                    f"row {row} holds {self.length[row]} positions; received {len(sequence)} that start at "
                    f"{sequence.position_T[0] if len(sequence) else 'nowhere'}"
                )
        for row, sequence in zip(rows, sequences, strict=True):
            self.length[row] += len(sequence)
        limit = self.agent.context
        last_BND = torch.zeros(len(rows), count, self.backbone.width, device=self.agent.device)
        first_B = torch.tensor([len(sequence) - count for sequence in sequences], device=self.agent.device)
        wanted_BN = first_B[:, None] + torch.arange(count, device=self.agent.device)
        # Embedded whole, since an embedder may look at all rows of a value; then read by pieces that the cache takes.
        slots = slots_of(sequences, self.agent.device)
        x_BTD = self.agent.embed_slots(slots.payload, slots.slot_N, slots.local_BT)
        for start in range(0, x_BTD.shape[1], limit):
            members = [b for b, sequence in enumerate(sequences) if len(sequence) > start]
            piece = (members, slice(start, start + limit))
            rows_B = torch.tensor([rows[b] for b in members], device=self.agent.device)
            places = (slots.position_BT[piece], slots.prompt_BT[piece], slots.mask_BT[piece])
            h_BTD = self.backbone.extend(x_BTD[piece], *places, self.cache, rows_B)
            here_BN = wanted_BN[members] - start
            within_BN = (here_BN >= 0) & (here_BN < slots.mask_BT[piece].sum(1)[:, None])
            found_BND = h_BTD[torch.arange(len(members))[:, None], here_BN.clamp(0, h_BTD.shape[1] - 1)]
            last_BND[members] = torch.where(within_BN[..., None], found_BND, last_BND[members])
        return last_BND

    @torch.inference_mode()
    def sample(self, h_BD: Tensor, name: str, spec: ArraySpec, sampling: Sampling) -> np.ndarray:
        """One payload row of modality `name` for each hidden state: (B, *payload_shape)."""
        return self.agent.modality(name).sample(h_BD, spec, sampling).cpu().numpy()

    def sequence(self, name: str, row: int, payload: np.ndarray, step: int, local: int = -1) -> TokenSequence:
        """Sampled payload rows (n, ...) as the sequence to feed next into `row`; `local` as `local_T` has it."""
        names = self.agent.config.layout.order
        count = len(payload)
        start = self.length[row]
        return TokenSequence(
            names=names,
            modality_T=np.full(count, names.index(name), np.int16),
            payload={name: payload},
            predict_T=np.zeros(count, bool),
            step_T=np.full(count, step, np.int32),
            local_T=np.full(count, local, np.int32),
            position_T=np.arange(start, start + count, dtype=np.int32),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """A text that an agent wrote, and whether it ended it by itself."""

    text: str
    stopped: bool


def generate(
    agent: Agent,
    inputs: list[Any] | str,
    max_new_tokens: int = 64,
    sampling: Sampling | None = None,
    window: int | None = None,
) -> str:
    """Write text after `inputs` (see `inputs.read`): strings alone are continued. Stops at the end marker."""
    inputs = [inputs] if isinstance(inputs, str) else list(inputs)
    return write(agent, read(agent, inputs), max_new_tokens, sampling, window).text


def answer(agent: Agent, episode: Episode, max_new_tokens: int = 64, sampling: Sampling | None = None) -> Written:
    """What the agent writes in place of the last action of `episode`, a text, given all that comes before it."""
    (spec,) = episode.action_specs.values()
    if spec.kind != TEXT.kind:
        raise ValueError(f"an episode of {episode.task!r} is answered with {spec.kind}; expected one that writes text")
    sequence = agent.serializer.episode(episode)
    given_T = ~(sequence.predict_T & (sequence.step_T == episode.num_steps - 1))
    return write(agent, sequence.take(given_T), max_new_tokens, sampling)


def write(
    agent: Agent,
    given: TokenSequence,
    max_new_tokens: int = 64,
    sampling: Sampling | None = None,
    window: int | None = None,
) -> Written:
    """Go on from a sequence with a text, up to its end marker or `max_new_tokens`."""
    serializer = agent.serializer
    decoding = Decoding(agent, 1, window)
    name = serializer.layout.modality("action", TEXT)
    sampling = sampling or Sampling()
    step = max(int(given.step_T[-1]), 0)
    h_BD = decoding.feed([0], [given])
    end = serializer.codecs[name].encode([""], TEXT, "action")[0]
    written: list[np.ndarray] = []
    stopped = False
    while not stopped and len(written) < max_new_tokens:
        token = decoding.sample(h_BD, name, TEXT, sampling)
        stopped = np.array_equal(token, end)
        if not stopped:
            written.append(token)
            h_BD = decoding.feed([0], [decoding.sequence(name, 0, token, step=step)])
    text = serializer.codecs[name].decode(np.concatenate(written), TEXT) if written else ""
    return Written(text=text, stopped=stopped)
