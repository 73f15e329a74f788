"""Attention that begins with what is near: where heads look, by hand.

Letters: N latents, H heads.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from opengato.backbones.perceiver.inputs import Ids
from opengato.backbones.perceiver.io import IO, Decoder
from opengato.backbones.perceiver.latents import Latents
from opengato.backbones.perceiver.near import codes, turned
from opengato.backbones.perceiver.outputs import Learned, Output
from opengato.nn.cross_attention import Attention

LENGTH, NUMBER, HEADS = 128, 32, 4
CONFIG = IO(
    inputs={"text": Ids(num_ids=50, length=LENGTH, width=64)},
    latents=Latents(number=NUMBER, width=128, depth=2, heads=HEADS, cross_heads=HEADS, qk_width=64, value_width=64),
    outputs={"text": Output(queries=Learned(number=LENGTH, width=64), width=50, tied="text")},
    decoder=Decoder(heads=HEADS),
    near="text",
)


def looked_at(attention: Attention, queries: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
    """The place (H, N) that each head of each query sees best."""
    q, k = (
        layer(x).unflatten(-1, (HEADS, -1)).movedim(-2, 0)
        for layer, x in ((attention.query, queries), (attention.key, inputs))
    )
    return (q @ k.mT).argmax(-1)


def test_places_turn_into_places_further_on() -> None:
    place = torch.rand(5)
    torch.testing.assert_close(codes(place, 16) @ turned(16, 0.1).T, codes(place + 0.1, 16), atol=1e-4, rtol=0)


@torch.no_grad()
def test_latents_share_an_input_among_them() -> None:
    torch.manual_seed(0)
    network = CONFIG.build().eval()
    x = network.array({"text": torch.randint(50, (1, LENGTH))})[0]
    encoder, normed = network.encoder, network.encoder.read.norm_input
    assert normed is not None
    found = looked_at(encoder.read.attention, encoder.read.norm_query(encoder.latents), normed(x))
    # Four heads of 32 latents: each of 128 places has one that looks at it, or at one beside it.
    sides = torch.tensor([-0.75, -0.25, 0.25, 0.75])[:, None] * 0.5 / NUMBER
    wanted = (torch.linspace(0, 1, NUMBER) + sides) * (LENGTH - 1)
    assert (found - wanted.clamp(0, LENGTH - 1)).abs().max() < 2

    z = encoder(x[None])[0]
    asked = looked_at(network.decoder.attention, network.decoder.norm_query(network.queries["text"].table), z)
    assert (asked - torch.linspace(0, NUMBER - 1, LENGTH)).abs().mean() < 1, "but for a head here and there"


def test_nothing_else_changes() -> None:
    plain = replace(CONFIG, near=None).build()
    assert {name: p.shape for name, p in plain.named_parameters()} == {
        name: p.shape for name, p in CONFIG.build().named_parameters()
    }
    with pytest.raises(ValueError, match="expected the only input"):
        replace(CONFIG, near="sound")
