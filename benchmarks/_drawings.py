"""How many bits the ids of a held-out picture take by counting: those of the shipped codec, `modalities/image/tokens`.

Each id is predicted by how often it came in training: anywhere; at its cell (p = (n(cell, id) + a p(id)) / (n + a));
after its left neighbour likewise, where the cell's own takes the place of p(id); and that mixed with the id that the
picture of the nearest training caption has at this cell. Strengths a and the share of the mixture are chosen on a tenth
of the training pictures. Letters: I training pictures, E pictures, N cells, V ids.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from opengato.core.episode import Episode, objects
from opengato.core.views import PICTURE
from opengato.evaluators.replies import answer_of
from opengato.modalities.image.tokens import PictureTokens

STRENGTHS = (1.0, 10.0, 100.0, 1000.0)
SHARES = (0.0, 0.03, 0.1, 0.2, 0.4)
Found = dict[str, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How often ids came in training pictures: anywhere (V), at each cell (N, V), after each id (V, V)."""

    anywhere_V: np.ndarray
    at_NV: np.ndarray
    after_VV: np.ndarray


def drawings(train: Sequence[Episode], test: Sequence[Episode]) -> Found:
    """Bits per picture, the mean over held-out ones."""
    codec = PictureTokens()
    known_IN, ids_EN = ids_of(codec, train), ids_of(codec, test)
    captions, asked = [answer_of(episode) for episode in train], [answer_of(episode) for episode in test]
    order = np.random.default_rng(0).permutation(len(train))
    kept, fitted = np.split(order, [max(1, len(order) // 10)])
    counts = count(known_IN[fitted], codec.num_ids)
    near_EN = known_IN[fitted][nearest([captions[i] for i in fitted], [captions[i] for i in kept])]

    def cost(cell: float, left: float, share: float) -> float:
        return bits(known_IN[kept], counts, cell, left, near_EN, share)

    cell, left = min(product(STRENGTHS, STRENGTHS), key=lambda strengths: cost(*strengths, 0.0))
    share = min(SHARES, key=lambda share: cost(cell, left, share))
    counts = count(known_IN, codec.num_ids)
    near_EN = known_IN[nearest(captions, asked)]
    return {
        "ids by frequency": bits(ids_EN, counts, math.inf, math.inf, near_EN, 0.0),
        "ids by place and neighbour": bits(ids_EN, counts, cell, left, near_EN, 0.0),
        "ids by place, neighbour and nearest caption": bits(ids_EN, counts, cell, left, near_EN, share),
    }


def ids_of(codec: PictureTokens, episodes: Sequence[Episode]) -> np.ndarray:
    """The ids (E, N) of the pictures of episodes."""
    pictures = objects([next(iter(episode.observations.values()))[0] for episode in episodes])
    return codec.encode(pictures, PICTURE, "action")[0].reshape(len(episodes), codec.cells)


def nearest(known: Sequence[str], asked: Sequence[str]) -> np.ndarray:
    """The index of the training caption that is most like each caption asked about."""
    vectorizer = TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True)
    known_IV = vectorizer.fit_transform(known)
    return (vectorizer.transform(asked) @ known_IV.T).toarray().argmax(1)


def count(ids_IN: np.ndarray, num_ids: int) -> Counts:
    """Counts of training pictures; each id is taken to have come once more, anywhere."""
    at_NV = np.stack([np.bincount(ids_I, minlength=num_ids) for ids_I in ids_IN.T]).astype(np.float64)
    after_VV = np.zeros((num_ids, num_ids))
    np.add.at(after_VV, (ids_IN[:, :-1].ravel(), ids_IN[:, 1:].ravel()), 1)
    return Counts(anywhere_V=at_NV.sum(0) + 1, at_NV=at_NV, after_VV=after_VV)


def bits(ids_EN: np.ndarray, counts: Counts, cell: float, left: float, near_EN: np.ndarray, share: float) -> float:
    """The mean over pictures of -log2 p; a strength that is infinite leaves out what it would correct."""
    places = np.broadcast_to(np.arange(ids_EN.shape[1]), ids_EN.shape)
    p_EN = (counts.anywhere_V / counts.anywhere_V.sum())[ids_EN]
    p_EN = corrected(p_EN, counts.at_NV[places, ids_EN], counts.at_NV.sum(1)[places], cell)
    before_EN = ids_EN[:, :-1]
    after_EN = counts.after_VV[before_EN, ids_EN[:, 1:]]
    p_EN[:, 1:] = corrected(p_EN[:, 1:], after_EN, counts.after_VV.sum(1)[before_EN], left)
    p_EN = (1 - share) * p_EN + share * (near_EN == ids_EN)
    return float(-np.log2(p_EN).sum(1).mean())


def corrected(p: np.ndarray, count: np.ndarray, total: np.ndarray, strength: float) -> np.ndarray:
    """(count + strength p) / (total + strength)."""
    return p.copy() if math.isinf(strength) else (count + strength * p) / (total + strength)
