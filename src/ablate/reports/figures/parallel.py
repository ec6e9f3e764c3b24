"""Parallel coordinates: every trial a line through its settings to its value."""

from collections.abc import Sequence

from ablate.reports.figures.canvas import EDGE, WIDTH, Box, Canvas, Panel
from ablate.reports.figures.drawing import Drawing
from ablate.reports.figures.labels import SMALL, widest
from ablate.reports.figures.palette import DASHED, GREY, INK, PALETTE
from ablate.reports.figures.samples import (
    Dimension,
    Sample,
    best_of,
    place,
    said,
    scale_for,
    value_scale,
)
from ablate.reports.figures.scales import Scale, plottable
from ablate.reports.numbers import plural

MOST_LINES, MOST_AXES = 150, 9
GOOD_SHARE = 0.1


def draw_parallel(
    dimensions: Sequence[Dimension],
    samples: Sequence[Sample],
    objective: str,
    *,
    title: str,
    minimize: bool,
) -> Drawing:
    """Draw trials as lines over the axes of their settings to the `objective` at the right.

    The best tenth stands out, the best trial most; pruned trials are faint. The first nine
    dimensions have an axis; of more than 150 trials the best and every so-many-th are drawn. A
    trial without a setting skips its axis.
    """
    axes = dimensions[: MOST_AXES - 1]
    valid = [sample for sample in samples if plottable(sample.value)]
    sign = 1 if minimize else -1
    done = sorted(
        (sample for sample in valid if not sample.pruned), key=lambda s: (sign * s.value, s.number)
    )
    good = done[: max(1, round(GOOD_SHARE * len(done)))][: MOST_LINES // 3]
    rest = done[len(good) :] + [sample for sample in valid if sample.pruned]
    stride = -(-len(rest) // (MOST_LINES - len(good))) if rest else 1
    drawn = rest[::stride]
    best = best_of(valid, minimize=minimize)

    height, top, bottom = 330.0, 270.0, 26.0
    count = len(axes) + 1
    room = (WIDTH - 2 * EDGE) / count
    scales = [
        scale_for(axis, [s.settings[i] for s in valid], ticks=5, room=room - 22)
        for i, axis in enumerate(axes)
    ]
    values = value_scale(valid)
    values = values.flipped() if minimize else values
    every = [*scales, values]
    left = EDGE + 4 + widest(every[0].labels, room, SMALL)
    gap = (WIDTH - EDGE - left - 10) / max(1, count - 1)
    canvas = Canvas(height)
    boxes = [Box(left + i * gap, bottom, left + i * gap + 1, top) for i in range(count)]
    panels = [
        Panel(box, Scale(0, 1, (), ()), scale) for box, scale in zip(boxes, every, strict=True)
    ]

    def draw(sample: Sample, ink: str, width: float, alpha: float) -> None:
        points = []
        for index, axis in enumerate(axes):
            if (at := place(axis, sample.settings[index])) is not None:
                points.append((boxes[index].left, panels[index].up(at)))
        end = min(max(panels[-1].up(sample.value), bottom), top)
        points.append((boxes[-1].left, end))
        style = DASHED if sample.pruned else "solid"
        title = said(sample, dimensions, objective)
        canvas.line(points, ink, width, style, alpha=alpha, title=title)

    for sample in sorted(drawn, key=lambda sample: not sample.pruned):
        draw(sample, GREY, 0.8, 0.35 if sample.pruned else 0.7)
    for sample in reversed(good):
        is_best = sample is best
        draw(sample, PALETTE[1] if is_best else PALETTE[0], 2.6 if is_best else 1.3, 1.0)
    for index, panel in enumerate(panels):
        box = panel.box
        canvas.line([(box.left, bottom), (box.left, top)], INK, 1.0)
        name = axes[index].name if index < len(axes) else objective
        _head(canvas, index, count, box.left, top, name, gap)
        for tick, label in zip(panel.y.ticks, panel.y.labels, strict=True):
            canvas.line([(box.left - 3, panel.up(tick)), (box.left, panel.up(tick))], INK, 0.8)
            canvas.text(box.left - 5, panel.up(tick), label, gap, "right", size=SMALL)
    notes = ["Better is up on the last axis; the best trial is thick, the best tenth in colour."]
    if len(drawn) < len(rest):
        notes.append(f"{len(good) + len(drawn)} of {len(valid)} trials are drawn.")
    if len(axes) < len(dimensions):
        notes.append(f"The first {len(axes)} of {len(dimensions)} parameters are drawn.")
    described = f"{plural(len(valid), 'trial')} over {plural(len(axes), 'parameter')}."
    described += f" Best: {said(best, dimensions, objective)}." if best else ""
    return canvas.drawing("parallel", title, described, notes)


def _head(
    canvas: Canvas, index: int, count: int, x: float, top: float, name: str, gap: float
) -> None:
    """Write the name of an axis above it; neighbours stand on three heights in turn."""
    y = top + 12 + 14 * (index % 3 if count > 3 else 0)
    width = min(3 * gap if count > 3 else gap, 160.0) - 8
    if index == 0:
        canvas.text(EDGE, y, name, width, size=SMALL, bold=True)
    elif index == count - 1:
        canvas.text(WIDTH - EDGE, y, name, width, "right", size=SMALL, bold=True)
    else:
        room = min(width, 2 * (x - EDGE), 2 * (WIDTH - EDGE - x))
        canvas.text(x, y, name, room, "center", size=SMALL, bold=True)
