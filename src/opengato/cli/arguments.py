"""What each sub-command takes: a dataclass each, whose docstring is its help and holds its examples.

Nothing heavy is imported here, so that `--help` and a mistyped option answer at once. `SECTIONS` says which function of
which module runs a command; it is imported when its arguments have been read.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from opengato.cli.analysis_arguments import AnalyseAttention, AnalyseEmbeddings, AnalyseInterference
from opengato.cli.arena_arguments import Compare
from opengato.cli.argument_types import Acting, Agent, Flag, Recipe, Settings, Workers
from opengato.cli.data_arguments import Collect, DataShow, DataStats, DataValidate, Export, Import, Inspect
from opengato.cli.finetuning_arguments import FewShot, Finetune, StudyOf
from opengato.cli.perceiver_arguments import (
    PerceiverAutoencode,
    PerceiverClassify,
    PerceiverFill,
    PerceiverFlow,
    PerceiverMeasure,
    PerceiverTrain,
)
from opengato.cli.senses_arguments import Ask, Caption, Draw, Index, Retrieve, Search, Transcribe
from opengato.cli.serving_arguments import Client, Serve


@dataclass(frozen=True, kw_only=True, slots=True)
class Demo:
    """See an agent play, describe pictures and write: scores, videos, a report, and a live page in the browser.

    The scores take about three minutes on two CPU cores. Then, where the output is a terminal, the page is served on
    this machine until Ctrl-C, and a browser opened if there is one. In a pipe it prints where the report is, and ends.

    For example:
        opengato demo
        opengato demo --page-only
        opengato demo --model runs/tiny --out out/mine --no-serve
    """

    model: Annotated[str, arg(metavar="AGENT")] = "tiny"
    """A shipped agent, or the folder of an agent, a checkpoint or a run."""
    out: Annotated[Path, arg(metavar="FOLDER")] = Path("out/demo")
    """Where the report, its videos and `report.json` go."""
    no_serve: Flag = False
    """Write the report and end, also in a terminal."""
    page_only: Flag = False
    """Serve the page at once, without scores of this machine; also without a terminal."""
    port: int = 8400
    """The page's port; where it is taken, a free one."""
    data: Annotated[Path, arg(metavar="FOLDER")] = Path("data")
    """Stores that the page browses."""
    runs: Annotated[Path, arg(metavar="FOLDER")] = Path("runs")
    """Trainings whose curves the page draws."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Evaluate:
    """Measure an agent: returns against random and expert, bits per byte of text, the right caption among others.

    For example:
        opengato evaluate tiny
        opengato evaluate runs/tiny --tasks babyai,caption --episodes 20
        opengato evaluate tiny --tasks 'metaworld/door-*' --json out.json
        opengato evaluate tiny --tasks metaworld --history 1
        opengato evaluate tiny --tasks babyai --anchors jat
        opengato evaluate random --tasks babyai/GoToLocal --plot out.png
    """

    agent: Agent
    """A shipped agent, the folder of an agent, a checkpoint or a run; or `random` or `expert`, to compare with."""
    tasks: Annotated[str | None, arg(metavar="TASKS", help_behavior_hint="(default: all it was trained on)")] = None
    """Separated by commas: `babyai` (those it was trained on), `babyai/*` (all), a pattern, a task, or `all`."""
    episodes: int = 50
    """Episodes of each control task."""
    seed: int = 0
    """Episode i is the one of seed SEED + i."""
    documents: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: all)")] = None
    """Held-out pictures, windows of text and other documents to measure, of each task."""
    data: Annotated[Path, arg(metavar="FOLDER")] = Path("data")
    """Where `opengato import` put the corpora whose held-out parts are measured."""
    num_envs: int = 16
    """Environments side by side; the result does not depend on it."""
    processes: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: one per spare core)")] = None
    """Processes that run them; 0 runs them beside the network. Nor does it depend on these."""
    acting: Annotated[Acting, arg(name="")] = field(default_factory=Acting)
    """How it acts in the control tasks."""
    prompted: Flag = False
    """Let it read a successful episode of the expert before each episode, as Gato does."""
    uninstructed: Flag = False
    """Do not tell it its instruction."""
    anchors: Literal["measured", "jat"] = "measured"
    """Whose random and expert returns are 0 and 1: those measured here, or those of JAT."""
    json: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """Write the whole report, every episode; broken off, the same command goes on."""
    plot: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """Draw the control tasks (.png, .svg, .pdf)."""
    plot_kind: Literal["scores", "tasks"] = "scores"
    """The score of each task, or how many tasks reach each percentage of the expert, by family."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Play:
    """Play one episode of a task and make a video of it.

    For example:
        opengato play tiny babyai/GoToLocal --seed 3 --out ball.mp4
        opengato play tiny babyai/GoToLocal --instruction 'go to the red key'
        opengato play expert metaworld/drawer-open
    """

    agent: Agent
    """A shipped agent, the folder of an agent, a checkpoint or a run; or `random` or `expert`."""
    task: Annotated[str, Positional, arg(metavar="TASK")]
    """A control task; `opengato tasks` lists them."""
    seed: int = 0
    """Which episode."""
    out: Annotated[Path, arg(metavar="FILE")] = Path("out/videos")
    """The video (.mp4 or .webp), or a folder for it."""
    instruction: Annotated[str | None, arg(metavar="TEXT", help_behavior_hint="(default: the episode's own)")] = None
    """What the agent is told. The episode is still judged by its own instruction."""
    acting: Annotated[Acting, arg(name="")] = field(default_factory=Acting)
    """How it acts."""
    size: int = 256
    """Width of the picture in pixels."""
    json: Flag = False
    """Print how it went as JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Chat:
    """Type a text and let an agent continue it; show it pictures, sounds and films. Reads a pipe as well.

    In the chat: `/show FILE` shows a picture, a sound or a film, `/temperature 0.7` and `/length 80` set how it writes,
    `/clear` takes what was shown away, `/quit` ends. Ctrl-C ends an answer.

    For example:
        opengato chat tiny
        opengato chat runs/tiny --temperature 0 --length 200
    """

    agent: Agent
    """A shipped agent, or the folder of an agent, a checkpoint or a run."""
    temperature: float = 0.7
    """0 always takes the likeliest token, above 0 draws."""
    top_k: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: all)")] = None
    """Draw from the N likeliest tokens."""
    top_p: float = 0.95
    """Draw from the likeliest tokens that hold this share of the mass."""
    length: int = 80
    """Tokens to write at most."""
    seed: int = 0
    """The same seed and the same lines give the same answers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Train:
    """Train a recipe. Brings its data first; the same command goes on where it was broken off.

    For example:
        opengato train tiny
        opengato train tiny train.steps=1000 --out runs/short
        opengato train data/mine --env mine.py
        opengato train tiny train.optim.learning_rate=1e-3 --dry-run
    """

    recipe: Recipe
    """A recipe (`opengato recipes ls`), a file made by `opengato recipes cp`, or a store of episodes of your own."""
    settings: Settings = ()
    """What to change in it; `--dry-run` lists what there is."""
    out: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: runs/RECIPE)")] = None
    """Where checkpoints, the log and the agent go."""
    data: Annotated[Path, arg(metavar="FOLDER")] = Path("data")
    """Where data are, or are brought to."""
    workers: Workers = None
    """Processes that collect episodes."""
    dry_run: Flag = False
    """Only print every setting, what data are there, the number of parameters, and what memory it needs."""
    json: Flag = False
    """With --dry-run: print as JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Pretrain(Train):
    """Train a recipe that needs no labels, for other trainings to begin with. It is `train` by the name of its use.

    `start=FOLDER` lets a recipe begin with what was learnt, `opengato finetune` goes on from it.

    For example:
        opengato pretrain data2vec-sounds
        opengato pretrain data2vec-pictures train.steps=500 --out runs/short
    """


@dataclass(frozen=True, kw_only=True, slots=True)
class Tasks:
    """The control tasks: instruction, longest episode, expert, and what random actions and the expert achieve.

    For example:
        opengato tasks
        opengato tasks --family metaworld
        opengato tasks --family babyai --scores
        opengato tasks --json
    """

    family: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="(default: all)")] = None
    """Only one family."""
    scores: Flag = False
    """In full what random actions and the expert achieve, what the expert costs, and JAT's figures beside them."""
    json: Flag = False
    """Print as JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """Measure what random actions and the expert reach in tasks, which makes scores of returns.

    Writes the `scores.json` of each family. Episodes that are measured already are kept and missing ones are added, so
    the same command goes on.

    For example:
        opengato measure classic
        opengato measure 'dmc/walker-*' --episodes 50
        opengato measure babyai/GoToLocal --again
    """

    tasks: Annotated[tuple[str, ...], Positional, arg(metavar="FAMILY|TASK ...")]
    """Families, tasks, or patterns such as 'babyai/GoTo*'."""
    episodes: Annotated[int, arg(metavar="N")] = 20
    """Episodes of each task and policy, of the seeds 0, 1, ..."""
    seconds: Annotated[float, arg(metavar="S")] = 600.0
    """Processor seconds for a task and a policy; where they are spent, five episodes are enough."""
    again: Flag = False
    """Measure again what is measured."""
    workers: Workers = None
    """Processes that play."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipesLs:
    """List the recipes.

    For example:
        opengato recipes ls
    """

    json: Flag = False
    """Print as JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipesShow:
    """Print the text of a recipe.

    For example:
        opengato recipes show tiny
    """

    name: Recipe
    """A recipe."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipesCp:
    """Copy a recipe to a file of your own, to change it and to train it.

    For example:
        opengato recipes cp tiny mine.py
    """

    name: Recipe
    """A recipe."""
    to: Annotated[Path, Positional, arg(metavar="FILE")]
    """A new file that ends in .py."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecipesGato:
    """What Gato was trained on, and what of it stands here.

    For example:
        opengato recipes gato
    """

    json: Flag = False
    """Print as JSON."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bench:
    """Run the benchmarks behind the claims of the documentation; they are part of the repository.

    For example:
        opengato bench --list
        opengato bench
    """

    names: Annotated[tuple[str, ...], Positional, arg(metavar="[NAME ...]", help_behavior_hint="(default: all)")] = ()
    """Which ones."""
    list: Flag = False
    """Only list them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Doctor:
    """What this machine has, what is missing, and the command that brings it.

    With a recipe also what its training needs of memory. With --plan only what its training would need of several
    GPUs: memory, how they share the network, what they send, and hours, with the arithmetic.

    For example:
        opengato doctor
        opengato doctor tiny
        opengato doctor --plan gato-1b --gpus 8 --gpu h100
    """

    recipe: Annotated[str | None, Positional, arg(metavar="RECIPE", help_behavior_hint="")] = None
    """A recipe, or a file made by `opengato recipes cp`."""
    plan: Annotated[str | None, arg(metavar="RECIPE", help_behavior_hint="")] = None
    """A recipe to plan for GPUs; nothing of this machine matters for it."""
    gpus: Annotated[int, arg(metavar="N")] = 8
    """With --plan: how many, 8 in a machine."""
    gpu: Annotated[str, arg(metavar="NAME")] = "h100"
    """With --plan: h100, h200, a100 or l40s, with the peaks of their data sheets."""
    mfu: Annotated[float, arg(metavar="SHARE")] = 0.4
    """With --plan: the share of the peak that is assumed to be reached."""
    json: Flag = False
    """Print as JSON."""


SECTIONS: dict[str, dict[str, tuple[type, str]]] = {
    "Use an agent": {
        "demo": (Demo, "opengato.cli.agents:demo"),
        "play": (Play, "opengato.cli.agents:play"),
        "chat": (Chat, "opengato.cli.chat:chat"),
        "caption": (Caption, "opengato.cli.senses:caption"),
        "ask": (Ask, "opengato.cli.senses:ask"),
        "transcribe": (Transcribe, "opengato.cli.senses:transcribe"),
        "retrieve": (Retrieve, "opengato.cli.senses:retrieve"),
        "index": (Index, "opengato.cli.indexing:index"),
        "search": (Search, "opengato.cli.indexing:search"),
        "draw": (Draw, "opengato.cli.senses:draw"),
        "serve": (Serve, "opengato.cli.serving:serve"),
        "client": (Client, "opengato.cli.serving:client"),
        "evaluate": (Evaluate, "opengato.cli.agents:evaluate"),
        "analyse embeddings": (AnalyseEmbeddings, "opengato.cli.analysis:embeddings"),
        "analyse attention": (AnalyseAttention, "opengato.cli.analysis:attention"),
        "analyse interference": (AnalyseInterference, "opengato.cli.analysis:interference"),
    },
    "Make an agent": {
        "train": (Train, "opengato.cli.training:train"),
        "pretrain": (Pretrain, "opengato.cli.training:train"),
        "finetune": (Finetune, "opengato.cli.finetuning:finetune"),
        "few-shot": (FewShot, "opengato.cli.finetuning:few_shot"),
        "study": (StudyOf, "opengato.cli.studying:study"),
        "compare": (Compare, "opengato.cli.comparing:compare"),
        "recipes ls": (RecipesLs, "opengato.cli.training:recipes_ls"),
        "recipes show": (RecipesShow, "opengato.cli.training:recipes_show"),
        "recipes cp": (RecipesCp, "opengato.cli.training:recipes_cp"),
        "recipes gato": (RecipesGato, "opengato.cli.training:recipes_gato"),
        "inspect": (Inspect, "opengato.cli.positions:inspect"),
    },
    "Perceiver": {
        "perceiver train": (PerceiverTrain, "opengato.cli.perceiver:train"),
        "perceiver measure": (PerceiverMeasure, "opengato.cli.perceiver:measure"),
        "perceiver flow": (PerceiverFlow, "opengato.cli.perceiver:flow"),
        "perceiver fill": (PerceiverFill, "opengato.cli.perceiver:fill"),
        "perceiver classify": (PerceiverClassify, "opengato.cli.perceiver:classify"),
        "perceiver autoencode": (PerceiverAutoencode, "opengato.cli.perceiver:autoencode"),
    },
    "Tasks and data": {
        "tasks": (Tasks, "opengato.cli.tasks:tasks"),
        "measure": (Measure, "opengato.cli.tasks:measure"),
        "collect": (Collect, "opengato.cli.collecting:collect"),
        "import": (Import, "opengato.cli.data:import_data"),
        "export": (Export, "opengato.cli.data:export"),
        "data stats": (DataStats, "opengato.cli.data:stats"),
        "data show": (DataShow, "opengato.cli.data:show"),
        "data validate": (DataValidate, "opengato.cli.data:validate"),
    },
    "This machine": {
        "doctor": (Doctor, "opengato.cli.machine:doctor"),
        "bench": (Bench, "opengato.cli.machine:bench"),
    },
}
COMMANDS = {name: command for section in SECTIONS.values() for name, command in section.items()}
