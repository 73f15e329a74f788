"""Train the shipped codec of pictures: `python -m opengato.modalities.image.train_codec --out codec.safetensors`.

It keeps how `assets/image_codec.safetensors` was made: an autoencoder of 64 x 64 pictures whose code is 8 x 8 ids of
1000, trained on the pictures of the train splits of emoji, twemoji and openclipart, mirrored half of the time. Prints
what comes back of held-out pictures as PSNR, beside that of a picture shrunk to 8 x 8 pixels and enlarged again.
Letters: B pictures, H and W pixels, C channels.
"""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from PIL import Image
from torch import Tensor

from opengato.core.config import plugin
from opengato.core.episode import Episode
from opengato.modalities.image.autoencoder import Architecture, PictureAutoencoder, psnr, save

SOURCES = ("emoji", "twemoji", "openclipart")
CACHE = Path("~/.cache/opengato/packages")
DEFAULT_OUT = Path(__file__).parents[2] / "assets" / "image_codec.safetensors"
SIDE = Architecture().side
STEPS, BATCH, RATE = 2000, 64, 2e-3
ABSOLUTE = 0.1  # weight of the mean absolute error beside the squared one: edges stay sharper


def pictures(episodes: Iterable[Episode], side: int = SIDE) -> Tensor:
    """The pictures of episodes (B, side, side, 3), uint8; others than square ones of this size are left out."""
    found = []
    for episode in episodes:
        pixels = np.asarray(Image.open(io.BytesIO(episode.observations["image"][0])).convert("RGB"))
        if pixels.shape == (side, side, 3):
            found.append(pixels)
    return torch.from_numpy(np.stack(found))


def train(pictures_BHWC: Tensor, architecture: Architecture, steps: int, seed: int = 0) -> PictureAutoencoder:
    """Fit an autoencoder to pictures; the rate rises for a tenth of the steps and falls to zero."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    model = PictureAutoencoder(architecture).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.99), weight_decay=1e-4)
    begun, total = time.perf_counter(), 0.0
    for step in range(steps):
        rate = min(1.0, 10 * (step + 1) / steps) * min(1.0, (steps - step) / (0.6 * steps))
        for group in optimizer.param_groups:
            group["lr"] = RATE * rate
        chosen_BHWC = pictures_BHWC[torch.randint(len(pictures_BHWC), (BATCH,), generator=generator)]
        pixels_BCHW = rearrange(chosen_BHWC, "b h w c -> b c h w") / 127.5 - 1
        mirrored_B = torch.rand(BATCH, generator=generator) < 0.5
        pixels_BCHW = torch.where(mirrored_B[:, None, None, None], pixels_BCHW.flip(-1), pixels_BCHW)
        back_BCHW = model(pixels_BCHW)
        loss = F.mse_loss(back_BCHW, pixels_BCHW) + ABSOLUTE * F.l1_loss(back_BCHW, pixels_BCHW)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        total += float(loss.detach())
        if (step + 1) % 100 == 0:
            seconds = time.perf_counter() - begun
            print(f"step {step + 1}/{steps}: loss {total / 100:.4f}, {seconds:.0f} s", file=sys.stderr, flush=True)
            total = 0.0
    return model.eval()


def shrunk(pictures_BHWC: Tensor, grid: int) -> Tensor:
    """Pictures shrunk to `grid` x `grid` pixels by means and enlarged again: what a codec must beat."""
    small = F.adaptive_avg_pool2d(rearrange(pictures_BHWC.float(), "b h w c -> b c h w"), grid)
    large = F.interpolate(small, size=pictures_BHWC.shape[1:3], mode="bilinear")
    return rearrange(large, "b c h w -> b h w c").clamp(0, 255).round().to(torch.uint8)


def report(model: PictureAutoencoder, held_out_BHWC: Tensor) -> dict[str, str]:
    """Mean PSNR on pictures that it was not trained on, of the codec and of shrinking, and how many ids they use."""
    ids = torch.cat([model.encode(part) for part in held_out_BHWC.split(64)])
    back = torch.cat([model.decode(part) for part in ids.split(64)])
    plain = shrunk(held_out_BHWC, model.architecture.grid)
    return {
        "held out": f"{len(held_out_BHWC)} pictures",
        "psnr": f"{psnr(back, held_out_BHWC).mean():.2f} dB",
        "psnr of shrinking": f"{psnr(plain, held_out_BHWC).mean():.2f} dB",
        "ids in use": f"{len(ids.unique())} of {model.quantizer.num_ids}",
    }


def main() -> None:
    """Parse the command line, train, write the file, and print what comes back of held-out pictures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="file to write (default: the shipped one)")
    parser.add_argument("--cache", type=Path, default=CACHE.expanduser(), help="folder of packages")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"steps of {BATCH} pictures")
    arguments = parser.parse_args()
    by_split: dict[str, list[Episode]] = {"train": [], "test": []}
    for name in SOURCES:
        for split, episode in plugin("sources", name).Source().episodes(arguments.cache):
            by_split[split].append(episode)
    model = train(pictures(by_split["train"]), Architecture(), arguments.steps)
    about = {"trained on": f"train splits of {', '.join(SOURCES)}", **report(model, pictures(by_split["test"]))}
    save(model, arguments.out, about)
    print(about)


if __name__ == "__main__":
    main()
