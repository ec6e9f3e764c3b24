"""The motion transformer: a caption and the frames so far in, the next frame and labels out.

Shapes: B clips, T frames, P numbers per pose, E the width of the caption's embedding, D the width
of the model, A actions.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from ablate.systems.common.blocks import Block, FeedForward, Norm, Placement

Position = Literal["rope", "sinusoidal", "none"]

ACTION_WIDTH = 64
PHYSICS = 6
ENVIRONMENTS = 32
WIDTH_FACTOR = {"swiglu": 4, "gelu": 6}
"""Feed-forward width over d_model at which both kinds have 12 d_model^2 parameters."""


@dataclass(frozen=True)
class Inputs:
    """What a model may look at; the partner is None where the data has none."""

    text_BE: Tensor
    pose_BTP: Tensor
    actions_BT: Tensor
    camera_BT3: Tensor
    partner_BTP: Tensor | None


@dataclass(frozen=True)
class Prediction:
    """The pose of the frame after each input frame, and what is said of the input frames.

    `physics_BT6` is velocity, acceleration and momentum, each x and y, in standard deviations of
    the training clips. The last three describe the clip as a whole. None stands for what a model
    does not predict.
    """

    pose_BTP: Tensor
    action_BTA: Tensor | None = None
    physics_BT6: Tensor | None = None
    position_B2: Tensor | None = None
    velocity_B2: Tensor | None = None
    environment_BV: Tensor | None = None

    def only(self, clip: int) -> "Prediction":
        """Return what is predicted of one clip, as a batch of its own."""
        there = {name: value for name, value in vars(self).items() if value is not None}
        return replace(self, **{name: value[clip : clip + 1] for name, value in there.items()})


@dataclass(frozen=True)
class Architecture:
    """The sizes and switches of a `MotionTransformer`; `MotionModule` says what each means."""

    d_model: int = 384
    nhead: int = 12
    num_layers: int = 8
    input_dim: int = 20
    embedding_dim: int = 1024
    num_actions: int = 64
    dropout: float = 0.1
    norm: Norm = "rms"
    feed_forward: FeedForward = "swiglu"
    feed_forward_width: int | None = None
    placement: Placement = "pre"
    position: Position = "rope"
    text: bool = True
    action_conditioning: bool = False
    camera_conditioning: bool = True
    partner_conditioning: bool = False
    causal: bool = True
    residual_pose: bool = False
    clip_heads: bool = True

    @property
    def width(self) -> int:
        """The feed-forward width; by default the one that makes both kinds equally large."""
        return self.feed_forward_width or WIDTH_FACTOR[self.feed_forward] * self.d_model

    def violations(self) -> list[str]:
        """Say of every value that does not hold what is wrong and what would do."""
        counts = ("d_model", "nhead", "num_layers", "input_dim", "embedding_dim", "num_actions")
        found = [
            f"{name} must be at least 1, not {value}"
            for name in (*counts, "feed_forward_width")
            if (value := getattr(self, name)) is not None and value < 1
        ]
        if not 0 <= self.dropout < 1:
            found.append(f"dropout must be in [0, 1), not {self.dropout}")
        if self.input_dim % 2:
            found.append(f"input_dim must be even (x and y of each joint), not {self.input_dim}")
        if self.d_model % 4:
            found.append(f"d_model must be a multiple of 4, not {self.d_model}")
        if self.d_model > 0 and self.nhead > 0:
            found += self._head_violations()
        return found

    def _head_violations(self) -> list[str]:
        rotary = self.position == "rope"
        if self.d_model % self.nhead:
            wrong = f"d_model {self.d_model} is not divisible by nhead {self.nhead}"
        elif rotary and self.d_model // self.nhead % 2:
            wrong = (
                f"rope needs an even width per head, and d_model {self.d_model} / nhead "
                f"{self.nhead} is {self.d_model // self.nhead}"
            )
        else:
            return []
        unit = 2 if rotary else 1
        fitting = [n for n in range(1, self.d_model + 1) if self.d_model % (n * unit) == 0]
        below = [n for n in fitting if n < self.nhead][-1:]
        above = [n for n in fitting if n > self.nhead][:1]
        hint = " or ".join(map(str, below + above))
        return [f"{wrong}; " + (f"nhead {hint} would do" if hint else "choose another d_model")]


class MotionTransformer(nn.Module):
    """A caption as first token, frames after it, transformer layers, and a head per prediction.

    Conditions are added to the frames' embeddings; the heads read the stream without a last norm.
    Position, velocity and environment are read off the mean over time.

    Raises ValueError with every violation of `Architecture`.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = architecture
        if found := a.violations():
            raise ValueError("; ".join(found))
        d, p = a.d_model, a.dropout
        self.architecture = a
        self.text = _text_projection(a.embedding_dim, d, p) if a.text else None
        self.motion = _condition(a.input_dim, d // 2, d, p)
        self.action = _action_condition(a.num_actions, d, p) if a.action_conditioning else None
        self.camera = _condition(3, d // 4, d, p) if a.camera_conditioning else None
        self.partner = _condition(a.input_dim, d // 2, d, p) if a.partner_conditioning else None
        self.layers = nn.ModuleList(_layer(a) for _ in range(a.num_layers))
        self.pose_head = _head(d, d // 2, a.input_dim, p)
        self.action_head = _head(d, d // 2, a.num_actions, p)
        self.physics_head = _head(d, d // 2, PHYSICS, p)
        self.position_head = _head(d, d // 4, 2, p) if a.clip_heads else None
        self.velocity_head = _head(d, d // 4, 2, p) if a.clip_heads else None
        self.environment_head = _head(d, d // 2, ENVIRONMENTS, p) if a.clip_heads else None
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, inputs: Inputs) -> Prediction:
        """Predict from clips of any length."""
        hidden_BTD = self.encode(inputs)
        mean_BD = hidden_BTD.mean(1)
        pose_BTP = self.pose_head(hidden_BTD)
        if self.architecture.residual_pose:
            pose_BTP = pose_BTP + inputs.pose_BTP
        return Prediction(
            pose_BTP,
            self.action_head(hidden_BTD),
            self.physics_head(hidden_BTD),
            _maybe(self.position_head, mean_BD),
            _maybe(self.velocity_head, mean_BD),
            _maybe(self.environment_head, mean_BD),
        )

    def encode(self, inputs: Inputs) -> Tensor:
        """Return the residual stream of the frames after the last layer, (B, T, D)."""
        x_BTD = self._embed(inputs)
        if self.text is not None:
            x_BTD = torch.cat([self.text(inputs.text_BE)[:, None], x_BTD], 1)
        if self.architecture.position == "sinusoidal":
            position_T = torch.arange(x_BTD.shape[1], device=x_BTD.device)
            x_BTD = x_BTD + sinusoids(position_T, x_BTD.shape[2]).to(x_BTD)
        for layer in self.layers:
            x_BTD = layer(x_BTD)
        return x_BTD if self.text is None else x_BTD[:, 1:]

    def _embed(self, inputs: Inputs) -> Tensor:
        self._check(inputs)
        x_BTD: Tensor = self.motion(inputs.pose_BTP)
        if self.action is not None:
            x_BTD = x_BTD + self.action(inputs.actions_BT)
        if self.camera is not None:
            x_BTD = x_BTD + self.camera(inputs.camera_BT3)
        if self.partner is not None:
            x_BTD = x_BTD + self.partner(inputs.partner_BTP)
        return x_BTD

    def _check(self, inputs: Inputs) -> None:
        a = self.architecture
        found = []
        if inputs.pose_BTP.shape[-1] != a.input_dim:
            found.append(f"input_dim is {a.input_dim}, but poses have {inputs.pose_BTP.shape[-1]}")
        if a.text and inputs.text_BE.shape[-1] != a.embedding_dim:
            width = inputs.text_BE.shape[-1]
            found.append(
                f"embedding_dim is {a.embedding_dim}, but the data embeds captions in {width} "
                "numbers: make it the data's embedding_width"
            )
        if a.partner_conditioning and inputs.partner_BTP is None:
            found.append("partner_conditioning needs data with `partner: true`")
        if found:
            raise ValueError("; ".join(found))


def sinusoids(position_T: Tensor, width: int) -> Tensor:
    """Return sines and cosines of position / 10000^(2i/width), (T, width) (Vaswani et al. 2017)."""
    order = torch.arange(0, width, 2, device=position_T.device)
    angle = torch.outer(position_T.float(), torch.exp(order * (-math.log(10_000.0) / width)))
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


def _layer(a: Architecture) -> Block:
    return Block(
        a.d_model,
        a.nhead,
        a.width,
        norm=a.norm,
        placement=a.placement,
        feed_forward=a.feed_forward,
        rotary=a.position == "rope",
        causal=a.causal,
        dropout=a.dropout,
    )


def _text_projection(inputs: int, d_model: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, 2 * d_model),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(2 * d_model, d_model),
        nn.LayerNorm(d_model),
        nn.Dropout(dropout),
    )


def _condition(inputs: int, inner: int, d_model: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, inner),
        nn.GELU(),
        nn.Linear(inner, d_model),
        nn.LayerNorm(d_model),
        nn.Dropout(dropout),
    )


def _action_condition(actions: int, d_model: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Embedding(actions, ACTION_WIDTH),
        nn.Linear(ACTION_WIDTH, d_model),
        nn.LayerNorm(d_model),
        nn.Dropout(dropout),
    )


def _head(d_model: int, inner: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(d_model, inner), nn.GELU(), nn.Dropout(dropout), nn.Linear(inner, outputs)
    )


def _maybe(head: nn.Module | None, x_BD: Tensor) -> Tensor | None:
    return None if head is None else head(x_BD)
