"""The arms of an ablation, side by side."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import pandas as pd

from ablate.analysis import statistics
from ablate.analysis.frames import EARLIER_DEFINITION, AblationFrames
from ablate.analysis.points import Reading, scores
from ablate.spec import Direction

ARM = "arm"
FLOOR = "floor"
UNDECLARED = "undeclared"
_READ = ("metric", "arm", "epoch", "last_epoch", "seed", "trial", "value", "reading", "why")
COLUMNS = [
    *("metric", "direction", "arm", "kind", "reference", "cells", "runs", "n", "mean", "sd"),
    *("parameters", "best_epochs", "last_epochs", "failed", "diverged", "outdated", "tuned"),
]


@dataclass(frozen=True)
class Cell:
    """One arm with one seed: its value, and whether it counts; `why` says what is the matter."""

    seed: int
    trial: int | None
    value: float
    reading: Reading
    why: str

    @property
    def counted(self) -> bool:
        """Whether the value enters the mean."""
        return self.reading is Reading.COUNTED


def arm_kinds(frames: AblationFrames) -> dict[str, str]:
    """Map every arm to its kind: declared arms in their order, undeclared ones, then floors."""
    arms = dict.fromkeys((arm.name for arm in frames.definition.trained), ARM)
    floors = dict.fromkeys((arm.name for arm in frames.definition.floors), FLOOR)
    found = sorted(set(frames.runs["arm"].dropna()) - arms.keys() - floors.keys())
    return {**arms, **dict.fromkeys(found, UNDECLARED), **floors}


def tuned_arms(frames: AblationFrames) -> dict[str, str]:
    """Map every arm that runs with its own best values to the declared arm it comes from."""
    return {found.arm: arm for arm, found in frames.definition.tuned.items() if found.arm}


def arms_table(
    frames: AblationFrames, metrics: Mapping[str, Direction] | None = None
) -> pd.DataFrame:
    """Compare the arms of an ablation: one row per metric and arm, in declared order.

    `metrics` are those of the study if none are given.

    Columns: metric, direction, arm, kind ("arm", "floor", "undeclared"), reference (the tuned
    reference is one, too), cells (a tuple of `Cell` by seed), runs (cells in all, also those not
    run yet), n (cells that count), mean, sd (of n - 1; NaN below two), parameters, best_epochs
    (where the value was read) and last_epochs (tuples, counted cells only), failed, diverged,
    outdated (runs under an earlier definition of the arm, in none of the other columns), tuned
    (whether it runs with its own best values). No value enters or leaves the mean without its
    cell saying so.
    """
    tuned = tuned_arms(frames)
    definition = frames.definition
    metrics = definition.metrics if metrics is None else metrics
    if not metrics:
        return pd.DataFrame(columns=COLUMNS)
    cells_of, epochs_of = _read_cells(scores(frames, metrics, definition.objective))
    sizes = frames.current.dropna(subset="parameters")
    parameters: dict[str, set[int]] = {}
    for arm, size in zip(sizes["arm"].tolist(), sizes["parameters"].tolist(), strict=True):
        parameters.setdefault(arm, set()).add(size)
    outdated = Counter(frames.runs.loc[frames.runs["standing"] == EARLIER_DEFINITION, "arm"])
    kinds = arm_kinds(frames)
    rows = []
    for metric, direction in metrics.items():
        for arm, kind in kinds.items():
            read = cells_of.get((metric, arm), [])
            counted = [cell for cell in read if cell.counted]
            values = [cell.value for cell in counted]
            epochs = [epochs_of[metric, cell] for cell in counted]
            cells = _with_missing(read, () if kind == UNDECLARED else definition.seeds)
            rows.append(
                {
                    "metric": metric,
                    "direction": direction,
                    "arm": arm,
                    "kind": kind,
                    "reference": tuned.get(arm, arm) == definition.reference,
                    "cells": cells,
                    "runs": len(cells),
                    "n": len(counted),
                    "mean": mean(values) if values else math.nan,
                    "sd": statistics.sd(values) if len(values) > 1 else math.nan,
                    "parameters": tuple(sorted(parameters.get(arm, ()))),
                    "best_epochs": tuple(best for best, _ in epochs),
                    "last_epochs": tuple(last for _, last in epochs),
                    "failed": sum(cell.reading is Reading.FAILED for cell in cells),
                    "diverged": sum(cell.reading is Reading.DIVERGED for cell in cells),
                    "outdated": outdated[arm],
                    "tuned": arm in tuned,
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def _read_cells(
    table: pd.DataFrame,
) -> tuple[dict[tuple[str, str], list[Cell]], dict[tuple[str, Cell], tuple[int, int]]]:
    """Return the cells by metric and arm, and the epochs of those that count by metric and cell.

    The cells of an arm are by seed and trial; its epochs are where the value was read, and the
    last one.
    """
    cells: dict[tuple[str, str], list[Cell]] = {}
    epochs: dict[tuple[str, Cell], tuple[int, int]] = {}
    ordered = table.sort_values(["seed", "trial"])
    columns = (ordered[name].tolist() for name in _READ)
    for metric, arm, best, last, *facts in zip(*columns, strict=True):
        cell = Cell(*facts)
        cells.setdefault((metric, arm), []).append(cell)
        if cell.counted:
            epochs[metric, cell] = best, last
    return cells, epochs


def _with_missing(read: Sequence[Cell], seeds: Sequence[int]) -> tuple[Cell, ...]:
    """Add a cell for every seed that was not run, by seed."""
    missing = set(seeds) - {cell.seed for cell in read}
    lacking = [
        Cell(seed, None, math.nan, Reading.NOT_RUN, str(Reading.NOT_RUN)) for seed in missing
    ]
    return tuple(sorted([*read, *lacking], key=lambda cell: cell.seed))
