"""Beside next-token prediction: what is said in a recording is spelt out along its positions.

Little speech is enough to learn letters where each is heard, much is needed to learn them as a text is written. The
agent's CTC head reads the vectors of sounds before the trunk, so that an encoder of sounds learns from it directly.
[Graves et al. 2006, doi:10.1145/1143844.1143891], beside a decoder as in [Watanabe et al. 2017,
doi:10.1109/JSTSP.2017.2763455].
Letters: B rows, T slots, S all slots of a batch, N rows of one modality, D width, E recordings, J moments of all
sounds, V classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from opengato.core.batch import PackedBatch
from opengato.core.serialize import TEXT, Serializer
from opengato.nn.ctc import ctc_loss
from opengato.objectives.beside import Beside
from opengato.objectives.prediction import document_numbers


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`weight` of spelling beside next tokens.

    Spelt are recordings of documents that ask so: `instruction`, which is that of all corpora of speech. A sound that
    is to be named, or described, is no recording of its answer.
    """

    weight: float = 0.3
    instruction: str = "write down what is said"

    def build(self) -> Spelling:
        return Spelling(self)


class Spelling(Beside):
    """weight * mean over recordings of CTC's nats a byte.

    Recordings whose text does not end in the batch, for want of room, are left out.
    """

    def __init__(self, config: Config):
        self.config = config

    def __call__(
        self, agent: Any, batch: PackedBatch, x_BTD: Tensor, h_BTD: Tensor
    ) -> tuple[Tensor | None, dict[str, float]]:
        found = recordings(agent.serializer, batch, self.config.instruction)
        if not found:
            return None, {}
        mean, figures = spelling_loss(agent, batch, x_BTD, found)
        return self.config.weight * mean, figures


def spelling_loss(
    agent: Any, batch: PackedBatch, x_BTD: Tensor, found: list[tuple[Tensor, str]]
) -> tuple[Tensor, dict[str, float]]:
    """Mean over `recordings` of CTC's nats a byte, with figures; ValueError from an agent without the head."""
    if agent.ctc is None:
        raise ValueError(
            f"this batch holds {len(found)} recordings to be spelt, but the agent has no head to do so; give its "
            "config `ctc`, or take the objective `next_token`"
        )
    slot_N = torch.cat([slots for slots, _ in found])
    moments = [agent.ctc.steps * len(slots) for slots, _ in found]
    log_p_JV = agent.spelling(x_BTD, slot_N, batch.places)
    loss_E = ctc_loss(log_p_JV, moments, [text for _, text in found])
    size_E = torch.tensor([len(text.encode()) for _, text in found], device=loss_E.device)
    mean = (loss_E / size_E).mean()
    return mean, {"loss/spelling": float(mean.detach()), "recordings": float(len(found))}


def recordings(serializer: Serializer, batch: PackedBatch, instruction: str) -> list[tuple[Tensor, str]]:
    """The flat slots (N,) of each sound whose words are asked for, and its words, where all of them are there."""
    routes = serializer.layout.routes
    told, heard, written = (routes.get(route) for route in ("instruction", "observation/audio", "action/text"))
    if told is None or heard not in batch.payload or written not in batch.payload:
        return []
    codec = serializer.codecs[written]
    end = codec.encode([""], TEXT, "action")[0]
    asked = serializer.prompt(instruction).payload[told]
    document_S, prompt_S = document_numbers(batch).cpu(), batch.prompt_BT.flatten().cpu()
    slots = {name: batch.slot_N[name].cpu() for name in (told, heard, written)}
    rows = {name: batch.payload[name].cpu().numpy() for name in (told, written)}
    found = []
    for document in document_S[slots[heard]].unique():
        given_N = (document_S[slots[told]] == document) & prompt_S[slots[told]]
        said_N = (document_S[slots[written]] == document) & batch.predict_N[written].cpu()
        given, said = rows[told][given_N.numpy()], rows[written][said_N.numpy()]
        text = codec.decode(said, TEXT)
        if text and np.array_equal(given, asked) and np.array_equal(said[-len(end) :], end):
            slot_N = slots[heard][document_S[slots[heard]] == document]
            found.append((slot_N.to(batch.document_BT.device), text))
    return found
