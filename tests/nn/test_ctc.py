"""CTC against the sum over every path, and letters that come back from a path.

Letters: J moments of all sounds, V classes.
"""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from opengato.nn.ctc import BLANK, CLASSES, Config, classes_of, ctc_loss, spelt

USED = (BLANK, *classes_of("ab"))


def over_all_paths(log_p_JV: torch.Tensor, text: str) -> float:
    """-log of the sum of p over the paths that spell a text, by trying all of them; only "a", "b" and blanks occur."""
    total = 0.0
    for path in itertools.product(USED, repeat=len(log_p_JV)):
        merged = [key for key, _ in itertools.groupby(path)]
        if [number for number in merged if number != BLANK] == classes_of(text):
            total += math.exp(sum(float(log_p_JV[moment, number]) for moment, number in enumerate(path)))
    return -math.log(total)


@pytest.mark.parametrize("text", ["a", "ab", "aa", "aba", "bb"])
def test_loss_is_the_sum_over_all_paths(text: str) -> None:
    generator = torch.Generator().manual_seed(len(text))
    scores = torch.full((4, CLASSES), -torch.inf)
    scores[:, list(USED)] = torch.randn(4, len(USED), generator=generator)
    log_p_JV = scores.log_softmax(-1)
    loss = ctc_loss(log_p_JV.clamp(min=-1e4), [4], [text])
    assert float(loss[0]) == pytest.approx(over_all_paths(log_p_JV, text), rel=1e-5)


def test_sounds_of_other_lengths_do_not_disturb_one_another() -> None:
    log_p_JV = torch.randn(11, CLASSES, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    together = ctc_loss(log_p_JV, [5, 6], ["abc", "b"])
    alone = torch.cat([ctc_loss(log_p_JV[:5], [5], ["abc"]), ctc_loss(log_p_JV[5:], [6], ["b"])])
    torch.testing.assert_close(together, alone)


def test_a_text_too_long_for_its_sound_teaches_nothing() -> None:
    scores = torch.randn(3, CLASSES, generator=torch.Generator().manual_seed(0), requires_grad=True)
    loss = ctc_loss(scores.log_softmax(-1), [3], ["aab"])  # the two a need a blank between: four moments
    assert float(loss.detach()) == 0
    loss.sum().backward()
    assert scores.grad is not None
    assert not scores.grad.any()
    assert float(ctc_loss(torch.zeros(4, CLASSES).log_softmax(-1), [4], ["aab"])) > 0


@pytest.mark.parametrize("text", ["", "hello", "Привет, 你好"])
def test_letters_come_back_from_a_path(text: str) -> None:
    path = [number for byte in classes_of(text) for number in (byte, byte, BLANK)]
    assert spelt(path) == text
    assert spelt([BLANK, *path, BLANK]) == text


def test_half_a_letter_is_left_out() -> None:
    assert spelt(classes_of("a我")[:-1]) == "a"


def test_a_position_is_several_moments_in_order() -> None:
    head = Config(steps=3).build(5)
    log_p_JV = head(torch.eye(5)[:2])
    assert log_p_JV.shape == (6, CLASSES)
    torch.testing.assert_close(log_p_JV.exp().sum(-1), torch.ones(6))
    expected = (head.project.weight[:, 1] + head.project.bias).view(3, CLASSES)[2].log_softmax(-1)
    torch.testing.assert_close(log_p_JV[5], expected)
    with pytest.raises(ValueError, match="`steps` is 0"):
        Config(steps=0)
