"""Tables of plain numbers as CSV, at full precision."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ablate.analysis import Frames, metric_names
from ablate.reports.cells import each_line, line, lines
from ablate.spec.secrets import mask

_AT_ONCE = 100_000
"""Values of a curve that are written at once."""


def csv(
    columns: Sequence[str],
    rows: Iterable[Iterable[Any]],
) -> str:
    """Write rows as CSV; a missing value is empty, and so is NaN.

    A text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    return line(columns) + lines(map(_known, row) for row in rows)


def _known(value: Any) -> Any:
    """Return a value, a missing one as an empty text; those of the plain types are seen faster."""
    kind = type(value)
    if kind is str or kind is int:
        return value
    if kind is float:
        return "" if math.isnan(value) else value
    return "" if not isinstance(value, str) and pd.isna(value) else value


def curves_csv(frames: Frames) -> Iterator[str]:
    """Write the curves of all metrics as CSV, piece by piece; a value that is NaN is `nan`.

    The rows are by metric, trial, seed and step. Secrets are masked: the numbers hold none.
    """
    keys = ["trial", "arm", "seed", "run_id"]
    yield line(["metric", *keys, "epoch", "step", "value"])
    runs = [frames.current[name].astype(object).tolist() for name in keys]
    named = [["" if pd.isna(cell) else cell for cell in run] for run in zip(*runs, strict=True)]
    for metric in metric_names(frames):
        values = frames.values_of(metric)
        heads = np.array(_masked(each_line([metric, *run] for run in named)), object)
        for start in range(0, len(values.run), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            yield _lines(
                heads[values.run[some]].tolist(),
                values.epoch[some].tolist(),
                values.step[some].tolist(),
                values.value[some].tolist(),
            )


def _masked(lines: list[str]) -> list[str]:
    """Mask secrets in lines, and take their ends off; most have none, as all together show."""
    together = "".join(lines)
    if mask(together) != together:
        lines = [mask(line) for line in lines]
    return [line.removesuffix("\n") for line in lines]


def _lines(heads: list[str], epochs: list[int], steps: list[int], values: list[float]) -> str:
    """Join the columns of many lines at once; line by line it would take ten times as long."""
    places = {place: f",{place[0]},{place[1]}," for place in set(zip(epochs, steps, strict=True))}
    parts = ["\n"] * (4 * len(heads))
    parts[0::4] = heads
    parts[1::4] = map(places.__getitem__, zip(epochs, steps, strict=True))
    parts[2::4] = map(repr, values)
    return "".join(parts)
