"""Text: any text comes back, markers stand where they belong, special pieces are never written."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from opengato.core.episode import ArraySpec
from opengato.core.modality import Sampling
from opengato.modalities import text

CODEC = text.Config().codec()
SPEC = ArraySpec(name="text", kind="text", dtype="str")
SAMPLES = (
    "It is a truth universally acknowledged, that a single man in possession of a good fortune...",
    "床前明月光,疑是地上霜。举头望明月,低头思故乡。",
    "  two  spaces, a\ttab,\n\nan empty line \r\n",
    "café, cafe\u0301, ﬁ, ①, \u3000, \u200b, 🐼, \U0001d518, <s></s><unk><0x41>",
    "",
)


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_text_comes_back(sample: str) -> None:
    for role in ("instruction", "observation", "action"):
        rows, counts = CODEC.encode([sample], SPEC, role)
        assert CODEC.decode(rows, SPEC) == sample
        assert counts.tolist() == [len(rows)]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u2581"), max_size=60))
@settings(deadline=None, max_examples=200, derandomize=True)
def test_any_text_comes_back(sample: str) -> None:
    rows, _ = CODEC.encode([sample], SPEC, "action")
    assert CODEC.decode(rows, SPEC) == sample
    assert rows[:-1].tolist().count(CODEC.eos) == 0, "no text can write the end marker"


def test_an_instruction_begins_and_a_written_text_ends() -> None:
    plain, _ = CODEC.encode(["go"], SPEC, "observation")
    begun, _ = CODEC.encode(["go"], SPEC, "instruction")
    ended, counts = CODEC.encode(["go", ""], SPEC, "action")
    assert begun.tolist() == [CODEC.bos, *plain]
    assert ended.tolist() == [*plain, CODEC.eos, CODEC.eos]
    assert counts.tolist() == [len(plain) + 1, 1]
    assert CODEC.piece(CODEC.bos) == "<s>"


def test_a_codec_travels_to_a_worker() -> None:
    again = pickle.loads(pickle.dumps(CODEC))
    assert (
        again.encode([SAMPLES[1]], SPEC, "action")[0].tolist() == CODEC.encode([SAMPLES[1]], SPEC, "action")[0].tolist()
    )


@pytest.mark.parametrize("temperature", [0.0, 2.0])
def test_padding_unknown_and_begin_are_never_written(temperature: float) -> None:
    modality = text.Config().build(8)
    favoured = [i for i in range(CODEC.num_ids) if CODEC.piece(i) in ("<pad>", "<unk>", "<s>")]
    assert len(favoured) == 3
    with torch.no_grad():
        modality.table.weight[favoured] = 10.0
        modality.table.weight[CODEC.eos] = 5.0
    sampling = Sampling(temperature=temperature, generator=torch.Generator().manual_seed(0))
    ids = modality.sample(torch.ones(50, 8), SPEC, sampling)
    assert set(ids.tolist()) == {CODEC.eos}, "the next best, and a model may well stop"


def tokenizer(folder: Path, bos_id: int = 1) -> str:
    """A small tokenizer of a user's own."""
    path = folder / "own.model"
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter([*SAMPLES, "abc"] * 20),
            model_writer=file,
            vocab_size=150,
            hard_vocab_limit=False,
            minloglevel=2,
            bos_id=bos_id,
        )
    return str(path)


def test_another_tokenizer_may_number_its_markers_otherwise(tmp_path: Path) -> None:
    """SentencePiece's own default: unknown, begin, end, no padding, and then a piece that texts may hold."""
    codec = text.Config(tokenizer=tokenizer(tmp_path)).codec()
    assert (codec.bos, codec.eos) == (1, 2)
    assert np.flatnonzero(~codec.allowed(SPEC)).tolist() == [0, 1]
    assert np.flatnonzero(~CODEC.allowed(SPEC)).tolist() == [0, 1, 2]
    assert codec.encode(["abc"], SPEC, "instruction")[0][0] == 1
    with pytest.raises(ValueError, match="has no begin or no end marker"):
        text.Config(tokenizer=tokenizer(tmp_path, bos_id=-1)).codec()


def test_a_tokenizer_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "junk.model").write_bytes(b"junk")
    for path in ("nowhere.model", str(tmp_path / "junk.model")):
        with pytest.raises(ValueError, match=rf"tokenizer '{path}' is no SentencePiece model that can be read"):
            text.Config(tokenizer=path).codec()


def test_loss_is_cross_entropy_over_the_table() -> None:
    modality = text.Config().build(8)
    hidden, ids = torch.randn(3, 8), torch.tensor([5, 300, CODEC.eos])
    logits = (hidden @ modality.table.weight.T).double().detach().numpy()
    expected = np.log(np.exp(logits).sum(1)) - logits[np.arange(3), ids.numpy()]
    np.testing.assert_allclose(modality.loss(hidden, ids).detach().numpy(), expected, rtol=1e-5)
