"""The Lightning module of the motion system: its losses, its metrics and its pictures."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor

from ablate.systems.common.accumulation import WeightedAccumulation
from ablate.systems.common.blocks import FeedForward, Norm, Placement
from ablate.systems.motion.data import ClipDataset, MotionBatch
from ablate.systems.motion.diffusion import Diffusion, Refiner
from ablate.systems.motion.evaluation import (
    GIVEN,
    SHORTEST,
    Drawn,
    generation_values,
    step_values,
    to_draw,
)
from ablate.systems.motion.generation import ACTIONS
from ablate.systems.motion.losses import (
    LossWeights,
    Physics,
    action_loss,
    physics_loss,
    pose_loss,
    temporal_loss,
)
from ablate.systems.motion.metrics import Totals, action_accuracy
from ablate.systems.motion.model import (
    Architecture,
    Inputs,
    MotionTransformer,
    Position,
    Prediction,
)
from ablate.systems.motion.pictures import animation, strip
from ablate.systems.motion.predictors import BASELINES, Predictor
from ablate.systems.motion.properties import (
    caption_is_visible,
    labels_are_hidden,
    numbers_give_back_the_joints,
    physics_is_least_at_the_truth,
    positions_are_relative,
)

LAST = 10
"""Frames at the end of a generated clip over which its action is judged."""

ARTIFACTS = "artifacts"

UNREFINED = ("gen_error_cm", "gen_jerk_cm")
JERKS = {
    "jerk_cm": "true_jerk_cm",
    "gen_jerk_cm": "true_gen_jerk_cm",
    "unrefined_gen_jerk_cm": "true_gen_jerk_cm",
}
"""Jerks, and the true ones to which their ratio is logged."""

COLLECTED = (
    "loss",
    "pose_loss",
    "temporal_loss",
    "action_loss",
    "physics_loss",
    "joint_error_cm",
    "last_joint_error_cm",
    "repeat_last_error_cm",
    "constant_velocity_error_cm",
    "action_accuracy",
    "action_accuracy_conditioned",
    "gen_error_5_cm",
    "gen_error_25_cm",
    "gen_error_cm",
    "gen_action_accuracy",
    "gen_action_accuracy_conditioned",
    *JERKS,
    *JERKS.values(),
    "limb_deviation",
    "ground_penetration_cm",
    "foot_slide_cm",
    "unrefined_gen_error_cm",
)
"""What validation collects of each clip; what it has not is not logged."""

_WEIGHTS = LossWeights()
_PHYSICS = Physics()


class MotionModule(WeightedAccumulation):
    """Predict the next frame of every clip, and generate clips from a caption and a few frames.

    In training some clips show only their first frames, later ones being zero, the mean pose: the
    rest has to come from the caption. Generation is the same, one pass for a whole clip. What is
    predicted after an input frame is the pose of the next frame and the action and physics of the
    frame itself. The two baselines have no parameters: they can be validated, not trained.

    Args:
        predictor: "transformer", or a baseline: "repeat_last" or "constant_velocity". Baselines
            read no other argument than `pictures`.
        d_model: Width of the model: a multiple of 4 and of `nhead`.
        nhead: Attention heads; with rope d_model / nhead must be even.
        num_layers: Transformer layers.
        input_dim: Numbers per pose.
        embedding_dim: Width of the data's text embedding.
        num_actions: Classes of the action head, at least those that are named in the data.
        dropout: Rate everywhere.
        norm: "rms" or "layer".
        feed_forward: "swiglu" or "gelu".
        feed_forward_width: Inner width; None: 4 d_model, or 6 with gelu, which is as large.
        placement: Norms before ("pre") or after ("post") each part of a layer.
        position: "rope", "sinusoidal" or "none".
        text: Show the caption, as the first token.
        action_conditioning: Show the action of every frame. The accuracy of predicting what is
            shown is logged as `val_action_accuracy_conditioned`.
        camera_conditioning: Show the camera's x, y and zoom.
        partner_conditioning: Show the motion of the second actor.
        causal: Let no frame see later ones. Without, one-step errors are those of copying.
        residual_pose: Predict the change of the pose rather than the pose.
        clip_heads: Build the heads for position, velocity and environment of the whole clip:
            counted in the published sizes, reached by no loss.
        weights: Weights of the losses.
        physics: Make-up of the physics loss.
        diffusion: Refine generated clips by diffusion; None: do not.
        prefix_probability: Share of training clips that show only their first frames.
        longest_prefix: How many frames those show at most; at least 1.
        pictures: Validation clips drawn at the end of a run, true beside generated, into
            `artifacts/` in the trainer's root directory; none if not all is validated.

    Raises:
        ValueError: Arguments do not hold; the message names all of them.
    """

    def __init__(
        self,
        *,
        predictor: Predictor = "transformer",
        d_model: int = 384,
        nhead: int = 12,
        num_layers: int = 8,
        input_dim: int = 20,
        embedding_dim: int = 1024,
        num_actions: int = 64,
        dropout: float = 0.1,
        norm: Norm = "rms",
        feed_forward: FeedForward = "swiglu",
        feed_forward_width: int | None = None,
        placement: Placement = "pre",
        position: Position = "rope",
        text: bool = True,
        action_conditioning: bool = False,
        camera_conditioning: bool = True,
        partner_conditioning: bool = False,
        causal: bool = True,
        residual_pose: bool = False,
        clip_heads: bool = True,
        weights: LossWeights = _WEIGHTS,
        physics: Physics = _PHYSICS,
        diffusion: Diffusion | None = None,
        prefix_probability: float = 0.5,
        longest_prefix: int = 10,
        pictures: int = 1,
    ) -> None:
        super().__init__()
        architecture = Architecture(
            d_model=d_model,
            nhead=nhead,
            num_layers=num_layers,
            input_dim=input_dim,
            embedding_dim=embedding_dim,
            num_actions=num_actions,
            dropout=dropout,
            norm=norm,
            feed_forward=feed_forward,
            feed_forward_width=feed_forward_width,
            placement=placement,
            position=position,
            text=text,
            action_conditioning=action_conditioning,
            camera_conditioning=camera_conditioning,
            partner_conditioning=partner_conditioning,
            causal=causal,
            residual_pose=residual_pose,
            clip_heads=clip_heads,
        )
        found = [
            *architecture.violations(),
            *weights.violations(),
            *physics.violations(),
            *(diffusion.violations() if diffusion else []),
        ]
        if 1 <= num_actions < len(ACTIONS):
            found.append(f"num_actions must be at least {len(ACTIONS)}, not {num_actions}")
        if not 0 <= prefix_probability <= 1:
            found.append(f"prefix_probability must be in [0, 1], not {prefix_probability}")
        if longest_prefix < 1:
            found.append(f"longest_prefix must be at least 1, not {longest_prefix}")
        if pictures < 0:
            found.append(f"pictures must be at least 0, not {pictures}")
        if found:
            raise ValueError("; ".join(found))
        self.save_hyperparameters()
        self.predictor = predictor
        self.physics = physics
        self.weight = {**asdict(weights), "diffusion": diffusion.weight if diffusion else 0.0}
        self.action_conditioning = action_conditioning
        self.prefix_probability = prefix_probability
        self.longest_prefix = longest_prefix
        self.pictures = pictures
        self.network = MotionTransformer(architecture) if predictor == "transformer" else None
        self.refiner = Refiner(input_dim, diffusion) if diffusion and self.network else None
        self.totals = Totals()
        self.drawn: list[Drawn] = []

    def forward(self, batch: MotionBatch, given: int | Tensor | None = None) -> Prediction:
        """Predict each next frame from all frames before it, or from the first ones that are given.

        `given` is a number of frames, or one per clip, (B,).
        """
        motion_BTP = batch.motion_BTP
        if self.network is None:
            assert not isinstance(given, Tensor)  # noqa: S101
            return Prediction(BASELINES[self.predictor](motion_BTP, batch.scale, given))
        pose_BTP = motion_BTP[:, :-1]
        if given is not None:
            pose_BTP = _only_given(pose_BTP, torch.as_tensor(given, device=pose_BTP.device))
        partner_BTP = batch.partner_BTP
        prediction: Prediction = self.network(
            Inputs(
                text_BE=batch.text_BE,
                pose_BTP=pose_BTP,
                actions_BT=batch.actions_BT[:, :-1],
                camera_BT3=batch.camera_BT3[:, :-1],
                partner_BTP=None if partner_BTP is None else partner_BTP[:, :-1],
            )
        )
        return prediction

    def training_step(self, batch: MotionBatch, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Return the loss of clips of which some show only their first frames."""
        prediction = self(batch, self._random_given(batch))
        losses = self._losses(prediction, batch)
        if self.refiner is not None:
            losses["diffusion"] = self.refiner.loss(batch.motion_BTP[:, 1:], prediction.pose_BTP)
        total, size = self._weighted(losses), len(batch.clip_B)
        named = {"loss": total, **{f"{name}_loss": loss for name, loss in losses.items()}}
        for name, loss in named.items():
            self.log(
                f"train_{name}",
                loss,
                on_step=False,
                on_epoch=True,
                batch_size=size,
                sync_dist=True,
            )
        return self.accumulate(total, size)

    def on_validation_epoch_start(self) -> None:
        """Forget the clips of the epoch before."""
        self.totals.clear()

    def validation_step(self, batch: MotionBatch, batch_idx: int) -> None:
        """Collect the values of each clip: one step ahead, and generated.

        Raises ValueError if the clips are too short to generate from.
        """
        if batch.motion_BTP.shape[1] < SHORTEST:
            raise ValueError(
                f"validation needs clips of at least {SHORTEST - 1} steps: raise the data's frames"
            )
        prediction, generated = self(batch), self(batch, GIVEN)
        pose_BTP = generated.pose_BTP
        if self.refiner is not None:
            raw = generation_values(pose_BTP, batch)
            self.totals.update({f"unrefined_{name}": raw[name] for name in UNREFINED})
            pose_BTP = self.refiner.refine(pose_BTP, _noise(pose_BTP, batch.clip_B))
        self.totals.update(step_values(prediction.pose_BTP, batch))
        self.totals.update(generation_values(pose_BTP, batch))
        self.totals.update(self._accuracies(prediction, generated, batch))
        losses = self._losses(prediction, batch)
        named = {f"{name}_loss": loss for name, loss in losses.items()}
        if self.network is not None:
            named["loss"] = self._weighted(losses)
        size = len(batch.clip_B)
        self.totals.update({name: loss.expand(size) for name, loss in named.items()})
        if batch_idx == 0 and not self.trainer.sanity_checking:
            self.drawn = to_draw(pose_BTP[: self.pictures], batch)

    def on_validation_epoch_end(self) -> None:
        """Log every metric once."""
        means = self.totals.means(list(COLLECTED), self.device, self._sum_across_processes)
        ratios = {
            name.replace("_cm", "_ratio"): means[name] / means[true]
            for name, true in JERKS.items()
            if name in means
        }
        for name in {*JERKS, *JERKS.values()}:
            means.pop(name, None)
        for name, value in {**means, **ratios}.items():
            self.log(f"val_{name}", value.float(), prog_bar=name in {"loss", "gen_error_cm"})

    def on_validation_end(self) -> None:
        """Draw, if the run is nothing but a validation."""
        if self.trainer.state.fn == TrainerFn.VALIDATING:
            self._draw()

    def on_fit_end(self) -> None:
        """Draw what the last validation generated."""
        self._draw()

    def extra_repr(self) -> str:
        """Say what shows in no part: how much is drawn."""
        return f"pictures={self.pictures}"

    # What the module says of itself, to be tested

    def example_losses(self, batch: MotionBatch) -> Tensor:
        """Return the loss of each clip with all its frames shown, (B,)."""
        prediction, clips = self(batch), ClipDataset(batch)
        losses = (self._losses(prediction.only(clip), clips[[clip]]) for clip in range(len(clips)))
        return torch.stack([self._weighted(own) for own in losses])

    def autoregression(self, batch: MotionBatch) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return the poses to be predicted, (B, T, P), and what is said given other poses.

        Frame by frame, the next pose and the action and physics of the frame before it.
        """
        first_B1P = batch.motion_BTP[:, :1]

        def outputs(pose_BTP: Tensor) -> Tensor:
            altered = batch._replace(motion_BTP=torch.cat([first_B1P, pose_BTP], 1))
            said = self(altered)
            heads = (said.pose_BTP, said.action_BTA, said.physics_BT6)
            return torch.cat([head_BTX for head_BTX in heads if head_BTX is not None], -1)

        return batch.motion_BTP[:, 1:], outputs

    def properties(self) -> dict[str, Callable[[], str | None]]:
        """Return the tests of what the parts are named for."""
        tests: dict[str, Callable[[], str | None]] = {
            "numbers give back the joints": numbers_give_back_the_joints
        }
        network = self.network
        if network is None:
            return tests
        tests["action labels are hidden"] = partial(labels_are_hidden, network)
        if network.architecture.text:
            tests["the caption reaches every frame"] = partial(caption_is_visible, network)
        if network.architecture.position == "rope":
            tests["positions are relative"] = partial(positions_are_relative, network)
        if self.weight["physics"] > 0:
            tests["physics loss is least at the truth"] = partial(
                physics_is_least_at_the_truth, self.physics
            )
        return tests

    def untrained(self) -> list[str]:
        """Name the parts of the network that no loss reaches: clip heads, heads of weight 0."""
        if self.network is None:
            return []
        reached = {
            "pose_head": self.weight["pose"] > 0 or self.weight["temporal"] > 0,
            "action_head": self.weight["action"] > 0,
            "physics_head": self.weight["physics"] > 0,
        }
        heads = ("position_head", "velocity_head", "environment_head", *reached)
        return [f"network.{head}" for head in heads if not reached.get(head, False)]

    # Parts

    def _random_given(self, batch: MotionBatch) -> Tensor:
        size, frames = batch.motion_BTP.shape[:2]
        short_B = torch.rand(size) < self.prefix_probability
        first_B = torch.randint(1, self.longest_prefix + 1, (size,))
        return torch.where(short_B, first_B, frames).to(self.device)

    def _losses(self, prediction: Prediction, batch: MotionBatch) -> dict[str, Tensor]:
        pose_BTP = prediction.pose_BTP
        losses = {
            "pose": pose_loss(pose_BTP, batch.motion_BTP[:, 1:]),
            "temporal": temporal_loss(pose_BTP),
        }
        if prediction.action_BTA is not None:
            losses["action"] = action_loss(prediction.action_BTA, batch.actions_BT[:, :-1])
        if prediction.physics_BT6 is not None:
            losses["physics"] = physics_loss(
                prediction.physics_BT6,
                batch.physics_BT6[:, :-1],
                batch.airborne_BT[:, :-1],
                batch.scale.physics_std_3,
                self.physics,
            )
        return losses

    def _weighted(self, losses: dict[str, Tensor]) -> Tensor:
        return torch.stack([self.weight[name] * loss for name, loss in losses.items()]).sum()

    def _accuracies(
        self, prediction: Prediction, generated: Prediction, batch: MotionBatch
    ) -> dict[str, Tensor]:
        if prediction.action_BTA is None or generated.action_BTA is None:
            return {}
        suffix = "_conditioned" if self.action_conditioning else ""
        actions_BT = batch.actions_BT[:, :-1]
        step_BT, made_BT = prediction.action_BTA.argmax(-1), generated.action_BTA.argmax(-1)
        return {
            f"action_accuracy{suffix}": action_accuracy(step_BT, actions_BT),
            f"gen_action_accuracy{suffix}": action_accuracy(made_BT, actions_BT, LAST),
        }

    def _sum_across_processes(self, values: Tensor) -> Tensor:
        if self.trainer.world_size == 1:
            return values
        gathered = self.all_gather(values)
        assert isinstance(gathered, Tensor)  # noqa: S101
        return gathered.sum(0)

    def _draw(self) -> None:
        limit = self.trainer.limit_val_batches
        complete = isinstance(limit, float) and limit == 1.0
        tried_out = self.trainer.fast_dev_run or not complete  # type: ignore[attr-defined]
        if tried_out or not self.trainer.is_global_zero:
            return
        folder = Path(self.trainer.default_root_dir) / ARTIFACTS
        for number, clip in enumerate(self.drawn, start=1):
            folder.mkdir(parents=True, exist_ok=True)
            name = "motion" if number == 1 else f"motion-{number}"
            joints = clip.truth_TJ2.numpy(), clip.generated_TJ2.numpy()
            strip(folder / f"{name}.png", *joints, clip.caption)
            animation(folder / f"{name}.gif", *joints, clip.caption)


def _only_given(pose_BTP: Tensor, given: Tensor) -> Tensor:
    """Set the frames after the given ones to zero, the mean pose."""
    frame_T = torch.arange(pose_BTP.shape[1], device=pose_BTP.device)
    return pose_BTP * (frame_T < given[..., None])[..., None]


def _noise(like_BTP: Tensor, clip_B: Tensor) -> Tensor:
    """Draw the noise of each clip from its number alone, whatever the batch."""
    generator = torch.Generator()
    draws = [
        torch.randn(like_BTP.shape[1:], generator=generator.manual_seed(clip))
        for clip in clip_B.tolist()
    ]
    return torch.stack(draws).to(like_BTP)
