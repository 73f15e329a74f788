"""Real numbers: bins, mu-law against golden ids, whole vectors, actions.

Letters: N positions, A action dimensions, V bins.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from opengato.core.episode import ArraySpec
from opengato.core.modality import Sampling
from opengato.modalities.continuous import action, tokens, vector
from opengato.modalities.continuous.bins import compand, expand, from_bins, to_bins
from tests.close import assert_close

# Gato's formula with mu = 100, M = 256 and 1024 bins; the same ids come out of an independent implementation
# (the continuous tokenizer in the history of github.com/huggingface/jat).
GOLDEN = {
    -256: 0, -100: 47, -10: 163, -1: 279, -0.5: 313, -0.1: 391, -1e-3: 507, 0: 512, 1e-3: 516, 0.1: 632, 0.2: 665,
    0.3: 685, 0.4: 699, 0.5: 710, 1: 744, 10: 860, 100: 976, 256: 1023,
}  # fmt: skip
UNBOUNDED = ArraySpec(name="arm/state", kind="continuous", shape=(3,))
UNIT = ArraySpec(name="arm/action", kind="continuous", shape=(2,), low=-1.0, high=1.0)
SKEWED = ArraySpec(name="arm/force", kind="continuous", shape=(2,), low=-0.5, high=4.0)

JOINTS = ArraySpec(name="arm/joints", kind="continuous", shape=(2,), low=(-0.5, 0.0), high=(4.0, 0.04))


@pytest.mark.parametrize("num_bins", [2, 7, 128, 1024])
def test_bins_at_the_edges_and_outside(num_bins: int) -> None:
    x = np.array([-np.inf, -7.0, -1.0, np.nextafter(-1, 0), np.nextafter(1, 0), 1.0, 1.5, np.inf])
    last = num_bins - 1
    assert to_bins(x, num_bins).tolist() == [0, 0, 0, 0, last, last, last, last]
    np.testing.assert_allclose(from_bins(np.array([0, last]), num_bins), [-1 + 1 / num_bins, 1 - 1 / num_bins])


@given(st.floats(-1, 1), st.integers(2, 2000))
@settings(deadline=None, max_examples=200, derandomize=True)
def test_a_bin_decodes_to_its_centre_and_its_centre_encodes_to_it(x: float, num_bins: int) -> None:
    number = int(to_bins(np.array(x), num_bins))
    centre = float(from_bins(np.array(number), num_bins))
    assert abs(centre - x) <= 1 / num_bins + 1e-12
    assert int(to_bins(np.array(centre), num_bins)) == number


def test_decoding_has_no_bias() -> None:
    """A decoder of left edges would be off by half a bin, 0.001 of each action, always to one side."""
    x = (np.arange(100 * 1024) + 0.5) / (50 * 1024) - 1  # alike in all bins
    assert abs((from_bins(to_bins(x, 1024), 1024) - x).mean()) < 1e-8


def test_companding_is_golden() -> None:
    codec = tokens.Config().codec()
    values = np.array([list(GOLDEN)], np.float64)
    spec = ArraySpec(name="x", kind="continuous", shape=(len(GOLDEN),), dtype="float64")
    ids, _ = codec.encode(values, spec, "observation")
    assert ids.tolist() == list(GOLDEN.values())
    three = replace(spec, shape=(3,))
    assert codec.decode(np.array([256, 512, 768]), three) == pytest.approx([-1.57424931, 9.96177844e-05, 1.60597040])
    assert codec.decode(np.array([1023] * 3), three)[0] == pytest.approx(253.47, abs=0.005)
    beyond, _ = codec.encode(np.array([[-1e9, 257, 1e9]]), three, "observation")
    assert beyond.tolist() == [0, 1023, 1023], "never an id of another modality"
    assert codec.num_ids == 1024


@given(st.floats(-256, 256))
@settings(deadline=None, max_examples=200, derandomize=True)
def test_companding_loses_two_percent_at_most(x: float) -> None:
    assert float(expand(compand(np.array(x), 100, 256), 100, 256)) == pytest.approx(x, abs=1e-9)
    back = float(expand(from_bins(to_bins(compand(np.array(x), 100, 256), 1024), 1024), 100, 256))
    assert abs(back - x) <= max(0.0198 * abs(x), 2e-4)


def test_bounded_values_are_not_companded() -> None:
    """mu-law would leave less than half of the bins to values in [-1, 1]."""
    codec = tokens.Config(bins=100).codec()
    ids, counts = codec.encode(np.array([[-1.0, 1.0], [0.0, 0.019]]), UNIT, "action")
    assert ids.tolist() == [0, 99, 50, 50]
    assert counts.tolist() == [2, 2]
    np.testing.assert_allclose(codec.decode(ids[:2], UNIT), [-0.99, 0.99], rtol=1e-6)


def test_the_spec_and_not_the_role_decides_what_is_companded() -> None:
    """At Gato's 1024 bins: uniform where bounds lie in [-1, 1], mu-law where they do not; what lies outside is clipped.

    For x in [-1, 1] the bins are floor((x + 1) 512), the last for 1; 0.5 companded is log(51) / log(25601) = 0.38738.
    """
    codec = tokens.Config().codec()
    spec = replace(UNIT, shape=(9,), dtype="float64")
    x = np.array([[-1.001, -1.0, np.nextafter(-1, 0), -0.5, 0.0, 0.5, np.nextafter(1, 0), 1.0, 1.001]])
    uniform = [0, 0, 0, 256, 512, 768, 1023, 1023, 1023]
    mu_law = [279, 279, 279, 313, 512, 710, 744, 744, 744]
    inside = (spec, replace(spec, low=-0.2, high=1.0), replace(spec, low=0.0, high=0.5))
    outside = (replace(spec, high=1.01), replace(spec, low=None), replace(spec, low=None, high=None))
    for role in ("observation", "action"):
        for now in inside:
            assert codec.encode(x, now, role)[0].tolist() == uniform
        for now in outside:
            assert codec.encode(x, now, role)[0].tolist() == mu_law


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("spec", [UNIT, replace(UNBOUNDED, shape=(2,))])
def test_what_is_no_number_is_refused(spec: ArraySpec, wrong: float) -> None:
    values = np.zeros((4, 2), np.float32)
    values[2, 1] = wrong
    with pytest.raises(ValueError, match=rf"action '{spec.name}' holds 1 values that are not finite \(step 2 of 4: "):
        tokens.Config().codec().encode(values, spec, "action")


@pytest.mark.parametrize("spec", [UNIT, SKEWED, JOINTS, replace(UNIT, low=-0.3, high=0.2), replace(UNBOUNDED, low=0.0)])
@pytest.mark.parametrize("temperature", [0.0, 3.0])
def test_sampled_numbers_stay_within_their_bounds(spec: ArraySpec, temperature: float) -> None:
    modality = tokens.Config(bins=64).build(8)
    torch.nn.init.normal_(modality.table.weight)
    sampling = Sampling(temperature=temperature, generator=torch.Generator().manual_seed(0))
    ids = modality.sample(torch.randn(600, 8) * 5, spec, sampling).numpy()
    assert len(set(ids.tolist())) > 3
    for row in ids.reshape(-1, *spec.shape):
        value = modality.codec.decode(row, spec)
        spec.validate(value)
        low, high = spec.bounds
        assert ((value >= low.astype(np.float32)) & (value <= high.astype(np.float32))).all()


def test_an_action_has_as_many_bins_for_a_short_way_as_for_a_long_one() -> None:
    codec = action.Config(size=3, bins=4).codec()
    rows, _ = codec.encode(np.array([[-0.5, 0.0], [1.75, 0.02], [4.0, 0.04]]), JOINTS, "action")
    assert rows.tolist() == [[0, 0, -1], [2, 2, -1], [3, 3, -1]]
    np.testing.assert_allclose(codec.decode(rows[:1], JOINTS), [0.0625, 0.005], rtol=1e-6)


# --- vectors -------------------------------------------------------------------------------------------------------


def test_a_vector_is_standardised_by_the_statistics_of_its_name() -> None:
    statistics = {"arm/state": {"mean": [1.0, 0.0, -2.0], "std": [2.0, 0.5, 1.0]}}
    codec = vector.Config(size=5, statistics=statistics, clip=4.0).codec()
    rows, counts = codec.encode(np.array([[3.0, 1.0, -2.0], [1.0, 100.0, -1.0]]), UNBOUNDED, "observation")
    assert rows.tolist() == [[1.0, 2.0, 0.0, 0.0, 0.0], [0.0, 4.0, 1.0, 0.0, 0.0]]
    assert rows.dtype == np.float32
    assert counts.tolist() == [1, 1]
    assert codec.decode(rows[:1], UNBOUNDED).tolist() == [3.0, 1.0, -2.0]
    other, _ = codec.encode(np.ones((1, 3)), replace(UNBOUNDED, name="leg/state"), "observation")
    assert other[0, :3].tolist() == [1.0, 1.0, 1.0], "values without statistics stay as they are"


def test_a_vector_that_does_not_fit_is_named() -> None:
    codec = vector.Config(size=2, statistics={"arm/action": {"mean": [0.0], "std": [1.0]}}).codec()
    with pytest.raises(ValueError, match="'arm/state' holds 3 numbers; this model has room for 2"):
        codec.encode(np.zeros((1, 3)), UNBOUNDED, "observation")
    with pytest.raises(ValueError, match="'arm/action' holds 2 numbers; its statistics in this model 1"):
        codec.encode(np.zeros((1, 2)), UNIT, "observation")


# --- actions -------------------------------------------------------------------------------------------------------


def test_an_action_is_binned_within_its_bounds() -> None:
    codec = action.Config(size=4, bins=10).codec()
    rows, counts = codec.encode(np.array([[-0.5, 4.0], [-9.0, 9.0], [1.75, 1.74]]), SKEWED, "action")
    assert rows.tolist() == [[0, 9, -1, -1], [0, 9, -1, -1], [5, 4, -1, -1]]
    assert counts.tolist() == [1, 1, 1]
    np.testing.assert_allclose(codec.decode(rows[:1], SKEWED), [-0.5 + 0.225, 4.0 - 0.225], rtol=1e-6)
    with pytest.raises(ValueError, match="action 'arm/state' has no bounds"):
        codec.encode(np.zeros((1, 3)), UNBOUNDED, "action")
    with pytest.raises(ValueError, match="'arm/force' holds 2 numbers; this model has room for 1"):
        action.Config(size=1).codec().encode(np.zeros((1, 2)), SKEWED, "action")


def test_the_loss_of_an_action_is_the_mean_over_the_numbers_that_exist() -> None:
    modality = action.Config(size=3, bins=5).build(8)
    hidden, payload = torch.randn(2, 8), torch.tensor([[1, 4, -1], [0, -1, -1]], dtype=torch.int16)
    logits = (hidden @ modality.head.weight.T + modality.head.bias).view(2, 3, 5).log_softmax(-1)
    expected = torch.stack([-(logits[0, 0, 1] + logits[0, 1, 4]) / 2, -logits[1, 0, 0]])
    assert_close(modality.loss(hidden, payload), expected)


def test_past_actions_that_are_not_remembered_all_look_alike() -> None:
    payload = torch.tensor([[1, 4, -1], [0, -1, -1]], dtype=torch.int16)
    remembered = action.Config(size=3, bins=5).build(8).embed(payload)
    assert not torch.equal(remembered[0], remembered[1])
    forgotten = action.Config(size=3, bins=5, remember=False).build(8)
    marks = forgotten.embed(payload)
    assert torch.equal(marks[0], marks[1])
    marks.sum().backward()
    assert forgotten.table.weight.grad is not None


@given(st.lists(st.floats(-6, 6), min_size=40, max_size=40), st.integers(0, 5))
@settings(deadline=None, max_examples=100, derandomize=True)
def test_a_local_mean_stays_near_the_best_bin(logits: list[float], width: int) -> None:
    """So it lies between two modes only where they are so near that they are one."""
    modality = action.Config(size=1, bins=40, mode_width=width).build(4)
    torch.nn.init.zeros_(modality.head.weight)
    modality.head.bias.data = torch.tensor(logits)
    spec = replace(UNIT, shape=(1,))
    chosen = int(modality.sample(torch.zeros(1, 4), spec, Sampling())[0, 0])
    scores = np.array(logits, np.float32)
    best = int(np.argmax(scores))
    reach = min(width, best, 39 - best)  # as far on one side as on the other: at a bound, the bound itself
    assert abs(chosen - best) <= reach
    near = np.arange(best - reach, best + reach + 1)
    weight = np.exp(scores.astype(np.float64)[near])
    assert abs(chosen - (near * weight).sum() / weight.sum()) <= 0.5 + 1e-4


def test_a_local_mean_is_finer_than_the_best_bin_and_ignores_a_far_mode() -> None:
    modality = action.Config(size=1, bins=40, mode_width=3).build(4)
    torch.nn.init.zeros_(modality.head.weight)
    probability = torch.full((40,), 1e-9)
    probability[10], probability[12], probability[30] = 0.34, 0.33, 0.33  # a global mean lies at 17, between the modes
    modality.head.bias.data = probability.log()
    spec = replace(UNIT, shape=(1,))
    assert modality.sample(torch.zeros(1, 4), spec, Sampling()).item() == 11
    sampling = Sampling(temperature=1.0, generator=torch.Generator().manual_seed(0))
    drawn = modality.sample(torch.zeros(300, 4), spec, sampling)
    assert set(drawn.flatten().tolist()) == {10, 12, 30}, "a draw is not averaged"
    assert drawn.dtype == torch.int16


def test_numbers_that_do_not_exist_are_marked_in_a_sampled_action() -> None:
    rows = action.Config(size=4, bins=8).build(4).sample(torch.randn(3, 4), UNIT, Sampling())
    assert (rows[:, 2:] == -1).all()
    assert (rows[:, :2] >= 0).all()


def test_probabilities_are_of_the_numbers_that_exist() -> None:
    """Their negative logarithm at the target, as a mean over the numbers, is the loss."""
    modality = action.Config(size=4, bins=16).build(8)
    h_ND = torch.randn(5, 8)
    target_NA, _ = modality.codec.encode(np.random.default_rng(0).uniform(-1, 1, (5, 2)), UNIT, "action")
    probability_NAV = modality.probabilities(h_ND, UNIT).detach().numpy()
    assert probability_NAV.shape == (5, 2, 16)
    taken = np.take_along_axis(probability_NAV, target_NA[:, :2, None].astype(np.int64), 2)[..., 0]
    expected = modality.loss(h_ND, torch.from_numpy(target_NA)).detach().numpy()
    np.testing.assert_allclose(-np.log(taken).mean(1), expected, atol=1e-5)
