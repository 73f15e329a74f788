"""Questions that a plain text asks of itself: does this follow that, what stood in the gaps.

Letters: none; texts are words.
"""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np

from opengato.core.episode import Episode
from opengato.core.views import as_followed, as_gapped

SENTENCE = re.compile(r"(?<=[.!?\u3002\uff01\uff1f])\s*")
GAP, HIDDEN = 3, 0.15  # words of a gap, and the share of words in gaps [Raffel et al. 2019, arXiv:1910.10683]


def followed(episode: Episode, other: Episode, most: int, generator: np.random.Generator) -> Episode | None:
    """Two sentences of at most `most` characters each: in half of the cases the second is of another text.

    None for a text of one sentence.
    """
    sentences = _sentences(episode)
    if len(sentences) < 2:
        return None
    place = int(generator.integers(len(sentences) - 1))
    first, second = sentences[place][-most:], sentences[place + 1][:most]
    follows = bool(generator.random() < 0.5)
    if not follows:
        others = _sentences(other)
        wrong = others[int(generator.integers(len(others)))][:most] if others else second
        follows, second = wrong == second, wrong
    return as_followed(episode, first, second, follows=follows)


def gapped(episode: Episode, most: int, generator: np.random.Generator) -> Episode | None:
    """A stretch of at most `most` characters in which every seventh word or so is missing, three at a time.

    Where gap 0 was stands `<0>`, and what is to be written is `<0>` and its words, `<1>` and its words, and so on. None
    for a text of fewer than eight words.
    """
    text = str(next(iter(episode.actions.values()))[0])
    start = int(generator.integers(max(1, len(text) - most)))
    words = text[start : start + most].split()[1 if start else 0 :]
    if len(words) < 2 * GAP + 2:
        return None
    count = max(1, round(HIDDEN * len(words) / GAP))
    # Gaps lie in parts of equal size, a word at least between one and the next.
    edges = np.linspace(0, len(words), count + 1).astype(int)
    left, gaps, done = [], [], 0
    for number, (low, high) in enumerate(pairwise(edges.tolist())):
        begin = low + 1 + int(generator.integers(max(1, high - low - GAP)))
        left += [*words[done:begin], f"<{number}>"]
        done = begin + GAP
        gaps += [f"<{number}>", *words[begin:done]]
    return as_gapped(episode, " ".join([*left, *words[done:]]), " ".join(gaps))


def _sentences(episode: Episode) -> list[str]:
    text = str(next(iter(episode.actions.values()))[0])
    return [sentence.strip() for sentence in SENTENCE.split(text) if sentence.strip()]
