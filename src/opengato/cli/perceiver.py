"""`opengato perceiver`: train and measure its jobs, and use what was trained, or published, on a file or a text."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table

from opengato.cli.perceiver_arguments import (
    PerceiverAutoencode,
    PerceiverClassify,
    PerceiverFill,
    PerceiverFlow,
    PerceiverMeasure,
    PerceiverTrain,
)
from opengato.cli.training import settings
from opengato.core.config import override
from opengato.core.picture import as_rgb, decoded
from opengato.evaluators import optical_flow
from opengato.nn.shapes import shapes_alone
from opengato.recipes import jobs
from opengato.recipes.jobs import autoencode as clips
from opengato.recipes.jobs import flow as motion
from opengato.recipes.jobs import language, weights


def train(arguments: PerceiverTrain) -> None:
    """Train a job with its settings, or say what would be trained."""
    recipe = override(jobs.load(arguments.job), list(arguments.settings))
    if arguments.dry_run:
        with shapes_alone():
            network = recipe.fit.network.build()
        print(f"{sum(parameter.numel() for parameter in network.parameters()):,} parameters\n")
        for path, value in settings(recipe):
            print(f"{path} = {value}")
        return
    out = arguments.out or Path("runs") / f"perceiver-{arguments.job}"
    try:
        jobs.train(recipe, out, arguments.data)
    except SystemExit:  # a signal, after a checkpoint
        print("\nstopped; the same command goes on from here", file=sys.stderr)
        raise
    print(f"the network is in {out / 'network'}; measure it with: opengato perceiver measure {out}")


def measure(arguments: PerceiverMeasure) -> None:
    """A line a figure, those of simple methods below."""
    figures = jobs.measure(arguments.folder, arguments.data, arguments.documents)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("what")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        table.add_row(name.replace("/", ", "), f"{value:.3f}")
    Console().print(table)
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def flow(arguments: PerceiverFlow) -> None:
    """Write the picture, and say how fast things move and how well the second frame explains the first."""
    first, second = (np.asarray(as_rgb(decoded(given(word), word))) for word in (arguments.first, arguments.second))
    network = weights.load(arguments.weights).needs("frames", "flow")
    found = motion.estimate(network, first, second, chunk=clips.CHUNK)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    optical_flow.picture(first, second, [("flow", found)]).save(arguments.out)
    speed = np.hypot(found[..., 0], found[..., 1])
    still = optical_flow.warping_error(first, second, np.zeros_like(found))
    drawn = optical_flow.warping_error(first, second, found)
    print(f"pixels move by {speed.mean():.2f} on average, by {speed.max():.2f} at most")
    print(f"warping error: {drawn:.2f} of 255, without any motion {still:.2f}")
    print(f"picture: {arguments.out}")


def fill(arguments: PerceiverFill) -> None:
    """The text without gaps."""
    print(language.fill(weights.load(arguments.weights).needs("text", "text"), arguments.text))


def classify(arguments: PerceiverClassify) -> None:
    """The likeliest classes with their probabilities."""
    if arguments.top < 1:
        raise ValueError(f"received --top {arguments.top}, expected 1 or more")
    found = weights.load(arguments.weights)
    if "image" in found.network.config.inputs:
        chances = weights.picture_classes(found, decoded(given(arguments.what), arguments.what))
    else:
        path = Path(arguments.what)
        is_file = len(arguments.what) < 256 and path.is_file()
        chances = weights.text_classes(found, path.read_text(encoding="utf-8") if is_file else arguments.what)
    for number in np.argsort(-chances, kind="stable")[: arguments.top]:
        print(f"{chances[number]:6.1%}  {found.labels[number]}")


def autoencode(arguments: PerceiverAutoencode) -> None:
    """Write the film that comes out, and say how much of it is left."""
    network = weights.load(arguments.weights).needs("image", "image")
    if network.config.outputs.keys() != clips.network().outputs.keys() or network.config.inputs["image"].stem is None:
        raise ValueError("these weights are of another job; expected those of `opengato perceiver train autoencode`")
    clip = clips.clip_of(given(arguments.film).read_bytes(), None)
    back = clips.reconstruct(network, clip)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_bytes(clips.as_film(back))
    pictures, sound = clips.psnr(back.frames, clip.frames, 1), clips.psnr(back.samples, clip.samples, 2)
    print(f"pictures: {pictures:.1f} dB; sound: {sound:.1f} dB")
    print(f"what moves, moves {clips.LABELS[back.label or 0]}")
    print(f"{clips.compression(network.config):.0f} numbers went through one; film: {arguments.out}")


def given(word: str) -> Path:
    """The path of a file; ValueError if there is none."""
    path = Path(word).expanduser()
    if not path.is_file():
        raise ValueError(f"{word!r} is no file")
    return path
