"""Which way does it move? Attention over space, space and time jointly, or divided, on a task of order alone.

    python benchmarks/motion.py
    python benchmarks/motion.py --frames 2 --out FOLDER    # patches of two frames

Small encoders (`modalities/video/encoder.py`), the mean of their patches and one linear layer learn the four questions
of `sources/motion` from films of random shapes; answered are those of films of other shapes. Each film comes forwards
and backwards, with the two answers, so that what does not look at the order is right in half of the cases. As in
TimeSformer [Bertasius et al. 2021, arXiv:2102.05095], attention over space alone has no codes of time.

Letters: B films, N patches of all films, P payload features.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from _measure import Rate, arguments, report
from PIL import Image, ImageDraw
from torch import Tensor, nn

from opengato.core.episode import MEDIA_SPECS
from opengato.modalities.video.encoder import Config, EncodedVideo
from opengato.nn.space_time import ATTENTIONS
from opengato.sources.motion import FPS, FRAMES, KINDS, LARGEST, film
from opengato.sources.moving import cut_out

BATCH, RATE = 32, 3e-3  # films, half of them the other half backwards


class Classifier(nn.Module):
    """Logits (B, 2) of the two answers to question `kind_B`."""

    def __init__(self, config: Config):
        super().__init__()
        self.video = EncodedVideo(config, config.width)
        self.answers = nn.Linear(config.width, 2 * len(KINDS))

    def forward(self, payload_NP: Tensor, kind_B: Tensor) -> Tensor:
        mean_BD = self.video.encode(payload_NP).mean(1).view(len(kind_B), -1, self.video.config.width).mean(1)
        return self.answers(mean_BD).view(len(kind_B), -1, 2)[torch.arange(len(kind_B)), kind_B]


def shape(generator: np.random.Generator) -> np.ndarray:
    """A cut-out with a few corners in two colours."""
    while True:
        picture = Image.new("RGBA", (64, 64))
        pen = ImageDraw.Draw(picture)
        for _ in range(2):
            corners = [
                tuple(map(int, corner)) for corner in generator.integers(4, 60, (int(generator.integers(3, 7)), 2))
            ]
            pen.polygon(corners, fill=(*map(int, generator.integers(0, 256, 3)), 255))
        if (cutout := cut_out(picture, LARGEST)) is not None:
            return cutout


def films(config: Config, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Rows (count, 2, N, P) of films forwards and backwards, and the number of the question of each pair."""
    codec, spec, rows, kinds = config.codec(), MEDIA_SPECS["video"], [], []
    for index in range(count):
        generator = np.random.default_rng((seed, index))
        kinds.append(index % len(KINDS))
        frames = film(list(KINDS)[kinds[-1]], shape(generator), generator)
        rows.append([codec.encode([shown], spec, "observation")[0] for shown in (frames, frames[::-1])])
    return torch.from_numpy(np.array(rows)), torch.tensor(kinds)


def train(config: Config, data: tuple[Tensor, Tensor], steps: int, seed: int = 0) -> tuple[Classifier, float]:
    """A classifier after so many steps, and the films a second that it was trained with."""
    rows, kinds = data
    torch.manual_seed(seed)
    model = Classifier(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    generator = torch.Generator().manual_seed(seed)
    begun = time.perf_counter()
    for _ in range(steps):
        chosen = torch.randint(len(kinds), (BATCH // 2,), generator=generator)
        loss = F.cross_entropy(
            model(rows[chosen].flatten(0, 2), kinds[chosen].repeat_interleave(2)), answers(len(chosen))
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.eval(), steps * BATCH / (time.perf_counter() - begun)


def answers(pairs: int) -> Tensor:
    """The first answer of each film forwards, the second backwards."""
    return torch.tensor([0, 1]).repeat(pairs)


@torch.inference_mode()
def accuracies(model: Classifier, data: tuple[Tensor, Tensor]) -> dict[str, float]:
    """The share of right answers to each question."""
    found = {}
    for number, kind in enumerate(KINDS):
        rows = data[0][data[1] == number]
        parts = [model(part.flatten(0, 2), torch.full((2 * len(part),), number)).argmax(1) for part in rows.split(16)]
        found[kind] = float((torch.cat(parts) == answers(len(rows))).double().mean())
    return found


def config_of(attention: str, frames: int) -> Config:
    """A small encoder, whose patches are of so many frames."""
    return Config(
        attention=attention,
        frames=frames,
        patch=8,
        pool=1,
        max_side=32,
        width=32,
        depth=1,
        heads=4,
        hidden=64,
        fps=FPS,
        most_frames=FRAMES,
    )


def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Train and ask each of the three."""
    options = arguments(__doc__ or "", argv, steps=400, pairs=400, frames=1)
    steps, pairs, held_out = (2, 8, 4) if options.quick else (options.steps, options.pairs, 100)
    learnt, asked = (
        films(config_of("joint", options.frames), count, seed) for seed, count in ((1, pairs), (2, held_out))
    )
    rates, figures = [], {}
    for attention in ATTENTIONS:
        model, speed = train(config_of(attention, options.frames), learnt, steps)
        rates.append(Rate(name=f"training, {attention}", unit="films/s", rounds=(speed,), cores=1.0))
        right = accuracies(model, asked)
        print(f"{attention}: {right}", file=sys.stderr, flush=True)
        figures[attention] = {
            "accuracy": sum(right.values()) / len(right),
            "by question": right,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
        }
    return report(
        "motion",
        options,
        rates,
        figures={"frames of a patch": options.frames, "steps": steps, "pairs": pairs, "held out": held_out, **figures},
    )


if __name__ == "__main__":
    main()
