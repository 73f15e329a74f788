"""How well scores tell two groups apart, and who changes places with whom.

Letters: E items, R resamples.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from opengato.evaluators.statistics import RESAMPLES, Interval, percentile_interval


def auroc(high: np.ndarray, low: np.ndarray) -> float:
    """P(a score of `high` > one of `low`) + P(they are equal) / 2, over all pairs.

    This is the area under the receiver operating characteristic [Hanley and McNeil 1982,
    doi:10.1148/radiology.143.1.7063747].
    """
    ordered = np.sort(low)
    below = np.searchsorted(ordered, high, side="left")
    not_above = np.searchsorted(ordered, high, side="right")
    return float((below + not_above).mean() / (2 * len(ordered)))


def auroc_interval(high_E: np.ndarray, low_E: np.ndarray, rng: np.random.Generator) -> Interval:
    """The area with its bootstrap interval; item e has a score in either group, and they are drawn together."""
    index_RE = rng.integers(len(high_E), size=(RESAMPLES, len(high_E)))
    draws_R = np.array([auroc(high_E[index_E], low_E[index_E]) for index_E in index_RE])
    return percentile_interval(auroc(high_E, low_E), draws_R)


def exchanged(keys: Sequence[Sequence[Hashable]], rng: np.random.Generator) -> np.ndarray:
    """For each item (E,) one with which it shares no key, drawn by `rng`.

    Items that share a key, with one another or by way of others, are a group; within it nothing is exchanged. It is a
    permutation, unless a group has more than half of all items: then some of the others are given twice. ValueError
    where all are one group.
    """
    group_E = _groups(keys)
    order_E = rng.permutation(len(group_E))
    # Groups in an order of their own, each in one piece: a step as long as the longest piece always leaves its own.
    place = {int(group): rank for rank, group in enumerate(dict.fromkeys(group_E[order_E].tolist()))}
    order_E = order_E[np.argsort([place[int(group)] for group in group_E[order_E]], kind="stable")]
    others_E = np.empty(len(group_E), np.int64)
    others_E[order_E] = np.roll(order_E, -int(np.bincount(group_E).max()))
    for item in np.flatnonzero(group_E[others_E] == group_E):
        strangers = np.flatnonzero(group_E != group_E[item])
        if not len(strangers):
            raise ValueError(f"all of {len(group_E)} items are alike, so none can change places; ask about more items")
        others_E[item] = rng.choice(strangers)
    return others_E


def _groups(keys: Sequence[Sequence[Hashable]]) -> np.ndarray:
    """The number (E,) of the group of each item."""
    first: dict[Hashable, int] = {}
    leader = list(range(len(keys)))

    def find(item: int) -> int:
        while leader[item] != item:
            item = leader[item]
        return item

    for item, mine in enumerate(keys):
        for place, key in enumerate(mine):
            leader[find(item)] = find(first.setdefault((place, key), item))
    return np.unique([find(item) for item in range(len(keys))], return_inverse=True)[1]
