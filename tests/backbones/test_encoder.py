"""The encoder against torch's own, its branches, and a decoder that begins with its weights.

Letters: B rows, T slots, D width.
"""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from opengato.backbones import decoder, encoder
from opengato.nn.blocks import Block
from tests.close import assert_close
from tests.tiny import sharpen

CONFIG = encoder.Config(
    width=32, depth=3, heads=4, hidden=40, rotary=False, activation="gelu", gated=False, bias=True, norm_bias=True
)
DOCUMENT = torch.tensor([[0] * 9 + [1] * 7, [0] * 12 + [-1] * 4])
POSITION = torch.tensor([[*range(9), *range(7)], list(range(16))])
PROMPT = torch.zeros(2, 16, dtype=torch.bool)


def made(config: encoder.Config = CONFIG) -> encoder.Encoder:
    trunk = config.build()
    sharpen(trunk)
    for parameter in trunk.parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, -0.5, 1.5)
    return trunk.eval()


def inputs() -> Tensor:
    return torch.randn(2, 16, CONFIG.width, generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_it_is_the_transformer_encoder_of_torch() -> None:
    trunk = made()
    layer = nn.TransformerEncoderLayer(32, 4, 40, 0.0, "gelu", 1e-5, batch_first=True, norm_first=True)
    theirs = nn.TransformerEncoder(layer, 3, nn.LayerNorm(32), enable_nested_tensor=False)
    names = {
        "self_attn.in_proj_weight": "qkv.weight",
        "self_attn.in_proj_bias": "qkv.bias",
        "self_attn.out_proj": "out",
        "linear1": "feed_forward.inner",
        "linear2": "feed_forward.out",
        "norm1": "norm_attention",
        "norm2": "norm_hidden",
    }
    state = {}
    for name in theirs.state_dict():
        mine = name.replace("layers.", "blocks.")
        for old, new in names.items():
            mine = mine.replace(old, new)
        state[name] = trunk.state_dict()[mine]
    theirs.load_state_dict(state)
    x_BTD = inputs()
    found = trunk(x_BTD, DOCUMENT, POSITION, PROMPT)
    for row, document in ((0, 0), (0, 1), (1, 0)):
        mine_T = DOCUMENT[row] == document
        assert_close(found[row, mine_T], theirs.eval()(x_BTD[row : row + 1, mine_T])[0], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, rotary=True, gated=True, recompute=True)])
def test_branches_are_what_a_block_adds(config: encoder.Config) -> None:
    trunk, x_BTD = made(config).train(), inputs()
    places = DOCUMENT, POSITION, PROMPT
    before = x_BTD
    for number, found in enumerate(trunk.branches(x_BTD, *places)):
        block = cast(Block, trunk.blocks[number])
        assert_close(found.stream, before + found.attention + found.feed_forward)
        assert_close(found.feed_forward, block.feed_forward(block.norm_hidden(before + found.attention)))
        before = found.stream
    assert torch.equal(trunk.norm(before), trunk(x_BTD, *places))


@torch.inference_mode()
def test_attention_is_what_the_block_used() -> None:
    trunk, x_BTD = made(replace(CONFIG, rotary=True)), inputs()
    places = DOCUMENT, POSITION, PROMPT
    streams = [x_BTD, *trunk.residuals(x_BTD, *places)]
    for layer, found in enumerate(trunk.branches(x_BTD, *places), 1):
        block = cast(Block, trunk.blocks[layer - 1])
        weights = trunk.attention(layer, x_BTD, *places)
        assert_close(weights.sum(-1), torch.ones(2, 4, 16))
        value = block.qkv(block.norm_attention(streams[layer - 1])).chunk(3, dim=-1)[2].unflatten(-1, (4, -1))
        mixed = torch.einsum("bhts,bshk->bthk", weights, value).flatten(2)
        assert_close(block.out(mixed), found.attention, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_a_decoder_begins_with_its_weights() -> None:
    """The last slot of a document sees the same in both, in the first block; so there they say the same."""
    trunk = made(encoder.Config(width=32, depth=1, heads=4, hidden=40))
    other = decoder.Config(width=32, depth=1, heads=4, hidden=40, window=16).build().eval()
    other.load_state_dict(trunk.state_dict())
    places = DOCUMENT, POSITION, PROMPT
    both = [module(inputs(), *places) for module in (trunk, other)]
    assert_close(both[0][0, [8, 15]], both[1][0, [8, 15]])
    assert (both[0][0, :8] - both[1][0, :8]).abs().max() > 0.1
