"""The runs of `tiny` with other trunks: what is equal, and how many parameters differ, by hand."""

from __future__ import annotations

import pytest

from opengato.recipes import load, tiny
from opengato.train.memory import on_meta

ATTENTION, UNIT = 4 * 256 * 256, 3 * 256  # of a block; of one unit of its feed-forward
# Beside the decoder's: a path has attention of its own, and each layer 2 weights; two more feed-forwards of 352 units
# and a router to 4; gates of 6 sights with 4 heads.
MORE = {
    "pathways-tiny": 6 * (2 * (ATTENTION + 180 * UNIT + 2 * 256) + 2 - (ATTENTION + 704 * UNIT + 2 * 256)),
    "pathways-sparse-tiny": 6 * (2 * 352 * UNIT + 4 * 256),
    "factored-tiny": 6 * 6 * 4 * 256,
}


@pytest.mark.parametrize("name", MORE)
def test_only_the_trunk_differs(name: str) -> None:
    run, base = load(name), tiny.recipe()
    assert (run.name, run.collected) == (name, base.name)
    assert (run.weights, run.collect, run.imports, run.rows) == (base.weights, base.collect, base.imports, base.rows)
    assert (run.train.optim, run.train.steps, run.train.objective) == (
        base.train.optim, base.train.steps, base.train.objective,
    )  # fmt: skip
    agents = [on_meta(recipe.train.agent) for recipe in (run, base)]
    assert agents[0].num_parameters - agents[1].num_parameters == MORE[name]
