"""A training step: the objective by hand, heads only where something is predicted, and it learns.

Letters: B rows, T slots, S slots of all rows, N positions of one modality, D width.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from opengato.core.batch import PackedBatch
from opengato.core.episode import document
from opengato.core.modality import Modality
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.objectives import next_token
from opengato.train import optim
from opengato.train.distributed import Alone
from opengato.train.loop import shares, source_counts, train_step
from opengato.train.metrics import Metrics
from tests.tiny import ENCODINGS, caption_episode, documents_of_all_kinds, tiny_agent, toy_episode, vector_config
from tests.train.toy_run import batch_of


def packed(encoding: str) -> PackedBatch:
    serializer = ENCODINGS[encoding]().serializer()
    sequences = [serializer.episode(episode) for episode in documents_of_all_kinds()]
    documents = [Document(sequence=s, source=i % 2, episode=i) for i, s in enumerate(sequences)]
    return pack_documents(documents, max(map(len, documents)))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_objective_by_hand(encoding: str) -> None:
    """Sum over predicted rows of weight * NLL / their number, each row by itself from the slot before it."""
    agent, batch = tiny_agent(encoding), packed(encoding)
    objective = next_token.Config(weights={"text": 0.5, "choice": 3.0}).build()
    loss, figures = objective(agent, batch)
    with torch.inference_mode():
        hidden = agent(batch).flatten(0, 1)
        total, count, by_name = 0.0, 0, {}
        for name, rows in batch.payload.items():
            for slot, row, predicted in zip(batch.slot_N[name], rows, batch.predict_N[name], strict=True):
                if predicted:
                    nll = float(agent.modality(name).loss(hidden[slot - 1][None], row[None]))
                    total += {"text": 0.5, "choice": 3.0}.get(name, 1.0) * nll
                    count += 1
                    by_name.setdefault(name, []).append(nll)
    assert float(loss.detach()) == pytest.approx(total / count, rel=1e-5)
    assert figures == pytest.approx({f"loss/{name}": np.mean(values) for name, values in by_name.items()}, rel=1e-4)
    assert len(by_name) == (1 if encoding == "shared" else 3)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_gradient_reaches_the_slots_before_targets_and_no_others(encoding: str) -> None:
    """So the first word of a caption is learnt from the last patch, and nothing is learnt from padding."""
    agent, batch = tiny_agent(encoding), packed(encoding)
    kept: list[Tensor] = []
    handle = agent.backbone.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    loss, _ = next_token.Config().build()(agent, batch)
    handle.remove()
    (gradient_BTD,) = torch.autograd.grad(loss, kept)
    reached = set(gradient_BTD.flatten(0, 1).abs().amax(1).nonzero()[:, 0].tolist())
    targets = torch.cat([slot[batch.predict_N[name]] for name, slot in batch.slot_N.items()])
    assert reached == set((targets - 1).tolist())
    last_patches = {int(slot) for slot in batch.slot_N["image"] if int(slot) + 1 not in batch.slot_N["image"].tolist()}
    first_words = {slot for slot in last_patches if slot + 1 in targets.tolist()}
    assert len(first_words) == (2 if encoding == "vector" else 0), "else the separator comes in between"
    assert first_words <= reached


def test_heads_see_only_what_is_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits cost most where the vocabulary is large: not one more than needed."""
    agent, batch = tiny_agent(), packed("vector")
    asked: dict[str, int] = {}
    for name, modality in agent.modalities.items():
        assert isinstance(modality, Modality)

        def spy(h_ND: Tensor, payload_NP: Tensor, name: str = name, loss: object = modality.loss) -> Tensor:
            asked[name] = asked.get(name, 0) + len(h_ND)
            return loss(h_ND, payload_NP)  # ty: ignore[not-callable]

        monkeypatch.setattr(modality, "loss", spy)
    agent.losses(batch)
    assert asked == {name: int(marks.sum()) for name, marks in batch.predict_N.items() if marks.any()}
    assert asked["text"] < len(batch.payload["text"])


def test_a_batch_without_targets_is_refused() -> None:
    batch = batch_of(0)
    nothing = {name: torch.zeros_like(marks) for name, marks in batch.predict_N.items()}
    with pytest.raises(ValueError, match="this batch predicts nothing"):
        next_token.Config().build()(tiny_agent(), dataclasses.replace(batch, predict_N=nothing))


def test_a_step_leaves_the_batch_and_no_gradient_behind() -> None:
    agent, batch = tiny_agent().train(), batch_of(0)
    fields = [field.name for field in dataclasses.fields(batch)]
    before = {name: _clone(getattr(batch, name)) for name in fields}
    optimizers = optim.build(agent, optim.Config())
    weights = {name: parameter.detach().clone() for name, parameter in agent.named_parameters()}
    figures = train_step(Alone(agent, next_token.Config().build()), optimizers, [batch], rate=0.5, clip=1.0)
    for name in fields:
        after = getattr(batch, name)
        assert all(map(torch.equal, _flat(after), _flat(before[name]))), name
    assert figures["learning_rate"] == 0.5
    assert figures["grad_norm"] > 0
    assert all(parameter.grad is None for parameter in agent.parameters())
    changed = {name for name, parameter in agent.named_parameters() if not torch.equal(parameter, weights[name])}
    assert changed == weights.keys()


def gradients_of(parts: list[PackedBatch]) -> tuple[dict[str, Tensor], dict[str, float]]:
    """The gradients that the optimiser gets, and the figures."""
    agent = tiny_agent().train()
    sgd = torch.optim.SGD(agent.parameters(), lr=0.0)
    sgd.param_groups[0]["base_lr"] = 0.0
    found: dict[str, Tensor] = {}

    def note(*_: object) -> None:
        found.update({name: p.grad.clone() for name, p in agent.named_parameters() if p.grad is not None})

    sgd.register_step_pre_hook(note)
    objective = next_token.Config(weights={"text": 0.5}).build()
    figures = train_step(Alone(agent, objective), optim.Optimizers((sgd,)), parts, rate=1.0, clip=1e9)
    return found, figures


@pytest.mark.parametrize("number", [2, 5])
@pytest.mark.parametrize("silent", [False, True])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(number: int, silent: bool) -> None:
    """Parts of different sizes, of different modalities, and one without a target."""
    batch = packed("vector")
    if silent:
        slots = batch.document_BT.shape[1]
        targets = {name: marks & (batch.slot_N[name] // slots != 2) for name, marks in batch.predict_N.items()}
        batch = dataclasses.replace(batch, predict_N=targets)
    expected, figures = gradients_of([batch])
    parts = batch.split(number)
    counts = [next_token.Config().build().terms(part) for part in parts]
    assert len(set(counts)) > 1
    assert (0 in counts) == (silent and number == 5)
    received, same = gradients_of(parts)
    assert received.keys() == expected.keys()
    for name, gradient in expected.items():
        largest = float(gradient.abs().max())
        assert (received[name] - gradient).abs().max() <= 1e-5 * largest + 1e-9, name
    assert same["loss"] == pytest.approx(figures["loss"], rel=1e-5)
    assert same["grad_norm"] == pytest.approx(figures["grad_norm"], rel=1e-5)
    assert same.keys() == figures.keys()


def _clone(value: object) -> object:
    return {k: v.clone() for k, v in value.items()} if isinstance(value, dict) else value.clone()  # ty: ignore


def _flat(value: object) -> list[Tensor]:
    return list(value.values()) if isinstance(value, dict) else [value]  # ty: ignore


def test_a_loss_that_is_not_finite_stops_the_run_before_it_harms_the_weights() -> None:
    agent = tiny_agent().train()
    optimizers = optim.build(agent, optim.Config())
    with torch.no_grad():
        agent.local.weight[0, 0] = torch.nan
    before = agent.backbone.state_dict()["norm.weight"].clone()
    with pytest.raises(FloatingPointError, match=r"the loss is nan: .*loss/text.*lower the learning rate"):
        train_step(Alone(agent, next_token.Config().build()), optimizers, [batch_of(0)], rate=1.0, clip=1.0)
    assert torch.equal(agent.backbone.state_dict()["norm.weight"], before)


def test_the_gradient_is_clipped() -> None:
    """AdamW divides by its own scale, so a plain optimiser shows it."""
    agent = tiny_agent().train()
    norms = []
    for clip in (1e9, 1e-3):
        optimizers = optim.Optimizers((torch.optim.SGD(agent.parameters(), lr=0.0),))
        optimizers.parts[0].param_groups[0]["base_lr"] = 0.0
        seen: list[float] = []
        step = optimizers.parts[0].step
        optimizers.parts[0].step = lambda seen=seen, step=step: (  # ty: ignore[invalid-assignment]
            seen.append(math.sqrt(sum(float(p.grad.square().sum()) for p in agent.parameters() if p.grad is not None))),
            step(),
        )
        figures = train_step(Alone(agent, next_token.Config().build()), optimizers, [batch_of(0)], rate=1.0, clip=clip)
        norms.append((figures["grad_norm"], seen[0]))
    assert norms[0][0] == pytest.approx(norms[0][1], rel=1e-4)
    assert norms[1] == pytest.approx((norms[0][0], 1e-3), rel=1e-3)


def test_it_memorises_a_handful_of_documents() -> None:
    """Every kind of target at once; chance is above 3 nats."""
    serializer = vector_config().serializer()
    episodes = [toy_episode(0, steps=3), toy_episode(1, steps=3, instruction="stop"), caption_episode(2)]
    episodes += [caption_episode(3, "a blue whale"), document("text/toy", "Call me Ishmael.")]
    documents = [Document(sequence=serializer.episode(e), source=0, episode=i) for i, e in enumerate(episodes)]
    batch = pack_documents(documents, max(map(len, documents)))
    torch.manual_seed(0)
    agent = vector_config().build().train()
    config, steps = optim.Config(warmup=10, learning_rate=1e-2, weight_decay=0.0), 150
    optimizers, objective = optim.build(agent, config), next_token.Config().build()
    begun, losses = time.process_time(), []
    for step in range(steps):
        rate = optim.schedule(step, steps, config)
        losses.append(train_step(Alone(agent, objective), optimizers, [batch], rate, config.clip)["loss"])
    assert losses[0] > 3
    assert losses[-1] < 0.05
    assert time.process_time() - begun < 20
    agent.eval()
    assert agent.generate([episodes[2].observations["image"][0], "describe the picture"]) == "red panda"
    assert agent.generate([episodes[3].observations["image"][0], "describe the picture"]) == "a blue whale"
    assert agent.generate("Call me") == " Ishmael."
    assert all(nll.max() < 1 for nll in agent.log_likelihood(episodes))


def test_shares_are_of_positions() -> None:
    batch = packed("vector")
    lengths = (batch.document_BT >= 0).sum(1)
    received = shares([source_counts(part, 3) for part in batch.split(2)], ["even", "odd", "none"])
    expected = [lengths[0::2].sum() / lengths.sum(), lengths[1::2].sum() / lengths.sum(), 0.0]
    assert list(received) == ["share/even", "share/odd", "share/none"]
    assert list(received.values()) == pytest.approx([float(x) for x in expected])
    assert shares([source_counts(dataclasses.replace(batch, source_BT=None), 1)], ["even"]) == {}


def test_metrics_average_between_reports_and_tell_the_speed(tmp_path: Path) -> None:
    now = 0.0
    metrics = Metrics(tmp_path, steps=25, every=10, clock=lambda: now)
    for step in range(25):
        now += 2.0
        metrics.add(step, {"loss": float(step), "data_seconds": 0.5}, positions=100)
    metrics.close()
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [10, 20, 25]
    assert [row["loss"] for row in rows] == [4.5, 14.5, 22.0]
    assert {row["tokens_per_second"] for row in rows} == {50.0}
    assert {row["data_wait"] for row in rows} == {0.25}
    assert [row["eta_seconds"] for row in rows] == [30.0, 10.0, 0.0]
