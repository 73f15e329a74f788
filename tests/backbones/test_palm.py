"""PaLM's decoder and its encoder form against the equations in numpy, head by head and slot by slot.

Letters: T slots, D width, K head width.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from opengato.backbones import palm
from opengato.backbones.palm import encoder
from tests.close import assert_close
from tests.tiny import sharpen

SHAPE: dict[str, Any] = {"width": 12, "depth": 2, "heads": 4, "head_width": 6, "hidden": 10}
CONFIG = palm.Config(**SHAPE, window=5, sinks=2)
ENCODER = encoder.Config(**SHAPE)
SLOTS = 9
POSITION = torch.tensor([[0, 1, 2, *range(20, 26)]])
DOCUMENT, PROMPT = torch.zeros_like(POSITION), POSITION < 1


def made(config: Any) -> Any:
    trunk = config.build()
    sharpen(trunk)
    for parameter in trunk.parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, 0.5, 1.5)
    return trunk.eval()


def inputs() -> torch.Tensor:
    return torch.randn(1, SLOTS, SHAPE["width"], generator=torch.Generator().manual_seed(1))


def normed(x_TD: np.ndarray, scale_D: np.ndarray) -> np.ndarray:
    mean, variance = x_TD.mean(-1, keepdims=True), x_TD.var(-1, keepdims=True)
    return (x_TD - mean) / np.sqrt(variance + 1e-5) * scale_D


def turned(x_K: np.ndarray, position: int) -> np.ndarray:
    """[Su et al. 2021, eq. 34] with pairs (i, i + K/2)."""
    half = len(x_K) // 2
    out = np.zeros_like(x_K)
    for i in range(half):
        angle = position * 10_000.0 ** (-2 * i / len(x_K))
        out[i] = x_K[i] * np.cos(angle) - x_K[i + half] * np.sin(angle)
        out[i + half] = x_K[i + half] * np.cos(angle) + x_K[i] * np.sin(angle)
    return out


def attention(x_TD: np.ndarray, weights: tuple[np.ndarray, ...], key_heads: int, mask_TT: np.ndarray) -> np.ndarray:
    """Heads side by side (T, H K); the queries of H / key_heads heads in turn share keys and values."""
    q, k, v = (x_TD @ weight.T for weight in weights)
    heads, width = SHAPE["heads"], SHAPE["head_width"]
    out = np.zeros((len(x_TD), heads * width))
    for h in range(heads):
        mine = slice(h * width, (h + 1) * width)
        shared = slice(h // (heads // key_heads) * width, (h // (heads // key_heads) + 1) * width)
        for t in range(len(x_TD)):
            query = turned(q[t, mine], int(POSITION[0, t]))
            seen = [s for s in range(len(x_TD)) if mask_TT[t, s]]
            scores = [query @ turned(k[s, shared], int(POSITION[0, s])) / np.sqrt(width) for s in seen]
            share = np.exp(scores - np.max(scores))
            out[t, mine] = sum(w * v[s, shared] for w, s in zip(share / share.sum(), seen, strict=True))
    return out


def swiglu(x_TD: np.ndarray, gate_and_value: np.ndarray, out: np.ndarray) -> np.ndarray:
    gate, value = np.split(x_TD @ gate_and_value.T, 2, -1)
    return (gate / (1 + np.exp(-gate)) * value) @ out.T


def numbers(trunk: nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.double().numpy() for name, tensor in trunk.state_dict().items()}


@pytest.mark.parametrize("key_heads", [1, 2, 4])
@torch.inference_mode()
def test_the_decoder_by_its_equations(key_heads: int) -> None:
    """y = x + MLP(LN(x)) + Attention(LN(x)), and a norm at the end."""
    config = replace(CONFIG, key_heads=key_heads)
    trunk = made(config)
    state, x = numbers(trunk), inputs()[0].double().numpy()
    position = POSITION[0].numpy()
    past = position[:, None] - position[None, :]
    mask = (past >= 0) & ((past < config.window) | (position < 1)[None, :])
    q, k = 4 * 6, key_heads * 6
    for layer in range(2):
        inward, outward = state[f"blocks.{layer}.inward.weight"], state[f"blocks.{layer}.outward.weight"]
        both = normed(x, state[f"blocks.{layer}.norm.weight"])
        seen = attention(both, (inward[:q], inward[q : q + k], inward[q + k : q + 2 * k]), key_heads, mask)
        x = x + swiglu(both, inward[q + 2 * k :], outward[:, q:]) + seen @ outward[:, :q].T
    expected = torch.from_numpy(normed(x, state["norm.weight"])).float()
    assert_close(trunk(inputs(), DOCUMENT, POSITION, PROMPT)[0], expected, atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_the_encoder_by_its_equations() -> None:
    """x = LN(x + Attention(x)), then x = LN(x + MLP(x)), and nothing after it."""
    trunk = made(ENCODER)
    state, x = numbers(trunk), inputs()[0].double().numpy()
    mask, q, k = np.ones((SLOTS, SLOTS), bool), 4 * 6, 6
    for layer in range(2):
        mine = {name.removeprefix(f"blocks.{layer}."): value for name, value in state.items()}
        qkv = mine["qkv.weight"]
        seen = attention(x, (qkv[:q], qkv[q : q + k], qkv[q + k :]), 1, mask) @ mine["out.weight"].T
        x = normed(x + seen, mine["norm_attention.weight"])
        inner = swiglu(x, mine["feed_forward.gate_and_value.weight"], mine["feed_forward.out.weight"])
        x = normed(x + inner, mine["norm_hidden.weight"])
    expected = torch.from_numpy(x).float()
    assert_close(trunk(inputs(), DOCUMENT, POSITION, PROMPT)[0], expected, atol=1e-4, rtol=1e-4)


def test_no_layer_has_a_bias() -> None:
    for config in (CONFIG, ENCODER):
        assert not any("bias" in name for name, _ in config.build().named_parameters())


@torch.inference_mode()
def test_one_head_of_keys_is_many_equal_ones_and_keeps_a_fraction_of_the_cache() -> None:
    one, many = made(CONFIG), made(replace(CONFIG, key_heads=4))
    state, q, k = one.state_dict(), 24, 6
    for layer in range(2):
        name = f"blocks.{layer}.inward.weight"
        parts = state[name].split((q, k, k, 20))
        state[name] = torch.cat([parts[0], parts[1].repeat(4, 1), parts[2].repeat(4, 1), parts[3]])
    many.load_state_dict(state)
    places = DOCUMENT, POSITION, PROMPT
    assert_close(one(inputs(), *places), many(inputs(), *places))
    caches = [trunk.new_cache(3) for trunk in (one, many)]
    assert [cache.key.shape[2] for cache in caches] == [1, 4]
    assert 4 * caches[0].key.nbytes == caches[1].key.nbytes


@torch.inference_mode()
def test_attention_is_shown_as_it_is_paid() -> None:
    trunk = made(CONFIG)
    places = DOCUMENT, POSITION, PROMPT
    weights = trunk.attention(2, inputs(), *places)
    assert weights.shape == (1, 4, SLOTS, SLOTS)
    assert_close(weights.sum(-1), torch.ones(1, 4, SLOTS))
    past = POSITION[0][:, None] - POSITION[0]
    assert ((weights > 0) == ((past >= 0) & ((past < 5) | (POSITION[0] < 1)))).all()


def test_weights_are_drawn_with_one_over_the_root_of_the_inputs() -> None:
    block = palm.Config(width=256, depth=1, heads=4, head_width=32, hidden=1024).build().blocks[0]
    inward, outward = (getattr(block, name).weight for name in ("inward", "outward"))
    for weight, inputs in ((inward, 256), (outward[:, :128], 128), (outward[:, 128:], 1024)):
        assert float(weight.detach().std()) == pytest.approx(inputs**-0.5, rel=0.02)


@pytest.mark.parametrize("wrong", [{"key_heads": 3}, {"key_heads": 0}, {"head_width": 5}, {"drop_path": 1.0}])
def test_settings_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be a multiple of|expected an even number|expected a probability"):
        replace(CONFIG, **wrong)
