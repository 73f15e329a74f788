"""Films: space-time patches with their place; an encoder that keeps films apart and the trunk's slots in order.

Letters: N positions, F frames, D width.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from opengato.agent.generate import Decoding
from opengato.agent.inputs import read
from opengato.agent.model import Config as AgentConfig
from opengato.agent.slots import slots_of
from opengato.core import film
from opengato.core.episode import MEDIA_SPECS, ArraySpec, objects
from opengato.modalities import text, video
from opengato.modalities.video import encoder
from opengato.modalities.video.encoder import film_numbers
from opengato.nn.shapes import shapes_alone
from opengato.nn.space_time import ATTENTIONS
from opengato.train.memory import modality_bytes
from tests.close import assert_close
from tests.tiny import sharpen, trunk

SPEC = MEDIA_SPECS["video"]
CODEC = video.Config(frames=2, patch=4, max_side=16, fps=5, most_frames=8).codec()
SMALL = encoder.Config(patch=4, max_side=16, most_frames=6, width=16, depth=2, heads=2, hidden=24)


def noise(frames: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (frames, height, width, 3)).astype(np.uint8)


def rows_of(config: video.Config | encoder.Config, *films: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(config.codec().encode(list(films), SPEC, "observation")[0])


def sharp(config: encoder.Config, seed: int = 0) -> encoder.EncodedVideo:
    torch.manual_seed(seed)
    made = config.build(8)
    sharpen(made.encoder, seed)
    return made.eval()


def test_patches_come_frame_by_frame_in_raster_order_with_their_place() -> None:
    shown = noise(4, 8, 12)
    rows, counts = CODEC.encode([shown], SPEC, "observation")
    assert counts.tolist() == [2 * 2 * 3]
    expected = []
    for time in (0, 1):
        for row in (0, 1):
            for column in (0, 1, 2):
                patch = shown[2 * time : 2 * time + 2, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
                expected.append([*patch.reshape(-1).tolist(), time, row, column, 2, 3])
    assert rows.tolist() == expected
    np.testing.assert_array_equal(CODEC.decode(rows, SPEC), shown)


def test_the_last_frame_fills_the_last_patch_and_what_is_too_long_is_cut() -> None:
    shown = noise(11, 4, 4)
    rows, _ = CODEC.encode([shown[:3], shown], SPEC, "observation")
    np.testing.assert_array_equal(CODEC.decode(rows[:2], SPEC), shown[[0, 1, 2, 2]])
    np.testing.assert_array_equal(CODEC.decode(rows[2:], SPEC), shown[:8])


def test_encoded_films_are_read_at_the_rate_and_shrunk_with_their_aspect() -> None:
    grey = np.repeat(np.arange(6, dtype=np.uint8) * 40, 32 * 64 * 3).reshape(6, 32, 64, 3)
    data = film.write_film(grey, 10, lossless=True)
    rows, counts = CODEC.encode(objects([data, b"", data]), SPEC, "observation")
    assert counts.tolist() == [2 * 2 * 4, 0, 2 * 2 * 4]  # 0.6 s at 5 a second: frames 0, 2, 4 and the last one again
    shown = CODEC.decode(rows[:16], SPEC)
    assert shown.shape == (4, 8, 16, 3)
    assert shown[:, 0, 0, 0].tolist() == [0, 80, 160, 160]


def test_num_positions_is_the_number_of_rows() -> None:
    for shape in ((1, 4, 4), (5, 64, 9), (20, 16, 16), (8, 7, 90)):
        fixed = ArraySpec(name="film", kind="video", shape=(*shape, 3), dtype="uint8")
        rows, _ = CODEC.encode([noise(*shape)], fixed, "observation")
        assert CODEC.num_positions(fixed) == len(rows), shape
    assert CODEC.num_positions(SPEC) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (noise(2, 8, 8)[0], r"film is uint8\(8, 8, 3\), expected uint8 \(frames, height, width, 3\)"),
        (noise(2, 8, 8)[:0], "at least one frame"),
        (noise(2, 8, 8).astype(np.float32), "float32"),
        (b"no film", "a film of 7 bytes"),
    ],
)
def test_what_is_no_film_is_told(value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CODEC.encode([value], SPEC, "observation")


def test_more_places_than_a_byte_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="raise `frames` or `patch`"):
        video.Config(frames=1, most_frames=300).codec()


def test_the_same_patch_elsewhere_in_space_or_time_is_another_vector() -> None:
    modality = video.Config(frames=1, patch=4, max_side=16).build(8)
    vectors = modality.embed(
        rows_of(video.Config(frames=1, patch=4, max_side=16), np.full((3, 16, 16, 3), 7, np.uint8))
    )
    assert (torch.cdist(vectors, vectors) + torch.eye(48)).min() > 1e-2


def test_a_film_begins_at_its_first_patch() -> None:
    rows = rows_of(SMALL, noise(2, 8, 8), noise(3, 8, 16, 1))
    assert film_numbers(rows).tolist() == [0] * 2 + [1] * 6
    whole = rows_of(SMALL, noise(2, 16, 16), noise(2, 16, 16, 1))
    assert film_numbers(torch.cat([whole[:5], whole[8:]])).tolist() == [0] * 5 + [1] * 8  # the first lost its end


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_films_side_by_side_are_as_each_alone(attention: str) -> None:
    config = encoder.Config(patch=4, max_side=16, width=16, depth=2, heads=2, hidden=24, attention=attention)
    modality = sharp(config)
    films = [noise(3, 16, 16), noise(5, 8, 16, 1), noise(1, 16, 8, 2)]
    rows = [rows_of(config, film) for film in films]
    rows[0] = rows[0][:7]
    together = modality.embed(torch.cat(rows))
    assert_close(together, torch.cat([modality.embed(row) for row in rows]))
    assert modality.embed(rows[0][:0]).shape == (0, 8)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_patches_of_a_position_are_those_of_its_square(attention: str) -> None:
    """With pool 2, patches of 4 pixels in positions of 8: as with pool 1, where four positions are averaged."""
    wide = encoder.Config(patch=4, pool=2, max_side=16, width=16, depth=2, heads=2, hidden=24, attention=attention)
    fine = encoder.Config(patch=4, pool=1, max_side=16, width=16, depth=2, heads=2, hidden=24, attention=attention)
    pooled, single = sharp(wide), sharp(fine)
    single.load_state_dict(pooled.state_dict())
    shown = noise(3, 16, 16)
    singles = single.embed(rows_of(fine, shown)).view(
        3, 2, 2, 2, 2, -1
    )  # frame, row, row within, column, column within
    assert_close(pooled.embed(rows_of(wide, shown)), singles.mean((2, 4)).flatten(0, 2))


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_order_is_lost_on_space_attention_alone(attention: str) -> None:
    """Of a film backwards it says the same of each frame; the others do not."""
    modality = sharp(encoder.Config(patch=4, max_side=16, width=16, depth=2, heads=2, hidden=24, attention=attention))
    shown = noise(4, 16, 16)
    forward = modality.embed(rows_of(modality.config, shown)).view(4, 4, -1)
    backward = modality.embed(rows_of(modality.config, shown[::-1])).view(4, 4, -1)
    difference = (forward - backward.flip(0)).abs().max()
    assert difference < 1e-5 if attention == "space" else difference > 1e-2


def test_an_encoder_sees_a_whole_film_also_in_a_context_that_is_shorter() -> None:
    """Cached decoding hands a long beginning to the trunk in parts; the film in it is embedded in one piece."""
    config = AgentConfig(
        modalities={"text": text.Config(), "video": SMALL},
        routes={"instruction": "text", "observation/video": "video", "action/text": "text"},
        backbone=trunk(window=64),
        context=10,
        num_local=32,
    )
    torch.manual_seed(0)
    agent = config.build().eval()
    sharpen(agent, 0)
    seen = read(agent, [noise(6, 16, 16)])
    assert len(seen) > 2 * config.context
    slots = slots_of([seen], agent.device)
    with torch.inference_mode():
        expected = agent.backbone(agent.embed_slots(slots.payload, slots.slot_N, slots.local_BT), *slots.places)
    assert_close(Decoding(agent, 1).feed_for([0], [seen], len(seen)), expected)


def test_a_path_its_bytes_and_an_array_are_read_alike(tmp_path: Path) -> None:
    """A film as `agent.generate` takes it; its last place is predicted from, so every patch has a say."""
    config = AgentConfig(
        modalities={"text": text.Config(), "video": video.Config(frames=1, patch=8, max_side=16, fps=4)},
        routes={"instruction": "text", "observation/video": "video", "action/text": "text"},
        backbone=trunk(window=64),
        context=48,
        num_local=32,
    )
    torch.manual_seed(0)
    agent = config.build().eval()
    sharpen(agent, 0)
    shown = noise(4, 16, 16)
    path = tmp_path / "film.mkv"
    path.write_bytes(film.write_film(shown, 4, lossless=True))
    vectors = agent.embed([[given, "which way?"] for given in (shown, path, path.read_bytes(), shown[::-1])])
    assert_close(torch.from_numpy(vectors[:3]), torch.from_numpy(vectors[:1]).expand(3, -1))
    assert np.abs(vectors[3] - vectors[0]).max() > 1e-3
    assert isinstance(agent.generate([path, "which way?"], max_new_tokens=3), str)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_memory_is_estimated_as_if_films_were_full(attention: str) -> None:
    """Without numbers, what autograd keeps of two full films is what it keeps of them with numbers, or nearly so."""
    config = encoder.Config(
        patch=4, pool=1, max_side=16, most_frames=4, width=16, depth=2, heads=2, attention=attention
    )
    rows = rows_of(config, noise(4, 16, 16), noise(4, 16, 16, 1))
    with shapes_alone():
        told = modality_bytes(config.build(8).to("meta"), len(rows), 0, torch.float32)
    kept: dict[int, int] = {}
    modality = config.build(8)
    own = {parameter.untyped_storage().data_ptr() for parameter in modality.parameters()}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(note, lambda tensor: tensor):
        modality.embed(rows).sum().backward()
    assert told == pytest.approx(sum(kept.values()), rel=0.25)


def test_an_unknown_attention_is_refused() -> None:
    with pytest.raises(ValueError, match="divided"):
        encoder.Config(attention="dividid")
