"""Autoencoding of films with sound and label: all of it through few latents, and out again.

    opengato perceiver train autoencode
    opengato perceiver train autoencode-32     (four times fewer latents; autoencode-512 has four times more)
    opengato perceiver measure runs/perceiver-autoencode
    opengato perceiver autoencode film.mp4

Films of 8 frames of 64 x 64 pixels, two seconds of sound at 4 kHz, and which of four ways a thing moves, as label:
hidden in half of the training, so that who does not see it must look [Jaegle et al. 2021, arXiv:2107.14795, sec. 4.3
and app. G]. Training asks for a few places of each film, measuring for all, in parts. Measured: PSNR of pictures and
sound beside the mean colour of each film and silence, how many labels are found where they are hidden, and the
compression: numbers of the padded input array for one of the latents, as the paper counts. Not yet trained to the end.
Letters: B rows, F frames, H and W pixels, C channels, L samples, O places asked for, V classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from opengato.backbones.perceiver.io import IO, PerceiverIO
from opengato.backbones.perceiver.latents import Latents
from opengato.core.episode import Episode
from opengato.core.film import read_film, write_film
from opengato.core.sound import read_sound, resample
from opengato.evaluators.imported import held_out_episodes
from opengato.nn.fourier import Fourier
from opengato.recipes.jobs.contract import Figures, JobRecipe, Settings, draws
from opengato.recipes.published import perceiver
from opengato.train import fitting
from opengato.train.optim import Config as OptimConfig

FRAMES, SIDE, FPS, RATE, PATCH = 8, 64, 4, 4000, 16
SAMPLES = FRAMES * RATE // FPS
LABELS = ("to the right", "to the left", "down", "up")
CHUNK = 4096
PLAYED_RATE = 16_000


def network(latents: int = 128, width: int = 128, depth: int = 4) -> IO:
    """The published architecture with fewer frequencies and less of everything."""
    config = perceiver.multimodal(
        Latents(number=latents, width=width, depth=depth, heads=8),
        frames=(FRAMES, SIDE, SIDE),
        samples=SAMPLES,
        samples_per_patch=PATCH,
        num_classes=len(LABELS),
        answer_width=128,
    )
    places = {
        "image": Fourier(resolution=(FRAMES, SIDE // 4, SIDE // 4), bands=12),
        "audio": Fourier(resolution=(SAMPLES,), bands=32),
    }
    label = config.outputs["label"]
    return replace(
        config,
        inputs={**config.inputs, **{name: replace(config.inputs[name], place=place) for name, place in places.items()}},
        outputs={
            **{
                name: replace(config.outputs[name], queries=replace(config.outputs[name].queries, fourier=place))
                for name, place in places.items()
            },
            "label": replace(label, queries=replace(label.queries, width=64)),
        },
    )


def compression(config: IO) -> float:
    """Numbers of the padded input array for one number of the latents."""
    members = FRAMES * (SIDE // 4) ** 2 + SAMPLES // PATCH + 1
    return members * config.input_width / (config.latents.number * config.latents.width)


@dataclass(frozen=True, slots=True)
class Clip:
    """What goes in and comes out: frames (F, H, W, C) from 0 to 1, samples (L,) from -1 to 1, the number of a label."""

    frames: np.ndarray
    samples: np.ndarray
    label: int | None = None


def clip_of(film: bytes, sound: bytes | None, label: int | None = None) -> Clip:
    """A clip of the network's size: the beginning of a film, in its middle square, and of its sound or another."""
    found = read_film(film, FPS, FRAMES)
    side = min(found.shape[1:3])
    top, left = (found.shape[1] - side) // 2, (found.shape[2] - side) // 2
    square = torch.from_numpy(found[:, top : top + side, left : left + side].copy()).permute(0, 3, 1, 2).float() / 255
    if side != SIDE:
        square = F.interpolate(square, (SIDE, SIDE), mode="bilinear", antialias=True)
    frames = square.permute(0, 2, 3, 1).numpy()
    frames = np.concatenate([frames, np.repeat(frames[-1:], FRAMES - len(frames), 0)])
    try:
        samples = read_sound(film if sound is None else sound, RATE)[:SAMPLES]
    except ValueError:  # a silent film
        samples = np.zeros(0, np.float32)
    return Clip(frames, np.pad(samples, (0, SAMPLES - len(samples))), label)


def clip_in(episode: Episode) -> Clip:
    """The film, the sound and the way of an episode of `caption/composed`."""
    caption = str(next(iter(episode.actions.values()))[0])
    (label,) = [number for number, way in enumerate(LABELS) if caption.endswith(f", moving {way}")]
    return clip_of(episode.observations["video"][0], episode.observations["audio"][0], label)


def given(clips: Sequence[Clip]) -> dict[str, Tensor]:
    """Clips as the network takes them; a label that nobody knows is all zeros."""
    labels = torch.stack([torch.eye(len(LABELS))[c.label] if c.label is not None else torch.zeros(4) for c in clips])
    return {
        "image": torch.from_numpy(np.stack([clip.frames for clip in clips])),
        "audio": torch.from_numpy(np.stack([clip.samples for clip in clips]))[..., None],
        "label": labels,
    }


@torch.inference_mode()
def reconstruct(network: PerceiverIO, clip: Clip) -> Clip:
    """What comes out again of one clip, its label found without having seen it."""
    read = network.read(given([clip]), hide={"label": torch.ones(1, 1, dtype=torch.bool)})
    frames = network.ask(read, "image", chunk=CHUNK)[0].view(FRAMES, SIDE, SIDE, 3).clamp(0, 1).numpy()
    samples = network.ask(read, "audio", chunk=CHUNK)[0].flatten().clamp(-1, 1).numpy()
    return Clip(frames, samples, int(network.ask(read, "label")[0, 0].argmax()))


def as_film(clip: Clip) -> bytes:
    """A file that plays: frames and sound, at a rate that players know."""
    sound = resample(clip.samples, RATE, PLAYED_RATE), PLAYED_RATE
    return write_film(np.round(255 * clip.frames).astype(np.uint8), FPS, sound)


def psnr(received: np.ndarray, expected: np.ndarray, span: float) -> float:
    """Peak signal-to-noise ratio in decibels; values reach over `span`."""
    error = float(np.square(received.astype(np.float64) - expected).mean())
    return 10 * math.log10(span**2 / max(error, 1e-10))


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipSettings(Settings):
    """Weights of the losses, how many places of each kind a clip is asked for, and how often its label is hidden."""

    task: str = "caption/composed"
    image: float = 1.0
    audio: float = 1.0
    label: float = 0.05
    places: int = 512
    hidden: float = 0.5

    def training(self, data: Path, config: fitting.Config) -> fitting.Job:
        return ClipJob(self, config, [clip_in(e) for e in held_out_episodes(self.task, data, split="train")])

    def measure(self, network: PerceiverIO, data: Path, documents: int | None) -> Figures:
        """Means over held-out clips."""
        found: dict[str, list[float]] = {}
        for episode in held_out_episodes(self.task, data, documents=documents):
            clip = clip_in(episode)
            back = reconstruct(network, clip)
            mean = np.broadcast_to(clip.frames.mean((0, 1, 2)), clip.frames.shape)
            values = {
                "psnr of pictures": psnr(back.frames, clip.frames, 1),
                "psnr of pictures/mean colour": psnr(mean, clip.frames, 1),
                "psnr of sound": psnr(back.samples, clip.samples, 2),
                "psnr of sound/silence": psnr(np.zeros_like(clip.samples), clip.samples, 2),
                "labels found": float(back.label == clip.label),
            }
            for name, value in values.items():
                found.setdefault(name, []).append(value)
        return {name: float(np.mean(values)) for name, values in found.items()} | {
            "compression": compression(network.config)
        }


class ClipJob(fitting.Job):
    """Clips, the label of half of them hidden, asked for some of their places."""

    def __init__(self, settings: ClipSettings, config: fitting.Config, clips: Sequence[Clip]):
        self.settings, self.config, self.clips = settings, config, clips

    def batch(self, step: int) -> fitting.Batch:
        generator = draws(self.config.seed, step)
        chosen = [self.clips[i] for i in generator.integers(len(self.clips), size=self.config.batch)]
        sizes = {"image": FRAMES * SIDE * SIDE, "audio": SAMPLES // PATCH}
        places = {
            f"{name} places": torch.from_numpy(generator.permutation(size)[: self.settings.places])
            for name, size in sizes.items()
        }
        hidden = torch.from_numpy(generator.random((len(chosen), 1)) < self.settings.hidden)
        return {**given(chosen), **places, "hidden": hidden}

    def loss(self, network: Any, batch: fitting.Batch) -> tuple[Tensor, dict[str, float]]:
        """Mean absolute errors of pictures and sound, cross-entropy of the label; weighed."""
        inputs = {name: batch[name] for name in ("image", "audio", "label")}
        read = network.read(inputs, hide={"label": batch["hidden"]})
        pixels_BOC = inputs["image"].flatten(1, 3)[:, batch["image places"]]
        patches_BOC = inputs["audio"].view(len(pixels_BOC), -1, PATCH)[:, batch["audio places"]]
        losses = {
            name: F.l1_loss(network.ask(read, name, batch[f"{name} places"]).float(), wanted)
            for name, wanted in (("image", pixels_BOC), ("audio", patches_BOC))
        }
        losses["label"] = F.cross_entropy(network.ask(read, "label")[:, 0].float(), inputs["label"].argmax(1))
        weights = {"image": self.settings.image, "audio": self.settings.audio, "label": self.settings.label}
        total = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum()
        return total, {f"loss/{name}": float(loss.detach()) for name, loss in losses.items()}


def recipe(latents: int = 128) -> JobRecipe:
    """The whole job, with so many latents."""
    optim = OptimConfig(learning_rate=1e-3, matrix_learning_rate=None, warmup=200)
    return JobRecipe(
        name="autoencode" if latents == 128 else f"autoencode-{latents}",
        settings=ClipSettings(),
        fit=fitting.Config(network=network(latents), optim=optim, steps=5000, batch=8),
        imports=("composed",),
    )


RECIPES = tuple(partial(recipe, latents) for latents in (128, 32, 512))
