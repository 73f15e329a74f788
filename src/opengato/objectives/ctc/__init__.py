"""Spelling and nothing else: what is said in recordings, by an encoder that learnt without labels.

So speech models are fine-tuned [Baevski et al. 2022, arXiv:2202.03555, sec. 4.2]: one linear layer behind the trunk,
and CTC. Letters: B rows, T slots, S all slots of a batch, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from opengato.core.batch import PackedBatch
from opengato.core.objective import Objective
from opengato.objectives.prediction import document_numbers
from opengato.objectives.spelling import recordings, spelling_loss


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """Spelt are recordings of documents with this instruction, which is that of all corpora of speech."""

    instruction: str = "write down what is said"

    def build(self) -> Ctc:
        return Ctc(self)


class Ctc(Objective):
    """Loss = mean over recordings of CTC's nats a byte, for a trunk of any kind.

    ValueError for an agent without a head behind its trunk, which would learn nothing. A batch without recordings, or
    with none that ends in it, teaches nothing.
    """

    causal: ClassVar[bool | None] = None

    def __init__(self, config: Config):
        self.config = config

    def terms(self, batch: PackedBatch) -> float:
        """Documents: where all are speech, as many as recordings."""
        document_S, is_real_S = document_numbers(batch), (batch.document_BT >= 0).flatten()
        return float(len(document_S[is_real_S].unique()))

    def __call__(self, agent: Any, batch: PackedBatch) -> tuple[Tensor, dict[str, float]]:
        if agent.ctc is None or not agent.ctc.after_trunk:
            raise ValueError(
                "only spelling is learnt, but this agent has no head behind its trunk; give its config "
                "`ctc` with `after_trunk`, or take `next_token` with spelling beside it, which teaches to write, too"
            )
        x_BTD = agent.embed_slots(batch.payload, batch.slot_N, batch.local_BT)
        found = recordings(agent.serializer, batch, self.config.instruction)
        if not found:
            return 0.0 * x_BTD.sum(), {"recordings": 0.0}
        return spelling_loss(agent, batch, x_BTD, found)
