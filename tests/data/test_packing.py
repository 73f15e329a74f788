"""Packing: every slot once, every document whole and unmixed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from opengato.core.episode import Episode
from opengato.data.documents import Document
from opengato.data.packing import Rows, collate, fill, pack, pack_documents, position_shares
from tests.data.fakes import arm_episode, grid_episode, serializer, text_episode

SERIALIZER = serializer()
MAKERS = (grid_episode, arm_episode, text_episode)


def _document(episode: Episode, source: int = 0, index: int = 0) -> Document:
    return Document(sequence=SERIALIZER.episode(episode), source=source, episode=index)


def _check(batch, groups, length):
    """The batch holds the documents of all rows in order, each exactly as serialized, and padding after them."""
    rows = [row for group in groups for row in group]
    assert batch.document_BT.shape == (len(rows), length)
    by_slot = {}
    for name, slot_N in batch.slot_N.items():
        assert bool((slot_N[1:] > slot_N[:-1]).all())
        for n, slot in enumerate(slot_N.tolist()):
            assert slot not in by_slot
            by_slot[slot] = (name, batch.payload[name][n], bool(batch.predict_N[name][n]))
    assert len(by_slot) == sum(len(document) for row in rows for document in row) == batch.num_positions
    for b, row in enumerate(rows):
        start = 0
        for number, document in enumerate(row):
            end, sequence = start + len(document), document.sequence
            assert batch.document_BT[b, start:end].unique().tolist() == [number]
            assert batch.source_BT[b, start:end].unique().tolist() == [document.source]
            assert batch.position_BT[b, start:end].tolist() == sequence.position_T.tolist()
            assert batch.local_BT[b, start:end].tolist() == sequence.local_T.tolist()
            assert batch.step_BT is not None
            assert batch.step_BT[b, start:end].tolist() == sequence.step_T.tolist()
            assert batch.prompt_BT[b, start:end].tolist() == (sequence.step_T < 0).tolist()
            for t, name, payload, predict, _ in sequence.rows():
                found = by_slot[b * length + start + t]
                assert (found[0], found[2]) == (name, predict)
                np.testing.assert_array_equal(found[1].numpy(), payload)
            start = end
        assert (batch.document_BT[b, start:] == -1).all()
        assert (batch.source_BT[b, start:] == -1).all()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 60)), min_size=1, max_size=12),
    st.integers(1, 4),
    st.integers(70, 300),
)
def test_every_slot_once_and_every_document_as_serialized(kinds, num_rows, length):
    documents = []
    for index, (kind, size) in enumerate(kinds):
        document = _document(MAKERS[kind](index, size), source=kind, index=index)
        if len(document) <= length:
            documents.append(document)
    rows = Rows(num_rows, length)
    lost = rows.place(documents)
    placed = [document for row in rows.documents for document in row]
    prompts = sum(d.sequence.prompt_length for d in placed) - sum(
        next(d.sequence.prompt_length for d in documents if d.episode == e) for e in {d.episode for d in placed}
    )  # each further piece of a document repeats its instruction
    total = sum(len(document) for document in placed) - prompts + lost
    assert total >= sum(len(document) for document in documents)
    if placed:
        _check(collate([pack(rows.documents, length)]), [rows.documents], length)


def test_groups_stack_and_modalities_may_be_absent():
    groups = [[[_document(grid_episode(0, 5))], [_document(grid_episode(1, 9))]]]
    groups.append([[_document(text_episode(2, 40), source=1)], [_document(arm_episode(3, 9), source=2)]])
    batch = collate([pack(group, 80) for group in groups])
    _check(batch, groups, 80)
    assert batch.payload["grid"].dtype == torch.uint8
    assert batch.payload["vector"].dtype == torch.float32
    assert batch.payload["grid"].shape == (14, 12)
    assert 0 < fill(batch) < 1
    shares = position_shares(batch, ("a", "b", "c"))
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["b"] == pytest.approx(41 / batch.num_positions)
    assert "grid" not in pack_documents([_document(text_episode(2, 40))], 80).payload


def test_long_documents_are_split_between_steps_and_none_is_lost():
    documents = [_document(arm_episode(seed, 40), index=seed) for seed in range(3)]  # 125 positions each
    rows = Rows(2, 200)
    assert rows.place(documents) == 0
    steps = {seed: [] for seed in range(3)}
    for row in rows.documents:
        for document in row:
            steps[document.episode] += np.unique(document.sequence.step_T).tolist()[1:]
    assert all(sorted(found) == list(range(40)) for found in steps.values())
    batch = collate([pack(rows.documents, 200)])
    assert fill(batch) > 0.93


def test_what_cannot_be_packed_says_so():
    document = _document(grid_episode(0, 20))
    with pytest.raises(ValueError, match="row 0 holds 55 positions, expected at most 40"):
        pack([[document]], 40)
    with pytest.raises(ValueError, match="does not fit row 0"):
        Rows(1, 40).put(0, document)
    with pytest.raises(ValueError, match="no documents"):
        pack([[]], 40)
    text = _document(text_episode(0, 60))
    assert Rows(1, 40).place([text]) == len(text)
