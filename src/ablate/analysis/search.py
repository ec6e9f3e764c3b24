"""The trials of a search, and how its best value came down."""

import math

import numpy as np
import pandas as pd

from ablate import store
from ablate.analysis.frames import SearchFrames
from ablate.spec import Direction, Status
from ablate.store import TrialRecord


def trials_table(frames: SearchFrames) -> pd.DataFrame:
    """List the trials of a search by number.

    Columns: number, state, value (NaN if none), seeds (a tuple of those run), params (a dict),
    seconds (wall time from start to end, NaN while open), reason (why a run of it did not
    complete, empty if all did).
    """
    runs = frames.current
    rows = []
    for trial in frames.trials:
        trial_runs = runs[runs["trial"] == trial.number]
        reasons = trial_runs.loc[trial_runs["status"] != Status.COMPLETE, "reason"].dropna()
        rows.append(
            {
                "number": trial.number,
                "state": trial.state,
                "value": math.nan if trial.value is None else trial.value,
                "seeds": tuple(map(int, trial_runs["seed"])),
                "params": trial.params,
                "seconds": _seconds(trial),
                "reason": "; ".join(dict.fromkeys(map(str, reasons))),
            }
        )
    columns = ["number", "state", "value", "seeds", "params", "seconds", "reason"]
    return pd.DataFrame(rows, columns=columns).astype({"value": float, "seconds": float})


def _seconds(trial: TrialRecord) -> float:
    if trial.start is None or trial.end is None:
        return math.nan
    return (trial.end - trial.start).total_seconds()


def best_so_far(trials: pd.DataFrame, direction: Direction) -> pd.DataFrame:
    """Return number, value and the running best of the complete trials with a finite value."""
    complete = (trials["state"] == Status.COMPLETE) & np.isfinite(trials["value"])
    done = trials.loc[complete, ["number", "value"]].sort_values("number", ignore_index=True)
    running = done["value"].cummin() if direction.lower_is_better else done["value"].cummax()
    history: pd.DataFrame = done.assign(best=running)
    return history


def best_trial(frames: SearchFrames) -> TrialRecord | None:
    """Return the complete trial with the best finite value, the first of equal ones, if any."""
    return store.best_trial(frames.trials, frames.definition.objective.direction)
