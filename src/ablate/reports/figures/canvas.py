"""What drawings are made with: lines, dots, areas and texts, placed in points."""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.artist import Artist
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Polygon, Rectangle

from ablate.reports.figures.drawing import Drawing, finished, settings
from ablate.reports.figures.labels import SIZE, SMALL, clean, cut, widest, width_of
from ablate.reports.figures.palette import INK, SOLID, Dashes
from ablate.reports.figures.scales import Scale

WIDTH = 576.0
"""The width of every drawing in points, 8 inches."""
EDGE = 6.0
LINE = 13.0
"""The height of a line of text."""

Points = Sequence[tuple[float, float]]


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


class Canvas:
    """A sheet on which marks are put, in points from its lower left corner."""

    def __init__(self, height: float, width: float = WIDTH) -> None:
        self.width, self.height = width, height
        self._hover: dict[str, tuple[str, ...]] = {}
        with settings():
            self._figure = Figure(figsize=(width / 72, height / 72), facecolor="none")
            self._figure.patch.set_visible(False)
            FigureCanvasSVG(self._figure)
            self._axes = self._figure.add_axes((0, 0, 1, 1), facecolor="none")
            self._axes.set_axis_off()
            self._axes.set(xlim=(0, width), ylim=(0, height), autoscale_on=False)

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
        with settings():
            (drawn,) = self._axes.plot(
                [x for x, _ in points],
                [y for _, y in points],
                color=ink,
                linewidth=width,
                linestyle=style,
                alpha=alpha,
                drawstyle="steps-post" if stairs else "default",
                marker="o" if len(points) == 1 else None,
                markersize=max(2.5, 2.2 * width),
                clip_on=within is not None,
            )
        self._finish(drawn, within, (title,) if title else ())

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
        with settings():
            (drawn,) = self._axes.plot(
                [x for x, _ in points],
                [y for _, y in points],
                linestyle="none",
                marker=marker,
                markersize=size,
                markerfacecolor="none" if hollow else ink,
                markeredgecolor=ink,
                markeredgewidth=1.1 if hollow else 0.0,
                alpha=alpha,
                clip_on=False,
            )
        self._finish(drawn, None, tuple(titles))

    def area(
        self,
        corners: Points,
        ink: str,
        alpha: float = 0.2,
        *,
        within: Box | None = None,
        title: str = "",
    ) -> None:
        """Fill a polygon."""
        with settings():
            patch = Polygon(list(corners), closed=True, color=ink, alpha=alpha, linewidth=0)
            self._axes.add_patch(patch)
        patch.set_clip_on(within is not None)
        self._finish(patch, within, (title,) if title else ())

    def text(
        self,
        x: float,
        y: float,
        words: str,
        width: float,
        anchor: str = "left",
        *,
        size: float = SIZE,
        bold: bool = False,
    ) -> None:
        """Write a text at mid height, cut to `width` points; the whole text is then its title."""
        whole = clean(words)
        if not whole:
            return
        shown = cut(whole, width, size, bold=bold)
        with settings():
            written = self._axes.text(
                x,
                y,
                shown,
                color=INK,
                size=size,
                weight="bold" if bold else "normal",
                ha=anchor,
                va="center_baseline",
            )
        self._finish(written, None, (whole,) if shown != whole else ())

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
        return finished(self._figure, kind, title, description, tuple(notes), self._hover)

    def _finish(self, artist: Artist, within: Box | None, titles: tuple[str, ...]) -> None:
        artist.set_zorder(1 + len(self._axes.get_children()))
        if within is not None:
            frame = Rectangle(
                (within.left, within.bottom),
                within.width,
                within.height,
                transform=self._axes.transData,
            )
            artist.set_clip_path(frame)
        if titles:
            gid = f"hover{len(self._hover)}"
            artist.set_gid(gid)
            self._hover[gid] = titles


def left_room(scale: Scale) -> float:
    """Return the margin in points that the labels of an axis up need."""
    return EDGE + 4 + widest(scale.labels, 120, SMALL)


def right_room(scale: Scale) -> float:
    """Return the margin in points that the last label of an axis along needs."""
    return max(EDGE, EDGE + max((width_of(label, SMALL) / 2 for label in scale.labels), default=0))
