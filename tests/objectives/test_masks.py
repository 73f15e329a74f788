"""What is hidden: counts, shapes and chances of each mask, and which rows make up a value.

Letters: N rows, D width, H and W patches of a picture.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from opengato.core.episode import document
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.objectives.masks import Blocks, ExactSpans, InverseBlocks, Spans, Tokens, highest, spread
from opengato.objectives.values import Values, value_means, values_of
from tests.tiny import caption_episode, tiny_encoder, toy_episode


def lines(*sizes: int) -> Values:
    """Values of one axis."""
    value_N = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    where = torch.cat([torch.arange(size) for size in sizes])[:, None]
    return Values(value_N=value_N, coordinate_NA=where, may_hide_N=torch.ones(len(value_N), dtype=torch.bool))


def films(*shapes: tuple[int, int, int]) -> Values:
    """Values of (time, row, column)."""
    where = [np.indices(shape).reshape(3, -1).T for shape in shapes]
    value_N = torch.repeat_interleave(torch.arange(len(shapes)), torch.tensor([len(w) for w in where]))
    ones = torch.ones(len(value_N), dtype=torch.bool)
    return Values(value_N=value_N, coordinate_NA=torch.from_numpy(np.concatenate(where)), may_hide_N=ones)


def hidden_of(mask_N: torch.Tensor, values: Values) -> list[int]:
    return torch.bincount(values.value_N, weights=mask_N.double()).int().tolist()


def test_values_of_a_batch() -> None:
    """Pictures beside one another in a row are told apart; so are a text and the instruction before it."""
    agent = tiny_encoder()
    pictures = [caption_episode(i, f"number {i}", side=side) for i, side in enumerate((8, 16, 8))]
    episodes = [*pictures, toy_episode(1, steps=2), document("text/toy", "It is a truth")]
    sequences = [agent.serializer.episode(episode) for episode in episodes]
    batch = pack_documents([Document(sequence=s, source=0, episode=0) for s in sequences], max(map(len, sequences)))
    images = values_of(agent, batch, "image")
    assert images.sizes.tolist() == [4, 16, 4, 2, 2], "2 x 2, 4 x 4 and 2 x 2 patches, and a camera of 1 x 2 twice"
    assert images.coordinate_NA[4:12].tolist() == [[0, 0], [0, 1], [0, 2], [0, 3], [1, 0], [1, 1], [1, 2], [1, 3]]
    assert images.order[:6].tolist() == [0, 1, 2, 3, 0, 1]
    assert images.may_hide_N.all()
    texts = values_of(agent, batch, "text")
    sizes = Counter(texts.value_N.tolist())
    told = [bool(texts.may_hide_N[texts.value_N == v][0]) for v in range(len(sizes))]
    assert told[:4] == [False, True, False, True], "instruction, caption, instruction, caption"
    for value in range(len(sizes)):
        assert len(texts.may_hide_N[texts.value_N == value].unique()) == 1
    first = texts.value_N == 1
    assert texts.coordinate_NA[first, 0].tolist() == list(range(int(first.sum())))


def test_means_of_values() -> None:
    x_ND = torch.tensor([[1.0, 2.0], [3.0, 4.0], [10.0, 0.0]])
    assert value_means(x_ND, torch.tensor([0, 0, 1])).tolist() == [[2, 3], [2, 3], [10, 0]]


def test_the_highest_of_each_value() -> None:
    score_N, value_N = torch.tensor([1.0, 3, 2, 9, 8, 5]), torch.tensor([0, 0, 0, 1, 1, 2])
    chosen = highest(score_N, value_N, torch.tensor([2, 1, 4]))
    assert chosen.tolist() == [False, True, True, True, False, True]


def test_spans_end_with_their_value() -> None:
    start_N = torch.tensor([0, 1, 0, 0, 0, 0, 1, 0, 1, 0, 0]).bool()
    value_N = torch.tensor([0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2])
    assert spread(start_N, value_N, 3).int().tolist() == [0, 1, 1, 1, 0, 0, 1, 0, 1, 1, 0]


def test_tokens_are_so_many_of_each_and_all_as_likely() -> None:
    values = lines(20, 7, 1)
    counts = torch.zeros(28)
    for _ in range(2000):
        mask_N = Tokens(share=0.15).draw(values)
        assert hidden_of(mask_N, values) == [3, 1, 1]
        counts += mask_N
    np.testing.assert_allclose(counts[:20] / 2000, 0.15, atol=0.04)
    np.testing.assert_allclose(counts[20:27] / 2000, 1 / 7, atol=0.04)


def test_spans_hide_what_the_paper_says() -> None:
    """p = 0.065 and spans of 10: about 49 % [Baevski et al. 2020, sec. 3.1]; 1 - (1 - p)^10 of what has 9 before it."""
    values = lines(2000, 2000, 3)
    masks = torch.stack([Spans().draw(values) for _ in range(30)]).float()
    assert float(masks[:, :4000].mean()) == pytest.approx(1 - 0.935**10, abs=0.015)
    assert float(masks[:, :4000].mean()) == pytest.approx(0.49, abs=0.015)
    assert (masks[:, 4000:].sum(1) > 0).all(), "a short value has one span at least"
    alone = Spans(start=0.0001, length=4).draw(lines(5000))
    runs = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], alone.int().numpy(), [0]]))))[::2]
    assert (runs >= 1).all()
    assert runs.max() >= 4


@pytest.mark.parametrize(("mask", "values", "expected"), [
    (ExactSpans(share=0.5, length=5, adjust=0.05), lines(100, 40, 7), [50, 20, 3]),
    (Blocks(share=0.6, least=16), films((1, 14, 14), (1, 4, 6)), [118, 14]),
    (Blocks(share=0.6, least=2), films((1, 4, 4), (3, 4, 4)), [10, 29]),
    (InverseBlocks(), films((1, 14, 14), (1, 4, 4), (2, 4, 4)), [156, 12, 25]),
])  # fmt: skip
def test_exactly_as_many_as_asked_for(mask: Blocks, values: Values, expected: list[int]) -> None:
    first, second = (mask.draw(values) for _ in range(2))
    assert hidden_of(first, values) == hidden_of(second, values) == expected
    assert not torch.equal(first, second)


def neighbours(mask_HW: torch.Tensor) -> float:
    """The share of pairs of neighbours that are both hidden or both shown."""
    return float(torch.cat([(mask_HW[1:] == mask_HW[:-1]).flatten(), (mask_HW.T[1:] == mask_HW.T[:-1]).flatten()])
                 .float().mean())  # fmt: skip


def test_blocks_hang_together_and_inverse_blocks_keep_what_does() -> None:
    values = films((1, 14, 14))
    shares = {}
    for name, mask in {"blocks": Blocks(), "kept": InverseBlocks(), "each": Tokens(share=0.6)}.items():
        drawn = [neighbours(mask.draw(values).view(14, 14)) for _ in range(30)]
        shares[name] = float(np.mean(drawn))
    assert shares["each"] == pytest.approx(0.6**2 + 0.4**2, abs=0.03)
    assert shares["blocks"] > 0.75
    assert shares["kept"] > 0.75 > 0.8**2 + 0.2**2


def test_a_block_of_a_film_lasts() -> None:
    """But for the few rows that are drawn to have exactly as many."""
    mask = Blocks(share=0.5, least=4).draw(films((6, 8, 8))).view(6, 64).int()
    constant = (mask.amin(0) == mask.amax(0)).float().mean()
    assert float(constant) > 0.5, "rows drawn at each time by itself would leave 2 / 2^6 = 3 %"


def test_what_cannot_be_said_why() -> None:
    with pytest.raises(ValueError, match="values that lie in a line, as sounds do, take Spans or Tokens"):
        Blocks().draw(lines(9))
    with pytest.raises(ValueError, match="`share` is 1"):
        Tokens(share=1.0)
    with pytest.raises(ValueError, match=r"less than 1 in all"):
        Tokens(kept=0.5, changed=0.5)
    with pytest.raises(ValueError, match="`length` 0"):
        Spans(length=0)
