"""`opengato perceiver` on networks of random weights, and on folders that transformers wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from opengato import cli
from opengato.core.config import to_json
from opengato.core.film import write_film
from opengato.recipes import jobs
from opengato.recipes.jobs import flow
from opengato.recipes.published import hub
from opengato.train.fitting import save_network

Output = pytest.CaptureFixture[str]
Run = Callable[..., Path]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")


def run_of(job: str) -> Path:
    """A folder as `perceiver train` leaves it, without training."""
    recipe = jobs.load(job)
    torch.manual_seed(0)
    folder = Path("runs") / f"perceiver-{job}"
    about = {"job": job, "settings": to_json(recipe.settings)}
    save_network(recipe.fit.network.build(), recipe.fit.network, folder / "network", about)
    return folder


def said(output: Output, *words: str) -> str:
    assert cli.main(["perceiver", *words]) == cli.DONE, output.readouterr().err
    return output.readouterr().out


def picture(name: str, height: int = 50, width: int = 70) -> str:
    pixels = np.random.default_rng(len(name)).integers(0, 256, (height, width, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(name)
    return name


def test_flow(capsys: Output) -> None:
    run_of("flow")
    told = said(capsys, "flow", picture("one.png"), picture("two.png"), "--out", "out/flow.png")
    assert "pixels move by 0.00 on average" in told, "it begins with no motion"
    with Image.open("out/flow.png") as drawn:
        assert drawn.size[0] > 3 * 70


def test_fill(capsys: Output) -> None:
    run_of("language")
    told = said(capsys, "fill", "the qu___ of")
    assert told.startswith("the qu")
    assert told.endswith(" of\n")


def test_classify(capsys: Output) -> None:
    run_of("sentiment")
    told = said(capsys, "classify", "a fine film")
    assert sorted(re.findall(r"[a-z]+", told)) == ["negative", "positive"]
    assert sum(float(share) for share in re.findall(r"([\d.]+)%", told)) == pytest.approx(100, abs=0.2)
    folder = run_of("digits")
    told = said(capsys, "classify", picture("seven.png"), "--weights", str(folder), "--top", "10")
    assert sorted(re.findall(r"  (\d)$", told, re.MULTILINE)) == list("0123456789")


def test_autoencode(capsys: Output) -> None:
    pytest.importorskip("av")
    run_of("autoencode")
    frames = np.random.default_rng(0).integers(0, 256, (6, 40, 60, 3)).astype(np.uint8)
    Path("street.mp4").write_bytes(write_film(frames, 4))
    told = said(capsys, "autoencode", "street.mp4")
    assert "numbers went through one; film: out/autoencoded.mp4" in told
    assert len(jobs.autoencode.read_film(Path("out/autoencoded.mp4").read_bytes(), 4, 20)) == 8


def test_train_and_measure(capsys: Output, corpora: Callable[..., Path]) -> None:
    corpora("mnist")
    small = ["fit.network.latents.number=4", "fit.network.latents.depth=1", "fit.steps=1", "fit.batch=2"]
    assert "parameters" in said(capsys, "train", "digits", *small, "--dry-run")
    told = said(capsys, "train", "digits", *small)
    assert "opengato perceiver measure runs/perceiver-digits" in told
    told = said(capsys, "measure", "runs/perceiver-digits", "--json", "out/digits.json")
    assert "accuracy" in told
    assert json.loads(Path("out/digits.json").read_text()).keys() == {"accuracy", "accuracy/most frequent"}


def test_folders_of_transformers(capsys: Output) -> None:
    transformers = pytest.importorskip("transformers")
    transformers.utils.logging.disable_progress_bar()
    settings = {
        "num_latents": 4, "d_latents": 16, "num_self_attends_per_block": 1, "num_self_attention_heads": 2,
        "num_cross_attention_heads": 1,
    }  # fmt: skip
    config = transformers.PerceiverConfig(**settings, d_model=16, max_position_embeddings=40)
    transformers.PerceiverForMaskedLM(config).save_pretrained("theirs/language")
    assert said(capsys, "fill", "a _", "--weights", "theirs/language").startswith("a ")
    config = transformers.PerceiverConfig(**settings, d_model=261, id2label={0: "cat", 1: "dog", 2: "cow"})
    transformers.PerceiverForImageClassificationFourier(config).save_pretrained("theirs/image")
    told = said(capsys, "classify", picture("pet.jpg", 60, 90), "--weights", "theirs/image")
    assert sorted(re.findall(r"[a-z]+", told)) == ["cat", "cow", "dog"]
    assert jobs.weights.as_published(Image.open("pet.jpg")).shape == (224, 224, 3)
    config = transformers.PerceiverConfig(**settings, d_model=322, train_size=[32, 40])
    transformers.PerceiverForOpticalFlow(config).save_pretrained("theirs/flow")
    said(capsys, "flow", picture("one.png"), picture("two.png"), "--weights", "theirs/flow")
    assert flow.tile_of(jobs.weights.load("theirs/flow").network.config) == (32, 40)


def wrong(output: Output, code: int, *words: str) -> str:
    assert cli.main(["perceiver", *words]) == code
    return output.readouterr().err


def test_errors_say_what_to_do(capsys: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there is no folder 'runs/perceiver-language'; train" in wrong(capsys, cli.WRONG_USE, "fill", "a _")
    run_of("sentiment")
    told = wrong(capsys, cli.WRONG_USE, "fill", "a _", "--weights", "runs/perceiver-sentiment")
    assert "these weights take text and give class; expected some that take text and give text" in told
    assert "did you mean 'flow'" in wrong(capsys, cli.WRONG_USE, "train", "flew")
    assert "'none.png' is no file" in wrong(capsys, cli.WRONG_USE, "flow", "none.png", "none.png")
    assert "is no folder; expected one" in wrong(capsys, cli.WRONG_USE, "fill", "a _", "--weights", "a b")

    def unreachable(*_: object, **__: object) -> str:
        raise OSError("no route")

    huggingface_hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    told = wrong(capsys, cli.FAILED, "fill", "a _", "--weights", "deepmind/language-perceiver")
    assert "could not be fetched from the hub (OSError); where there is no network, copy its folder here" in told


def test_what_the_hub_gives_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub")
    asked: list[str] = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name, **_: asked.append(name) or str(tmp_path))
    assert hub.find("owner/model") == tmp_path
    assert asked == ["owner/model"]
    assert hub.find(str(tmp_path)) == tmp_path
