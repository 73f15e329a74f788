"""data2vec against plain numpy, its teacher, its schedule, its guard, and a run that is broken off.

Letters: B rows, T slots, N rows of one modality, D width.
"""

from __future__ import annotations

import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from opengato.agent.model import Agent
from opengato.backbones import encoder
from opengato.core.batch import PackedBatch
from opengato.data.documents import Document
from opengato.data.packing import pack_documents
from opengato.objectives import data2vec, next_token
from opengato.objectives.data2vec.regression import Guard, Regression, spread_of
from opengato.objectives.data2vec.teacher import Ema, Teaching, normalised
from opengato.objectives.hiding import Hiding
from opengato.objectives.masks import Blocks, Mask, Tokens
from opengato.objectives.values import Values
from opengato.train import loop, optim
from opengato.train.checkpoint import complete_checkpoints
from tests.tiny import caption_episode, documents_of_all_kinds, tiny_agent, tiny_encoder, toy_episode


class Given(Mask):
    """Every third row."""

    def draw(self, values: Values) -> torch.Tensor:
        return torch.arange(len(values.value_N)) % 3 == 1


def packed(agent: Agent, first: int = 0) -> PackedBatch:
    episodes = documents_of_all_kinds() if first == 0 else [caption_episode(first), toy_episode(first, steps=1)]
    sequences = [agent.serializer.episode(episode) for episode in episodes]
    return pack_documents([Document(sequence=s, source=0, episode=0) for s in sequences], max(map(len, sequences)))


def begun(agent: Agent, config: data2vec.Config) -> data2vec.Data2vec:
    objective = config.build()
    objective.begin(agent)
    return objective


def test_the_decay_goes_up_in_a_line() -> None:
    ema = Ema(start=0.999, end=0.9999, steps=30_000)
    found = [ema.decay(update) for update in (0, 10_000, 15_000, 30_000, 99_999)]
    np.testing.assert_allclose(found, [0.999, 0.9993, 0.99945, 0.9999, 0.9999], rtol=0, atol=1e-12)
    assert Ema(start=0.9998, end=0.9998, steps=0).decay(1) == 0.9998


def test_the_teacher_follows_by_hand() -> None:
    agent = tiny_encoder(depth=1)
    objective = begun(agent, data2vec.Config(teaching=Teaching(top=1, ema=Ema(start=0.5, end=0.9, steps=4))))
    weight, theirs = (
        agent.backbone.get_parameter("norm.weight"),
        objective.beside.teacher.trunk.get_parameter("norm.weight"),
    )
    assert weight is not theirs
    values = [1.0]
    for update, new in enumerate((3.0, -1.0, 5.0), 1):
        with torch.no_grad():
            weight.fill_(new)
        decay = [0.6, 0.7, 0.8][update - 1]
        assert objective.stepped(agent)["decay"] == pytest.approx(decay)
        values.append(decay * values[-1] + (1 - decay) * new)
        np.testing.assert_allclose(theirs.numpy(), values[-1], rtol=1e-6)
    assert not any(p.requires_grad for p in objective.beside.teacher.parameters())
    assert not objective.beside.teacher.trunk.training


def by_hand(x: np.ndarray, beta: float) -> np.ndarray:
    """Smooth L1, number by number."""
    out = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        d = abs(x[place])
        out[place] = d * d if beta == 0 else d * d / (2 * beta) if d <= beta else d - beta / 2
    return out


@pytest.mark.parametrize("beta", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("scale", ["sum", "root", "mean"])
def test_the_loss_of_a_row_by_hand(beta: float, scale: Any) -> None:
    one, other = np.random.default_rng(0).standard_normal((2, 5, 16)).astype(np.float32) * 2
    factor = {"sum": 1, "root": 1 / 4, "mean": 1 / 16}[scale]
    found = Regression(beta=beta, scale=scale)(torch.from_numpy(one), torch.from_numpy(other))
    np.testing.assert_allclose(found.numpy(), by_hand(one - other, beta).sum(1) * factor, rtol=1e-5)


def test_norms_are_those_of_torch() -> None:
    x_ND = torch.randn(9, 6) * 3 + 1
    value_N = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1, 1])
    parts = [torch.nn.functional.instance_norm(x.T[None])[0].T for x in (x_ND[:4], x_ND[4:])]
    np.testing.assert_allclose(normalised(x_ND, value_N, "instance"), torch.cat(parts), atol=1e-5)
    wanted = (x_ND - x_ND.mean(1, keepdim=True)) / (x_ND.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    np.testing.assert_allclose(normalised(x_ND, value_N, "layer"), wanted, atol=1e-5)
    assert normalised(x_ND, value_N, "none") is x_ND


@pytest.mark.parametrize("target", ["feed_forward", "attention", "stream"])
def test_the_whole_loss_in_numpy(target: Any) -> None:
    """Document by document, block by block, from what hooks on the trunk saw; the mask is given."""
    agent = tiny_encoder(depth=3)
    teaching = Teaching(top=2, target=target, norm="layer")
    config = data2vec.Config(
        hiding=Hiding(masks={"image": Given()}, others=None), teaching=teaching, regression=Regression(beta=0.5)
    )
    objective = begun(agent, config)
    batch = packed(agent)
    with torch.no_grad():
        for parameter in agent.backbone.parameters():  # the student is no longer its teacher
            parameter.add_(0.05 * torch.randn(parameter.shape))
    loss, figures = objective(agent, batch)

    slot_N = batch.slot_N["image"].numpy()
    seen: list[np.ndarray] = []
    teacher = cast(encoder.Encoder, objective.beside.teacher.trunk)

    def note(module: torch.nn.Module, inputs: Any, output: torch.Tensor) -> None:
        seen.append(output.detach().flatten(0, 1).numpy()[slot_N])

    for block in teacher.blocks:
        block.get_submodule("feed_forward" if target == "feed_forward" else "out").register_forward_hook(note)
    places = batch.document_BT, batch.position_BT, batch.prompt_BT
    x_BTD = agent.embed_slots(batch.payload, batch.slot_N, batch.local_BT)
    with torch.no_grad():
        streams = [s.flatten(0, 1).numpy()[slot_N] for s in teacher.residuals(x_BTD, *places)]
    told = streams if target == "stream" else seen
    assert len(told) == 3
    normed = [(t - t.mean(1, keepdims=True)) / np.sqrt(t.var(1, keepdims=True) + 1e-5) for t in told[1:]]
    wanted_ND = sum(normed) / 2

    hidden_N = np.arange(len(slot_N)) % 3 == 1
    rows = batch.payload["image"]
    modality, blank = agent.modality("image"), objective.beside.blanks["image"]
    covered_BTD = x_BTD.detach().clone()
    for n in np.flatnonzero(hidden_N):
        at = divmod(int(slot_N[n]), x_BTD.shape[1])
        local = agent.local.weight[int(batch.local_BT[at]) + 1]
        places_D = modality.places(rows[n : n + 1])
        assert places_D is not None
        covered_BTD[at] = (blank + places_D[0] + local).detach()
    h_SD = agent.backbone(covered_BTD, *places).flatten(0, 1)
    told_ND = objective.beside.heads["image"](h_SD[torch.from_numpy(slot_N)]).detach().numpy()
    off_N = by_hand(told_ND - wanted_ND, 0.5).mean(1)[hidden_N]
    assert float(loss.detach()) == pytest.approx(float(off_N.mean()), rel=1e-4)
    assert figures["loss/image"] == pytest.approx(float(off_N.mean()), rel=1e-4)
    spread = np.sqrt(told_ND[hidden_N].var(0, ddof=1) + 1e-6).mean()
    assert figures["spread/prediction/image"] == pytest.approx(float(spread), rel=1e-4)
    assert figures["hidden"] == pytest.approx(hidden_N.mean())


def test_what_is_hidden_is_not_seen() -> None:
    """Other pixels in hidden patches change what is told of them, through the teacher, and no prediction."""
    agent = tiny_encoder()
    objective = begun(agent, data2vec.Config(hiding=Hiding(masks={"image": Given()}, others=None)))
    batch = packed(agent)
    told: list[torch.Tensor] = []
    objective.beside.heads["image"].register_forward_hook(lambda m, i, o: told.append(o.detach()))
    losses = [objective(agent, batch)[0]]
    rows = batch.payload["image"].clone()
    rows[1::3, :-4] = 255 - rows[1::3, :-4]
    losses.append(objective(agent, dataclasses.replace(batch, payload={**batch.payload, "image": rows}))[0])
    assert torch.equal(*told)
    assert not torch.equal(*losses)


def test_disguised_rows_are_shown() -> None:
    """With all of the disguise, what is hidden is what it is, or some row of the batch."""
    agent = tiny_encoder()
    config = data2vec.Config(hiding=Hiding(masks={"text": Tokens(share=0.9, kept=0.4, changed=0.4)}, others=None))
    objective, batch = begun(agent, config), packed(agent)
    x_ND = agent.vectors(batch.payload)["text"]
    kinds = np.zeros(3)
    for _ in range(60):
        hidden = {"text": torch.ones(len(x_ND), dtype=torch.bool)}
        shown = config.hiding.cover(agent, batch, {"text": x_ND}, hidden, objective.beside.blanks)
        shown_ND = shown["text"]
        same_N = (shown_ND == x_ND).all(1)
        blank_N = (shown_ND == objective.beside.blanks["text"]).all(1)
        others_N = (shown_ND[:, None] == x_ND[None]).all(2).any(1) & ~same_N
        assert (same_N | blank_N | others_N).all()
        kinds += [float(k.float().mean()) / 60 for k in (same_N, others_N, blank_N)]
    np.testing.assert_allclose(kinds, [0.4, 0.4, 0.2], atol=0.05)


def test_one_part_weighs_as_its_rows() -> None:
    agent = tiny_encoder()
    objective = begun(agent, data2vec.Config(hiding=Hiding(masks={"image": Blocks(least=1)}, others=None)))
    batch = packed(agent)
    assert objective.terms(batch) == len(batch.slot_N["image"])
    assert begun(agent, data2vec.Config()).terms(batch) == batch.num_positions - int(batch.prompt_BT.sum())


def test_a_collapse_stops_with_what_to_do() -> None:
    agent = tiny_encoder()
    guard = Guard(after=2)
    objective, batch = begun(agent, data2vec.Config(guard=guard)), packed(agent)
    with torch.no_grad():
        for head in objective.beside.heads.values():
            head.get_parameter("weight").zero_()
    for _ in range(2):
        objective(agent, batch)
        objective.stepped(agent)
    with pytest.raises(RuntimeError, match=r"after 2 updates .* has collapsed.*a longer warm-up"):
        objective(agent, batch)
    x_ND = torch.tensor([[1.0, 5.0], [3.0, 5.0]])
    assert spread_of(x_ND) == pytest.approx((np.sqrt(2 + 1e-6) + 1e-3) / 2)
    assert guard.figures(2, "x", x_ND[:1], x_ND[:1]) == {}, "one row tells nothing"
    same_ND = torch.ones(3, 2)
    assert set(guard.figures(1, "x", same_ND, same_ND)) == {"spread/target/x", "spread/prediction/x"}


def test_trunks_that_cannot_teach_say_so() -> None:
    with pytest.raises(ValueError, match=r"Decoder sees the past alone, but Data2vec needs .* all of its document"):
        loop.check_trunk(tiny_agent(), data2vec.Config().build())
    with pytest.raises(ValueError, match=r"Encoder sees all of its document, but NextToken needs .* the past alone"):
        loop.check_trunk(tiny_encoder(), next_token.Config().build())
    with pytest.raises(ValueError, match="`top` is 6, but the trunk has 2 blocks"):
        begun(tiny_encoder(), data2vec.Config(teaching=Teaching(top=6)))
    with pytest.raises(ValueError, match="'picture'"):
        begun(tiny_encoder(), data2vec.Config(hiding=Hiding(masks={"picture": Tokens()})))


@pytest.mark.timeout(120)
def test_a_run_that_was_broken_off_ends_the_same(tmp_path: Path) -> None:
    """Teacher, heads and chance lie in the checkpoint: with and without a stop all of them are the same to the bit."""
    agent = tiny_encoder()
    settings = loop.Config(
        agent=agent.config,
        objective=data2vec.Config(teaching=Teaching(top=2, ema=Ema(start=0.9, end=0.99, steps=4))),
        optim=optim.Config(warmup=2),
        steps=5,
        accumulate=2,
        precision="float32",
        checkpoint_minutes=1e9,
    )

    def batches(start: int) -> Iterator[PackedBatch]:
        for step in range(start, 99):
            yield packed(agent, 1 + step)

    def stopped(start: int) -> Iterator[PackedBatch]:
        for step, batch in enumerate(batches(start), start):
            if step == 3:
                signal.raise_signal(signal.SIGTERM)
            yield batch

    whole = loop.fit(settings, batches, tmp_path / "whole", {})
    with pytest.raises(SystemExit):
        loop.fit(settings, stopped, tmp_path / "broken", {})
    again = loop.fit(settings, batches, tmp_path / "broken", {})
    ends = [complete_checkpoints(tmp_path / name / "checkpoints")[-1] for name in ("whole", "broken")]
    beside = [load_file(end / "objective.safetensors") for end in ends]
    assert int(beside[0]["teacher.updates"]) == 5
    for one, other in (beside, [whole.state_dict(), again.state_dict()]):
        assert one.keys() == other.keys()
        assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    first = load_file(ends[0] / "agent/weights.safetensors")
    assert not torch.equal(first["backbone.norm.weight"], beside[0]["teacher.trunk.norm.weight"])
    changed = dataclasses.replace(settings, objective=Silent(), steps=6)
    with pytest.raises(ValueError, match="is of a run with another objective"):
        loop.fit(changed, batches, tmp_path / "broken", {})


@dataclasses.dataclass(frozen=True)
class Silent:
    """An objective for any trunk that keeps nothing."""

    weight: float = 1.0

    def build(self) -> next_token.NextToken:
        objective = next_token.Config().build()
        objective.causal = None  # ty: ignore[invalid-attribute-access]
        return objective
