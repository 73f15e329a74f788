"""Videos hold every frame and can be decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from opengato.evaluators import video
from opengato.evaluators.video import can_write_mp4, outcome, play, with_strip, write_video
from opengato.rollout import TRAIN_SEED, ExpertPolicy


def frames(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Frame k has grey level 10 + 9 k: neighbours differ, so that none is lost unseen."""
    return [np.full((height, width, 3), 10 + 9 * k, np.uint8) for k in range(count)]


@pytest.mark.parametrize("shape", [(48, 64), (47, 33)])
def test_mp4_keeps_every_frame_in_order(tmp_path: Path, shape: tuple[int, int]) -> None:
    av = pytest.importorskip("av")
    path = write_video(tmp_path / "a" / "film.mp4", frames(23, *shape), fps=10)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert float(stream.average_rate) == 10
        levels = [frame.to_ndarray(format="rgb24").mean() for frame in container.decode(video=0)]
    assert levels == pytest.approx([10 + 9 * k for k in range(23)], abs=4)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "a browser is to start before the end has come"


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_animations_keep_every_frame(suffix: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"film{suffix}", frames(7), fps=5)
    with Image.open(path) as film:
        assert film.n_frames == 7  # ty: ignore[missing-attribute]
        levels = []
        for k in range(7):
            film.seek(k)
            levels.append(np.asarray(film.convert("RGB")).mean())
    assert levels == pytest.approx([10 + 9 * k for k in range(7)], abs=4)


@pytest.mark.parametrize(
    ("given", "name", "message"),
    [
        ([], "a.mp4", "nothing"),
        ([*frames(1), *frames(1, 20)], "a.webp", "expected one"),
        ([np.zeros((4, 4, 3))], "a.webp", "float64"),
        (frames(1), "a.avi", "kind of video file"),
    ],
)
def test_wrong_frames_are_explained(tmp_path: Path, given: list[np.ndarray], name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_video(tmp_path / name, given, fps=5)


def test_the_strip_leaves_the_picture_alone() -> None:
    made = with_strip(frames(3, 100, 128), "go to the red ball", "solved in 2 steps")
    assert [frame[:100].tolist() == frames(3, 100, 128)[k].tolist() for k, frame in enumerate(made)] == [True] * 3
    assert {frame.shape for frame in made} == {made[0].shape}
    assert made[0].shape[0] % 2 == 0
    assert np.array_equal(made[0][100:], made[1][100:])
    assert not np.array_equal(made[1][100:], made[2][100:]), "the last one says how it ended"
    long = with_strip(frames(1, 100, 128), "put the green key next to the yellow box " * 3, "")
    assert long[0].shape[0] > made[0].shape[0]


def test_play_writes_the_whole_episode(tmp_path: Path) -> None:
    played = play("expert", "babyai/GoToObjS4", 4, tmp_path, render_size=64)
    assert played.path.name.startswith("babyai-GoToObjS4-4.")
    assert played.seed == 4
    assert played.episode.success
    assert played.frames == played.episode.num_steps + 1 + round(1.0 * played.fps)
    assert outcome(played.episode) == f"solved in {played.episode.num_steps} steps"
    if can_write_mp4():
        av = pytest.importorskip("av")
        with av.open(str(played.path)) as container:
            assert sum(1 for _ in container.decode(video=0)) == played.frames
    again = play(ExpertPolicy(), "babyai/GoToObjS4", 4, tmp_path / "again.webp", render_size=64)
    assert again.episode.actions["action"].tolist() == played.episode.actions["action"].tolist()


def test_without_pyav_a_video_is_webp(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(video, "can_write_mp4", lambda: False)
    played = play("random", "babyai/GoToObjS4", 1, tmp_path, render_size=32)
    assert played.path.suffix == ".webp"
    with Image.open(played.path) as film:
        assert film.n_frames > 1  # ty: ignore[missing-attribute]


def test_play_refuses_training_seeds(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="for training"):
        play("random", "babyai/GoToObjS4", TRAIN_SEED, tmp_path)
