"""Forest plots: differences or effects with their intervals, better always to the right."""

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.analysis.verdicts import Verdict
from ablate.reports.figures.canvas import EDGE, WIDTH, Box, Canvas, Panel, rectangle
from ablate.reports.figures.drawing import Drawing
from ablate.reports.figures.labels import SMALL, widest
from ablate.reports.figures.palette import DASHED, GREY, INK, SOLID
from ablate.reports.figures.scales import Scale, plottable, scale_of
from ablate.reports.figures.verdicts import ink_of, words
from ablate.reports.numbers import NOTHING, number, plural

MOST_ROWS = 60
LONGEST, LONGEST_WORDS = 190.0, 130.0
ROW, TALL_ROW = 19.0, 28.0
REACH = 5.0
"""A row may reach this many times as far from zero as the upper quartile of all rows."""


@dataclass(frozen=True)
class Contrast:
    """A row of a forest plot: a difference or an effect, its 95 % interval and its seeds.

    `against` names what an arm is compared with, where the rows differ in it; `seeds` are the
    names and differences of single seeds; `floor` marks a trivial predictor, which does not set
    the scale; rows of one `group` stand together. NaN is a number that there is not.
    """

    label: str
    difference: float
    low: float
    high: float
    seeds: tuple[tuple[str, float], ...] = ()
    against: str = ""
    verdict: Verdict | None = None
    floor: bool = False
    group: str = ""


def draw_forest(
    rows: Sequence[Contrast],
    axis: str,
    *,
    title: str,
    minimize: bool,
    margin: float | None = None,
) -> Drawing:
    """Draw differences as rows around zero, `axis` below them; at most 60 rows.

    Where lower is better the axis runs backwards, so that better is to the right. `margin` shades
    what counts as equivalent. What lies far beyond the other rows is noted at the edge by an arrow
    and its value.
    """
    shown, groups = list(rows[:MOST_ROWS]), list(dict.fromkeys(row.group for row in rows))
    shown = [row for group in groups for row in shown if row.group == group]
    tall = any(row.against for row in shown)
    step = TALL_ROW if tall else ROW
    heads = [group for group in groups if group and any(row.group == group for row in shown)]
    height = 40 + step * max(1, len(shown)) + ROW * len(heads) + 56
    names = [row.label for row in shown]
    left = EDGE + max(
        widest(names, LONGEST),
        widest([f"against {row.against}" for row in shown if row.against], LONGEST, SMALL),
        widest(heads, LONGEST),
    )
    verdicts = [words(row.verdict) for row in shown if row.verdict]
    right = widest(verdicts, LONGEST_WORDS) + 14 + EDGE if verdicts else 24
    x = _x_scale(shown, margin)
    box = Box(left + 12, 50, WIDTH - right, height - 26)
    panel = Panel(box, x.flipped() if minimize else x, Scale(0, 1, (), ()))
    canvas = Canvas(height)
    if margin is not None:
        ends = sorted(min(max(panel.across(m), box.left), box.right) for m in (-margin, margin))
        canvas.area(rectangle(ends[0], box.bottom, ends[1], box.top), ink=GREY, alpha=0.18)
    canvas.frame(panel, grid="x")
    zero = panel.across(0)
    canvas.line([(zero, box.bottom), (zero, box.top)], INK, 1.1, alpha=0.75)
    canvas.text((box.left + box.right) / 2, 22, axis, WIDTH - 2 * EDGE, "center")
    canvas.text(box.right, box.top + 11, "better →", 90, "right", size=SMALL)
    canvas.text(box.left, box.top + 11, "← worse", 90, size=SMALL)

    y, last, off = box.top, "", 0
    for row in shown:
        if row.group != last and row.group:
            canvas.text(EDGE, y - ROW / 2, row.group, box.left - EDGE, bold=True, size=SMALL)
            y -= ROW
        last = row.group
        off += _row(canvas, panel, row, y - step / 2, left)
        y -= step
    notes = _notes(rows, shown, off, margin)
    described = "; ".join(_said(row) for row in shown) or "There is no row."
    return canvas.drawing("forest", title, f"{axis}; better is to the right. {described}.", notes)


def _x_scale(rows: Sequence[Contrast], margin: float | None) -> Scale:
    """Make the axis of all rows but floors, leaving out what would crush the others."""
    reaches = sorted(
        max((abs(value) for value in _values(row)), default=0.0) for row in rows if not row.floor
    )
    most = REACH * reaches[(3 * (len(reaches) - 1)) // 4] if reaches else 0.0
    near = [v for row in rows if not row.floor for v in _values(row) if not most or abs(v) <= most]
    near = near or [v for row in rows for v in _values(row)]
    near += [-margin, margin] if margin is not None and plottable(margin) else []
    return scale_of([0.0, *near], pad=0.06)


def _values(row: Contrast) -> list[float]:
    found = [row.difference, row.low, row.high, *(value for _, value in row.seeds)]
    return [value for value in found if plottable(value)]


def _row(canvas: Canvas, panel: Panel, row: Contrast, y: float, right: float) -> int:
    """Draw a row and return how many of its numbers lie off the scale."""
    box, ink = panel.box, ink_of(row.verdict)
    if row.against:
        canvas.text(right, y + 6, row.label, right - EDGE, "right")
        canvas.text(right, y - 6, f"against {row.against}", right - EDGE, "right", size=SMALL)
    else:
        canvas.text(right, y, row.label, right - EDGE, "right")
    if row.verdict:
        canvas.text(box.right + 14, y, words(row.verdict), canvas.width - EDGE - box.right - 14)
    seeds = [(name, value) for name, value in row.seeds if plottable(value)]
    inside = [(name, value) for name, value in seeds if panel.x.holds(value)]
    off = len(seeds) - len(inside)
    if plottable(row.low) and plottable(row.high):
        ends = sorted((panel.across(row.low), panel.across(row.high)))
        low, high = (min(max(end, box.left), box.right) for end in ends)
        style = DASHED if row.floor else SOLID
        if low < high:
            canvas.line([(low, y), (high, y)], ink, 2.2, style, title=_said(row))
        for end, shown, sign in ((ends[0], low, "<"), (ends[1], high, ">")):
            if end == shown:
                canvas.line([(end, y - 3.5), (end, y + 3.5)], ink, 1.4)
            elif low < high:
                canvas.dots([(shown, y)], ink, 6, sign)
                off += 1
    canvas.dots(
        [(panel.across(value), y - 5.5) for _, value in inside],
        INK,
        3.4,
        alpha=0.55,
        titles=[f"{row.label}, {name}: {number(value)}" for name, value in inside],
    )
    if plottable(row.difference):
        _middle(canvas, panel, row, y, ink)
        off += not panel.x.holds(row.difference)
    else:
        _nothing(canvas, panel, y)
    return off


def _nothing(canvas: Canvas, panel: Panel, y: float) -> None:
    """Say that there is no difference, on the side of zero that has more room."""
    zero, box = panel.across(0), panel.box
    words, left, right = "no difference computed", zero - box.left - 5, box.right - zero - 5
    if right >= left:
        canvas.text(zero + 5, y, words, right, size=SMALL)
    else:
        canvas.text(zero - 5, y, words, left, "right", size=SMALL)


def _middle(canvas: Canvas, panel: Panel, row: Contrast, y: float, ink: str) -> None:
    at, box = panel.across(row.difference), panel.box
    if panel.x.holds(row.difference):
        canvas.dots(
            [(at, y)], ink, 8, "D" if row.floor else "o", hollow=row.floor, titles=[_said(row)]
        )
        return
    right = at > box.right
    edge = box.right if right else box.left
    canvas.dots([(edge, y)], ink, 7, ">" if right else "<", titles=[_said(row)])
    canvas.text(
        edge - 7 if right else edge + 7,
        y + 7.5,
        number(row.difference),
        box.width,
        "right" if right else "left",
        size=SMALL,
    )


def _said(row: Contrast) -> str:
    name = f"{row.label} against {row.against}" if row.against else row.label
    said = (
        f"{name}: {number(row.difference)}" if plottable(row.difference) else f"{name}: {NOTHING}"
    )
    if plottable(row.low) and plottable(row.high):
        said += f" [{number(row.low)}, {number(row.high)}]"
    said += " (floor)" if row.floor else ""
    return f"{said}, {row.verdict}" if row.verdict else said


def _notes(
    rows: Sequence[Contrast], shown: Sequence[Contrast], off: int, margin: float | None
) -> list[str]:
    notes = []
    if margin is not None:
        notes.append(f"Shaded: the margin of ±{number(margin)}.")
    if any(row.floor for row in shown):
        notes.append("Floors are hollow and dashed and do not set the scale.")
    if off:
        verb = "lies" if off == 1 else "lie"
        notes.append(f"Arrows: {plural(off, 'number')} {verb} off the scale.")
    if len(shown) < len(rows):
        notes.append(f"The first {len(shown)} of {len(rows)} rows are drawn.")
    return notes
