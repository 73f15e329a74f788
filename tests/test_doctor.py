"""`opengato doctor` finds what is there, and survives what is broken."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from opengato import doctor


@pytest.fixture(scope="module")
def found() -> dict:
    return doctor.report()


def test_report_is_plain_json(found: dict) -> None:
    assert json.loads(json.dumps(found)) == found


def test_report_names_what_is_installed(found: dict) -> None:
    assert found["torch"]["error"] is None
    assert found["torch"]["matmul_gflops"]["float32"] > 0
    assert found["torch"]["faster"] in found["torch"]["matmul_gflops"]
    assert found["families"]["babyai"]["error"] is None
    assert found["families"]["babyai"]["tasks"] > 0
    assert 0 < found["memory"]["free_gib"] <= found["memory"]["total_gib"]


def test_show_prints_every_part(found: dict) -> None:
    out = io.StringIO()
    doctor.show(found, Console(file=out, width=100))
    for word in ("python", "torch", "GFLOP/s", "rendering", "tasks of babyai"):
        assert word in out.getvalue()


@pytest.mark.parametrize(("total", "advised"), [(2**20, False), (2**60, True)])
def test_a_training_that_does_not_fit_is_told_with_advice(found: dict, total: int, advised: bool) -> None:
    out = io.StringIO()
    training = {"recipe": "mine", "needs": "1 GiB: all", "total": total}
    doctor.show({**found, "training": training}, Console(file=out, width=200))
    assert "to train mine" in out.getvalue()
    assert ("train.accumulate=N" in out.getvalue()) == advised


def test_missing_extras_come_with_the_command(found: dict) -> None:
    need = {"name": "av", "wanted": ">=14", "version": None, "fits": False}
    broken = {**found, "extras": {"video": [need]}, "install": "pip install 'opengato[video]'"}
    out = io.StringIO()
    doctor.show(broken, Console(file=out, width=100))
    assert "av missing" in out.getvalue()
    assert "pip install 'opengato[video]'" in out.getvalue()


def test_a_broken_torch_and_a_broken_family_are_findings(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError("libnvrtc.so.13: cannot open shared object file")

    monkeypatch.setattr(doctor.importlib, "import_module", fail)
    monkeypatch.setattr(doctor, "all_tasks", fail)
    monkeypatch.setattr(doctor, "plugins", lambda group: ["babyai"])
    monkeypatch.setattr(doctor, "families", lambda: ["babyai"])
    monkeypatch.setattr(doctor, "ensure_gl", lambda: "egl")
    found = doctor.report()
    assert "libnvrtc" in found["torch"]["error"]
    assert "libnvrtc" in found["families"]["babyai"]["error"]
    assert len(found["problems"]) == 2
    doctor.show(found, Console(file=io.StringIO(), width=100))
