"""Value iteration [Bellman 1957, Dynamic Programming]: V(s) = max_a r(s, a) + discount * E V(s').

On a table of states, and on a grid over two continuous numbers, between whose points values are interpolated.
Letters: S states of a table, N states at once, A actions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Model = Callable[[np.ndarray, float], tuple[np.ndarray, np.ndarray, np.ndarray]]
MAX_SWEEPS, TOLERANCE = 2000, 1e-3
DISCOUNT = 0.999  # of tables: of two ways that reach a goal surely, the shorter is better


def table_of(outcomes: Mapping[int, Mapping[int, Sequence[tuple[float, Any, float, bool]]]]) -> tuple[Any, Any]:
    """Gymnasium's table P as chances of the next state (A, S, S), 0 where the episode is over, and mean rewards (A, S).

    `outcomes[state][action]` lists (chance, next state, reward, over).
    """
    num_states, num_actions = len(outcomes), len(outcomes[0])
    chance_ASS = np.zeros((num_actions, num_states, num_states))
    reward_AS = np.zeros((num_actions, num_states))
    for state, actions in outcomes.items():
        for action, cases in actions.items():
            for chance, following, reward, over in cases:
                reward_AS[action, state] += chance * reward
                chance_ASS[action, state, following] += chance * (not over)
    return chance_ASS, reward_AS


def best_actions(chance_ASS: np.ndarray, reward_AS: np.ndarray, discount: float = DISCOUNT) -> np.ndarray:
    """The best action of every state (S,)."""
    value_S = np.zeros(reward_AS.shape[1])
    for _ in range(MAX_SWEEPS):
        value_AS = reward_AS + discount * (chance_ASS @ value_S)
        change = np.abs(value_AS.max(axis=0) - value_S).max()
        value_S = value_AS.max(axis=0)
        if change < 1e-9:
            break
    return value_AS.argmax(axis=0)


@dataclass(frozen=True, slots=True)
class GridPlan:
    """Values on a grid of states, and the model to look one step ahead with."""

    model: Model
    axes: tuple[np.ndarray, np.ndarray]
    actions: np.ndarray
    discount: float
    values: np.ndarray

    @classmethod
    def of(cls, model: Model, axes: tuple[np.ndarray, np.ndarray], actions: np.ndarray, discount: float) -> GridPlan:
        """Sweep over the grid until no value changes by more than `TOLERANCE`."""
        grid_N2 = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
        ahead = [model(grid_N2, float(action)) for action in actions]
        corners = [_corners(axes, following) for following, _, _ in ahead]
        value_N = np.zeros(len(grid_N2))
        for _ in range(MAX_SWEEPS):
            worth_AN = np.stack(
                [
                    reward + discount * ~over * (value_N[index] * weight).sum(axis=0)
                    for (_, reward, over), (index, weight) in zip(ahead, corners, strict=True)
                ]
            )
            change = np.abs(worth_AN.max(axis=0) - value_N).max()
            value_N = worth_AN.max(axis=0)
            if change < TOLERANCE:
                break
        return cls(model, axes, actions, discount, value_N)

    def best(self, state: np.ndarray) -> float:
        """The action whose outcome is worth most."""
        worth = []
        for action in self.actions:
            following, reward, over = self.model(np.asarray(state, np.float64)[None], float(action))
            index, weight = _corners(self.axes, following)
            worth.append(reward[0] + self.discount * (not over[0]) * float((self.values[index] * weight).sum()))
        return float(self.actions[int(np.argmax(worth))])


def _corners(axes: tuple[np.ndarray, np.ndarray], state_N2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The four points of the grid around each state (4, N) and their weights (4, N)."""
    lower, share = [], []
    for axis, value_N in zip(axes, state_N2.T, strict=True):
        place_N = (value_N - axis[0]) / (axis[1] - axis[0])
        index_N = np.clip(place_N.astype(np.int64), 0, len(axis) - 2)
        lower.append(index_N)
        share.append(place_N - index_N)
    width = len(axes[1])
    index = [(lower[0] + i) * width + lower[1] + j for i in (0, 1) for j in (0, 1)]
    weight = [np.abs(1 - i - share[0]) * np.abs(1 - j - share[1]) for i in (0, 1) for j in (0, 1)]
    return np.stack(index), np.stack(weight)
