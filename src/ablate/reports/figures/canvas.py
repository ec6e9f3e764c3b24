"""What drawings are made with: lines, dots, areas and texts, placed in points."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.text import Text

from ablate.reports.figures.drawing import Drawing, finished, settings
from ablate.reports.figures.labels import SIZE, SMALL, clean, cut, widest, width_of
from ablate.reports.figures.palette import INK, PAPER, SOLID, Dashes
from ablate.reports.figures.scales import Scale

WIDTH = 576.0
"""The width of every drawing in points, 8 inches."""
EDGE = 6.0
LINE = 13.0
"""The height of a line of text."""

Points: TypeAlias = Sequence[tuple[float, float]]
Anchor: TypeAlias = Literal["left", "center", "right"]


@dataclass(frozen=True)
class Box:
    """A rectangle in points; y runs upwards."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """From bottom to top."""
        return self.top - self.bottom


@dataclass(frozen=True)
class Panel:
    """A box with an axis along and an axis up."""

    box: Box
    x: Scale
    y: Scale

    def across(self, value: float) -> float:
        """Return where a value of x lies, in points."""
        return self.box.left + self.x.fraction(value) * self.box.width

    def up(self, value: float) -> float:
        """Return where a value of y lies, in points."""
        return self.box.bottom + self.y.fraction(value) * self.box.height

    def at(self, points: Points) -> list[tuple[float, float]]:
        """Return where points lie; far outside they are drawn in to a box's size from it."""
        box = self.box
        return [
            (
                min(max(self.across(x), box.left - box.width), box.right + box.width),
                min(max(self.up(y), box.bottom - box.height), box.top + box.height),
            )
            for x, y in points
        ]

    def holds(self, x: float, y: float) -> bool:
        """Say whether a point lies in the box."""
        return self.x.holds(x) and self.y.holds(y)


@dataclass(frozen=True)
class _Mark:
    """What makes an artist, the box that cuts it off, and its titles."""

    make: Callable[[], Artist]
    within: Box | None
    titles: tuple[str, ...]


def rectangle(left: float, bottom: float, right: float, top: float) -> Points:
    """Return the corners of a rectangle."""
    return [(left, bottom), (right, bottom), (right, top), (left, top)]


class Canvas:
    """A sheet on which marks are put one before the other, in points from its lower left corner."""

    def __init__(self, height: float, width: float = WIDTH) -> None:
        self.width, self.height = width, height
        self._marks: list[_Mark] = []

    def line(
        self,
        points: Points,
        ink: str,
        width: float = 1.0,
        style: Dashes = SOLID,
        *,
        alpha: float = 1.0,
        within: Box | None = None,
        stairs: bool = False,
        title: str = "",
    ) -> None:
        """Draw a line, cut off at the edges of the box `within`; a single point as a dot."""
        if not points:
            return
        make = partial(
            Line2D,
            [x for x, _ in points],
            [y for _, y in points],
            color=ink,
            linewidth=width,
            linestyle=style,
            alpha=alpha,
            drawstyle="steps-post" if stairs else "default",
            marker="o" if len(points) == 1 else None,
            markersize=max(2.5, 2.2 * width),
        )
        self._marks.append(_Mark(make, within, (title,) if title else ()))

    def dots(
        self,
        points: Points,
        ink: str,
        size: float = 5.0,
        marker: str = "o",
        *,
        hollow: bool = False,
        alpha: float = 1.0,
        titles: Sequence[str] = (),
    ) -> None:
        """Draw marks, each with its title."""
        if not points:
            return
        make = partial(
            Line2D,
            [x for x, _ in points],
            [y for _, y in points],
            linestyle="none",
            marker=marker,
            markersize=size,
            markerfacecolor="none" if hollow else ink,
            markeredgecolor=ink,
            markeredgewidth=1.1 if hollow else 0.0,
            alpha=alpha,
        )
        self._marks.append(_Mark(make, None, tuple(titles)))

    def area(
        self,
        *polygons: Points,
        ink: str,
        alpha: float = 0.2,
        within: Box | None = None,
        title: str = "",
    ) -> None:
        """Fill polygons as one shape, without seams between them."""
        path = Path.make_compound_path(*(Path([*p, p[0]], closed=True) for p in polygons))
        make = partial(PathPatch, path, facecolor=ink, edgecolor="none", alpha=alpha, linewidth=0)
        self._marks.append(_Mark(make, within, (title,) if title else ()))

    def text(
        self,
        x: float,
        y: float,
        words: str,
        width: float,
        anchor: Anchor = "left",
        *,
        size: float = SIZE,
        bold: bool = False,
        backed: bool = False,
    ) -> None:
        """Write a text at mid height, cut to `width` points; the whole text is then its title.

        A `backed` text stands on paper, so that it can be read before lines.
        """
        whole = clean(words)
        if not whole:
            return
        shown = cut(whole, width, size, bold=bold)
        if backed:
            taken = width_of(shown, size, bold=bold)
            left = x - {"left": 0.0, "center": 0.5, "right": 1.0}[anchor] * taken
            self.area(rectangle(left - 1, y - 5, left + taken + 1, y + 5), ink=PAPER, alpha=0.8)
        make = partial(
            Text,
            *(x, y, shown),
            color=INK,
            size=size,
            weight="bold" if bold else "normal",
            horizontalalignment=anchor,
            verticalalignment="center_baseline",
        )
        self._marks.append(_Mark(make, None, (whole,) if shown != whole else ()))

    def frame(
        self,
        panel: Panel,
        names: tuple[str, str] = ("", ""),
        *,
        grid: str = "xy",
        size: float = SMALL,
    ) -> None:
        """Draw the axes of a panel: its grid, its ticks and their labels, the names of the axes.

        The name of the axis along stands below, that of the axis up above its top.
        """
        box = panel.box
        for tick, label in zip(panel.x.ticks, panel.x.labels, strict=True):
            x = panel.across(tick)
            if "x" in grid:
                self.line([(x, box.bottom), (x, box.top)], INK, 0.7, alpha=0.12)
            self.text(x, box.bottom - 9, label, box.width, "center", size=size)
        for tick, label in zip(panel.y.ticks, panel.y.labels, strict=True):
            y = panel.up(tick)
            if "y" in grid:
                self.line([(box.left, y), (box.right, y)], INK, 0.7, alpha=0.12)
            self.text(box.left - 4, y, label, box.left - EDGE, "right", size=size)
        self.line([(box.left, box.bottom), (box.right, box.bottom)], INK, 0.8)
        along, upward = names
        self.text((box.left + box.right) / 2, box.bottom - 23, along, 0.98 * box.width, "center")
        self.text(EDGE, box.top + 12, upward, self.width - 2 * EDGE)

    def drawing(
        self, kind: str, title: str, description: str, notes: Sequence[str] = ()
    ) -> Drawing:
        """Finish the drawing."""
        with settings():
            figure, axes = self._sheet()
            hover = {}
            for index, mark in enumerate(self._marks):
                artist = axes.add_artist(mark.make())
                artist.set(zorder=index, clip_on=mark.within is not None)
                if mark.within is not None:
                    artist.set_clip_path(_rectangle(mark.within, axes))
                if mark.titles:
                    gid = f"hover{index}"
                    artist.set_gid(gid)
                    hover[gid] = mark.titles
            return finished(
                figure,
                kind,
                title=title,
                description=description,
                notes=tuple(notes),
                hover=hover,
            )

    def _sheet(self) -> tuple[Figure, Axes]:
        figure = Figure(figsize=(self.width / 72, self.height / 72))
        figure.patch.set_visible(False)
        FigureCanvasSVG(figure)
        axes = figure.add_axes((0, 0, 1, 1), facecolor="none")
        axes.set_axis_off()
        axes.set(xlim=(0, self.width), ylim=(0, self.height), autoscale_on=False)
        return figure, axes


def _rectangle(box: Box, axes: Axes) -> Rectangle:
    corner = (box.left, box.bottom)
    return Rectangle(corner, box.width, box.height, transform=axes.transData)


def left_room(scale: Scale) -> float:
    """Return the margin in points that the labels of an axis up need."""
    return EDGE + 4 + widest(scale.labels, 120, SMALL)


def right_room(scale: Scale) -> float:
    """Return the margin in points that the last label of an axis along needs."""
    return max(EDGE, EDGE + max((width_of(label, SMALL) / 2 for label in scale.labels), default=0))
