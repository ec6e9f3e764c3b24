"""The arms of an ablation, side by side."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

import pandas as pd

from ablate.analysis.frames import EARLIER_DEFINITION, AblationFrames
from ablate.analysis.points import Reading, scores
from ablate.spec import Direction

ARM = "arm"
FLOOR = "floor"
UNDECLARED = "undeclared"
COLUMNS = [
    *("metric", "direction", "arm", "kind", "reference", "cells", "runs", "n", "mean", "sd"),
    *("parameters", "best_epochs", "last_epochs", "failed", "diverged", "outdated", "tuned"),
]


_CELL = ("seed", "trial", "value", "reading", "why")


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
    table = scores(frames, metrics, definition.objective)
    parameters = frames.current.dropna(subset="parameters").groupby("arm")["parameters"].unique()
    outdated = frames.runs.loc[frames.runs["standing"] == EARLIER_DEFINITION, "arm"]
    rows = []
    for metric, direction in metrics.items():
        for arm, kind in arm_kinds(frames).items():
            arm_rows = table[(table["metric"] == metric) & (table["arm"] == arm)]
            counted = arm_rows[arm_rows["reading"] == Reading.COUNTED].sort_values(
                ["seed", "trial"]
            )
            values = counted["value"].tolist()
            cells = _cells(arm_rows, () if kind == UNDECLARED else definition.seeds)
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
                    "sd": stdev(values) if len(values) > 1 else math.nan,
                    "parameters": tuple(sorted(map(int, parameters.get(arm, ())))),
                    "best_epochs": tuple(map(int, counted["epoch"])),
                    "last_epochs": tuple(map(int, counted["last_epoch"])),
                    "failed": sum(cell.reading is Reading.FAILED for cell in cells),
                    "diverged": sum(cell.reading is Reading.DIVERGED for cell in cells),
                    "outdated": int((outdated == arm).sum()),
                    "tuned": arm in tuned,
                }
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def _cells(arm_rows: pd.DataFrame, seeds: Sequence[int]) -> tuple[Cell, ...]:
    columns = (arm_rows[name].tolist() for name in _CELL)
    cells = [Cell(*row) for row in zip(*columns, strict=True)]
    missing = set(seeds) - {cell.seed for cell in cells}
    cells += [Cell(seed, None, math.nan, Reading.NOT_RUN, str(Reading.NOT_RUN)) for seed in missing]
    return tuple(sorted(cells, key=lambda cell: cell.seed))
