"""What every backbone owes the agent; a new folder under `opengato/backbones` is tested the moment it exists.

Letters: B rows, T slots, D width, X axes (kind, moment, spot).
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from opengato.backbones import causal
from opengato.core.backbone import AxialBackbone, Backbone, CachedBackbone
from opengato.core.config import plugins
from opengato.nn.attention import STEP
from opengato.nn.cache import Cache, FixedCache, RollingCache
from tests.close import assert_close
from tests.contracts.found import assert_survives_json, config_of, variants
from tests.tiny import sharpen

WINDOW = 12
SMALL: dict[str, Any] = {
    "width": 16, "depth": 2, "heads": 2, "head_width": 6, "hidden": 24, "window": WINDOW, "sinks": 3, "latents": 4,
    "kinds": 3,
}  # fmt: skip
VARIANTS = variants("backbones")
# Two documents and padding; a document of which the middle was cut out, then another.
DOCUMENT = torch.tensor([[0] * 7 + [1] * 9 + [-1] * 4, [0] * 11 + [1] * 9])
POSITION = torch.tensor(
    [[*range(7), *range(9), 0, 0, 0, 0], [*range(3), *range(40, 48), *range(9)]],
)
PROMPT = torch.tensor(
    [[True, True] + [False] * 5 + [True] + [False] * 12, [True] * 3 + [False] * 8 + [True] * 5 + [False] * 4]
)


def backbone(variant: str, seed: int = 0) -> Backbone:
    torch.manual_seed(seed)
    made = config_of("backbones", variant, **SMALL).build()
    sharpen(made, seed)
    return made.eval()


def axes(made: Backbone, position: Tensor) -> tuple[Tensor, ...]:
    """Three kinds in turn, moments of four slots, in each of which there are two spots; for trunks that ask."""
    numbers = torch.stack([position % 3, position // 4, position % 2], -1)
    return (numbers,) if isinstance(made, AxialBackbone) else ()


def vectors(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, SMALL["width"], generator=torch.Generator().manual_seed(seed))


def test_every_folder_has_a_config() -> None:
    assert {variant.split("/")[0] for variant in VARIANTS} == set(plugins("backbones"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_config_survives_json(variant: str) -> None:
    assert_survives_json(config_of("backbones", variant))


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_says_its_width_and_keeps_the_shape(variant: str) -> None:
    made = backbone(variant)
    hidden = made(vectors(2, 20), DOCUMENT, POSITION, PROMPT)
    assert hidden.shape == (2, 20, made.width)
    assert made.width == SMALL["width"]
    assert torch.isfinite(hidden).all(), "padding is no reason for nan"
    assert isinstance(made.causal, bool)


@pytest.mark.parametrize("variant", VARIANTS)
def test_its_final_norm_is_a_small_part_of_it(variant: str) -> None:
    """Scales or shifts of what it gives, number by number."""
    made = backbone(variant)
    final = made.final_parameters()
    assert all(any(parameter is own for own in made.parameters()) for parameter in final)
    assert all(parameter.ndim == 1 for parameter in final)
    before = made(vectors(2, 20), DOCUMENT, POSITION, PROMPT)
    for parameter in final:
        with torch.no_grad():
            parameter[0] += 0.5
        after = made(vectors(2, 20), DOCUMENT, POSITION, PROMPT)
        assert torch.equal(after[..., 1:], before[..., 1:]), "it moves its own number and no other"
        assert not torch.equal(after[..., 0], before[..., 0])
        before = after


@pytest.mark.parametrize("variant", VARIANTS)
def test_nothing_is_seen_of_the_future(variant: str) -> None:
    made = backbone(variant)
    if not made.causal:
        pytest.skip("it is not causal, and says so")
    before = made(vectors(2, 20), DOCUMENT, POSITION, PROMPT)
    for t in range(20):
        changed = vectors(2, 20)
        changed[:, t] *= -2  # a shift of all numbers alike would be lost in a norm
        after = made(changed, DOCUMENT, POSITION, PROMPT)
        earlier = (DOCUMENT >= 0) & (torch.arange(20) < t)  # what padding holds, no one reads
        assert torch.equal(after[earlier], before[earlier]), f"slot {t} is seen before it"
        assert not torch.equal(after[:, t], before[:, t])
        if t in (0, 7, 11):  # the change of a document's first slot is seen by its second
            seen = (after[:, t + 1] != before[:, t + 1]).any(-1)
            assert seen[0 if t < 11 else 1]


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_stay_in_the_document_and_in_the_past(variant: str) -> None:
    made = backbone(variant)
    for b, t in ((0, 4), (0, 6), (0, 7), (0, 15), (1, 10), (1, 19)):
        x = vectors(2, 20).requires_grad_()
        (made(x, DOCUMENT, POSITION, PROMPT)[b, t] * vectors(1)[0]).sum().backward()
        assert x.grad is not None
        reached = x.grad.abs().amax(-1) > 0
        allowed = torch.zeros(2, 20, dtype=torch.bool)
        allowed[b] = DOCUMENT[b] == DOCUMENT[b, t]
        if made.causal:
            allowed[b, t + 1 :] = False
        assert not (reached & ~allowed).any(), f"row {b} slot {t} sees {(reached & ~allowed).nonzero().tolist()}"
        assert reached[b, t]
        # and the past is seen: the slot before and the first of the document
        first = int(allowed[b].nonzero()[0, 0])
        assert reached[b, first]
        assert reached[b, max(first, t - 1)]


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_long_row_is_its_documents_one_by_one(variant: str) -> None:
    """Rows are long enough for a mask that is cut (`nn.attention.stairs`), full or padded; documents are not."""
    made, sizes = backbone(variant), (STEP - 28, STEP - 8, 30)
    x = vectors(1, sum(sizes))
    numbers = torch.cat([torch.full((size,), number) for number, size in enumerate(sizes)])[None]
    places = torch.cat([torch.arange(size) for size in sizes])[None]
    for padding in (0, 3):
        documents = F.pad(numbers, (0, padding), value=-1)
        told = torch.zeros_like(documents, dtype=torch.bool)
        whole = made(torch.cat([x, vectors(1, padding)], 1), documents, F.pad(places, (0, padding)), told)
        for number, size in enumerate(sizes):
            mine = numbers[0] == number
            apart = made(x[:, mine], torch.zeros_like(numbers[:, mine]), places[:, mine], told[:, :size])
            assert_close(whole[:, : sum(sizes)][:, mine], apart, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_documents_of_a_row_do_not_see_each_other(variant: str) -> None:
    made = backbone(variant)
    x = vectors(2, 20)
    before = made(x, DOCUMENT, POSITION, PROMPT)
    for number in (-1, 0, 1):
        mine = DOCUMENT.eq(number)
        after = made(torch.where(mine[..., None], vectors(2, 20, seed=1), x), DOCUMENT, POSITION, PROMPT)
        assert torch.equal(after[~mine], before[~mine])
        assert not torch.equal(after[mine], before[mine])


@pytest.mark.parametrize("variant", VARIANTS)
def test_packed_is_alone(variant: str) -> None:
    made = backbone(variant)
    x = vectors(2, 20)
    packed = made(x, DOCUMENT, POSITION, PROMPT)
    for b in range(2):
        for number in (0, 1):
            mine = DOCUMENT[b] == number
            document = torch.zeros(1, int(mine.sum()), dtype=torch.int64)
            alone = made(x[b, mine][None], document, POSITION[b, mine][None], PROMPT[b, mine][None])
            assert_close(alone[0], packed[b, mine], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_order_matters(variant: str) -> None:
    made = backbone(variant)
    document, position = torch.zeros(1, 6, dtype=torch.int64), torch.arange(6)[None]
    x = vectors(1, 6)
    turned = x[:, [1, 0, 2, 3, 4, 5]]
    places = document, position, position < 1
    assert (made(x, *places) - made(turned, *places))[:, -1].abs().max() > 1e-3


@pytest.mark.parametrize("variant", VARIANTS)
def test_weights_come_back(variant: str) -> None:
    made, other = backbone(variant), backbone(variant, seed=1)
    x = vectors(2, 20)
    expected = made(x, DOCUMENT, POSITION, PROMPT)
    assert not torch.equal(other(x, DOCUMENT, POSITION, PROMPT), expected)
    other.load_state_dict(made.state_dict())
    assert torch.equal(other(x, DOCUMENT, POSITION, PROMPT), expected)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_gets_a_gradient(variant: str) -> None:
    made = backbone(variant)
    made(vectors(2, 20), DOCUMENT, POSITION, PROMPT, *axes(made, POSITION)).square().sum().backward()
    for name, parameter in made.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("variant", VARIANTS)
@torch.inference_mode()
def test_what_it_asks_to_be_kept_small_is_numbers_beside_what_it_gives(variant: str) -> None:
    made = backbone(variant)
    hidden, costs = made.with_costs(vectors(2, 20), DOCUMENT, POSITION, PROMPT)
    assert torch.equal(hidden, made(vectors(2, 20), DOCUMENT, POSITION, PROMPT))
    assert all(cost.ndim == 0 and torch.isfinite(cost) for cost in costs.values())


def cached(variant: str) -> CachedBackbone:
    made = backbone(variant)
    if not isinstance(made, CachedBackbone):
        pytest.skip("it keeps no cache, and its class says so")
    return made


@pytest.mark.parametrize("kind", [RollingCache, FixedCache])
@pytest.mark.parametrize("variant", VARIANTS)
@torch.inference_mode()
def test_cached_is_uncached_long_after_the_window_has_rolled(
    variant: str, kind: type[Cache], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four sequences of different lengths, fed in pieces of any size, padded on the right, rows in any order."""
    monkeypatch.setattr(causal, "RollingCache", kind)
    made = cached(variant)
    lengths = [5 * WINDOW + 7, 3 * WINDOW, 9, 6 * WINDOW]
    prompts = [2, 0, 1, 8]
    inputs = [vectors(1, length, seed=row)[0] for row, length in enumerate(lengths)]
    expected = []
    for x, prompt in zip(inputs, prompts, strict=True):
        position = torch.arange(len(x))[None]
        places = torch.zeros_like(position), position, position < prompt
        expected.append(made(x[None], *places, *axes(made, position))[0])
    cache, done = made.new_cache(4), [0] * 4
    generator = torch.Generator().manual_seed(0)

    def draw(high: int) -> int:
        return int(torch.randint(1, high, (1,), generator=generator))

    while rows := [row for row in range(4) if done[row] < lengths[row]]:
        rows = [rows[i] for i in torch.randperm(len(rows), generator=generator)[: draw(len(rows) + 1)].tolist()]
        largest = draw(8) if draw(6) > 1 else WINDOW + 5  # now and then more than the window at once
        sizes = [min(draw(largest + 1), lengths[row] - done[row]) for row in rows]
        x = torch.full((len(rows), max(sizes), made.width), 1e3)  # what lies in padding must leave no trace
        position = torch.zeros(x.shape[:2], dtype=torch.int64)
        mask = torch.zeros(x.shape[:2], dtype=torch.bool)
        for b, (row, size) in enumerate(zip(rows, sizes, strict=True)):
            x[b, :size] = inputs[row][done[row] : done[row] + size]
            position[b, :size] = torch.arange(done[row], done[row] + size)
            mask[b, :size] = True
        prompt = position < torch.tensor([prompts[row] for row in rows])[:, None]
        hidden = made.extend(x, position, prompt, mask, cache, torch.tensor(rows), *axes(made, position))
        for b, (row, size) in enumerate(zip(rows, sizes, strict=True)):
            wanted = expected[row][done[row] : done[row] + size]
            assert_close(hidden[b, :size], wanted, atol=1e-4, rtol=1e-4)
            done[row] += size


@pytest.mark.parametrize("variant", VARIANTS)
@torch.inference_mode()
def test_a_cache_row_can_be_used_again(variant: str) -> None:
    made = cached(variant)
    cache = made.new_cache(2)
    full = torch.ones(2, 9, dtype=torch.bool)
    position = torch.arange(9).expand(2, 9)
    made.extend(vectors(2, 9, seed=5), position, position < 3, full, cache, torch.tensor([0, 1]))
    cache.reset(0)
    x = vectors(1, 4, seed=6)
    position = position[:1, :4]
    hidden = made.extend(x, position, position < 1, full[:1, :4], cache, torch.tensor([0]))
    expected = made(x, torch.zeros_like(position), position, position < 1)
    assert_close(hidden, expected, atol=1e-5, rtol=1e-5)


class NothingAwaited(TorchDispatchMode):
    """Refuses what a GPU cannot record: numbers that the CPU reads or sends, and shapes by numbers."""

    FORBIDDEN = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "lift_fresh", "is_nonzero", "equal")

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        assert not name.startswith(self.FORBIDDEN), name
        if name in ("index", "index_put", "index_put_"):
            assert all(index is None or index.dtype == torch.int64 for index in args[1]), "a mask as an index"
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("variant", VARIANTS)
@torch.inference_mode()
def test_a_pass_that_can_be_recorded_waits_for_no_number(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(causal, "RollingCache", FixedCache)
    made = cached(variant)
    for rows in (1, 3):
        cache = made.new_cache(rows)
        for first, length in ((0, 5), (5, 1), (6, 1)):
            position = torch.arange(first, first + length).expand(rows, length)
            mask = torch.arange(length) < length - torch.arange(rows)[:, None].clamp(max=length - 1)
            given = vectors(rows, length), position, position < 2, mask, cache, torch.arange(rows)
            numbers = axes(made, position)
            with NothingAwaited() if made.recordable else pytest.raises(AssertionError), NothingAwaited():
                made.extend(*given, *numbers)
