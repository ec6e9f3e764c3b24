"""What the runs of a study reached of what was expected of them."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablate.analysis.frames import Frames, load
from ablate.plan import Judgement, Kind, Verdict
from ablate.plan.goals import FACTS, judgements
from ablate.store import Store

COLUMNS = [
    *("arm", "trial", "seed", "run_id", "kind", "goal", "verdict", "step", "epoch", "condition"),
    *("value", "short"),
]


def load_goals(store: Store, frames: Frames) -> pd.DataFrame:
    """Read what the current runs of a study reached, as `goals_frame` arranges it."""
    return goals_frame(frames, store.facts(frames.name, FACTS))


def goals_frame(
    frames: Frames, facts: Mapping[int, Mapping[str, Mapping[str, Any]]]
) -> pd.DataFrame:
    """Arrange judgements: one row per condition of every goal of every run that counts.

    Columns: arm, trial, seed, run_id, kind, goal, verdict (reached, missed or pending), step and
    epoch of the judgement, condition, value (NaN with too few values), short (how far the value
    lies on the wrong side). `facts` are those of the runs, by run id and kind.
    """
    names = ["arm", "trial", "seed", "run_id"]
    rows = []
    for keys in frames.current[names].itertuples(index=False, name=None):
        told = facts.get(keys[-1], {}).get(FACTS)
        for found in judgements(told) if told else ():
            said = (*keys, *_cells(found))
            rows += [(*said, item.condition, item.value, item.short) for item in found.measured]
    frame = pd.DataFrame(rows, columns=COLUMNS)
    return frame.astype({"value": float, "short": float})


def _cells(found: Judgement) -> tuple[str, str, str, int, int]:
    return found.kind.value, found.title, found.verdict.value, found.step, found.epoch


@dataclass(frozen=True)
class LostSuccess:
    """A run that succeeded and no longer did at its end.

    `reached` and `lost` are steps: the first one at which all conditions held, and the one from
    which on they did not any more. `lacking` are the conditions that do not hold at the end, each
    with its value there. `arm` is None for a run of a search.
    """

    arm: str | None
    trial: int
    seed: int
    reached: int
    lost: int
    lacking: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Successes:
    """The runs that succeeded: how many kept it to the end, and which lost it.

    Of `unrecorded` ones nothing is known of the end: an earlier ablate made them, or they only
    validated.
    """

    kept: int
    lost: tuple[LostSuccess, ...]
    unrecorded: int


def load_successes(store: Store, study: str) -> Successes:
    """Read which current runs of a study succeeded, and which of them lost that before the end."""
    if store.require_study(study).definition.goals.success is None:
        return Successes(0, (), 0)
    return successes(load_goals(store, load(store, study, metrics=False)))


def successes(told: pd.DataFrame) -> Successes:
    """Part the runs that succeeded by whether that held to the end; `told` is `goals_frame`'s."""
    reached = told[(told["kind"] == Kind.SUCCESS) & (told["verdict"] == Verdict.REACHED)]
    first = dict(zip(reached["run_id"].tolist(), reached["step"].tolist(), strict=True))
    at_end = told[told["kind"] == Kind.AT_THE_END]
    missed = at_end[at_end["verdict"] == Verdict.MISSED]
    lost = tuple(
        _lost(first[run_id], rows) for run_id, rows in missed.groupby("run_id", sort=False)
    )
    recorded = at_end["run_id"].nunique()
    return Successes(recorded - len(lost), lost, len(first) - recorded)


def _lost(reached: int, rows: pd.DataFrame) -> LostSuccess:
    head = rows.iloc[0]
    lacking = rows[rows["short"] != 0]
    return LostSuccess(
        arm=head["arm"] if isinstance(head["arm"], str) else None,
        trial=int(head["trial"]),
        seed=int(head["seed"]),
        reached=int(reached),
        lost=int(head["step"]),
        lacking=tuple(zip(lacking["condition"], lacking["value"], strict=True)),
    )


@dataclass(frozen=True)
class GoalCount:
    """A goal of an arm over its runs: how many reached, missed and left it open.

    `arm` is None for the runs of a search. `steps` are those at which it was reached, in order;
    `short` is the largest distance to a bound among the runs that missed it, None if none did or
    no value was there.
    """

    arm: str | None
    kind: str
    goal: str
    reached: int
    missed: int
    pending: int
    steps: tuple[int, ...]
    short: float | None


def goal_counts(told: pd.DataFrame) -> Iterator[GoalCount]:
    """Yield every goal of every arm, in the order of the runs."""
    keys = ["arm", "kind", "goal"]
    for (arm, kind, goal), rows in told.groupby(keys, sort=False, dropna=False):
        runs = rows.drop_duplicates("run_id")
        counts = runs["verdict"].value_counts()
        missed = rows.loc[rows["verdict"] == Verdict.MISSED.value, "short"].max()
        steps = runs.loc[runs["verdict"] == Verdict.REACHED.value, "step"]
        yield GoalCount(
            arm=arm if isinstance(arm, str) else None,
            kind=str(kind),
            goal=str(goal),
            **{verdict.value: int(counts.get(verdict.value, 0)) for verdict in Verdict},
            steps=tuple(sorted(int(step) for step in steps)),
            short=None if math.isnan(missed) else float(missed),
        )
