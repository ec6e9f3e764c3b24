"""The motion transformer and its losses against a second implementation in numpy, and golden ones.

All parameters and inputs are given by formulas. `python -m tests.systems.motion.test_parity` prints
the numbers of the numpy implementation, which are those of golden.json.
"""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from torch.utils.data import DataLoader

from ablate.systems.motion.data import MotionBatch
from ablate.systems.motion.losses import Physics
from ablate.systems.motion.model import Prediction
from ablate.systems.motion.module import MotionModule
from ablate.systems.motion.skeleton import Scale
from tests.systems import plain

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

GOLDEN = Path(__file__).with_name("golden.json")
CLIPS, FRAMES, POSE, TEXT, ACTIONS, WIDTH, HEADS = 2, 11, 20, 12, 64, 16, 2
ATTENTION = {"bidirectional": False, "causal": True}
PHYSICS_STD = (1.3, 8.9, 92.0)
MASS, FPS = 70.0, 25.0


def wave(shape: tuple[int, ...], pace: float, size: float) -> np.ndarray:
    """Fill an array: value i is size * sin(pace * (i + 1))."""
    return size * np.sin(pace * (np.arange(int(np.prod(shape))) + 1)).reshape(shape)


SHOWN = {
    "text": wave((CLIPS, TEXT), 0.7, 1.0),
    "motion": wave((CLIPS, FRAMES, POSE), 0.37, 1.5),
    "partner": wave((CLIPS, FRAMES, POSE), 0.53, 1.0),
    "camera": wave((CLIPS, FRAMES, 3), 0.29, 2.0),
    "physics": wave((CLIPS, FRAMES, 6), 0.41, 1.0) * [1.0, 0.8, 5.0, 9.0, 70.0, 60.0],
}
GIVEN = {
    "pose": wave((CLIPS, FRAMES - 1, POSE), 0.61, 1.2),
    "action": wave((CLIPS, FRAMES - 1, ACTIONS), 0.83, 2.0),
    "physics": wave((CLIPS, FRAMES - 1, 6), 0.47, 1.1),
}
"""Predictions that move more than those of such small parameters do."""
CLASSES = (np.arange(CLIPS * FRAMES) * 5 % 46).reshape(CLIPS, FRAMES)


def batch() -> MotionBatch:
    shown = {name: torch.from_numpy(value).float() for name, value in SHOWN.items()}
    return MotionBatch(
        text_BE=shown["text"],
        motion_BTP=shown["motion"],
        actions_BT=torch.from_numpy(CLASSES),
        physics_BT6=shown["physics"],
        airborne_BT=torch.zeros(CLIPS, FRAMES, dtype=torch.bool),
        camera_BT3=shown["camera"],
        partner_BTP=shown["partner"],
        clip_B=torch.arange(CLIPS),
        scale=Scale(torch.zeros(POSE), torch.ones(POSE), torch.tensor(PHYSICS_STD)),
        captions=["one", "two"],
    )


def module(attention: str) -> tuple[MotionModule, dict[str, np.ndarray]]:
    made = MotionModule(
        d_model=WIDTH,
        nhead=HEADS,
        num_layers=2,
        embedding_dim=TEXT,
        dropout=0.1,
        action_conditioning=True,
        partner_conditioning=True,
        causal=ATTENTION[attention],
        physics=Physics(variant="legacy"),
        pictures=0,
    ).eval()
    return made, plain.below(plain.fill(made), "network")


# The model, a second time


def layer(p: plain.Parameters, *names: str):
    return plain.below(p, ".".join(names))


def attended(x: np.ndarray, p: plain.Parameters, *, causal: bool) -> np.ndarray:
    q, k, v = (plain.linear(x, layer(p, name)) for name in ("query", "key", "value"))
    mixed = plain.heads_attend(q, k, v, HEADS, causal=causal, turn=plain.rotate_half)
    return plain.linear(mixed, layer(p, "out"))


def swiglu(x: np.ndarray, p: plain.Parameters) -> np.ndarray:
    gated = plain.silu(plain.linear(x, layer(p, "gate"))) * plain.linear(x, layer(p, "value"))
    return plain.linear(gated, layer(p, "out"))


def two_layers(x: np.ndarray, p: plain.Parameters, first: str, second: str, norm: str = ""):
    x = plain.linear(plain.gelu(plain.linear(x, layer(p, first))), layer(p, second))
    return plain.layer_norm(x, layer(p, norm)) if norm else x


def predicted(p: plain.Parameters, *, causal: bool) -> dict[str, np.ndarray]:
    """Return what is predicted from all frames but the last."""
    read = {name: value[:, :-1] for name, value in SHOWN.items() if name != "text"}
    x = two_layers(read["motion"], layer(p, "motion"), "0", "2", "3")
    labels = p["action.0.weight"][CLASSES[:, :-1]]
    x = x + plain.layer_norm(plain.linear(labels, layer(p, "action.1")), layer(p, "action.2"))
    x = x + two_layers(read["camera"], layer(p, "camera"), "0", "2", "3")
    x = x + two_layers(read["partner"], layer(p, "partner"), "0", "2", "3")
    prefix = two_layers(SHOWN["text"], layer(p, "text"), "0", "3", "4")
    x = np.concatenate([prefix[:, None], x], 1)
    for number in ("0", "1"):
        own = layer(p, "layers", number)
        normed = plain.rms_norm(x, layer(own, "attention_norm"))
        x = x + attended(normed, layer(own, "attention"), causal=causal)
        normed = plain.rms_norm(x, layer(own, "feed_forward_norm"))
        x = x + swiglu(normed, layer(own, "feed_forward"))
    frames = x[:, 1:]
    heads = {
        name: two_layers(frames, layer(p, f"{name}_head"), "0", "3")
        for name in ("pose", "action", "physics")
    }
    clip = {
        name: two_layers(frames.mean(1), layer(p, f"{name}_head"), "0", "3")
        for name in ("position", "velocity", "environment")
    }
    return {**heads, **clip}


def losses(said: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the published losses and their weighted sum, frame by frame."""
    pose, logits = said["pose"], said["action"]
    steps = pose.shape[1]
    wrong = ((pose - SHOWN["motion"][:, 1:]) ** 2).mean()
    moved = np.mean(
        [(pose[b, t + 1] - pose[b, t]) ** 2 for b in range(CLIPS) for t in range(steps - 1)]
    )
    missed = np.mean(
        [
            plain.cross_entropy(logits[b, t], CLASSES[b, t])
            for b in range(CLIPS)
            for t in range(steps)
        ]
    )
    physics = published_physics(said["physics"])
    total = wrong + 0.1 * moved + 0.15 * missed + 0.2 * physics
    return {
        "pose_loss": float(wrong),
        "temporal_loss": float(moved),
        "action_loss": float(missed),
        "physics_loss": physics,
        "loss": float(total),
    }


def published_physics(standardised: np.ndarray) -> float:
    """Return MSE + 0.1 gravity + 0.1 momentum + 0.2 consistency, for a figure of mass 1."""
    unit = np.array([1.0, 1.0, 1.0, 1.0, MASS, MASS])
    said = standardised * np.repeat(PHYSICS_STD, 2) / unit
    true = SHOWN["physics"][:, :-1] / unit
    gravity = np.mean((said[:, :, 3] + 9.8) ** 2)
    momentum, consistency = [], []
    for clip in said:
        for now, then in pairwise(clip):
            momentum.append((then[4] - now[4]) ** 2 + (then[5] - now[5]) ** 2)
            gap_x, gap_y = then[0] - now[0] - now[2] / FPS, then[1] - now[1] - now[3] / FPS
            consistency.append(gap_x**2 + gap_y**2)
    squared = np.mean((said - true) ** 2)
    return float(squared + 0.1 * gravity + 0.1 * np.mean(momentum) + 0.2 * np.mean(consistency))


def golden_of(attention: str) -> dict[str, dict[str, float] | dict[str, list[float]]]:
    """Return the golden numbers, by the numpy implementation."""
    _, p = module(attention)
    said = predicted(p, causal=ATTENTION[attention])
    last = {name: value[1].reshape(-1, value.shape[-1])[-1][:6] for name, value in said.items()}
    return {
        "said": {name: [round(float(x), 7) for x in row] for name, row in last.items()},
        "losses": rounded(losses(said)),
    }


def rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 7) for name, value in values.items()}


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("attention", ATTENTION)
@torch.no_grad()
def test_predictions_are_those_of_plain_numpy_and_the_golden_ones(attention, golden):
    made, p = module(attention)
    found, expected = made(batch()), predicted(p, causal=ATTENTION[attention])
    names = {
        "pose": "pose_BTP",
        "action": "action_BTA",
        "physics": "physics_BT6",
        "position": "position_B2",
        "velocity": "velocity_B2",
        "environment": "environment_BV",
    }
    for name, field in names.items():
        np.testing.assert_allclose(getattr(found, field).numpy(), expected[name], atol=2e-6)
        last = expected[name][1].reshape(-1, expected[name].shape[-1])[-1][:6]
        assert last.tolist() == pytest.approx(golden[attention]["said"][name], abs=1e-6)


@pytest.mark.parametrize("attention", ATTENTION)
def test_losses_are_those_of_plain_numpy_and_the_golden_ones(attention, golden):
    made, p = module(attention)
    expected = losses(predicted(p, causal=ATTENTION[attention]))
    assert expected == pytest.approx(golden[attention]["losses"], abs=1e-6)
    check_logged(made, expected)


def test_losses_of_given_predictions_are_those_of_plain_numpy_and_the_golden_ones(
    golden, monkeypatch
):
    made, _ = module("bidirectional")
    pose, action, physics = (torch.from_numpy(given).float() for given in GIVEN.values())
    monkeypatch.setattr(made.network, "forward", lambda _: Prediction(pose, action, physics))
    expected = losses(GIVEN)
    assert expected == pytest.approx(golden["given"], abs=1e-6)
    check_logged(made, expected)


def check_logged(made: MotionModule, expected: dict[str, float]) -> None:
    trainer = Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    served = DataLoader([batch()], batch_size=None)
    (found,) = trainer.validate(made, served, verbose=False)
    for name, value in expected.items():
        assert found[f"val_{name}"] == pytest.approx(value, rel=2e-6), name


if __name__ == "__main__":
    numbers = {attention: golden_of(attention) for attention in ATTENTION}
    print(json.dumps({**numbers, "given": rounded(losses(GIVEN))}, indent=1))
