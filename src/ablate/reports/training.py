"""The curves of the arms, metric by metric."""

import math

import pandas as pd

from ablate.analysis import Conclusions, Estimate, Verdict, curves
from ablate.reports import numbers
from ablate.reports.blocks import Block, Figure, Folded, Section
from ablate.reports.figures import Curve, Level, draw_curves
from ablate.reports.parts import data_read, drawn

MOST_CURVES = 68
"""Arms beyond so many are not drawn: the last of them are grey lines among grey lines."""
_FIRST = (
    *(Verdict.BETTER, Verdict.WORSE, Verdict.EQUIVALENT, Verdict.FLOOR_NOT_BEATEN),
    *(Verdict.CANNOT_TELL, Verdict.NOT_COMPARABLE),
)
"""Which arms stand out first."""


def sections(concluded: Conclusions) -> tuple[Section, ...]:
    """Draw the curves of every metric that has some, the primary one first."""
    metrics = dict.fromkeys([concluded.primary, *concluded.frames.definition.metrics])
    drawings = [found for metric in metrics if (found := _figure(concluded, metric))]
    if not drawings:
        return ()
    blocks: list[Block] = [*drawings[:1]]
    if others := drawings[1:]:
        said = f"Curves of {numbers.plural(len(others), 'secondary metric')}"
        blocks.append(Folded((said,), tuple(others)))
    return (Section("Curves", tuple(blocks)),)


def _figure(concluded: Conclusions, metric: str) -> Figure | None:
    frames = concluded.frames
    found = curves(frames, metric).drop_duplicates(["run_id", "epoch"], keep="last")
    if found.empty:
        return None
    by_arm = dict(iter(found.groupby("arm", sort=False)))
    rows = [row for row in concluded.estimates.values() if row.metric == metric]
    arms = sorted(
        (row for row in rows if row.kind != "floor" and row.arm in by_arm),
        key=lambda row: _rank(concluded, row),
    )
    levels = [Level(row.arm, row.mean) for row in rows if row.kind == "floor" and row.n]
    drawing = draw_curves(
        [_curve(row, by_arm[row.arm]) for row in arms[:MOST_CURVES]],
        levels,
        ("epoch", metric),
        title=f"{metric} by epoch",
        log=frames.definition.metrics[metric].lower_is_better,
    )
    caption = f"{metric} on the {data_read(frames, metric)}: mean over the seeds that count"
    caption += "; trivial predictors dashed." if levels else "."
    if len(arms) > MOST_CURVES:
        caption += f" {len(arms) - MOST_CURVES} further arms are in curves.csv."
    return drawn("curves", metric, drawing, caption)


def _rank(concluded: Conclusions, row: Estimate) -> tuple[bool, int]:
    """Put the reference first, then arms of which something can be said."""
    verdict = concluded.verdicts.get((row.metric, row.arm))
    place = _FIRST.index(verdict[0]) if verdict else len(_FIRST)
    return row.arm != concluded.frames.definition.reference, place


def _curve(row: Estimate, of_arm: pd.DataFrame) -> Curve:
    """Draw every seed, and the mean of those that count where all of them have a value.

    A mean over fewer and fewer seeds would jump where one of them ends.
    """
    counted = [cell.trial for cell in row.cells if cell.counted]
    wide = of_arm.pivot_table(index="epoch", columns="trial", values="value", dropna=False)
    averaged = wide[[trial for trial in counted if trial in wide.columns]]
    complete = averaged[averaged.map(math.isfinite).all(axis=1)]
    mean = _pairs(complete.mean(axis=1)) if counted else []
    return Curve(row.arm, mean, tuple(_pairs(wide[trial]) for trial in wide.columns))


def _pairs(series: "pd.Series[float]") -> list[tuple[float, float]]:
    return list(zip(series.index.tolist(), series.tolist(), strict=True))
