"""The two fusions compute the same, and what they compute is what is counted by hand."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from opengato import recipes
from opengato.core.episode import document
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.evaluators import evaluator_of
from opengato.modalities.image.encoder import EncodedImage
from opengato.recipes import fusion, studies
from opengato.train.compute import training_flops
from tests.tiny import trunk, vector_config


def test_products_of_a_text_by_hand() -> None:
    """A row of T = 9 slots, of which 6 are predicted; width D = 32, 2 blocks, feed-forward of 48, V ids."""
    config = vector_config()
    agent = dataclasses.replace(
        config,
        modalities={"text": config.modalities["text"]},
        routes={route: name for route, name in config.routes.items() if name == "text"},
    ).build()
    sequence = agent.serializer.episode(document("text/toy", "abc"))
    batch = pack_documents([Document(sequence=sequence, source=0, episode=0)], len(sequence))
    slots, width, hidden = len(sequence), 32, 48
    block = slots * (3 * width * width + width * width + 3 * width * hidden) + 2 * slots * slots * width
    head = int(sequence.predict_T.sum()) * agent.modality("text").codec.num_ids * width  # ty: ignore
    assert training_flops(agent, batch) == 3 * 2 * (2 * block + head)
    assert trunk().depth == 2


def test_both_runs_compute_the_same() -> None:
    totals = {name: fusion.step_flops(name) * steps for name, steps in fusion.STEPS.items()}
    assert totals["late"] == pytest.approx(totals["early"], rel=2e-3)


def test_what_is_measured_is_what_was_learnt() -> None:
    learnt = {*fusion.PICTURES, *fusion.TEXTS}
    for task in studies.FUSION_TASKS.split(","):
        assert task in evaluator_of(task).tasks(task.partition("/")[0])
        assert task.rpartition("/")[2].removeprefix("caption-") in learnt


def test_they_differ_in_the_encoders_and_the_depth_alone() -> None:
    early, late = (recipes.load(f"fusion-{name}") for name in ("early", "late"))
    assert early.train.agent.routes == late.train.agent.routes
    same = dataclasses.replace(late.train.agent.backbone, depth=early.train.agent.backbone.depth)
    assert same == early.train.agent.backbone
    assert (early.weights, early.rules, early.rows) == (late.weights, late.rules, late.rows)
    torch.manual_seed(0)
    agent = late.train.agent.build()
    assert isinstance(agent.modality("image"), EncodedImage)
    assert agent.contrast is not None
