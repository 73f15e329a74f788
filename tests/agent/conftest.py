"""The toy family, found by rollouts."""

from __future__ import annotations

import pytest

from opengato.rollout import run
from tests.agent.toy import ToyFamily


@pytest.fixture
def toy_family(monkeypatch: pytest.MonkeyPatch) -> ToyFamily:
    """What rollouts find under any name; set its `steps` to give all episodes one length."""
    family = ToyFamily()
    monkeypatch.setattr(run, "family_of", lambda _: family)
    return family
