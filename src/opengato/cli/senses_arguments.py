"""What the commands take that read pictures, sounds and films: a dataclass each. Nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from opengato.cli.argument_types import Flag

Files = Annotated[tuple[str, ...], Positional, arg(metavar="FILE ...")]
File = Annotated[str, Positional, arg(metavar="FILE")]
Model = Annotated[str, arg(metavar="AGENT")]
IndexFile = Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: .opengato/ in the folder)")]
Instruction = Annotated[str | None, arg(metavar="TEXT", help_behavior_hint="(default: as in training)")]


@dataclass(frozen=True, kw_only=True, slots=True)
class Caption:
    """Describe pictures, films or sounds in words.

    A FILE may be `sample:0`, `sample:1`, ...: held-out pictures that come with the package.

    For example:
        opengato caption sample:0 sample:1
        opengato caption holiday.jpg --agent runs/mine
    """

    files: Files
    """Pictures, films or sounds, or shipped samples."""
    agent: Model = "tiny"
    """A shipped agent, or the folder of an agent, a checkpoint or a run."""
    instruction: Instruction = None
    """What the agent is told to do."""
    length: int = 40
    """Tokens to write at most."""
    temperature: float = 0.0
    """0 takes the likeliest token, above 0 draws."""
    seed: int = 0
    """The same seed gives the same words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """Answer a question about a picture, a film or a sound.

    For example:
        opengato ask sample:3 "what is in the picture?"
        opengato ask street.mp4 "what happens?" --agent runs/mine
    """

    file: File
    """A picture, a film or a sound, or a shipped sample."""
    question: Annotated[str, Positional, arg(metavar="QUESTION")]
    """In the words of the agent's training, if it is to understand."""
    agent: Model = "tiny"
    """A shipped agent, or the folder of an agent, a checkpoint or a run."""
    length: int = 40
    """Tokens to write at most."""
    temperature: float = 0.0
    """0 takes the likeliest token, above 0 draws."""
    seed: int = 0
    """The same seed gives the same words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Transcribe:
    """Write down what is said in sounds.

    For example:
        opengato transcribe letter.flac --agent runs/mine
    """

    files: Files
    """Sounds: WAV, FLAC, OGG, MP3, M4A."""
    agent: Model = "tiny"
    """A shipped agent, or the folder of an agent, a checkpoint or a run."""
    instruction: Instruction = None
    """What the agent is told to do."""
    length: int = 120
    """Tokens to write at most."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Draw:
    """Draw a picture of what a text says.

    For example:
        opengato draw "a red apple" --agent runs/mine
        opengato draw "red panda" --agent runs/mine --seed 3 --out panda.png
    """

    text: Annotated[str, Positional, arg(metavar="TEXT")]
    """What is to be seen."""
    agent: Model = "tiny"
    """A shipped agent, or the folder of an agent, a checkpoint or a run."""
    out: Annotated[Path, arg(metavar="FILE")] = Path("out/drawing.png")
    """Where the picture goes."""
    temperature: float = 1.0
    """0 takes the likeliest id, above 0 draws."""
    top_p: float = 0.95
    """Draw from the likeliest ids that hold this share of the mass."""
    seed: int = 0
    """Which of the many pictures."""
    size: int = 256
    """Pixels a side of the file; the agent draws smaller and it is enlarged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Retrieve:
    """Find what is most like a text or a file, among the files of a folder.

    Pictures, sounds, films and .txt files are read, those that the agent has a sense for. FOLDER may be `samples`, the
    held-out pictures that come with the package.

    For example:
        opengato retrieve samples "a flag"
        opengato retrieve pictures/ "red panda" --agent runs/mine --top 3
        opengato retrieve pictures/ panda.png --agent runs/mine
    """

    folder: Annotated[str, Positional, arg(metavar="FOLDER")]
    """Where to look, folders within it included."""
    query: Annotated[str, Positional, arg(metavar="QUERY")]
    """Words, or the path of a file."""
    agent: Model = "tiny"
    """A shipped agent, or the folder of an agent, a checkpoint or a run."""
    top: int = 5
    """How many to show."""
    json: Flag = False
    """Print as JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Index:
    """Keep vectors of all texts, pictures, sounds and films of a folder, to be searched by `opengato search`.

    The same command again reads only what is new or has changed, and goes on where it was broken off. A text has a
    vector for each passage.

    For example:
        opengato index pictures/
        opengato index archive/ --agent runs/mine --file archive.safetensors
    """

    folder: Annotated[str, Positional, arg(metavar="FOLDER")]
    """What to read, folders within it included."""
    agent: Model = "tiny"
    """A shipped agent, or the folder of an agent, a checkpoint or a run."""
    file: IndexFile = None
    """Where the index goes."""
    json: Flag = False
    """Print what was done as JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Search:
    """Find what is most like words or a file, in a folder that `opengato index` has read.

    For example:
        opengato search pictures/ "red panda"
        opengato search archive/ panda.png --kind audio --page out/found.html
    """

    folder: Annotated[str, Positional, arg(metavar="FOLDER")]
    """The folder with the index."""
    query: Annotated[str, Positional, arg(metavar="QUERY")]
    """Words, or the path of a picture, a sound, a film or a text."""
    agent: Annotated[str | None, arg(metavar="AGENT", help_behavior_hint="(default: who made the index)")] = None
    """The agent that made the index, where it lies elsewhere by now."""
    file: IndexFile = None
    """The index."""
    kind: Annotated[Literal["text", "image", "audio", "video"] | None, arg(help_behavior_hint="(default: all)")] = None
    """Only files of one kind."""
    top: int = 10
    """How many to show."""
    exact: Flag = False
    """Compare with all of a large index, not only with what lies near."""
    page: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """Write a page (.html) that shows what was found."""
    json: Flag = False
    """Print as JSON."""
