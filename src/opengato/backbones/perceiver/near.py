"""Begin with attention to what is near, where inputs stand in a row.

At first a Perceiver's attention is nearly even, so that all latents read the same mean of an input, and a small network
is long in finding out that they could share it among them. Here places are waves from the start, and queries and keys
compare them: latent n of N reads about n / N of the way through the input, latents see their neighbours, and a query
asks the latents beside it. Each head looks a little to one side, which waves do by turning. Architecture and number of
parameters are what they were, and everything goes on learning.
Letters: N places, K head width, D width.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from opengato.nn.cross_attention import Attention

GAIN = 1.0
CONTENTS = 0.25  # of a number of an id, where a place's waves have 1: about as much of the variance of an input
CYCLES = 0.5, 50.0
"""Of the slowest and the fastest wave over a row. Were each twice the one before, places half a row off were alike."""


@torch.no_grad()
def look_near(network: Any, name: str) -> None:
    """Of a `PerceiverIO` with an input of ids, `name`; outputs asked at each of its places look near, too."""
    encoder, given = network.encoder, network.inputs[name]
    latents, length = encoder.config.number, given.place.num_embeddings
    own = [encoder.read.attention, *(layer.attention for layer in encoder.layers)]
    width = min(one.widths.qk // one.widths.heads for one in (*own, network.decoder.attention)) // 2 * 2
    given.table.weight.normal_(std=CONTENTS)[:, :width] = 0
    asked = [queries.table for queries in network.queries.values() if queries.number == length]
    for table in (given.place.weight, encoder.latents, *asked):
        table[:, :width] = codes(torch.linspace(0, 1, len(table)), width)
    compare(own[0], width, reach=0.5 / latents)
    for attention in own[1:]:
        compare(attention, width, reach=4 / latents)
    if asked:
        compare(network.decoder.attention, width, reach=1 / length)
    for layer in (encoder.read, *encoder.layers):  # nobody writes over the places of latents at first
        for last in (layer.attention.out, layer.feed_forward.out):
            last.weight[:width] = 0
            last.bias[:width] = 0


def codes(place_N: Tensor, width: int) -> Tensor:
    """Waves (N, K) over places from 0 to 1: sines, then cosines."""
    angle_NK = place_N[:, None] * frequencies(width)
    return torch.cat([angle_NK.sin(), angle_NK.cos()], 1)


def frequencies(width: int) -> Tensor:
    """As many as there are pairs of a sine and a cosine, each as much faster than the one before."""
    slowest, fastest = CYCLES
    return 2 * math.pi * slowest * (fastest / slowest) ** torch.linspace(0, 1, width // 2)


def turned(width: int, by: float) -> Tensor:
    """The matrix (K, K) by which the codes of places become those of places `by` further on."""
    angle = frequencies(width) * by
    cos, sin = torch.diag(angle.cos()), torch.diag(angle.sin())
    return torch.cat([torch.cat([cos, sin], 1), torch.cat([-sin, cos], 1)], 0)


def compare(attention: Attention, width: int, reach: float) -> None:
    """Let heads, spread over `reach` to both sides, compare the first `width` numbers of queries and inputs."""
    heads = attention.widths.heads
    own = attention.widths.qk // heads
    for weight in (attention.query.weight, attention.key.weight):
        weight.normal_(std=0.02)
    for head in range(heads):
        by = reach * (2 * head + 1 - heads) / heads
        rows = slice(head * own, head * own + width)
        attention.query.weight[rows, :width] += GAIN * turned(width, by)
        attention.key.weight[rows, :width] += GAIN * torch.eye(width)
