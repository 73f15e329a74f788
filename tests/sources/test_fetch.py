"""Fetching without a network: the client is replaced, archives are made here."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import shutil
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from opengato.sources import fetch
from opengato.sources.fetch import FetchError, OtherVersionError, Package, fetch_package, unpack


def tar_gz(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as bundle:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            bundle.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return tar_gz(tmp_path / "thing-1.0.tar.gz", {"thing-1.0/a.txt": b"a", "thing-1.0/deep/b.txt": b"b"})


def package(archive: Path, sha256: str | None = None) -> Package:
    digest = sha256 or hashlib.sha256(archive.read_bytes()).hexdigest()
    return Package(registry="pypi", name="thing", version="1.0", sha256=digest, licence="MIT")


@pytest.fixture
def downloads(monkeypatch: pytest.MonkeyPatch, archive: Path) -> list[str]:
    """The versions asked of a client that hands out `archive`."""
    asked: list[str] = []

    def client(name: str, version: str, folder: Path) -> Path:
        asked.append(version)
        return Path(shutil.copy(archive, folder))

    monkeypatch.setitem(fetch._CLIENTS, "pypi", client)
    return asked


def test_downloads_once_and_returns_the_inner_folder(tmp_path: Path, archive: Path, downloads: list[str]) -> None:
    first = fetch_package(package(archive), tmp_path / "cache")
    assert fetch_package(package(archive), tmp_path / "cache") == first
    assert downloads == ["1.0"]
    assert (first / "a.txt").read_bytes() == b"a"
    assert (first / "deep" / "b.txt").read_bytes() == b"b"


def test_other_content_is_refused_with_both_hashes(tmp_path: Path, archive: Path, downloads: list[str]) -> None:
    wrong = "0" * 64
    with pytest.raises(ValueError, match=r"received sha256 [0-9a-f]{64}, expected 0{64}; delete") as caught:
        fetch_package(package(archive, wrong), tmp_path / "cache")
    assert hashlib.sha256(archive.read_bytes()).hexdigest() in str(caught.value)
    assert not list((tmp_path / "cache" / "pypi").iterdir()), "nothing half-fetched stays"
    assert (fetch_package(package(archive, wrong), tmp_path / "cache", allow_other_version=True) / "a.txt").exists()


def test_cached_content_is_checked_too(tmp_path: Path, archive: Path, downloads: list[str]) -> None:
    fetch_package(package(archive), tmp_path / "cache")
    with pytest.raises(ValueError, match=r"expected 1{64}"):
        fetch_package(package(archive, "1" * 64), tmp_path / "cache")


def test_other_version_needs_a_word(
    tmp_path: Path, archive: Path, downloads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hand_out = fetch._CLIENTS["pypi"]

    def moved_on(name: str, version: str, folder: Path) -> Path:
        if version != "2.0":
            raise OtherVersionError(name, version, "2.0")
        return hand_out(name, version, folder)

    monkeypatch.setitem(fetch._CLIENTS, "pypi", moved_on)
    with pytest.raises(ValueError, match=r"expected version 1\.0, but your registry offers 2\.0.*allow_other_version"):
        fetch_package(package(archive), tmp_path / "cache")
    assert downloads == []
    fetch_package(package(archive), tmp_path / "cache", allow_other_version=True)
    assert downloads == ["2.0"]


@pytest.mark.parametrize("name", ["../outside.txt", "a/../../outside.txt", "/outside.txt"])
@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_traversal_is_refused(tmp_path: Path, name: str, kind: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    if kind == "tar":
        archive = tar_gz(tmp_path / "x.tgz", {name: b"bad"})
    else:
        archive = tmp_path / "x.zip"
        with zipfile.ZipFile(archive, "w") as bundle:
            bundle.writestr(name, b"bad")
    with pytest.raises(ValueError, match="outside the cache; refused"):
        unpack(archive, folder)
    assert not (tmp_path / "outside.txt").exists()


def test_links_are_left_out(tmp_path: Path) -> None:
    archive = tmp_path / "x.tar.gz"
    with tarfile.open(archive, "w:gz") as bundle:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, ".."
        bundle.addfile(link)
        through = tarfile.TarInfo("link/file.txt")
        bundle.addfile(through, io.BytesIO())
    unpack(archive, tmp_path / "in")
    assert not (tmp_path / "in" / "link").is_symlink()
    assert not (tmp_path / "file.txt").exists()


@pytest.mark.parametrize(("client", "program"), [(fetch.debian, "apt-get"), (fetch.npm, "npm")])
def test_missing_client_says_what_to_do(client, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    with pytest.raises(FetchError, match=f"`{program}` is needed .* was not found; .*(install|Debian)"):
        client("thing", "1.0", tmp_path)


def test_empty_lists_of_debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: program)

    def fail(command: list[str], **_) -> subprocess.CompletedProcess:
        return subprocess.CompletedProcess(command, int("download" in command), "", "E: Unable to locate package")

    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(FetchError, match="run `apt-get update` as root"):
        fetch.debian("thing", "1.0", tmp_path)


def test_unknown_registry() -> None:
    with pytest.raises(ValueError, match="must be one of"):
        Package(registry="cpan", name="x", version="1", sha256="", licence="")  # ty: ignore[invalid-argument-type]


def test_a_wheel_is_asked_for_and_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def run(command: list[str], folder: Path) -> str:
        asked.append(command)
        with zipfile.ZipFile(folder / "thing-1.0-py3-none-any.whl", "w") as bundle:
            bundle.writestr("thing/data/film.mp4", b"film")
            bundle.writestr("thing-1.0.dist-info/METADATA", b"Name: thing")
        return ""

    monkeypatch.setattr(fetch, "_run", run)
    monkeypatch.setattr(shutil, "which", lambda program: program)
    package = Package(registry="wheel", name="thing", version="1.0", sha256="0" * 64, licence="MIT")
    root = fetch.fetch_package(package, tmp_path, allow_other_version=True)
    assert (root / "thing/data/film.mp4").read_bytes() == b"film"
    assert "--only-binary" in asked[0]
    assert "thing==1.0" in asked[0]


@pytest.mark.parametrize(("there", "first"), [({"uv", "pip3"}, "uv"), ({"pip3"}, "pip3"), (set(), None)])
def test_an_environment_without_pip_asks_uv_or_the_machine(
    there: set[str], first: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(shutil, "which", lambda program: program if program in there else None)
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1))
    monkeypatch.setattr(fetch, "_run", lambda command, folder: asked.append(command))
    with pytest.raises(FetchError, match="expected one" if first else "install pip .* or uv"):
        fetch.pypi("thing", "1.0", tmp_path)
    assert [command[0] for command in asked] == ([first] if first else [])


def test_a_name_with_an_owner_is_one_folder(tmp_path: Path, archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(fetch._CLIENTS, "npm", lambda name, version, folder: Path(shutil.copy(archive, folder)))
    owned = dataclasses.replace(package(archive), registry="npm", name="@owner/thing")
    assert fetch_package(owned, tmp_path).parent == tmp_path / "npm" / "@owner+thing-1.0"
