"""Pairs of documents in packed batches, found again and told apart. Letters: B rows, T slots, N pairs, E embedding."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from opengato.agent.model import Agent
from opengato.core.batch import PackedBatch
from opengato.core.views import as_drawn, as_read
from opengato.data.documents import Document
from opengato.data.mixture import Mixture, MixtureConfig, SourceConfig
from opengato.data.packing import collate, pack
from opengato.data.rules import Rules
from opengato.data.store import EpisodeStore, StoreWriter
from opengato.nn import contrast
from opengato.nn.contrast import info_nce
from opengato.objectives import next_token, pairing
from opengato.objectives.pairing import alike, paired_slots
from opengato.train.run import tasks_learnt
from tests.tiny import caption_episode, sharpen, toy_episode, vector_config

CAPTIONS = ("red panda", "a very blue whale", "flag", "an old clock on a wall")


def agent_with_head() -> Agent:
    torch.manual_seed(0)
    agent = dataclasses.replace(vector_config(), contrast=contrast.Config(size=8)).build()
    sharpen(agent.backbone)
    return agent.eval()


def beside(weight: float = 0.5, text: float = 1.0) -> next_token.Config:
    """Next token, and pairs beside it."""
    return next_token.Config(weights={"text": text}, beside={"pairs": pairing.Config(weight=weight)})


def halves(agent: Agent, captions: tuple[str, ...] = CAPTIONS, first: int = 0) -> list[Document]:
    """Both halves of each pair, the pictures first."""
    episodes = [dataclasses.replace(caption_episode(i + first, c), instruction="") for i, c in enumerate(captions)]
    layout, seen = agent.serializer, []
    for side, view in enumerate((lambda e: e, as_read)):
        for i, episode in enumerate(episodes):
            seen.append(Document(sequence=layout.episode(view(episode)), source=0, episode=i, half=2 * i + side))
    return seen


def batch_of(agent: Agent, documents: list[Document], rows: int = 3) -> PackedBatch:
    return collate([pack([documents[row::rows] for row in range(rows)], 160)])


def test_halves_meet_whatever_row_they_lie_in() -> None:
    """What the objective compares is what `agent.embed` gives for each half alone, in order of the pairs."""
    agent = agent_with_head()
    batch = batch_of(agent, halves(agent))
    one_N, other_N = paired_slots(batch)
    assert agent.contrast is not None
    with torch.no_grad():
        h_SD = agent(batch).flatten(0, 1)
        found = [agent.contrast(h_SD[slot_N]).numpy() for slot_N in (one_N, other_N)]
    pictures = [[caption_episode(i).observations["image"][0]] for i in range(len(CAPTIONS))]
    for mine, inputs in zip(found, (pictures, [[caption] for caption in CAPTIONS]), strict=True):
        np.testing.assert_allclose(mine, agent.embed(inputs), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found[0], axis=1), 1, rtol=1e-5)


def test_a_half_alone_is_no_pair_and_groups_count_for_themselves() -> None:
    agent = agent_with_head()
    documents = halves(agent)
    whole = {document.half for document in documents[1:]}
    one_N, other_N = paired_slots(batch_of(agent, documents[1:]))
    assert len(one_N) == len(other_N) == len(CAPTIONS) - 1
    assert 1 in whole, "the caption whose picture found no room"
    groups = [pack([documents], 300), pack([halves(agent, CAPTIONS[:2], first=9)], 300)]
    one_N, other_N = paired_slots(collate(groups))
    assert len(one_N) == len(CAPTIONS) + 2
    assert ((one_N // 300) == (other_N // 300)).all(), "no pair reaches over to another group"
    plain = pack([[dataclasses.replace(documents[0], half=-1)]], 300)
    assert len(paired_slots(collate([plain]))[0]) == 0
    assert len(paired_slots(collate([plain, *groups]))[0]) == len(CAPTIONS) + 2


def test_the_loss_is_next_token_and_the_weighted_mean_over_pairs() -> None:
    agent = agent_with_head()
    batch = batch_of(agent, halves(agent))
    total, figures = beside(weight=0.25, text=2.0).build()(agent, batch)
    told, _ = next_token.Config(weights={"text": 2.0}).build()(agent, batch)
    pictures = [[caption_episode(i).observations["image"][0]] for i in range(len(CAPTIONS))]
    both = [torch.from_numpy(agent.embed(inputs)) for inputs in (pictures, [[caption] for caption in CAPTIONS])]
    apart = info_nce(*both, torch.tensor(1 / 0.07)).mean()
    assert float(total.detach()) == pytest.approx(float(told.detach() + 0.25 * apart), rel=1e-4)
    assert figures["pairs"] == len(CAPTIONS)
    assert figures["loss/pairs"] == pytest.approx(float(apart), rel=1e-4)


def test_the_head_and_the_trunk_learn_to_find_pairs() -> None:
    agent = agent_with_head().train()
    batch = batch_of(agent, halves(agent))
    objective = beside(weight=1.0).build()
    optimizer = torch.optim.Adam(agent.parameters(), lr=3e-3)
    for _ in range(30):
        loss, figures = objective(agent, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert agent.contrast is not None
    assert agent.contrast.get_parameter("project.weight").grad is not None
    assert figures["pairs found"] == 1.0
    assert figures["loss/pairs"] < 0.3


def test_pairs_without_a_head_are_an_error_that_says_what_to_do() -> None:
    agent = vector_config().build()
    batch = batch_of(agent, halves(agent))
    with pytest.raises(ValueError, match=r"holds 4 pairs, but the agent has no head .*; give its config `contrast`"):
        beside().build()(agent, batch)
    alone = dataclasses.replace(batch, half_BT=None)
    assert torch.equal(beside().build()(agent, alone)[0], next_token.Config().build()(agent, alone)[0])


def test_the_rule_puts_pairs_into_a_mixture(tmp_path: Path) -> None:
    """At a share of a half, about half of the episodes come in two; both halves are of one episode and in one group."""
    with StoreWriter(tmp_path / "captions") as writer:
        writer.append([caption_episode(i, f"thing number {i}") for i in range(40)])
    serializer = vector_config().serializer()

    source = SourceConfig(path=str(tmp_path / "captions"), rules=Rules(pairs_apart=0.5))
    apart = Mixture(MixtureConfig(sources={"captions": source}, length=64, rows_per_group=8), serializer)
    paired = alone = 0
    for group in map(apart.group, range(6)):
        documents = [document for row in group for document in row]
        by_half = {document.half: document for document in documents if document.half >= 0}
        alone += sum(document.half < 0 for document in documents)
        for half, document in by_half.items():
            other = by_half.get(half ^ 1)
            if other is not None:
                assert document.episode == other.episode
                assert {document.view, other.view} == {"recorded", "read"}
                paired += half % 2
            assert document.sequence.prompt_length == 1, "the begin marker alone"
            assert document.sequence.predict_T.any() == (half % 2 == 0)
    assert 0.25 < paired / (paired + alone) < 0.75
    told = tasks_learnt(list(EpisodeStore(tmp_path / "captions").tasks()), Rules(pairs_apart=0.5, drawn=0.1))
    assert told == ["caption/toy", "draw/toy", "retrieve/caption-toy"], "a card names what the rules add"


def test_what_cannot_be_turned_says_why() -> None:
    for view in (as_drawn, as_read):
        with pytest.raises(ValueError, match=r"'toy/task' with 4 steps"):
            view(toy_episode())
    turned = as_drawn(caption_episode(2, "a red apple"))
    assert (turned.task, turned.instruction) == ("draw/toy", "draw: a red apple")
    assert turned.validate().actions["image"][0] == caption_episode(2).observations["image"][0]
    assert as_read(caption_episode(2)).validate().task == "retrieve/caption-toy"
    with pytest.raises(ValueError, match="at most 1 in all"):
        Rules(drawn=0.6, pairs_apart=0.6)


def test_pairs_that_share_a_half_are_not_told_apart() -> None:
    """Two drawings of one caption; where they stand in the batch, and what is drawn beside them, does not matter."""
    agent = agent_with_head()
    captions = ("red panda", "flag", "red panda", "an old clock on a wall")
    batch = batch_of(agent, halves(agent, captions))
    one_N, other_N = paired_slots(batch)
    same = torch.eye(4, dtype=torch.bool)
    assert torch.equal(alike(batch, one_N), same), "four drawings"
    same[0, 2] = same[2, 0] = True
    assert torch.equal(alike(batch, other_N), same), "three captions"
    _, figures = beside().build()(agent, batch)
    assert agent.contrast is not None
    with torch.no_grad():
        h_SD = agent(batch).flatten(0, 1)
        one_NE, other_NE = (agent.contrast(h_SD[slot_N]).double().numpy() for slot_N in (one_N, other_N))
    score_NN, expected = np.exp(one_NE @ other_NE.T / 0.07), []
    for i in range(4):
        told = [j for j in range(4) if i == j or not same[i, j]]
        expected += [
            -np.log(score_NN[i, i] / score_NN[i, told].sum()),
            -np.log(score_NN[i, i] / score_NN[told, i].sum()),
        ]
    assert figures["loss/pairs"] == pytest.approx(np.mean(expected), rel=1e-4)


def test_rows_in_another_order_or_another_modality_are_not_alike() -> None:
    agent = agent_with_head()
    captions = ("ab cd", "cd ab", "ab cd", "ab  cd", "AB cd", "ab cd ab cd")
    batch = batch_of(agent, halves(agent, captions))
    same_NN = alike(batch, paired_slots(batch)[1])
    assert same_NN.sum() == len(captions) + 2
    assert same_NN[0, 2]
    assert same_NN[2, 0]
