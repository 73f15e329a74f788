"""Integers: ids, the separator, masks of the action space, cells."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from opengato.core.episode import ArraySpec
from opengato.core.modality import Sampling
from opengato.modalities.discrete import tokens, vector

GRID = ArraySpec(name="grid/view", kind="discrete", num_values=9, shape=(4, 3), dtype="uint8")
MOVE = ArraySpec(name="grid/move", kind="discrete", num_values=5, dtype="int64")


def test_ids_are_the_values_row_by_row_and_the_separator_comes_after_them() -> None:
    codec = tokens.Config(num_values=9).codec()
    values = np.arange(12).reshape(1, 4, 3) % 9
    ids, counts = codec.encode(values, GRID, "observation")
    assert ids.tolist() == (np.arange(12) % 9).tolist()
    assert counts.tolist() == [12]
    separator, counts = codec.encode(np.zeros(3, np.int64), MOVE, "separator")
    assert separator.tolist() == [9, 9, 9]
    assert counts.tolist() == [1, 1, 1]
    with pytest.raises(ValueError, match="this modality has no separator; set `separator`, or route it to one that"):
        tokens.Config(separator=False).codec().encode(np.zeros(3, np.int64), MOVE, "separator")


@pytest.mark.parametrize("codec", [tokens.Config(num_values=16).codec(), vector.Config(num_values=16).codec()])
@pytest.mark.parametrize("wrong", [9, -1, 300])
def test_values_outside_the_spec_are_refused(codec: tokens.DiscreteCodec, wrong: int) -> None:
    values = np.zeros((1, 4, 3), np.int64)
    values[0, 2, 1] = wrong
    with pytest.raises(ValueError, match=r"'grid/view' holds values in \[.*\], expected \[0, 9\)"):
        codec.encode(values, GRID, "observation")


def test_no_value_is_taken_for_the_separator() -> None:
    """Not even one that its spec allows: where ids end is the model's business."""
    wide = ArraySpec(name="grid/wide", kind="discrete", num_values=2000, dtype="int64")
    codec = tokens.Config().codec()
    assert codec.encode(np.array([1023]), wide, "observation")[0].tolist() == [1023]
    with pytest.raises(ValueError, match=r"'grid/wide' holds values in \[1024, 1024\], expected \[0, 1024\)"):
        codec.encode(np.array([1024]), wide, "observation")


@pytest.mark.parametrize("temperature", [0.0, 10.0])
@pytest.mark.parametrize(("num_values", "allowed"), [(1, 1), (5, 5), (16, 16), (40, 16)])
def test_only_actions_of_the_space_are_sampled_and_never_the_separator(
    temperature: float, num_values: int, allowed: int
) -> None:
    modality = tokens.Config(num_values=16).build(8)
    torch.nn.init.normal_(modality.table.weight)
    spec = ArraySpec(name="a", kind="discrete", num_values=num_values, dtype="int64")
    sampling = Sampling(temperature=temperature, generator=torch.Generator().manual_seed(0))
    ids = modality.sample(torch.randn(3000, 8) * 3, spec, sampling)
    assert set(ids.tolist()) == set(range(allowed))


def test_cells_keep_their_place_and_padding_is_no_value() -> None:
    codec = vector.Config(cells=6, channels=4, num_values=9).codec()
    values = np.arange(24, dtype=np.uint8).reshape(2, 4, 3) % 9
    rows, counts = codec.encode(values, GRID, "observation")
    assert rows.shape == (2, 6, 4)
    assert counts.tolist() == [1, 1]
    np.testing.assert_array_equal(rows[:, :4, :3], values)
    assert (rows[:, 4:] == 9).all()
    assert (rows[:, :, 3] == 9).all()
    scalar, _ = codec.encode(np.array([3]), MOVE, "observation")
    assert (scalar[0, 0, 0], (scalar == 9).sum()) == (3, 23)


def test_cells_that_do_not_fit_are_named() -> None:
    for config in (vector.Config(cells=3), vector.Config(channels=2), vector.Config(num_values=8)):
        with pytest.raises(ValueError, match=r"'grid/view' needs 4 cells x 3 channels x 9 values; this model has room"):
            config.codec().encode(np.zeros((1, 4, 3), np.uint8), GRID, "observation")
    with pytest.raises(ValueError, match=r"`num_values`.* must be at most 255"):
        vector.Config(num_values=256).codec()


def test_each_cell_channel_and_value_has_its_own_meaning() -> None:
    modality = vector.Config(cells=3, channels=2, num_values=4, cell_width=5).build(8)
    base = torch.full((1, 3, 2), 4, dtype=torch.uint8)
    seen = [modality.embed(base)]
    for cell in range(3):
        for channel in range(2):
            for value in range(4):
                row = base.clone()
                row[0, cell, channel] = value
                seen.append(modality.embed(row))
    vectors = torch.cat(seen)
    distance = torch.cdist(vectors, vectors) + torch.eye(len(vectors))
    assert distance.min() > 1e-3
