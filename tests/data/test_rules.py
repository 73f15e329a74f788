"""Data rules of a source: prompts, the filter by return, joined pictures, returns in sight."""

from __future__ import annotations

import functools
import hashlib
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from opengato.core.episode import Episode, document, objects
from opengato.core.returns import TO_GO, with_returns
from opengato.core.serialize import Codec, Serializer
from opengato.data.documents import DocumentMaker, join_steps, slice_steps, step_starts
from opengato.data.mixture import Mixture, MixtureConfig, Source, SourceConfig
from opengato.data.packing import collate, pack
from opengato.data.rules import Rules
from opengato.data.store import EpisodeStore
from tests.data.fakes import ByteCodec, arm_episode, grid_episode, serializer, text_episode, write_store
from tests.tiny import assert_same_sequence

SERIALIZER = serializer()


def by_policies(seed: int) -> Episode:
    """Two policies at two tasks, with 1 to 40 steps."""
    episode = grid_episode(seed, steps=1 + seed * 7 % 40, task=f"grid/{seed % 2}")
    return replace(episode, provenance={"policy": f"p{seed // 2 % 2}", "seed": seed})


def source_of(path: str, length: int = 100, made: Serializer = SERIALIZER, **rules: Any) -> Source:
    return Source("x", SourceConfig(path=path, rules=Rules(**rules)), DocumentMaker(made), length)


@functools.cache
def grids(path: str) -> dict[bytes, tuple[int, int]]:
    """The episode and the step of each grid in a store; they are random, so no two are alike."""
    return {
        grid.tobytes(): (index, step)
        for index, episode in enumerate(EpisodeStore(path))
        for step, grid in enumerate(episode.observations["image"])
    }


def shown_in(source: Source, index: int, generator: np.random.Generator) -> tuple[int, int, int] | None:
    """The episode and the steps [first, last) that the document of `index` shows, found by looking at its rows."""
    sequence = source.document(index, 100, generator)
    places = [grids(str(source.store.folder))[row.tobytes()] for row in sequence.payload["grid"]]
    count = next(n for n, (episode, _) in enumerate(places) if episode == index)
    for piece in (places[:count], places[count:]):
        assert all(after == (episode, step + 1) for (episode, step), after in itertools.pairwise(piece)), "in a row"
    if count == 0:
        return None
    return places[0][0], places[0][1], places[count - 1][1] + 1


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_store(tmp_path_factory.mktemp("peers"), by_policies, 60)


def test_prompts_are_pieces_of_peers(peers: str) -> None:
    source, generator = source_of(peers, prompt=0.25), np.random.default_rng(0)
    prompted, ends, cut = 0, 0, 0
    for _ in range(800):
        index = source.draw(generator)
        found = shown_in(source, index, generator)
        if found is None:
            continue
        peer, first, last = found
        prompted += 1
        assert source.store.task(peer) == source.store.task(index)
        policy = source.store[peer].provenance["policy"]
        assert policy == source.store[index].provenance["policy"], "the same agent"
        steps = source.store.num_steps(peer)
        if last - first < steps:  # else the whole episode fits
            cut += 1
            ends += last == steps
            assert 2 * (last - first) <= 50 < 2 * (last - first) + 2 or last == steps, "it fills its half of the row"
    assert abs(prompted - 200) < 3 * np.sqrt(800 * 0.25 * 0.75)
    assert cut > 40
    # Half are ends by intent; of the windows some end there too: `choose_steps` moves those that would hang over.
    assert 0.5 - 3 * np.sqrt(0.25 / cut) < ends / cut < 0.9


@pytest.mark.parametrize(("ends", "expected"), [(1.0, True), (0.0, False)])
def test_the_end_of_an_episode_or_any_window(tmp_path: Path, ends: float, expected: bool) -> None:
    path = write_store(tmp_path, lambda seed: grid_episode(seed, steps=200, task="grid/x"), 3)
    source = source_of(path, prompt=1.0, prompt_ends=ends, prompt_length=0.2)
    generator = np.random.default_rng(0)
    found = [shown_in(source, source.draw(generator), generator) for _ in range(40)]
    lasts = [last for _, _, last in filter(None, found)]
    assert len(lasts) == 40
    assert all(last == 200 for last in lasts) == expected
    assert (len(set(lasts)) > 20) != expected


@pytest.mark.parametrize("make", [grid_episode, arm_episode])
def test_a_prompted_document_is_laid_out_as_acting_lays_it_out(make) -> None:
    """Instruction, what is shown, then the steps numbered on: piece by piece, as a policy does it."""
    maker, generator = DocumentMaker(SERIALIZER), np.random.default_rng(0)
    shown, episode = slice_steps(make(1, 30), 11, 20), make(2, 60)
    for limit in (1000, 120):
        received = maker.make_prompted(episode, shown, limit, generator)
        assert len(received) <= limit
        steps = len(step_starts(received)) - 9
        first = 0
        if limit == 120:
            assert 0 < steps < 60
            name, key = ("grid", "image") if make is grid_episode else ("vector", "state")
            column = episode.observations[key].reshape(60, -1)
            first = int(np.flatnonzero((column == received.payload[name][9][: column.shape[1]]).all(1))[0])
        parts = [SERIALIZER.prompt(episode.instruction)]
        for number, (source, step) in enumerate(
            [(shown, s) for s in range(9)] + [(episode, first + s) for s in range(steps)]
        ):
            for piece, specs, values in (
                (SERIALIZER.observation, source.observation_specs, source.observations),
                (SERIALIZER.action, source.action_specs, source.actions),
            ):
                now = {name: column[step] for name, column in values.items()}
                parts.append(piece(specs, now, number, sum(map(len, parts))))
        received_rows = [(name, payload.tolist(), predict, step) for _, name, payload, predict, step in received.rows()]
        expected_rows = [
            (name, payload.tolist(), predict, step) for part in parts for _, name, payload, predict, step in part.rows()
        ]
        assert received_rows == expected_rows
        assert received.position_T.tolist() == list(range(len(received)))


def test_steps_of_any_length_stay_whole(tmp_path: Path) -> None:
    """Captions of different lengths behind one another: the one that is shown, and the document."""
    path = write_store(tmp_path, lambda seed: captioned("x" * (1 + seed * 5 % 37)), 20)
    source, generator = source_of(path, prompt=1.0), np.random.default_rng(0)
    both = 0
    for _ in range(60):
        index = source.draw(generator)
        sequence = source.document(index, 80, generator)
        starts = step_starts(sequence)
        assert len(sequence) <= 80
        sizes = np.diff([*starts, len(sequence)]) - 1
        whole = [len(source.store[i].actions["caption"][0]) for i in range(20)]
        assert all(size in whole for size in sizes)
        assert sizes[-1] == len(source.store[index].actions["caption"][0])
        both += len(sizes) == 2
    assert both > 40


def test_who_has_no_peer_gets_no_prompt(tmp_path: Path) -> None:
    path = write_store(
        tmp_path, lambda seed: grid_episode(seed, 10, task="grid/lonely" if seed == 0 else "grid/many"), 5
    )
    source = source_of(path, prompt=1.0)
    plain = source_of(path)
    lonely = source.document(0, 100, np.random.default_rng(0))
    assert_same_sequence(lonely, plain.document(0, 100, np.random.default_rng(0)))
    assert len(source.document(1, 100, np.random.default_rng(0))) > len(
        plain.document(1, 100, np.random.default_rng(0))
    )


def test_actions_of_a_prompt_are_predicted_or_not(peers: str) -> None:
    on, off = source_of(peers, prompt=1.0), source_of(peers, prompt=1.0, predict_prompt=False)
    index = int(np.argmax(on.store.steps_E))
    first, second = (s.document(index, 100, np.random.default_rng(3)) for s in (on, off))
    shown = shown_in(on, index, np.random.default_rng(3))
    assert shown is not None
    count = shown[2] - shown[1]
    assert_same_sequence(replace(second, predict_T=first.predict_T), first)
    assert first.predict_T.sum() == len(step_starts(first))
    assert not second.predict_T[second.step_T < count].any()
    assert second.predict_T.sum() == first.predict_T.sum() - count > 0


def test_prompts_come_from_kept_episodes_only(tmp_path: Path) -> None:
    """Returns are 0, 1, ..., 49: the best five in a row have a mean of 47, and those from 37.6 on are kept."""

    def made(seed: int) -> Episode:
        return replace(grid_episode(seed, 10, task="grid/x"), rewards=np.full(10, seed / 10, np.float32))

    path = write_store(tmp_path, made, 50)
    source, generator = source_of(path, prompt=1.0, min_return=0.8), np.random.default_rng(0)
    drawn = [source.draw(generator) for _ in range(300)]
    assert set(drawn) == set(range(38, 50))
    found = [shown_in(source, index, generator) for index in drawn[:60]]
    assert {peer for peer, _, _ in filter(None, found)} <= set(range(38, 50))
    mixture = Mixture(MixtureConfig(sources={"x": SourceConfig(path=path, rules=Rules(min_return=0.8))}), SERIALIZER)
    assert mixture.describe()[0]["episodes"] == 12


def captioned(caption: str, instruction: str = "describe", task: str = "caption/x") -> Episode:
    """A "picture" of one position: the fakes have no image modality, so it is a text of one letter."""
    episode = document(task, caption, instruction=instruction, image=b"")
    (name,) = episode.observation_specs
    spec = replace(next(iter(episode.action_specs.values())), name="seen")
    return replace(episode, observation_specs={name: spec}, observations={name: objects(["I"])})


def test_five_captioned_pictures_are_one_document(tmp_path: Path) -> None:
    captions = [f"picture number {n}" for n in range(30)]
    path = write_store(tmp_path, lambda seed: captioned(captions[seed]), 30)
    source, generator = source_of(path, 200, pairs=5), np.random.default_rng(0)
    for _ in range(20):
        index = source.draw(generator)
        sequence = source.document(index, 200, generator)
        text = bytes(np.where(sequence.payload["text"] < 256, sequence.payload["text"], ord("<")).astype(np.uint8))
        head, *pairs = text.decode().split("I")
        assert head == "<describe", "the instruction stands once"
        assert pairs[0] == captions[index]
        assert len(set(pairs)) == 5, "different pictures"
        assert set(pairs) <= set(captions)
        assert sequence.predict_T.sum() == sum(map(len, pairs))
        assert sequence.step_T.max() == 4
        assert sequence.position_T.tolist() == list(range(len(sequence)))


@pytest.mark.parametrize(("limit", "pairs"), [(46, 5), (45, 4), (23, 2), (16, 1), (15, 1), (14, 1)])
def test_a_row_holds_whole_pairs(limit: int, pairs: int) -> None:
    """Each pair takes 8 positions: a picture and seven letters; the instruction 6 with its begin marker."""
    episodes = [captioned(f"letter{n}", instruction="write") for n in range(5)]
    sequence = DocumentMaker(SERIALIZER).make_joined(episodes, limit)
    assert len(sequence) == 6 + 8 * pairs
    short = DocumentMaker(SERIALIZER).make_joined(episodes, 13)
    assert len(short) == 13, "a first pair that does not fit loses its end"


def test_what_cannot_be_joined_is_told() -> None:
    with pytest.raises(ValueError, match="instructions 'a' and 'b' cannot be joined"):
        join_steps([captioned("x", "a"), captioned("x", "b")])
    with pytest.raises(ValueError, match=r"has 3 steps with the fields"):
        join_steps([captioned("x"), grid_episode(0, 3)])


def test_pictures_are_joined_as_a_stack() -> None:
    def seen(side: int) -> Episode:
        base = document("caption/x", "word", image=b"")
        return replace(base, observations={"image": np.full((1, side, side, 3), side, np.uint8)})

    joined = join_steps([seen(4), seen(4)]).validate()
    assert joined.observations["image"].shape == (2, 4, 4, 3)
    assert joined.actions["caption"].tolist() == ["word", "word"]
    with pytest.raises(ValueError, match=r"shapes \[\(4, 4, 3\), \(6, 6, 3\)\], .* encoded \(PNG, JPEG\)"):
        join_steps([seen(4), seen(6)])


def test_returns_come_into_sight(tmp_path: Path) -> None:
    def made(seed: int) -> Episode:
        return replace(arm_episode(seed, 12), rewards=np.full(12, seed % 5, np.float32))

    path = write_store(tmp_path, made, 60)
    source = source_of(path, 1000, returns=True)
    for task in source.tasks:
        returns = [e.episode_return for e in source.store if e.task == task]
        best = max((a + b) / 2 for a, b in itertools.pairwise(returns))
        index = next(i for i in range(60) if source.store.task(i) == task)
        episode = source.read(index)
        np.testing.assert_allclose(episode.observations[TO_GO][0], source.store[index].episode_return / best, rtol=1e-6)
        sequence = source.document(index, 1000, np.random.default_rng(0))
        assert_same_sequence(sequence, SERIALIZER.episode(with_returns(source.store[index], best)))
        assert len(sequence) == len(SERIALIZER.episode(source.store[index])) + 24
    assert source.read(3).observation_specs is source.read(4).observation_specs


def test_a_share_of_the_documents_keeps_its_instruction(peers: str) -> None:
    for share in (0.0, 0.4):
        source, generator = source_of(peers, 100, instructions=share), np.random.default_rng(0)
        told = 0
        for _ in range(200):
            index = source.draw(generator)
            episode, sequence = source.store[index], source.document(index, 100, generator)
            assert episode.instruction
            told += sequence.prompt_length > 1
            assert sequence.prompt_length in (1, len(SERIALIZER.prompt(episode.instruction)))
        assert abs(told - 200 * share) <= 3.5 * (200 * share * (1 - share)) ** 0.5


def test_sources_without_rules_keep_their_order(tmp_path: Path) -> None:
    """Pinned: what a recipe was trained on must come again, whatever rules are added."""
    makers = {"grid": grid_episode, "arm": arm_episode, "text": text_episode}
    weights = dict(zip(makers, (0.5, 0.3, 0.2), strict=True))
    sources = {n: SourceConfig(path=write_store(tmp_path / n, make), weight=weights[n]) for n, make in makers.items()}
    mixture = Mixture(MixtureConfig(sources=sources, length=256, rows_per_group=4, seed=3), SERIALIZER)
    digest = hashlib.sha256()
    for group in (0, 1, 7):
        for document_ in (document_ for row in mixture.group(group) for document_ in row):
            place = (document_.source, document_.episode, len(document_), document_.sequence.position_T.tolist())
            digest.update(repr(place).encode())
            for name in sorted(document_.sequence.payload):
                digest.update(document_.sequence.payload[name].tobytes())
    assert digest.hexdigest() == "491d0d156c72069a0f0b87a62f790d2992db849944517cb4d82c75a64f25b990"


def test_a_mixture_with_all_rules_packs_and_repeats(tmp_path: Path, peers: str) -> None:
    captions = write_store(tmp_path, lambda seed: captioned(f"picture number {seed}"), 30)
    sources = {
        "grid": SourceConfig(path=peers, weight=2, rules=Rules(prompt=0.25, min_return=0.8, returns=True)),
        "caption": SourceConfig(path=captions, rules=Rules(pairs=5)),
    }
    first, second = (
        Mixture(MixtureConfig(sources=sources, length=128, rows_per_group=4), SERIALIZER) for _ in range(2)
    )
    for group in (0, 5):
        a, b = (collate([pack(mixture.group(group), 128)]) for mixture in (first, second))
        for name in a.payload:
            np.testing.assert_array_equal(a.payload[name].numpy(), b.payload[name].numpy())
        np.testing.assert_array_equal(a.position_BT.numpy(), b.position_BT.numpy())


def test_errors_say_what_to_do(tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"prompt": 1.5}, r"`prompt` is 1\.5, expected a share from 0 to 1"),
        ({"prompt_length": 0.0}, r"`prompt_length` is 0\.0, expected a share of the row"),
        ({"min_return": 80}, r"`min_return` is 80, expected a share of the expert return"),
        ({"pairs": 0}, r"`pairs` is 0, expected at least 1"),
    ]
    for rules, said in wrong:
        with pytest.raises(ValueError, match=said):
            Rules(**rules)
    with pytest.raises(ValueError, match="ask for one of both"):
        Rules(pairs=5, prompt=0.25)
    texts = write_store(tmp_path / "text", text_episode, 5)
    with pytest.raises(ValueError, match="'x' is plain text, which takes no `rules`"):
        source_of(texts, prompt=0.25)
    alone = write_store(tmp_path / "alone", lambda seed: grid_episode(seed, 10, task=f"grid/{seed}"), 5)
    with pytest.raises(ValueError, match=r"no task has two episodes of one policy, or no step fits 0\.5"):
        source_of(alone, prompt=0.25)

    class Wide(ByteCodec):
        """A step of 60 positions."""

        def num_positions(self, spec):
            return 60

        def encode(self, values, spec, role):
            return np.zeros(60 * len(values), np.int64), np.full(len(values), 60)

    codecs: dict[str, Codec] = {**SERIALIZER.codecs, "token": Wide()}
    large = write_store(tmp_path / "large", lambda seed: grid_episode(seed, 10, task="grid/x"), 5)
    with pytest.raises(ValueError, match="none of 64 documents can get one"):
        source_of(large, made=Serializer(SERIALIZER.layout, codecs), prompt=0.25)
