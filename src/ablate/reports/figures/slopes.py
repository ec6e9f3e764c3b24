"""Paired seeds: a line for each from the comparator to the arm."""

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.reports.figures.canvas import EDGE, WIDTH, Box, Canvas, Panel, left_room
from ablate.reports.figures.drawing import Drawing
from ablate.reports.figures.labels import SMALL
from ablate.reports.figures.palette import DASHED, GREY, INK, SOLID
from ablate.reports.figures.scales import Scale, fenced, plottable, scale_of
from ablate.reports.figures.verdicts import BAD, GOOD
from ablate.reports.numbers import number

MOST_PANELS, COLUMNS = 16, 4
PANEL = 128.0


@dataclass(frozen=True)
class Pairing:
    """An arm beside its comparator: (seed, value of the comparator, value of the arm) by seed."""

    arm: str
    comparator: str
    pairs: tuple[tuple[str, float, float], ...]


def draw_slopes(pairings: Sequence[Pairing], metric: str, *, title: str, minimize: bool) -> Drawing:
    """Draw a panel for every pairing, all with one scale; at most 16 panels.

    Seeds that get better are drawn whole, seeds that get worse dashed; the mean is thick.
    """
    shown = pairings[:MOST_PANELS]
    values = [v for pairing in shown for _, *pair in pairing.pairs for v in pair if plottable(v)]
    y = scale_of(fenced(values, 8.0), ticks=4)
    columns = min(COLUMNS, max(1, len(shown)))
    lines = -(-max(1, len(shown)) // columns)
    height = 26 + lines * (PANEL + 38)
    canvas, left = Canvas(height), left_room(y)
    width = min((WIDTH - left - EDGE) / columns, 200.0)
    better = "lower is better" if minimize else "higher is better"
    canvas.text(EDGE, height - 12, f"{metric} ({better})", WIDTH - 2 * EDGE)
    for index, pairing in enumerate(shown):
        row, column = divmod(index, columns)
        start, top = left + column * width, height - 42 - row * (PANEL + 38)
        box = Box(start, top - PANEL + 10, start + width - 14, top)
        _panel(canvas, Panel(box, Scale(-0.25, 1.25, (), ()), y), pairing, minimize, column == 0)
    off = sum(not y.holds(v) for v in values)
    notes = [
        "Each line is a seed: whole where it got better, dashed where it got worse or equal; "
        "the mean is thick."
    ]
    if off:
        notes.append(f"{off} of {len(values)} values lie off the scale.")
    if len(shown) < len(pairings):
        notes.append(f"The first {len(shown)} of {len(pairings)} arms are drawn.")
    said = "; ".join(_said(pairing, minimize) for pairing in shown) or "There is no pair"
    return canvas.drawing("slopes", title, f"{metric}, {better}. {said}.", notes)


def _better(pair: tuple[str, float, float], minimize: bool) -> bool:
    _, before, after = pair
    return after < before if minimize else after > before


def _finite(pairing: Pairing) -> list[tuple[str, float, float]]:
    return [pair for pair in pairing.pairs if plottable(pair[1]) and plottable(pair[2])]


def _panel(canvas: Canvas, panel: Panel, pairing: Pairing, minimize: bool, first: bool) -> None:
    box, pairs = panel.box, _finite(pairing)
    for tick, label in zip(panel.y.ticks, panel.y.labels, strict=True):
        at = panel.up(tick)
        canvas.line([(box.left, at), (box.right, at)], INK, 0.7, alpha=0.12)
        if first:
            canvas.text(box.left - 4, at, label, box.left - EDGE, "right", size=SMALL)
    for end in (0, 1):
        at = panel.across(end)
        canvas.line([(at, box.bottom), (at, box.top)], INK, 0.8, alpha=0.4)
    canvas.text(box.left, box.top + 9, pairing.arm, box.width, size=SMALL, bold=True)
    canvas.text(box.left, box.bottom - 9, f"from {pairing.comparator}", box.width, size=SMALL)
    for pair in pairs:
        seed, before, after = pair
        good = _better(pair, minimize)
        ink, style = (GOOD, SOLID) if good else (BAD, DASHED)
        ends = panel.at([(0, before), (1, after)])
        said = f"{pairing.arm}, {seed}: {number(before)} → {number(after)}"
        canvas.line(ends, ink, 1.2, style, within=box, title=said)
        seen = [end for end in ends if box.bottom - 1 <= end[1] <= box.top + 1]
        canvas.dots(seen, ink, 3.6)
    if len(pairs) > 1:
        means = [sum(pair[side] for pair in pairs) / len(pairs) for side in (1, 2)]  # type: ignore[misc]
        ends = panel.at([(0, means[0]), (1, means[1])])
        said = f"{pairing.arm}, mean: {number(means[0])} → {number(means[1])}"
        canvas.line(ends, GREY, 3.2, alpha=0.8, within=box, title=said)
    if not pairs:
        canvas.text(panel.across(0.5), (box.bottom + box.top) / 2, "no pair", 80, "center")


def _said(pairing: Pairing, minimize: bool) -> str:
    pairs = _finite(pairing)
    good = sum(_better(pair, minimize) for pair in pairs)
    return f"{pairing.arm} from {pairing.comparator}: {good} of {len(pairs)} seeds better"
