"""Lines over epochs or budgets, with what lies around them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from ablate.reports.figures.canvas import (
    EDGE,
    LINE,
    WIDTH,
    Box,
    Canvas,
    Panel,
    Points,
    left_room,
    right_room,
)
from ablate.reports.figures.drawing import Drawing
from ablate.reports.figures.labels import clean, placed, widest
from ablate.reports.figures.palette import DASHED, GREY, HIGHLIGHTED, INK, SOLID, Dashes, style_of
from ablate.reports.figures.scales import Scale, every, fenced, plottable, scale_of, thinned
from ablate.reports.numbers import listing, number, plural

BAND_FROM = 10
"""From so many seeds on a band of quantiles stands for them."""
BAND = (0.1, 0.9)
DIVERGED = 20.0
"""A line so many interquartile ranges from the others' middle half does not set the scale."""
MOST_POINTS, THIN_POINTS = 200, 100
MOST_BEHIND, MOST_GREY = 60, 100
LONGEST = 170.0

Band: TypeAlias = Sequence[tuple[float, float, float]]


@dataclass(frozen=True)
class Curve:
    """A line with its label, and a line for every seed or a band (x, low, high) around it.

    From ten seeds on the `seeds` are drawn as the band of their 10 % and 90 % quantiles.
    """

    label: str
    points: Points
    seeds: tuple[Points, ...] = ()
    band: Band = ()


@dataclass(frozen=True)
class Level:
    """A value that does not change along the axis: a floor."""

    label: str
    value: float


def draw_curves(
    curves: Sequence[Curve],
    levels: Sequence[Level],
    names: tuple[str, str],
    *,
    title: str,
    log: bool = False,
    behind: Sequence[Points] = (),
    more_behind: int = 0,
    stairs: bool = False,
) -> Drawing:
    """Draw labelled lines before their seeds or bands, levels dashed; `names` are x first.

    The first eight curves stand out, the others are grey. The scale follows the curves; a level
    outside is noted at the edge. `log` asks for a logarithmic y axis where all values are positive
    and span more than a factor of 100. `behind` are unlabelled lines in the background, of which
    `more_behind` were left out before; `stairs` draws a value until the next. Values that are not
    finite are left out.
    """
    drawn = [cleaned for curve in curves if (cleaned := _finite(curve))]
    bright = [_banded(curve) for curve in drawn[:HIGHLIGHTED]]
    grey = [Curve(curve.label, _main(curve)) for curve in drawn[HIGHLIGHTED:]]
    shown = [*bright, *grey]
    back = [line for points in every(behind, MOST_BEHIND) if (line := _finite_points(points))]
    flat = [level for level in levels if plottable(level.value)]
    y = _y_scale(shown, back, flat, log)
    lines = [*back, *(line for curve in shown for line in (curve.points, *curve.seeds))]
    x = scale_of((x for line in lines for x, _ in line), whole=not stairs, pad=0.01)

    tags = [_tag(c.label, _end(c), y, style_of(index)) for index, c in enumerate(bright)]
    if grey:
        tags.append(_Tag(_others(len(grey)), _end(grey[len(grey) // 2]), GREY, SOLID, tied=False))
    tags += [_tag(level.label, level.value, y, (INK, DASHED)) for level in flat]
    column = widest([tag.label for tag in tags], LONGEST) + 40 if tags else right_room(x)
    height = max(300.0, 75 + LINE * len(tags))
    box = Box(left_room(y), 38, WIDTH - column, height - 24)
    panel, canvas = Panel(box, x, y), Canvas(height)
    canvas.frame(panel, names)

    if not (shown or back):
        canvas.text(
            (box.left + box.right) / 2, (box.bottom + box.top) / 2, "no value", 90, "center"
        )
    for points in back:
        canvas.line(_thin(panel, points), GREY, 0.7, alpha=0.45, within=box)
    for curve in every(grey, MOST_GREY):
        canvas.line(
            _thin(panel, curve.points), GREY, 0.9, within=box, stairs=stairs, title=curve.label
        )
    for index, curve in enumerate(bright):
        _around(canvas, panel, curve, style_of(index)[0], stairs=stairs)
    for index, curve in enumerate(bright):
        ink, style = style_of(index)
        line = panel.at(thinned(curve.points, MOST_POINTS))
        canvas.line(line, ink, 2.0, style, within=box, stairs=stairs, title=curve.label)
    for level in flat:
        if y.holds(level.value):
            at = panel.up(level.value)
            ends = [(box.left, at), (box.right, at)]
            canvas.line(ends, INK, 1.1, DASHED, alpha=0.65, title=_said(level))
    _write(canvas, panel, tags)

    notes = _notes(bright, grey, flat, y)
    if leaving := sum(any(not y.holds(value) for _, value in line) for line in lines):
        notes.append(f"{plural(leaving, 'line')} in part off the scale.")
    if len(back) < (lines_behind := len(behind) + more_behind):
        notes.append(f"{len(back)} of {lines_behind} lines in the background are drawn.")
    return canvas.drawing("curves", title, _described(names, bright, flat, y), notes)


def band_of(runs: Sequence[Points], quantiles: tuple[float, float] = BAND) -> Band:
    """Return (x, low, high): the quantiles over the runs at each x that all of them have.

    Linear interpolation between order statistics (R. J. Hyndman and Y. Fan 1996, type 7).
    """
    values: dict[float, list[float]] = defaultdict(list)
    for points in runs:
        for x, value in dict(points).items():
            values[x].append(value)
    full = sorted(x for x, found in values.items() if len(found) == len(runs))
    return [(x, *map(float, np.quantile(values[x], quantiles))) for x in full]  # type: ignore[misc]


@dataclass(frozen=True)
class _Tag:
    """A label beside the panel, and the value its line ends at."""

    label: str
    value: float
    ink: str
    style: Dashes
    tied: bool = True


def _finite_points(points: Points) -> list[tuple[float, float]]:
    return [(x, y) for x, y in points if plottable(x) and plottable(y)]


def _finite(curve: Curve) -> Curve | None:
    """Leave out what has no place on paper; None if nothing is left."""
    seeds = tuple(found for points in curve.seeds if (found := _finite_points(points)))
    band = [row for row in curve.band if all(map(plottable, row))]
    points = _finite_points(curve.points)
    return Curve(curve.label, points, seeds, band) if points or seeds else None


def _banded(curve: Curve) -> Curve:
    """Put a band in the place of many seeds."""
    if curve.band or len(curve.seeds) < BAND_FROM:
        return curve
    return replace(curve, band=band_of(curve.seeds))


def _main(curve: Curve) -> Points:
    return curve.points or curve.seeds[0]


def _y_scale(
    shown: Sequence[Curve], back: Sequence[Points], levels: Sequence[Level], log: bool
) -> Scale:
    """Make the scale of the arms: their lines, what lies around them and the levels nearby."""
    main = fenced([y for curve in shown for _, y in curve.points], DIVERGED)
    around = [y for curve in shown if not curve.band for points in curve.seeds for _, y in points]
    around += [y for curve in shown for _, low, high in curve.band for y in (low, high)]
    around += [y for points in back for _, y in points]
    flat = [level.value for level in levels]
    if not main:
        return scale_of(around or flat, log=log)
    scale = scale_of(main, log=log)
    near = [*fenced([*main, *around]), *(y for y in around if -1 <= scale.fraction(y) <= 2)]
    scale = scale_of([*main, *near], log=log)
    return scale_of([*main, *near, *(y for y in flat if -0.5 <= scale.fraction(y) <= 1.5)], log=log)


def _end(curve: Curve) -> float:
    return _main(curve)[-1][1]


def _others(amount: int) -> str:
    return f"{plural(amount, 'other')}, grey"


def _said(level: Level) -> str:
    return f"{level.label}: {number(level.value)}"


def _tag(label: str, value: float, y: Scale, style: tuple[str, Dashes]) -> _Tag:
    """Make a label; what ends off the scale is noted at the edge, with an arrow and its value."""
    if y.holds(value):
        return _Tag(label, value, *style)
    above = value > y.high
    noted = f"{'↑' if above else '↓'} {number(value)} {label}"
    return _Tag(noted, y.high if above else y.low, *style, tied=False)


def _thin(panel: Panel, points: Points) -> list[tuple[float, float]]:
    return panel.at(thinned(points, THIN_POINTS))


def _around(canvas: Canvas, panel: Panel, curve: Curve, ink: str, *, stairs: bool) -> None:
    if curve.band:
        rows = sorted(curve.band)
        lows = thinned([(x, low) for x, low, _ in rows], MOST_POINTS)
        highs = thinned([(x, high) for x, _, high in rows], MOST_POINTS)
        if stairs:
            lows, highs = _stairs(lows), _stairs(highs)
        corners = [*panel.at(lows), *panel.at(highs)[::-1]]
        canvas.area(corners, ink=ink, alpha=0.16, within=panel.box)
    for points in () if curve.band else curve.seeds:
        line = _thin(panel, points)
        canvas.line(line, ink, 0.8, alpha=0.5, within=panel.box, stairs=stairs)


def _stairs(points: Points) -> list[tuple[float, float]]:
    corners = list(points[:1])
    for (_, before), (x, after) in pairwise(points):
        corners += [(x, before), (x, after)]
    return corners


def _write(canvas: Canvas, panel: Panel, tags: Sequence[_Tag]) -> None:
    """Write the labels beside the panel, each tied to the end of its line."""
    box = panel.box
    ordered = sorted(tags, key=lambda tag: panel.y.fraction(tag.value))
    ends = [min(max(panel.up(tag.value), box.bottom), box.top) for tag in ordered]
    heights = placed(ends, LINE, box.bottom - 12, canvas.height - 12)
    for tag, end, height in zip(ordered, ends, heights, strict=True):
        start = box.right + 10
        if tag.tied:
            canvas.line([(box.right, end), (start, height)], tag.ink, 0.8)
        canvas.line([(start, height), (start + 18, height)], tag.ink, 2.0, tag.style)
        left = start + 22
        canvas.text(left, height, tag.label, canvas.width - EDGE - left)


def _notes(
    bright: Sequence[Curve],
    grey: Sequence[Curve],
    levels: Sequence[Level],
    y: Scale,
) -> list[str]:
    notes = []
    if grey:
        total = len(bright) + len(grey)
        notes.append(f"{len(bright)} of {total} arms stand out, the others are grey.")
    if len(grey) > MOST_GREY:
        notes.append(f"{len(every(grey, MOST_GREY))} of {len(grey)} grey arms are drawn.")
    if any(curve.band and curve.seeds for curve in bright):
        notes.append("Bands hold the middle 80 % of the seeds.")
    if outside := [_said(level) for level in levels if not y.holds(level.value)]:
        notes.append(f"Off the scale: {listing(map(clean, outside))}.")
    return notes


def _described(
    names: tuple[str, str],
    bright: Sequence[Curve],
    levels: Sequence[Level],
    y: Scale,
) -> str:
    ends = [f"{curve.label} ends at {number(_end(curve))}" for curve in bright]
    ends += [f"{level.label} at {number(level.value)}" for level in levels if y.holds(level.value)]
    said = f" {'; '.join(ends)}." if ends else " There is no value."
    return f"{names[1]} against {names[0]}.{said}"
