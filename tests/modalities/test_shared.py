"""One table of ids: ranges, collisions, masks, and one softmax over all. Letters: N positions, D width, V ids."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from opengato.core.config import from_json, to_json
from opengato.core.episode import ArraySpec
from opengato.core.modality import Sampling
from opengato.core.serialize import Role, TokenCodec
from opengato.modalities import image, shared, text
from opengato.modalities.continuous import vector
from opengato.recipes.gato_tokens import disjoint, gato

TEXT = ArraySpec(name="note", kind="text", dtype="str")
MOVE = ArraySpec(name="move", kind="discrete", num_values=7, dtype="int64")
FORCE = ArraySpec(name="force", kind="continuous", shape=(2,), low=-0.5, high=0.5)
STATE = ArraySpec(name="state", kind="continuous", shape=(3,))
PICTURE = ArraySpec(name="camera", kind="image", shape=(16, 16, 3), dtype="uint8")
WORDS = text.Config().codec()


class Ids(TokenCodec):
    """A tokenizer of so many pieces, and its own config."""

    def __init__(self, num_ids: int) -> None:
        self.num_ids = num_ids

    def codec(self) -> Ids:
        return self

    def allowed(self, spec: ArraySpec) -> np.ndarray:
        return np.ones(self.num_ids, bool)

    def num_positions(self, spec: ArraySpec) -> int | None:
        return None

    def encode(self, values: Any, spec: ArraySpec, role: Role) -> tuple[np.ndarray, np.ndarray]:
        return np.array([self.num_ids - 1]), np.ones(1, np.int64)

    def decode(self, payload: np.ndarray, spec: ArraySpec) -> Any:
        raise NotImplementedError


def with_text(config: shared.Config, num_ids: int) -> shared.Config:
    return replace(config, parts={**config.parts, "text": Ids(num_ids)})


@pytest.mark.parametrize(
    ("config", "discrete", "continuous", "separator"),
    [(disjoint(), 32_000, 33_024, 34_048), (gato(), 0, 32_000, 33_024)],
    ids=["disjoint", "gato"],
)
def test_ids_of_the_presets(config: shared.Config, discrete: int, continuous: int, separator: int) -> None:
    """0 lies in bin 512 of 1024, 1 companded in 744, 0.5 in its bounds at (0.5 + 1) 512 = 768."""
    codec = config.codec()
    assert (codec.num_ids, config.separator) == (separator + 1, separator)
    words, counts = codec.encode(["open the drawer"], TEXT, "instruction")
    assert words.tolist() == WORDS.encode(["open the drawer"], TEXT, "instruction")[0].tolist()
    assert counts.tolist() == [len(words)]
    for spec, values, expected in (
        (MOVE, [[0], [6]], [discrete, discrete + 6]),
        (STATE, [[0.0, 1.0, 256.0]], [continuous + 512, continuous + 744, continuous + 1023]),
        (FORCE, [[-0.5, 0.5]], [continuous + 256, continuous + 768]),
    ):
        ids, counts = codec.encode(np.array(values), spec, "observation")
        assert ids.tolist() == expected
        assert counts.tolist() == [codec.num_positions(spec)] * len(values)
        for step, value in enumerate(values):
            back = codec.decode(ids[step * spec.size :][: spec.size], spec)
            np.testing.assert_allclose(back.reshape(-1), value, rtol=0.02, atol=0.001)
    ids, counts = codec.encode(np.zeros(3, np.int64), MOVE, "separator")
    assert (ids.tolist(), counts.tolist()) == ([separator] * 3, [1] * 3)


@pytest.mark.parametrize("config", [disjoint(), gato()], ids=["disjoint", "gato"])
def test_what_may_be_written_by_kind(config: shared.Config) -> None:
    """A text its pieces and the end marker, a choice of seven those seven, a force in [-0.5, 0.5] its middle bins."""
    codec = config.codec()
    move, force = config.offsets["discrete"], config.offsets["continuous"]
    text_ids = set(range(WORDS.num_ids)) - {0, 1, WORDS.bos}
    assert {WORDS.piece(i) for i in (0, 1, WORDS.bos)} == {"<pad>", "<unk>", "<s>"}
    for spec, expected in (
        (TEXT, text_ids),
        (MOVE, set(range(move, move + 7))),
        (FORCE, set(range(force + 256, force + 769))),
        (STATE, set(range(force, force + 1024))),
    ):
        mask = codec.allowed(spec)
        assert mask.shape == (codec.num_ids,)
        assert set(np.flatnonzero(mask).tolist()) == expected
        assert config.separator not in expected
    modality = config.build(8)
    torch.nn.init.normal_(modality.table.weight)
    with torch.no_grad():
        modality.table.weight[config.separator] = 100.0
    sampling = Sampling(temperature=20.0, generator=torch.Generator().manual_seed(0))
    for spec in (TEXT, MOVE, FORCE):
        drawn = set(modality.sample(torch.randn(4000, 8), spec, sampling).tolist())
        assert drawn <= set(np.flatnonzero(codec.allowed(spec)).tolist())
        assert len(drawn) > 6


def test_one_softmax_is_over_the_ids_of_all_kinds() -> None:
    modality = disjoint().build(8)
    ids = torch.tensor([5, 32_003, 33_500, 34_048])
    h_ND = torch.randn(4, 8) * 20
    weight = modality.table.weight.detach().double().numpy()
    scores = h_ND.double().numpy() @ weight.T
    assert scores.shape == (4, 34_049)
    expected = np.log(np.exp(scores).sum(1)) - scores[np.arange(4), ids.numpy()]
    np.testing.assert_allclose(modality.loss(h_ND, ids).detach().numpy(), expected, rtol=1e-5)


def test_a_tokenizer_of_32000_pieces_fits_and_one_more_does_not() -> None:
    for preset in (disjoint(), gato()):
        assert with_text(preset, 32_000).codec().encode([""], TEXT, "action")[0].tolist() == [31_999]
    with pytest.raises(ValueError, match=r"'text' takes the ids \[0, 32001\) and 'discrete' \[32000, 33024\)"):
        with_text(disjoint(), 32_001).codec()
    with pytest.raises(ValueError, match=r"'text' takes the ids \[0, 32001\) and 'continuous' \[32000, 33024\)"):
        with_text(gato(), 32_001).codec()
    assert disjoint(text_ids=4096).offsets == {"text": 0, "discrete": 4096, "continuous": 5120}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overlapping": ()}, r"'text' takes the ids \[0, 4096\) and 'discrete' \[0, 1024\), so some would mean two"),
        ({"overlapping": ("text", "continuous")}, "move an offset, or name both in `overlapping` if that is meant"),
        ({"overlapping": ("text", "discreet")}, "unknown kind of value 'discreet'; did you mean 'discrete'"),
        ({"separator": 32_100}, r"`separator` \(=32100\) is an id of 'continuous', which takes \[32000, 33024\)"),
        ({"separator": 40_000}, r"'separator' takes the ids \[40000, 40001\), but the table has 33025 rows"),
        ({"num_ids": 33_000}, r"'continuous' takes the ids \[32000, 33024\), but the table has 33000 rows"),
        ({"offsets": {"text": 0}}, r"`offsets` are given for \['text'\], but `parts` are \['continuous', 'discrete', "),
        ({"offsets": {"text": -1, "discrete": 0, "continuous": 32_000}}, r"'text' takes the ids \[-1, 4095\)"),
    ],
)
def test_ids_that_clash_are_told(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(gato(), **changes).codec()


@pytest.mark.parametrize("config", [disjoint(), gato(text_ids=5000)], ids=["disjoint", "gato"])
def test_a_config_comes_back_from_the_file_beside_the_weights(config: shared.Config) -> None:
    assert from_json(json.loads(json.dumps(to_json(config)))) == config


def test_parts_are_kinds_of_values_written_in_ids() -> None:
    base = disjoint()
    with pytest.raises(ValueError, match=r"part 'continuous' \(ContinuousVectorCodec\) gives no ids"):
        replace(base, parts={**base.parts, "continuous": vector.Config()}).codec()
    with pytest.raises(ValueError, match=r"unknown kind of value 'picture'"):
        replace(base, parts={"picture": image.Config()}, offsets={"picture": 0}).codec()
    with pytest.raises(ValueError, match=r"'camera' is image, but this table of ids carries \['continuous', 'discr"):
        base.codec().encode(np.zeros((1, 16, 16, 3), np.uint8), PICTURE, "observation")


def test_ids_of_another_kind_are_not_decoded_as_something_else() -> None:
    """A stray piece of text must not become a huge action."""
    codec = disjoint().codec()
    for stray in (5, 33_023, 34_048):
        with pytest.raises(
            ValueError, match=r"'force' is continuous, whose ids are \[33024, 34048\); received ids from"
        ):
            codec.decode(np.array([stray, 33_500]), FORCE)
