"""When a function is recorded and when replayed; on a CPU something stands in for the recording of a GPU."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from opengato.nn import graphs
from opengato.nn.graphs import Replayed


class Recording:
    """Like a CUDA graph: it does nothing while it is made, and knows but the tensors that it was made with."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, function: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Callable[..., Tensor]:
        self.made += 1
        held = [tensor.clone() for tensor in inputs]

        def replay(*inputs: Tensor) -> Tensor:
            for mine, theirs in zip(held, inputs, strict=True):
                mine.copy_(theirs)
            return function(*held).clone()

        return replay


def test_each_call_is_done_once_whatever_is_recorded() -> None:
    total, recording = torch.zeros(()), Recording()

    def add(x: Tensor, times: Tensor) -> Tensor:
        return total.add_((x * times).sum())

    replayed, expected = Replayed(add, recording), 0.0
    for number, (length, made) in enumerate([(3, 0), (3, 1), (2, 1), (3, 1), (2, 2), (2, 2), (3, 2), (5, 2)], 1):
        expected += number * length
        assert replayed(torch.full((length,), float(number)), torch.ones(length)) == expected
        assert recording.made == made, "a recording for the second call of a shape"
    replayed(torch.ones(3).double(), torch.ones(3))
    replayed(torch.ones(3).double(), torch.ones(3))
    assert recording.made == 3, "another format is another recording"


def test_no_more_than_so_many_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "MOST", 2)
    recording = Recording()
    replayed = Replayed(lambda x: x + 1, recording)
    for length in (1, 2, 3, 1, 2, 3, 3):
        assert torch.equal(replayed(torch.zeros(length)), torch.ones(length))
    assert recording.made == 2


def test_what_cannot_be_recorded_is_called_and_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: object) -> Callable[..., Tensor]:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    replayed = Replayed(lambda x: 2 * x, refuse)
    for length in (1, 1, 1, 2, 2):
        assert torch.equal(replayed(torch.ones(length)), torch.full((length,), 2.0))
    told = capsys.readouterr().err
    assert told == "acts without CUDA graphs, which is slower: operation not permitted when stream is capturing\n"
