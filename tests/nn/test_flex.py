"""Blocks of a sight against the mask slot by slot, and trunks that use them against the same trunks with the mask.

The kernel for GPUs runs nowhere here: on a CPU torch writes the same attention out, and its gradient, which it refuses
by default. Letters: B rows, T slots, S key slots, U blocks of queries, W blocks of keys.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import chain
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.attention import flex_attention

from opengato.backbones import decoder, encoder, palm, pathways
from opengato.backbones.palm import encoder as palm_encoder
from opengato.backbones.pathways import sparse
from opengato.backbones.stack import Stack
from opengato.nn.attention import same_document, visible
from opengato.nn.flex import BLOCK, blocks_seen, documents_seen
from tests.close import assert_close
from tests.tiny import sharpen

Row = list[tuple[int, int, int, int]]
"""Documents of a row: slots, slots of the instruction, positions that are left out after it, and its number."""
ROWS: dict[str, tuple[list[Row], int, int]] = {
    "one document": ([[(512, 3, 0, 0)]], 1024, 4),
    "documents of whole blocks": ([[(128, 3, 0, 0), (256, 3, 0, 1), (128, 0, 0, 2)]], 1024, 4),
    "documents of any length and padding": (
        [[(100, 3, 0, 0), (200, 9, 0, 1), (50, 1, 0, 2), (162, 0, 0, -1)], [(500, 1, 0, 0), (12, 0, 0, -1)]],
        1024,
        4,
    ),
    "nothing but padding": ([[(512, 0, 0, -1)]], 1024, 4),
    "a window, and instructions that stay in sight": ([[(300, 70, 0, 0), (212, 5, 0, 1)]], 50, 64),
    "a window within a block": ([[(512, 2, 0, 0)]], 3, 0),
    "a document whose middle is left out": ([[(256, 20, 1000, 0), (256, 2, 90, 1)]], 200, 16),
}  # fmt: skip


def places(rows: list[Row]) -> tuple[Tensor, Tensor, Tensor]:
    """Documents, positions and instructions (B, T)."""
    made = []
    for row in rows:
        for slots, told, gap, number in row:
            position = [t if t < told else t + gap for t in range(slots)] if number >= 0 else [0] * slots
            made.append(([number] * slots, position, [number >= 0 and t < told for t in range(slots)]))
    columns = [torch.tensor([*chain(*parts)]).view(len(rows), -1) for parts in zip(*made, strict=True)]
    return columns[0], columns[1], columns[2]


@pytest.mark.parametrize("name", ROWS)
def test_blocks_hold_what_is_seen_and_no_block_is_listed_in_vain(name: str) -> None:
    rows, window, sinks = ROWS[name]
    document, position, prompt = places(rows)
    kept = prompt & (position < sinks)
    mask = same_document(document) & visible(position, position, kept, window)
    mask |= torch.eye(mask.shape[1], dtype=torch.bool)
    blocks = blocks_seen(document, position, kept, window)
    b, t = torch.arange(len(mask))[:, None, None], torch.arange(mask.shape[1])
    assert torch.equal(blocks.mask_mod(b, torch.tensor(0), t[:, None], t), mask)
    parts = mask.unflatten(2, (-1, BLOCK)).unflatten(1, (-1, BLOCK))
    any_BUW, all_BUW = parts.any(4).any(2), parts.all(4).all(2)
    full_BUW = listed(blocks.full_kv_num_blocks, blocks.full_kv_indices)
    asked_BUW = listed(blocks.kv_num_blocks, blocks.kv_indices)
    assert not (full_BUW & asked_BUW).any(), "a block is asked slot by slot, or it is not"
    assert torch.equal(full_BUW | asked_BUW, any_BUW)
    assert torch.equal(full_BUW, all_BUW)


def listed(num_BU: Tensor | None, number_BUW: Tensor | None) -> Tensor:
    """Blocks (B, U, W) that the lists of a sight name."""
    assert num_BU is not None
    assert number_BUW is not None
    assert num_BU.dtype == number_BUW.dtype == torch.int32
    found = torch.zeros(number_BUW[:, 0].shape, dtype=torch.bool)
    for b, u in torch.cartesian_prod(*map(torch.arange, found.shape[:2])).tolist():
        for number in number_BUW[b, 0, u, : num_BU[b, 0, u]]:
            assert not found[b, u, number]
            found[b, u, number] = True
    return found


def test_all_of_a_document_is_seen_by_blocks_as_by_a_mask() -> None:
    document, _, _ = places(ROWS["documents of any length and padding"][0])
    b, t = torch.arange(len(document))[:, None, None], torch.arange(document.shape[1])
    assert torch.equal(documents_seen(document).mask_mod(b, torch.tensor(0), t[:, None], t), same_document(document))


SHAPE: dict[str, Any] = {"width": 32, "depth": 2, "hidden": 24}
FEW_KEYS: dict[str, Any] = {"heads": 4, "key_heads": 2, "head_width": 16}
TRUNKS: dict[str, Any] = {
    "decoder": decoder.Config(**SHAPE, heads=2, window=90, sinks=8),
    "decoder, recomputed": decoder.Config(**SHAPE, heads=2, window=90, sinks=8, recompute=True),
    "palm": palm.Config(**SHAPE, **FEW_KEYS, window=90, sinks=8),
    "pathways": pathways.Config(**SHAPE, heads=2, window=90, sinks=8),
    "sparse pathways": sparse.Config(**SHAPE, heads=2, window=90, sinks=8),
    "encoder": encoder.Config(**SHAPE, heads=2),
    "encoder of palm": palm_encoder.Config(**SHAPE, **FEW_KEYS),
}


@pytest.fixture
def written_out(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Attention by blocks on a CPU, with its gradient."""
    monkeypatch.setattr(flex_attention, "_validate_device", lambda *_: None)
    yield
    torch.compiler.reset()


@pytest.mark.usefixtures("written_out")
@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile:UserWarning")
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # torch's compiler asks for it
@pytest.mark.parametrize("name", TRUNKS)
def test_a_trunk_that_trains_in_blocks_gives_the_same_and_its_gradients(name: str) -> None:
    torch.manual_seed(0)
    trunk = TRUNKS[name].build()
    assert isinstance(trunk, Stack)
    sharpen(trunk)
    trunk.train()
    row: Row = [(70, 3, 0, 0), (150, 12, 0, 1), (36, 0, 0, -1)]
    other: Row = [(120, 20, 300, 0), (136, 2, 0, 1)]
    where = places([row, other])
    found = []
    for in_blocks in (False, True):
        trunk.in_blocks = in_blocks
        assert isinstance(trunk._sight(*where), flex_attention.BlockMask) == in_blocks
        x = torch.randn(2, 2 * BLOCK, 32, generator=torch.Generator().manual_seed(1), requires_grad=True)
        hidden = trunk.with_costs(x, *where)[0].masked_fill((where[0] < 0)[..., None], 0)  # of padding nobody asks
        weights = torch.randn(hidden.shape, generator=torch.Generator().manual_seed(2))
        asked = [x, *trunk.parameters()]
        found.append([hidden, *torch.autograd.grad((hidden * weights).sum(), asked)])
    for masked, blocked in zip(*found, strict=True):
        assert_close(blocked, masked, atol=2e-4, rtol=2e-4)


@pytest.mark.usefixtures("written_out")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch", "ignore:The .grad attribute:UserWarning")
def test_a_compiled_block_takes_the_sight_of_each_batch_and_is_compiled_once() -> None:
    """Up to the kernel: what torch makes of a block, forward and backward, before it is turned into kernels."""
    torch.manual_seed(0)
    trunk = TRUNKS["decoder"].build().train()
    sharpen(trunk)
    graphs = []

    def backend(graph: Any, inputs: Any) -> Any:
        graphs.append(graph)
        return torch._dynamo.lookup_backend("aot_eager")(graph, inputs)

    compiled = copy.deepcopy(trunk)
    compiled.in_blocks = True
    for block in compiled.blocks:
        block.compile(dynamic=False, backend=backend)
    for row in ([(70, 3, 0, 0), (150, 12, 0, 1), (36, 0, 0, -1)], [(256, 9, 0, 0)], [(2, 1, 0, 0), (254, 3, 0, 1)]):
        found = []
        for made in (trunk, compiled):
            x = torch.randn(1, 2 * BLOCK, 32, generator=torch.Generator().manual_seed(1), requires_grad=True)
            hidden = made(x, *places([row])).masked_fill((places([row])[0] < 0)[..., None], 0)
            found.append([hidden, *torch.autograd.grad(hidden.square().sum(), [x, *made.parameters()])])
        for masked, blocked in zip(*found, strict=True):
            assert_close(blocked, masked, atol=2e-3, rtol=2e-4)
        assert len(graphs) == 1


def test_blocks_are_for_training_on_whole_blocks() -> None:
    trunk = TRUNKS["decoder"].build().train()
    whole, odd = (places([[(slots, 2, 0, 0)]]) for slots in (BLOCK, BLOCK + 1))
    assert isinstance(trunk._sight(*whole), Tensor), "not told to"
    trunk.in_blocks = True
    assert isinstance(trunk._sight(*whole), flex_attention.BlockMask)
    assert isinstance(trunk._sight(*odd), tuple), "a mask in stairs"
    with torch.no_grad():
        shown = trunk.attention(2, torch.randn(1, BLOCK, 32), *whole)
    assert_close(shown.sum(-1), torch.ones(1, 2, BLOCK))
    assert isinstance(trunk.eval()._sight(*whole), Tensor)
