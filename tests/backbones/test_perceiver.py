"""Inputs and outputs of a Perceiver by identities that must hold, and its trunk in an agent.

Letters: B rows, M inputs, C channels.
"""

from __future__ import annotations

import pytest
import torch

from opengato.backbones import perceiver
from opengato.backbones.perceiver.inputs import Grid, Ids, Vector
from opengato.backbones.perceiver.inputs import Learned as LearnedPlaces
from opengato.backbones.perceiver.io import IO, Decoder, PerceiverIO, common_width
from opengato.backbones.perceiver.latents import Latents
from opengato.backbones.perceiver.outputs import FromInput, Learned, Output, Places
from opengato.core.config import from_json, to_json
from opengato.nn.fourier import Fourier
from opengato.nn.stems import Linear, Patches
from tests.close import assert_close
from tests.contracts.test_objectives import packed
from tests.tiny import sharpen, vector_config

FOURIER = Fourier(resolution=(4, 4), bands=3)
LATENTS = Latents(number=5, width=12, depth=2, blocks=2, heads=3)


def several(hidden: tuple[str, ...] = ("mark",)) -> IO:
    """Ids, a grid and a vector in; a grid, a class and the ids themselves out."""
    return IO(
        inputs={
            "word": Ids(num_ids=9, length=6, width=10),
            "field": Grid(channels=2, place=FOURIER, stem=Patches(size=(1, 2))),
            "mark": Vector(width=7),
        },
        latents=LATENTS,
        outputs={
            "field": Output(queries=Places(shape=(4, 4), fourier=FOURIER), width=2),
            "mark": Output(queries=Learned(number=1, width=8), width=7),
            "word": Output(queries=Learned(number=6, width=8), width=9, tied="word"),
        },
        decoder=Decoder(heads=2, answer_width=10),
        hidden=hidden,
    )


def built(config: IO) -> PerceiverIO:
    torch.manual_seed(0)
    made = config.build()
    sharpen(made)
    return made.eval()


def values() -> dict[str, torch.Tensor]:
    return {"word": torch.randint(9, (2, 6)), "field": torch.randn(2, 4, 4, 2), "mark": torch.eye(7)[[1, 4]]}


def test_config_survives_json_and_rebuilds() -> None:
    config = several()
    again = from_json(to_json(config))
    assert again == config
    assert [p.shape for p in again.build().parameters()] == [p.shape for p in config.build().parameters()]


def test_answers_in_parts_are_the_answers() -> None:
    made, given = built(several()), values()
    whole = made(given)
    assert {name: tuple(y.shape) for name, y in whole.items()} == {
        "field": (2, 16, 2),
        "mark": (2, 1, 7),
        "word": (2, 6, 9),
    }
    for name, y in made(given, chunk=3).items():
        assert_close(y, whole[name], atol=1e-6)
    read, some = made.read(given), torch.tensor([13, 2, 2])
    assert_close(made.ask(read, "field", some), whole["field"][:, some], atol=1e-6)


def test_what_is_masked_is_not_there() -> None:
    made = built(
        IO(
            inputs={"word": Ids(num_ids=9, length=6, width=10)},
            latents=LATENTS,
            outputs={"word": Output(queries=Learned(number=6, width=8), width=9)},
            decoder=Decoder(),
        )
    )
    word = torch.randint(9, (2, 6))
    mask = torch.tensor([[True] * 4 + [False] * 2] * 2)
    other = torch.where(mask, word, (word + 1) % 9)
    assert torch.equal(made({"word": word}, mask)["word"], made({"word": other}, mask)["word"])
    assert_close(made({"word": word}, mask)["word"], made({"word": word[:, :4]})["word"], atol=1e-5)
    assert (made({"word": word})["word"] - made({"word": word}, mask)["word"]).abs().max() > 1e-3


def test_what_is_hidden_leaves_its_place_but_not_its_value() -> None:
    made, given = built(several()), values()
    hide = {"mark": torch.tensor([[True], [False]])}
    read = made.read(given, hide=hide).z_BND
    other = made.read(given | {"mark": torch.eye(7)[[6, 4]]}, hide=hide).z_BND
    assert torch.equal(read, other)
    assert not torch.equal(read[0], made.read(given).z_BND[0])
    assert_close(read[1], made.read(given).z_BND[1])
    with pytest.raises(ValueError, match="unknown input to hide 'field'"):
        made.read(given, hide={"field": torch.zeros(2, 8, dtype=torch.bool)})


def test_inputs_are_joined_by_name_and_filled_up() -> None:
    config = several()
    made, given = built(config), values()
    # 17 numbers of the field: 2 * 2 of a patch and 2 (1 + 2 * 3) of its place, and 4 of filling.
    widths = {name: own.width for name, own in config.inputs.items()}
    assert widths == {"word": 10, "field": 18, "mark": 7}
    assert config.input_width == 22
    array = made.array(given)
    assert array.shape == (2, 8 + 1 + 6, 22)
    assert torch.equal(array[0, 8, :7], given["mark"][0])
    assert torch.equal(array[1, 8, 7:], made.fill["mark"][0])
    assert_close(array[:, 9:, :10], made.inputs["word"](given["word"]))
    assert common_width([5], 4) == 5


def test_the_same_block_again_and_again() -> None:
    made = LATENTS.build(6).eval()
    x = torch.randn(1, 3, 6)
    once = made.read(made.latents.expand(1, -1, -1), x)
    for _ in range(2):
        for layer in made.layers:
            once = layer(once)
    assert_close(made(x), once)
    assert len(made.layers) == 2


def test_the_input_asks_for_dense_answers() -> None:
    """A query for each place: the place of a change is where it is seen most, if what is read says little."""
    made = built(
        IO(
            inputs={"field": Grid(channels=2, place=FOURIER, stem=Linear(width=4))},
            latents=LATENTS,
            outputs={"flow": Output(queries=FromInput(width=18), width=2, scale=0.01)},
            decoder=Decoder(query_residual=True),
        )
    )
    field = torch.randn(1, 4, 4, 2)
    flow = made({"field": field})["flow"]
    assert flow.shape == (1, 16, 2)
    changed = field.clone()
    changed[0, 2, 1] += 1
    moved = (made({"field": changed})["flow"] - flow).abs().amax(-1)[0]
    assert int(moved.argmax()) == 9
    assert_close(made({"field": field}, chunk=5)["flow"], flow)


def test_errors_say_what_was_expected() -> None:
    made, given = built(several()), values()
    with pytest.raises(ValueError, match=r"received the inputs \['field'\], expected \['field', 'mark', 'word'\]"):
        made({"field": given["field"]})
    with pytest.raises(ValueError, match="rows of 7 ids, the network has places for 6"):
        made(given | {"word": torch.zeros(2, 7, dtype=torch.int64)})
    with pytest.raises(ValueError, match="expected 2 channels, last"):
        made(given | {"field": torch.zeros(2, 2, 4, 4)})
    with pytest.raises(ValueError, match="did you mean 'field'"):
        made.ask(made.read(given), "fields")
    places = LearnedPlaces(places=4, width=3).build()
    with pytest.raises(ValueError, match=r"a grid of \(3, 2\), the network has learned places for 4"):
        places((3, 2))


def test_every_parameter_gets_a_gradient() -> None:
    made, given = built(several()), values()
    read = made.read(given, hide={"mark": torch.tensor([[True], [False]])})
    torch.cat([made.ask(read, name).flatten() for name in made.queries]).square().sum().backward()
    # The bias of keys shifts all scores alike: what it gets is no more than rounding.
    without = [n for n, p in made.named_parameters() if p.grad is None or not p.grad.any()]
    assert [name for name in without if not name.endswith("key.bias")] == []


def test_an_agent_reads_with_it_but_predicts_nothing_next() -> None:
    config = vector_config()
    trunk = perceiver.Config(width=config.backbone.width, depth=1, heads=2, latents=3, widening=1)
    agent = type(config)(
        modalities=config.modalities, routes=config.routes, backbone=trunk, context=config.context
    ).build()
    batch = packed()
    assert agent(batch).shape == (*batch.document_BT.shape, trunk.width)
    with pytest.raises(ValueError, match="Perceiver sees what comes after a slot"):
        agent.losses(batch)
