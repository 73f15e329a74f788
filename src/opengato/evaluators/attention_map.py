"""Where an agent looks: the attention of each head over the patches of a picture, word by word of what it writes.

After Gato [Reed et al. 2022, arXiv:2205.06175, sec. 5.6, app. J]. Letters: H heads, T positions, Q words, N patches,
which lie in R rows and C columns.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from opengato.agent.inputs import TEXT
from opengato.agent.inside import attention
from opengato.agent.model import Agent
from opengato.core.episode import MEDIA_SPECS, document
from opengato.core.sequence import TokenSequence
from opengato.evaluators.plots import new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PANEL = 1.5  # inches


@dataclass(frozen=True, kw_only=True, slots=True)
class AttentionMap:
    """`weight_QHRC` is what the position that decides a word pays to each patch; the rest of 1 goes to text.

    `picture` (height, width, 3) uint8 is what the agent was shown of the original.
    """

    picture: np.ndarray
    words: tuple[str, ...]
    weight_QHRC: np.ndarray
    layer: int

    def to_json(self, path: Path) -> Path:
        """Write words and weights, and return the path."""
        path.parent.mkdir(parents=True, exist_ok=True)
        body = {"layer": self.layer, "words": self.words, "weights": self.weight_QHRC.round(5).tolist()}
        path.write_text(json.dumps(body) + "\n", encoding="utf-8")
        return path

    def plot(self, path: Path) -> Path:
        """Write the picture with the weights drawn over it; needs matplotlib."""
        return save_figure(attention_figure(self), path)


def attention_map(
    agent: Agent, picture: bytes, instruction: str, layer: int = 1, words: int = 6, caption: str | None = None
) -> AttentionMap:
    """The attention of block `layer` while an agent writes `caption` about a picture (default: what it would write).

    `picture` is an encoded one (PNG, JPEG, ...); the first `words` tokens are looked at.
    """
    if caption is None:
        caption = agent.generate([picture, instruction], max_new_tokens=words)
    sequence = agent.serializer.episode(document("caption/shown", caption, image=picture, instruction=instruction))
    weight_HTT = attention(agent, sequence, layer)
    name = agent.serializer.layout.modality("observation", MEDIA_SPECS["image"])
    seen = agent.serializer.codecs[name].decode(sequence.payload[name], MEDIA_SPECS["image"])
    patch_T = sequence.modality_T == sequence.names.index(name)
    side = round((seen.shape[0] * seen.shape[1] / patch_T.sum()) ** 0.5)
    written = np.flatnonzero(sequence.predict_T)[:words]
    weight_HQN = weight_HTT[:, written - 1][:, :, patch_T]
    weight_QHRC = weight_HQN.swapaxes(0, 1).reshape(len(written), -1, seen.shape[0] // side, seen.shape[1] // side)
    return AttentionMap(
        picture=seen, words=tuple(pieces(agent, sequence)[:words]), weight_QHRC=weight_QHRC, layer=layer
    )


def pieces(agent: Agent, sequence: TokenSequence) -> list[str]:
    """The predicted tokens of a sequence as text, the marker of the end as "(end)"."""
    name = agent.serializer.layout.modality("action", TEXT)
    codec = agent.serializer.codecs[name]
    rows = sequence.payload[name][sequence.predict_T[sequence.modality_T == sequence.names.index(name)]]
    return [codec.decode(row[None], TEXT) or "(end)" for row in rows]


def attention_figure(found: AttentionMap) -> Figure:
    """A column a word, a row a head, the picture alone on the left; the brighter a patch, the more attention."""
    num_words, num_heads = found.weight_QHRC.shape[:2]
    figure = new_figure(PANEL * (num_words + 1), PANEL * num_heads + 0.6)
    grid = figure.subplots(num_heads, num_words + 1, squeeze=False)
    height, width = found.picture.shape[:2]
    for head in range(num_heads):
        for column in range(num_words + 1):
            axes = grid[head][column]
            axes.imshow(found.picture, extent=(0, width, height, 0))
            axes.set_xticks([])
            axes.set_yticks([])
            if column == 0:
                axes.set_ylabel(f"head {head + 1}", fontsize=8)
                continue
            weight_RC = found.weight_QHRC[column - 1, head]
            axes.imshow(weight_RC, extent=(0, width, height, 0), cmap="inferno", alpha=0.65, vmin=0)
            axes.set_xlabel(f"{weight_RC.sum():.0%} on the picture", fontsize=6)
            if head == 0:
                axes.set_title(f"{found.words[column - 1].strip()!r}", fontsize=9)
    figure.suptitle(
        f"attention of block {found.layer} where each token is decided; each panel has its own scale", fontsize=9
    )
    return figure
