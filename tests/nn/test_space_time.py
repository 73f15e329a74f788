"""Attention over space and time against one dense attention with the right mask, and against TimeSformer's own.

Letters: B films, F frames, N patches of a frame, D width.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from einops import rearrange
from torch import Tensor

from opengato.nn.space_time import ATTENTIONS, Attention, SelfAttention, SpaceTimeBlock, SpaceTimeEncoder
from tests.close import assert_close
from tests.tiny import sharpen

WIDTH, HEADS, FRAMES, PATCHES = 16, 4, 3, 5


def block(attention: Attention, seed: int = 0) -> SpaceTimeBlock:
    torch.manual_seed(seed)
    made = SpaceTimeBlock(WIDTH, HEADS, 24, attention)
    sharpen(made, seed)
    for name, parameter in made.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


def films(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def dense(layer: SelfAttention, x_TD: Tensor, sees: list[list[bool]]) -> Tensor:
    """Attention as a sum over all patches of a film, head by head, by a mask written out."""
    head = WIDTH // HEADS
    q, k, v = (
        x_TD @ layer.qkv.weight[i * WIDTH : (i + 1) * WIDTH].T + layer.qkv.bias[i * WIDTH :][:WIDTH] for i in range(3)
    )
    mixed = []
    for h in range(HEADS):
        part = slice(h * head, (h + 1) * head)
        weights = torch.exp(q[:, part] @ k[:, part].T / math.sqrt(head)) * torch.tensor(sees)
        mixed.append(weights / weights.sum(1, keepdim=True) @ v[:, part])
    return torch.cat(mixed, 1) @ layer.out.weight.T + layer.out.bias


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_block_is_dense_attention_under_its_mask(attention: Attention) -> None:
    made = block(attention)
    x = films(2, FRAMES, PATCHES, WIDTH)
    places = [(f, n) for f in range(FRAMES) for n in range(PATCHES)]
    same_frame = [[a[0] == b[0] for b in places] for a in places]
    same_place = [[a[1] == b[1] for b in places] for a in places]
    everything = [[True] * len(places)] * len(places)
    received, nothing = made(x, torch.ones(2, FRAMES, PATCHES, dtype=torch.bool))
    assert nothing is None
    for film, result in zip(x.flatten(1, 2), received.flatten(1, 2), strict=True):
        if attention == "divided":
            film = film + made.out_time(dense(made.time, made.norm_time(film), same_place))
        film = film + dense(made.space, made.norm_attention(film), everything if attention == "joint" else same_frame)
        assert_close(result, film + made.feed_forward(made.norm_hidden(film)))


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_what_is_not_there_changes_nothing(attention: Attention) -> None:
    """Films side by side, of different length and size, as each alone; of one the last patches are missing."""
    made = block(attention)
    mask = torch.zeros(3, 4, 6, dtype=torch.bool)
    mask[0, :2, :6], mask[1, :4, :3], mask[2, :3, :6] = True, True, True
    mask[2, 2, 4:] = False
    x = films(3, 4, 6, WIDTH)
    together, _ = made(x, mask)
    other, _ = made(torch.where(mask[..., None], x, 9.0 + films(3, 4, 6, WIDTH, seed=3)), mask)
    assert_close(other[mask], together[mask])
    assert_close(made(x[:1, :2], mask[:1, :2])[0], together[:1, :2])
    assert_close(made(x[1:2, :, :3], mask[1:2, :, :3])[0], together[1:2, :, :3])
    assert torch.isfinite(together).all()


def test_only_space_attention_is_blind_to_other_frames() -> None:
    mask = torch.ones(1, FRAMES, PATCHES, dtype=torch.bool)
    x = films(1, FRAMES, PATCHES, WIDTH)
    changed = x.clone()
    changed[0, 2, 1] = films(WIDTH, seed=7)
    for attention in ATTENTIONS:
        made = block(attention)
        difference = (made(changed, mask)[0] - made(x, mask)[0]).abs().amax(-1)[0]
        first_frame = difference[0]
        if attention == "space":
            assert (first_frame == 0).all()
        elif attention == "joint":
            assert (first_frame > 1e-4).all()
        else:  # along time to its own place, and from there over the frame
            assert (first_frame > 1e-4).all()
            assert (difference[2] > 1e-4).all()


def test_without_codes_of_time_the_frames_are_a_set() -> None:
    mask = torch.ones(1, FRAMES, PATCHES, dtype=torch.bool)
    x = films(1, FRAMES, PATCHES, WIDTH)
    for attention in ATTENTIONS:
        made = block(attention)
        assert_close(made(x.flip(1), mask)[0].flip(1), made(x, mask)[0])


def test_every_parameter_learns() -> None:
    for attention in ATTENTIONS:
        torch.manual_seed(0)
        encoder = SpaceTimeEncoder(WIDTH, 2, HEADS, 24, attention)
        mask = torch.ones(2, FRAMES, PATCHES, dtype=torch.bool)
        encoder(films(2, FRAMES, PATCHES, WIDTH), mask).square().mul(
            films(2, FRAMES, PATCHES, WIDTH, seed=5)
        ).sum().backward()
        for name, parameter in encoder.named_parameters():
            assert parameter.grad is not None
            if not name.endswith("qkv.bias"):  # the third of it that belongs to keys shifts all scores alike
                assert parameter.grad.abs().max() > 0, name


NAMES = {
    "attention.attention.qkv": "space.qkv",
    "attention.output.dense": "space.out",
    "temporal_attention.attention.qkv": "time.qkv",
    "temporal_attention.output.dense": "time.out",
    "temporal_layernorm": "norm_time",
    "temporal_dense": "out_time",
    "layernorm_before": "norm_attention",
    "layernorm_after": "norm_hidden",
    "intermediate.dense": "feed_forward.0",
    "output.dense": "feed_forward.2",
}


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_block_is_that_of_timesformer(attention: Attention) -> None:
    """Same weights, same output, class token and all; transformers orders patches by place, then by frame."""
    transformers = pytest.importorskip("transformers")
    modeling = pytest.importorskip("transformers.models.timesformer.modeling_timesformer")
    side = 2
    kind = {"space": "space_only", "joint": "joint_space_time", "divided": "divided_space_time"}[attention]
    config = transformers.TimesformerConfig(
        image_size=side * 4, patch_size=4, num_frames=FRAMES, hidden_size=WIDTH, num_hidden_layers=1,
        num_attention_heads=HEADS, intermediate_size=24, attention_type=kind, layer_norm_eps=1e-6,
    )  # fmt: skip
    theirs = modeling.TimesformerLayer(config, 0).eval()
    mine = block(attention)
    weights: dict[str, Any] = dict(mine.state_dict())
    theirs.load_state_dict(
        {
            f"{name}.{part}": weights[f"{place}.{part}"]
            for name, place in NAMES.items()
            for part in ("weight", "bias")
            if f"{place}.{part}" in weights
        }
    )
    patches, token = films(2, FRAMES, side * side, WIDTH), films(2, 1, WIDTH, seed=2)
    mask = torch.ones(2, FRAMES, side * side, dtype=torch.bool)
    with torch.no_grad():
        if attention == "space":  # there every frame is a row of the batch with a class token of its own
            flat = rearrange(patches, "b f n d -> (b f) n d")
            tokens = films(2 * FRAMES, 1, WIDTH, seed=2)
            expected = theirs(torch.cat([tokens, flat], 1))
            expected = expected[0] if isinstance(expected, tuple) else expected
            received, seen = mine(flat[:, None], mask.flatten(0, 1)[:, None], tokens)
            assert_close(seen, expected[:, :1])
            assert_close(received[:, 0], expected[:, 1:])
            return
        order = "b (f n) d" if attention == "joint" else "b (n f) d"
        expected = theirs(torch.cat([token, rearrange(patches, f"b f n d -> {order}")], 1))
        expected = expected[0] if isinstance(expected, tuple) else expected
        received, seen = mine(patches, mask, token)
    assert_close(seen, expected[:, :1])
    assert_close(received, rearrange(expected[:, 1:], f"{order} -> b f n d", f=FRAMES))
