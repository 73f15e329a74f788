"""Masked modelling by hand, answers always hidden, and the views that make its questions.

Letters: S all slots, N rows of one modality.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from opengato.agent.model import Agent
from opengato.core.batch import PackedBatch
from opengato.core.episode import Episode, document
from opengato.core.views import TOGETHER, as_matched, as_seen, as_shown
from opengato.data.documents import Document
from opengato.data.mixture import Mixture, MixtureConfig, SourceConfig
from opengato.data.packing import pack_documents
from opengato.data.rules import Rules
from opengato.data.store import StoreWriter
from opengato.objectives import masked
from opengato.objectives.hiding import Hiding
from opengato.objectives.masks import Blocks, Mask, Tokens
from opengato.objectives.values import Values
from tests.tiny import caption_episode, tiny_encoder, toy_episode

TEXT = "It is a truth universally acknowledged"


class Given(Mask):
    """Every third row."""

    def draw(self, values: Values) -> torch.Tensor:
        return torch.arange(len(values.value_N)) % 3 == 1


def packed(agent: Agent, episodes: list[Episode]) -> PackedBatch:
    sequences = [agent.serializer.episode(episode) for episode in episodes]
    return pack_documents([Document(sequence=s, source=0, episode=0) for s in sequences], max(map(len, sequences)))


def begun(agent: Agent, config: masked.Config) -> masked.Masked:
    objective = config.build()
    objective.begin(agent)
    return objective


def test_the_loss_by_hand() -> None:
    """Softmax over the table at each hidden slot itself, from a batch whose vectors are replaced one by one."""
    agent = tiny_encoder()
    objective = begun(agent, masked.Config(hiding=Hiding(masks={"text": Given()}, others=None)))
    batch = packed(agent, [document("text/toy", TEXT), document("text/toy", "another one")])
    loss, figures = objective(agent, batch)
    slot_N, ids_N = batch.slot_N["text"], batch.payload["text"]
    hidden_N = (torch.arange(len(slot_N)) % 3 == 1) & ~batch.prompt_BT.flatten()[slot_N]
    table = agent.modality("text").get_parameter("table.weight").detach()
    x_ND = table[ids_N] * 25  # 0.5 / 0.02
    x_ND[hidden_N] = objective.beside.blanks["text"].detach()
    x_SD = agent.local.weight[batch.local_BT.flatten() + 1].detach().clone()
    x_SD[slot_N] += x_ND
    places = batch.document_BT, batch.position_BT, batch.prompt_BT
    h_SD = agent.backbone(x_SD.view(*batch.local_BT.shape, -1), *places).flatten(0, 1).detach()
    nats = []
    for n in np.flatnonzero(hidden_N):
        score_V = (table @ h_SD[slot_N[n]]).double().numpy()
        nats.append(np.log(np.exp(score_V - score_V.max()).sum()) + score_V.max() - score_V[ids_N[n]])
    assert float(loss.detach()) == pytest.approx(np.mean(nats), rel=1e-4)
    assert figures["loss/text"] == pytest.approx(np.mean(nats), rel=1e-4)


def test_answers_are_always_hidden_and_texts_by_the_mask() -> None:
    agent = tiny_encoder()
    objective = begun(agent, masked.Config(hiding=Hiding(others=None)))
    batch = packed(agent, [toy_episode(0, steps=2), caption_episode(1, "red panda"), document("text/toy", TEXT)])
    counts = {name: int(is_N.sum()) for name, is_N in masked.answers(batch, list(batch.payload)).items()}
    caption = len(agent.serializer.codecs["text"].encode(["red panda"], None, "action")[0])  # ty: ignore[invalid-argument-type]
    assert counts["text"] == caption, "the caption, and nothing of the plain text"
    assert counts["choice"] == counts["motion"] == 2
    assert counts["image"] == counts["state"] == counts["cells"] == 0
    told: list[torch.Tensor] = []
    agent.backbone.register_forward_pre_hook(lambda module, inputs: told.append(inputs[0].detach()))
    rows = {**batch.payload, "choice": (batch.payload["choice"] + 1) % 5}
    losses = [objective(agent, dataclasses.replace(batch, payload=payload))[1] for payload in (batch.payload, rows)]
    assert torch.equal(*told), "what is chosen is not read"
    assert losses[0]["loss/choice"] != losses[1]["loss/choice"]
    assert losses[0]["loss/text"] == losses[1]["loss/text"]


def test_only_what_has_a_head_is_hidden() -> None:
    agent = tiny_encoder()
    with pytest.raises(ValueError, match=r"\['image'\] have a mask, but no head"):
        begun(agent, masked.Config(hiding=Hiding(masks={"image": Blocks()})))
    objective = begun(agent, masked.Config())
    batch = packed(agent, [as_shown(caption_episode(i, f"number {i}")) for i in range(3)])
    _, figures = objective(agent, batch)
    assert set(figures) == {"loss/text"}
    assert objective.terms(batch) == len(batch.slot_N["text"]) - int(batch.prompt_BT.sum())


def test_views() -> None:
    one, other = caption_episode(1, "red panda"), caption_episode(2, "a flag")
    seen = as_seen(one).validate()
    assert (seen.instruction, list(seen.observations), seen.actions) == ("", ["image"], {})
    shown = as_shown(one).validate()
    assert shown.observations["caption"][0] == "red panda"
    assert not shown.action_specs
    right, wrong = as_matched(one, one).validate(), as_matched(one, other).validate()
    assert [e.actions["answer"][0] for e in (right, wrong)] == ["yes", "no"]
    assert wrong.observations["caption"][0] == "a flag"
    assert wrong.observations["image"][0] == one.observations["image"][0]
    assert (wrong.task, wrong.instruction) == ("match/caption-toy", TOGETHER)
    same = as_matched(one, dataclasses.replace(other, actions=one.actions))
    assert same.actions["answer"][0] == "yes", "another picture with the same words is no lie"
    with pytest.raises(ValueError, match="observes nothing"):
        as_seen(document("text/toy", TEXT))


def test_the_rules_make_the_documents(tmp_path: Path) -> None:
    """Shares of 0.3, 0.2 and 0.4; questions are answered yes and no equally often, and by what is in them."""
    with StoreWriter(tmp_path / "captions") as writer:
        writer.append([caption_episode(i, f"thing number {i}") for i in range(40)])
    agent = tiny_encoder()
    rules = Rules(seen=0.3, shown=0.2, matched=0.4)
    source = SourceConfig(path=str(tmp_path / "captions"), rules=rules)
    mixture = Mixture(
        MixtureConfig(sources={"captions": source}, length=64, rows_per_group=8), agent.config.serializer()
    )
    views, answers = Counter[str](), Counter[int]()
    for group in map(mixture.group, range(12)):
        for found in (found for row in group for found in row):
            views[found.view] += 1
            sequence = found.sequence
            if found.view in ("seen", "shown"):
                assert not sequence.predict_T.any()
                assert sequence.prompt_length == 1, "the begin marker alone"
            if found.view == "matched":
                answers[int(sequence.payload["text"][-2])] += 1
    total = sum(views.values())
    np.testing.assert_allclose(
        [views[name] / total for name in ("seen", "shown", "matched", "recorded")], [0.3, 0.2, 0.4, 0.1], atol=0.08
    )
    assert len(answers) == 2
    assert min(answers.values()) > 0.35 * sum(answers.values())
    with pytest.raises(ValueError, match=r"`drawn` 0\.6, `seen` 0\.6, expected shares of one whole: at most 1 in all"):
        Rules(drawn=0.6, seen=0.6)


def test_disguises_hold_for_masks_alone() -> None:
    """With every hidden row of a text shown as it is, the answer of a question is blank all the same."""
    agent = tiny_encoder()
    mask = Tokens(share=0.5, kept=0.99)
    objective = begun(agent, masked.Config(hiding=Hiding(masks={"text": mask}, others=None)))
    batch = packed(agent, [as_matched(caption_episode(1), caption_episode(1))])
    inputs: list[torch.Tensor] = []
    agent.backbone.register_forward_pre_hook(lambda module, given: inputs.append(given[0].detach()))
    objective(agent, batch)
    is_N = masked.answers(batch, ["text"])["text"]
    local = agent.local.weight[0]
    for slot in batch.slot_N["text"][is_N].tolist():
        np.testing.assert_allclose(inputs[0][0, slot], (objective.beside.blanks["text"] + local).detach(), atol=1e-5)
