"""Compiled blocks compute what plain ones do, and are plain again after training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn.attention import flex_attention

from opengato.core.batch import PackedBatch
from opengato.data.documents import Document
from opengato.data.packing import collate, pack
from opengato.nn.attention import attend
from opengato.nn.blocks import Block
from opengato.train import compiling
from tests.close import assert_close
from tests.tiny import documents_of_all_kinds, tiny_agent

CPU = torch.device("cpu")


def tiny_batch() -> PackedBatch:
    """A row of documents of all kinds."""
    serialize = tiny_agent().serializer.episode
    row = [Document(sequence=serialize(e), source=0, episode=i) for i, e in enumerate(documents_of_all_kinds())]
    return collate([pack([row], sum(len(document.sequence) for document in row))])


def gradients() -> tuple[Tensor, dict[str, Tensor]]:
    """The loss of a batch, and how it changes with each weight."""
    agent, batch = tiny_agent().train(), tiny_batch()
    loss = torch.stack([loss_N.sum() for loss_N in agent.losses(batch).values()]).sum()
    loss.backward()
    return loss.detach(), {name: weight.grad for name, weight in agent.named_parameters() if weight.grad is not None}


def test_a_compiled_network_has_the_same_gradients_and_is_plain_afterwards() -> None:
    if (reason := compiling.hindrance(CPU)) is not None:
        pytest.skip(f"torch.compile does not work here: {reason}")
    agent, batch = tiny_agent().train(), tiny_batch()
    expected, slopes = gradients()
    with compiling.compiled(agent, True):
        loss = torch.stack([loss_N.sum() for loss_N in agent.losses(batch).values()]).sum()
        loss.backward()
    assert_close(loss.detach(), expected)
    for name, weight in agent.named_parameters():
        if weight.grad is not None:
            assert_close(weight.grad, slopes[name], atol=1e-4, rtol=1e-4)
    assert all(block._compiled_call_impl is None for block in agent.modules() if isinstance(block, Block))


@pytest.fixture
def uncompiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `compiling` compiles is left as it is."""
    compile_really = torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda f, **how: f if "compiling" in f.__module__ else compile_really(f, **how)
    )


@pytest.mark.usefixtures("uncompiled")
def test_attention_by_blocks_is_tried_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def hindrance() -> str | None:
        return compiling.blocks_hindrance(CPU, torch.float32, (2, 1, 16))

    assert "does not support backward on CPU" in (hindrance() or "")
    monkeypatch.setattr(flex_attention, "_validate_device", lambda *_: None)
    assert hindrance() is None

    def careless(q: Tensor, k: Tensor, v: Tensor, sight: object) -> Tensor:
        return attend(q, k, v, sight if isinstance(sight, Tensor) else None)

    monkeypatch.setattr(compiling, "attend", careless)
    assert "off by up to" in (hindrance() or ""), "a kernel that sees other documents"


@pytest.mark.parametrize("reason", [None, "no kernel"])
def test_a_trunk_goes_by_blocks_on_a_gpu_unless_something_hinders_it(
    reason: str | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []
    monkeypatch.setattr(compiling, "blocks_hindrance", lambda *given: asked.append(given) or reason)
    agent = tiny_agent()
    assert compiling.attend_by_blocks(agent, torch.bfloat16) == []
    assert not asked, "it is on a CPU"
    monkeypatch.setattr(torch.nn.Parameter, "device", torch.device("cuda"), raising=False)
    told = compiling.attend_by_blocks(agent, torch.bfloat16)
    assert asked == [(torch.device("cuda"), torch.bfloat16, (4, 4, 8))], "heads, heads of keys, head width"
    assert told == ([] if reason else [agent.backbone])
    assert agent.backbone.in_blocks is (reason is None)
    monkeypatch.setattr(compiling, "compile_blocks", lambda _: [])
    with compiling.compiled(agent, True, torch.bfloat16):
        assert agent.backbone.in_blocks is (reason is None)
    assert agent.backbone.in_blocks is False, "shapes are those of training"
    assert ("attention by blocks gives no kernel" in capsys.readouterr().err) == bool(reason), "a fallback says so"


@pytest.mark.parametrize(
    ("wanted", "steps", "works", "expected"),
    [
        ("never", 10**6, True, False),
        ("auto", 10, True, False),
        ("auto", 10**6, True, True),
        ("auto", 10**6, False, False),
    ],
)
def test_when_a_run_is_compiled(
    wanted: str,
    steps: int,
    works: bool,
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(compiling, "hindrance", lambda _: None if works else "no compiler")
    assert compiling.to_compile(wanted, steps, CPU) is expected
    assert ("no compiler" in capsys.readouterr().err) == (not works), "a fallback says so"


def test_what_cannot_be_compiled_though_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "hindrance", lambda _: "no compiler")
    with pytest.raises(ValueError, match=r"'always', but torch\.compile does not work on cpu: no compiler"):
        compiling.to_compile("always", 1, CPU)
    with pytest.raises(ValueError, match="did you mean 'auto'"):
        compiling.to_compile("aut", 1, CPU)
