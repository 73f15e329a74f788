"""Ids in a tied table: only what a spec allows is drawn, with the probabilities of the softmax over just that.

Letters: N positions, D width, V ids.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from opengato.core.episode import ArraySpec
from opengato.core.modality import Sampling
from opengato.core.serialize import Role, TokenCodec
from opengato.modalities import text, token_table
from opengato.modalities.continuous import tokens as continuous
from opengato.modalities.discrete import tokens as discrete
from opengato.modalities.token_table import TokenTable
from opengato.recipes import gato_tokens

SOME = ArraySpec(name="some", kind="discrete", num_values=3, dtype="int64")
NONE = ArraySpec(name="none", kind="discrete", num_values=1, dtype="int64")


class Holes(TokenCodec):
    """Ids 0 to 7, of which a spec of three values allows 2, 4 and 5, and any other none."""

    num_ids = 8

    def __init__(self) -> None:
        self.asked = 0

    def allowed(self, spec: ArraySpec) -> np.ndarray:
        self.asked += 1
        return np.isin(np.arange(8), [2, 4, 5] if spec.num_values == 3 else [])

    def num_positions(self, spec: ArraySpec) -> int | None:
        return 1

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> Any:
        raise NotImplementedError


def table() -> tuple[TokenTable, Holes]:
    codec = Holes()
    modality = TokenTable(codec, 4)
    torch.nn.init.normal_(modality.table.weight, generator=torch.Generator().manual_seed(0))
    return modality, codec


def test_the_best_is_the_best_of_what_is_allowed() -> None:
    modality, _ = table()
    h_ND = torch.randn(200, 4)
    scores = h_ND.numpy() @ modality.table.weight.detach().numpy().T
    allowed = np.array([2, 4, 5])
    expected = allowed[scores[:, allowed].argmax(1)]
    assert modality.sample(h_ND, SOME, Sampling()).tolist() == expected.tolist()
    assert set(expected.tolist()) == {2, 4, 5}


def test_draws_have_the_probabilities_of_a_softmax_over_what_is_allowed() -> None:
    modality, _ = table()
    h_D = torch.randn(4)
    scores = (modality.table.weight @ h_D).detach().double().numpy()[[2, 4, 5]] / 0.7
    expected = np.exp(scores) / np.exp(scores).sum()
    count = 20_000
    sampling = Sampling(temperature=0.7, generator=torch.Generator().manual_seed(1))
    drawn = modality.sample(h_D.expand(count, 4), SOME, sampling).numpy()
    seen = np.array([(drawn == i).mean() for i in (2, 4, 5)])
    assert seen.sum() == 1
    np.testing.assert_allclose(seen, expected, atol=4 * 0.5 / count**0.5)


def test_probabilities_are_the_softmax_over_what_is_allowed() -> None:
    modality, _ = table()
    h_ND = torch.randn(3, 4)
    scores = (h_ND @ modality.table.weight.T).detach().double().numpy()[:, [2, 4, 5]]
    expected = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    received = modality.probabilities(h_ND, SOME).detach().numpy()
    assert received.shape == (3, 1, 4)  # from the first id that is allowed to the last
    assert (received[:, 0, 1] == 0).all()
    np.testing.assert_allclose(received[:, 0, [0, 2, 3]], expected, atol=1e-5)


def test_a_mask_is_made_once_a_spec_and_serves_with_and_without_gradients() -> None:
    modality, codec = table()
    with torch.inference_mode():
        first = modality.sample(torch.ones(1, 4), SOME, Sampling())
    again = modality.sample(torch.ones(1, 4, requires_grad=True), SOME, Sampling())
    assert torch.equal(first, again)
    assert codec.asked == 1
    same = ArraySpec(name="some", kind="discrete", num_values=3, dtype="int64")
    modality.sample(torch.ones(1, 4), same, Sampling())
    assert codec.asked == 1


def test_a_spec_that_allows_nothing_is_named() -> None:
    with pytest.raises(ValueError, match="'none' cannot be written: none of the 8 ids of this modality may be used"):
        table()[0].sample(torch.ones(1, 4), NONE, Sampling())


def test_acting_scores_the_actions_and_not_the_whole_vocabulary(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = []

    def spy(logits_NV: Tensor, sampling: Sampling) -> Tensor:
        widths.append(logits_NV.shape[1])
        return logits_NV.argmax(-1)

    monkeypatch.setattr(token_table, "choose_ids", spy)
    modality = gato_tokens.disjoint().build(4)
    modality.sample(torch.ones(1, 4), SOME, Sampling())
    unit = ArraySpec(name="x", kind="continuous", low=-1.0, high=1.0)
    modality.sample(torch.ones(1, 4), unit, Sampling())
    assert widths == [3, 1024]


@pytest.mark.parametrize("config", [text.Config(), discrete.Config(), continuous.Config(), gato_tokens.disjoint()])
def test_weights_have_the_one_name_that_checkpoints_know(config: Any) -> None:
    assert {name: tuple(value.shape) for name, value in config.build(4).state_dict().items()} == {
        "table.weight": (config.codec().num_ids, 4)
    }
