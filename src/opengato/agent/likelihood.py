"""How likely an episode is, teacher forced; vectors for retrieval; what is said, spelt without being written.

Letters: B rows, T slots, S all slots of a block, N positions of one modality, P its payload row, D width,
E episodes.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from opengato.agent.beginnings import alike, states_before
from opengato.agent.inputs import read, read_as_seen
from opengato.agent.slots import Slots, slots_of
from opengato.core.episode import Episode
from opengato.core.sequence import TokenSequence
from opengato.core.views import as_seen
from opengato.nn.ctc import spelt
from opengato.nn.spaces import CommonSpaces

if TYPE_CHECKING:
    from opengato.agent.model import Agent

SLOTS_AT_ONCE = 8192  # bounds memory: rows are chosen so that a padded block holds at most so many slots


@torch.inference_mode()
def log_likelihood(agent: Agent, episodes: list[Episode]) -> list[np.ndarray]:
    """Negative log-likelihood (nats) of each predicted position of each episode, in order.

    ValueError with a trunk whose slots see all of their document: it would read what it is to predict.
    """
    if not agent.backbone.causal:
        raise ValueError(
            f"a slot of {type(agent.backbone).__name__} sees what comes after it, so this agent cannot say how likely "
            "a text is; give its weights to one with a causal trunk (`start`), or measure its features (`probe`)"
        )
    sequences = [agent.serializer.episode(episode) for episode in episodes]
    task_E = torch.tensor([agent.task_number(episode.task) for episode in episodes], device=agent.device)
    results: list[np.ndarray] = [np.zeros(0)] * len(sequences)
    groups = alike(agent, sequences)
    for members in groups:
        rest = iter(members)
        for block, before_BTD in states_before(agent, [sequences[i] for i in members]):
            here = list(islice(rest, len(block)))
            found = _losses(agent, slots_of(block, agent.device), before_BTD, task_E[here])
            for i, ending, nll_T in zip(here, block, found, strict=True):
                results[i] = nll_T[: len(ending)][ending.predict_T]
    alone = sorted(set(range(len(sequences))).difference(*groups))
    for members in blocks([sequences[i] for i in alone]):
        here = [alone[i] for i in members]
        slots, h_BTD = _hidden(agent, [sequences[i] for i in here])
        found = _losses(agent, slots, h_BTD.roll(1, dims=1), task_E[here])
        for i, nll_T in zip(here, found, strict=True):
            results[i] = nll_T[: len(sequences[i])][sequences[i].predict_T]
    return results


def _losses(agent: Agent, slots: Slots, before_BTD: Tensor, task_B: Tensor) -> np.ndarray:
    """What each slot (B, T) loses by the hidden state before it, in nats."""
    rows, width = slots.mask_BT.shape
    nll_S = torch.zeros(rows * width, device=agent.device)
    before_SD, task_S = before_BTD.flatten(0, 1), task_B.repeat_interleave(width)
    for name, payload_NP in slots.payload.items():
        target_N = slots.predict_BT.flatten()[slots.slot_N[name]]
        if bool(target_N.any()):
            slot_N = slots.slot_N[name][target_N]
            read_ND = agent.for_head(before_SD[slot_N], name, task_S[slot_N])
            nll_S[slot_N] = agent.modality(name).loss(read_ND, payload_NP[target_N])
    return nll_S.view(rows, width).cpu().numpy()


@torch.inference_mode()
def embed(agent: Agent, inputs: list[list[Any]]) -> np.ndarray:
    """A vector of each list of inputs: (n, D) float32.

    What the contrastive head makes of the last hidden state, or a place in common spaces, of length 1; without a head,
    the mean hidden state.
    """
    head = agent.contrast
    if isinstance(head, CommonSpaces):
        return np.stack([in_spaces(agent, head, read_as_seen(agent, items)) for items in inputs])
    sequences = [read(agent, items) if head is None else read_as_seen(agent, items) for items in inputs]
    vectors: list[np.ndarray] = [np.zeros(0)] * len(sequences)
    for members in blocks(sequences):
        slots, h_BTD = _hidden(agent, [sequences[i] for i in members])
        mask_BT1 = slots.mask_BT[..., None]
        if head is None:
            found_BD = (h_BTD * mask_BT1).sum(1) / mask_BT1.sum(1)
        else:
            last_B = slots.mask_BT.sum(1) - 1
            found_BD = head(h_BTD[torch.arange(len(last_B), device=last_B.device), last_B])
        for i, vector in zip(members, found_BD.float().cpu().numpy(), strict=True):
            vectors[i] = vector
    return np.stack(vectors)


@torch.inference_mode()
def features(agent: Agent, episodes: list[Episode]) -> np.ndarray:
    """The mean hidden state (n, D) over what is observed in each episode, read without anything else of it.

    Of an agent with common spaces, where that lies in them: there each sense is read by itself.
    """
    sequences = [agent.serializer.episode(as_seen(episode)) for episode in episodes]
    if isinstance(agent.contrast, CommonSpaces):
        return np.stack([in_spaces(agent, agent.contrast, sequence) for sequence in sequences])
    vectors: list[np.ndarray] = [np.zeros(0)] * len(sequences)
    for members in blocks(sequences):
        slots, h_BTD = _hidden(agent, [sequences[i] for i in members])
        seen_BT1 = (slots.mask_BT & ~slots.prompt_BT)[..., None]
        for i, vector in zip(members, ((h_BTD * seen_BT1).sum(1) / seen_BT1.sum(1)).float().cpu().numpy(), strict=True):
            vectors[i] = vector
    return np.stack(vectors)


def in_spaces(agent: Agent, spaces: CommonSpaces, sequence: TokenSequence) -> np.ndarray:
    """The place of what a sequence observes in common spaces; ValueError if nothing of it has one there."""
    names = (spaces.config.video, spaces.config.audio, spaces.config.text)
    found = {}
    for name in names:
        mine_T = (sequence.modality_T == sequence.names.index(name)) & (sequence.step_T >= 0)
        if mine_T.any():
            rows_NP = torch.from_numpy(sequence.take(mine_T).payload[name]).to(agent.device)
            x_ND = agent.vectors({name: rows_NP})[name]
            one = torch.zeros(len(x_ND), dtype=torch.int64, device=agent.device)
            found[name] = spaces.summary(agent.backbone, name, x_ND, one)[0]
    if not found:
        raise ValueError(f"received {len(sequence)} positions, none of a modality that has a place: {names}")
    return spaces.joined(found).cpu().numpy()


@torch.inference_mode()
def spell(agent: Agent, sound: bytes) -> str:
    """The best class of each moment of a sound, as letters [Graves et al. 2006, sec. 3.2, best path decoding]."""
    if agent.ctc is None:
        raise ValueError(
            "this agent has no head to spell what is said; train one with `ctc` and spelling beside next tokens, or "
            "fine-tune one with: opengato finetune AGENT --spell"
        )
    slots = slots_of([read_as_seen(agent, [sound])], agent.device)
    x_BTD = agent.embed_slots(slots.payload, slots.slot_N, slots.local_BT)
    slot_N = slots.slot_N[agent.config.routes["observation/audio"]]
    return spelt(agent.spelling(x_BTD, slot_N, slots.places).argmax(-1).tolist())


def _hidden(agent: Agent, sequences: list[TokenSequence]) -> tuple[Slots, Tensor]:
    slots = slots_of(sequences, agent.device)
    x_BTD = agent.embed_slots(slots.payload, slots.slot_N, slots.local_BT)
    return slots, agent.backbone(x_BTD, *agent.places(slots))


def blocks(sequences: list[TokenSequence]) -> list[list[int]]:
    """Indices in blocks of similar length."""
    found: list[list[int]] = []
    for i in sorted(range(len(sequences)), key=lambda i: len(sequences[i])):
        if found and (len(found[-1]) + 1) * len(sequences[i]) <= SLOTS_AT_ONCE:
            found[-1].append(i)
        else:
            found.append([i])
    return found
