"""The contract of a modality: a codec (numpy), an embedder and a head (torch).

Letters: N positions of this modality, D width, P payload features, A axes of a value or numbers of an action,
V values of one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from opengato.core.episode import ArraySpec
from opengato.core.serialize import Codec

COLDEST = 1e-6  # a temperature at which what is worse by 0.0001 comes once in e^100 draws


@dataclass(frozen=True, kw_only=True, slots=True)
class Sampling:
    """How to choose: `temperature` 0 takes the best, above 0 draws with `generator`.

    Drawn is from the `top_k` likeliest (None: all), and of those from the nucleus that holds `top_p` of their mass.
    `upward` is added to the logits in proportion to the id's place, from 0 at the lowest to all of it at the highest.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int | None = None
    generator: torch.Generator | None = None
    upward: float = 0.0

    def __post_init__(self) -> None:
        wrong = not self.temperature >= 0 or not 0 <= self.top_p <= 1 or (self.top_k is not None and self.top_k < 1)
        if wrong:
            raise ValueError(
                f"received temperature={self.temperature}, top_p={self.top_p}, top_k={self.top_k}; expected a "
                "temperature of 0 or more, a top_p in [0, 1], and a top_k of at least 1 or None"
            )

    @property
    def takes_best(self) -> bool:
        """Whether nothing is drawn: at 0, and so near it that logits divided by it would overflow."""
        return self.temperature < COLDEST


class Modality(nn.Module, ABC):
    """Embeds payload rows, scores them as targets, and samples them. The trunk never knows which modality it serves.

    With `whole_values` the vector of a row depends on the other rows of its value, which come together and in order.
    """

    codec: Codec
    whole_values: ClassVar[bool] = False

    @abstractmethod
    def embed(self, payload_NP: Tensor) -> Tensor:
        """Rows (N, *payload_shape) as vectors x_ND."""

    def places(self, payload_NP: Tensor) -> Tensor | None:
        """What of `embed` says where in its value a row lies, and nothing of what it holds: (N, D); None without it."""
        return None

    def coordinates(self, payload_NP: Tensor) -> Tensor | None:
        """Where in its value each row lies, along each of A axes: integers (N, A), all 0 in the first row of a value.

        None where a row does not say: its values are lines, and the batch knows where one begins.
        """
        return None

    def loss(self, h_ND: Tensor, payload_NP: Tensor) -> Tensor:
        """Negative log-likelihood (nats) of each row given the hidden state of the slot before it: (N,)."""
        raise ValueError(f"{type(self).__name__} has no head: it can be observed but not predicted")

    def scores(self, h_ND: Tensor, payload_NP: Tensor) -> Tensor | None:
        """What the head gives each row before its softmax (N,), so that `loss` + `scores` is log Z.

        None where a row is not one choice of one softmax.
        """
        return None

    def head_parameters(self) -> list[nn.Parameter]:
        """What stands between a hidden state and `loss`, tables tied to it included; none without a head."""
        return []

    def sample(self, h_ND: Tensor, spec: ArraySpec, sampling: Sampling) -> Tensor:
        """Rows (N, *payload_shape) chosen from the hidden states before them, within what `spec` allows."""
        raise ValueError(f"{type(self).__name__} has no head: it can be observed but not predicted")

    def sample_any(self, h_ND: Tensor, specs: tuple[ArraySpec, ...], sampling: Sampling) -> Tensor:
        """The same within what any of several specs allows."""
        raise ValueError(f"{type(self).__name__} holds values of one spec at a time; expected a table of ids")

    def probabilities(self, h_ND: Tensor, spec: ArraySpec) -> Tensor:
        """What `sample` chooses from at temperature 1, (N, A, V): a row a number, from the lowest value to the highest.

        A row that is one id is one number.
        """
        raise ValueError(f"{type(self).__name__} has no head: it can be observed but not predicted")
