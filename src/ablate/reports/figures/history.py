"""The values of a search's trials in their order, and the best so far."""

from collections.abc import Mapping, Sequence

from ablate.reports.figures.canvas import (
    EDGE,
    WIDTH,
    Box,
    Canvas,
    Panel,
    Points,
    left_room,
    right_room,
)
from ablate.reports.figures.drawing import Drawing
from ablate.reports.figures.labels import SMALL, width_of
from ablate.reports.figures.palette import GREY, PALETTE
from ablate.reports.figures.scales import every, fenced, plottable, scale_of, thinned
from ablate.reports.numbers import number, plural

MOST_DOTS, MOST_OFF = 600, 100


def draw_history(
    complete: Points,
    pruned: Points,
    best: Points,
    names: tuple[str, str],
    *,
    title: str,
    failed: Sequence[float] = (),
    infeasible: Points = (),
    log: bool = False,
) -> Drawing:
    """Draw (trial, value) as dots, pruned trials hollow at their last value, the best as stairs.

    `failed` are the numbers of trials without a value, marked at the bottom, `infeasible` are those
    that break a constraint, drawn as squares, and none of the `complete` ones; `names` are those of
    the axes, trial first. Values that would crush the scale are drawn at its edge as triangles.
    `log` as in `draw_curves`.
    """
    done, cut, steps, broken = (
        [(x, y) for x, y in points if plottable(x) and plottable(y)]
        for points in (complete, pruned, best, infeasible)
    )
    near = fenced([y for _, y in done] or [y for _, y in (*broken, *cut)])
    values = [*near, *(y for _, y in steps)]
    if values:
        room = max(values) - min(values)
        values += [y for _, y in (*cut, *broken) if min(values) - room <= y <= max(values) + room]
    y = scale_of(values if not log else [*values, *(y for _, y in (*done, *cut))], log=log)
    if log and not y.log:
        y = scale_of(values)
    x = scale_of([*(n for n, _ in (*done, *cut, *broken, *steps)), *failed], whole=True, pad=0.02)
    height = 300.0
    box = Box(left_room(y), 38, WIDTH - right_room(x), height - 40)
    panel, canvas = Panel(box, x, y), Canvas(height)
    canvas.frame(panel, names)

    off = [(n, v) for n, v in (*done, *cut, *broken) if not y.holds(v)]
    for points, ink, hollow, word, mark in (
        (cut, GREY, True, "pruned at", "o"),
        (broken, PALETTE[0], True, "infeasible, value", "s"),
        (done, PALETTE[0], False, "value", "o"),
    ):
        seen = sorted(point for point in points if y.holds(point[1]))
        drawn = every(seen, MOST_DOTS)
        titles = [f"{names[0]} {n:g}: {word} {number(v)}" for n, v in drawn]
        canvas.dots(panel.at(drawn), ink, 4.5, mark, hollow=hollow, titles=titles)
    for above in (True, False):
        part = every([(n, v) for n, v in off if (v > y.high) == above], MOST_OFF)
        canvas.dots(
            [(panel.across(n), box.top if above else box.bottom) for n, _ in part],
            GREY,
            6,
            "^" if above else "v",
            titles=[f"{names[0]} {n:g}: {number(v)}, off the scale" for n, v in part],
        )
    numbered = sorted(n for n in failed if plottable(n))
    marked = every(numbered, MOST_OFF)
    canvas.dots(
        [(panel.across(n), box.bottom) for n in marked],
        PALETTE[1],
        5,
        "x",
        hollow=True,
        titles=[f"{names[0]} {n:g}: failed" for n in marked],
    )
    line = [*steps]
    if steps:
        line.append((max(n for n, _ in (*done, *cut, *broken, *steps)), steps[-1][1]))
    canvas.line(panel.at(thinned(line, MOST_DOTS)), PALETTE[1], 2.0, stairs=True)
    words = "failed", "infeasible", "pruned, at its last value", "complete", "best so far"
    of_words = map(bool, (numbered, broken, cut, done, steps))
    _legend(canvas, dict(zip(words, of_words, strict=True)))
    notes = []
    if off:
        notes.append(f"Triangles: {plural(len(off), 'value')} off the scale.")
    for amount, word, most in (
        (len(done), "complete", MOST_DOTS),
        (len(cut), "pruned", MOST_DOTS),
        (len(broken), "infeasible", MOST_DOTS),
        (len(numbered), "failed", MOST_OFF),
    ):
        if amount > most:
            drawn_of = len(every(range(amount), most))
            notes.append(f"{drawn_of} of {amount} {word} trials are drawn.")
    said = f"{plural(len(done) + len(broken), 'complete trial')}, {len(cut)} pruned, "
    said += f"{len(numbered)} failed."
    said += f" {len(broken)} infeasible." if broken else ""
    said += f" Best so far at the end: {number(steps[-1][1])}." if steps else ""
    return canvas.drawing("history", title, f"{names[1]} by {names[0]}. {said}", notes)


def _legend(canvas: Canvas, shown: Mapping[str, bool]) -> None:
    """Name the marks in the upper right corner, above the panel."""
    y, x = canvas.height - 11, WIDTH - EDGE
    for word, mark in (
        ("failed", "x"),
        ("infeasible", "square"),
        ("pruned, at its last value", "hollow"),
        ("complete", "dot"),
        ("best so far", "line"),
    ):
        if not shown[word]:
            continue
        x -= width_of(word, SMALL)
        canvas.text(x, y, word, WIDTH, size=SMALL)
        x -= 9
        if mark == "line":
            x -= 10
            canvas.line([(x, y), (x + 15, y)], PALETTE[1], 2.0)
        elif mark == "dot":
            canvas.dots([(x, y)], PALETTE[0], 5)
        elif mark == "square":
            canvas.dots([(x, y)], PALETTE[0], 5, "s", hollow=True)
        elif mark == "hollow":
            canvas.dots([(x, y)], GREY, 5, hollow=True)
        else:
            canvas.dots([(x, y)], PALETTE[1], 5, "x", hollow=True)
        x -= 14
