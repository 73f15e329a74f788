"""Likelihood is the training loss, position by position; vectors do not depend on their neighbours.

Letters: B rows, T slots, S slots of all rows, N positions of one modality.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from opengato.agent import likelihood
from opengato.core.batch import PackedBatch
from opengato.data.documents import Document
from opengato.data.packing import collate, pack, pack_documents
from tests.tiny import ENCODINGS, PATCH, documents_of_all_kinds, tiny_agent


def by_slot(losses: dict[str, torch.Tensor], batch: PackedBatch) -> np.ndarray:
    """The loss of each slot (B, T), 0 where nothing is predicted."""
    nll_S = torch.zeros(batch.document_BT.numel())
    for name, loss_N in losses.items():
        nll_S[batch.slot_N[name][batch.predict_N[name]]] = loss_N.detach()
    return nll_S.view(batch.document_BT.shape).numpy()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_log_likelihood_is_the_loss_of_a_packed_batch(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = tiny_agent(encoding)
    episodes = documents_of_all_kinds()
    documents = [Document(sequence=agent.serializer.episode(e), source=0, episode=i) for i, e in enumerate(episodes)]
    received = agent.log_likelihood(episodes)
    length = max(map(len, documents))
    alone = pack_documents(documents, length)
    losses = by_slot(agent.losses(alone), alone)
    for nll, row, document in zip(received, losses, documents, strict=True):
        expected = row[: len(document)][document.sequence.predict_T]
        np.testing.assert_allclose(nll, expected, rtol=1e-4, atol=1e-5)
        assert len(nll) > 1
        assert nll.min() > 0
    # Several documents a row, in another order: the same losses in total, each where it belongs.
    rows = [[documents[3], documents[1]], [documents[4]], [documents[2], documents[0]]]
    together = collate([pack(rows, 3 * length)])
    nll_BT, document_BT = by_slot(agent.losses(together), together), together.document_BT.numpy()
    for b, row in enumerate(rows):
        for number, document in enumerate(row):
            slots = nll_BT[b][document_BT[b] == number]
            expected = received[document.episode]
            np.testing.assert_allclose(slots[document.sequence.predict_T], expected, rtol=1e-4, atol=1e-5)
    monkeypatch.setattr(likelihood, "SLOTS_AT_ONCE", 1)  # one by one
    for nll, expected in zip(agent.log_likelihood(episodes), received, strict=True):
        np.testing.assert_allclose(nll, expected, rtol=1e-4, atol=1e-5)


def test_no_episodes_have_no_likelihoods() -> None:
    assert tiny_agent().log_likelihood([]) == []


def test_a_vector_does_not_depend_on_what_is_embedded_beside_it() -> None:
    agent = tiny_agent()
    picture = np.random.default_rng(0).integers(0, 256, (2 * PATCH, PATCH, 3)).astype(np.uint8)
    items = [["a rather long text about a whale"], [picture, "describe"], ["whale"]]
    vectors = agent.embed(items)
    assert vectors.shape == (3, agent.backbone.width)
    assert vectors.dtype == np.float32
    for item, vector in zip(items, vectors, strict=True):
        np.testing.assert_allclose(agent.embed([item])[0], vector, atol=1e-5)
    assert np.linalg.norm(vectors[0] - vectors[2]) > 0.1
