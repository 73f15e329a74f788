"""LeRobot datasets of version 3: parquet for numbers, MP4 or PNG for pictures, https://github.com/huggingface/lerobot.

    meta/info.json                              version, frames a second, features with dtype and shape, totals
    meta/stats.json                             min, max, mean, std and count of each feature
    meta/tasks.parquet                          the instructions, by number
    meta/episodes/chunk-000/file-000.parquet    a row an episode: length, where its frames and videos lie
    data/chunk-000/file-000.parquet             a row a step: features, timestamp, and five indices
    videos/KEY/chunk-000/file-000.mp4           the pictures of many episodes, one after the other
    meta/opengato.json                          ours: what the rest has no words for

Features are named with dots (`observation.images.top`, `action`), our fields with slashes (`images/top`, `action`).
Read and written with pyarrow, and PyAV for videos (extra `video`); the package `lerobot` is not needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from opengato.core.episode import Episode
from opengato.sources import format as contract
from opengato.sources.format import Labels, Options
from opengato.sources.lerobot.read import Dataset
from opengato.sources.lerobot.write import Writer


class Format(contract.Format):
    """The folder of a dataset of version 3."""

    title = "a LeRobot dataset, version 3: parquet and videos"

    def about(self, place: str) -> dict[str, Any]:
        info = Dataset(Path(place)).info
        told = {key: info.get(key) for key in ("codebase_version", "robot_type", "fps")}
        return {"licence": "as its authors say", "lerobot": told}

    def read(self, place: str, labels: Labels) -> Iterator[Episode]:
        for episode in Dataset(Path(place)).episodes(labels):
            yield contract.relabelled(episode, labels)

    def write(self, episodes: Iterable[Episode], folder: Path, options: Options) -> None:
        with Writer(folder, options) as writer:
            for episode in contract.of_one_kind(episodes):
                writer.add(episode)
