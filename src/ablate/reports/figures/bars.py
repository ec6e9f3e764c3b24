"""Bars with a spread, such as importances."""

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.reports.figures.canvas import EDGE, WIDTH, Box, Canvas, Panel, rectangle, right_room
from ablate.reports.figures.drawing import Drawing
from ablate.reports.figures.labels import SMALL, widest
from ablate.reports.figures.palette import INK, PALETTE
from ablate.reports.figures.scales import Scale, plottable, scale_of
from ablate.reports.numbers import number

MOST_BARS = 40
LONGEST = 200.0
ROW = 20.0


@dataclass(frozen=True)
class Bar:
    """A value with its spread from `low` to `high` (NaN where there is none)."""

    label: str
    value: float
    low: float
    high: float


def draw_bars(bars: Sequence[Bar], axis: str, *, title: str) -> Drawing:
    """Draw bars from zero in the order given, with their spreads as whiskers; at most 40 bars."""
    shown = [bar for bar in bars if plottable(bar.value)]
    drawn = shown[:MOST_BARS]
    height = 46 + ROW * max(1, len(drawn)) + 8
    values = [v for bar in drawn for v in (bar.value, bar.low, bar.high) if plottable(v)]
    x = scale_of([0.0, *values], pad=0.0)
    left = EDGE + widest([bar.label for bar in drawn], LONGEST) + 8
    numbers_room = widest([number(bar.value) for bar in drawn], 80, SMALL) + 8
    box = Box(left, 38, WIDTH - max(right_room(x), EDGE + numbers_room), height - 8)
    panel, canvas = Panel(box, x, Scale(0, 1, (), ())), Canvas(height)
    canvas.frame(panel, (axis, ""), grid="x")
    zero = panel.across(0)
    for index, bar in enumerate(drawn):
        y = box.top - ROW * (index + 0.5)
        end = panel.across(bar.value)
        said = _said(bar)
        canvas.area(rectangle(zero, y - 6, end, y + 6), ink=PALETTE[0], alpha=0.75, title=said)
        right = end
        if plottable(bar.low) and plottable(bar.high):
            ends = [panel.across(bar.low), panel.across(bar.high)]
            canvas.line([(at, y) for at in ends], INK, 1.2, title=said)
            for at in ends:
                canvas.line([(at, y - 3), (at, y + 3)], INK, 1.2)
            right = max(end, *ends)
        canvas.text(left - 6, y, bar.label, left - 6 - EDGE, "right")
        canvas.text(max(right, zero) + 6, y, number(bar.value), 80, size=SMALL)
    notes = [f"The first {len(drawn)} of {len(shown)} bars are drawn."] * (len(drawn) < len(shown))
    described = "; ".join(map(_said, drawn)) or "There is no value"
    return canvas.drawing("bars", title, f"{axis}. {described}.", notes)


def _said(bar: Bar) -> str:
    said = f"{bar.label}: {number(bar.value)}"
    if plottable(bar.low) and plottable(bar.high):
        said += f" [{number(bar.low)}, {number(bar.high)}]"
    return said
