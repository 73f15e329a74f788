"""What the commands take that read pictures, sounds and films: a dataclass each. Nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from opengato.cli.argument_types import Flag

Files = Annotated[tuple[str, ...], Positional, arg(metavar="FILE ...")]
File = Annotated[str, Positional, arg(metavar="FILE")]
Model = Annotated[str, arg(metavar="AGENT")]
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
