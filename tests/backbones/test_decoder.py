"""The decoder against an independent implementation, and what its window means.

StableLM of Hugging Face is the same architecture (LayerNorm, half-split rotary positions, a gated feed-forward, no
biases but those of its norms), written by others. Letters: B rows, T slots, D width.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from opengato.backbones import decoder
from opengato.nn.blocks import Block
from opengato.nn.layers import GatedFeedForward
from tests.close import assert_close
from tests.tiny import sharpen

CONFIG = decoder.Config(width=32, depth=3, heads=4, hidden=40, window=5, sinks=2)
DOCUMENT = torch.tensor([[0] * 9 + [1] * 7, [0] * 16])
POSITION = torch.tensor([[*range(9), *range(7)], [0, 1, 2, *range(20, 33)]])
# Instructions of 1, 4 (of which the sinks hold 2) and 2 positions.
PROMPT = torch.tensor([[True] + [False] * 8 + [True] * 4 + [False] * 3, [True] * 2 + [False] * 14])


def our_decoder(config: decoder.Config = CONFIG) -> decoder.Decoder:
    made = config.build()
    sharpen(made)
    for name, parameter in made.named_parameters():
        if parameter.ndim == 1:
            assert "norm" in name
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
    return made.eval()


def seen(config: decoder.Config) -> Tensor:
    """Who sees whom (B, 1, T, T), slot by slot."""
    rows, slots = DOCUMENT.shape
    mask = torch.zeros(rows, 1, slots, slots, dtype=torch.bool)
    for b in range(rows):
        for q in range(slots):
            for k in range(q + 1):
                past = int(POSITION[b, q] - POSITION[b, k])
                kept = bool(PROMPT[b, k]) and int(POSITION[b, k]) < config.sinks
                near = past < config.window or kept
                mask[b, 0, q, k] = bool(DOCUMENT[b, q] == DOCUMENT[b, k]) and near
    return mask


@pytest.mark.parametrize("config", [CONFIG, replace(CONFIG, activation="gelu", norm_bias=True)])
def test_it_is_stablelm(config: decoder.Config) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.StableLmModel(
        transformers.StableLmConfig(
            vocab_size=2,
            hidden_size=CONFIG.width,
            intermediate_size=CONFIG.hidden,
            num_hidden_layers=CONFIG.depth,
            num_attention_heads=CONFIG.heads,
            num_key_value_heads=CONFIG.heads,
            layer_norm_eps=1e-5,
            hidden_act=config.activation,
            partial_rotary_factor=1.0,
            rope_parameters={"rope_type": "default", "rope_theta": CONFIG.rotary_base, "partial_rotary_factor": 1.0},
            attn_implementation="eager",
        )
    ).eval()
    ours = our_decoder(config)
    norms = {"norm": ours.norm}
    state: dict[str, Tensor] = {}
    for index, block in enumerate(ours.blocks):
        assert isinstance(block, Block)
        q, k, v = block.qkv.weight.chunk(3)
        assert isinstance(block.feed_forward, GatedFeedForward)
        gate, up = block.feed_forward.gate_and_value.weight.chunk(2)
        state |= {
            f"layers.{index}.{name}.weight": weight
            for name, weight in {
                "self_attn.q_proj": q,
                "self_attn.k_proj": k,
                "self_attn.v_proj": v,
                "self_attn.o_proj": block.out.weight,
                "mlp.gate_proj": gate,
                "mlp.up_proj": up,
                "mlp.down_proj": block.feed_forward.out.weight,
            }.items()
        }
        norms[f"layers.{index}.input_layernorm"] = block.norm_attention
        norms[f"layers.{index}.post_attention_layernorm"] = block.norm_hidden
    state |= {f"{name}.{part}": value for name, norm in norms.items() for part, value in norm.named_parameters()}
    missing, unknown = theirs.load_state_dict(state, strict=False)
    assert not unknown
    assert all(name.endswith("norm.bias") or name == "embed_tokens.weight" for name in missing)
    assert sum(p.numel() for p in ours.parameters()) == sum(tensor.numel() for tensor in state.values())
    x = torch.randn(2, 16, CONFIG.width)
    mask = torch.where(seen(CONFIG), 0.0, torch.finfo(torch.float32).min)
    with torch.inference_mode():
        expected = theirs(inputs_embeds=x, attention_mask=mask, position_ids=POSITION, use_cache=False)
        received = ours(x, DOCUMENT, POSITION, PROMPT)
    assert_close(received, expected.last_hidden_state, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("prompt", "kept"), [(0, []), (1, [0]), (4, [0, 1])])
def test_the_window_is_what_a_layer_reaches_back_and_the_instruction_stays(prompt: int, kept: list[int]) -> None:
    config = replace(CONFIG, depth=1)
    made = our_decoder(config)
    x = torch.randn(1, 16, config.width, requires_grad=True)
    document, position = torch.zeros(1, 16, dtype=torch.int64), torch.arange(16)[None]
    (made(x, document, position, position < prompt)[0, 15] * torch.randn(config.width)).sum().backward()
    assert x.grad is not None
    reached = (x.grad[0].abs().amax(-1) > 0).nonzero()[:, 0].tolist()
    assert reached == [*kept, 11, 12, 13, 14, 15]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_depth_carries_what_lies_beyond_the_window_forward_and_cached(depth: int) -> None:
    """`depth` layers reach `depth` * (window - 1) positions back, as with Transformer-XL, and not one further."""
    config = replace(CONFIG, depth=depth, sinks=0)
    made, length = our_decoder(config), 20
    x = torch.randn(1, length, config.width, requires_grad=True)
    position = torch.arange(length)[None]
    places = torch.zeros_like(position), position, torch.zeros_like(position, dtype=torch.bool)
    (made(x, *places)[0, -1] * torch.randn(config.width)).sum().backward()
    assert x.grad is not None
    reached = (x.grad[0].abs().amax(-1) > 0).nonzero()[:, 0].tolist()
    assert reached == list(range(length - 1 - depth * (config.window - 1), length))

    def cached(x: Tensor) -> Tensor:
        cache = made.new_cache(1)
        full = torch.ones(1, 1, dtype=torch.bool)
        for t in range(length):
            here = position[:, t : t + 1]
            h = made.extend(x[:, t : t + 1], here, ~full, full, cache, torch.tensor([0]))
        return h[0, 0]

    with torch.inference_mode():
        before = cached(x)
        for age in range(1, 4 * config.window):
            changed = x.detach().clone()
            changed[0, length - 1 - age] += 1
            after = cached(changed)
            assert torch.equal(after, before) == (age > depth * (config.window - 1)), age
            assert_close(after, made(changed, *places)[0, -1], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("window", [1, 3, 11])
@torch.inference_mode()
def test_a_cache_of_another_window_is_a_trunk_of_that_window(window: int) -> None:
    made = our_decoder()
    other = replace(CONFIG, window=window).build()
    other.load_state_dict(made.state_dict())
    x, position = torch.randn(1, 40, CONFIG.width), torch.arange(40)[None]
    places = position, position < 2
    expected = other(x, torch.zeros_like(position), *places)
    received = made.extend(x, *places, torch.ones_like(position).bool(), made.new_cache(1, window), torch.tensor([0]))
    assert_close(received, expected, atol=1e-4, rtol=1e-4)
    usual = made.extend(x, *places, torch.ones_like(position).bool(), made.new_cache(1), torch.tensor([0]))
    assert (usual - expected)[:, 15:].abs().amax() > 0.01


@torch.inference_mode()
def test_the_stream_after_a_block_is_what_a_trunk_that_ends_there_normalises() -> None:
    made, x = our_decoder(), torch.randn(2, 16, CONFIG.width)
    places = DOCUMENT, POSITION, PROMPT
    streams = list(made.residuals(x, *places))
    assert len(streams) == made.depth
    for number, stream in enumerate(streams, start=1):
        shorter = replace(CONFIG, depth=number).build()
        shorter.load_state_dict({k: v for k, v in made.state_dict().items() if k in shorter.state_dict()})
        assert torch.equal(made.norm(stream), shorter(x, *places))


@torch.inference_mode()
def test_attention_is_shown_as_it_is_paid() -> None:
    """With values of its own a block must end where the weights shown say."""
    made, x = our_decoder(), torch.randn(2, 16, CONFIG.width)
    places = DOCUMENT, POSITION, PROMPT
    streams = [x, *made.residuals(x, *places)]
    for layer, block in enumerate(made.blocks, start=1):
        assert isinstance(block, Block)
        weights = made.attention(layer, x, *places)
        assert ((weights > 0) == seen(CONFIG)).all()
        value = block.qkv(block.norm_attention(streams[layer - 1])).chunk(3, dim=-1)[2].unflatten(-1, (4, -1))
        mixed = torch.einsum("bhts,bshk->bthk", weights, value).flatten(2)
        after = streams[layer - 1] + block.out(mixed)
        assert_close(after + block.feed_forward(block.norm_hidden(after)), streams[layer], atol=1e-4, rtol=1e-4)


def test_a_config_whose_heads_cannot_turn_is_refused() -> None:
    for wrong in ({"width": 30}, {"width": 12, "heads": 4}):
        with pytest.raises(ValueError, match="must be a whole even number"):
            replace(CONFIG, **wrong)


@pytest.mark.parametrize("wrong", [{"activation": "glu"}, {"drop_path": 1.0}, {"drop_path": -0.1}])
def test_a_setting_out_of_its_range_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match=r"unknown activation 'glu'|`drop_path` is .*, expected a probability"):
        replace(CONFIG, **wrong)


def gradients(config: decoder.Config) -> list[Tensor]:
    """Of a training pass with the draws of one seed."""
    torch.manual_seed(2)
    made = our_decoder(config).train()
    x = torch.randn(2, 16, config.width, generator=torch.Generator().manual_seed(1)).requires_grad_()
    (made(x, DOCUMENT, POSITION, PROMPT) ** 2).sum().backward()
    found = [x.grad, *(parameter.grad for parameter in made.parameters())]
    return [gradient for gradient in found if gradient is not None]


@pytest.mark.parametrize("drop_path", [0.0, 0.5])
def test_recomputing_gives_the_same_gradients(drop_path: float) -> None:
    """And drops the same paths the second time."""
    config = replace(CONFIG, drop_path=drop_path)
    kept, recomputed = gradients(config), gradients(replace(config, recompute=True))
    for mine, theirs in zip(recomputed, kept, strict=True):
        assert_close(mine, theirs, atol=1e-6, rtol=1e-6)
    assert all(map(torch.equal, gradients(config), kept))
    assert all(map(torch.equal, kept, gradients(CONFIG))) == (drop_path == 0)


def test_a_row_whose_paths_are_all_dropped_is_its_input() -> None:
    made = our_decoder(replace(CONFIG, drop_path=1 - 1e-9)).train()
    x = torch.randn(2, 16, CONFIG.width)
    received = made(x, DOCUMENT, POSITION, PROMPT)
    assert_close(received, made.norm(x))


def test_training_starts_near_the_identity() -> None:
    """A block adds little at first, whatever the depth: deep stacks then train without tricks."""
    x = torch.randn(1, 8, 64)
    document, position = torch.zeros(1, 8, dtype=torch.int64), torch.arange(8)[None]
    for depth in (2, 24):
        made = decoder.Config(width=64, depth=depth, heads=4, hidden=64).build()
        expected = torch.nn.functional.layer_norm(x, (64,))
        assert (made(x, document, position, position < 1) - expected).abs().max() < 0.3
