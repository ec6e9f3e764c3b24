"""Slices: the value of every trial against each parameter."""

from collections.abc import Sequence
from dataclasses import replace

from ablate.reports.figures.canvas import EDGE, WIDTH, Box, Canvas, Panel, left_room
from ablate.reports.figures.drawing import Drawing
from ablate.reports.figures.palette import GREY, PALETTE
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
from ablate.reports.numbers import number, plural

MOST_PANELS, COLUMNS, MOST_DOTS = 12, 3, 300
PANEL = 120.0


def draw_slices(
    dimensions: Sequence[Dimension],
    samples: Sequence[Sample],
    objective: str,
    *,
    title: str,
    minimize: bool,
) -> Drawing:
    """Draw a panel for each parameter with every trial as a dot, at most 12 panels.

    Pruned trials are hollow at their last value; the best trial is a diamond. Of more than 300
    trials every so-many-th is drawn; values off the scale are counted in the notes.
    """
    shown = dimensions[:MOST_PANELS]
    valid = [sample for sample in samples if plottable(sample.value)]
    best = best_of(valid, minimize=minimize)
    y = value_scale(valid, ticks=4)
    inside = [sample for sample in valid if y.holds(sample.value)]
    drawn = every(inside, MOST_DOTS)
    columns = min(COLUMNS, max(1, len(shown)))
    lines = -(-max(1, len(shown)) // columns)
    height = 28 + lines * (PANEL + 48)
    canvas, left = Canvas(height), left_room(y)
    width = (WIDTH - left - EDGE) / columns
    better = "lower is better" if minimize else "higher is better"
    canvas.text(EDGE, height - 12, f"{objective} ({better})", WIDTH - 2 * EDGE)
    for index, dimension in enumerate(shown):
        row, column = divmod(index, columns)
        start, top = left + column * width, height - 30 - row * (PANEL + 48)
        box = Box(start, top - PANEL, start + width - 16, top)
        settings = [sample.settings[index] for sample in valid]
        count = max(1, len(dimension.choices))
        x = scale_for(dimension, settings, ticks=3, room=box.width / min(count, 12) - 4)
        panel = Panel(box, x, y if column == 0 else _unlabelled(y))
        canvas.frame(panel, (dimension.name, ""))
        for pruned in (True, False):
            part = [s for s in drawn if s.aside == pruned and s is not best]
            _dots(canvas, panel, [(place(dimension, s.settings[index]), s) for s in part])
        at = place(dimension, best.settings[index]) if best else None
        if best and at is not None:
            canvas.dots(
                panel.at([(at, best.value)]),
                PALETTE[1],
                8,
                "D",
                titles=[said(best, dimensions, objective)],
            )
    notes = ["The diamond is the best trial."] if best else []
    if any(sample.pruned for sample in drawn):
        notes.append("Hollow: pruned trials at their last value.")
    if any(sample.infeasible for sample in drawn):
        notes.append("Hollow: trials that break a constraint.")
    if len(drawn) < len(inside):
        notes.append(f"{len(drawn)} of {len(valid)} trials are drawn.")
    if len(inside) < len(valid):
        notes.append(f"{plural(len(valid) - len(inside), 'value')} off the scale left out.")
    if len(shown) < len(dimensions):
        notes.append(f"The first {len(shown)} of {len(dimensions)} parameters are drawn.")
    described = f"{objective} of {plural(len(valid), 'trial')} against each parameter, {better}."
    return canvas.drawing("slices", title, described, notes)


def _unlabelled(scale: Scale) -> Scale:
    return replace(scale, labels=tuple("" for _ in scale.labels))


def _dots(canvas: Canvas, panel: Panel, placed: Sequence[tuple[float | None, Sample]]) -> None:
    kept = [(at, sample) for at, sample in placed if at is not None]
    pruned = any(sample.aside for _, sample in kept)
    canvas.dots(
        panel.at([(at, sample.value) for at, sample in kept]),
        GREY if pruned else PALETTE[0],
        4,
        hollow=pruned,
        alpha=0.8,
        titles=[f"trial {sample.number}: {number(sample.value)}" for _, sample in kept],
    )
