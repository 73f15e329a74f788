"""Perceiver IO: any inputs, any outputs; the inputs are read once, and what is not asked for costs nothing.

[Jaegle et al. 2021, arXiv:2107.14795, sec. 3]. Letters: B rows, M all inputs, C their width, N latents, D width of
latents, O queries, E width of queries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from opengato.backbones.perceiver.inputs import IdInput
from opengato.backbones.perceiver.latents import Latents
from opengato.backbones.perceiver.near import look_near
from opengato.backbones.perceiver.outputs import InputQueries, LearnedQueries, PlaceQueries, TiedHead
from opengato.core.config import choose
from opengato.nn.cross_attention import Layer, PerceiverLayer, Widths


@dataclass(frozen=True, kw_only=True, slots=True)
class Decoder:
    """The attention of queries to latents; widths that are None are those of the latents.

    `answer_width` is that of a linear layer which all outputs share (None: none).
    """

    heads: int = 1
    qk_width: int | None = None
    value_width: int | None = None
    widening: int = 1
    query_residual: bool = False
    answer_width: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class IO:
    """All that rebuilds a network: inputs and outputs by name, latents, a decoder.

    Several inputs are joined in the order of their names, each filled up with a learned vector to the width of the
    widest and `input_padding` more; of those named in `hidden` any part can be replaced by a learned vector. Several
    outputs are asked with queries that are filled up alike, with `query_padding`. `near`, the name of a single input of
    ids, begins with attention to what is near in it (`near.py`).
    """

    inputs: dict[str, Any]
    latents: Latents
    outputs: dict[str, Any]
    decoder: Decoder
    hidden: tuple[str, ...] = ()
    input_padding: int = 4
    query_padding: int = 2
    near: str | None = None

    def __post_init__(self) -> None:
        if self.near is not None and list(self.inputs) != [self.near]:
            raise ValueError(f"`near` is {self.near!r}, expected the only input, of {sorted(self.inputs)}")
        for name in self.hidden:
            choose(name, self.inputs, what="input to hide")

    @property
    def input_width(self) -> int:
        """Of the array that the latents read."""
        return common_width((config.width for config in self.inputs.values()), self.input_padding)

    @property
    def query_width(self) -> int:
        """Of what the latents are asked with."""
        return common_width((output.queries.width for output in self.outputs.values()), self.query_padding)

    def build(self) -> PerceiverIO:
        return PerceiverIO(self)


def common_width(widths: Iterable[int], padding: int) -> int:
    """One alone keeps its width; several are filled up to the widest and `padding` more."""
    found = list(widths)
    return found[0] if len(found) == 1 else max(found) + padding


@dataclass(frozen=True, slots=True)
class Read:
    """What a network has read: its latents, and the array, which may ask."""

    z_BND: Tensor
    x_BMC: Tensor


class PerceiverIO(nn.Module):
    """Reads inputs by name, answers outputs by name."""

    def __init__(self, config: IO):
        super().__init__()
        self.config = config
        self.inputs = nn.ModuleDict({name: own.build() for name, own in config.inputs.items()})
        self.fill = nn.ParameterDict()
        if len(config.inputs) > 1:
            self.fill.update({n: _vector(config.input_width - own.width) for n, own in config.inputs.items()})
        self.hidden = nn.ParameterDict({name: _vector(config.input_width) for name in config.hidden})
        self.encoder = config.latents.build(config.input_width)
        self.queries = nn.ModuleDict({name: own.queries.build() for name, own in config.outputs.items()})
        self.query_fill = nn.ParameterDict()
        if len(config.outputs) > 1:
            asked = {name: own.queries.width for name, own in config.outputs.items()}
            self.query_fill.update({name: _vector(config.query_width - width) for name, width in asked.items()})
        decoder, width = config.decoder, config.latents.width
        qk = decoder.qk_width or width
        widths = Widths(
            query=config.query_width, inputs=width, qk=qk, value=decoder.value_width or qk, heads=decoder.heads
        )
        layer = Layer(
            widening=decoder.widening,
            query_residual=decoder.query_residual,
            activation=config.latents.activation,
            key_bias=config.latents.key_bias,
        )
        self.decoder = PerceiverLayer(widths, layer, cross=True)
        answer = decoder.answer_width or config.query_width
        self.answer = nn.Identity() if decoder.answer_width is None else nn.Linear(config.query_width, answer)
        self.heads = nn.ModuleDict({name: own.build(answer) for name, own in config.outputs.items()})
        if config.near is not None:
            look_near(self, config.near)

    def array(self, given: Mapping[str, Tensor], hide: Mapping[str, Tensor] | None = None) -> Tensor:
        """The inputs as one array (B, M, C); where `hide[name]` (B, inputs of that name) is True, the learned vector.

        ValueError where names are missing or strange.
        """
        if set(given) != set(self.inputs):
            raise ValueError(f"received the inputs {sorted(given)}, expected {sorted(self.inputs)}")
        parts = []
        for name in sorted(self.inputs):
            x = self.inputs[name](given[name])
            if name in self.fill:
                x = torch.cat([x, self.fill[name].to(x.dtype).expand(*x.shape[:2], -1)], -1)
            if hide is not None and name in hide:
                x = torch.where(hide[name][..., None], self.hidden[choose(name, self.hidden, "input to hide")], x)
            parts.append(x)
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def read(
        self, given: Mapping[str, Tensor], mask_BM: Tensor | None = None, hide: Mapping[str, Tensor] | None = None
    ) -> Read:
        """Read the inputs, but for those where `mask_BM` is False (padding)."""
        x_BMC = self.array(given, hide)
        return Read(self.encoder(x_BMC, mask_BM), x_BMC)

    def ask(self, read: Read, name: str, index_O: Tensor | None = None, chunk: int | None = None) -> Tensor:
        """The answers (B, O, V) of an output, or of those of its queries that `index_O` names.

        With `chunk`, so many at a time: no more memory than they need, and the same answers.
        """
        choose(name, self.queries, what="output")
        if index_O is None:
            index_O = torch.arange(self.number(read, name), device=read.z_BND.device)
            if chunk is None:
                return self._answers(read, name, index_O, whole=True)
        parts = [self._answers(read, name, part_O) for part_O in index_O.split(chunk or max(1, len(index_O)))]
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1)

    def number(self, read: Read, name: str) -> int:
        """How many queries an output has."""
        queries = self.queries[name]
        if isinstance(queries, InputQueries):
            return read.x_BMC.shape[1]
        return cast(LearnedQueries | PlaceQueries, queries).number

    def forward(
        self, given: Mapping[str, Tensor], mask_BM: Tensor | None = None, chunk: int | None = None
    ) -> dict[str, Tensor]:
        """All answers of all outputs by name."""
        read = self.read(given, mask_BM)
        return {name: self.ask(read, name, chunk=chunk) for name in self.queries}

    def _answers(self, read: Read, name: str, index_O: Tensor, whole: bool = False) -> Tensor:
        queries = self.queries[name]
        if isinstance(queries, InputQueries):
            query_BOE = read.x_BMC if whole else read.x_BMC[:, index_O]  # which would copy all of it
        else:
            query_BOE = queries(index_O).to(read.z_BND.dtype).expand(len(read.z_BND), -1, -1)
        if name in self.query_fill:
            query_BOE = torch.cat([query_BOE, self.query_fill[name].expand(*query_BOE.shape[:2], -1)], -1)
        answer = self.answer(self.decoder(query_BOE, read.z_BND))
        head = self.heads[name]
        if isinstance(head, TiedHead):
            return head(answer, cast(IdInput, self.inputs[self.config.outputs[name].tied]).table)
        return head(answer)


def _vector(width: int) -> nn.Parameter:
    return nn.Parameter(torch.empty(1, width).normal_(std=0.02))
