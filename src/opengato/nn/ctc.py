"""Letters straight from sounds: a head that spells, and a loss over all ways to lay letters along positions.

Connectionist temporal classification [Graves et al. 2006, doi:10.1145/1143844.1143891].
Letters: N positions of all sounds, J moments of all sounds, E sounds, M moments of the longest, D width, V classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

BLANK = 0
CLASSES = 257
"""Nothing new, or one of the 256 bytes of UTF-8: letters of any script, without a list of them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """A position is `steps` moments: of 12.5 positions a second 50 moments, more than anyone says bytes.

    The head reads the vectors of sounds before the trunk or, `after_trunk`, what the trunk makes of a sound alone.
    """

    steps: int = 4
    after_trunk: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"`steps` is {self.steps}, expected at least 1")

    def build(self, width: int) -> CtcHead:
        return CtcHead(self, width)


class CtcHead(nn.Module):
    """One linear layer from the vector of a position to its moments."""

    def __init__(self, config: Config, width: int):
        super().__init__()
        self.steps, self.after_trunk = config.steps, config.after_trunk
        self.project = nn.Linear(width, config.steps * CLASSES)

    def forward(self, x_ND: Tensor) -> Tensor:
        """log p (J, V) of the classes at each moment, moments of a position behind one another."""
        return self.project(x_ND).float().view(-1, CLASSES).log_softmax(-1)


def ctc_loss(log_p_JV: Tensor, moments: Sequence[int], texts: Sequence[str]) -> Tensor:
    """Nats (E,) of each text given its sound, which has so many `moments`; 0 where it has too few for its text.

    -log of the sum of p over all paths of one class a moment that become the text when what repeats is written once and
    blanks are left out.
    """
    said = [classes_of(text) for text in texts]
    log_p_MEV = pad_sequence(list(log_p_JV.split(list(moments))))
    return F.ctc_loss(
        log_p_MEV,
        torch.tensor([number for numbers in said for number in numbers], device=log_p_JV.device),
        torch.tensor(list(moments), device=log_p_JV.device),
        torch.tensor([len(numbers) for numbers in said], device=log_p_JV.device),
        blank=BLANK,
        reduction="none",
        zero_infinity=True,
    )


def classes_of(text: str) -> list[int]:
    """The classes of a text's bytes."""
    return [byte + 1 for byte in text.encode()]


def spelt(classes: Sequence[int]) -> str:
    """The text of one class a moment: what repeats is written once, blanks and broken letters are left out.

    >>> spelt([0, 98, 98, 0, 98, 99, 99, 0])
    'aab'
    """
    kept = [mine - 1 for last, mine in pairwise([BLANK, *classes]) if mine not in (BLANK, last)]
    return bytes(kept).decode(errors="ignore")
