"""What a predicted row counts, against numbers by hand. Letters: S slots, D width, N rows of a modality."""

from __future__ import annotations

import pytest
import torch

from opengato.core.batch import PackedBatch
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.modalities.token_table import TokenTable
from opengato.objectives import next_token
from opengato.objectives.prediction import mean_loss, row_weights, total_weight
from tests.tiny import serializer, tiny_agent, toy_episode

# Two rows. The first holds a text of 4 words (3 predicted) and a question of 5 slots (two pixels, three words, of
# which the last is predicted); the second a text of 3 words (2 predicted), then padding.
DOCUMENT = [[0, 0, 0, 0, 1, 1, 1, 1, 1], [0, 0, 0, -1, -1, -1, -1, -1, -1]]


def batch() -> PackedBatch:
    words = torch.tensor([0, 1, 2, 3, 6, 7, 8, 9, 10, 11])
    pixels = torch.tensor([4, 5])
    return PackedBatch(
        payload={"text": torch.zeros(len(words), 1), "image": torch.zeros(len(pixels), 1)},
        slot_N={"text": words, "image": pixels},
        predict_N={"text": torch.tensor([0, 1, 1, 1, 0, 0, 1, 0, 1, 1]).bool(), "image": torch.zeros(2).bool()},
        document_BT=torch.tensor(DOCUMENT),
        position_BT=torch.zeros(2, 9, dtype=torch.int64),
        local_BT=torch.zeros(2, 9, dtype=torch.int64),
        prompt_BT=torch.zeros(2, 9, dtype=torch.bool),
    )


def packed_toy(encoding: str, length: int) -> PackedBatch:
    sequence = serializer(encoding).episode(toy_episode())
    return pack_documents([Document(sequence=sequence, source=0, episode=0)], length)


def test_a_document_counts_by_its_length() -> None:
    weights = row_weights(batch(), balance=1.0)
    assert weights["text"].tolist() == pytest.approx([4 / 3] * 3 + [5.0] + [3 / 2] * 2)
    assert len(weights["image"]) == 0
    assert total_weight(batch(), 1.0) == pytest.approx(4 + 5 + 3), "the slots of all documents"
    assert total_weight(batch(), 0.0) == 6, "the predicted rows"
    assert row_weights(batch(), balance=0.5)["text"].tolist() == pytest.approx(
        [(4 / 3) ** 0.5] * 3 + [5**0.5] + [1.5**0.5] * 2
    )


@pytest.mark.parametrize("balance", [0.0, 0.3, 1.0])
def test_parts_weigh_what_the_whole_does(balance: float) -> None:
    parts = batch().split(2)
    assert sum(total_weight(part, balance) for part in parts) == pytest.approx(total_weight(batch(), balance))


def test_the_mean_loss_by_hand() -> None:
    losses = {"text": torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])}
    plain, figures = mean_loss(losses, {}, row_weights(batch(), balance=0.0))
    assert float(plain) == pytest.approx(21 / 6)
    assert figures == {"loss/text": pytest.approx(3.5)}
    assert float(mean_loss(losses, {})[0]) == pytest.approx(21 / 6)
    by_length, figures = mean_loss(losses, {"text": 2.0}, row_weights(batch(), balance=1.0))
    assert float(by_length) == pytest.approx(2 * (4 * 2.0 + 5 * 4.0 + 3 * 5.5) / 12)
    assert figures == {"loss/text": pytest.approx(3.5)}, "what is shown is not weighted"


def test_the_z_loss_is_the_square_of_what_a_softmax_sums_to() -> None:
    """NLL + z (log Z)^2 over the ids of the table, and nothing of rows that are no single choice."""
    agent, packed = tiny_agent("tokens"), packed_toy("tokens", 160)
    plain, figures = next_token.Config().build()(agent, packed)
    more, shown = next_token.Config(z=0.1).build()(agent, packed)
    h_SD, rows, total = agent(packed).detach().flatten(0, 1), 0, 0.0
    for name, target_N in packed.predict_N.items():
        before_N = packed.slot_N[name][target_N] - 1
        if len(before_N):
            modality = agent.modality(name)
            assert isinstance(modality, TokenTable)
            log_z = torch.logsumexp(modality.table.logits(h_SD[before_N]), -1).detach()
            assert shown[f"log_z/{name}"] == pytest.approx(float(log_z.mean()), rel=1e-4)
            rows, total = rows + len(log_z), total + float(log_z.square().sum())
    assert float((more - plain).detach()) == pytest.approx(0.1 * total / rows, rel=1e-4)
    assert shown.items() >= figures.items(), "what is shown of the losses is the NLL"
    _, shown = next_token.Config(z=0.1).build()(tiny_agent("vector"), packed_toy("vector", 64))
    assert "log_z/choice" in shown
    assert "log_z/motion" not in shown


def test_what_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match="`balance` is 2"):
        next_token.Config(balance=2.0)
    with pytest.raises(ValueError, match="`z` is -1"):
        next_token.Config(z=-1.0)
