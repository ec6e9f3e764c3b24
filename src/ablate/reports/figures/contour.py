"""The value over two parameters, between the trials."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ablate.reports.figures.canvas import (
    EDGE,
    WIDTH,
    Box,
    Canvas,
    Panel,
    Points,
    left_room,
    rectangle,
)
from ablate.reports.figures.drawing import Drawing
from ablate.reports.figures.labels import SMALL, widest
from ablate.reports.figures.palette import GREY, INK, PALETTE
from ablate.reports.figures.samples import Dimension, Sample, best_of, place, said, scale_for
from ablate.reports.figures.scales import every, plottable
from ablate.reports.numbers import number, plural

Array: TypeAlias = NDArray[Any]
FEWEST = 8
CELLS = 28
LEVELS = 7
MOST_DOTS = 300
NEIGHBOURS = 6
FAR = 100.0


def draw_contour(
    dimensions: tuple[Dimension, Dimension],
    samples: Sequence[Sample],
    objective: str,
    *,
    title: str,
    minimize: bool,
) -> Drawing | None:
    """Draw the value over two parameters as shades, the better the stronger, and trials as dots.

    A shade is the mean of the six nearest complete trials, weighted by inverse squared distance
    (D. Shepard 1968), in one of seven steps of equal share of the trials. Returns None for fewer
    than eight complete trials with both settings, or where a setting never changes.
    """
    first, second = dimensions
    found = []
    for sample in samples:
        x, y = place(first, sample.settings[0]), place(second, sample.settings[1])
        if x is not None and y is not None and plottable(sample.value):
            found.append((x, y, sample))
    done = [(x, y, sample) for x, y, sample in found if not sample.aside]
    if len(done) < FEWEST or any(len({row[axis] for row in done}) < 2 for axis in (0, 1)):
        return None
    settings = [[sample.settings[axis] for _, _, sample in found] for axis in (0, 1)]
    along = scale_for(first, settings[0], ticks=6, room=60)
    upward = scale_for(second, settings[1], ticks=6, room=110)
    height = 330.0
    values = np.array([sample.value for _, _, sample in done])
    steps = np.unique(np.quantile(values, np.linspace(0, 1, LEVELS + 1)[1:-1]))
    bounds = [float(values.min()), *map(float, steps), float(values.max())]
    words = [f"{number(low)} to {number(high)}" for low, high in pairwise(bounds)]
    key = widest(words, 130, SMALL) + 30
    box = Box(left_room(upward), 38, WIDTH - key - EDGE, height - 26)
    panel, canvas = Panel(box, along, upward), Canvas(height)

    places = [(along.fraction(x), upward.fraction(y)) for x, y, _ in done]
    cells = [_cells(dimension) for dimension in dimensions]
    shades = _shades(np.array(places), values, steps, cells)
    for step in range(len(steps) + 1):
        alpha = _alpha(step, len(steps), minimize)
        if stripes := _stripes(box, shades == step):
            canvas.area(*stripes, ink=PALETTE[0], alpha=alpha)
    canvas.frame(panel, (first.name, second.name), grid="")
    best = best_of([sample for _, _, sample in found], minimize=minimize)
    drawn = every(found, MOST_DOTS)
    for pruned in (True, False):
        part = [row for row in drawn if row[2].aside == pruned and row[2] is not best]
        canvas.dots(
            panel.at([(x, y) for x, y, _ in part]),
            GREY if pruned else INK,
            3.6,
            hollow=pruned,
            titles=[said(sample, dimensions, objective) for _, _, sample in part],
        )
    ((bx, by, top),) = [row for row in found if row[2] is best]
    canvas.dots(panel.at([(bx, by)]), PALETTE[1], 9, "D", titles=[said(top, dimensions, objective)])
    _key(canvas, box, words, objective, minimize)
    notes = [
        f"Shades: {objective} between the trials, the stronger the better; "
        "the diamond is the best trial."
    ]
    if len(drawn) < len(found):
        notes.append(f"{len(drawn)} of {len(found)} trials are drawn.")
    described = (
        f"{objective} over {first.name} and {second.name}, {plural(len(found), 'trial')}. "
        f"Best: {said(top, dimensions, objective)}."
    )
    return canvas.drawing("contour", title, described, notes)


def _cells(dimension: Dimension) -> int:
    return len(dimension.choices) or CELLS


def _shades(places: Array, values: Array, steps: Array, cells: Sequence[int]) -> Array:
    """Return the step 0 .. of each cell, rows from the bottom up.

    A cell of a category is far from the trials of the others.
    """
    apart = np.array([1.0 if count == CELLS else FAR for count in cells])
    means = [
        _mean_near(np.array(((x + 0.5) / cells[0], (y + 0.5) / cells[1])), places, values, apart)
        for y in range(cells[1])
        for x in range(cells[0])
    ]
    found: Array = np.searchsorted(steps, means).reshape(cells[1], cells[0])
    return found


def _mean_near(cell: Array, places: Array, values: Array, apart: Array) -> float:
    """Return the weighted mean of the nearest trials, the first of those that are as near."""
    distances = (((cell - places) * apart) ** 2).sum(axis=-1)
    reach = np.partition(distances, NEIGHBOURS - 1)[NEIGHBOURS - 1]
    able = np.flatnonzero(distances <= reach)
    near = able[np.argsort(distances[able], kind="stable")[:NEIGHBOURS]]
    weights = 1 / (distances[near] + 1e-4)
    return float((weights * values[near]).sum() / weights.sum())


def _alpha(step: int, count: int, minimize: bool) -> float:
    rank = count - step if minimize else step
    return 0.05 + 0.75 * rank / max(1, count)


def _stripes(box: Box, chosen: Array) -> list[Points]:
    """Return the chosen cells as rectangles, neighbours in a row together."""
    rows, columns = chosen.shape
    wide, high = box.width / columns, box.height / rows
    found = []
    for row in range(rows):
        edges = np.flatnonzero(np.diff(np.r_[0, chosen[row].astype(int), 0]))
        low = box.bottom + row * high
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            left, right = box.left + float(start) * wide, box.left + float(end) * wide
            found.append(rectangle(left, low, right, low + high))
    return found


def _key(canvas: Canvas, box: Box, words: Sequence[str], objective: str, minimize: bool) -> None:
    left, top = box.right + 14, box.top - 8
    canvas.text(left, box.top + 8, objective, canvas.width - EDGE - left, size=SMALL)
    ordered = list(enumerate(words))
    for line, (step, word) in enumerate(ordered if minimize else ordered[::-1]):
        y = top - 17 * line - 6
        alpha = _alpha(step, len(words) - 1, minimize)
        canvas.area(rectangle(left, y - 6, left + 12, y + 6), ink=PALETTE[0], alpha=alpha)
        canvas.text(left + 16, y, word, canvas.width - EDGE - left - 16, size=SMALL)
