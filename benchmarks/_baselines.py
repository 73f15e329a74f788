"""What simple methods reach on the tasks of imported corpora, into `sources/NAME/baselines.json`.

    opengato import vader --out data         # and so on: a task counts if its store is there
    python benchmarks/_baselines.py --data data
    python benchmarks/_baselines.py --data data vader snownlp

Evaluators print them beside the scores of an agent: same held-out items, same metric. To add a kind of task: a function
in `METHODS` or `LABELLED` that gets the training and the held-out episodes and returns what each method reaches. Needs
the extras `analysis`, `language` and `media`.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import _drawings
import _pairs
import _sounds
import numpy as np
from _shown import frames, path, pixels
from sacrebleu.metrics import CHRF
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from opengato.core.config import choose, plugin
from opengato.core.episode import Episode
from opengato.data.importing import corpora
from opengato.evaluators import Settings, evaluator_of
from opengato.evaluators.anomaly import items_of
from opengato.evaluators.caption import pictures_of
from opengato.evaluators.choosing import dealt, rank_of
from opengato.evaluators.imported import BASELINES, held_out_episodes
from opengato.evaluators.pairs import held_out_pairs
from opengato.evaluators.replies import answer_of, turns_of

SOURCES = Path(__file__).parents[1] / "src" / "opengato" / "sources"
PACKAGES = ("scikit-learn", "sacrebleu", "numpy", "pocketsphinx")
NEW = "-new"  # tasks about things never seen, whose training items are those about others
SPACED = 0.08  # a share of spaces that a language with spaces between its words has
STRENGTHS = (1.0, 10.0)  # of logistic regression: the inverse of the penalty, chosen on a tenth of the training items
Found = dict[str, float]
Method = Callable[[Sequence[Episode], Sequence[Episode]], Found]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="corpora (default: all that are imported)")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of stores")
    parser.add_argument("--families", nargs="*", default=(), help="of tasks (default: all that a method knows)")
    options = parser.parse_args(argv)
    for name in [choose(name, corpora(), what="corpus") for name in options.names] or corpora():
        if (options.data / name / "test").is_dir():
            write(name, measured_tasks(name, options.families), options.data)


def measured_tasks(name: str, families: Iterable[str] = ()) -> list[str]:
    """The tasks of a corpus, and those about its items, that a method here knows; of `families`, or of all."""
    tasks = []
    for family in families or METHODS:
        evaluator = evaluator_of(f"{family}/{name}")
        known = plugin("sources", name).Source.card.tasks
        tasks += [task for task in evaluator.tasks(family) if evaluator.about(task) in known]
    return tasks


def write(name: str, tasks: Iterable[str], data: Path) -> None:
    """Measure tasks of a corpus and put each into its file; what the file says of other tasks stays."""
    path = SOURCES / name / BASELINES
    body = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    items, found = body.get("items", {}), body.get("tasks", {})
    installed = {one.name: one.version for one in importlib.metadata.distributions()}
    about = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "command": f"python benchmarks/_baselines.py {name}",
        "versions": {package: installed[package] for package in PACKAGES if package in installed},
    }
    for task in tasks:
        if (why := evaluator_of(task).unfit(task, Settings(data=data))) is not None:
            print(f"  {task}: left out, {why}", file=sys.stderr)
            continue
        found[task], items[task] = measured(task, data)
        print(f"  {task}: {found[task]}", file=sys.stderr)
        body = about | {"items": dict(sorted(items.items())), "tasks": dict(sorted(found.items()))}
        path.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def measured(task: str, data: Path) -> tuple[Found, dict[str, int]]:
    """What each method reaches on a task, and the items of both splits."""
    about, family = evaluator_of(task).about(task), task.partition("/")[0]
    train = held_out_episodes(about.removesuffix(NEW), data, "train")
    test = HELD_OUT.get(family, held_out_episodes)(about, data)
    found = {method: round(value, 4) for method, value in METHODS[family](train, test).items()}
    return found, {"train": len(train), "test": len(test)}


def shown(episode: Episode) -> str:
    """The text of the last observation."""
    return " ".join(str(values[-1]) for values in episode.observations.values())


def labels(train: Sequence[Episode], test: Sequence[Episode]) -> Found:
    """The most frequent label of the training items, and what fits the kind of what is shown."""
    most = Counter(answer_of(episode) for episode in train).most_common(1)[0][0]
    found = {"majority": float(np.mean([answer_of(episode) == most for episode in test]))}
    kinds = {spec.kind for episode in train for spec in episode.observation_specs.values()}
    for kind in sorted(kinds & LABELLED.keys()):
        found |= LABELLED[kind](train, test)
    return found


def text_labels(train: Sequence[Episode], test: Sequence[Episode]) -> Found:
    """Logistic regression over TF-IDF of words and pairs of words; of one and two characters where no spaces are."""
    texts, truth = [shown(episode) for episode in train], np.array([answer_of(episode) for episode in train])
    spaces = sum(text.count(" ") for text in texts) / sum(map(len, texts))
    analyzer = "word" if spaces > SPACED else "char"
    order = np.random.default_rng(0).permutation(len(texts))
    kept, fitted = np.split(order, [len(order) // 10])
    vectorizer = TfidfVectorizer(analyzer=analyzer, ngram_range=(1, 2), sublinear_tf=True)
    x = vectorizer.fit_transform(texts)

    def fit(strength: float, rows: np.ndarray) -> OneVsRestClassifier:
        return OneVsRestClassifier(LogisticRegression(C=strength, solver="liblinear")).fit(x[rows], truth[rows])

    best = max(STRENGTHS, key=lambda strength: fit(strength, fitted).score(x[kept], truth[kept]))
    model = fit(best, order)
    answers = model.predict(vectorizer.transform([shown(episode) for episode in test]))
    right = np.mean([answer == answer_of(episode) for answer, episode in zip(answers, test, strict=True)])
    kind = "words" if analyzer == "word" else "characters"
    return {f"TF-IDF of {kind} + logistic regression": float(right)}


def translations(train: Sequence[Episode], test: Sequence[Episode]) -> Found:
    """The translation of the training line that shares most character n-grams; chrF of a line."""
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True)
    known = vectorizer.fit_transform([shown(episode) for episode in train])
    near = (vectorizer.transform([shown(episode) for episode in test]) @ known.T).toarray().argmax(1)
    chrf = CHRF()
    pairs = zip(near, test, strict=True)
    scores = [chrf.sentence_score(answer_of(train[one]), [answer_of(episode)]).score for one, episode in pairs]
    return {"nearest training line": float(np.mean(scores))}


def replies(train: Sequence[Episode], test: Sequence[Episode]) -> Found:
    """The reply of sixteen that is most like the reply to the training turn that is most like this one.

    Both likenesses are cosines of TF-IDF of character n-grams; the largest product over all training turns decides.
    """
    turns, known = ([turn for episode in episodes for turn in turns_of(episode)] for episodes in (test, train))
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
    vectorizer.fit([text for turn in known for text in (shown(turn), answer_of(turn))])
    asked, answered = (vectorizer.transform([say(turn) for turn in turns]) for say in (shown, answer_of))
    questions, answers = (vectorizer.transform([say(turn) for turn in known]) for say in (shown, answer_of))
    like, fits = (asked @ questions.T).toarray(), (answered @ answers.T).toarray()
    right = []
    for group, count in dealt([answer_of(turn) for turn in turns], np.random.default_rng(0)):
        for place, turn in enumerate(group[:count]):
            right.append(rank_of(place, (fits[group] * like[turn]).max(1).tolist()) == 0)
    return {"TF-IDF retrieval": float(np.mean(right))}


def picture_labels(train: Sequence[Episode], test: Sequence[Episode]) -> Found:
    """The label that most of the three nearest training pictures have, by their pixels."""
    x, asked = (np.stack([pixels(episode) for episode in episodes]) for episodes in (train, test))
    model = KNeighborsClassifier(n_neighbors=3).fit(x, [answer_of(episode) for episode in train])
    return {"3 nearest neighbours of pixels": model.score(asked, [answer_of(episode) for episode in test])}


def film_labels(train: Sequence[Episode], test: Sequence[Episode]) -> Found:
    """The same of the pixels of eight frames; and logistic regression on the path of what moves."""
    films, asked = ([frames(episode) for episode in episodes] for episodes in (train, test))
    names, true = ([answer_of(episode) for episode in episodes] for episodes in (train, test))
    near = KNeighborsClassifier(n_neighbors=3).fit([film.ravel() for film in films], names)
    regression = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)).fit(list(map(path, films)), names)
    return {
        "3 nearest neighbours of frames": near.score([film.ravel() for film in asked], true),
        "path of what moves + logistic regression": regression.score(list(map(path, asked)), true),
    }


def answers(train: Sequence[Episode], test: Sequence[Episode]) -> Found:
    """The most frequent answer to the same question in training, else to any: what no look at all reaches.

    And the answer to the same question, else to any, about the training picture that is nearest by its pixels.
    """
    any_question = list(range(len(train)))
    by_question: dict[str, list[int]] = {}
    for index, episode in enumerate(train):
        by_question.setdefault(episode.instruction, []).append(index)
    known = np.stack([pixels(episode) for episode in train])
    blind, near = [], []
    for episode in test:
        same = by_question.get(episode.instruction, any_question)
        said = [answer_of(train[index]) for index in same]
        nearest = int(np.square(known[same] - pixels(episode)).sum(1).argmin())
        blind.append(Counter(said).most_common(1)[0][0] == answer_of(episode))
        near.append(said[nearest] == answer_of(episode))
    return {
        "most frequent answer to the question": float(np.mean(blind)),
        "nearest picture with the question": float(np.mean(near)),
    }


LABELLED: dict[str, Method] = {
    "audio": _sounds.sound_labels,
    "image": picture_labels,
    "text": text_labels,
    "video": film_labels,
}
"""By the kind of what is shown."""
METHODS: dict[str, Method] = {
    **dict.fromkeys(("emotion", "label", "sentiment", "sound", "topic", "video"), labels),
    "anomaly": _pairs.anomalies,
    "caption": _pairs.captions,
    "chat": replies,
    "draw": _drawings.drawings,
    "retrieve": _pairs.retrieval,
    "speech": _sounds.speech,
    "translate": translations,
    "vqa": answers,
}
"""By the family of tasks."""
HELD_OUT: dict[str, Callable[[str, Path], list[Episode]]] = {
    "anomaly": lambda task, data: items_of(task, Settings(data=data)),
    "caption": lambda task, data: pictures_of(task, Settings(data=data)),
    "draw": held_out_pairs,
    "retrieve": held_out_pairs,
}
"""What an agent is asked about, where it is not all that is held out."""

if __name__ == "__main__":
    main()
