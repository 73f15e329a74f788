"""What every test gets: one thread per worker, the same seeds, `slow` on all of tests/slow, and `gl` to draw with."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is first imported: workers share the cores, one thread each
    for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[_name] = "1"

import numpy as np
import pytest

from opengato.envs.gl import ensure_gl

ROOT = Path(__file__).parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if (ROOT / "tests" / "slow") in item.path.parents:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def same_seeds() -> None:
    """Global generators start every test alike; code under test is handed its own generator all the same."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - this is the global one
    torch = sys.modules.get("torch")  # a test without torch does not pay for its import
    if torch is not None:
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def gl() -> str:
    """The OpenGL backend that draws on this machine; where none does, the test is skipped, saying what to install."""
    try:
        return ensure_gl()
    except RuntimeError as error:
        pytest.skip(str(error))
