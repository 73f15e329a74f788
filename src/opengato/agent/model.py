"""The agent: embed each modality into its slots, run the trunk, let each modality's head read its slots.

Letters: B rows, T slots, S all slots of a batch, N positions of one modality, P its payload row, D width, J moments of
all sounds, V classes of a CTC head.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from opengato.agent import likelihood
from opengato.agent.axes import axes_of
from opengato.agent.belief import which_task
from opengato.agent.compose import compose
from opengato.agent.draw import draw
from opengato.agent.inputs import read, read_as_asked
from opengato.agent.policy import AgentPolicy, Limits, SinglePolicy
from opengato.agent.slots import Slots
from opengato.agent.stream import Written, stream, write_action
from opengato.core.backbone import AxialBackbone, Backbone
from opengato.core.batch import PackedBatch
from opengato.core.episode import Episode
from opengato.core.modality import Modality, Sampling
from opengato.core.sequence import UNREAD
from opengato.core.serialize import TEXT, Layout, Serializer
from opengato.core.views import PICTURE
from opengato.nn import lora
from opengato.nn.contrast import Config as ContrastConfig
from opengato.nn.ctc import Config as CtcConfig
from opengato.nn.decision import Config as DecisionConfig
from opengato.nn.int8 import num_int8
from opengato.nn.private import Config as PrivateConfig
from opengato.nn.spaces import Config as SpacesConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """All that rebuilds an agent: modalities by name in the order of the layout, routes, a backbone.

    `context` is the length of a training row in slots; `num_local` places within a step's observation are told apart.
    With `parallel_actions` a position of an action holds nothing but its place, in training as in acting: the numbers
    of an action are then predicted given the past but not one another, all in one pass [Reed et al. 2022, app. G].
    `adapters` beside the trunk's matrices are those of a fine-tuning under way. `contrast` is the head that makes
    vectors for retrieval, where there is one (`objectives/pairing.py`), or the common spaces of several senses; `ctc`
    the one that spells what is said in a recording (`objectives/spelling.py`). `tasks` are those that parts of
    the agent know by their number; a run fills them in where `decision` (objective `decision`), `private` or the
    objective asks for them.
    """

    modalities: dict[str, Any]
    routes: dict[str, str]
    backbone: Any
    context: int = 256
    num_local: int = 32
    parallel_actions: bool = False
    adapters: lora.Config | None = None
    contrast: ContrastConfig | SpacesConfig | None = None
    ctc: CtcConfig | None = None
    tasks: tuple[str, ...] = ()
    decision: DecisionConfig | None = None
    private: PrivateConfig | None = None

    @property
    def layout(self) -> Layout:
        return Layout(order=tuple(self.modalities), routes=self.routes, parallel_actions=self.parallel_actions)

    def serializer(self) -> Serializer:
        """The layout rule with this config's codecs (numpy only: fit for loader workers)."""
        return Serializer(self.layout, {name: modality.codec() for name, modality in self.modalities.items()})

    def build(self) -> Agent:
        return Agent(self)


class Agent(nn.Module):
    """One network for all modalities and tasks. `card` says what it was trained on; see `opengato.load`."""

    def __init__(self, config: Config, card: dict[str, Any] | None = None):
        super().__init__()
        self.config = config
        self.card: dict[str, Any] = card or {}
        self.backbone: Backbone = config.backbone.build()
        if isinstance(self.backbone, AxialBackbone) and len(config.modalities) > self.backbone.kinds:
            raise ValueError(
                f"the agent has {len(config.modalities)} modalities, but its trunk tells {self.backbone.kinds} kinds "
                f"apart; set `kinds` to {len(config.modalities)}"
            )
        if config.adapters is not None:
            lora.adapt(self.backbone, config.adapters)
        width = self.backbone.width
        self.modalities = nn.ModuleDict({name: m.build(width) for name, m in config.modalities.items()})
        # Place 0 is "not in an observation"; place i + 1 is the i-th position of a step's observation.
        self.local = nn.Embedding(config.num_local + 1, width)
        nn.init.normal_(self.local.weight, std=0.2)
        self.contrast = None if config.contrast is None else config.contrast.build(width)
        self.ctc = None if config.ctc is None else config.ctc.build(width)
        tasks, names = len(config.tasks), tuple(config.modalities)
        self.decision = None if config.decision is None else config.decision.build(width, tasks, len(names))
        self.private = None if config.private is None else config.private.build(width, tasks, names)
        self.serializer = config.serializer()

    @property
    def context(self) -> int:
        """Slots of a training row."""
        return self.config.context

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters()) + num_int8(self)

    @property
    def writes(self) -> bool:
        """Whether it can go on with a text: a trunk that sees what comes after a slot cannot."""
        return self.backbone.causal

    @property
    def device(self) -> torch.device:
        return self.local.weight.device

    def modality(self, name: str) -> Modality:
        module = self.modalities[name]
        assert isinstance(module, Modality)
        return module

    def task_number(self, task_id: str) -> int:
        """The number of a task among those that parts of this agent know; -1 for any other."""
        tasks = self.config.tasks
        return tasks.index(task_id) if task_id in tasks else -1

    def for_head(self, h_ND: Tensor, name: str, task_N: Tensor | None = None) -> Tensor:
        """What the head of a modality reads of hidden states; `task_N`, below 0 where not known, is their task."""
        if self.decision is not None:
            h_ND = self.decision.told(h_ND, task_N, tuple(self.config.modalities).index(name))
        return h_ND if self.private is None else self.private(h_ND, task_N, name)

    def embed_slots(self, payload: dict[str, Tensor], slot_N: dict[str, Tensor], local_BT: Tensor) -> Tensor:
        """Vectors x_BTD of all slots; one without a row (padding), or not to be read, holds its local code alone."""
        return self.in_slots(self.vectors(payload), slot_N, local_BT)

    def vectors(self, payload: dict[str, Tensor]) -> dict[str, Tensor]:
        """Rows of each modality as vectors x_ND."""
        return {name: self.modality(name).embed(rows_NP) for name, rows_NP in payload.items() if len(rows_NP)}

    def in_slots(self, vectors: dict[str, Tensor], slot_N: dict[str, Tensor], local_BT: Tensor) -> Tensor:
        """Vectors of rows at their slots, x_BTD, with the local code of each slot."""
        place_BT = (local_BT.to(torch.int64) + 1).clamp(min=0, max=self.config.num_local)
        x_SD = self.local(place_BT).flatten(0, 1)
        for name, vector_ND in vectors.items():
            x_ND = vector_ND.to(x_SD.dtype)
            if self.config.parallel_actions:
                x_ND = x_ND * (local_BT.flatten()[slot_N[name]] != UNREAD)[:, None]
            x_SD = x_SD.index_add(0, slot_N[name], x_ND)
        return x_SD.view(*local_BT.shape, -1)

    def forward(self, batch: PackedBatch) -> Tensor:
        """Hidden states h_BTD of a packed batch."""
        x_BTD = self.embed_slots(batch.payload, batch.slot_N, batch.local_BT)
        return self.backbone(x_BTD, *self.places(batch))

    def places(self, read: PackedBatch | Slots) -> tuple[Tensor, ...]:
        """What this agent's trunk asks about slots beside their vectors."""
        return (*read.places, *([axes_of(self, read)] if isinstance(self.backbone, AxialBackbone) else []))

    def with_costs(self, batch: PackedBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """Hidden states h_BTD, and what the trunk asks to be kept small beside any loss."""
        x_BTD = self.embed_slots(batch.payload, batch.slot_N, batch.local_BT)
        return self.backbone.with_costs(x_BTD, *self.places(batch))

    def losses(self, batch: PackedBatch) -> dict[str, Tensor]:
        """Negative log-likelihood of each predicted row, by modality; heads run on those rows alone."""
        return self.losses_of(self(batch), batch)

    def losses_of(self, h_BTD: Tensor, batch: PackedBatch) -> dict[str, Tensor]:
        """The same from the hidden states of the batch, for an objective that has other uses for them.

        ValueError where the trunk sees what comes after a slot: it would read what it is to predict.
        """
        if not self.backbone.causal:
            raise ValueError(
                f"a trunk of {type(self.backbone).__name__} sees what comes after a slot, so that the next row is no "
                "target; choose a causal backbone such as `decoder`, or an objective that hides what it asks for"
            )
        h_SD = h_BTD.flatten(0, 1)
        task_S = None if batch.task_BT is None else batch.task_BT.flatten()
        losses = {}
        for name, rows_NP in batch.payload.items():
            target_N = batch.predict_N[name]
            if bool(target_N.any()):
                before_N = batch.slot_N[name][target_N] - 1
                read_ND = self.for_head(h_SD[before_N], name, None if task_S is None else task_S[before_N])
                losses[name] = self.modality(name).loss(read_ND, rows_NP[target_N])
        return losses

    def spelling(self, x_BTD: Tensor, slot_N: Tensor, places: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """log p (J, V) of the CTC head at the flat slots of sounds; `places` are what the trunk asks about all slots.

        Behind the trunk, a sound is all that its slots see there: neither an instruction nor what was said in it.
        """
        assert self.ctc is not None, "an agent without a head was asked to spell"
        if self.ctc.after_trunk:
            document_BT, position_BT, prompt_BT = places
            alone_S = torch.full_like(document_BT, -1).flatten()
            alone_S[slot_N] = document_BT.flatten()[slot_N]
            x_BTD = self.backbone(x_BTD, alone_S.view_as(document_BT), position_BT, prompt_BT)
        return self.ctc(x_BTD.flatten(0, 1)[slot_N])

    def policy(
        self,
        task_id: str,
        instruction: str | None = None,
        prompt: Episode | None = None,
        temperature: float = 0.0,
        seed: int = 0,
        target_return: float | None = None,
        **limits: Any,
    ) -> SinglePolicy:
        """The agent in one environment: `policy.reset()`, then `policy.act(observation)`.

        `instruction` defaults to the task's; `prompt` is a demonstration that the model reads first; `target_return` is
        asked of an agent with returns in sight. `limits` are the fields of `Limits`.
        """
        policy = AgentPolicy(self, temperature, seed, 1, prompt, Limits(**limits), target_return)
        return SinglePolicy(policy, task_id, instruction)

    def generate(
        self,
        inputs: list[Any] | str,
        max_new_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
        top_p: float = 0.95,
        top_k: int | None = None,
        window: int | None = None,
    ) -> str:
        """Text after strings, pictures, sounds and films in any order (`inputs.read`); stops at the end marker.

        `window` positions are in sight of each layer (default: as in training).
        """
        return "".join(self.stream(inputs, max_new_tokens, temperature, seed, top_p, top_k, window))

    def stream(
        self,
        inputs: list[Any] | str,
        max_new_tokens: int = 64,
        temperature: float = 0.0,
        seed: int = 0,
        top_p: float = 0.95,
        top_k: int | None = None,
        window: int | None = None,
    ) -> Generator[str, None, bool]:
        """What `generate` gives, in the pieces in which it is written; joined they are the same."""
        sampling = self._sampling(temperature, seed, top_p, top_k)
        given = read(self, [inputs] if isinstance(inputs, str) else list(inputs))
        return stream(self, given, max_new_tokens, sampling, window)

    def compose(
        self,
        inputs: list[Any] | str,
        max_new_tokens: int = 256,
        temperature: float = 1.0,
        seed: int = 0,
        top_p: float = 0.95,
        top_k: int | None = None,
        window: int | None = None,
    ) -> list[str | Image.Image]:
        """Texts and pictures in the order written, in answer to inputs as `generate` takes them; strings alone ask.

        It stops at the end of the message. ValueError from an agent that writes text alone.
        """
        sampling = self._sampling(temperature, seed, top_p, top_k)
        given = read_as_asked(self, [inputs] if isinstance(inputs, str) else list(inputs))
        message: list[Any] = []
        for kind, value in compose(self, given, max_new_tokens, sampling, window):
            if kind == PICTURE.kind:
                message.append(Image.fromarray(value))
            elif kind == TEXT.kind and message and isinstance(message[-1], str):
                message[-1] += value
            else:
                message.append(value)
        return message

    def draw(
        self,
        text: str,
        temperature: float = 1.0,
        seed: int = 0,
        top_p: float = 0.95,
        top_k: int | None = None,
        window: int | None = None,
    ) -> Image.Image:
        """A picture of what a text says, by an agent that was taught to draw; ValueError from others."""
        return Image.fromarray(draw(self, text, self._sampling(temperature, seed, top_p, top_k), window))

    def _sampling(self, temperature: float, seed: int, top_p: float, top_k: int | None) -> Sampling:
        generator = torch.Generator(device=self.device).manual_seed(seed)
        return Sampling(temperature=temperature, top_p=top_p, top_k=top_k, generator=generator)

    def answer(self, episode: Episode, max_new_tokens: int = 64) -> Written:
        """What it writes, greedily, in place of the last action of `episode`, having read all that comes before."""
        return write_action(self, episode, max_new_tokens)

    def log_likelihood(self, episodes: list[Episode]) -> list[np.ndarray]:
        """Negative log-likelihood (nats) of each predicted position of each episode, in order."""
        return likelihood.log_likelihood(self, episodes)

    def embed(self, inputs: list[list[Any]]) -> np.ndarray:
        """One vector (n, D) an item, each a list of inputs as for `generate`, for retrieval by their cosines.

        Those of the contrastive head, of length 1, where the agent has one; else mean hidden states.
        """
        return likelihood.embed(self, inputs)

    def features(self, episodes: list[Episode]) -> np.ndarray:
        """What was made of what each episode observes (n, D), read without instruction and action, for a probe.

        That is the mean hidden state, or the place in common spaces of an agent that has such.
        """
        return likelihood.features(self, episodes)

    def which_task(self, episode: Episode) -> dict[str, float]:
        """How sure it is of which task an episode is, the likeliest first; of a task that it does not know, too.

        ValueError from an agent without the heads (objective `decision`).
        """
        return which_task(self, episode)

    def spell(self, sound: bytes) -> str:
        """What is said in a recording, letter by letter as it is heard; ValueError from an agent without the head."""
        return likelihood.spell(self, sound)

    def spec(self) -> str:
        """What goes in, what comes out, tasks, size and context, as text."""
        lines = [
            f"opengato agent: {self.num_parameters / 1e6:.2f}M parameters, context {self.context} positions",
            f"backbone: {self.config.backbone}",
        ]
        for route, name in self.config.routes.items():
            lines.append(f"  {route:24s} -> {name}: {self.config.modalities[name]}"[:160])
        tasks = self.card.get("tasks", [])
        if tasks:
            families: dict[str, list[str]] = {}
            for task in tasks:
                families.setdefault(task.split("/")[0], []).append(task.split("/")[1])
            lines += [f"{family}: {len(names)} tasks ({', '.join(names)})" for family, names in families.items()]
        return "\n".join(lines)
