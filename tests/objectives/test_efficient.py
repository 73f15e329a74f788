"""data2vec 2.0: the student reads what is shown and nothing else, and the decoder tells each value by itself.

Letters: B rows, T slots, C copies, N rows of one modality, D width.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from opengato.agent.model import Agent
from opengato.core.batch import PackedBatch
from opengato.data.documents import Document
from opengato.data.packing import collate, pack
from opengato.objectives.data2vec import efficient
from opengato.objectives.data2vec.decoder import ConvDecoder, Decoder, axes_of
from opengato.objectives.data2vec.efficient import read_shown, repeated, shown_slots
from opengato.objectives.hiding import Hiding
from opengato.objectives.masks import InverseBlocks, Tokens
from opengato.objectives.values import Values, values_of
from tests.close import assert_close
from tests.tiny import caption_episode, documents_of_all_kinds, tiny_encoder

SMALL = Decoder(layers=2, width=16, groups=4)


def packed(agent: Agent) -> PackedBatch:
    """Two rows of several documents each."""
    documents = [
        Document(sequence=agent.serializer.episode(e), source=0, episode=0)
        for e in [*documents_of_all_kinds(), caption_episode(7, "seven", side=16)]
    ]
    return collate([pack([documents[:3], documents[3:]], 96)])


def begun(agent: Agent, **settings: object) -> efficient.EfficientData2vec:
    objective = dataclasses.replace(efficient.Config(decoder=SMALL, copies=3), **settings).build()
    torch.manual_seed(1)
    objective.begin(agent)
    return objective


@torch.inference_mode()
def test_only_what_is_shown_is_read() -> None:
    """As each document by itself would be, with the hidden slots taken out and the places of the others kept."""
    agent = tiny_encoder()
    batch = packed(agent)
    values = {name: values_of(agent, batch, name) for name in ("image", "text")}
    hiding = Hiding(masks={"image": InverseBlocks(side=1), "text": Tokens(share=0.4)}, others=None)
    shown_CBT = shown_slots(batch, [hiding.draw(values) for _ in range(2)])
    x_BTD = agent.embed_slots(batch.payload, batch.slot_N, batch.local_BT)
    h_CBTD = read_shown(agent.backbone, x_BTD, batch, shown_CBT).view(2, *x_BTD.shape)
    assert not h_CBTD[~shown_CBT].any()
    assert not torch.equal(shown_CBT[0], shown_CBT[1])
    for copy, row in np.ndindex(2, 2):
        for document in range(int(batch.document_BT[row].max()) + 1):
            mine_T = (batch.document_BT[row] == document) & shown_CBT[copy, row]
            assert mine_T.any()
            places = torch.zeros(1, int(mine_T.sum()), dtype=torch.int64), batch.position_BT[row, mine_T][None]
            alone = agent.backbone(x_BTD[row, mine_T][None], *places, batch.prompt_BT[row, mine_T][None])
            assert_close(h_CBTD[copy, row, mine_T], alone[0], atol=1e-4, rtol=1e-4)


def test_the_trunk_reads_no_more_slots_than_are_shown() -> None:
    """Rows of pictures alone, of which 12 of 16 patches are hidden, are a quarter as long."""
    agent = tiny_encoder()
    episodes = [dataclasses.replace(caption_episode(i, side=16), instruction="") for i in range(8)]
    sequences = [agent.serializer.episode(e) for e in episodes]
    keep = [s.take(s.modality_T == s.names.index("image")) for s in sequences]
    batch = collate([pack([[Document(sequence=s, source=0, episode=0) for s in keep[r::2]] for r in range(2)], 64)])
    hiding = Hiding(masks={"image": InverseBlocks(share=0.75, side=1)}, others=None)
    objective, shapes = begun(agent, hiding=hiding), []
    agent.backbone.register_forward_pre_hook(lambda module, inputs: shapes.append(tuple(inputs[0].shape)))
    _, figures = objective(agent, batch)
    assert shapes == [(3 * 2, 4 * 4, 32)], "three copies of two rows of four pictures, 4 patches of each"
    assert figures["hidden"] == pytest.approx(0.75)


def values_like(*shapes: tuple[int, ...]) -> Values:
    where = [np.indices(shape).reshape(len(shape), -1).T for shape in shapes]
    value_N = torch.repeat_interleave(torch.arange(len(shapes)), torch.tensor([len(w) for w in where]))
    ones = torch.ones(len(value_N), dtype=torch.bool)
    return Values(value_N=value_N, coordinate_NA=torch.from_numpy(np.concatenate(where)), may_hide_N=ones)


@pytest.mark.parametrize("shapes", [((9,), (4,), (1,)), ((4, 4), (2, 5)), ((2, 3, 3), (1, 2, 2))])
@torch.inference_mode()
def test_a_value_is_told_the_same_whatever_lies_beside_it(shapes: tuple[tuple[int, ...], ...]) -> None:
    decoder = ConvDecoder(SMALL, 32, len(shapes[0]))
    values = values_like(*shapes)
    x_ND = torch.randn(len(values.value_N), 32)
    together = decoder(x_ND, values)
    for number, shape in enumerate(shapes):
        mine_N = values.value_N == number
        assert_close(decoder(x_ND[mine_N], values_like(shape)), together[mine_N], atol=1e-5)


@torch.inference_mode()
def test_a_layer_by_hand() -> None:
    """Convolution in plain loops, norm and GELU; the second layer, as wide as the first, is added."""
    decoder = ConvDecoder(Decoder(layers=2, kernel=3, width=4, groups=2), 4, 1)
    x_ND = torch.randn(5, 4)
    expected = x_ND.numpy()
    for convolution in decoder.convolutions:
        weight, bias = convolution.get_parameter("weight").numpy(), convolution.get_parameter("bias").numpy()
        told = np.zeros((5, 4), np.float32)
        for n, out in np.ndindex(5, 4):
            group = out // 2  # two groups of two channels
            for k, c in np.ndindex(3, 2):
                if 0 <= n + k - 1 < 5:
                    told[n, out] += weight[out, c, k] * expected[n + k - 1, 2 * group + c]
            told[n, out] += bias[out]
        told = (told - told.mean(1, keepdims=True)) / np.sqrt(told.var(1, keepdims=True) + 1e-5)
        expected = expected + F.gelu(torch.from_numpy(told)).numpy()
    wanted = decoder.head(torch.from_numpy(expected))
    assert_close(decoder(x_ND, values_like((5,))), wanted, atol=1e-5)


def test_the_loss_is_the_mean_over_all_copies() -> None:
    """Each copy by itself, with the numbers drawn again in the same order."""
    agent = tiny_encoder()
    hiding = Hiding(masks={"image": InverseBlocks(side=1)}, others=None)
    objective, batch = begun(agent, hiding=hiding, copies=2), packed(agent)
    torch.manual_seed(3)
    loss, figures = objective(agent, batch)
    torch.manual_seed(3)
    found = values_of(agent, batch, "image")
    masks = [InverseBlocks(side=1).draw(found) for _ in range(2)]
    slot_N = batch.slot_N["image"]
    noise = 0.01 * torch.randn(2 * len(slot_N), 32).view(2, -1, 32)
    with torch.no_grad():
        targets = objective.beside.teacher.targets(agent, batch, agent.vectors(batch.payload), {"image": found})
        x_BTD = agent.embed_slots(batch.payload, batch.slot_N, batch.local_BT)
        off = []
        for hidden_N, noise_ND in zip(masks, noise, strict=True):
            h_CSD = read_shown(agent.backbone, x_BTD, batch, shown_slots(batch, [{"image": hidden_N}]))
            h_ND = torch.where(hidden_N[:, None], noise_ND, h_CSD[0, slot_N])
            told_ND = objective.beside.decoders["image"](h_ND, found)
            off.append((told_ND - targets["image"])[hidden_N].square().sum(1) / 32**0.5)
    assert float(loss.detach()) == pytest.approx(float(torch.cat(off).mean()), rel=1e-4)
    assert figures["loss/image"] == pytest.approx(float(loss.detach()), rel=1e-5)
    assert repeated(found, 2).sizes.tolist() == [*found.sizes.tolist()] * 2


def test_hidden_rows_change_targets_and_no_prediction() -> None:
    agent = tiny_encoder()
    objective, batch = (
        begun(agent, hiding=Hiding(masks={"image": InverseBlocks(side=1)}, others=None), copies=1),
        packed(agent),
    )
    torch.manual_seed(3)
    hidden_N = InverseBlocks(side=1).draw(values_of(agent, batch, "image"))
    told: list[torch.Tensor] = []
    objective.beside.decoders["image"].register_forward_hook(lambda m, i, o: told.append(o.detach()))
    rows = batch.payload["image"].clone()
    rows[hidden_N, :-4] = 255 - rows[hidden_N, :-4]
    losses = []
    for payload in (batch.payload, {**batch.payload, "image": rows}):
        torch.manual_seed(3)
        losses.append(objective(agent, dataclasses.replace(batch, payload=payload))[0])
    assert torch.equal(*told)
    assert not torch.equal(*losses)


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="the mask of 'text' shows hidden rows in disguise"):
        begun(tiny_encoder(), hiding=Hiding(masks={"text": Tokens(kept=0.1)}))
    with pytest.raises(ValueError, match="an odd kernel"):
        Decoder(kernel=4)
    with pytest.raises(ValueError, match=r"the width of the trunk \(=32\) must be a multiple of `groups` \(=24\)"):
        begun(tiny_encoder(), decoder=Decoder(width=48, groups=24))
    agent = tiny_encoder()
    assert [axes_of(agent.modality(name)) for name in ("text", "image")] == [1, 2]
