"""The curves of the arms, metric by metric."""

import numpy as np
import pandas as pd

from ablate.analysis import Conclusions, Estimate, curves
from ablate.reports import numbers
from ablate.reports.blocks import Block, Figure, Folded, Section
from ablate.reports.figures import HIGHLIGHTED, Curve, Level, draw_curves
from ablate.reports.listed import rank
from ablate.reports.parts import data_read, drawn

MOST_CURVES = 68
"""Arms beyond so many are not drawn: the last of them are grey lines among grey lines."""


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
    found = curves(frames, metric)
    if found.empty:
        return None
    known = set(found["arm"].unique())
    rows = [row for row in concluded.estimates.values() if row.metric == metric]
    arms = sorted(
        (row for row in rows if row.kind != "floor" and row.arm in known),
        key=lambda row: rank(concluded, row),
    )
    drawn_arms = [row.arm for row in arms[:MOST_CURVES]]
    found = found[found["arm"].isin(drawn_arms)].drop_duplicates(["run_id", "epoch"], keep="last")
    by_arm = dict(iter(found.groupby("arm", sort=False)))
    # An arm without a value may have no line: then the next one stands out.
    bright = HIGHLIGHTED + sum(not row.n for row in arms)
    levels = [Level(row.arm, row.mean) for row in rows if row.kind == "floor" and row.n]
    drawing = draw_curves(
        [
            _curve(row, by_arm[row.arm], bright=place < bright)
            for place, row in enumerate(arms[:MOST_CURVES])
        ],
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


def _curve(row: Estimate, of_arm: pd.DataFrame, *, bright: bool) -> Curve:
    """Draw the mean of the seeds that count where all have a value, and if bright every seed.

    A mean over fewer and fewer seeds would jump where one of them ends.
    """
    counted = [cell.trial for cell in row.cells if cell.counted]
    wide = of_arm.pivot_table(index="epoch", columns="trial", values="value", dropna=False)
    averaged = wide[[trial for trial in counted if trial in wide.columns]]
    complete = averaged[np.isfinite(averaged.to_numpy(float)).all(axis=1)]
    mean = _pairs(complete.mean(axis=1)) if counted else []
    seeds = wide.columns if bright or not mean else ()
    return Curve(row.arm, mean, tuple(_pairs(wide[trial]) for trial in seeds))


def _pairs(series: "pd.Series[float]") -> list[tuple[float, float]]:
    return list(zip(series.index.tolist(), series.tolist(), strict=True))
