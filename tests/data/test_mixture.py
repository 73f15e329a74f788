"""The mixture: shares of positions by weight, tasks by weight, and nothing but (seed, group) decides."""

from __future__ import annotations

import dataclasses
import pickle
from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest

from opengato.data.mixture import Mixture, MixtureConfig, SourceConfig
from opengato.data.packing import collate, fill, pack
from tests.data.fakes import arm_episode, grid_episode, serializer, text_episode, write_store

SERIALIZER = serializer()


@pytest.fixture(scope="module")
def stores(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("stores")
    makers = {"grid": grid_episode, "arm": arm_episode, "text": text_episode}
    paths = {name: write_store(folder / name, make) for name, make in makers.items()}
    paths["long"] = write_store(folder / "long", lambda seed: arm_episode(seed, 400), 20)
    paths["page"] = write_store(folder / "page", lambda seed: text_episode(seed, 3000), 20)
    return paths


def _mixture(stores: dict[str, str], weights: Mapping[str, float], length: int = 512, **settings) -> Mixture:
    sources = {name: SourceConfig(path=stores[name], weight=weight) for name, weight in weights.items()}
    return Mixture(MixtureConfig(sources=sources, length=length, **settings), SERIALIZER)


def _positions(mixture: Mixture, groups: int) -> np.ndarray:
    """Positions of each source in each group (G, sources)."""
    counts = np.zeros((groups, len(mixture.sources)))
    for g in range(groups):
        for row in mixture.group(g):
            for document in row:
                counts[g, document.source] += len(document)
    return counts


@pytest.mark.parametrize(
    "weights",
    [
        {"grid": 1, "arm": 1},
        {"grid": 3, "arm": 5, "text": 2},
        {"long": 0.3, "grid": 0.7},
        {"long": 1, "grid": 1, "arm": 1, "text": 1},
        {"text": 3, "page": 1},
        {"grid": 0.02, "arm": 0.98},
    ],
)
def test_positions_are_shared_by_weight_and_rows_are_full(stores, weights):
    mixture = _mixture(stores, weights)
    counts = _positions(mixture, 60)
    total = counts.sum()
    for s, (name, share) in enumerate(mixture.weights().items()):
        errors = counts[:, s] - share * counts.sum(1)
        sigma = errors.std() / np.sqrt(len(errors))
        # The mean length is that of a sample, but the quota is in positions: 3 sigma and 1 % for rounding to slots.
        assert abs(errors.mean()) < 3 * sigma + 0.01 * total / len(errors), name
    assert total / (60 * 8 * 512) > 0.97


def test_documents_of_all_lengths_come_as_often_as_their_episodes(stores):
    """Packing has no taste for short documents: each episode is drawn with its own probability."""
    mixture = _mixture(stores, {"arm": 0.8, "text": 0.2}, length=256)
    store = mixture.sources[0].store
    seen = Counter()
    for g in range(250):
        for index in {document.episode for row in mixture.group(g) for document in row if document.source == 0}:
            seen[index] += 1
    steps = np.array([store.num_steps(i) for i in range(len(store))])
    counts = np.array([seen[i] for i in range(len(store))])
    long, short = counts[steps > 85], counts[steps <= 85]
    spread = np.sqrt(long.var() / len(long) + short.var() / len(short))
    assert abs(long.mean() - short.mean()) < 3 * spread


def test_tasks_are_drawn_uniformly_or_by_weight(stores, tmp_path):
    path = write_store(tmp_path, lambda seed: grid_episode(seed, task=f"grid/{'rare' if seed % 10 == 0 else 'often'}"))
    cases: list[tuple[dict[str, float], float]] = [({}, 0.5), ({"grid/rare": 0.25}, 0.2), ({"grid/often": 0.0}, 1.0)]
    for task_weights, share in cases:
        config = SourceConfig(path=path, task_weights=task_weights)
        source = Mixture(MixtureConfig(sources={"x": config}), SERIALIZER).sources[0]
        generator = np.random.default_rng(0)
        rare = np.mean([source.store.task(source.draw(generator)) == "grid/rare" for _ in range(2000)])
        assert abs(rare - share) <= 3 * np.sqrt(share * (1 - share) / 2000)
    only = SourceConfig(path=stores["grid"], tasks=("grid/T1", "*T3"))
    assert Mixture(MixtureConfig(sources={"x": only}), SERIALIZER).sources[0].tasks == ["grid/T1", "grid/T3"]


def _arrays(mixture: Mixture, group: int) -> list[np.ndarray]:
    batch = collate([pack(mixture.group(group), mixture.config.length)])
    assert batch.source_BT is not None
    return [batch.document_BT.numpy(), batch.source_BT.numpy(), *(v.numpy() for v in batch.payload.values())]


def test_a_group_depends_on_seed_and_number_alone(stores):
    weights = {"grid": 3, "arm": 5, "text": 2}
    first, second = _mixture(stores, weights), pickle.loads(pickle.dumps(_mixture(stores, weights)))
    second.group(0)
    np.random.seed(5)  # noqa: NPY002 - the global generator must not matter
    for group in (7, 3, 10**9):
        for a, b in zip(_arrays(first, group), _arrays(second, group), strict=True):
            np.testing.assert_array_equal(a, b)
    other = _mixture(stores, weights, seed=1)
    assert not np.array_equal(_arrays(first, 3)[0], _arrays(other, 3)[0])
    assert not np.array_equal(_arrays(first, 3)[0], _arrays(first, 4)[0])


def test_short_rows_and_single_rows_work(stores):
    for length, rows in ((64, 8), (512, 1), (2048, 2)):
        mixture = _mixture(stores, {"grid": 1, "long": 1, "page": 1}, length=length, rows_per_group=rows)
        for g in range(10):
            batch = collate([pack(mixture.group(g), length)])
            assert batch.document_BT.shape == (rows, length)
            assert fill(batch) > 0.8


def test_errors_name_what_is_wrong(stores, tmp_path):
    with pytest.raises(ValueError, match="unknown task of source 'x': 'grid/T9x'; did you mean"):
        Mixture(MixtureConfig(sources={"x": SourceConfig(path=stores["grid"], tasks=("grid/T9x",))}), SERIALIZER)
    with pytest.raises(ValueError, match="`weight` is 0"):
        _mixture(stores, {"grid": 0})
    config = SourceConfig(path=stores["grid"], task_weights={"grid/TT": 2.0})
    with pytest.raises(ValueError, match="unknown task in `task_weights` of source 'x'"):
        Mixture(MixtureConfig(sources={"x": config}), SERIALIZER)
    with pytest.raises(ValueError, match="at least one source"):
        _mixture(stores, {})
    with pytest.raises(ValueError, match="has no episodes"):
        Mixture(MixtureConfig(sources={"x": SourceConfig(path=write_store(tmp_path, grid_episode, 0))}), SERIALIZER)
    with pytest.raises(ValueError, match="`length` is 8"):
        _mixture(stores, {"grid": 1}, length=8)
    blind = type(SERIALIZER)(
        dataclasses.replace(SERIALIZER.layout, routes={"instruction": "text", "action/discrete": "token"}),
        SERIALIZER.codecs,
    )
    with pytest.raises(ValueError, match=r"source 'grid', episode \d+ \(grid/T\d\): ValueError: .* no modality for"):
        Mixture(MixtureConfig(sources={"grid": SourceConfig(path=stores["grid"])}), blind)


def test_describe_says_what_is_mixed(stores):
    rows = _mixture(stores, {"grid": 1, "text": 3}).describe()
    assert [row["share"] for row in rows] == [0.25, 0.75]
    assert [row["text"] for row in rows] == [False, True]
    assert rows[0]["episodes"] == 200


def test_documents_carry_the_number_of_their_task_in_the_given_list(stores):
    names = [
        task
        for store in ("grid", "arm")
        for task in Mixture(MixtureConfig(sources={store: SourceConfig(path=stores[store])}), SERIALIZER)
        .sources[0]
        .tasks
    ]
    known = tuple(names[1:])
    mixture = _mixture(stores, {"grid": 1, "arm": 1}, tasks=known)
    seen = set()
    for document in [document for g in range(20) for row in mixture.group(g) for document in row]:
        task = mixture.sources[document.source].store.task(document.episode)
        assert document.task == (known.index(task) if task in known else -1)
        seen.add(task)
    assert seen == set(names)
    batch = collate([pack(mixture.group(0), 512)])
    inside = batch.document_BT >= 0
    assert batch.task_BT is not None
    assert (batch.task_BT[~inside] == -1).all()
    first = mixture.group(0)[0][0]
    assert (batch.task_BT[0, : len(first)] == first.task).all()


def test_groups_of_one_task_come_by_the_same_shares_and_go_on_by_their_number_alone(stores):
    mixture = _mixture(stores, {"grid": 3, "text": 1}, groups_per_task=2)
    counts: Counter[int] = Counter()
    before: set[tuple[int, str]] = set()
    for g in range(400):
        documents = [document for row in mixture.group(g) for document in row]
        tasks = {(d.source, mixture.sources[d.source].store.task(d.episode)) for d in documents}
        assert len(tasks) == 1, "a group holds one task"
        if g % 2:
            assert tasks == before, "and so does the next one of its pair"
        before = tasks
        counts[next(iter(tasks))[0]] += 1
    assert counts[0] / 400 == pytest.approx(0.75, abs=0.09)
    again = _mixture(stores, {"grid": 3, "text": 1}, groups_per_task=2)
    assert [[d.episode for d in row] for row in again.group(37)] == [
        [d.episode for d in row] for row in mixture.group(37)
    ]
