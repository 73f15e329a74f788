"""The recipes of data2vec against the papers' tables, a run from pictures to a probe and to a decoder, and the studies.

Letters: N items, D width.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from opengato.agent.files import load_agent, save_agent
from opengato.agent.model import Agent
from opengato.backbones import decoder, encoder
from opengato.core.episode import Episode
from opengato.data.store import StoreWriter
from opengato.evaluators import evaluator_of, run_task
from opengato.evaluators.contract import Settings
from opengato.evaluators.imported import imported_tasks
from opengato.evaluators.probe import first_of_each, probe
from opengato.objectives import next_token
from opengato.recipes import data2vec as recipes
from opengato.recipes import load, self_supervised
from opengato.recipes.data2vec import SENSES, Sense
from opengato.train.loop import check_trunk
from opengato.train.memory import on_meta
from opengato.train.run import begin_with, run
from tests.tiny import caption_episode, tiny_agent, tiny_encoder

DIGITS = "label/mnist"


PUBLISHED = {
    "vision-base": {"top": 6, "beta": 2.0, "ema": (0.9998, 0.9998, 0), "steps": 500_000, "rate": 2e-3},
    "vision-large": {"top": 6, "beta": 2.0, "ema": (0.9998, 0.9998, 0), "steps": 249_600, "rate": 1e-3},
    "speech-base": {"top": 8, "beta": 0.0, "ema": (0.999, 0.9999, 30_000), "steps": 400_000, "rate": 5e-4},
    "speech-large": {"top": 8, "beta": 0.0, "ema": (0.999, 0.9999, 30_000), "steps": 400_000, "rate": 5e-4},
    "text-base": {"top": 10, "beta": 4.0, "ema": (0.999, 0.9999, 100_000), "steps": 1_000_000, "rate": 2e-4},
    "text-large": {"top": 10, "beta": 4.0, "ema": (0.999, 0.9999, 100_000), "steps": 1_000_000, "rate": 2e-4},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_settings(name: str) -> None:
    train = load(f"data2vec-{name}").train
    trunk, objective = train.agent.backbone, train.objective
    blocks, width = (24, 1024) if name.endswith("large") else (12, 768)
    assert (trunk.depth, trunk.width, trunk.hidden) == (blocks, width, 4 * width)
    found = {
        "top": objective.teaching.top,
        "beta": objective.regression.beta,
        "ema": dataclasses.astuple(objective.teaching.ema),
        "steps": train.steps,
        "rate": train.optim.learning_rate,
    }
    assert found == PUBLISHED[name]
    block = 4 * width * (width + 1) + 8 * width * width + 5 * width + 4 * width
    assert sum(p.numel() for p in on_meta(train.agent).backbone.parameters()) == blocks * block + 2 * width


def test_batches_are_as_large_as_the_paper_says_or_a_little_larger() -> None:
    vision, speech, texts = (load(f"data2vec-{name}-base") for name in ("vision", "speech", "text"))
    assert 2048 * 196 <= vision.rows * 1024 <= 1.1 * 2048 * 196
    assert speech.rows * 1024 / 50 / 60 == pytest.approx(63, rel=0.02), "minutes of 50 positions a second"
    assert texts.rows * texts.train.agent.context == 256 * 512
    assert vision.train.optim.warmup == 40 * 625


@pytest.mark.parametrize("sense", SENSES)
def test_small_recipes_hide_their_sense_and_read_no_label(sense: Sense) -> None:
    recipe = recipes.small(sense)
    agent = recipe.train.agent.build()
    for objective in (recipe.train.objective.build(), recipes.efficient_objective(sense).build()):
        check_trunk(agent, objective)
        objective.begin(agent)
    assert set(recipe.rules) == set(recipe.weights)
    assert all(rules.seen == (0.0 if name in recipes.PLAIN else 1.0) for name, rules in recipe.rules.items())
    hidden = [name for name in recipe.train.agent.modalities if recipe.train.objective.hiding.mask_of(name)]
    assert hidden == [{"pictures": "image", "sounds": "sound", "texts": "text"}[sense]]
    assert set(recipes.PROBES[sense].split(",")) <= set(evaluator_of("probe/x").tasks("probe"))


def digit(number: int, label: int) -> Episode:
    """A grey picture, brighter for one label than for the other."""
    generator = np.random.default_rng(number)
    episode = caption_episode(number, str(label), side=28)
    pixels = np.clip(generator.normal(60 + 100 * label, 20, (28, 28, 3)), 0, 255).astype(np.uint8)
    from_array = dataclasses.replace(episode.observation_specs["image"], shape=(28, 28, 3))
    return dataclasses.replace(
        episode, task=DIGITS, observation_specs={"image": from_array}, observations={"image": pixels[None]}
    ).validate()


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data as `opengato import mnist` leaves them."""
    data = tmp_path_factory.mktemp("data")
    for split, first, count in (("train", 0, 60), ("test", 1000, 20)):
        with StoreWriter(data / "mnist" / split) as writer:
            writer.append([digit(first + i, i % 2) for i in range(count)])
    return data


def shrunk(recipe: Any, steps: int = 3) -> Any:
    """The same recipe with a small trunk, for two rows."""
    trunk = recipe.train.agent.backbone
    trunk = dataclasses.replace(trunk, width=32, depth=4, hidden=48)
    agent = dataclasses.replace(recipe.train.agent, backbone=trunk)
    train = dataclasses.replace(recipe.train, agent=agent, steps=steps)
    loader = dataclasses.replace(recipe.loader, workers=0)
    return dataclasses.replace(recipe, train=train, rows_per_group=2, loader=loader)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["data2vec", "efficient"])
def test_from_pictures_to_a_probe_and_to_a_decoder(kind: str, digits: Path, tmp_path: Path) -> None:
    recipe = shrunk(recipes.small("pictures"))
    if kind == "efficient":
        objective = recipes.efficient_objective("pictures")
        objective = dataclasses.replace(objective, decoder=dataclasses.replace(objective.decoder, width=32))
        recipe = dataclasses.replace(recipe, train=dataclasses.replace(recipe.train, objective=objective))
    agent = run(recipe, tmp_path / "pretrained", digits)
    assert isinstance(agent.config.backbone, encoder.Config)
    result = run_task(agent, f"probe/{DIGITS.replace('/', '-')}", Settings(data=digits))
    assert result.score.value == 1.0, "bright and dark are told apart by anything that looks"
    assert result.num_samples == 20
    assert set(result.figures) == {"with 1 % of the labels", "with 10 % of the labels"}
    assert result.references["majority"] == 0.5
    named = shrunk(self_supervised.named("pictures", 0.1, str(tmp_path / "pretrained")), steps=0)
    named = dataclasses.replace(named, rows_per_group=2)
    begun = run(named, tmp_path / "named", digits)
    assert isinstance(begun.config.backbone, decoder.Config)
    state = begun.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in agent.state_dict().items())
    assert begun.card["from"] == {"name": str(tmp_path / "pretrained")}


def test_what_fits_is_taken_and_nothing_to_take_is_an_error(tmp_path: Path) -> None:
    save_agent(tiny_encoder(1), tmp_path / "one")
    agent = tiny_agent(window=48)
    kept = begin_with(agent, str(tmp_path / "one"))
    assert not kept, "every weight of this decoder has one of its shape"
    assert torch.equal(
        agent.state_dict()["backbone.norm.weight"], load_agent(tmp_path / "one").get_parameter("backbone.norm.weight")
    )
    other = dataclasses.replace(agent.config, backbone=decoder.Config(width=16, depth=1, heads=2, hidden=8)).build()
    with pytest.raises(ValueError, match=r"no weight of the trunk of .* has the name and the shape"):
        begin_with(other, str(tmp_path / "one"))


def test_an_encoder_cannot_say_how_likely_a_text_is() -> None:
    with pytest.raises(ValueError, match=r"a slot of Encoder sees what comes after it.*measure its features"):
        tiny_encoder().log_likelihood([caption_episode()])


def test_features_are_of_what_is_observed_alone() -> None:
    agent: Agent = tiny_encoder()
    one = caption_episode(1, "red panda")
    others = [dataclasses.replace(one, instruction="other words"), caption_episode(1, "a flag")]
    found = agent.features([one, *others])
    np.testing.assert_allclose(found[1:], np.stack([found[0]] * 2), atol=1e-6)
    assert np.abs(agent.features([caption_episode(2)]) - found[:1]).max() > 1e-3


def test_the_probe_is_the_logistic_regression_of_scikit_learn() -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    generator = np.random.default_rng(0)
    label_N = generator.integers(0, 3, 90) * 2
    x_ND = generator.standard_normal((90, 5)) + np.eye(5)[label_N] * 1.5
    new_ND = generator.standard_normal((200, 5))
    mean, deviation = x_ND.mean(0), x_ND.std(0)
    theirs = linear.LogisticRegression(C=1.0, max_iter=1000, tol=1e-8).fit((x_ND - mean) / deviation, label_N)
    assert (probe(x_ND, label_N, new_ND) == theirs.predict((new_ND - mean) / deviation)).mean() > 0.99
    assert probe(x_ND[:3], np.full(3, 7), new_ND).tolist() == [7] * 200


def test_few_labels_begin_with_one_of_each() -> None:
    order_N, label_N = np.array([3, 1, 4, 0, 2, 5]), np.array([0, 0, 0, 0, 1, 2])
    assert first_of_each(order_N, label_N, 0.5).tolist() == [3, 4, 5]
    assert first_of_each(order_N, label_N, 0.01).tolist() == [3]
    assert first_of_each(order_N, label_N, 1.0).tolist() == [3, 4, 5, 1, 0, 2]


@pytest.mark.parametrize("name", [name for name in self_supervised.STUDIES if name != "vatt"])
def test_studies_compare_like_with_like(name: str) -> None:
    study = self_supervised.STUDIES[name]()
    assert study.name == name
    for task in study.tasks.split(","):
        assert task in evaluator_of(task).tasks(task.partition("/")[0])
    first, *others = study.variants
    for each in others:
        assert each.recipe.weights == first.recipe.weights
        assert each.recipe.rows == first.recipe.rows
        assert each.recipe.train.agent == first.recipe.train.agent
        check_trunk(on_meta(each.recipe.train.agent), each.recipe.train.objective.build())
    if name.startswith("few-labels"):
        assert {each.recipe.rules[n].share for each in study.variants for n in each.recipe.rules} == {0.01, 0.1, 1.0}
        assert isinstance(first.recipe.train.objective, next_token.Config)
        starts = [each.recipe.start for each in study.variants]
        sense = next(s for s in get_args(Sense) if s in (name.partition("labels-")[2] or "pictures"))
        assert starts == [None] * 3 + [f"runs/data2vec-{sense}"] * 3
    assert imported_tasks("label")


def test_the_study_of_vatt_changes_one_thing_at_a_time() -> None:
    study = self_supervised.STUDIES["vatt"]()
    drops = {each.name: each.recipe.train.objective.drop for each in study.variants}
    assert drops == {"drop-0": 0.0, "drop-50": 0.5, "drop-75": 0.75, "trunk-for-each": 0.5, "untrained": 0.5}
    for task in study.tasks.split(","):
        assert task in evaluator_of(task).tasks("probe")
    sizes = {each.name: on_meta(each.recipe.train.agent).num_parameters for each in study.variants}
    trunk = sum(p.numel() for p in on_meta(study.variants[0].recipe.train.agent).backbone.parameters())
    assert sizes["trunk-for-each"] == sizes["drop-50"] + 2 * trunk
    assert len(set(sizes.values())) == 2
