"""Pictures of motion: true figures beside generated ones, the same bytes for the same numbers.

Trunk and head are dark, left limbs blue, right limbs red. Dimensions: T frames, J = 10 joints.
"""

import textwrap
from math import ceil
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from ablate.systems.motion.skeleton import (
    ELBOWS,
    FEET,
    FRAMES_PER_SECOND,
    HANDS,
    HEAD,
    KNEES,
    NECK,
    PELVIS,
    TRUNK,
)

Points = npt.NDArray[np.floating]

INK, LEFT, RIGHT, GROUND, PAPER = "#222222", "#0072B2", "#D55E00", "#999999", "#FFFFFF"
LABELS = ("truth", "generated")
HEAD_RADIUS = 0.09

STRIP_FIGURES = 10
COLUMN = 1.4
"""Metres from one figure of a strip to the next."""

LONGEST_ANIMATION = 100
"""Frames of an animation at most; of longer clips frames are left out, at the same pace."""

PANEL, TITLE_HEIGHT, TITLE_WIDTH = 200, 40, 60
"""Side of a panel and height of the title in pixels, and letters in a line of the title."""

FINENESS = 2
"""Pixels drawn for each pixel shown, in x and in y."""

TICK = 0.5
"""Metres between marks on the ground."""


def strip(path: Path, truth_TJ2: Points, generated_TJ2: Points, title: str) -> None:
    """Write a PNG of at most ten frames in a row, the true figures above the generated ones.

    Each figure is drawn at its height, its pelvis in the middle of its column. Both sets of joints
    are in metres; what is beyond the reach of the true figures or no number is not seen.
    """
    frames = _spread(len(truth_TJ2), STRIP_FIGURES)
    top = _top(truth_TJ2)
    width = COLUMN * len(frames)
    inches = 9.0 / (COLUMN * STRIP_FIGURES)
    figure = Figure(figsize=(max(5.0, inches * width), 2 * inches * top + 0.8), dpi=100)
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    rows = figure.subplots(2, 1)
    for axes, label, joints_TJ2 in zip(rows, LABELS, (truth_TJ2, generated_TJ2), strict=True):
        axes.axhline(0.0, color=GROUND, linewidth=1.0, zorder=0)
        for column, frame in enumerate(frames):
            _draw_figure(axes, joints_TJ2[frame], COLUMN * (column + 0.5))
        axes.set(xlim=(0.0, width), ylim=(-0.15, top), aspect="equal", ylabel=label, yticks=[])
        axes.spines[:].set_visible(False)
        axes.set_xticks([])
    rows[1].set_xticks(
        [COLUMN * (column + 0.5) for column in range(len(frames))],
        [f"{frame / FRAMES_PER_SECOND:.1f} s" for frame in frames],
        fontsize=8,
    )
    rows[1].tick_params(length=0)
    figure.subplots_adjust(left=0.04, right=0.99, bottom=0.08, top=0.90, hspace=0.05)
    figure.savefig(path, format="png", metadata={"Software": None})


def animation(path: Path, truth_TJ2: Points, generated_TJ2: Points, title: str) -> None:
    """Write a GIF of the true figure beside the generated one, at the pace of the clip.

    Each panel moves along with its pelvis; marks on the ground show the way covered. Clips of more
    than 100 frames are thinned out. Both sets of joints are in metres; what is beyond the reach of
    the true figure or no number is not seen.
    """
    stride = ceil(len(truth_TJ2) / LONGEST_ANIMATION)
    top = max(2.2, _top(truth_TJ2))
    palette = _palette()
    pages = [
        _page((truth_TJ2[frame], generated_TJ2[frame]), title, top).quantize(
            palette=palette, dither=Image.Dither.NONE
        )
        for frame in range(0, len(truth_TJ2), stride)
    ]
    pages[0].save(
        path,
        format="GIF",
        save_all=True,
        append_images=pages[1:],
        duration=1000 * stride // FRAMES_PER_SECOND,
        loop=0,
    )


def _spread(frames: int, count: int) -> list[int]:
    """Return at most `count` frames, evenly from the first to the last."""
    return sorted({round(frame) for frame in np.linspace(0, frames - 1, min(frames, count))})


def _top(joints_TJ2: Points) -> float:
    return float(joints_TJ2[..., 1].max()) + 2 * HEAD_RADIUS


def _lines(joints_J2: Points) -> list[tuple[str, Points]]:
    """Return the colour and the points of each line of a figure."""
    pelvis, head = joints_J2[PELVIS], joints_J2[HEAD]
    neck = pelvis + (head - pelvis) * (TRUNK / (TRUNK + NECK))
    limbs = [
        (colour, np.stack([start, joints_J2[middle[side]], joints_J2[end[side]]]))
        for side, colour in ((1, RIGHT), (0, LEFT))
        for start, middle, end in ((neck, ELBOWS, HANDS), (pelvis, KNEES, FEET))
    ]
    return [*limbs[:2], (INK, np.stack([pelvis, head])), *limbs[2:]]


def _draw_figure(axes: Axes, joints_J2: Points, middle: float) -> None:
    if not np.isfinite(joints_J2).all():
        return
    joints_J2 = joints_J2 + np.array([middle - joints_J2[PELVIS, 0], 0.0])
    for colour, points in _lines(joints_J2):
        axes.plot(*points.T, color=colour, linewidth=2.0, solid_capstyle="round")
    axes.plot(*joints_J2[HEAD], "o", color=INK, markersize=6)


def _page(joints: tuple[Points, Points], title: str, top: float) -> Image.Image:
    side = PANEL * FINENESS
    image = Image.new("RGB", (2 * side, side + TITLE_HEIGHT * FINENESS), PAPER)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(12 * FINENESS)
    text = "\n".join(textwrap.wrap(title, TITLE_WIDTH))
    draw.multiline_text((side, 4 * FINENESS), text, INK, font, anchor="ma", align="center")
    for number, (label, joints_J2) in enumerate(zip(LABELS, joints, strict=True)):
        panel = _panel(joints_J2, top)
        place = (number * side, TITLE_HEIGHT * FINENESS)
        image.paste(panel, place)
        draw.text((place[0] + side / 2, place[1]), label, GROUND, font, anchor="ma")
    return image.reduce(FINENESS)


def _panel(joints_J2: Points, top: float) -> Image.Image:
    side = PANEL * FINENESS
    image = Image.new("RGB", (side, side), PAPER)
    draw = ImageDraw.Draw(image)
    unit = 0.85 * side / top
    ground = 0.93 * side
    draw.line([(0, ground), (side, ground)], GROUND, FINENESS)
    if not np.isfinite(joints_J2).all():
        return image
    middle = float(joints_J2[PELVIS, 0])
    reach = side / 2 / unit
    for mark in range(ceil((middle - reach) / TICK), ceil((middle + reach) / TICK)):
        x = side / 2 + unit * (mark * TICK - middle)
        draw.line([(x, ground), (x, ground + 4 * FINENESS)], GROUND, FINENESS)
    pixels_J2 = np.stack(
        [side / 2 + unit * (joints_J2[:, 0] - middle), ground - unit * joints_J2[:, 1]], axis=-1
    ).clip(-side, 2 * side)
    for colour, points in _lines(pixels_J2):
        draw.line([(x, y) for x, y in points.tolist()], colour, 3 * FINENESS, joint="curve")
    x, y = pixels_J2[HEAD].tolist()
    draw.circle((x, y), unit * HEAD_RADIUS, INK)
    return image


def _palette() -> Image.Image:
    """Return the colours with three shades of each towards the paper."""
    colours = []
    for colour in (INK, LEFT, RIGHT, GROUND):
        channels = [int(colour[start : start + 2], 16) for start in (1, 3, 5)]
        for share in (1.0, 0.75, 0.5, 0.25):
            colours += [round(255 + share * (channel - 255)) for channel in channels]
    image = Image.new("P", (1, 1))
    image.putpalette([*colours, 255, 255, 255])
    return image
