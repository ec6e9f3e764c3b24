"""Tables of plain numbers as CSV, at full precision."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ablate.analysis import Frames, metric_names
from ablate.reports.cells import line, lines
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
    return line(columns) + lines(map(_known, rows))


def _known(row: Iterable[Any]) -> list[Any]:
    return ["" if not isinstance(value, str) and pd.isna(value) else value for value in row]


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
        heads = np.array([mask(line([metric, *run])).removesuffix("\n") for run in named], object)
        for start in range(0, len(values.run), _AT_ONCE):
            some = slice(start, start + _AT_ONCE)
            yield _lines(
                heads[values.run[some]].tolist(),
                values.epoch[some].tolist(),
                values.step[some].tolist(),
                values.value[some].tolist(),
            )


def _lines(heads: list[str], epochs: list[int], steps: list[int], values: list[float]) -> str:
    """Join the columns of many lines at once; line by line it would take ten times as long."""
    places = {place: f",{place[0]},{place[1]}," for place in set(zip(epochs, steps, strict=True))}
    parts = ["\n"] * (4 * len(heads))
    parts[0::4] = heads
    parts[1::4] = map(places.__getitem__, zip(epochs, steps, strict=True))
    parts[2::4] = map(repr, values)
    return "".join(parts)
