"""Pathways against their equations in numpy, against the decoder where there is one path, and their costs by hand.

Letters: N all slots, E paths, C paths that a slot takes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from opengato.backbones import decoder, pathways
from opengato.backbones.pathways import ParallelPaths, sparse
from opengato.backbones.pathways.sparse import RoutedBlock, imbalance
from opengato.nn.blocks import Block
from tests.close import assert_close
from tests.tiny import sharpen

SHAPE: dict[str, Any] = {"width": 16, "depth": 2, "heads": 2, "hidden": 12, "window": 5, "sinks": 2}
PLAIN = decoder.Config(**SHAPE)
DENSE = pathways.Config(**SHAPE, paths=3)
SPARSE = sparse.Config(**SHAPE, paths=5, chosen=2)
DOCUMENT = torch.tensor([[0] * 6 + [1] * 4, [0] * 7 + [-1] * 3])
POSITION = torch.tensor([[*range(6), *range(4)], list(range(10))])
PLACES = DOCUMENT, POSITION, POSITION < 1
REAL = DOCUMENT >= 0


def made(config: Any, seed: int = 0) -> Any:
    trunk = config.build()
    sharpen(trunk, seed)
    for name, parameter in trunk.named_parameters():
        if parameter.ndim == 1:
            nn.init.uniform_(parameter, 0.5, 1.5) if "norm" in name else nn.init.normal_(parameter)
    return trunk.eval()


def inputs() -> Tensor:
    return torch.randn(2, 10, SHAPE["width"], generator=torch.Generator().manual_seed(1))


@torch.inference_mode()
def test_a_dense_layer_is_the_weighted_sum_of_its_paths() -> None:
    """h^(l+1) = sum_i w_i Pathway_i(h^(l)), with each path a decoder of one layer, and w a softmax."""
    trunk, layers = made(DENSE), []
    for blocks in trunk.blocks:
        for block in blocks.paths:
            one = replace(PLAIN, depth=1).build().eval()
            one.blocks[0].load_state_dict(block.state_dict())
            layers.append(one)
    x = inputs()
    for number, layer in enumerate(trunk.blocks):
        e = np.exp(layer.weight.double().numpy())
        paths = [next(one.residuals(x, *PLACES)).double().numpy() for one in layers[3 * number : 3 * number + 3]]
        x = torch.from_numpy(sum(w * path for w, path in zip(e / e.sum(), paths, strict=True))).float()
    assert_close(trunk(inputs(), *PLACES), trunk.norm(x), atol=1e-4, rtol=1e-4)


def plain_state(trunk: Any) -> dict[str, Tensor]:
    """The weights of a trunk of one path under the names of the decoder."""
    path = "." if isinstance(trunk.blocks[0], ParallelPaths) else ".feed_forward."
    return {
        name.replace(".paths.0.", path).replace(".shared.", "."): tensor
        for name, tensor in trunk.state_dict().items()
        if not re.search(r"router|^blocks\.\d+\.weight$", name)
    }


@pytest.mark.parametrize("config", [replace(DENSE, paths=1), replace(SPARSE, paths=1, chosen=1)])
@torch.inference_mode()
def test_one_path_is_the_decoder(config: Any) -> None:
    trunk, plain = made(config), PLAIN.build().eval()
    plain.load_state_dict(plain_state(trunk))
    assert_close(trunk(inputs(), *PLACES), plain(inputs(), *PLACES))


@torch.inference_mode()
def test_a_sparse_layer_by_its_equation() -> None:
    """h + sum over the top k of w_i FF_i(norm(h)), slot by slot, where h is the stream after attention."""
    trunk = made(replace(SPARSE, depth=1))
    block = trunk.blocks[0]
    assert isinstance(block, RoutedBlock)
    plain = Block(PLAIN)
    nothing = {f"feed_forward.{name}": torch.zeros_like(t) for name, t in block.paths[0].state_dict().items()}
    plain.load_state_dict({**block.shared.state_dict(), **nothing})
    angles = trunk._angles(POSITION, torch.float32)
    attended = plain(inputs(), angles, trunk._mask(*PLACES)).flatten(0, 1)  # its feed-forward gives nothing
    normed = plain.norm_hidden(attended)
    router = block.router.weight.double().numpy()
    expected = attended.double().numpy()
    taken = set()
    for n, z in enumerate(normed):
        score = np.exp(router @ z.double().numpy())
        weight = score / score.sum()
        best = sorted(range(5), key=lambda i: -weight[i])[:2]
        taken |= set(best)
        expected[n] += sum(weight[i] * block.paths[i](z).double().numpy() for i in best)
    assert taken == set(range(5))
    received = next(trunk.residuals(inputs(), *PLACES)).flatten(0, 1)
    assert_close(received, torch.from_numpy(expected).float(), atol=1e-4, rtol=1e-4)


@torch.inference_mode()
def test_all_paths_chosen_are_a_soft_mixture() -> None:
    """Then the weights sum to 1, and equal paths are one."""
    trunk, one = made(replace(SPARSE, chosen=5)), made(replace(SPARSE, paths=1, chosen=1))
    state = one.state_dict()
    for name in trunk.state_dict():
        if ".paths." in name:
            first, _, rest = name.partition(".paths.")
            state[name] = state[f"{first}.paths.0.{rest.partition('.')[2]}"]
        elif ".router." in name:
            state[name] = trunk.state_dict()[name]
    trunk.load_state_dict(state)
    assert_close(trunk(inputs(), *PLACES), one(inputs(), *PLACES), atol=1e-4, rtol=1e-4)


def test_the_imbalance_by_hand() -> None:
    share_NE = torch.tensor([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [0.0, 0.0, 1.0]])
    path_NC = share_NE.topk(1).indices
    real_N = torch.tensor([True, True, True, False])
    fallen, mean = [2 / 3, 0, 1 / 3], [1.5 / 3, 0.8 / 3, 0.7 / 3]
    expected = 3 * sum(f * p for f, p in zip(fallen, mean, strict=True))
    assert float(imbalance(share_NE, path_NC, real_N)) == pytest.approx(expected)
    even = torch.full((6, 3), 1 / 3)
    assert float(imbalance(even, torch.tensor([[0, 1], [1, 2], [2, 0]] * 2), None)) == pytest.approx(1.0)
    assert float(imbalance(torch.eye(3)[[0] * 6], torch.zeros(6, 1, dtype=torch.int64), None)) == pytest.approx(3.0)


def test_the_cost_of_a_batch_leaves_padding_out_and_reaches_the_router() -> None:
    trunk = made(SPARSE)
    cost = trunk.with_costs(inputs(), *PLACES)[1]["balance"]
    changed = inputs()
    changed[~REAL] *= -2
    assert torch.equal(trunk.with_costs(changed, *PLACES)[1]["balance"], cost)
    assert SPARSE.balance * 0.5 < float(cost.detach()) < SPARSE.balance * 5
    cost.backward()
    assert all(float(block.router.weight.grad.abs().max()) > 0 for block in trunk.blocks)


def test_a_step_against_the_imbalance_lessens_it() -> None:
    trunk = made(replace(SPARSE, balance=1.0)).train()
    optimizer = torch.optim.SGD([block.router.weight for block in trunk.blocks], 0.3)
    costs = []
    for _ in range(30):
        optimizer.zero_grad()
        cost = trunk.with_costs(inputs(), *PLACES)[1]["balance"]
        cost.backward()
        optimizer.step()
        costs.append(float(cost.detach()))
    assert costs[-1] < costs[0]


@torch.inference_mode()
def test_paths_stay_on_their_devices_wherever_the_network_goes() -> None:
    """Two processors are not there to be tested with: `cpu:0` and `cpu` are one, but named twice."""
    for config in (DENSE, SPARSE):
        trunk, placed = made(config), replace(config, devices=("cpu", "cpu:0")).build().eval()
        placed.load_state_dict(trunk.state_dict())
        placed.double().float()
        assert_close(placed(inputs(), *PLACES), trunk(inputs(), *PLACES))
        cache, rows = placed.new_cache(2), torch.arange(2)
        full = torch.ones(2, 10, dtype=torch.bool)
        position = torch.arange(10).expand(2, 10)
        received = placed.extend(inputs(), position, position < 1, full, cache, rows)
        assert_close(received, trunk(inputs(), 0 * position, position, position < 1), atol=1e-4, rtol=1e-4)
        elsewhere: Any = replace(config, devices=("cpu", "meta")).build().double()
        devices = {str(next(path.parameters()).device) for path in elsewhere.blocks[0].paths}
        assert devices == {"cpu", "meta"}
        assert trunk.to("meta").norm.weight.is_meta


@torch.inference_mode()
def test_shapes_alone_can_be_asked_for() -> None:
    for config in (DENSE, SPARSE):
        trunk = config.build().to("meta")
        places = [place.to("meta") for place in PLACES]
        assert trunk(inputs().to("meta"), *places).shape == (2, 10, 16)


@pytest.mark.parametrize(
    ("config", "wrong"),
    [(DENSE, {"paths": 0}), (SPARSE, {"chosen": 6}), (SPARSE, {"chosen": 0}), (DENSE, {"heads": 3})],
)
def test_settings_that_do_not_fit_are_refused(config: Any, wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"expected 1 |must be a whole even number"):
        replace(config, **wrong)
