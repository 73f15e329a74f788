"""A packed batch counts: each slot of a document holds one row, and each target has something before it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from opengato.core.batch import PackedBatch

DOCUMENT = torch.tensor([[0, 0, 0, 1, 1, -1], [0, 0, 0, 0, -1, -1]])


def batch(**changes: Any) -> PackedBatch:
    """Two rows: documents of 3 and 2 positions, then one of 4; `a` fills even places, `b` odd ones."""
    slots: dict[str, Tensor] = {"a": torch.tensor([0, 2, 4, 6, 8]), "b": torch.tensor([1, 3, 7, 9])}
    given: dict[str, Any] = {
        "payload": {"a": torch.zeros(5), "b": torch.zeros(4, 3)},
        "slot_N": slots,
        "predict_N": {"a": torch.tensor([0, 1, 1, 0, 1]).bool(), "b": torch.tensor([1, 0, 1, 1]).bool()},
        "document_BT": DOCUMENT,
        "position_BT": torch.zeros_like(DOCUMENT),
        "local_BT": torch.zeros_like(DOCUMENT),
        "prompt_BT": torch.zeros_like(DOCUMENT, dtype=torch.bool),
    }
    return PackedBatch(**{**given, **changes})


def test_a_good_batch_counts_its_positions() -> None:
    assert batch().num_positions == 9
    assert batch().to("cpu").num_positions == 9


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"payload": {"a": torch.zeros(4), "b": torch.zeros(4, 3)}}, "'a': payload has 4 rows, slot_N 5, predict_N 5"),
        ({"slot_N": {"a": torch.tensor([0, 2, 4, 6, 7]), "b": torch.tensor([1, 3, 7, 9])}}, "1 slots are filled twice"),
        ({"slot_N": {"a": torch.tensor([0, 2, 4, 6, 10]), "b": torch.tensor([1, 3, 7, 9])}}, "a target opens|9 slots"),
        ({"document_BT": torch.where(DOCUMENT == 1, -1, DOCUMENT)}, "7 slots hold a document but modalities fill 9"),
    ],
)
def test_misaligned_slots_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        batch(**changes)


@pytest.mark.parametrize("name_and_row", [("a", 0), ("b", 1), ("a", 3)])
def test_a_target_that_opens_a_document_is_refused(name_and_row: tuple[str, int]) -> None:
    """In the first slot of the batch, at a border within a row, and in the first slot of a row."""
    name, row = name_and_row
    marks = batch().predict_N
    marks[name] = marks[name].clone()
    marks[name][row] = True
    with pytest.raises(ValueError, match=f"'{name}': a target opens its document"):
        batch(predict_N=marks)


def test_a_target_is_not_predicted_from_the_row_above() -> None:
    """Full rows: the slot before a row's first one belongs to another document of the same number."""
    full = torch.zeros(2, 3, dtype=torch.int64)
    marks = torch.tensor([0, 1, 1, 0, 1, 1]).bool()
    fields = {"document_BT": full, "position_BT": full, "local_BT": full, "prompt_BT": full > 0}
    rows = {"payload": {"a": torch.zeros(6)}, "slot_N": {"a": torch.arange(6)}, "predict_N": {"a": marks}}
    assert batch(**fields, **rows).num_positions == 6
    marks[3] = True
    with pytest.raises(ValueError, match="'a': a target opens its document"):
        batch(**fields, **rows)


@pytest.mark.parametrize("parts", [1, 2, 3, 4])
def test_parts_joined_are_the_batch(parts: int) -> None:
    whole = four_rows()
    found = whole.split(parts)
    assert [len(part.document_BT) for part in found] == {1: [4], 2: [2, 2], 3: [1, 1, 2], 4: [1, 1, 1, 1]}[parts]
    for field in ("document_BT", "position_BT", "local_BT", "prompt_BT", "source_BT", "step_BT"):
        assert torch.equal(torch.cat([getattr(part, field) for part in found]), getattr(whole, field)), field
    first = 0
    rows: dict[str, list[tuple]] = {name: [] for name in whole.payload}
    for part in found:
        for name in part.payload:
            marks = part.predict_N[name].tolist()
            slots = (part.slot_N[name] + 6 * first).tolist()
            rows[name] += zip(part.payload[name].tolist(), slots, marks, strict=True)
        first += len(part.document_BT)
    for name, payload in whole.payload.items():
        expected = zip(payload.tolist(), whole.slot_N[name].tolist(), whole.predict_N[name].tolist(), strict=True)
        assert sorted(rows[name], key=lambda row: row[1]) == sorted(expected, key=lambda row: row[1])


def four_rows() -> PackedBatch:
    """The two rows of `batch`, twice, in an order of slots that is not ascending, with rows that can be told apart."""
    one = batch()
    slots = {name: torch.cat([slot + 12, slot]) for name, slot in one.slot_N.items()}
    marks = {name: torch.cat([mark, mark]) for name, mark in one.predict_N.items()}
    payload = {"a": torch.arange(10.0), "b": torch.arange(24.0).view(8, 3)}
    grid = torch.arange(24).view(4, 6)
    return batch(
        payload=payload,
        slot_N=slots,
        predict_N=marks,
        document_BT=DOCUMENT.repeat(2, 1),
        position_BT=grid,
        local_BT=grid + 1,
        prompt_BT=grid % 3 == 0,
        source_BT=grid + 2,
        step_BT=grid + 3,
    )


def test_a_modality_that_a_part_lacks_is_not_in_it() -> None:
    """As the loader makes batches: no empty arrays."""
    document = torch.tensor([[0, 0], [0, 0]])
    slots = {"a": torch.tensor([0, 1]), "b": torch.tensor([2, 3])}
    one = batch(
        payload={"a": torch.zeros(2), "b": torch.zeros(2)},
        slot_N=slots,
        predict_N={"a": torch.tensor([False, True]), "b": torch.tensor([False, True])},
        **dict.fromkeys(("document_BT", "position_BT", "local_BT"), document),
        prompt_BT=document > 0,
    )
    assert [list(part.payload) for part in one.split(2)] == [["a"], ["b"]]
    for parts in (0, 3):
        with pytest.raises(ValueError, match=f"a batch of 2 rows can be split into 1 to 2 parts, not into {parts}"):
            one.split(parts)
