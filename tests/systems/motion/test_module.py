"""MotionModule under a Trainer: what it logs, what it learns from, and what it draws."""

import inspect
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from ablate.systems.motion.data import MotionBatch, MotionDataModule
from ablate.systems.motion.diffusion import Diffusion
from ablate.systems.motion.losses import LossWeights, Physics
from ablate.systems.motion.module import MotionModule

NANO = {
    "d_model": 16,
    "nhead": 2,
    "num_layers": 1,
    "embedding_dim": 64,
    "dropout": 0.0,
    "pictures": 0,
}
DIFFUSION = Diffusion(steps=40, widths=(8, 8), refine_steps=2)
BASELINES = ("repeat_last", "constant_velocity")
PHYSICAL = {
    "val_joint_error_cm",
    "val_last_joint_error_cm",
    "val_repeat_last_error_cm",
    "val_constant_velocity_error_cm",
    "val_gen_error_5_cm",
    "val_gen_error_25_cm",
    "val_gen_error_cm",
    "val_jerk_ratio",
    "val_gen_jerk_ratio",
    "val_limb_deviation",
    "val_ground_penetration_cm",
    "val_foot_slide_cm",
    "val_pose_loss",
    "val_temporal_loss",
}
LEARNT = {
    "val_loss",
    "val_action_loss",
    "val_physics_loss",
    "val_action_accuracy",
    "val_gen_action_accuracy",
}

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def data(**arguments) -> MotionDataModule:
    """Return a few clips, some frames of which are in the air."""
    sizes = {"train_clips": 8, "val_clips": 5, "frames": 30, "batch_size": 4, "seed": 9}
    return MotionDataModule(**{**sizes, "embedding_width": 64, **arguments})


@pytest.fixture(scope="module")
def clips() -> MotionBatch:
    """Eight clips with a second actor."""
    served = data(partner=True)
    served.setup()
    return served.train_split


def trainer(root: Path | None = None, **arguments) -> Trainer:
    return Trainer(
        **{
            "accelerator": "cpu",
            "logger": False,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "default_root_dir": root,
            **arguments,
        }
    )


def module(*, lr: float = 1e-2, **arguments) -> MotionModule:
    torch.manual_seed(0)
    model = MotionModule(**{**NANO, **arguments})
    model.configure_optimizers = lambda: torch.optim.SGD(model.parameters(), lr=lr)
    return model


def validate(model: MotionModule, **arguments) -> dict[str, float]:
    return dict(trainer().validate(model, datamodule=data(**arguments), verbose=False)[0])


def logged_by_fitting(model: MotionModule, **arguments) -> dict[str, float]:
    fit = trainer(max_epochs=1)
    fit.fit(model, datamodule=data(**arguments))
    return {name: float(value) for name, value in fit.callback_metrics.items()}


# What is logged


def test_a_run_logs_every_loss_and_metric():
    names = set(logged_by_fitting(module()))
    parts = {f"train_{name}_loss" for name in ("pose", "temporal", "action", "physics")}
    assert names == PHYSICAL | LEARNT | parts | {"train_loss"}


def test_diffusion_adds_its_loss_and_what_there_was_before_refinement():
    plain = logged_by_fitting(module())
    refined = logged_by_fitting(module(diffusion=DIFFUSION))
    added = {"train_diffusion_loss", "val_unrefined_gen_error_cm", "val_unrefined_gen_jerk_ratio"}
    assert refined.keys() - plain.keys() == added
    assert refined["val_gen_error_cm"] != refined["val_unrefined_gen_error_cm"]


def test_clips_too_short_for_a_horizon_do_not_have_its_error():
    assert "val_gen_error_25_cm" not in validate(module(), frames=28)
    assert "val_gen_error_25_cm" in validate(module(), frames=29)


def test_clips_too_short_to_generate_from_are_refused():
    validate(module(), frames=7)
    with pytest.raises(ValueError, match="clips of at least 7 steps: raise the data's frames"):
        validate(module(), frames=6)


@pytest.mark.parametrize("arguments", [{}, {"diffusion": DIFFUSION}, {"predictor": BASELINES[0]}])
def test_results_do_not_depend_on_the_evaluation_batch_size(arguments):
    one, many = (validate(module(**arguments), batch_size=size) for size in (1, 4))
    assert one == pytest.approx(many, rel=1e-4)


def test_the_losses_are_weighted_as_told():
    weights = LossWeights(pose=2.0, temporal=3.0, action=5.0, physics=7.0)
    logged = validate(module(weights=weights))
    parts = {"pose": 2.0, "temporal": 3.0, "action": 5.0, "physics": 7.0}
    total = sum(weight * logged[f"val_{name}_loss"] for name, weight in parts.items())
    assert logged["val_loss"] == pytest.approx(total, rel=1e-5)


def test_the_last_frame_is_logged_on_its_own():
    logged = validate(module(), val_clips=1)
    assert logged["val_last_joint_error_cm"] != logged["val_joint_error_cm"]


def test_the_accuracy_of_actions_that_are_shown_has_another_name():
    names = set(logged_by_fitting(module(action_conditioning=True)))
    shown = {"val_action_accuracy_conditioned", "val_gen_action_accuracy_conditioned"}
    assert shown <= names
    assert not {"val_action_accuracy", "val_gen_action_accuracy"} & names


# Baselines


@pytest.mark.parametrize("predictor", BASELINES)
def test_a_baseline_has_no_parameters_and_is_measured_as_a_model_is(predictor):
    model = module(predictor=predictor, diffusion=DIFFUSION)
    assert list(model.parameters()) == []
    logged = validate(model)
    assert set(logged) == PHYSICAL
    own = logged[f"val_{predictor}_error_cm"]
    assert logged["val_joint_error_cm"] == pytest.approx(own)
    assert logged["val_repeat_last_error_cm"] != logged["val_constant_velocity_error_cm"]


def test_holding_the_last_given_frame_generates_no_motion():
    logged = validate(module(predictor="repeat_last"))
    assert logged["val_foot_slide_cm"] == 0
    assert logged["val_gen_jerk_ratio"] < 0.2
    assert logged["val_gen_error_25_cm"] > 1


# Who sees what


@pytest.mark.parametrize("given", [1, 5, 30])
def test_only_the_given_frames_are_seen(clips, given):
    model = module().eval()
    other = clips._replace(motion_BTP=clips.motion_BTP.clone())
    other.motion_BTP[:, given:] += 1
    assert torch.equal(model(clips, given).pose_BTP, model(other, given).pose_BTP)
    other.motion_BTP[:, given - 1] += 1
    assert not torch.equal(model(clips, given).pose_BTP, model(other, given).pose_BTP)


def test_each_clip_may_show_its_own_number_of_frames(clips):
    model = module().eval()
    given = torch.arange(1, 9)
    together = model(clips, given).pose_BTP
    for row, count in enumerate(given.tolist()):
        alone = model(clips, count).pose_BTP[row]
        assert torch.allclose(together[row], alone, atol=1e-5)


def test_what_is_not_given_is_the_mean_pose(clips):
    model = module().eval()
    blank = clips._replace(motion_BTP=clips.motion_BTP.clone())
    blank.motion_BTP[:, 3:] = 0
    assert torch.equal(model(clips, 3).pose_BTP, model(blank).pose_BTP)


@pytest.mark.parametrize("name", ["actions_BT", "physics_BT6", "airborne_BT"])
def test_labels_are_not_seen(clips, name):
    model = module(partner_conditioning=True).eval()
    other = clips._replace(**{name: torch.zeros_like(getattr(clips, name))})
    one, two = model(clips), model(other)
    assert torch.equal(one.pose_BTP, two.pose_BTP)
    assert torch.equal(one.action_BTA, two.action_BTA)


def test_the_target_is_the_pose_of_the_next_frame_and_the_labels_of_this_one(clips):
    model = module(prefix_probability=0.0)
    model.eval()
    prediction, logged = model(clips), step(model, clips)
    pose = (prediction.pose_BTP - clips.motion_BTP[:, 1:]).square().mean()
    likelihood = prediction.action_BTA.log_softmax(-1)
    action = -likelihood.gather(-1, clips.actions_BT[:, :-1, None]).mean()
    assert logged["train_pose_loss"] == pytest.approx(pose.item(), rel=1e-5)
    assert logged["train_action_loss"] == pytest.approx(action.item(), rel=1e-5)


def step(model: MotionModule, clips: MotionBatch) -> dict[str, float]:
    """Return what one training step logs."""
    logged: dict[str, float] = {}
    model.log = lambda name, value, **_: logged.update({name: float(value)})
    model.trainer = trainer()
    model.training_step(clips, 0)
    return logged


def shown_in_training(model: MotionModule, clips: MotionBatch, steps: int = 40) -> list[int]:
    """Return how many frames each clip of some training steps shows."""
    shown: list[int] = []
    forward = model.forward

    def spy(batch: MotionBatch, given: torch.Tensor) -> Any:
        shown.extend(given.tolist())
        return forward(batch, given)

    model.forward = spy
    for _ in range(steps):
        step(model, clips)
    return [min(count, 30) for count in shown]


def test_half_of_the_training_clips_show_up_to_ten_frames(clips):
    shown = shown_in_training(module(), clips)
    short = [count for count in shown if count < 30]
    assert set(short) == set(range(1, 11))
    assert 0.4 < len(short) / len(shown) < 0.6


@pytest.mark.parametrize(("probability", "longest", "expected"), [(0.0, 3, 30), (1.0, 1, 1)])
def test_how_many_clips_show_how_many_frames_is_an_argument(clips, probability, longest, expected):
    model = module(prefix_probability=probability, longest_prefix=longest)
    assert set(shown_in_training(model, clips, 5)) == {expected}


def test_the_global_generator_decides_which_clips_show_less(clips):
    models, drawn = [module() for _ in range(3)], []
    for model, seed in zip(models, (3, 3, 4), strict=True):
        torch.manual_seed(seed)
        drawn.append(shown_in_training(model, clips, 4))
    assert drawn[0] == drawn[1] != drawn[2]


def test_validating_a_batch_leaves_the_global_generator_alone(clips):
    model = module(diffusion=DIFFUSION).eval()
    model.trainer = trainer()
    before = torch.get_rng_state()
    model.validation_step(clips, 0)
    assert torch.equal(torch.get_rng_state(), before)


# Training


def weights_after(clips_per_batch: int, accumulated: int) -> torch.Tensor:
    model = module(prefix_probability=0.0, num_layers=1)
    fit = trainer(
        max_epochs=1,
        accumulate_grad_batches=accumulated,
        gradient_clip_val=0.1,
        limit_val_batches=0,
    )
    fit.fit(model, datamodule=data(train_clips=7, batch_size=clips_per_batch))
    assert fit.global_step == 1
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize(("clips_per_batch", "accumulated"), [(4, 2), (3, 3), (3, 8)])
def test_short_batches_and_short_groups_count_by_their_clips(clips_per_batch, accumulated):
    whole = weights_after(7, 1)
    assert torch.allclose(weights_after(clips_per_batch, accumulated), whole, atol=1e-6)


def test_a_checkpoint_restores_the_model(tmp_path, clips):
    weights = LossWeights(temporal=0.5)
    model = module(weights=weights, physics=Physics(gravity=0.1), diffusion=DIFFUSION)
    saver = ModelCheckpoint(tmp_path)
    fit = trainer(max_epochs=1, callbacks=[saver], enable_checkpointing=True)
    fit.fit(model, datamodule=data())
    restored = MotionModule.load_from_checkpoint(saver.best_model_path, weights_only=False)
    assert restored.weight == model.weight
    assert restored.physics == model.physics
    poses = (m.eval()(clips, 5).pose_BTP for m in (model, restored))
    assert torch.equal(*poses)


# Learning


def trained(**arguments) -> tuple[MotionModule, dict[str, float], MotionBatch]:
    """Return the smallest size after some hundred steps, its metrics and the validation clips."""
    text = arguments.pop("show_captions", True)
    torch.manual_seed(0)
    model = MotionModule(d_model=64, nhead=4, num_layers=2, dropout=0.0, pictures=0, **arguments)
    model.configure_optimizers = lambda: torch.optim.AdamW(model.parameters(), lr=3e-3)
    served = MotionDataModule(train_clips=500, val_clips=100, text=text)
    fit = trainer(max_epochs=6, gradient_clip_val=1.0)
    fit.fit(model, datamodule=served)
    logged = {name: float(value) for name, value in fit.callback_metrics.items()}
    return model.eval(), logged, served.val_split


@torch.no_grad()
def vertical_acceleration(model: MotionModule, clips: MotionBatch) -> float:
    """Return the mean vertical acceleration that a model predicts, in m/s^2."""
    return (model(clips).physics_BT6[..., 3].mean() * clips.scale.physics_std_3[1]).item()


def test_a_hundred_steps_teach_to_move_and_to_tell_actions():
    model, logged, clips = trained(residual_pose=True)
    assert logged["val_joint_error_cm"] < 5
    assert logged["val_action_accuracy"] > 0.7
    assert vertical_acceleration(model, clips) == pytest.approx(0, abs=1)


def test_the_legacy_physics_makes_everybody_fall():
    model, _, clips = trained(physics=Physics(variant="legacy"))
    assert vertical_acceleration(model, clips) == pytest.approx(-3.7, abs=1.2)


def test_actions_that_are_shown_are_told_exactly():
    _, logged, _ = trained(action_conditioning=True)
    assert logged["val_action_accuracy_conditioned"] > 0.99


@pytest.mark.long
def test_without_captions_generation_is_ruined_and_the_next_frame_is_not():
    _, told, _ = trained()
    _, untold, _ = trained(show_captions=False)
    assert told["val_gen_action_accuracy"] > untold["val_gen_action_accuracy"] + 0.15
    assert told["val_gen_error_cm"] < untold["val_gen_error_cm"] - 1
    assert untold["val_joint_error_cm"] < told["val_joint_error_cm"] + 1


# No argument is without effect

SOME = {
    **NANO,
    "partner_conditioning": True,
    "prefix_probability": 0.5,
    "pictures": 0,
    "weights": LossWeights(),
    "physics": Physics(),
    "diffusion": DIFFUSION,
}
OTHER: dict[str, Any] = {
    "predictor": "repeat_last",
    "d_model": 20,
    "nhead": 4,
    "num_layers": 2,
    "input_dim": 18,
    "embedding_dim": 32,
    "num_actions": 63,
    "dropout": 0.1,
    "norm": "layer",
    "feed_forward": "gelu",
    "feed_forward_width": 8,
    "placement": "post",
    "position": "none",
    "text": False,
    "action_conditioning": True,
    "camera_conditioning": False,
    "partner_conditioning": False,
    "causal": False,
    "residual_pose": True,
    "clip_heads": False,
    "weights": [LossWeights(**{name: 0.7}) for name in ("pose", "temporal", "action", "physics")],
    "physics": [
        Physics(variant="legacy"),
        *(
            Physics(**{name: 0.7})
            for name in ("velocity", "acceleration", "momentum", "consistency", "gravity")
        ),
    ],
    "diffusion": [
        Diffusion(**{**vars(DIFFUSION), name: value})
        for name, value in (
            ("weight", 0.7),
            ("steps", 50),
            ("widths", (16, 8)),
            ("start", 0.4),
            ("refine_steps", 3),
        )
    ],
    "prefix_probability": 0.9,
    "longest_prefix": 2,
    "pictures": 1,
}
CASES = [
    (name, value)
    for name, values in OTHER.items()
    for value in (values if isinstance(values, list) else [values])
]


def observed(root: Path, **arguments) -> Any:
    """Return all that can be seen of a module: its parts, a training step, metrics, pictures."""
    model = module(**{**SOME, **arguments})
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    try:
        metrics = logged_by_two_epochs(model, root)
    except ValueError as error:
        return str(error)
    return str(model), shapes, metrics, sorted(path.name for path in root.rglob("*.png"))


def logged_by_two_epochs(model: MotionModule, root: Path) -> dict[str, float]:
    fit = trainer(root, max_epochs=2)
    if not list(model.parameters()):
        return dict(fit.validate(model, datamodule=data(partner=True), verbose=False)[0])
    torch.manual_seed(1)
    fit.fit(model, datamodule=data(partner=True))
    return {name: float(value) for name, value in fit.callback_metrics.items()}


def test_every_argument_is_tried(clips):
    assert bool(clips.airborne_BT.any())
    assert OTHER.keys() == inspect.signature(MotionModule).parameters.keys()
    for name, cases in (("weights", 4), ("physics", 6), ("diffusion", 5)):
        assert len(OTHER[name]) == cases == len(vars(OTHER[name][0]))


def test_the_same_arguments_give_the_same(tmp_path):
    assert observed(tmp_path / "one") == observed(tmp_path / "two")


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory) -> Any:
    return observed(tmp_path_factory.mktemp("unchanged"))


@pytest.mark.parametrize(("name", "value"), CASES, ids=str)
def test_no_argument_is_without_effect(name, value, unchanged, tmp_path):
    assert observed(tmp_path, **{name: value}) != unchanged


# What is refused


def test_all_that_does_not_hold_is_said_together():
    with pytest.raises(ValueError, match="d_model 256 is not divisible by nhead 12") as error:
        MotionModule(
            d_model=256,
            nhead=12,
            dropout=2.0,
            num_actions=45,
            weights=LossWeights(temporal=-1.0),
            physics=Physics(velocity=math.nan),
            diffusion=Diffusion(steps=3),
            prefix_probability=1.1,
            longest_prefix=0,
            pictures=-1,
        )
    for part in (
        "nhead 8 or 16 would do",
        "dropout must be",
        "num_actions must be at least 46, not 45",
        "weights.temporal must be",
        "physics.velocity must be",
        "diffusion.steps must be",
        "prefix_probability must be in [0, 1], not 1.1",
        "longest_prefix must be at least 1, not 0",
        "pictures must be at least 0, not -1",
    ):
        assert part in str(error.value)


def test_captions_of_another_width_are_refused():
    with pytest.raises(ValueError, match="embedding_dim is 64, but the data embeds captions in 32"):
        validate(module(), embedding_width=32)


def test_a_partner_that_the_data_lacks_is_refused():
    with pytest.raises(ValueError, match="partner_conditioning needs data with"):
        validate(module(partner_conditioning=True))


# Pictures


def pictures(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*.*"))


DRAWN = ["artifacts/motion.gif", "artifacts/motion.png"]


def test_a_run_ends_with_pictures(tmp_path):
    trainer(tmp_path, max_epochs=1).fit(module(pictures=1), datamodule=data())
    assert pictures(tmp_path) == DRAWN


def test_a_validation_draws_too(tmp_path):
    model = module(predictor="repeat_last", pictures=2)
    trainer(tmp_path).validate(model, datamodule=data(), verbose=False)
    second = ["artifacts/motion-2.gif", "artifacts/motion-2.png"]
    assert pictures(tmp_path) == sorted([*DRAWN, *second])


def test_nothing_is_drawn_in_a_trial_of_the_config_or_unless_asked_for(tmp_path):
    for arguments in ({"fast_dev_run": 1}, {"max_epochs": 0}):
        trainer(tmp_path, **arguments).fit(module(pictures=1), datamodule=data())
    trainer(tmp_path, max_epochs=1).fit(module(pictures=0), datamodule=data())
    assert pictures(tmp_path) == []


def test_the_sanity_check_draws_nothing(tmp_path):
    sane = {"num_sanity_val_steps": 1, "limit_train_batches": 0, "max_epochs": 1}
    trainer(tmp_path, **sane).fit(module(pictures=1), datamodule=data())
    assert pictures(tmp_path) == []
