"""Parallel coordinates: every trial a line through its settings to its value."""

from collections.abc import Sequence

from ablate.reports.figures.canvas import EDGE, WIDTH, Anchor, Box, Canvas, Panel
from ablate.reports.figures.drawing import Drawing
from ablate.reports.figures.labels import SMALL, clean, widest, width_of
from ablate.reports.figures.palette import DASHED, GREY, INK, PALETTE, SOLID
from ablate.reports.figures.samples import (
    Dimension,
    Sample,
    best_of,
    place,
    said,
    scale_for,
    value_scale,
)
from ablate.reports.figures.scales import Scale, every, plottable
from ablate.reports.numbers import plural

MOST_LINES, MOST_AXES = 150, 9
GOOD_SHARE, MOST_GOOD = 0.1, 20
MOST_LEVELS = 3


def draw_parallel(
    dimensions: Sequence[Dimension],
    samples: Sequence[Sample],
    objective: str,
    *,
    title: str,
    minimize: bool,
) -> Drawing:
    """Draw trials as lines over the axes of their settings to the `objective` at the right.

    The best tenth stands out, the best trial most; pruned and infeasible trials are faint. The
    first nine dimensions have an axis; of more than 150 trials the best and every so-many-th are
    drawn. A trial without a setting skips its axis.
    """
    axes = dimensions[: MOST_AXES - 1]
    valid = [sample for sample in samples if plottable(sample.value)]
    sign = 1 if minimize else -1
    done = sorted(
        (sample for sample in valid if not sample.aside), key=lambda s: (sign * s.value, s.number)
    )
    good = done[: min(MOST_GOOD, max(1, round(GOOD_SHARE * len(done))))]
    rest = done[len(good) :] + [sample for sample in valid if sample.aside]
    drawn = every(rest, MOST_LINES - len(good))
    best = best_of(valid, minimize=minimize)

    count = len(axes) + 1
    room = (WIDTH - 2 * EDGE) / count
    scales = [
        scale_for(axis, [s.settings[i] for s in valid], ticks=5, room=room - 22)
        for i, axis in enumerate(axes)
    ]
    values = value_scale(valid)
    values = values.flipped() if minimize else values
    all_scales = [*scales, values]
    left = EDGE + 4 + widest(all_scales[0].labels, room, SMALL)
    gap = (WIDTH - EDGE - left - 10) / max(1, count - 1)
    names = [*(axis.name for axis in axes), objective]
    widths = [width_of(clean(name), SMALL, bold=True) for name in names]
    levels = next((n for n in (1, 2) if max(widths) <= n * gap - 8), MOST_LEVELS)
    bottom, top = 16.0, 264.0
    canvas = Canvas(top + 12 + 14 * levels)
    boxes = [Box(left + i * gap, bottom, left + i * gap + 1, top) for i in range(count)]
    panels = [
        Panel(box, Scale(0, 1, (), ()), scale) for box, scale in zip(boxes, all_scales, strict=True)
    ]

    def draw(sample: Sample, ink: str, width: float, alpha: float) -> None:
        points = []
        for index, axis in enumerate(axes):
            if (at := place(axis, sample.settings[index])) is not None:
                points.append((boxes[index].left, panels[index].up(at)))
        end = min(max(panels[-1].up(sample.value), bottom), top)
        points.append((boxes[-1].left, end))
        style = DASHED if sample.aside else SOLID
        title = said(sample, dimensions, objective)
        canvas.line(points, ink, width, style, alpha=alpha, title=title)

    for sample in sorted(drawn, key=lambda sample: not sample.aside):
        draw(sample, GREY, 0.8, 0.35 if sample.aside else 0.7)
    for sample in reversed(good):
        is_best = sample is best
        draw(sample, PALETTE[1] if is_best else PALETTE[0], 2.6 if is_best else 1.3, 1.0)
    for index, (panel, name) in enumerate(zip(panels, names, strict=True)):
        box = panel.box
        canvas.line([(box.left, bottom), (box.left, top)], INK, 1.0)
        at = (box.left, top + 12 + 14 * (index % levels))
        anchor: Anchor = "left" if index == 0 else "right" if index == count - 1 else "center"
        _head(canvas, at, name, levels * gap - 8, anchor)
        for tick, label in zip(panel.y.ticks, panel.y.labels, strict=True):
            canvas.line([(box.left - 3, panel.up(tick)), (box.left, panel.up(tick))], INK, 0.8)
            canvas.text(box.left - 5, panel.up(tick), label, gap, "right", size=SMALL, backed=True)
    notes = ["Better is up on the last axis; the best trial is thick, the best tenth in colour."]
    if len(drawn) < len(rest):
        notes.append(f"{len(good) + len(drawn)} of {len(valid)} trials are drawn.")
    if len(axes) < len(dimensions):
        notes.append(f"The first {len(axes)} of {len(dimensions)} parameters are drawn.")
    described = f"{plural(len(valid), 'trial')} over {plural(len(axes), 'parameter')}."
    described += f" Best: {said(best, dimensions, objective)}." if best else ""
    return canvas.drawing("parallel", title, described, notes)


def _head(canvas: Canvas, at: tuple[float, float], name: str, width: float, anchor: Anchor) -> None:
    """Write the name of an axis above it, within the drawing."""
    x, y = at
    left, right = x - EDGE, WIDTH - EDGE - x
    start = {"left": EDGE, "center": x, "right": WIDTH - EDGE}[anchor]
    room = min(width, 2 * min(left, right)) if anchor == "center" else width
    canvas.text(start, y, name, room, anchor, size=SMALL, bold=True)
