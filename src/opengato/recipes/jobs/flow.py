"""Optical flow: from two frames to where each pixel goes, trained on composed scenes whose flow is known.

    opengato perceiver train flow
    opengato perceiver measure runs/perceiver-flow

Both frames are the input, and the same array asks: dense output in its place [Jaegle et al. 2021, arXiv:2107.14795,
sec. 4.2 and app. H]. The published network takes pixels with their neighbours and learns to compare them from 400,000
pairs, many times over; at this size that learned nothing in 4,000 steps (docs/log.md). So a stem compares
(`nn/matching.py`), and what is learned is whom to believe: where nothing has a texture, what is hidden, what moves as
one. Frames are mirrored and in other colours at random; larger ones are estimated in tiles that overlap. Measured:
end-point error in pixels on held-out scenes beside no motion at all, the best single motion of each pair (which nobody
knows), and OpenCV's DIS and Farneback.
Letters: B rows, H and W pixels, C channels, O queries, V numbers of an answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from opengato.backbones.perceiver.inputs import Grid
from opengato.backbones.perceiver.io import IO, Decoder, PerceiverIO
from opengato.backbones.perceiver.latents import Latents
from opengato.backbones.perceiver.outputs import FromInput, Output
from opengato.core.episode import Episode
from opengato.core.picture import decoded
from opengato.evaluators.imported import held_out_episodes
from opengato.evaluators.optical_flow import end_point_error, in_tiles, simple_methods, warping_error
from opengato.nn.fourier import Fourier
from opengato.nn.matching import CELL, Matching
from opengato.nn.stems import surroundings
from opengato.recipes.jobs.contract import Figures, JobRecipe, Settings, draws
from opengato.sources.flowscenes import step as step_of
from opengato.train import fitting
from opengato.train.optim import Config as OptimConfig

PIXELS = 20.0  # of what a network gives, for 1, as the published one was trained
OVERLAP = 20  # pixels that tiles share at least, as in the paper; half a tile where that is less
TASK = "flow/flowscenes"


def network(tile: tuple[int, int] = (96, 128), latents: int = 128, width: int = 128, depth: int = 4) -> IO:
    """The published architecture with less of everything, behind a stem that compares; a query for a place's pixels."""
    places = Fourier(resolution=(tile[0] // CELL, tile[1] // CELL), bands=16)
    frames = Grid(channels=6, stem=Matching(width=96), place=places)
    pixels = Output(queries=FromInput(width=frames.width), width=2 * CELL**2, scale=0.1, zero=True)
    return IO(
        inputs={"frames": frames},
        latents=Latents(number=latents, width=width, depth=depth, heads=8),
        outputs={"flow": pixels},
        decoder=Decoder(query_residual=True, widening=2),
    )


def side_of(config: IO) -> int:
    """How many pixels of each side a query answers for: 1 in the published network."""
    return math.isqrt(config.outputs["flow"].width // 2)


def tile_of(config: IO) -> tuple[int, int]:
    """The size that a network was made for: that of the frequencies of its places."""
    height, width = config.inputs["frames"].place.resolution
    return height * side_of(config), width * side_of(config)


def features(config: IO, first_BHWC: Tensor, second_BHWC: Tensor) -> Tensor:
    """Frames of colours from 0 to 255 as a network takes them (B, H, W, its channels).

    Those are both frames, or, as published, the 3 x 3 pixels around each pixel of both.
    """
    frames = [frame_BHWC / 127.5 - 1 for frame_BHWC in (first_BHWC, second_BHWC)]
    plain = config.inputs["frames"].channels == sum(frame_BHWC.shape[-1] for frame_BHWC in frames)
    return torch.cat(frames if plain else [surroundings(frame_BHWC) for frame_BHWC in frames], -1)


def flow_of(network: Any, first_BHWC: Tensor, second_BHWC: Tensor, chunk: int | None = None) -> Tensor:
    """Pixels to the right and down (B, H, W, 2) of frames of the network's own size."""
    read = network.read({"frames": features(network.config, first_BHWC, second_BHWC)})
    answer_BOV = network.ask(read, "flow", chunk=chunk)
    side, height = side_of(network.config), tile_of(network.config)[0]
    return PIXELS * rearrange(answer_BOV, "b (h w) (p q c) -> b (h p) (w q) c", h=height // side, p=side, q=side)


@torch.inference_mode()
def estimate(network: PerceiverIO, first: np.ndarray, second: np.ndarray, chunk: int | None = None) -> np.ndarray:
    """Flow (H, W, 2) of two frames (H, W, 3) uint8 of one size, whatever it is, in tiles."""
    if first.shape != second.shape:
        raise ValueError(f"the frames are of {first.shape[:2]} and {second.shape[:2]} pixels, expected one size")
    tile = tile_of(network.config)
    device = network.encoder.latents.device

    def of_tile(*frames: np.ndarray) -> np.ndarray:
        given = (torch.from_numpy(frame.copy()).float()[None].to(device) for frame in frames)
        return flow_of(network, *given, chunk=chunk)[0].float().cpu().numpy()

    return in_tiles(of_tile, first, second, tile, min(OVERLAP, min(tile) // 2))


def frames_of(episode: Episode) -> tuple[np.ndarray, np.ndarray]:
    """Both pictures as (H, W, 3) uint8."""
    first, second = (np.asarray(decoded(episode.observations[name][0])) for name in ("first", "second"))
    return first, second


@dataclass(frozen=True, kw_only=True, slots=True)
class FlowSettings(Settings):
    """Of `task`, crops of the network's own size.

    `colours` is how far brightness and contrast vary. The second frame is moved as a whole by up to `jolt` pixels, and
    turned and scaled as the scenes are.
    """

    task: str = TASK
    colours: float = 0.2
    jolt: float = 2.0

    def training(self, data: Path, config: fitting.Config) -> fitting.Job:
        episodes = held_out_episodes(self.task, data, split="train")
        return FlowJob(self, config, [(*frames_of(one), one.actions["flow"][0]) for one in episodes])

    def measure(self, network: PerceiverIO, data: Path, documents: int | None) -> Figures:
        """Mean over scenes; "hidden" are the errors on pixels that the second frame does not show."""
        methods = {"perceiver": lambda first, second: estimate(network, first, second), **simple_methods()}
        errors: dict[str, list[float]] = {}
        for episode in held_out_episodes(self.task, data, documents=documents):
            first, second = frames_of(episode)
            truth, seen_HW = episode.actions["flow"][0], episode.actions["seen"][0].astype(bool)
            flows = {name: method(first, second) for name, method in methods.items()}
            flows |= {"no motion": np.zeros_like(truth), "one motion": np.broadcast_to(truth.mean((0, 1)), truth.shape)}
            for name, flow in flows.items():
                errors.setdefault(f"end-point error/{name}", []).append(end_point_error(flow, truth))
                if not seen_HW.all():
                    errors.setdefault(f"hidden/{name}", []).append(end_point_error(flow, truth, ~seen_HW))
                errors.setdefault(f"warping error/{name}", []).append(warping_error(first, second, flow))
        return {name: float(np.nanmean(values)) for name, values in errors.items()}


class FlowJob(fitting.Job):
    """Crops of pairs, mirrored along either side and in changed colours, both frames alike."""

    def __init__(self, settings: FlowSettings, config: fitting.Config, pairs: Sequence[tuple[np.ndarray, ...]]):
        self.settings, self.config, self.pairs = settings, config, pairs
        self.tile = tile_of(config.network)

    def batch(self, step: int) -> fitting.Batch:
        generator = draws(self.config.seed, step)
        chosen = [self._crop(generator) for _ in range(self.config.batch)]
        first, second, flow = (torch.from_numpy(np.stack(parts)) for parts in zip(*chosen, strict=True))
        jolts = np.stack([step_of(generator, generator.uniform(0, self.settings.jolt)) for _ in chosen])
        return dict(zip(("first", "second", "flow"), (first, *jolted(second, flow, jolts)), strict=True))

    def loss(self, network: Any, batch: fitting.Batch) -> tuple[Tensor, dict[str, float]]:
        """The mean end-point error, in pixels."""
        flow = flow_of(network, batch["first"], batch["second"])
        error = (flow.float() - batch["flow"]).square().sum(-1).add(1e-6).sqrt().mean()
        return error, {"loss/flow": float(error.detach())}

    def _crop(self, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        first, second, flow = self.pairs[int(generator.integers(len(self.pairs)))]
        top, left = (int(generator.integers(n - t + 1)) for n, t in zip(flow.shape[:2], self.tile, strict=True))
        part = np.s_[top : top + self.tile[0], left : left + self.tile[1]]
        contrast, brightness = 1 + self.settings.colours * generator.uniform(-1, 1, (2, 3)) * [[1], [0.5]]
        frames = [np.clip((frame[part] - 127.5) * contrast + 127.5 * brightness, 0, 255) for frame in (first, second)]
        flow = flow[part].astype(np.float32)
        for axis, component in ((1, 0), (0, 1)):
            if generator.random() < 0.5:
                frames = [np.flip(frame, axis) for frame in frames]
                flow = np.flip(flow, axis).copy()
                flow[..., component] *= -1
        one, other = (frame.astype(np.float32) for frame in frames)
        return one, other, flow


def jolted(second_BHWC: Tensor, flow_BHW2: Tensor, jolts: np.ndarray) -> tuple[Tensor, Tensor]:
    """The second frames moved as wholes by `jolts` (B, 3, 3), placements about their middles, and the flow to them.

    What came to q comes to J q: the flow of p becomes J (p + f) - p. Beyond the edge a frame goes on as there.
    """
    height, width = flow_BHW2.shape[1:3]
    middle = torch.tensor([(width - 1) / 2, (height - 1) / 2])
    point_HW2 = torch.stack(torch.meshgrid(torch.arange(width), torch.arange(height), indexing="xy"), -1) - middle
    jolt_B33 = torch.from_numpy(jolts)

    def moved(by_B33: Tensor, point_BHW2: Tensor) -> Tensor:
        by_B33 = by_B33.float()
        return torch.einsum("bij,bhwj->bhwi", by_B33[:, :2, :2], point_BHW2) + by_B33[:, None, None, :2, 2]

    back_BHW2 = moved(torch.linalg.inv(jolt_B33), point_HW2.expand_as(flow_BHW2)) / middle
    frames_BCHW = F.grid_sample(second_BHWC.movedim(-1, 1), back_BHW2, padding_mode="border", align_corners=True)
    return frames_BCHW.movedim(1, -1), moved(jolt_B33, point_HW2 + flow_BHW2) - point_HW2


def recipe() -> JobRecipe:
    """The whole job."""
    optim = OptimConfig(learning_rate=2e-3, matrix_learning_rate=None, warmup=100)
    return JobRecipe(
        name="flow",
        settings=FlowSettings(),
        fit=fitting.Config(network=network(), optim=optim, steps=4000, batch=16),
        imports=("flowscenes",),
    )


RECIPES = (recipe,)
