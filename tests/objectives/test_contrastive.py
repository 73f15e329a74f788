"""VATT against plain loops: three calls, two spaces, what is missing left out. Letters: N films, M texts, D width."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from opengato.agent import model
from opengato.agent.model import Agent
from opengato.backbones import encoder
from opengato.core.batch import PackedBatch
from opengato.core.episode import MEDIA_SPECS, ArraySpec, Episode, objects
from opengato.core.media import wav
from opengato.data.documents import Document
from opengato.data.packing import collate, pack
from opengato.modalities import text, video
from opengato.modalities.audio import waveform
from opengato.nn import spaces
from opengato.nn.spaces import CommonSpaces, mil_nce
from opengato.objectives import contrastive
from tests.tiny import sharpen

WORDS = ArraySpec(name="said", kind="text", dtype="str")
TRUNK = encoder.Config(width=32, depth=2, heads=4, hidden=48)
SPACES = spaces.Config(video="film", audio="sound", text="words", fine=12, coarse=8)


def agent_of(contrast: spaces.Config = SPACES) -> Agent:
    torch.manual_seed(0)
    agent = model.Config(
        modalities={
            "words": text.Config(),
            "film": video.Config(frames=2, patch=4, max_side=8, most_frames=4),
            "sound": waveform.Config(rate=16_000, patch=640, seconds=1.0),
        },
        routes={
            "instruction": "words",
            "observation/video": "film",
            "observation/audio": "sound",
            "observation/text": "words",
        },
        backbone=TRUNK,
        contrast=contrast,
    ).build()
    sharpen(agent.backbone)
    return agent


def clip(seed: int, texts: Sequence[str] = ("a word",), *, film: bool = True, sound: bool = True) -> Episode:
    """A film of 8 patches and a sound of 4 in the first step, and a text a step."""
    generator = np.random.default_rng(seed)
    values = {
        "video": generator.integers(0, 256, (4, 8, 8, 3)).astype(np.uint8) if film else b"",
        "audio": wav(0.3 * generator.standard_normal(2400), 16_000) if sound else b"",
    }
    steps = max(1, len(texts))
    said = {"said": WORDS} if texts else {}
    return Episode(
        task="clips/toy",
        instruction="",
        observation_specs={**{name: MEDIA_SPECS[name] for name in values}, **said},
        action_specs={},
        observations={
            **{name: objects([value, *[b""] * (steps - 1)]) for name, value in values.items()},
            **{name: objects(list(texts)) for name in said},
        },
        actions={},
        rewards=np.zeros(steps, np.float32),
    )


def batch_of(agent: Agent, clips: Sequence[Episode], rows: int = 2) -> PackedBatch:
    found = [Document(sequence=agent.serializer.episode(c), source=0, episode=0) for c in clips]
    return collate([pack([found[row::rows] for row in range(rows)], 160)])


def by_hand(one: np.ndarray, other: np.ndarray, owner: Sequence[int], temperature: float) -> list[float]:
    """Sums over pairs, one by one."""
    losses = []
    for i in range(len(one)):
        right = wrong = 0.0
        for j in range(len(one)):
            for m in range(len(other)):
                term = math.exp(float(one[j] @ other[m]) / temperature)
                if i == j and owner[m] == i:
                    right += term
                elif i == j or owner[m] == i:
                    wrong += term
        losses.append(-math.log(right / (right + wrong)))
    return losses


@pytest.mark.parametrize("owner", [[0, 1, 2], [0, 0, 1, 2, 2, 2, 1], [2, 0, 1]])
def test_mil_nce_is_that_of_plain_loops(owner: list[int]) -> None:
    one, other = F.normalize(torch.randn(3, 5), dim=1), F.normalize(torch.randn(len(owner), 5), dim=1)
    expected = by_hand(one.numpy(), other.numpy(), owner, 0.3)
    one.requires_grad_()
    found = mil_nce(one, other, torch.tensor(owner), 0.3)
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5)
    found.sum().backward()
    assert one.grad is not None
    assert torch.isfinite(one.grad).all()


def test_what_tells_nothing_costs_the_log_of_all_pairs() -> None:
    """Of N films with one sound each there are 1 right and 2 (N - 1) wrong pairs."""
    same = torch.ones(5, 4) / 2
    np.testing.assert_allclose(mil_nce(same, same, torch.arange(5), 0.07).numpy(), math.log(1 + 2 * 4), rtol=1e-5)


def test_the_loss_of_a_batch_with_missing_senses() -> None:
    """Films without a sound are left out of the one loss, those without a text out of the other; sounds alone too."""
    agent = agent_of().eval()
    clips = [clip(0), clip(1, ("two", "texts of one")), clip(2, sound=False), clip(3, ("x",), film=False), clip(4, ())]
    loss, figures = contrastive.Config(weight=0.5).build()(agent, batch_of(agent, clips))

    def alone(item: object) -> np.ndarray:
        return agent.embed([[item]])[0]

    films = np.stack([alone(clips[i].observations["video"][0]) for i in (0, 1, 2, 4)])
    sounds = np.stack([alone(clips[i].observations["audio"][0]) for i in (0, 1, 4)])
    fine = [x[:, :12] / np.linalg.norm(x[:, :12], axis=1, keepdims=True) for x in (films[[0, 1, 3]], sounds)]
    of_sounds = np.mean(by_hand(*fine, [0, 1, 2], 0.07))
    assert figures["loss/sounds"] == pytest.approx(of_sounds, rel=1e-3)
    assert figures["documents"] == 5
    texts = np.stack([alone(words)[12:] for words in ("a word", "two", "texts of one", "a word")])
    coarse = films[:3, 12:] / np.linalg.norm(films[:3, 12:], axis=1, keepdims=True)
    of_texts = np.mean(by_hand(coarse, texts, [0, 1, 1, 2], 0.07))
    assert figures["loss/texts"] == pytest.approx(of_texts, rel=1e-3)
    assert float(loss.detach()) == pytest.approx(of_sounds + 0.5 * of_texts, rel=1e-3)


def test_a_batch_of_one_sense_is_no_error_and_teaches_nothing() -> None:
    agent = agent_of().train()
    loss, figures = contrastive.Config().build()(agent, batch_of(agent, [clip(i, film=False) for i in range(4)]))
    loss.backward()
    assert float(loss.detach()) == 0
    assert set(figures) == {"documents"}
    agent = replace(agent.config, contrast=None).build()
    with pytest.raises(ValueError, match=r"has no common spaces; give its config `contrast=spaces\.Config"):
        contrastive.Config().build()(agent, batch_of(agent, [clip(0)]))


@pytest.mark.parametrize("drop", [0.0, 0.5, 0.75])
def test_half_of_the_rows_of_films_and_sounds_are_read(drop: float) -> None:
    agent = agent_of().train()
    shapes: list[tuple[int, ...]] = []
    agent.backbone.register_forward_pre_hook(lambda module, inputs: shapes.append(tuple(inputs[0].shape)))
    objective, batch = contrastive.Config(drop=drop).build(), batch_of(agent, [clip(i) for i in range(6)])
    objective(agent, batch)
    assert [shape[:2] for shape in shapes[:2]] == [(6, 1 + round(8 * (1 - drop))), (6, 1 + round(4 * (1 - drop)))]
    assert len(shapes) == 3, "three calls"
    agent.eval()
    objective(agent, batch)
    assert [shape[:2] for shape in shapes[3:5]] == [(6, 9), (6, 5)], "all of them where nothing is trained"


def test_a_summary_reads_its_value_alone() -> None:
    agent = agent_of().eval()
    head = agent.contrast
    assert isinstance(head, CommonSpaces)
    x_RD = torch.randn(7, 32)
    value_R = torch.tensor([0, 0, 0, 1, 2, 2, 2])
    together = head.summary(agent.backbone, "film", x_RD, value_R)
    for value in range(3):
        mine_R = value_R == value
        count = int(mine_R.sum())
        inside = torch.cat([head.summaries["film"][None], x_RD[mine_R]])[None]
        places = torch.zeros(1, count + 1, dtype=torch.int64), torch.arange(count + 1)[None]
        alone = agent.backbone(inside, *places, torch.zeros(1, count + 1, dtype=torch.bool))[0, 0]
        np.testing.assert_allclose(together[value].detach(), alone.detach(), atol=1e-4)


def test_trunks_of_their_own() -> None:
    """With a trunk each nothing goes through the agent's; widths may differ; every weight learns."""
    own = {
        "film": TRUNK,
        "sound": replace(TRUNK, width=24, heads=4, hidden=32),
        "words": replace(TRUNK, width=16, heads=4, hidden=24, depth=1),
    }
    agent = agent_of(replace(SPACES, trunks=own)).train()
    loss, _ = contrastive.Config().build()(agent, batch_of(agent, [clip(i, (f"text {i}",)) for i in range(6)]))
    loss.backward()
    head = agent.contrast
    assert isinstance(head, CommonSpaces)
    assert all(p.grad is not None for p in head.parameters())
    assert not any(p.grad is not None and p.grad.any() for p in agent.backbone.parameters())
    shared = agent_of().train()
    loss, _ = contrastive.Config().build()(shared, batch_of(shared, [clip(i, (f"text {i}",)) for i in range(6)]))
    loss.backward()
    assert all(p.grad is not None and p.grad.any() for p in shared.backbone.parameters())
    with pytest.raises(ValueError, match=r"`trunks` are given for \['smell'\]"):
        replace(SPACES, trunks={"smell": TRUNK})


@pytest.mark.timeout(120)
def test_films_find_their_sounds_and_texts() -> None:
    agent = agent_of().train()
    objective, batch = (
        contrastive.Config(drop=0.0).build(),
        batch_of(agent, [clip(i, (f"text {i}",)) for i in range(6)]),
    )
    optimizer = torch.optim.Adam(agent.parameters(), lr=4e-3)
    for _ in range(40):
        loss, figures = objective(agent, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert figures["sounds found"] == figures["texts found"] == 1.0
    assert figures["loss/sounds"] < 0.5 * math.log(11)
    agent.eval()
    film, sound = (agent.embed([[clip(3).observations[name][0]]])[0] for name in ("video", "audio"))
    np.testing.assert_allclose([np.linalg.norm(film), np.linalg.norm(sound)], 1, rtol=1e-5)
    assert not sound[12:].any(), "sounds have no place among texts"
    silent = clip(3, (), sound=False)
    np.testing.assert_allclose(agent.features([silent])[0], film, atol=1e-5)
