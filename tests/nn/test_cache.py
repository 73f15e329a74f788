"""The rolling cache against a dictionary. Letters: R rows, H heads, T new slots, K head width."""

from __future__ import annotations

import pytest
import torch

from opengato.nn.cache import Cache, FixedCache, RollingCache

HEADS, WIDTH, LAYERS = 2, 3, 2


def new_keys(rows: list[int], positions: list[list[int]], layer: int) -> torch.Tensor:
    """Keys (B, H, T, K) that say which row and position they belong to."""
    length = max(map(len, positions))
    keys = torch.zeros(len(rows), HEADS, length, WIDTH)
    for b, (row, places) in enumerate(zip(rows, positions, strict=True)):
        for t, position in enumerate(places):
            keys[b, :, t] = 1000 * row + position + layer / 10
    return keys


def write(cache: Cache, rows: list[int], positions: list[list[int]], kept: list[int] | None = None) -> None:
    """Positions of each row; those below `kept` (by row; default: below `cache.sinks`) stay for ever."""
    kept = kept or [cache.sinks] * 3
    length = max(map(len, positions))
    position = torch.tensor([[*places, *[0] * (length - len(places))] for places in positions])
    mask = torch.tensor([[True] * len(places) + [False] * (length - len(places)) for places in positions])
    rows_B = torch.tensor(rows)
    kept_BT = mask & (position < torch.tensor([kept[row] for row in rows])[:, None])
    written = cache.write_positions(rows_B, position, kept_BT, mask)
    for layer in range(LAYERS):
        keys = new_keys(rows, positions, layer)
        cache.write_layer(layer, written, keys, -keys)


@pytest.mark.parametrize("kind", [RollingCache, FixedCache])
@pytest.mark.parametrize(("window", "kept"), [(5, [3, 0, 2]), (5, [0, 0, 0]), (1, [2, 2, 1]), (7, [20, 4, 9])])
def test_it_holds_the_first_positions_of_each_row_and_the_last_ones(
    window: int, kept: list[int], kind: type[Cache]
) -> None:
    sinks = max(kept)
    cache = kind(LAYERS, 3, HEADS, WIDTH, window, sinks)
    lengths = [0, 0, 0]
    generator = torch.Generator().manual_seed(0)
    for _ in range(40):
        rows = torch.randperm(3, generator=generator)[: int(torch.randint(1, 4, (1,), generator=generator))].tolist()
        sizes = torch.randint(0, window + 1, (len(rows),), generator=generator).tolist()
        if not max(sizes):
            continue
        positions = [list(range(lengths[row], lengths[row] + size)) for row, size in zip(rows, sizes, strict=True)]
        write(cache, rows, positions, kept)
        for row, size in zip(rows, sizes, strict=True):
            lengths[row] += size
    assert min(lengths) > 5 * window, "rolled far, and not alike"
    assert cache.length_R.tolist() == lengths
    for row, length in enumerate(lengths):
        expected = {p for p in range(length) if p < kept[row] or p >= length - cache.ring}
        position_S, kept_S = cache.seen(torch.tensor([row]))
        assert position_S[kept_S].tolist() == list(range(min(kept[row], length)))
        stored = {int(p): place for place, p in enumerate(cache.position_RS[row]) if p >= 0}
        assert stored.keys() == expected
        for position, place in stored.items():
            for layer in range(LAYERS):
                assert (cache.key[layer, row, :, place] == 1000 * row + position + layer / 10).all()
                assert (cache.value[layer, row, :, place] == -cache.key[layer, row, :, place]).all()


def test_what_is_read_is_what_was_written_with_and_without_a_copy() -> None:
    cache = RollingCache(LAYERS, 3, HEADS, WIDTH, window=4, sinks=0)
    write(cache, [0, 1, 2], [[0, 1], [0, 1], [0, 1]])
    for rows in ([0, 1, 2], [2, 0], [1]):
        key_BHSK, value_BHSK = cache.read_layer(1, cache.rows(torch.tensor(rows)), 2)
        expected = new_keys(rows, [[0, 1]] * len(rows), 1)
        assert torch.equal(key_BHSK, expected)
        assert torch.equal(value_BHSK, -expected)
    assert cache.read_layer(1, cache.rows(torch.arange(3)), 2)[0].data_ptr() == cache.key[1].data_ptr()


def test_a_cache_of_fixed_shapes_reads_all_places_and_hides_the_empty_ones() -> None:
    cache = FixedCache(LAYERS, 2, HEADS, WIDTH, window=4, sinks=3)
    places = cache.key.shape[3]
    assert places == 16, "3 and twice the window, one for padding, and what makes it a multiple of 8"
    write(cache, [1, 0], [[0, 1], [0]])
    rows_B = torch.tensor([1, 0])
    position_BS, kept_BS = cache.seen(rows_B)
    assert position_BS.tolist() == [[0, 1, *[-1] * 14], [0, *[-1] * 15]], "padding is nowhere"
    assert kept_BS.sum(1).tolist() == [2, 1]
    key_BHSK, _ = cache.read_layer(1, cache.rows(rows_B), cache.used(rows_B))
    assert key_BHSK.shape == (2, HEADS, places, WIDTH)
    assert torch.equal(key_BHSK[:, :, :1], new_keys([1, 0], [[0], [0]], 1))
    alone = FixedCache(LAYERS, 1, HEADS, WIDTH, window=4, sinks=3)
    write(alone, [0], [[0, 1]])
    key_BHSK, _ = alone.read_layer(1, alone.rows(torch.tensor([0])), places)
    assert key_BHSK.data_ptr() == alone.key[1].data_ptr(), "the only row is read where it lies"


def test_what_is_used_is_a_prefix_of_the_places() -> None:
    cache = RollingCache(LAYERS, 2, HEADS, WIDTH, window=4, sinks=2)
    assert cache.used(torch.tensor([0, 1])) == 0
    write(cache, [0, 1], [[0, 1, 2], [0]])
    assert cache.used(torch.tensor([0, 1])) == 3
    assert cache.used(torch.tensor([1])) == 1
    assert (cache.position_RS[:, 3:] == -1).all()
    write(cache, [0], [[3, 4, 5, 6]])
    write(cache, [0], [[7, 8, 9, 10, 11]])
    assert cache.used(torch.tensor([0])) == 2 + 4 + 4


def test_a_row_that_is_reset_forgets_and_its_neighbours_do_not() -> None:
    cache = RollingCache(LAYERS, 2, HEADS, WIDTH, window=4, sinks=2)
    write(cache, [0, 1], [[0, 1, 2], [0, 1]])
    cache.reset(0)
    assert cache.length_R.tolist() == [0, 2]
    assert (cache.position_RS[0] == -1).all()
    assert cache.position_RS[1, :2].tolist() == [0, 1]
