"""What tests of jobs share: corpora in a folder of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import corpora as made_up


@pytest.fixture
def corpora(tmp_path: Path) -> Callable[..., Path]:
    """`corpora("mnist")`: the folder in which made-up ones of these names lie."""
    return lambda *names: made_up.write(tmp_path / "data", *names)
