"""vatt: films, sounds and texts in two common spaces, read by one small trunk straight from voxels and samples.

    opengato train vatt
    opengato evaluate runs/vatt --tasks probe/video-clips,probe/video-motion-side --data data

Hardware: 2 CPU cores, 4 GB of memory. Imports pieces of eight real films, five of them with sound, and drawn films
without; both with a few words: enough to see that all three senses get through, and too little for any claim.
`published` has the senses and sizes of the paper. Not trained and scored yet: see docs/self-supervised.md.
[Akbari et al. 2021, arXiv:2104.11178]
"""

from __future__ import annotations

from typing import Any

from opengato.agent import model
from opengato.backbones import encoder
from opengato.data.loader import LoaderConfig
from opengato.modalities import text, video
from opengato.modalities.audio import waveform
from opengato.nn import spaces
from opengato.objectives import contrastive
from opengato.recipes import vatt_sizes
from opengato.train import loop, optim
from opengato.train.run import Recipe

SOURCES = {"clips": 0.5, "motion": 0.5}
TRUNK = encoder.Config(width=128, depth=4, heads=4, hidden=352)
ROUTES = {
    "instruction": "words",
    "observation/text": "words",
    "observation/video": "film",
    "observation/audio": "sound",
    "action/text": "words",
}


def agent(trunk: Any, own: dict[str, Any], front: tuple[Any, Any], size: tuple[int, int], context: int) -> model.Config:
    """A network that reads films and sounds by `front`, with the shared `trunk` or with those of their `own`.

    The spaces have `size` numbers.
    """
    film, sound = front
    return model.Config(
        modalities={"words": text.Config(), "film": film, "sound": sound},
        routes=ROUTES,
        backbone=trunk,
        context=context,
        num_local=64,
        contrast=spaces.Config(
            video="film", audio="sound", text="words", fine=size[0], coarse=size[1], trunks=own
        ),
    )  # fmt: skip


def published(film: str, sound: str | None = None, words: str | None = None) -> model.Config:
    """A trunk of a size for each sense (MBS: medium, base, small), or one for all of them where only `film` is given.

    Films of 32 frames of 224 x 224 pixels at 10 a second, sounds of 48 kHz in patches of 128 samples.
    """
    front = (
        video.Config(frames=4, patch=16, max_side=224, fps=10.0, most_frames=32),
        waveform.Config(rate=48_000, patch=128, seconds=5.0),
    )
    sizes = {"film": film, "sound": sound, "words": words}
    own = {name: vatt_sizes.trunk(size) for name, size in sizes.items() if size is not None and name != "film"}
    return agent(vatt_sizes.trunk(film), own, front, (512, 256), context=3072)


def run_of(name: str = "vatt", drop: float = 0.5, *, agnostic: bool = True) -> Recipe:
    """The small run: `agnostic` has one trunk for all senses, else each has one of the same shape."""
    front = (
        video.Config(frames=2, patch=16, max_side=64, fps=4.0, most_frames=8),
        waveform.Config(rate=16_000, patch=640, seconds=4.0),
    )
    own = {} if agnostic else dict.fromkeys(("sound", "words"), TRUNK)
    return Recipe(
        name=name,
        train=loop.Config(
            agent=agent(TRUNK, own, front, (64, 32), context=256),
            objective=contrastive.Config(drop=drop),
            optim=optim.Config(learning_rate=1e-3, matrix_learning_rate=None, weight_decay=0.01),
            steps=1000,
        ),
        weights=SOURCES,
        imports=tuple(SOURCES),
        loader=LoaderConfig(groups=1, workers=1),
        rows_per_group=16,
    )


def recipe() -> Recipe:
    """The whole run."""
    return run_of()
