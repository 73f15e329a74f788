"""Every job on made-up corpora: batches are functions of the step, it learns, resumes bit-equal, and is measured."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from opengato.core.config import from_json, override, to_json
from opengato.recipes import jobs
from opengato.recipes.jobs import autoencode, byte_text, digits, flow, language, sentiment
from opengato.recipes.jobs.contract import JobRecipe
from opengato.recipes.published import perceiver
from opengato.train import fitting
from tests.corpora import SMALL

Corpora = Callable[..., Path]


def small(name: str, *settings: str) -> JobRecipe:
    places = ["settings.places=64"] if name.startswith("autoencode") else []
    return override(jobs.load(name), [*SMALL, *places, "fit.precision=float32", "fit.optim.warmup=1", *settings])


def test_names_are_what_load_takes() -> None:
    assert {"flow", "language", "sentiment", "digits", "digits-learned", "digits-convolution", "autoencode"} < set(
        jobs.JOBS
    )
    assert all(jobs.load(name).name == name for name in jobs.JOBS)
    with pytest.raises(ValueError, match="did you mean 'flow'"):
        jobs.load("flows")


@pytest.mark.parametrize("name", jobs.JOBS)
def test_recipes_survive_json(name: str) -> None:
    recipe = jobs.load(name)
    assert from_json(json.loads(json.dumps(to_json(recipe)))) == recipe


@pytest.mark.parametrize("name", jobs.JOBS)
def test_a_batch_is_a_function_of_its_step(name: str, corpora: Corpora) -> None:
    recipe = small(name)
    data = corpora(*recipe.imports)
    one, other = (recipe.settings.training(data, recipe.fit) for _ in range(2))
    first, second = one.batch(7), one.batch(8)
    again = other.batch(7)
    assert first.keys() == again.keys()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(first[key].shape != second[key].shape or not torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", jobs.JOBS)
def test_it_trains_and_is_measured(name: str, corpora: Corpora, tmp_path: Path) -> None:
    if name == "flow":
        pytest.importorskip("cv2")
    recipe = small(name)
    data = corpora(*recipe.imports)
    jobs.train(recipe, tmp_path / "run", data)
    figures = jobs.measure(tmp_path / "run", data, documents=2)
    assert figures
    assert all(math.isfinite(value) for value in figures.values()), figures
    card = json.loads((tmp_path / "run" / "network" / "card.json").read_text())
    assert (card["job"], card["steps"], card["begin"]) == (name, 4, "")
    assert card["seconds"] >= 0


@pytest.mark.parametrize("name", ["flow", "language", "sentiment", "digits", "autoencode"])
def test_a_step_down_the_gradient_lowers_the_loss(name: str, corpora: Corpora) -> None:
    recipe = small(name, "fit.batch=4")
    job = recipe.settings.training(corpora(*recipe.imports), recipe.fit)
    torch.manual_seed(0)
    network, batch = recipe.fit.network.build(), job.batch(0)
    loss, figures = job.loss(network, batch)
    assert all(type(value) is float for value in figures.values())
    loss.backward()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.grad is not None:
                parameter -= 1e-3 * parameter.grad
    assert job.loss(network, batch)[0] < loss


def test_a_resumed_training_is_bit_equal(corpora: Corpora, tmp_path: Path) -> None:
    recipe = small("digits", "fit.checkpoint_minutes=0")
    data = corpora(*recipe.imports)
    whole = jobs.train(recipe, tmp_path / "whole", data)

    class Stopped(Exception):
        pass

    class Stopping(fitting.Job):
        def __init__(self, job: fitting.Job):
            self.job = job

        def batch(self, step: int) -> fitting.Batch:
            if step == 2:
                raise Stopped
            return self.job.batch(step)

        def loss(self, network: Any, batch: fitting.Batch) -> Any:
            return self.job.loss(network, batch)

    job = recipe.settings.training(data, recipe.fit)
    with pytest.raises(Stopped):
        fitting.fit(recipe.fit, Stopping(job), tmp_path / "parts", {})
    resumed = fitting.fit(recipe.fit, job, tmp_path / "parts", {})
    assert all(
        torch.equal(a, b) for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    )
    other = replace(recipe.fit, network=digits.network("learned"))
    with pytest.raises(ValueError, match="is of another network than this run asks for"):
        fitting.fit(other, job, tmp_path / "parts", {})


def test_what_was_learned_can_be_begun_with(corpora: Corpora, tmp_path: Path) -> None:
    recipe = small("language")
    data = corpora(*recipe.imports)
    first = jobs.train(recipe, tmp_path / "language", data)
    network = small("sentiment").fit.network.build()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fitting.begin(network, tmp_path / "language")
    own, given = network.state_dict(), first.state_dict()
    shared = {name for name in own if name in given and own[name].shape == given[name].shape}
    assert {"inputs.text.table.weight", "encoder.latents", "encoder.read.attention.key.weight"} < shared
    assert all(torch.equal(own[name], given[name] if name in shared else before[name]) for name in own)
    with pytest.raises(ValueError, match="no weight in"):
        fitting.begin(torch.nn.Linear(2, 2), tmp_path / "language")
    with pytest.raises(FileNotFoundError, match="holds no network"):
        fitting.load_network(tmp_path / "nowhere")


# What each job does with its values


def test_bytes_come_back() -> None:
    text = "naïve, 北京!"
    assert byte_text.text_of(byte_text.ids_of(text).tolist()) == text
    assert byte_text.ids_of("a").tolist() == [ord("a") + 6]
    assert byte_text.with_gaps("a_b").tolist() == [103, 3, 104]
    ids, real = byte_text.rows([byte_text.ids_of("abc"), byte_text.ids_of("d")])
    assert ids.tolist() == [[103, 104, 105], [106, 0, 0]]
    assert real.tolist() == [[True] * 3, [True, False, False]]
    assert byte_text.words(byte_text.with_gaps("to  be_ or\n")) == [(0, 2), (4, 7), (8, 10)]


def test_whole_words_are_hidden_at_their_rate() -> None:
    ids = byte_text.ids_of("three words here " * 200)
    hidden = language.hide(ids, 0.15, np.random.default_rng(0))
    spans = byte_text.words(ids)
    of_word = [set(hidden[first:last].tolist()) for first, last in spans]
    assert all(len(values) == 1 for values in of_word), "a word is hidden whole or not at all"
    assert sum(values == {True} for values in of_word) / len(spans) == pytest.approx(0.15, abs=0.04)
    spaces = np.ones(len(ids), bool)
    for first, last in spans:
        spaces[first:last] = False
    assert not hidden[spaces].any()
    assert language.hide(byte_text.ids_of("one"), 0.0, np.random.default_rng(0)).all(), "one word at least"


def test_blanks_are_filled_and_nothing_else() -> None:
    torch.manual_seed(0)
    network = small("language").fit.network.build().eval()
    text = "It was _ truth un____ally"
    filled = language.fill(network, text)
    assert byte_text.GAP not in filled or byte_text.GAP in filled.replace(byte_text.GAP, "", 5)
    assert filled.startswith("It was ")
    assert filled.endswith("ally")
    with pytest.raises(ValueError, match="has no gap"):
        language.fill(network, "whole")
    with pytest.raises(ValueError, match="the network takes 256"):
        language.fill(network, "_" * 257)


def test_mirrored_scenes_move_mirrored(corpora: Corpora) -> None:
    """Crops drawn back along their flow are their first frame, whatever was done to them."""
    recipe = small("flow", "fit.batch=6", "settings.colours=0", "settings.jolt=0")
    batch = recipe.settings.training(corpora("flowscenes"), recipe.fit).batch(0)
    for first, second, truth in zip(*(batch[name].numpy() for name in ("first", "second", "flow")), strict=True):
        good, none, bad = (flow.end_point_error(truth, wanted) for wanted in (truth, np.zeros_like(truth), -truth))
        assert good == 0 < none < bad
        right, wrong = (
            jobs.flow.warping_error(first.astype(np.uint8), second.astype(np.uint8), way) for way in (truth, -truth)
        )
        assert right < wrong


def test_a_jolted_frame_is_where_its_flow_says() -> None:
    row, column = np.mgrid[:40, :60].astype(np.float32)
    first = np.stack([100 + 50 * np.sin(column / 7), 100 + 50 * np.cos(row / 5), row + column], -1)
    second, still = torch.from_numpy(first.copy())[None], torch.zeros(1, 40, 60, 2)
    jolt = np.array([[0.99, -0.02, 1.5], [0.02, 0.99, -2.0], [0, 0, 1]])[None]
    moved, way = flow.jolted(second, still, jolt)
    errors = [flow.warping_error(first, moved[0].numpy(), found) for found in (way[0].numpy(), still[0].numpy())]
    assert errors[0] < 0.1 * errors[1]
    assert way[0, 20, 30].tolist() == pytest.approx(
        [0.99 * 0.5 - 0.02 * 0.5 + 1.5 - 0.5, 0.02 * 0.5 + 0.99 * 0.5 - 2.5]
    )


def test_flow_of_frames_of_any_size() -> None:
    torch.manual_seed(0)
    network = small("flow").fit.network.build().eval()
    frames = np.random.default_rng(0).integers(0, 256, (2, 60, 100, 3)).astype(np.uint8)
    assert flow.estimate(network, *frames).shape == (60, 100, 2)
    assert (flow.estimate(network, *frames) == 0).all(), "it begins with no motion"
    with torch.no_grad():
        network.heads["flow"].linear.bias.copy_(torch.tensor([1.0, -0.5]).repeat(16))
    expected = np.broadcast_to([0.1 * 20, -0.05 * 20], (60, 100, 2))
    np.testing.assert_allclose(flow.estimate(network, *frames, chunk=1000), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="expected one size"):
        flow.estimate(network, frames[0], frames[1, :30])


def test_features_of_a_pixel_are_its_surroundings_in_both_frames() -> None:
    first, second = torch.randint(0, 256, (1, 5, 6, 3)).float(), torch.randint(0, 256, (1, 5, 6, 3)).float()
    found = flow.features(perceiver.flow(), first, second)
    assert found.shape == (1, 5, 6, 54)
    scaled = [(frame / 127.5 - 1)[0, 1:4, 2:5].flatten() for frame in (first, second)]
    assert torch.equal(found[0, 2, 3], torch.cat(scaled))


def test_each_query_answers_for_its_own_pixels() -> None:
    network = small("flow").fit.network.build().eval()
    network.ask = lambda read, name, chunk: torch.arange(24 * 32 * 32.0).view(1, 24 * 32, 32)  # type: ignore[method-assign]
    found = flow.flow_of(network, *torch.zeros(2, 1, 96, 128, 3))[0] / flow.PIXELS
    # Place (2, 3) of 24 x 32, pixel (1, 2) of its 4 x 4, to the right and down.
    assert found[2 * 4 + 1, 3 * 4 + 2].tolist() == [(2 * 32 + 3) * 32 + (1 * 4 + 2) * 2 + way for way in (0, 1)]


def test_signal_to_noise_by_hand() -> None:
    assert autoencode.psnr(np.full(4, 0.6), np.full(4, 0.5), 1) == pytest.approx(20)
    assert autoencode.psnr(np.array([0.1, -0.1]), np.zeros(2), 2) == pytest.approx(10 * math.log10(400))


def test_compression_is_counted_as_in_the_paper() -> None:
    config = autoencode.network(latents=128)
    # 8 * 16 * 16 patches of 48 pixels' numbers and 3 (1 + 2 * 12) of their places, and 4 of filling.
    assert config.input_width == 48 + 75 + 4
    assert autoencode.compression(config) == pytest.approx((2048 + 500 + 1) * 127 / (128 * 128))
    ratios = [autoencode.compression(autoencode.network(latents=number)) for number in (32, 128, 512)]
    assert ratios[0] == 4 * ratios[1] == 16 * ratios[2]


def test_a_reconstructed_clip_plays(corpora: Corpora) -> None:
    data = corpora("composed")
    (episode, *_) = jobs.autoencode.held_out_episodes("caption/composed", data)
    clip = autoencode.clip_in(episode)
    assert clip.frames.shape == (8, 64, 64, 3)
    assert clip.samples.shape == (8000,)
    assert autoencode.LABELS[clip.label or 0] == "to the right"
    torch.manual_seed(0)
    back = autoencode.reconstruct(small("autoencode").fit.network.build().eval(), clip)
    again = autoencode.clip_of(autoencode.as_film(back), None)
    np.testing.assert_allclose(again.frames, back.frames, atol=0.15)  # what the film's coding loses
    assert again.label is None
    assert np.corrcoef(again.samples[500:7500], back.samples[500:7500])[0, 1] > 0.9


def test_chances_of_classes_sum_to_one() -> None:
    torch.manual_seed(0)
    network = small("sentiment").fit.network.build().eval()
    assert float(sentiment.chances(network, "good " * 200).sum()) == pytest.approx(1)
    with pytest.raises(ValueError, match="empty text"):
        sentiment.chances(network, "")
    pixels = np.zeros((3, 28, 28, 3), np.uint8)
    found = digits.chances(small("digits").fit.network.build().eval(), pixels)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)
