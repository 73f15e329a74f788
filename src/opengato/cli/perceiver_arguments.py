"""What the commands of Perceiver take: a dataclass each. Nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from opengato.cli.argument_types import Flag, Settings

Job = Annotated[str, Positional, arg(metavar="JOB")]
Weights = Annotated[str, arg(metavar="FOLDER|OWNER/MODEL")]
Data = Annotated[Path, arg(metavar="FOLDER")]


@dataclass(frozen=True, kw_only=True, slots=True)
class PerceiverTrain:
    """Train a Perceiver for a job. Brings its data first; the same command goes on where it was broken off.

    Jobs: flow, language, sentiment, digits, digits-learned, digits-convolution, autoencode, autoencode-32,
    autoencode-512.

    For example:
        opengato perceiver train flow
        opengato perceiver train language fit.steps=500 --out runs/short
        opengato perceiver train sentiment fit.begin=runs/short
        opengato perceiver train digits --dry-run
    """

    job: Job
    """What it is to learn."""
    settings: Settings = ()
    """What to change; `--dry-run` lists what there is."""
    out: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: runs/perceiver-JOB)")] = None
    """Where checkpoints, the log and the network go."""
    data: Data = Path("data")
    """Where corpora are, or are brought to."""
    dry_run: Flag = False
    """Only print every setting and the number of parameters."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PerceiverMeasure:
    """Measure a trained Perceiver on what its job holds out, beside simple methods.

    For example:
        opengato perceiver measure runs/perceiver-flow
        opengato perceiver measure runs/perceiver-language --documents 100 --json out.json
    """

    folder: Annotated[Path, Positional, arg(metavar="FOLDER")]
    """A run of `perceiver train`."""
    data: Data = Path("data")
    """Where corpora are."""
    documents: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: all)")] = None
    """Episodes of each task to measure."""
    json: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: none)")] = None
    """Where the figures go as JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PerceiverFlow:
    """Draw how each pixel moves from one picture to the next: the hue is the way, white is rest.

    For example:
        opengato perceiver flow one.png two.png
        opengato perceiver flow one.png two.png --weights deepmind/optical-flow-perceiver --out flow.png
    """

    first: Annotated[str, Positional, arg(metavar="FIRST")]
    """A picture."""
    second: Annotated[str, Positional, arg(metavar="SECOND")]
    """Another of the same size."""
    weights: Weights = "runs/perceiver-flow"
    """A run, a folder that transformers wrote, or a name on the hub."""
    out: Annotated[Path, arg(metavar="FILE")] = Path("out/flow.png")
    """Where the picture goes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PerceiverFill:
    """Fill in the blanks of a text, an underscore for each missing byte, the surest first.

    For example:
        opengato perceiver fill "This is an incomplete sentence where some words are ________."
        opengato perceiver fill "the qu___ of the night" --weights deepmind/language-perceiver
    """

    text: Annotated[str, Positional, arg(metavar="TEXT")]
    """With underscores."""
    weights: Weights = "runs/perceiver-language"
    """A run, a folder that transformers wrote, or a name on the hub."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PerceiverClassify:
    """Say what a text or a picture is, and how sure that is.

    For example:
        opengato perceiver classify "a film that nobody should miss"
        opengato perceiver classify seven.png --weights runs/perceiver-digits
        opengato perceiver classify cat.jpg --weights deepmind/vision-perceiver-conv --top 5
    """

    what: Annotated[str, Positional, arg(metavar="TEXT|FILE")]
    """A text, or the path of a picture."""
    weights: Weights = "runs/perceiver-sentiment"
    """A run, a folder that transformers wrote, or a name on the hub."""
    top: int = 3
    """How many classes to show, the likeliest first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PerceiverAutoencode:
    """Send two seconds of a film and its sound through the latents, and write what comes out as a film.

    For example:
        opengato perceiver autoencode street.mp4
        opengato perceiver autoencode street.mp4 --weights runs/perceiver-autoencode-512 --out out/again.mp4
    """

    film: Annotated[str, Positional, arg(metavar="FILE")]
    """A film; its beginning and its middle square count."""
    weights: Weights = "runs/perceiver-autoencode"
    """A run of the job `autoencode`."""
    out: Annotated[Path, arg(metavar="FILE")] = Path("out/autoencoded.mp4")
    """Where the film goes."""
