"""What a predicted row counts, against numbers computed by hand. Letters: T slots of a row, N rows of a modality."""

from __future__ import annotations

import pytest
import torch

from opengato.core.batch import PackedBatch
from opengato.objectives import next_token
from opengato.objectives.prediction import mean_loss, row_weights, total_weight

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
    plain, figures = mean_loss(losses, batch(), {}, balance=0.0)
    assert float(plain) == pytest.approx(21 / 6)
    assert figures == {"loss/text": pytest.approx(3.5)}
    by_length, figures = mean_loss(losses, batch(), {"text": 2.0}, balance=1.0)
    assert float(by_length) == pytest.approx(2 * (4 * 2.0 + 5 * 4.0 + 3 * 5.5) / 12)
    assert figures == {"loss/text": pytest.approx(3.5)}, "what is shown is not weighted"


def test_what_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match="`balance` is 2"):
        next_token.Config(balance=2.0)
