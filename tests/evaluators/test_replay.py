"""Pictures of recorded episodes: those that they hold, or those of an environment that goes the same way again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import opengato
from opengato import cli
from opengato.core.episode import Episode
from opengato.data.store import StoreWriter
from opengato.envs import registry
from opengato.evaluators.replay import pictures, render, replayed
from opengato.rollout import collect
from tests.envs.own import Guide, Line, goal_of
from tests.test_cli import Output
from tests.tiny import PATCH, caption_episode, toy_episode


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> Episode:
    monkeypatch.setattr(registry, "_families", {})
    opengato.register(Line, name="own/line", instruction=goal_of, expert=Guide, max_steps=20)
    return next(collect("own/line", episodes=1, seed=4))


def test_an_episode_is_played_again(walked: Episode) -> None:
    frames = replayed(walked, 80)
    assert len(frames) == walked.num_steps + 1, "the last one shows how it ended"
    for frame, place in zip(frames, walked.observations["place"][:, 0], strict=False):
        assert frame.shape == (80, 80, 3)
        bright = np.flatnonzero(frame[40, :, 0] > 128)
        assert abs(bright.mean() / 10 - 0.5 - round(float(place))) < 0.3, "the walker is where the record says"


def test_a_film_is_written(walked: Episode, tmp_path: Path) -> None:
    with Image.open(render(walked, tmp_path / "line.gif", 64)) as film:
        assert film.n_frames == walked.num_steps + 1  # ty: ignore[missing-attribute]
        assert film.size[0] == 64


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"task": "own/lime"}, "did you mean 'own/line'.*--env"),
        ({"provenance": {}}, "names no seed"),
        ({"provenance": {"seed": 4, "noise": 0.5}}, "others were executed"),
        ({"provenance": {"seed": 4, "executed_as_meant": False}}, "others were executed"),
        ({"provenance": {"seed": 8}}, "went another way at step"),
        ({"observation_specs": {}, "observations": {}}, "has other fields"),
    ],
)
def test_what_cannot_be_played_again_says_why(walked: Episode, changes: dict, why: str) -> None:
    with pytest.raises(ValueError, match=f"holds no pictures, and it cannot be played again: .*{why}"):
        replayed(replace(walked, **changes), 32)


def test_pictures_are_those_of_the_record() -> None:
    episode = toy_episode(0, steps=3)
    frames = pictures(episode, 8 * PATCH)
    assert len(frames) == 3
    np.testing.assert_array_equal(frames[1][::4, ::4], episode.observations["camera"][1])
    both = replace(
        episode,
        observation_specs={**episode.observation_specs, "second": episode.observation_specs["camera"]},
        observations={**episode.observations, "second": 255 - episode.observations["camera"]},
    )
    left, right = np.split(pictures(both, 16 * PATCH)[0], 2, axis=1)
    np.testing.assert_array_equal(left, 255 - right)
    assert len(pictures(caption_episode(0), 64)) == 1, "encoded ones too"


def test_commands(walked: Episode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    monkeypatch.chdir(tmp_path)
    with StoreWriter("store") as writer:
        writer.append([walked, replace(walked, provenance={})])
    assert cli.main("data show store 0 --render out/a.webp --size 64".split()) == 0
    assert Path("out/a.webp").is_file()
    assert capsys.readouterr().out == "out/a.webp\n"
    assert cli.main("data show store 1 --render out/b.webp".split()) == cli.WRONG_USE
    assert "names no seed" in capsys.readouterr().err
    assert cli.main("data show store -1 --tokens".split()) == 0
    lines = capsys.readouterr().out.splitlines()
    steps = walked.num_steps
    goal = [line.split()[-1] for line in lines if " goal " in line]
    assert goal == [str(walked.observations["goal"][0])] * steps, "decoded"
    speeds = [float(line.rpartition("[")[2].rstrip("]")) for line in lines if " speed " in line]
    np.testing.assert_allclose(speeds, walked.actions["speed"][:, 0], atol=2 / 128)
    assert sum("*" in line for line in lines) == 2 * steps, "what is predicted: the actions"
    assert cli.main("data show store 0 --tokens --recipe tiny-tokens --json".split()) == 0
    assert '"modality": "discrete"' in capsys.readouterr().out
