"""Bits of drawn pictures: a head that knows nothing needs log2 of the ids for each, and no caption helps it.

Letters: B rows, T slots, D width.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from opengato.agent.model import Agent
from opengato.core.backbone import CachedBackbone
from opengato.core.episode import MEDIA_SPECS, ArraySpec, document, objects
from opengato.core.serialize import Role
from opengato.core.views import as_drawn
from opengato.data.store import StoreWriter
from opengato.evaluators import Settings, evaluator_of, run_task
from opengato.evaluators.draw import BY_LOT, METRIC, OTHER, another, psnr_of
from opengato.evaluators.heldout import held_out_pictures
from opengato.modalities.image.tokens import Config, PictureTokens
from opengato.modalities.token_table import TokenTable
from tests.tiny import caption_episode, vector_config

TASK = "draw/openclipart"


def drawing_agent(marks: bool = False) -> Agent:
    config = vector_config(window=96)
    text = dataclasses.replace(config.modalities["text"], marks=marks)
    routes = {**config.routes, "action/image": "ids", **({"mark": "text"} if marks else {})}
    modalities = {**config.modalities, "text": text, "ids": Config()}
    return dataclasses.replace(config, modalities=modalities, routes=routes, context=128).build().eval()


def test_a_head_of_zeros_needs_all_bits_and_its_caption_saves_none() -> None:
    agent = drawing_agent()
    with torch.no_grad():
        table = agent.modality("ids")
        assert isinstance(table, TokenTable)
        table.table.weight.zero_()
    result = run_task(agent, TASK, Settings(documents=3))
    assert result.score.value == pytest.approx(64 * math.log2(1000), rel=1e-5)
    assert result.figures["bits saved by the caption"].value == pytest.approx(0, abs=1e-3)
    assert result.references["told another caption"] == pytest.approx(result.score.value, rel=1e-5)
    assert result.references[BY_LOT] == pytest.approx(64 * math.log2(1000))
    assert 12 < result.figures["PSNR"].value < 40
    assert run_task(agent, TASK, Settings(documents=3)) == result


def test_what_is_saved_is_the_difference_picture_by_picture() -> None:
    samples = {METRIC: [100.0, 300.0], OTHER: [110.0, 290.0], "PSNR": [20.0, 22.0], BY_LOT: [64 * math.log2(1000)]}
    result = evaluator_of(TASK).summarise(TASK, samples, Settings())
    assert (result.score.value, result.references["told another caption"]) == (200.0, 200.0)
    assert result.figures["caption helps"].value == 0.5
    assert result.figures["PSNR"].value == 21.0
    assert another(["a", "a", "b"], 2) == "a"
    assert another(["a", "a", "b"], 0) == "b"
    with pytest.raises(ValueError, match="all 2 captions are 'a'"):
        another(["a", "a"], 0)


def test_films_are_not_drawn(tmp_path: Path) -> None:
    film = replace(document("caption/composed", "a red panda"), observation_specs={"video": MEDIA_SPECS["video"]})
    with StoreWriter(tmp_path / "composed" / "test") as writer:
        writer.append([replace(film, observations={"video": objects([b"film"])})])
    assert "no captioned pictures" in str(evaluator_of(TASK).unfit("draw/composed", Settings(data=tmp_path)))


def test_psnr_of_what_comes_back_unchanged_is_out_of_sight() -> None:
    class Perfect(PictureTokens):
        def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
            self.kept = self.square(values[0])
            return np.zeros(64, np.int64), np.array([64])

        def decode(self, payload: np.ndarray, spec: ArraySpec) -> np.ndarray:
            return self.kept

    assert psnr_of(Perfect(), held_out_pictures("caption/emoji")[0].png) > 120


@pytest.mark.parametrize("marks", [False, True])
def test_a_drawing_is_laid_out_as_in_training(marks: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the ids of a picture put into its mouth, an agent reads what training lays out, and gives that picture."""
    agent = drawing_agent(marks)
    episode = as_drawn(caption_episode(3, "a red apple"))
    whole = agent.serializer.episode(episode)
    ids = iter(whole.payload["ids"])
    seen = []
    assert isinstance(agent.backbone, CachedBackbone)
    extend = agent.backbone.extend

    def note(x_BTD: torch.Tensor, *places: Any) -> torch.Tensor:
        seen.append(x_BTD[0])
        return extend(x_BTD, *places)

    monkeypatch.setattr(agent.backbone, "extend", note)
    monkeypatch.setattr(type(agent.modality("ids")), "sample", lambda *_: torch.tensor([int(next(ids))]))
    picture = agent.draw("a red apple")
    codec = agent.serializer.codecs["ids"]
    spec = episode.action_specs["image"]
    np.testing.assert_array_equal(np.asarray(picture), codec.decode(whole.payload["ids"], spec))
    assert sum(map(len, seen)) == len(whole) - marks, "all but the mark that ends it"
