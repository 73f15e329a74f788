"""The loader: the same batches for any number of workers and processes, from any start."""

from __future__ import annotations

import itertools
import multiprocessing
import time

import pytest
import torch

from opengato.core.batch import PackedBatch
from opengato.data.loader import Loader
from opengato.data.mixture import Mixture, MixtureConfig, SourceConfig
from tests.data.fakes import arm_episode, grid_episode, serializer, text_episode, write_store

# Forking is what torch does by default on Linux; 4 workers on a small machine are what is tested here.
pytestmark = [
    pytest.mark.filterwarnings("ignore:This DataLoader will create"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def mixture(tmp_path_factory) -> Mixture:
    folder = tmp_path_factory.mktemp("stores")
    sources = {
        make.__name__: SourceConfig(path=write_store(folder / make.__name__, make, 60))
        for make in (grid_episode, arm_episode, text_episode)
    }
    return Mixture(MixtureConfig(sources=sources, length=256, rows_per_group=4), serializer())


def _take(mixture: Mixture, count: int, start: int = 0, workers: int = 0, **settings) -> list[PackedBatch]:
    with Loader(mixture, Loader.Config(groups=2, workers=workers, prefetch=2), **settings) as loader:
        return list(itertools.islice(loader.batches(start=start), count))


def _assert_same(received: list[PackedBatch], expected: list[PackedBatch]) -> None:
    assert len(received) == len(expected)
    for mine, theirs in zip(received, expected, strict=True):
        for name in ("document_BT", "position_BT", "local_BT", "prompt_BT", "source_BT"):
            assert torch.equal(getattr(mine, name), getattr(theirs, name)), name
        for field in ("payload", "slot_N", "predict_N"):
            a, b = getattr(mine, field), getattr(theirs, field)
            assert a.keys() == b.keys()
            assert all(torch.equal(a[name], b[name]) for name in a)


def test_workers_do_not_change_the_batches(mixture):
    expected = _take(mixture, 9)
    _assert_same(_take(mixture, 9, workers=1), expected)
    _assert_same(_take(mixture, 9, workers=4), expected)


def test_the_state_is_one_integer(mixture):
    expected = _take(mixture, 9)
    for k in (1, 5):
        _assert_same(_take(mixture, 9 - k, start=k), expected[k:])
    _assert_same(_take(mixture, 4, start=5, workers=2), expected[5:])


def test_workers_end_with_the_loader_though_someone_holds_the_iterator(mixture):
    """As a traceback does when training fails: the program must end nevertheless."""
    with Loader(mixture, Loader.Config(workers=2)) as loader:
        held = loader.batches()
        next(held)
        mine = [process for process in multiprocessing.active_children() if process.daemon]
        assert len(mine) >= 2
    assert not any(process.is_alive() for process in mine)
    assert held is not None


def test_workers_live_on_and_a_second_call_starts_afresh(mixture):
    expected = _take(mixture, 6)
    with Loader(mixture, Loader.Config(groups=2, workers=2)) as loader:
        _assert_same(list(itertools.islice(loader.batches(), 3)), expected[:3])
        before = {process.pid for process in multiprocessing.active_children()}
        _assert_same(list(itertools.islice(loader.batches(start=4), 2)), expected[4:])
        assert before == {process.pid for process in multiprocessing.active_children()}
    deadline = time.monotonic() + 10
    while before & {p.pid for p in multiprocessing.active_children()} and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not before & {p.pid for p in multiprocessing.active_children()}
    with pytest.raises(ValueError, match="closed"):
        loader.batches()


def test_two_processes_see_the_batches_of_one(mixture):
    whole = _take(mixture, 4)
    parts = [_take(mixture, 4, rank=rank, world_size=2) for rank in range(2)]
    for batch, *halves in zip(whole, *parts, strict=True):
        for name in ("document_BT", "position_BT", "local_BT", "prompt_BT", "source_BT"):
            assert torch.equal(torch.cat([getattr(half, name) for half in halves]), getattr(batch, name))
        slots = halves[0].document_BT.numel()
        for name, payload in batch.payload.items():
            assert torch.equal(torch.cat([half.payload[name] for half in halves]), payload)
            shifted = torch.cat([half.slot_N[name] + slots * rank for rank, half in enumerate(halves)])
            assert torch.equal(shifted, batch.slot_N[name])


def test_the_global_generator_is_left_alone(mixture):
    torch.manual_seed(3)
    before = torch.get_rng_state()
    _take(mixture, 2)
    _take(mixture, 2, workers=1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_names_source_episode_and_group(tmp_path, workers):
    path = write_store(tmp_path, grid_episode, 100)
    mixture = Mixture(MixtureConfig(sources={"grid": SourceConfig(path=path)}, length=256), serializer())
    shard = next(tmp_path.glob("*.arrow"))
    data = bytearray(shard.read_bytes())
    for seed in range(100):
        place = bytes(data).index(grid_episode(seed).observations["image"].tobytes())
        data[place] ^= 1
    with shard.open("r+b") as file:  # in place, as a failing disk does: the file stays mapped
        file.write(data)
    match = r"source 'grid', episode \d+ \(grid/T\d\), group 0: CorruptShardError: shard .* received sha256"
    with pytest.raises(ValueError, match=match):
        _take(mixture, 1, workers=workers)


def test_wrong_settings_say_so(mixture):
    with pytest.raises(ValueError, match="multiple of the 2 processes"):
        Loader(mixture, Loader.Config(groups=3), world_size=2)
    with pytest.raises(ValueError, match="`rank` is 2"):
        Loader(mixture, Loader.Config(groups=2), rank=2, world_size=2)
    with Loader(mixture, Loader.Config(workers=0)) as loader, pytest.raises(ValueError, match="`start` is -1"):
        loader.batches(-1)
