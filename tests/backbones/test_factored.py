"""Factored attention against its equations in numpy, and against the decoder where all slots are of one kind.

Letters: B rows, T slots, S key slots, D width, X axes (kind, moment, spot).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from opengato.backbones import decoder, factored
from opengato.backbones.factored import FactoredBlock
from tests.close import assert_close
from tests.tiny import sharpen

SHAPE: dict[str, Any] = {"width": 16, "depth": 2, "heads": 2, "hidden": 12, "window": 7, "sinks": 2}
PLAIN = decoder.Config(**SHAPE)
CONFIG = factored.Config(**SHAPE, kinds=3)
VARIANTS = [
    replace(CONFIG, combine=combine, within=within)
    for combine in ("sum", "gate", "project")
    for within in ("whole", "divided")
]
DOCUMENT = torch.tensor([[0] * 8 + [1] * 4, [0] * 10 + [-1] * 2])
POSITION = torch.tensor([[*range(8), *range(4)], list(range(12))])
PLACES = DOCUMENT, POSITION, POSITION < 1
# The first kind holds two spots of each moment, the second one; the third comes in between, and now and then alone.
KIND = torch.tensor([[0, 0, 1, 2, 0, 0, 1, 2, 0, 0, 2, 2], [2, 2, 0, 0, 1, 0, 0, 1, 2, 0, 0, 0]])
MOMENT = torch.tensor([[0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0], [-1, -1, 0, 0, 0, 1, 1, 1, 1, 2, 2, 0]])
SPOT = torch.tensor([[0, 1, 2, -1, 0, 1, 2, -1, 0, 1, -1, -1], [-1, -1, 0, 1, 2, 0, 1, 2, -1, 0, 1, 0]])
AXES = torch.stack([KIND, MOMENT, SPOT], -1)


def made(config: Any) -> Any:
    trunk = config.build()
    sharpen(trunk)
    for parameter in trunk.parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, 0.5, 1.5)
    return trunk.eval()


def inputs() -> Tensor:
    return torch.randn(2, 12, SHAPE["width"], generator=torch.Generator().manual_seed(1))


def visible(b: int, t: int, s: int) -> bool:
    """The past of the document within the window, and its first slot."""
    past = int(POSITION[b, t] - POSITION[b, s])
    return bool(DOCUMENT[b, t] == DOCUMENT[b, s]) and past >= 0 and (past < 7 or int(POSITION[b, s]) < 1)


def attention(q_TK: np.ndarray, k_TK: np.ndarray, v_TK: np.ndarray, t: int, seen: list[int]) -> np.ndarray:
    """Attention(X^m, X^n, X^n) of one slot and head; nothing where it sees none of n."""
    if not seen:
        return np.zeros(v_TK.shape[1])
    score = np.array([q_TK[t] @ k_TK[s] / np.sqrt(q_TK.shape[1]) for s in seen])
    share = np.exp(score - score.max())
    return share @ v_TK[seen] / share.sum()


def read(config: factored.Config, b: int, t: int) -> list[list[int]]:
    """The slots of each sight: A^m, or its two factors, then B^mn for each n."""
    m, past = KIND[b, t], [s for s in range(12) if visible(b, t, s)]
    own = [s for s in past if KIND[b, s] == m]
    if config.within == "divided":
        space = [s for s in own if MOMENT[b, s] == MOMENT[b, t]]
        time = [s for s in own if SPOT[b, s] == SPOT[b, t] and MOMENT[b, s] != MOMENT[b, t]]
        within = [space, time]
    else:
        within = [own]
    return within + [[s for s in past if KIND[b, s] == n and n != m] for n in range(3)]


@pytest.mark.parametrize("config", VARIANTS)
@torch.inference_mode()
def test_attention_by_its_equations(config: factored.Config) -> None:
    """Y^m = Combine(A^m, {B^mn}), slot by slot and head by head, in a block that adds nothing else."""
    trunk = made(replace(config, depth=1))
    layer = trunk.blocks[0]
    assert isinstance(layer, FactoredBlock)
    nn.init.zeros_(layer.block.feed_forward.out.weight)
    angles = trunk._angles(POSITION, torch.float32)
    q, k, v = (x.double().numpy() for x in layer.block.project(inputs(), angles))
    normed = layer.block.norm_attention(inputs()).double().numpy()
    out = layer.block.out.weight.double().numpy()
    expected = inputs().double().numpy()
    for b in range(2):
        for t in range(10 if b else 12):  # the rest is padding
            sights = read(config, b, t)
            seen = np.array([[attention(q[b, h], k[b, h], v[b, h], t, s) for h in range(2)] for s in sights])
            if config.combine == "gate":
                gate = 1 / (1 + np.exp(-layer.combine.gate.weight.double().numpy() @ normed[b, t]))
                seen[1:] *= gate.reshape(-1, 2, 1)
            y = seen.reshape(-1) if config.combine == "project" else seen.sum(0).reshape(-1)
            expected[b, t] += out @ y
    received = next(trunk.residuals(inputs(), *PLACES, AXES))
    real = DOCUMENT >= 0
    assert_close(received[real], torch.from_numpy(expected)[real].float(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("config", VARIANTS)
@torch.inference_mode()
def test_one_kind_is_the_decoder(config: factored.Config) -> None:
    """Whole also over several moments; divided only where all is there at once."""
    trunk, plain = made(config), PLAIN.build().eval()
    state = {name.replace(".block.", "."): tensor for name, tensor in trunk.state_dict().items()}
    state = {name: tensor[:, :16] if name.endswith(".out.weight") else tensor for name, tensor in state.items()}
    for name in plain.state_dict():
        if name.endswith("feed_forward.out.weight"):
            state[name] = trunk.state_dict()[name.replace(".feed", ".block.feed")]
    plain.load_state_dict({name: tensor for name, tensor in state.items() if ".combine." not in name})
    expected = plain(inputs(), *PLACES)
    axes = AXES.clone()
    axes[..., 0] = 2
    if config.within == "divided":
        axes[..., 1:] = 5
    assert_close(trunk(inputs(), *PLACES, axes), expected)
    assert_close(trunk(inputs(), *PLACES), expected)
    assert (trunk(inputs(), *PLACES, AXES) - expected).abs().max() > 0.1


@pytest.mark.parametrize("config", VARIANTS)
def test_nothing_is_seen_of_the_future_or_of_another_document(config: factored.Config) -> None:
    trunk = made(config)
    for b, t in ((0, 5), (0, 7), (0, 10), (1, 9)):
        x = inputs().requires_grad_()
        (trunk(x, *PLACES, AXES)[b, t] * inputs()[0, 0]).sum().backward()
        assert x.grad is not None
        reached = x.grad.abs().amax(-1) > 0
        allowed = torch.zeros(2, 12, dtype=torch.bool)
        allowed[b, : t + 1] = DOCUMENT[b, : t + 1] == DOCUMENT[b, t]
        assert not (reached & ~allowed).any()


@torch.inference_mode()
def test_what_lies_beside_in_both_space_and_time_is_not_read_when_divided() -> None:
    """One layer: of its own kind a slot reads its moment and its spot alone."""
    trunk = made(replace(CONFIG, depth=1, within="divided"))
    before = trunk(inputs(), *PLACES, AXES)
    changed = inputs()
    changed[0, 1] *= -2  # spot 1 of moment 0
    after = trunk(changed, *PLACES, AXES)
    moved = (after != before).any(-1)[0].tolist()
    assert not moved[4], "spot 0 of moment 1, of the same kind"
    assert moved[5], "spot 1 of moment 1"
    assert moved[6], "another kind"


@pytest.mark.parametrize("config", VARIANTS)
@torch.inference_mode()
def test_the_weights_shown_are_of_what_is_seen(config: factored.Config) -> None:
    weights = made(config).attention(2, inputs(), *PLACES, AXES)
    assert_close(weights.sum(-1), torch.ones(2, 2, 12))
    for b in range(2):
        for t in range(10 if b else 12):
            seen = sorted({s for sight in read(config, b, t) for s in sight})
            assert (weights[b, :, t] > 0).any(0).nonzero()[:, 0].tolist() == seen


@pytest.mark.parametrize("wrong", [{"combine": "some"}, {"within": "all"}, {"kinds": 0}])
def test_settings_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unknown `combine` 'some'|unknown `within` 'all'|`kinds` is 0"):
        replace(CONFIG, **wrong)
