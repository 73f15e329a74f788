"""What every modality owes the agent; a new folder under `opengato/modalities` is tested the moment it exists.

Letters: N positions of one modality, D width, S steps.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch

from opengato.core.config import plugins
from opengato.core.episode import MEDIA_SPECS, ArraySpec, Kind, objects
from opengato.core.media import wav
from opengato.core.modality import Modality, Sampling
from opengato.core.serialize import Codec, Role
from opengato.recipes import gato_tokens
from tests.close import assert_close
from tests.contracts.found import assert_survives_json, config_of, variants

WIDTH, STEPS = 16, 5
VARIANTS = variants("modalities")
NUMBERS = ArraySpec(name="x", kind="continuous")
IDS = ArraySpec(name="x", kind="discrete", num_values=7, dtype="int64")
# Specs by folder: it serves the kind that it is named after. A new kind needs a line here and in `values_of`.
SPECS: dict[str, list[ArraySpec]] = {
    "text": [ArraySpec(name="x", kind="text", dtype="str")],
    "image": [
        ArraySpec(name="x", kind="image", shape=(32, 48, 3), dtype="uint8"),
        ArraySpec(name="x", kind="image", shape=(-1, -1, 3), dtype="uint8"),
    ],
    "audio": [MEDIA_SPECS["audio"]],
    "video": [
        ArraySpec(name="x", kind="video", shape=(4, 32, 48, 3), dtype="uint8"),
        ArraySpec(name="x", kind="video", shape=(-1, -1, -1, 3), dtype="uint8"),
    ],
    "discrete": [IDS, replace(IDS, shape=(3,)), replace(IDS, shape=(5, 2), dtype="uint8"), replace(IDS, num_values=2)],
    "continuous": [
        replace(NUMBERS, low=-1.0, high=1.0),
        replace(NUMBERS, shape=(4,), low=-1.0, high=1.0),
        replace(NUMBERS, shape=(2, 2), low=-0.5, high=3.0, dtype="float64"),
        replace(NUMBERS, shape=(2,), low=(-0.5, 0.0), high=(3.0, 1.0)),
        replace(NUMBERS, shape=(6,)),
    ],
}
KINDS = set(SPECS)
LOSSY = {"image/tokens"}
MARKS = {"image": 4, "audio": 1, "video": 5}  # numbers of a row that say its place
SPECS["shared"] = [*SPECS["text"], *SPECS["discrete"], *SPECS["continuous"]]  # whatever is written in ids


def values_of(spec: ArraySpec, seed: int = 0) -> np.ndarray:
    """S steps that fit a spec, the extremes among them."""
    generator = np.random.default_rng(seed)
    if spec.kind == "text":
        texts = ["go to the red ball", "", " 打开抽屉\n", "x" * 40, f"number {seed}"]
        return objects(texts)
    if spec.kind == "image":
        return generator.integers(0, 256, (STEPS, 32, 48, 3)).astype(np.uint8)
    if spec.kind == "audio":
        return objects([b"" if not seconds else tone(seconds, generator) for seconds in (0.25, 0.0, 1.0, 0.01, 0.6)])
    if spec.kind == "video":
        return generator.integers(0, 256, (STEPS, 4, 32, 48, 3)).astype(np.uint8)
    if spec.num_values is not None:
        values = generator.integers(0, spec.num_values, (STEPS, *spec.shape)).astype(spec.dtype)
        values[0], values[1] = 0, spec.num_values - 1
        return values
    low, high = -6.0 if spec.low is None else spec.low, 6.0 if spec.high is None else spec.high
    values = generator.uniform(low, high, (STEPS, *spec.shape)).astype(spec.dtype)
    values[0], values[1] = low, high
    return values


def tone(seconds: float, generator: np.random.Generator) -> bytes:
    """A glide with a little noise, as a file."""
    time = np.arange(round(seconds * 16_000)) / 16_000
    return wav(
        0.5 * np.sin(2 * np.pi * (300 + 900 * time) * time) + 0.01 * generator.standard_normal(len(time)), 16_000
    )


def tolerance(spec: ArraySpec, values: np.ndarray) -> np.ndarray | float:
    """A bin of 1/100 of the bounds, or Gato's two percent where there are none; nothing where values are exact."""
    if spec.kind != "continuous":
        return 0.0
    if spec.low is not None and spec.high is not None:
        low, high = spec.bounds
        return (high - low) / 100
    return 0.02 * np.abs(values) + 1e-3


def config(variant: str) -> Any:
    """The default config; that of `shared` is a recipe's, since it is made of other modalities."""
    return gato_tokens.disjoint() if variant == "shared" else config_of("modalities", variant)


def made(variant: str) -> tuple[Modality, Codec]:
    torch.manual_seed(0)
    modality = config(variant).build(WIDTH).eval()
    return modality, modality.codec


def encode(codec: Codec, spec: ArraySpec, role: Role = "observation") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = values_of(spec)
    return values, *codec.encode(values, spec, role)


def accepted(variant: str) -> list[ArraySpec]:
    """The specs of its kind that a variant takes; the others it refuses with a ValueError that names them."""
    _, codec = made(variant)
    specs = []
    for spec in SPECS[variant.split("/")[0]]:
        try:
            encode(codec, spec)
        except ValueError as error:
            assert repr(spec.name) in str(error)  # noqa: PT017 - either outcome is right
        else:
            specs.append(spec)
    assert specs, "a modality must take a value of its kind"
    return specs


def has_head(modality: Modality) -> bool:
    return type(modality).loss is not Modality.loss


def by_value(codec: Codec, spec: ArraySpec, rows: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """What the rows of a spec's values became, value by value."""
    return rows.split(encode(codec, spec)[2].tolist())


def payload_of(codec: Codec, spec: ArraySpec) -> torch.Tensor:
    return torch.from_numpy(encode(codec, spec)[1])


def test_every_kind_and_every_folder_is_covered() -> None:
    assert set(get_args(Kind)) == KINDS
    assert set(plugins("modalities")) <= set(SPECS), "name the folder after its kind, and add its specs above"
    assert {variant.split("/")[0] for variant in VARIANTS} == set(plugins("modalities"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_config_survives_json(variant: str) -> None:
    assert_survives_json(config(variant))


@pytest.mark.parametrize("variant", VARIANTS)
def test_values_come_back_from_their_rows(variant: str) -> None:
    _, codec = made(variant)
    for spec in accepted(variant):
        values, rows, counts = encode(codec, spec)
        assert counts.shape == (STEPS,)
        for value, payload in zip(values, np.split(rows, np.cumsum(counts)[:-1]), strict=True):
            back = codec.decode(payload, spec)
            spec.validate(back)
            if spec.kind == "text":
                assert back == value
            elif variant in LOSSY:  # near what it was, by the standard of its own test, and of a size of its own
                again, _ = codec.encode(back[None], spec, "observation")
                assert (again == payload).mean() > 0.5, "what was decoded is read as nearly the same"
            elif isinstance(back, bytes):  # a file: it says nearly the same when it is read again
                again, _ = codec.encode(objects([back]), spec, "observation")
                assert again.shape == payload.shape
                assert np.abs(again.astype(np.float64) - payload).mean() < 0.1 if len(payload) else back == b""
            else:
                assert back.dtype == np.dtype(spec.dtype)
                assert back.shape == value.shape
                error = np.abs(back.astype(np.float64) - value)
                assert (error <= tolerance(spec, value)).all(), (spec, value, back)


@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_are_as_many_as_announced(variant: str) -> None:
    _, codec = made(variant)
    for spec in accepted(variant):
        _, rows, counts = encode(codec, spec)
        assert len(rows) == counts.sum()
        assert rows.shape[1:] == tuple(codec.payload_shape)
        assert rows.dtype == np.dtype(codec.payload_dtype)
        announced = codec.num_positions(spec)
        if announced is not None:
            assert counts.tolist() == [announced] * STEPS
        # step by step, as in acting, the same rows as all at once, as in training
        single = [codec.encode(values_of(spec)[step : step + 1], spec, "observation")[0] for step in range(STEPS)]
        np.testing.assert_array_equal(np.concatenate(single), rows)


@pytest.mark.parametrize("variant", VARIANTS)
def test_two_runs_give_the_same_bytes(variant: str) -> None:
    for spec in accepted(variant):
        codecs = [made(variant)[1], config(variant).codec(), made(variant)[1]]
        codecs.append(pickle.loads(pickle.dumps(codecs[-1])))  # as it travels to a worker
        first, *others = [encode(codec, spec)[1].tobytes() for codec in codecs]
        assert all(other == first for other in others)


@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_embed_as_vectors(variant: str) -> None:
    modality, codec = made(variant)
    for spec in accepted(variant):
        payload = payload_of(codec, spec)
        vectors = modality.embed(payload)
        assert vectors.shape == (len(payload), WIDTH)
        assert torch.isfinite(vectors).all()
        for rows, expected in zip(by_value(codec, spec, payload), by_value(codec, spec, vectors), strict=True):
            assert_close(modality.embed(rows), expected)
            if not modality.whole_values:
                assert_close(modality.embed(rows[-1:]), expected[-1:])
        if len(torch.unique(payload.flatten(1) if payload.ndim > 1 else payload, dim=0)) > 1:
            assert (vectors - vectors[:1]).abs().max() > 1e-4, "different rows are different vectors"
    assert modality.embed(payload[:0]).shape == (0, WIDTH)


@pytest.mark.parametrize("variant", VARIANTS)
def test_rows_say_where_they_lie_and_nothing_of_what_they_hold(variant: str) -> None:
    """Values of other content lie at the same places; rows of one value, at different ones."""
    modality, codec = made(variant)
    for spec in accepted(variant):
        values, others = values_of(spec), values_of(spec, seed=1)
        payload, other = (torch.from_numpy(codec.encode(v, spec, "observation")[0]) for v in (values, others))
        where = modality.coordinates(payload)
        if where is not None:
            assert where.dtype == torch.int64
            for rows in by_value(codec, spec, where):
                assert not rows[:1].any()
                assert len(torch.unique(rows, dim=0)) == len(rows)
        places = modality.places(payload)
        if places is not None:
            assert where is not None
            assert places.shape == (len(payload), WIDTH)
            assert len(other) == len(payload)
            same = modality.places(other)
            assert same is not None
            assert torch.equal(same, places)
            assert not torch.equal(other, payload)
            assert (places - places[:1]).abs().max() > 0.01
            content = modality.embed(payload) - places  # with that of another place it is the vector of that place
            moved, elsewhere, marks = payload.clone(), torch.roll(payload, 1, 0), MARKS[variant.split("/")[0]]
            moved[:, -marks:] = elsewhere[:, -marks:]
            there = modality.places(moved)
            assert there is not None
            assert_close(modality.embed(moved), content + there, atol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_parameter_gets_a_gradient(variant: str) -> None:
    modality, codec = made(variant)
    assert list(modality.parameters())
    total = torch.zeros(())
    for spec in accepted(variant):
        payload = payload_of(codec, spec)
        total = total + modality.embed(payload).square().sum()
        if has_head(modality):
            total = total + modality.loss(torch.randn(len(payload), WIDTH), payload).sum()
    total.backward()
    for name, parameter in modality.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_head_names_the_parameters_of_its_loss(variant: str) -> None:
    """What a fine-tuning of heads alone trains is what the loss has a gradient for, given hidden states."""
    modality, codec = made(variant)
    if has_head(modality):
        for spec in accepted(variant):
            payload = payload_of(codec, spec)
            modality.loss(torch.randn(len(payload), WIDTH), payload).sum().backward()
    in_loss = {name for name, parameter in modality.named_parameters() if parameter.grad is not None}
    named = {id(parameter) for parameter in modality.head_parameters()}
    assert {name for name, parameter in modality.named_parameters() if id(parameter) in named} == in_loss
    assert len(named) == len(modality.head_parameters()) == len(in_loss)


@pytest.mark.parametrize("variant", VARIANTS)
def test_loss_is_a_likelihood_of_each_row(variant: str) -> None:
    modality, codec = made(variant)
    for spec in accepted(variant):
        payload = payload_of(codec, spec)
        hidden = torch.randn(len(payload), WIDTH)
        if not has_head(modality):
            with pytest.raises(ValueError, match=f"{type(modality).__name__} has no head"):
                modality.loss(hidden, payload)
            with pytest.raises(ValueError, match=f"{type(modality).__name__} has no head"):
                modality.sample(hidden, spec, Sampling())
            continue
        loss = modality.loss(hidden, payload)
        assert loss.shape == (len(payload),)
        assert torch.isfinite(loss).all()
        assert (loss > 0).all()
        assert_close(modality.loss(hidden[1:2], payload[1:2]), loss[1:2])
        # a step down its gradient makes the rows likelier
        hidden.requires_grad_()
        (gradient,) = torch.autograd.grad(modality.loss(hidden, payload).sum(), hidden)
        better = modality.loss((hidden - 0.1 * gradient / gradient.norm()).detach(), payload)
        assert better.sum() < loss.sum()


def has_actions(spec: ArraySpec) -> bool:
    """Only what is bounded can be an action."""
    return spec.kind != "continuous" or (spec.low is not None and spec.high is not None)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("temperature", [0.0, 1.0, 50.0])
def test_samples_respect_the_spec(variant: str, temperature: float) -> None:
    modality, codec = made(variant)
    if not has_head(modality):
        with pytest.raises(ValueError, match="has no head"):
            modality.sample(torch.randn(1, WIDTH), SPECS[variant.split("/")[0]][0], Sampling())
        return
    for spec in filter(has_actions, accepted(variant)):
        count = codec.num_positions(spec) or 3
        values = 200 if count < 50 else 20

        def draw(seed: int, spec: ArraySpec = spec, rows: int = values * count) -> torch.Tensor:
            sampling = Sampling(temperature=temperature, generator=torch.Generator().manual_seed(seed))
            hidden = torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(9)) * 5
            return modality.sample(hidden, spec, sampling)

        rows = draw(0)
        assert rows.shape == (values * count, *codec.payload_shape)
        assert rows.numpy().dtype == np.dtype(codec.payload_dtype)
        assert len(torch.unique(rows, dim=0)) > 1
        assert torch.equal(rows, draw(0))
        assert torch.equal(rows, draw(1)) == (temperature == 0)
        for payload in rows.numpy().reshape(values, count, *codec.payload_shape):
            value = codec.decode(payload, spec)
            spec.validate(value)  # discrete ids < num_values, numbers within their bounds
            if spec.kind != "text":
                assert codec.encode(np.asarray(value)[None], spec, "action")[0].shape == payload.shape


@pytest.mark.parametrize("variant", VARIANTS)
def test_weights_come_back(variant: str) -> None:
    """A state dict holds all that `build` cannot make again."""
    modality, codec = made(variant)
    torch.manual_seed(1)
    other: Any = config(variant).build(WIDTH).eval()
    payload = payload_of(codec, accepted(variant)[0])
    assert not torch.equal(other.embed(payload), modality.embed(payload))
    other.load_state_dict(modality.state_dict())
    assert torch.equal(other.embed(payload), modality.embed(payload))
