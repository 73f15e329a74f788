"""Weights of 8 bits for acting: one token reads every weight once, so that a quarter of the bytes is the time saved.

w = s_o q, q in [-127, 127] and s_o = max |w_o| / 127 for each output o; activations are rounded to bfloat16 for the
product [after Dettmers et al. 2022, arXiv:2208.07339, sec. 2, without its outliers]. It pays for one to four rows at
a time on a CPU; more rows are quicker with whole weights.
Letters: N positions, D width, V ids of a table, O outputs of a layer.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from opengato.nn.layers import TiedTable


class Int8Linear(nn.Module):
    """A linear layer without gradients: the same in and out, `weight` as 8 bits and a scale for each output."""

    weight: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear):
        super().__init__()
        weight_OD, scale_O = quantised(linear.weight)
        self.register_buffer("weight", weight_OD)
        self.register_buffer("scale", scale_O)
        self.bias = linear.bias

    def forward(self, x_ND: Tensor) -> Tensor:
        product = int8_product(x_ND, self.weight, self.scale)
        return product if self.bias is None else product + self.bias


class Int8Table(TiedTable):
    """A table of ids without gradients, read and multiplied in 8 bits."""

    rows: Tensor
    scale: Tensor

    def __init__(self, table: TiedTable):
        nn.Module.__init__(self)
        weight_VD, scale_V = quantised(table.weight)
        self.register_buffer("rows", weight_VD)
        self.register_buffer("scale", scale_V)
        self.num_embeddings, self.embedding_dim = table.num_embeddings, table.embedding_dim

    def forward(self, input: Tensor) -> Tensor:
        """Vectors (N, D) of ids, not scaled."""
        return self.rows[input] * self.scale[input][..., None].float()

    def logits(self, h_ND: Tensor, ids: slice = slice(None)) -> Tensor:
        """Scores (N, V) of all ids, or of a slice of them."""
        return int8_product(h_ND, self.rows[ids], self.scale[ids])


def quantised(weight_OD: Tensor) -> tuple[Tensor, Tensor]:
    """Whole numbers (O, D) int8 and a scale (O,) bfloat16 for each row, of which a row of zeros has 0."""
    scale_O = (weight_OD.detach().float().abs().amax(1) / 127).to(torch.bfloat16)
    steps_OD = weight_OD.detach().float() / scale_O.float().clamp(min=torch.finfo(torch.float32).tiny)[:, None]
    return steps_OD.round().clamp(-127, 127).to(torch.int8), scale_O


def int8_product(x_ND: Tensor, weight_OD: Tensor, scale_O: Tensor) -> Tensor:
    """x W^T in the number format of x."""
    flat_ND = x_ND.reshape(-1, x_ND.shape[-1]).to(torch.bfloat16)
    if x_ND.device.type == "cpu":
        product = torch._weight_int8pack_mm(flat_ND, weight_OD, scale_O)
    else:
        product = F.linear(flat_ND, weight_OD.to(torch.bfloat16)) * scale_O
    return product.view(*x_ND.shape[:-1], -1).to(x_ND.dtype)


def num_int8(module: nn.Module) -> int:
    """Weights inside `module` that are kept in 8 bits."""
    layers = (layer for layer in module.modules() if isinstance(layer, Int8Linear | Int8Table))
    return sum((layer.weight if isinstance(layer, Int8Linear) else layer.rows).numel() for layer in layers)


def to_int8(module: nn.Module) -> None:
    """Replace every table and linear layer inside `module`, in place.

    A layer of few or odd inputs stays: it has little to read, and the kernel takes whole blocks of 16.
    """
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear and child.in_features % 16 == 0:
                setattr(parent, name, Int8Linear(child))
            elif type(child) is TiedTable:
                setattr(parent, name, Int8Table(child))
