"""Lines over epochs or budgets, with what lies around them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

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
from ablate.reports.figures.scales import Scale, plottable, scale_of, thinned
from ablate.reports.numbers import listing, number, plural

BAND_FROM = 10
"""From so many seeds on a band of quantiles stands for them."""
BAND = (0.1, 0.9)
MOST_POINTS = 200
MOST_BEHIND = 60
LONGEST = 170.0

Band = Sequence[tuple[float, float, float]]


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
    stairs: bool = False,
) -> Drawing:
    """Draw labelled lines before their seeds or bands, levels dashed; `names` are x first.

    The first eight curves stand out, the others are grey. The scale follows the curves; a level
    outside is noted at the edge. `log` asks for a logarithmic y axis where all values are positive
    and span more than a factor of 100. `behind` are unlabelled lines in the background, `stairs`
    draws a value until the next. Values that are not finite are left out.
    """
    shown = [_finite(curve) for curve in curves]
    shown = [curve for curve in shown if curve.points or curve.seeds]
    bright, grey = shown[:HIGHLIGHTED], shown[HIGHLIGHTED:]
    back = [found for points in behind if (found := _finite_points(points))]
    flat = [level for level in levels if plottable(level.value)]
    y = _y_scale(shown, back, flat, log)
    x = scale_of((x for x in _xs(shown, back)), whole=not stairs, pad=0.01)

    tags = [_Tag(curve.label, _end(curve), *style_of(index)) for index, curve in enumerate(bright)]
    if grey:
        tags.append(_Tag(_others(len(grey)), _end(grey[len(grey) // 2]), GREY, SOLID, tied=False))
    tags += [_level_tag(level, y) for level in flat]
    column = widest([tag.label for tag in tags], LONGEST) + 40 if tags else right_room(x)
    height = max(300.0, 75 + LINE * len(tags))
    box = Box(left_room(y), 38, WIDTH - column, height - 24)
    panel, canvas = Panel(box, x, y), Canvas(height)
    canvas.frame(panel, names)

    thin_back = back[:: -(-len(back) // MOST_BEHIND)] if back else []
    for points in thin_back:
        canvas.line(_thin(panel, points), GREY, 0.7, alpha=0.45, within=box)
    for curve in grey:
        canvas.line(
            _thin(panel, curve.points), GREY, 0.9, within=box, stairs=stairs, title=curve.label
        )
    for index, curve in enumerate(bright):
        _around(canvas, panel, curve, style_of(index)[0], stairs=stairs)
    for index, curve in enumerate(bright):
        ink, style = style_of(index)
        line = _thin(panel, curve.points)
        canvas.line(line, ink, 2.0, style, within=box, stairs=stairs, title=curve.label)
    for level in flat:
        if y.holds(level.value):
            at = panel.up(level.value)
            ends = [(box.left, at), (box.right, at)]
            canvas.line(ends, INK, 1.1, DASHED, alpha=0.65, title=_said(level))
    _write(canvas, panel, tags)

    notes = _notes(bright, grey, flat, y, len(back), len(thin_back))
    return canvas.drawing("curves", title, _described(names, bright, grey, flat, y), notes)


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


def _finite(curve: Curve) -> Curve:
    """Leave out what has no place on paper, and put a band where there are many seeds."""
    seeds = [found for points in curve.seeds if (found := _finite_points(points))]
    band = [row for row in curve.band if all(map(plottable, row))]
    if not band and len(seeds) >= BAND_FROM:
        band, seeds = list(band_of(seeds)), []
    return Curve(curve.label, _finite_points(curve.points), tuple(seeds), band)


def _xs(shown: Sequence[Curve], back: Sequence[Points]) -> list[float]:
    lines = [*back, *(line for curve in shown for line in (curve.points, *curve.seeds))]
    return [x for line in lines for x, _ in line]


def _y_scale(
    shown: Sequence[Curve], back: Sequence[Points], levels: Sequence[Level], log: bool
) -> Scale:
    """Make the scale of the arms: their lines whole, what lies around them as far as is near."""
    main = [y for curve in shown for _, y in curve.points]
    around = [y for curve in shown for points in curve.seeds for _, y in points]
    around += [y for curve in shown for _, low, high in curve.band for y in (low, high)]
    main = main or around or [y for points in back for _, y in points]
    main = main or [level.value for level in levels]
    if not main:
        return scale_of(())
    low, high = min(main), max(main)
    around += [y for points in back for _, y in points]
    around += [level.value for level in levels]
    if log and low > 0 and high / low > 10:
        near = [y for y in around if low / 10 <= y <= high * 10]
    else:
        near = [y for y in around if low - 0.5 * (high - low) <= y <= high + 0.5 * (high - low)]
    return scale_of([*main, *near], log=log)


def _end(curve: Curve) -> float:
    lines = [curve.points, *curve.seeds]
    return next(points[-1][1] for points in lines if points)


def _others(amount: int) -> str:
    return f"{plural(amount, 'other')}, grey"


def _said(level: Level) -> str:
    return f"{level.label}: {number(level.value)}"


def _level_tag(level: Level, y: Scale) -> _Tag:
    if y.holds(level.value):
        return _Tag(level.label, level.value, INK, DASHED)
    arrow = "↑" if level.value > y.high else "↓"
    label = f"{arrow} {number(level.value)} {level.label}"
    return _Tag(label, y.high if level.value > y.high else y.low, INK, DASHED, tied=False)


def _thin(panel: Panel, points: Points) -> list[tuple[float, float]]:
    return panel.at(thinned(points, MOST_POINTS))


def _around(canvas: Canvas, panel: Panel, curve: Curve, ink: str, *, stairs: bool) -> None:
    if curve.band:
        rows = sorted(curve.band)
        lows = thinned([(x, low) for x, low, _ in rows], MOST_POINTS)
        highs = thinned([(x, high) for x, _, high in rows], MOST_POINTS)
        if stairs:
            lows, highs = _stairs(lows), _stairs(highs)
        canvas.area([*panel.at(lows), *panel.at(highs)[::-1]], ink, 0.16, within=panel.box)
    for points in curve.seeds:
        line = _thin(panel, points)
        canvas.line(line, ink, 0.8, alpha=0.5, within=panel.box, stairs=stairs)


def _stairs(points: Points) -> list[tuple[float, float]]:
    corners = list(points[:1])
    for (_, before), (x, after) in zip(points, points[1:], strict=False):
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
    behind: int,
    drawn: int,
) -> list[str]:
    notes = []
    if grey:
        total = len(bright) + len(grey)
        notes.append(f"{len(bright)} of {total} arms stand out, the others are grey.")
    if any(curve.band and not curve.seeds for curve in bright):
        notes.append("Bands hold the middle 80 % of the seeds.")
    if outside := [_said(level) for level in levels if not y.holds(level.value)]:
        notes.append(f"Off the scale: {listing(map(clean, outside))}.")
    if drawn < behind:
        notes.append(f"{drawn} of {behind} lines in the background are drawn.")
    return notes


def _described(
    names: tuple[str, str],
    bright: Sequence[Curve],
    grey: Sequence[Curve],
    levels: Sequence[Level],
    y: Scale,
) -> str:
    ends = [f"{curve.label} ends at {number(_end(curve))}" for curve in bright]
    ends += [f"{level.label} at {number(level.value)}" for level in levels if y.holds(level.value)]
    said = f" {'; '.join(ends)}." if ends else " There is no value."
    return f"{names[1]} against {names[0]}.{said}"
