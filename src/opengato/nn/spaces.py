"""Two common spaces, of films with sounds and of films with texts, and the loss that brings together what belongs so.

[Akbari et al. 2021, arXiv:2104.11178, sec. 3]. Letters: N values of one sense, M texts, L slots of the longest value,
R rows of all values, D width, E width of a space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SUMMARY = 0.3  # deviation of the vector that a summary begins as: as large as what embedders give


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """`video`, `audio` and `text` name the modalities that are compared.

    The space of films and sounds has `fine` numbers, that of films and texts `coarse`; scores are cosines over
    `temperature`. `trunks[modality]` is a trunk of its own; those without one share the agent's.
    """

    video: str
    audio: str
    text: str
    fine: int = 512
    coarse: int = 256
    temperature: float = 0.07
    trunks: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if min(self.fine, self.coarse) < 1 or not self.temperature > 0:
            raise ValueError(f"received {self}, expected spaces of 1 number or more and a temperature above 0")
        if strange := sorted(self.trunks.keys() - {self.video, self.audio, self.text}):
            raise ValueError(f"`trunks` are given for {strange}, which is none of the modalities that are compared")

    def build(self, width: int) -> CommonSpaces:
        return CommonSpaces(self, width)


class CommonSpaces(nn.Module):
    """What begins each value as a slot for its summary, trunks of their own, and projections of summaries.

    Linear layers are each followed by a batch norm; of films there are two with a ReLU between, and from what these
    give one more for texts: the fine space is the finer one.
    """

    def __init__(self, config: Config, width: int):
        super().__init__()
        self.config = config
        self.trunks = nn.ModuleDict({name: trunk.build() for name, trunk in config.trunks.items()})
        senses = (config.video, config.audio, config.text)
        widths = {name: config.trunks[name].width if name in config.trunks else width for name in senses}
        self.enter = nn.ModuleDict({name: nn.Linear(width, own) for name, own in widths.items() if own != width})
        self.summaries = nn.ParameterDict({name: nn.Parameter(torch.randn(widths[name]) * SUMMARY) for name in senses})
        self.video_fine = nn.Sequential(
            *projection(widths[config.video], config.fine), nn.ReLU(), *projection(config.fine, config.fine)
        )
        self.audio_fine = nn.Sequential(*projection(widths[config.audio], config.fine))
        self.video_coarse = nn.Sequential(*projection(config.fine, config.coarse))
        self.text_coarse = nn.Sequential(*projection(widths[config.text], config.coarse))

    def summary(self, shared: nn.Module, name: str, x_RD: Tensor, value_R: Tensor) -> Tensor:
        """What a trunk holds at the slot before each value (N, D), from the rows of all values, one after the other.

        `shared` is the trunk of senses that have none of their own.
        """
        x_RD = self.enter[name](x_RD) if name in self.enter else x_RD
        size_N = torch.bincount(value_R)
        order_R = torch.arange(len(value_R), device=value_R.device) - (size_N.cumsum(0) - size_N)[value_R]
        longest = int(size_N.max()) + 1
        x_NLD = x_RD.new_zeros(len(size_N), longest, x_RD.shape[1])
        x_NLD = x_NLD.index_put((value_R, order_R + 1), x_RD)
        first_N1D = self.summaries[name].to(x_RD.dtype).expand(len(size_N), 1, -1)
        x_NLD = torch.cat([first_N1D, x_NLD[:, 1:]], 1)
        place_NL = torch.arange(longest, device=value_R.device).expand(len(size_N), -1)
        document_NL = torch.where(place_NL <= size_N[:, None], 0, -1)
        has_own = name in self.trunks
        trunk = self.trunks[name] if has_own else shared
        return trunk(x_NLD, document_NL, place_NL, torch.zeros_like(place_NL, dtype=torch.bool))[:, 0]

    def projected(self, name: str, h_ND: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Unit vectors (N, E) of summaries in the fine and in the coarse space, None where a sense has no place."""
        if name == self.config.text:
            return None, F.normalize(self.text_coarse(h_ND).float(), dim=-1)
        if name == self.config.audio:
            return F.normalize(self.audio_fine(h_ND).float(), dim=-1), None
        fine_NE = self.video_fine(h_ND)
        return F.normalize(fine_NE.float(), dim=-1), F.normalize(self.video_coarse(fine_NE).float(), dim=-1)

    def joined(self, found: Mapping[str, Tensor]) -> Tensor:
        """One unit vector (E,) of what was read, both spaces side by side, from a summary (D,) of each sense.

        The cosine of a film and a sound is then that of the fine space, that of a film and a text of the coarse one,
        times a constant each; a sound and a text have no space in common.
        """
        sizes = self.config.fine, self.config.coarse
        total = torch.zeros(sum(sizes), device=next(iter(found.values())).device)
        for name, h_D in found.items():
            parts = self.projected(name, h_D[None])
            total = total + torch.cat([torch.zeros(s, device=total.device) if p is None else p[0]
                                       for p, s in zip(parts, sizes, strict=True)])  # fmt: skip
        return F.normalize(total, dim=0)


def projection(width: int, size: int) -> tuple[nn.Module, nn.Module]:
    """A linear layer and the norm that follows it, over a batch."""
    return nn.Linear(width, size), nn.BatchNorm1d(size)


def mil_nce(one_NE: Tensor, other_ME: Tensor, owner_M: Tensor, temperature: float) -> Tensor:
    """Nats (N,) by which each of N is missed by all that belong to it, among all of the batch.

    -log(P / (P + Q)): P sums exp(cosine / temperature) over what belongs to i, `owner_M` == i, at least one; Q over i
    with what does not belong to it, and over all others with what does [Miech et al. 2019, arXiv:1912.06430, eq. 1;
    Akbari et al. 2021, arXiv:2104.11178, eq. 3]. Where one belongs to each it is NCE (eq. 2). N is 2 or more.
    """
    score_NM = one_NE @ other_ME.T / temperature
    own_NM = torch.arange(len(one_NE), device=owner_M.device)[:, None] == owner_M
    least = -torch.finfo(score_NM.dtype).max
    right_N = score_NM.masked_fill(~own_NM, least).logsumexp(1)
    wrong_M = score_NM.masked_fill(own_NM, least).logsumexp(0)
    there_N = score_NM.logsumexp(1)
    back_N = wrong_M.expand_as(score_NM).masked_fill(~own_NM, least).logsumexp(1)
    return torch.logaddexp(there_N, back_N) - right_N
