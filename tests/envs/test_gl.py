"""A backend counts only if it draws; what the user has set is never replaced."""

from __future__ import annotations

import os

import pytest

from opengato.envs import gl


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset what an earlier test or the user chose, and put it back afterwards."""
    for name in ("MUJOCO_GL", "OPENGATO_GL"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(gl, "_rebind", lambda backend: None)


def test_the_first_backend_that_draws_is_set_for_children_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gl, "candidates", lambda: ("egl", "osmesa"))
    monkeypatch.setattr(gl, "probe", {"egl": "no device", "osmesa": None}.get)
    assert gl.ensure_gl() == "osmesa"
    assert os.environ["MUJOCO_GL"] == os.environ["OPENGATO_GL"] == "osmesa"


def test_a_backend_found_before_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.setenv("OPENGATO_GL", "egl")
    monkeypatch.setattr(gl, "probe", lambda backend: pytest.fail(f"tried {backend}"))
    assert gl.ensure_gl() == "egl"


def test_the_choice_of_the_user_is_kept_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    monkeypatch.setattr(gl, "probe", {"egl": None, "osmesa": "no library"}.get)
    with pytest.raises(
        RuntimeError, match=r"MUJOCO_GL=osmesa cannot draw here:\n  osmesa: no library\nUnset MUJOCO_GL"
    ):
        gl.ensure_gl()
    assert os.environ["MUJOCO_GL"] == "osmesa"


def test_where_nothing_draws_the_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gl, "candidates", lambda: ("egl", "osmesa"))
    monkeypatch.setattr(gl, "probe", lambda backend: "no library")
    with pytest.raises(RuntimeError, match=r"apt-get install libegl1 .*libosmesa6"):
        gl.ensure_gl()


def test_without_mujoco_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gl, "probe", lambda backend: "ModuleNotFoundError: No module named 'mujoco'")
    with pytest.raises(RuntimeError, match=r"pip install 'opengato\[metaworld\]'"):
        gl.ensure_gl()


def test_probe_says_why_a_backend_fails() -> None:
    pytest.importorskip("mujoco")
    assert "invalid value" in (gl.probe("nonsense") or "")
