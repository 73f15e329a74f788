"""How good the expert of a task was, and which episodes are good enough: from the returns in a store's index.

[Reed et al. 2022, arXiv:2205.06175, sec. 3.1]. Letters: E episodes.
"""

from __future__ import annotations

import numpy as np

from opengato.data.store import EpisodeStore
from opengato.envs import find_task

_LARGEST_WINDOW = 1000


def expert_return(return_E: np.ndarray) -> float:
    """The best that an expert sustained: the largest mean return of W episodes in a row, in the order collected.

    max over j of (R_j + ... + R_{j+W-1}) / W, with W = min(1000, 0.1 E) rounded down, at least 1.
    """
    window = max(1, min(_LARGEST_WINDOW, len(return_E) // 10))
    windows = np.lib.stride_tricks.sliding_window_view(np.asarray(return_E, np.float64), window)
    return float(windows.mean(1).max())


def expert_returns(store: EpisodeStore) -> dict[str, float]:
    """The expert return of each task of a store."""
    return_E = store.column("episode_return")
    return {task: expert_return(return_E[store.task_E == n]) for n, task in enumerate(store.task_names)}


def lowest_return(return_E: np.ndarray, share: float, random_return: float | None) -> float:
    """The return from which on an episode is kept: `share` of the expert return.

    Where the expert return is not above 0, a share of it would lie above the expert itself; the way up to it is
    measured instead, from the random score if that is known and lower than the expert, else from the worst episode.
    """
    expert = expert_return(return_E)
    if expert > 0:
        return share * expert
    floor = float(np.min(return_E))
    if random_return is not None and random_return < expert:
        floor = random_return
    return floor + share * (expert - floor)


def good_enough(return_E: np.ndarray, task: str, share: float) -> np.ndarray:
    """Which episodes of a task are kept: a mask (E,) that is True for the best one at least."""
    bar = lowest_return(return_E, share, random_return(task))
    return return_E >= min(bar, np.max(return_E))  # a mean of equal numbers may lie a rounding above them


def random_return(task: str) -> float | None:
    """The mean return of random actions, for a task of a family that has measured it."""
    try:
        score = find_task(task).random_score
    except ValueError:  # a store may hold tasks of no family: a corpus, or somebody's own robot
        return None
    return None if score is None else score.mean
