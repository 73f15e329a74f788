"""What the page about serving and the files of `deploy/` say is so."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from opengato import cli
from opengato.cli.serving_arguments import Serve
from opengato.serve.config import Config
from opengato.serve.openapi import document
from tests.house import ROOT
from tests.serve.asking import Running

PAGE = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
DEPLOY = ROOT / "deploy"


def test_the_client_of_the_page_runs(server: Running, tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
    assert len([line for line in code.splitlines() if line.strip()]) <= 20
    assert "opengato" not in code
    script = tmp_path / "client.py"
    script.write_text(code.replace("http://", "").replace("127.0.0.1:8400", server.address.removeprefix("http://")))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "tiny"
    assert len(lines) == 12
    assert "'steps': 10" in lines[-1]


def test_the_page_names_every_route_and_limit() -> None:
    for path in document(Config())["paths"]:
        if path != "/v1/tasks/{family}/{name}/example":
            assert path.replace("{family}/{name}", "FAMILY/NAME") in PAGE, path
    assert f"({Config().max_bytes // 2**20} MiB)" in PAGE
    assert f"({Config().max_pixels / 1e6:.1f} million)" in " ".join(PAGE.split())
    assert f"seconds of a sound or a film ({Config().max_sound_seconds:g})" in " ".join(PAGE.split())


def served_by(words: str) -> Serve:
    """The arguments of a command line that serves."""
    _, arguments = cli.parse(shlex.split(words)[1:])
    assert isinstance(arguments, Serve)
    return arguments


def test_the_unit_is_one(tmp_path: Path) -> None:
    unit = DEPLOY / "opengato@.service"
    text = unit.read_text(encoding="utf-8")
    (command,) = re.findall(r"^ExecStart=/usr/bin/env (.*)$", text, flags=re.MULTILINE)
    arguments = served_by(command.replace("${AGENT}", "tiny").replace("%i", "8401"))
    assert arguments.port == 8401
    (seconds,) = re.findall(r"^TimeoutStopSec=(\d+)$", text, flags=re.MULTILINE)
    assert int(seconds) > arguments.drain_seconds, "or it would be killed while it drains"
    systemd = shutil.which("systemd-analyze")
    if systemd is None:
        pytest.skip("no systemd-analyze here")
    one = tmp_path / "opengato@8401.service"
    shutil.copy(unit, one)
    quiet = {**os.environ, "SYSTEMD_LOG_LEVEL": "warning"}
    done = subprocess.run([systemd, "verify", str(one)], capture_output=True, text=True, env=quiet)
    assert done.returncode == 0, done.stderr


def test_the_image_starts_what_there_is() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    entry, command = (
        " ".join(re.findall(r'"([^"]*)"', line))
        for line in re.findall(r"^(?:ENTRYPOINT|CMD) (\[.*\])$", text, flags=re.MULTILINE)
    )
    arguments = served_by(f"{entry} {command}")
    assert (arguments.agent, arguments.host) == ("tiny", "0.0.0.0")
    assert f"EXPOSE {arguments.port}" in text
    for line in re.findall(r"^COPY (.*) \S+$", text, flags=re.MULTILINE):
        for name in line.split():
            assert (ROOT / name).exists(), name


def test_nginx_waits_longer_than_sessions_may_be_idle() -> None:
    text = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    (seconds,) = re.findall(r"proxy_read_timeout (\d+)s;", text)
    assert int(seconds) > Config().idle_seconds
    assert f"client_max_body_size {Config().max_bytes // 2**20}m;" in text
