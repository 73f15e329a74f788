"""What simple methods reach on captions and on questions about pairs: the texts of the nearest training items decide.

How well a text fits what is shown is its mean likeness (cosine of TF-IDF of character n-grams) to the texts of the
eight training items that look or sound most alike (distance of `_shown.features`, each number divided by its deviation
over the training items). One table of these serves the choice among 16 captions, retrieval, and the search for pairs
that do not fit. Letters: I training items, C candidates (what is shown), Q texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from _shown import features, kinds_of
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import NearestNeighbors

from opengato.core.episode import Episode
from opengato.evaluators.anomaly.ranking import auroc, exchanged
from opengato.evaluators.caption import choices
from opengato.evaluators.choosing import rank_of
from opengato.evaluators.replies import answer_of
from opengato.evaluators.retrieve import DEPTHS, questions, ranks, recall

NEAREST = 8
SEED = 0  # of `evaluators.Settings`, so that choices and exchanges are those of an agent
Found = dict[str, float]


def captions(train: Sequence[Episode], test: Sequence[Episode]) -> Found:
    """Accuracy of choosing among the 16 captions that an agent is asked about."""
    own = [answer_of(episode) for episode in test]
    offered = [choices(own, index, np.random.default_rng((SEED, index))) for index in range(len(test))]
    texts = sorted(set(own))
    fit_QC = fits(train, test, texts)
    right = [
        rank_of(some.index(mine), [fit_QC[texts.index(caption), index] for caption in some]) == 0
        for index, (some, mine) in enumerate(zip(offered, own, strict=True))
    ]
    return {f"captions of {NEAREST} nearest": float(np.mean(right))}


def retrieval(train: Sequence[Episode], test: Sequence[Episode]) -> Found:
    """Recall at 10 by text."""
    texts, right_QC = questions(test)
    return {f"texts of {NEAREST} nearest": recall(ranks(fits(train, test, texts), right_QC).tolist(), DEPTHS[-1]).value}


def anomalies(train: Sequence[Episode], test: Sequence[Episode]) -> Found:
    """Area under the curve for the texts that an agent is shown exchanged."""
    texts = [answer_of(episode) for episode in test]
    others = exchanged([[text] for text in texts], np.random.default_rng(SEED))
    fit_QC, item = fits(train, test, texts), np.arange(len(test))
    return {f"texts of {NEAREST} nearest": auroc(fit_QC[item, item], fit_QC[others, item])}


def fits(train: Sequence[Episode], test: Sequence[Episode], texts: Sequence[str]) -> np.ndarray:
    """How well each text fits what each held-out item shows (Q, C), by the training items most like it."""
    kinds = kinds_of(train)
    known, shown = (np.stack([features(episode, kinds) for episode in episodes]) for episodes in (train, test))
    spread = known.std(0) + 1e-6
    near_CI = NearestNeighbors(n_neighbors=min(NEAREST, len(train))).fit(known / spread).kneighbors(shown / spread)[1]
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
    known_IV = vectorizer.fit_transform([answer_of(episode) for episode in train])
    like_QI = (vectorizer.transform(texts) @ known_IV.T).toarray()
    return like_QI[:, near_CI].mean(-1)
