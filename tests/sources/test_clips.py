"""Pieces of films: held-out ones share no frame with those for training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from opengato.core.film import read_film, write_film
from opengato.core.sound import read_sound
from opengato.sources.clips import CLIPS, FPS, FRAMES, QUESTION, RATE, Source, windows

pytest.importorskip("av")


@pytest.mark.parametrize("count", [16, 17, 21, 40, 220])
def test_what_is_held_out_is_not_learnt_from(count: int) -> None:
    seen: dict[str, set[int]] = {"train": set(), "test": set()}
    for split, start in windows(count):
        seen[split] |= set(range(start, start + FRAMES))
    assert not seen["train"] & seen["test"]
    assert min(seen["test"]) > max(seen["train"])
    assert max(seen["test"]) == count - 1
    assert len(seen["test"]) == max(1, round(0.2 * count) // FRAMES) * FRAMES


def test_pieces_have_the_frames_and_the_sound_of_their_time(tmp_path: Path) -> None:
    """Each film is grey and brightens by 5 a frame; its tone rises by 100 Hz a second."""
    roots = {clip.package: tmp_path / clip.package for clip in CLIPS}
    time = np.arange(6 * RATE) / RATE
    tone = 0.5 * np.sin(2 * np.pi * (300 * time + 50 * time**2))
    for clip in CLIPS:
        path = roots[clip.package] / clip.path
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = np.repeat(np.arange(24, dtype=np.uint8) * 5, 40 * 60 * 3).reshape(24, 40, 60, 3)
        path.write_bytes(write_film(frames, FPS, (tone, RATE) if clip.sound else None, lossless=True))
    found = list(Source().read(roots))
    assert len(found) == len(CLIPS) * 6
    assert [split for split, _ in found[:6]] == ["train"] * 5 + ["test"]
    for _, episode in found:
        episode.validate()
        assert str(episode.actions["text"][0]) in QUESTION
        first = round(episode.provenance["second"] * FPS)
        shown = read_film(bytes(episode.observations["video"][0]), FPS, 100)
        np.testing.assert_allclose(shown.mean((1, 2, 3)), 5.0 * np.arange(first, first + FRAMES), atol=3)
    assert sum("audio" in episode.observations for _, episode in found) == 6 * sum(clip.sound for clip in CLIPS)
    _, last = found[5]
    heard = read_sound(bytes(last.observations["audio"][0]), RATE)
    assert len(heard) == 2 * RATE
    middle = heard[RATE // 2 : 3 * RATE // 2]  # second 4 to 6: in the middle of it 300 + 100 * 5
    assert np.abs(np.fft.rfft(middle)).argmax() == pytest.approx(800, abs=60)
