"""The trials of a search: how they ended, and how its best value came down."""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import pandas as pd

from ablate import store
from ablate.analysis.frames import SearchFrames
from ablate.analysis.points import at_last
from ablate.spec import Cause, Direction, Status
from ablate.spec.constraints import broken
from ablate.store import TrialRecord

COLUMNS = [
    *("number", "state", "value", "last", "seeds", "params", "seconds", "reason", "diverged"),
    *("reused_from", "repeats", "replicates", "infeasible"),
]
_NUMBERS = ("value", "last", "seconds")
_OTHERS = ("reused_from", "repeats", "replicates")


def trials_table(frames: SearchFrames) -> pd.DataFrame:
    """List the trials of a search by number.

    Columns: number, state, value (NaN if none), last (the value, or for a trial without one the
    mean over its runs of the last value of the objective's metric, NaN if none), seeds (a tuple of
    those run), params (a dict), seconds (wall time from start to end, NaN while open), reason (why
    a run of it did not complete, empty if all did), diverged (whether a run did), reused_from (the
    trial that an equal run was taken over from), repeats (the failed trial that it takes the place
    of) and replicates (the trial at the same point, run again with other seeds), each NA if there
    is none; infeasible (which constraints a complete trial breaks and by how much, empty if none).
    """
    runs = frames.current
    seeds = runs.groupby("trial")["seed"].agg(tuple).to_dict()
    bad = runs[(runs["status"] != Status.COMPLETE) & runs["reason"].notna()]
    reasons = bad.groupby("trial")["reason"].agg(lambda said: "; ".join(dict.fromkeys(said)))
    diverged = set(runs.loc[runs["cause"] == Cause.DIVERGED, "trial"])
    ends = _last_values(frames)
    rows = []
    for trial in frames.trials:
        value = math.nan if trial.value is None else trial.value
        rows.append(
            {
                "number": trial.number,
                "state": trial.state,
                "value": value,
                "last": ends.get(trial.number, math.nan) if trial.value is None else value,
                "seeds": tuple(map(int, seeds.get(trial.number, ()))),
                "params": trial.params,
                "seconds": _seconds(trial),
                "reason": reasons.get(trial.number, ""),
                "diverged": trial.number in diverged,
                "reused_from": trial.user_attrs.get("reused_from"),
                "repeats": trial.user_attrs.get("retries"),
                "replicates": trial.user_attrs.get("replicate_of"),
                "infeasible": broken(trial.constraints) if trial.state is Status.COMPLETE else "",
            }
        )
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.astype(dict.fromkeys(_NUMBERS, float) | dict.fromkeys(_OTHERS, "Int64"))


def _last_values(frames: SearchFrames) -> dict[int, float]:
    """Return by trial the mean over its runs of the last value of the objective's metric."""
    metric = frames.definition.objective.metric
    ends = at_last(frames, metric)
    ends = ends[ends["name"] == metric]
    trials = dict(zip(frames.current["run_id"], frames.current["trial"], strict=True))
    values: dict[int, list[float]] = {}
    for run, value in zip(ends["run_id"].tolist(), ends["value"].tolist(), strict=True):
        values.setdefault(trials[run], []).append(value)
    return {trial: fmean(found) for trial, found in values.items()}


@dataclass(frozen=True)
class TrialCounts:
    """How many trials there are and how they ended; none is left out.

    `states` counts them by state. Of the failed ones `diverged` did so and `repeated` were tried
    again as new trials; of the complete ones `valueless` have no finite value; `reused` trials took
    over an equal run; `replicates` are further trials at a point that was tried before, with other
    seeds; `infeasible` are complete ones with a finite value that break a constraint.
    """

    total: int
    states: Mapping[Status, int]
    diverged: int
    valueless: int
    reused: int
    repeated: int
    replicates: int
    infeasible: int = 0


def count_trials(trials: pd.DataFrame) -> TrialCounts:
    """Count the trials of a trials table."""
    failed = trials[trials["state"] == Status.FAILED]
    complete = trials[trials["state"] == Status.COMPLETE]
    return TrialCounts(
        total=len(trials),
        states=Counter(trials["state"].tolist()),
        diverged=int(failed["diverged"].sum()),
        valueless=int((~np.isfinite(complete["value"])).sum()),
        reused=int(trials["reused_from"].notna().sum()),
        repeated=trials["repeats"].nunique(),
        replicates=int(trials["replicates"].notna().sum()),
        infeasible=int((np.isfinite(complete["value"]) & (complete["infeasible"] != "")).sum()),
    )


def _seconds(trial: TrialRecord) -> float:
    if trial.start is None or trial.end is None:
        return math.nan
    return (trial.end - trial.start).total_seconds()


def best_so_far(trials: pd.DataFrame, direction: Direction) -> pd.DataFrame:
    """Return number, value and the running best of the feasible trials with a finite value."""
    complete = (trials["state"] == Status.COMPLETE) & np.isfinite(trials["value"])
    feasible = complete & (trials["infeasible"] == "")
    done = trials.loc[feasible, ["number", "value"]].sort_values("number", ignore_index=True)
    running = done["value"].cummin() if direction.lower_is_better else done["value"].cummax()
    history: pd.DataFrame = done.assign(best=running)
    return history


def best_trial(frames: SearchFrames) -> TrialRecord | None:
    """Return the feasible trial with the best finite value, the first of equal ones, if any."""
    return store.best_trial(frames.trials, frames.definition.objective.direction)
