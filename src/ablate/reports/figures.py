"""Figures as SVG text, the same for the same numbers."""

import io
import math
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullFormatter

# The palette of Okabe and Ito without its yellow and black, which vanish on white or on dark.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1")
STYLES = ("solid", "dashdot", "dotted")
INK = "#010203"  # stands for the colour of the text around the figure
WIDTH, HEIGHT = 8.0, 4.2
LABEL_GAP = 0.05
LONGEST_LABEL = 26
LOG_FROM = 100.0

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """One line of a figure: points (x, y), thin lines behind it, and its label."""

    label: str
    points: Points
    thin: tuple[Points, ...] = ()


@dataclass(frozen=True)
class Level:
    """A dashed horizontal line."""

    label: str
    value: float


def draw_lines(
    lines: Sequence[Line],
    levels: Sequence[Level],
    names: tuple[str, str],
    *,
    log: bool = False,
    behind: Sequence[Points] = (),
) -> str:
    """Draw labelled lines over their thin ones, and levels; non-finite points are left out.

    `names` are those of the axes, x first; `behind` are unlabelled lines in the background.
    `log` asks for a logarithmic y axis where all values are positive and span more than a
    factor of 100.
    """
    with _settings():
        figure, axes = _figure(names)
        tags = []
        for points in behind:
            _thin(axes, points, INK)
        for index, line in enumerate(lines):
            colour = PALETTE[index % len(PALETTE)]
            style = STYLES[index // len(PALETTE) % len(STYLES)]
            for points in line.thin:
                _thin(axes, points, colour)
            xs, ys = _split(line.points)
            axes.plot(xs, ys, color=colour, linewidth=2, linestyle=style)
            shown = ys or [value for points in line.thin for value in _split(points)[1][-1:]]
            if shown:
                tags.append((shown[-1], line.label, colour))
        for level in levels:
            axes.axhline(level.value, color=INK, linewidth=1.2, linestyle="dashed", alpha=0.6)
            tags.append((level.value, level.label, INK))
        if log:
            _scale(axes)
        _label(axes, tags)
        return _svg(figure, "-".join(names))


def draw_history(points: Points, best: Points, names: tuple[str, str], *, log: bool = False) -> str:
    """Draw values as dots and their running best as a staircase; arguments as `draw_lines`."""
    with _settings():
        figure, axes = _figure(names)
        axes.plot(*_split(points), color=PALETTE[0], linestyle="none", marker="o", markersize=4)
        xs, ys = _split(best)
        axes.step(xs, ys, where="post", color=PALETTE[1], linewidth=2)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if log:
            _scale(axes)
        tags = [(ys[-1], "best so far", PALETTE[1])] if ys else []
        _label(axes, tags)
        return _svg(figure, "-".join(("history", *names)))


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Move sorted values apart until neighbours differ by `gap`, each as little as possible.

    The least-squares solution, by pooling adjacent violators.
    """
    blocks: list[tuple[float, int]] = []
    for index, value in enumerate(values):
        mean, size = value - index * gap, 1
        while blocks and blocks[-1][0] > mean:
            before, weight = blocks.pop()
            mean = (before * weight + mean * size) / (weight + size)
            size += weight
        blocks.append((mean, size))
    levels = [mean for mean, size in blocks for _ in range(size)]
    return [level + index * gap for index, level in enumerate(levels)]


def _settings() -> AbstractContextManager[None]:
    settings = {
        **mpl.rcParamsDefault,
        "svg.fonttype": "none",
        "svg.hashsalt": "ablate",
        "text.parse_math": False,
        "font.sans-serif": ["DejaVu Sans", "Verdana", "sans-serif"],
        "font.size": 10,
    }
    return mpl.rc_context({k: v for k, v in settings.items() if not k.startswith("backend")})


def _figure(names: tuple[str, str]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, HEIGHT), facecolor="none")
    FigureCanvasSVG(figure)
    axes = figure.add_axes((0.1, 0.13, 0.88, 0.82), facecolor="none")
    axes.set_xlabel(names[0], color=INK)
    axes.set_ylabel(names[1], color=INK)
    axes.tick_params(colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(INK)
    axes.grid(visible=True, color=INK, alpha=0.12, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure, axes


def _thin(axes: Axes, points: Points, colour: str) -> None:
    xs, ys = _split(points)
    axes.plot(xs, ys, color=colour, linewidth=0.8, alpha=0.45, marker="." if len(xs) == 1 else None)


def _scale(axes: Axes) -> None:
    values = np.array([value for line in axes.lines for value in np.ravel(line.get_ydata())])
    if values.size and values.min() > 0 and values.max() / values.min() > LOG_FROM:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())


def _label(axes: Axes, tags: list[tuple[float, str, str]]) -> None:
    """Write each label beside the end of its line, moved apart where they would touch."""
    longest = max((len(_cut(label)) for _, label, _ in tags), default=0)
    box = axes.get_position()
    width = 0.95 - box.x0 - 0.0105 * longest
    axes.set_position((box.x0, box.y0, width, box.height))
    axes.autoscale_view()
    to_axes = axes.transData + axes.transAxes.inverted()
    placed = sorted((float(to_axes.transform((1, y))[1]), label, ink) for y, label, ink in tags)
    gap = min(LABEL_GAP, 1 / max(1, len(placed)))
    heights = spread([height for height, _, _ in placed], gap)
    over, under = max([0.0, *(h - 1 for h in heights)]), max([0.0, *(-h for h in heights)])
    heights = [height - over + under for height in heights]
    for (height, label, ink), moved in zip(placed, heights, strict=True):
        axes.plot(
            [1.0, 1.018],
            [height, moved],
            transform=axes.transAxes,
            color=ink,
            linewidth=0.8,
            clip_on=False,
        )
        axes.text(1.023, moved, _cut(label), transform=axes.transAxes, color=ink, va="center")


def _cut(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


def _split(points: Points) -> tuple[list[float], list[float]]:
    finite = [(x, y) for x, y in points if math.isfinite(y)]
    return [x for x, _ in finite], [y for _, y in finite]


def file_part(name: str) -> str:
    """Make a name fit for a file name and an XML id."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", name)


def _svg(figure: Figure, name: str) -> str:
    """Write a figure as an SVG element that takes its ink from the text around it."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    svg = buffer.getvalue()
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg[svg.index("<svg") :], flags=re.S)
    used = set(re.findall(r"#([\w.-]+)", svg))
    prefix = file_part(name)

    def rename(match: re.Match[str]) -> str:
        return f' id="{prefix}-{match[1]}"' if match[1] in used else ""

    svg = re.sub(r' id="([^"]+)"', rename, svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}-\1"', svg)
    return svg.replace(INK, "currentColor").strip()
