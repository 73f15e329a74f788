"""Anomaly: whether a text that does not fit its picture, sound or film is less likely than one that does."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from opengato.agent.model import Agent
from opengato.core.episode import MEDIA, Episode, is_absent, objects
from opengato.core.views import task_about, task_on
from opengato.evaluators import contract
from opengato.evaluators.anomaly.ranking import auroc, auroc_interval, exchanged
from opengato.evaluators.choosing import log_probabilities
from opengato.evaluators.heldout import held_out_pictures, held_out_tasks
from opengato.evaluators.imported import baselines, held_out_episodes, known_tasks, num_held_out, unavailable
from opengato.evaluators.replies import answer_of, with_answer
from opengato.evaluators.report import TaskResult
from opengato.evaluators.statistics import proportion

FAMILIES = ("caption", "sound", "speech", "video")
METRIC = "AUROC, text of another item"
BATCH = 64


class Evaluator(contract.Evaluator):
    """Area under the receiver operating characteristic: the chance that a right pair is likelier than a wrong one.

    `anomaly/caption-emoji` asks this of the held-out items of `caption/emoji`. Right are the items as they are, wrong
    the same ones with their texts exchanged, so that each text comes once among either: a text alone tells nothing.
    A pair's score is log p(text | media) - log p(text), the latter with the media left out, which does not favour texts
    that are likely anyway; `plain` is of log p(text | media) alone, and `own text wins` the share of items whose own
    text has the higher score. Where films have sounds, `another's sound` exchanges those in place of the texts.
    """

    counted = "wrong"
    needs_no_training = True

    def families(self) -> list[str]:
        return ["anomaly"]

    def tasks(self, family: str) -> list[str]:
        return sorted(task_on(family, task) for name in FAMILIES for task in known_tasks(name))

    def about(self, task_id: str) -> str:
        return task_about(task_id)

    def unfit(self, task_id: str, settings: contract.Settings | None = None) -> str | None:
        return unavailable(self.about(task_id), (settings or contract.Settings()).data)

    def num_samples(self, task_id: str, settings: contract.Settings) -> int:
        task = self.about(task_id)
        if task in held_out_tasks("caption"):
            return len(held_out_pictures(task)[: settings.documents])
        return num_held_out(task, settings)

    def measure(self, agent: Agent, task_id: str, settings: contract.Settings) -> Iterator[tuple[str, float]]:
        """log p of `right` and `wrong` pairs and of their texts alone; `wrong sound` where films have sounds."""
        items = items_of(self.about(task_id), settings)
        rng = np.random.default_rng(settings.seed)
        texts = [answer_of(item) for item in items]
        others = exchanged([[text] for text in texts], rng)
        alone = list(_scores(agent, [without_media(item) for item in items]))
        for own, other in enumerate(others):
            yield "right alone", alone[own]
            yield "wrong alone", alone[other]
        for score in _scores(agent, items):
            yield "right", score
        for score in _scores(agent, (with_answer(items[i], texts[other]) for i, other in enumerate(others))):
            yield "wrong", score
        heard = [i for i, item in enumerate(items) if _has_film_and_sound(item)]
        if len(heard) > 1:
            sounds = exchanged([[texts[i], sound_of(items[i])] for i in heard], rng)
            swapped = (with_sound(items[i], sound_of(items[heard[k]])) for i, k in zip(heard, sounds, strict=True))
            for i, score in zip(heard, _scores(agent, swapped), strict=True):
                yield "heard", float(i)
                yield "wrong sound", score

    def summarise(self, task_id: str, samples: contract.Samples, settings: contract.Settings) -> TaskResult:
        """The areas, with intervals over items, and what the texts alone would give."""
        right, wrong, right_alone, wrong_alone = (
            np.asarray(samples[name]) for name in ("right", "wrong", "right alone", "wrong alone")
        )
        rng = np.random.default_rng(settings.seed)
        fits, fits_not = right - right_alone, wrong - wrong_alone
        figures = {
            "plain": auroc_interval(right, wrong, rng),
            "own text wins": proportion(int((fits > fits_not).sum()), len(fits)),
        }
        if "wrong sound" in samples:
            heard = np.asarray(samples["heard"], np.int64)
            swapped = np.asarray(samples["wrong sound"]) - right_alone[heard]
            figures["another's sound"] = auroc_interval(fits[heard], swapped, rng)
            figures["own sound wins"] = proportion(int((fits[heard] > swapped).sum()), len(heard))
        return TaskResult(
            task=task_id,
            metric=METRIC,
            score=auroc_interval(fits, fits_not, rng),
            figures=figures,
            references={
                "chance": 0.5,
                "text alone": auroc(right_alone, wrong_alone),
                **baselines(task_id, self.about(task_id)),
            },
            samples={name: tuple(values) for name, values in samples.items()},
            num_samples=len(right),
            seed=settings.seed,
        )


def items_of(task: str, settings: contract.Settings) -> list[Episode]:
    """Held-out items of a task: those that come with the package, else those of an imported corpus."""
    if task in held_out_tasks("caption"):
        shown = held_out_pictures(task)[: settings.documents]
        return [picture.episode(task, picture.caption) for picture in shown]
    return held_out_episodes(task, settings.data, documents=settings.documents, seed=settings.seed)


def without_media(item: Episode) -> Episode:
    """The same item with nothing to be seen or heard."""
    specs = item.observation_specs
    nothing = objects([b""] * item.num_steps)
    return replace(
        item,
        observations={n: nothing if specs[n].kind in MEDIA else values for n, values in item.observations.items()},
    )


def sound_of(item: Episode) -> bytes:
    """The last sound of an item; none is b""."""
    found = [bytes(item.observations[n][-1]) for n, spec in item.observation_specs.items() if spec.kind == "audio"]
    return found[-1] if found else b""


def with_sound(item: Episode, sound: bytes) -> Episode:
    """The same item, had its last sound been another."""
    name = [name for name, spec in item.observation_specs.items() if spec.kind == "audio"][-1]
    return replace(item, observations={**item.observations, name: objects([*item.observations[name][:-1], sound])})


def _has_film_and_sound(item: Episode) -> bool:
    films = [name for name, spec in item.observation_specs.items() if spec.kind == "video"]
    return bool(sound_of(item)) and any(not is_absent(item.observations[name][-1]) for name in films)


def _scores(agent: Agent, items: Sequence[Episode] | Iterator[Episode]) -> Iterator[float]:
    waiting = iter(items)
    while batch := list(itertools.islice(waiting, BATCH)):
        yield from log_probabilities(agent, batch)
