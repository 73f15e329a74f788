"""The peer of `benchmarks/mixture.py` learns the same from the same documents, whatever else it computes."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from opengato.backbones import decoder
from opengato.data.packing import pack_documents
from opengato.objectives import next_token
from opengato.recipes import tiny
from tests.test_benchmarks import script

ROWS, CONTEXT = 3, 512


@pytest.fixture(params=["gato", "ours"])
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any, Any]:
    """The script, a small agent in one of the encodings, and a step of several documents a row."""
    pytest.importorskip("transformers")
    mixture = script("mixture", monkeypatch)
    trunk = decoder.Config(width=32, depth=2, heads=2, hidden=64, window=CONTEXT, sinks=64)
    config = mixture.gato_encoding() if request.param == "gato" else tiny.agent()
    config = dataclasses.replace(config, backbone=trunk, context=CONTEXT)
    mixture.write(tmp_path, 12)
    [step] = mixture.steps_of(config, tmp_path, ROWS, 1)
    return mixture, mixture.stirred(mixture.built(config)), step


def test_loss_and_gradient_are_those_of_packed_rows(case: tuple[Any, Any, Any]) -> None:
    mixture, agent, step = case
    assert len(step.padded.document_BT) >= ROWS
    assert int((step.padded.document_BT == 0).sum()) == step.padded.num_positions == step.packed.num_positions
    found = []
    for objective, batch in ((next_token.Config().build(), step.packed), (mixture.AllLogits(), step.padded)):
        agent.zero_grad()
        loss, _ = objective(agent, batch)
        loss.backward()
        gradient = {name: p.grad.clone() for name, p in agent.named_parameters() if p.grad is not None}
        assert objective.terms(batch) == step.predicted
        found.append((float(loss.detach()), gradient))
    (ours, our_gradient), (theirs, their_gradient) = found
    assert theirs == pytest.approx(ours, rel=1e-5)
    assert our_gradient.keys() == their_gradient.keys()
    for name, gradient in our_gradient.items():
        torch.testing.assert_close(their_gradient[name], gradient, rtol=1e-3, atol=1e-5)


def test_longer_padding_changes_no_loss(case: tuple[Any, Any, Any], tmp_path: Path) -> None:
    mixture, agent, step = case
    config = agent.config
    group = mixture.Mixture(
        mixture.MixtureConfig(
            sources={name: mixture.SourceConfig(path=str(tmp_path / name)) for name in mixture.SOURCES},
            length=CONTEXT,
            rows_per_group=ROWS,
        ),
        config.serializer(),
    ).group(0)
    documents = [document for row in group for document in row]
    longer = pack_documents(documents, CONTEXT + 40)
    with torch.no_grad():
        losses = [float(mixture.AllLogits()(agent, batch)[0]) for batch in (step.padded, longer)]
        # Each document alone, through our own trunk and heads.
        alone = [agent.losses(pack_documents([one], len(one))) for one in documents]
    nats = torch.cat([loss_N for losses_of in alone for loss_N in losses_of.values()])
    assert len(nats) == step.predicted
    assert losses == pytest.approx([float(nats.mean())] * 2, rel=1e-5)


def test_a_peer_that_learns_something_else_is_refused(
    case: tuple[Any, Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    mixture, agent, step = case
    mixture.about(agent.config, [step])
    monkeypatch.setattr(mixture, "before", lambda q, k, v: v)
    with pytest.raises(ValueError, match="on the same documents the losses are"):
        mixture.about(agent.config, [step])
