"""CIDEr-D: how much of what people say of a picture a caption says, words that say little counting little."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

GRAMS = 4
SIGMA = 6.0
SCALE = 10.0
_IDEOGRAPHS = r"\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_IDEOGRAPHS}]|[^\W{_IDEOGRAPHS}]+")

Gram = tuple[str, ...]


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without stops; of Chinese and Japanese, its characters.

    >>> words_of("A dog's  nose, 狗")
    ['a', 'dog', 's', 'nose', '狗']
    """
    return _WORD.findall(text.lower())


def cider(candidates: Sequence[str], references: Sequence[Sequence[str]]) -> list[float]:
    """CIDEr-D of each candidate against its references, from 0 to 10 [Vedantam et al. 2015, arXiv:1411.5726, sec. 5].

    Of each caption the counts h_k of n-grams w_k, n = 1 to 4, are weighed by how few pictures they are said of:
    g_k = h_k log(|pictures| / pictures that w_k is said of). With l the number of words, for each n

        CIDEr-D_n(c, r) = 10 exp(-(l(c) - l(r))^2 / (2 * 6^2)) * min(g(c), g(r)) . g(r) / (|g(c)| |g(r)|)

    averaged over references and n. Counts and not shares of them, as in the authors' program. Of short captions the
    n-grams longer than they are count 0, so that a perfect caption of two words has 5 and not 10.
    """
    spoken = [[grams(words_of(reference)) for reference in some] for some in references]
    said_of = Counter(gram for some in spoken for gram in {gram for reference in some for gram in reference})
    scores = []
    for candidate, some in zip(candidates, spoken, strict=True):
        mine = grams(words_of(candidate))
        each = [_similarity(mine, reference, said_of, len(references)) for reference in some]
        scores.append(SCALE * sum(each) / len(each))
    return scores


def grams(words: Sequence[str]) -> Counter[Gram]:
    """How often each n-gram comes, n = 1 to 4."""
    return Counter(
        tuple(words[start : start + size]) for size in range(1, GRAMS + 1) for start in range(len(words) - size + 1)
    )


def _similarity(mine: Counter[Gram], theirs: Counter[Gram], said_of: Mapping[Gram, int], num_pictures: int) -> float:
    """The mean over n of the clipped cosine, times the penalty on a difference in length."""
    sizes = [sum(count for gram, count in some.items() if len(gram) == 1) for some in (mine, theirs)]
    total = 0.0
    for size in range(1, GRAMS + 1):
        weights = [
            {
                gram: count * math.log(num_pictures / max(1, said_of.get(gram, 0)))
                for gram, count in some.items()
                if len(gram) == size
            }
            for some in (mine, theirs)
        ]
        theirs_of = [weights[1].get(gram, 0.0) for gram in weights[0]]
        shared = sum(min(a, b) * b for a, b in zip(weights[0].values(), theirs_of, strict=True))
        norms = math.prod(math.sqrt(sum(weight**2 for weight in some.values())) for some in weights)
        total += shared / norms if norms else 0.0
    return total / GRAMS * math.exp(-((sizes[0] - sizes[1]) ** 2) / (2 * SIGMA**2))
