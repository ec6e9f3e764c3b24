"""The audit of the motion system: the published defects are found, and a sound model is clean."""

import math
from pathlib import Path

import pytest
import torch

from ablate.audits.checks import compare_evidence
from ablate.audits.evidence_checks import Declared
from ablate.audits.probes import keys
from ablate.audits.probes.beginning import Beginning
from ablate.audits.probes.bench import Bench
from ablate.audits.probes.causality import future_positions
from ablate.audits.probes.signature import signature
from ablate.run.lightning_cli import resolve
from ablate.spec import Direction
from ablate.systems.common import blocks
from ablate.systems.motion import MotionDataModule, MotionModule, properties
from ablate.systems.motion.losses import LossWeights, Physics
from ablate.testing import ModuleSuite
from tests.audits.examined import changed, codes, evidence

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

NANO = {"d_model": 16, "nhead": 2, "num_layers": 1, "embedding_dim": 64, "dropout": 0.0}
CLIPS = {
    "train_clips": 12,
    "val_clips": 9,
    "frames": 20,
    "batch_size": 4,
    "embedding_width": 64,
    "partner": True,
}
METRICS = {"val_loss": Direction.MINIMIZE, "val_gen_error_cm": Direction.MINIMIZE}
LABELS, PHYSICS = "action labels are hidden", "physics loss is least at the truth"


class Published(MotionModule):
    """As published: the classes and the steps of the configuration are read by nothing."""

    def __init__(self, *, num_actions: int = 64, timesteps: int = 1000, **arguments) -> None:
        super().__init__(num_actions=46, **arguments)


class Failing(MotionModule):
    """Its hook raises."""

    def untrained(self) -> list[str]:
        raise ZeroDivisionError("nobody knows")


def config(model: str = "ablate.systems.motion.MotionModule", **arguments):
    return resolve(
        {
            "seed_everything": 1,
            "model": {"class_path": model, "init_args": {**NANO, **arguments}},
            "data": {"class_path": "ablate.systems.motion.MotionDataModule", "init_args": CLIPS},
            "optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 1e-3}},
            "trainer": {"max_epochs": 3, "accelerator": "cpu"},
        }
    )


class TestHooks(ModuleSuite):
    config = config()


def module(**arguments) -> MotionModule:
    torch.manual_seed(0)
    return MotionModule(**{**NANO, **arguments}).eval()


@pytest.fixture(scope="module")
def data() -> MotionDataModule:
    """A few clips of two actors."""
    module = MotionDataModule(**CLIPS)
    module.setup()
    return module


@torch.no_grad()
def violated(model: MotionModule) -> dict[str, str]:
    tested = {name: test() for name, test in model.properties().items()}
    return {name: wrong for name, wrong in tested.items() if wrong is not None}


# What the audit finds


def test_the_published_defects_are_found_by_name_and_only_where_they_are():
    defects = {"causal": False, "action_conditioning": True, "physics.variant": "legacy"}
    arms = {"sound": {}, "published": defects, "floor": {"predictor": "repeat_last"}}
    changes = {
        arm: {f"model.init_args.{name}": value for name, value in arguments.items()}
        for arm, arguments in arms.items()
    }
    seen = {arm: evidence(changed(config(), paths), *METRICS) for arm, paths in changes.items()}
    declared = Declared(changes, METRICS)
    found = compare_evidence(seen, declared)
    assert {(item.code, item.where, item.arms) for item in found if item.severity != "note"} == {
        ("sees-the-future", "autoregression", ("published",)),
        ("property-violated", f"property {LABELS}", ("published",)),
        ("property-violated", f"property {PHYSICS}", ("published",)),
    }
    (idle,) = [item for item in found if item.code == "no-gradient"]
    assert idle.arms == ("sound", "published")
    assert "network.position_head" in idle.what
    assert codes(found, "note") == {"no-gradient", "seed-moves", "unequal-parameters"}


def test_keys_that_the_published_model_did_not_read_are_dead_and_the_others_are_not(tmp_path):
    published = config(f"{__name__}.Published")
    bench = Bench(published, tmp_path)
    bench.fit(steps=1)
    observer = keys.Observer(bench, published, signature(bench), ())
    names = ("num_actions", "timesteps", "longest_prefix", "pictures", "weights.temporal")
    paths = [f"model.init_args.{name}" for name in names]
    found, _ = keys.read_keys(observer, paths, {}, math.inf)
    assert list(found.values()) == ["dead", "dead", "read", "read", "read"]


def test_trying_the_module_out_draws_nothing(tmp_path):
    bench = Bench(config(), tmp_path)
    bench.fit(validates=True)
    assert list(Path(tmp_path).rglob("motion.*")) == []


def test_a_hook_that_fails_is_noted_and_stops_no_training(tmp_path):
    beginning = Beginning()
    Bench(config(f"{__name__}.Failing"), tmp_path).fit(beginning, steps=1)
    assert beginning.trouble == {"untrained": "ZeroDivisionError: nobody knows"}
    assert "some" in beginning.gradients.values()


# What the module says of itself


@pytest.mark.parametrize(
    ("arguments", "broken"),
    [
        ({}, set()),
        ({"partner_conditioning": True, "diffusion": None}, set()),
        ({"causal": False}, set()),
        ({"position": "sinusoidal", "text": False}, set()),
        ({"placement": "post", "norm": "layer"}, set()),
        ({"physics": Physics(gravity=0.5)}, set()),
        ({"action_conditioning": True}, {LABELS}),
        ({"physics": Physics(variant="legacy")}, {PHYSICS}),
        ({"physics": Physics(variant="legacy"), "weights": LossWeights(physics=0.0)}, set()),
        ({"predictor": "constant_velocity"}, set()),
    ],
)
def test_a_property_is_violated_by_its_defect_alone(arguments, broken):
    assert set(violated(module(**arguments))) == broken


def test_the_legacy_physics_pull_a_figure_that_stands_still_down():
    wrong = violated(module(physics=Physics(variant="legacy")))[PHYSICS]
    assert "a_y = 0, and least at -3.67 m/s^2" in wrong


def test_absolute_positions_are_not_relative(monkeypatch):
    def absolute(x_BHTK, start=0):
        return x_BHTK + torch.arange(start, start + x_BHTK.shape[2])[:, None] / 5

    monkeypatch.setattr(blocks, "rotate", absolute)
    assert "positions are relative" in violated(module())


def test_a_caption_that_does_not_reach_the_frames_is_found():
    model = module()
    with torch.no_grad():
        model.network.text[-2].weight.zero_()
    wrong = violated(model)
    assert wrong == {
        "the caption reaches every frame": "another caption changes nothing in 12 of 12 frames"
    }


def test_numbers_that_lose_the_way_of_a_figure_are_found(monkeypatch):
    whole = properties.from_motion
    monkeypatch.setattr(properties, "from_motion", lambda motion, start: whole(motion, 0.0 * start))
    assert set(violated(module())) == {"numbers give back the joints"}


@pytest.mark.parametrize("causal", [True, False])
@torch.no_grad()
def test_only_a_bidirectional_model_sees_poses_that_it_has_to_predict(data, causal):
    model = module(causal=causal, partner_conditioning=True)
    targets, outputs = model.autoregression(data.val_split)
    assert targets.shape == (9, 20, 20)
    assert outputs(targets).shape == (9, 20, 20 + 64 + 6)
    leaking, tried = future_positions(targets, outputs)
    assert bool(leaking) != causal
    assert tried > 2


@pytest.mark.parametrize("predictor", ["repeat_last", "constant_velocity"])
@torch.no_grad()
def test_baselines_see_no_future(data, predictor):
    seen = module(predictor=predictor).autoregression(data.val_split)
    assert future_positions(*seen)[0] == 0


@torch.no_grad()
def test_the_loss_of_a_clip_is_its_own_and_their_mean_the_loss_of_the_batch(data):
    model, loader = module(), data.val_dataloader()
    together = model.example_losses(data.val_split)
    alone = [model.example_losses(loader.dataset[[number]]) for number in range(9)]
    assert torch.allclose(torch.cat(alone), together, atol=1e-5)
    prediction = model(data.val_split)
    whole = model._weighted(model._losses(prediction, data.val_split))
    assert together.mean() == pytest.approx(float(whole), rel=1e-5)


def test_what_no_loss_reaches_is_named():
    clip_heads = ["network.position_head", "network.velocity_head", "network.environment_head"]
    assert module().untrained() == clip_heads
    silent = LossWeights(pose=0.0, temporal=0.0, action=0.0, physics=0.0)
    heads = ["network.pose_head", "network.action_head", "network.physics_head"]
    assert module(weights=silent).untrained() == [*clip_heads, *heads]
    assert module(weights=LossWeights(pose=0.0)).untrained() == clip_heads
    assert module(predictor="repeat_last").untrained() == []


def test_keys_are_of_content_whatever_the_scale_and_the_text(data):
    other = MotionDataModule(**{**CLIPS, "train_clips": 20, "text": False, "partner": False})
    other.setup()
    train, val = data.example_keys("train"), data.example_keys("val")
    assert other.example_keys("val") == val
    assert other.example_keys("train")[:12] == train
    assert len({*train, *val}) == 21
