"""Pictures of motion."""

import numpy as np
import pytest
from PIL import Image

from ablate.systems.motion.generation import ACTIONS, clips
from ablate.systems.motion.pictures import animation, strip

CAPTION = "a person breaks into a sprint quickly then celebrates with joy slowly to the right"
BLUE, RED = (0, 114, 178), (213, 94, 0)


def joints(frames, number=0):
    return clips(0, [number], frames).joints_NTJ2[0]


def has(image, colour):
    pixels = np.asarray(image.convert("RGB")).astype(int)
    return bool((np.abs(pixels - colour).max(-1) < 20).any())


def halves(image, across):
    width, height = image.size
    if across:
        return (
            image.crop((0, 40, width // 2, height)),
            image.crop((width // 2, 40, width, height)),
        )
    return (image.crop((0, 30, width, height // 2)), image.crop((0, height // 2, width, height)))


@pytest.mark.parametrize("frames", [1, 2, 9, 51])
def test_a_strip_shows_both_figures_whatever_the_length(tmp_path, frames):
    strip(tmp_path / "motion.png", joints(frames), joints(frames, 1), CAPTION)
    image = Image.open(tmp_path / "motion.png")
    assert image.format == "PNG"
    for half in halves(image, across=False):
        assert has(half, BLUE)
        assert has(half, RED)


def test_a_strip_draws_ten_figures_at_most(tmp_path):
    sizes = {}
    for frames in (5, 10, 11, 51):
        strip(tmp_path / "motion.png", joints(frames), joints(frames), CAPTION)
        sizes[frames] = Image.open(tmp_path / "motion.png").width
    assert sizes[5] < sizes[10] == sizes[11] == sizes[51]


def test_an_animation_has_a_page_per_frame_at_the_pace_of_the_clip(tmp_path):
    animation(tmp_path / "motion.gif", joints(51), joints(51, 1), CAPTION)
    image = Image.open(tmp_path / "motion.gif")
    assert (image.format, image.n_frames) == ("GIF", 51)
    for page in (0, 25, 50):
        image.seek(page)
        assert image.info["duration"] == 40
        for half in halves(image, across=True):
            assert has(half, BLUE)


@pytest.mark.parametrize(("frames", "pages", "duration"), [(1, 1, None), (101, 51, 80),
                                                           (251, 84, 120)])  # fmt: skip
def test_a_long_clip_leaves_frames_out_and_keeps_its_pace(tmp_path, frames, pages, duration):
    animation(tmp_path / "motion.gif", joints(frames), joints(frames, 1), CAPTION)
    image = Image.open(tmp_path / "motion.gif")
    assert image.n_frames == pages
    assert duration is None or image.info["duration"] == duration


def test_an_animation_of_much_movement_stays_small(tmp_path):
    made = clips(0, range(60), 251)
    sprinting = (made.actions_NT == ACTIONS.index("sprint")).any(1).nonzero()[0]
    truth, generated = made.joints_NTJ2[sprinting[0]], made.joints_NTJ2[sprinting[1]]
    animation(tmp_path / "motion.gif", truth, generated, CAPTION)
    assert (tmp_path / "motion.gif").stat().st_size < 300_000


def test_the_same_numbers_give_the_same_bytes(tmp_path):
    for number in (0, 1):
        strip(tmp_path / f"{number}.png", joints(12), joints(12, 1), CAPTION)
        animation(tmp_path / f"{number}.gif", joints(12), joints(12, 1), CAPTION)
    assert (tmp_path / "0.png").read_bytes() == (tmp_path / "1.png").read_bytes()
    assert (tmp_path / "0.gif").read_bytes() == (tmp_path / "1.gif").read_bytes()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30, -1e30])
def test_a_generated_motion_gone_astray_can_still_be_drawn(tmp_path, value):
    astray = joints(6).copy()
    astray[3:] = value
    strip(tmp_path / "motion.png", joints(6), astray, CAPTION)
    animation(tmp_path / "motion.gif", joints(6), astray, CAPTION)
    image = Image.open(tmp_path / "motion.gif")
    image.seek(image.n_frames - 1)
    truth, generated = halves(image, across=True)
    assert has(truth, BLUE)
    assert not has(generated, BLUE)
