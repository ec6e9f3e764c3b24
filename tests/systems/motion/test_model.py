"""The motion transformer: its sizes, what sees what, and which sizes are refused."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ablate.systems.motion.model import (
    ENVIRONMENTS,
    PHYSICS,
    Architecture,
    Inputs,
    MotionTransformer,
)

NANO = Architecture(d_model=16, nhead=2, num_layers=2, embedding_dim=32, dropout=0.0)
EVERYTHING = {"action_conditioning": True, "partner_conditioning": True}
SMALL, MEDIUM, LARGE = (256, 8, 6), (384, 12, 8), (512, 16, 10)


def inputs(frames: int = 12, clips: int = 2, embedding: int = 32) -> Inputs:
    generator = torch.Generator().manual_seed(0)
    return Inputs(
        text_BE=torch.randn(clips, embedding, generator=generator),
        pose_BTP=torch.randn(clips, frames, 20, generator=generator),
        actions_BT=torch.randint(46, (clips, frames), generator=generator),
        camera_BT3=torch.randn(clips, frames, 3, generator=generator),
        partner_BTP=torch.randn(clips, frames, 20, generator=generator),
    )


def network(**changes) -> MotionTransformer:
    torch.manual_seed(0)
    return MotionTransformer(replace(NANO, **changes)).eval()


def parameters(size: tuple[int, int, int], **changes) -> int:
    d_model, nhead, num_layers = size
    architecture = Architecture(d_model=d_model, nhead=nhead, num_layers=num_layers, **changes)
    with torch.device("meta"):
        return sum(p.numel() for p in MotionTransformer(architecture).parameters())


# Sizes


PUBLISHED = [
    ({"num_actions": 60, **EVERYTHING}, (7_248_122, 20_594_618, 44_618_362)),
    ({**EVERYTHING}, (7_248_894, 20_595_646, 44_619_646)),
    ({"action_conditioning": True}, (7_212_670, 20_516_734, 44_481_662)),
    ({"num_actions": 46, **EVERYTHING}, (7_245_420, 20_591_020, 44_613_868)),
    ({"input_dim": 48, **EVERYTHING}, (7_259_674, 20_611_802, 44_641_178)),
]


@pytest.mark.parametrize(("switches", "counts"), PUBLISHED, ids=str)
def test_the_published_sizes_have_the_published_parameters(switches, counts):
    assert tuple(parameters(size, **switches) for size in (SMALL, MEDIUM, LARGE)) == counts


@pytest.mark.parametrize(
    ("size", "count"),
    [((64, 4, 2), 301_406), ((96, 4, 3), 713_998), ((192, 8, 4), 3_005_470)],
)
def test_the_small_sizes_have_the_parameters_of_the_closed_form(size, count):
    assert parameters(size, **EVERYTHING) == count


@settings(max_examples=20, deadline=None)
@given(
    quarter=st.integers(1, 24),
    layers=st.integers(1, 3),
    joints=st.integers(1, 12),
    actions=st.integers(1, 80),
    embedding=st.integers(1, 40),
)
def test_parameters_follow_the_closed_form(quarter, layers, joints, actions, embedding):
    d, n, p, a, e = 4 * quarter, layers, 2 * joints, actions, embedding
    twice = 2 * (16 * n + 5.75) * d**2
    twice += (12 * n + 4 * e + 3 * p + a + 211) * d + 2 * (65 * a + p + 42)
    sizes = {"input_dim": p, "num_actions": a, "embedding_dim": e}
    assert 2 * parameters((d, 1, n), **sizes, **EVERYTHING) == twice
    alone = parameters((d, 1, n), **sizes, action_conditioning=True)
    assert 2 * alone == twice - d**2 - (p + 7) * d


def test_both_feed_forwards_are_equally_large_unless_told_otherwise():
    gelu = parameters(SMALL, feed_forward="gelu")
    assert gelu == parameters(SMALL)
    assert parameters(SMALL, feed_forward="gelu", feed_forward_width=4 * 256) < gelu


@pytest.mark.parametrize(
    ("part", "off"),
    [
        ("text", "text"),
        ("camera", "camera_conditioning"),
        ("action", "action_conditioning"),
        ("partner", "partner_conditioning"),
        ("position_head", "clip_heads"),
        ("velocity_head", "clip_heads"),
        ("environment_head", "clip_heads"),
    ],
)
def test_a_part_that_is_off_is_not_built(part, off):
    assert getattr(network(**{off: True}), part) is not None
    without = network(**{off: False})
    assert getattr(without, part) is None
    assert not any(name.startswith(f"{part}.") for name, _ in without.named_parameters())


def test_matrices_start_as_xavier_has_it_embeddings_included():
    model = network(action_conditioning=True)
    rows, columns = model.action[0].weight.shape
    bound = (6 / (rows + columns)) ** 0.5
    assert 0.9 * bound < model.action[0].weight.abs().max() <= bound
    assert bool((model.layers[0].attention_norm.weight == 1).all())


# What comes out


def test_every_head_has_its_shape():
    prediction = network()(inputs(frames=7, clips=3))
    assert prediction.pose_BTP.shape == (3, 7, 20)
    assert prediction.action_BTA.shape == (3, 7, 64)
    assert prediction.physics_BT6.shape == (3, 7, PHYSICS)
    assert prediction.position_B2.shape == prediction.velocity_B2.shape == (3, 2)
    assert prediction.environment_BV.shape == (3, ENVIRONMENTS)
    assert network(clip_heads=False)(inputs()).environment_BV is None


def changed(model: MotionTransformer, name: str, frame: int) -> list[bool]:
    """Say for every frame whether its pose changes when an input of one frame does."""
    given, other = inputs(), inputs()
    value = getattr(other, name)
    value[:, frame] = (value[:, frame] + 1) % 46 if name == "actions_BT" else value[:, frame] + 1
    before, after = model(given).pose_BTP, model(other).pose_BTP
    return [not torch.equal(b, a) for b, a in zip(before.unbind(1), after.unbind(1), strict=True)]


@pytest.mark.parametrize("name", ["pose_BTP", "camera_BT3", "actions_BT", "partner_BTP"])
@pytest.mark.parametrize(
    "switches",
    [{}, {"position": "sinusoidal"}, {"position": "none"}, {"text": False}, {"placement": "post"}],
    ids=str,
)
def test_no_frame_sees_a_later_one(name, switches):
    model = network(**EVERYTHING, **switches)
    assert changed(model, name, 6) == [False] * 6 + [True] * 6


def test_without_causality_every_frame_sees_every_other():
    assert changed(network(causal=False), "pose_BTP", 11) == [True] * 12


@pytest.mark.parametrize("causal", [True, False])
def test_every_frame_sees_the_caption(causal):
    model, other = network(causal=causal), inputs()
    other = replace(other, text_BE=other.text_BE + 1)
    difference_BT = (model(inputs()).pose_BTP - model(other).pose_BTP).abs().amax(-1)
    assert bool((difference_BT > 0).all())


def test_without_text_no_frame_sees_it():
    model, other = network(text=False), replace(inputs(), text_BE=torch.zeros(2, 1))
    assert torch.equal(model(inputs()).pose_BTP, model(other).pose_BTP)


@pytest.mark.parametrize("off", ["camera_BT3", "actions_BT", "partner_BTP"])
def test_a_condition_that_is_off_is_not_seen(off):
    model = network(camera_conditioning=False)
    assert changed(model, off, 0) == [False] * 12


def test_a_residual_pose_adds_to_the_frame_it_follows():
    plain, residual = network()(inputs()), network(residual_pose=True)(inputs())
    assert torch.equal(residual.pose_BTP, plain.pose_BTP + inputs().pose_BTP)


def test_positions_tell_where_a_frame_stands():
    """A clip of equal frames without a caption: without positions they can't be told apart."""
    same = replace(inputs(), pose_BTP=torch.ones(2, 12, 20), camera_BT3=torch.ones(2, 12, 3))
    for position, differs in (("rope", False), ("sinusoidal", True), ("none", False)):
        poses = network(position=position, text=False)(same).pose_BTP
        assert bool((poses[:, :1] - poses).abs().max() > 1e-4) is differs
    reversed_text = network(position="none", causal=False)(same).pose_BTP
    assert torch.allclose(reversed_text[:, :1].expand_as(reversed_text), reversed_text, atol=1e-5)


def test_no_norm_stands_between_the_last_layer_and_the_heads():
    model = network()
    with torch.no_grad():
        for layer in model.layers:
            layer.attention.out.weight.zero_()
            layer.attention.out.bias.zero_()
            layer.feed_forward.out.weight.zero_()
    given = inputs()
    embedded = model.motion(given.pose_BTP) + model.camera(given.camera_BT3)
    assert torch.allclose(model.encode(given), embedded)


def test_dropout_acts_in_training_only():
    model = network(dropout=0.5)
    assert torch.equal(model(inputs()).pose_BTP, model(inputs()).pose_BTP)
    model.train()
    assert not torch.equal(model(inputs()).pose_BTP, model(inputs()).pose_BTP)


def test_dropout_stands_where_the_architecture_has_it():
    model = network(dropout=0.25, **EVERYTHING)
    rates = {
        name: [part.p for part in module.modules() if isinstance(part, nn.Dropout)]
        for name, module in model.named_children()
    }
    once = {name: [0.25] for name in rates}
    assert rates == {**once, "text": [0.25] * 2, "layers": [0.25] * 4}


# What is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"d_model": 256, "nhead": 12},
            "d_model 256 is not divisible by nhead 12; nhead 8 or 16 would do",
        ),
        (
            {"d_model": 20, "nhead": 4},
            "rope needs an even width per head, and d_model 20 / nhead 4 is 5; "
            "nhead 2 or 5 would do",
        ),
        ({"d_model": 18}, "d_model must be a multiple of 4, not 18"),
        ({"input_dim": 21}, "input_dim must be even (x and y of each joint), not 21"),
        ({"dropout": 1.0}, "dropout must be in [0, 1), not 1.0"),
        ({"dropout": -0.1}, "dropout must be in [0, 1), not -0.1"),
        ({"dropout": float("nan")}, "dropout must be in [0, 1), not nan"),
        ({"num_layers": 0}, "num_layers must be at least 1, not 0"),
        ({"nhead": 0}, "nhead must be at least 1, not 0"),
        ({"feed_forward_width": 0}, "feed_forward_width must be at least 1, not 0"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(changes, message):
    assert message in replace(NANO, **changes).violations()
    with pytest.raises(ValueError, match=r"must be|needs|is not divisible"):
        network(**changes)


def test_an_odd_width_per_head_is_fine_without_rope():
    assert replace(NANO, d_model=20, nhead=4, position="none").violations() == []
    network(d_model=20, nhead=4, position="sinusoidal")(inputs())


@given(d_model=st.integers(1, 64), nhead=st.integers(1, 64))
def test_the_heads_that_are_suggested_would_do(d_model, nhead):
    d_model *= 4
    found = replace(NANO, d_model=d_model, nhead=nhead).violations()
    assert bool(found) == bool(d_model % (2 * nhead))
    for message in found:
        suggested = message.partition("; nhead ")[2].removesuffix(" would do").split(" or ")
        for other in map(int, suggested):
            assert replace(NANO, d_model=d_model, nhead=other).violations() == []


def test_inputs_that_do_not_fit_are_refused_together():
    given = inputs(embedding=31)
    given = replace(given, pose_BTP=given.pose_BTP[..., :18], partner_BTP=None)
    with pytest.raises(ValueError, match=r"input_dim is 20.*embedding_dim is 32.*partner") as error:
        network(partner_conditioning=True)(given)
    assert "31" in str(error.value)
