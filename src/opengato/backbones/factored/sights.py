"""The sights of a slot: its own kind, all of it or along space and time apart, and each other kind by itself.

Letters: B rows, T query slots, S key slots, R sights, H heads, G heads of keys and values, K head width, X axes (kind,
moment, spot).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from opengato.nn.attention import attend, attention_weights

Within = Literal["whole", "divided"]


def num_sights(kinds: int, within: Within) -> int:
    """One or two of the own kind, and one for each kind."""
    return kinds + (1 if within == "whole" else 2)


def sights(mask_BTS: Tensor, query_BTX: Tensor, key_BSX: Tensor, kinds: int, within: Within) -> Tensor:
    """Who sees whom in each sight (B, R, T, S), of what the mask allows at all.

    Of the own kind it is `whole`, or `divided`: what is there at the same moment, then the same spot at other moments.
    The sights of kinds follow by number; that of the slot's own is empty.
    """
    same = query_BTX[:, :, None] == key_BSX[:, None, :]  # (B, T, S, X)
    same_kind, same_moment, same_spot = same.unbind(-1)
    own = [same_kind] if within == "whole" else [same_kind & same_moment, same_kind & same_spot & ~same_moment]
    other = [(key_BSX[:, None, :, 0] == kind) & ~same_kind for kind in range(kinds)]
    return torch.stack([*own, *other], 1) & mask_BTS[:, None]


def look(q_BHTK: Tensor, k_BGSK: Tensor, v_BGSK: Tensor, mask_BRTS: Tensor) -> Tensor:
    """What queries read in each sight by itself (B, R, H, T, K), 0 in one that is empty."""
    seen = []
    for mask_BTS in mask_BRTS.unbind(1):
        any_BT1 = mask_BTS.any(-1, keepdim=True)
        # A softmax over nothing is undefined, so what sees nothing looks at all and forgets it.
        seen.append(attend(q_BHTK, k_BGSK, v_BGSK, mask_BTS | ~any_BT1) * any_BT1[:, None])
    return torch.stack(seen, 1)


def weights(q_BHTK: Tensor, k_BGSK: Tensor, mask_BRTS: Tensor) -> Tensor:
    """The weights (B, H, T, S) of attention, the mean over the sights of a slot that are not empty."""
    shown, total = torch.zeros(()), torch.zeros(())
    for mask_BTS in mask_BRTS.unbind(1):
        any_B1T1 = mask_BTS.any(-1)[:, None, :, None].to(q_BHTK.dtype)
        shown = shown + attention_weights(q_BHTK, k_BGSK, mask_BTS | ~(any_B1T1[:, 0] > 0)) * any_B1T1
        total = total + any_B1T1
    return shown / total
