"""Trials and arms, of one study or of several, put side by side as the arms of one ablation."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ablate.analysis.frames import AblationFrames, Frames
from ablate.errors import RequestError, nearest, quoted
from ablate.spec import AblationDefinition, Arm, Direction
from ablate.spec.configs import changes_between
from ablate.store import FindingRow


@dataclass(frozen=True)
class Side:
    """What is compared: runs of a study that speak for one configuration, one run per seed.

    `name` is what it is called beside the others, `arm` its arm if it is one, `config` the
    resolved configuration of its first run.
    """

    name: str
    frames: Frames
    runs: pd.DataFrame
    config: Mapping[str, Any]
    arm: str | None = None

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds that it was run with."""
        return tuple(sorted(map(int, self.runs["seed"])))

    @property
    def metrics(self) -> dict[str, Direction]:
        """The metrics that its study compares, that of its objective first."""
        definition = self.frames.definition
        declared = definition.metrics if isinstance(definition, AblationDefinition) else {}
        objective = definition.objective
        return {objective.metric: objective.direction, **declared}


def runs_of_trial(frames: Frames, number: int) -> pd.DataFrame:
    """Return the current runs of a trial; raise RequestError if there is none."""
    runs = frames.current[frames.current["trial"] == number]
    if runs.empty:
        known = sorted(map(int, frames.current["trial"].unique()))
        there = f"0 to {known[-1]}" if known else "none yet"
        raise RequestError(f"trial {number} of {frames.name!r} has no run; its trials: {there}")
    return runs


def runs_of_arm(frames: AblationFrames, arm: str) -> pd.DataFrame:
    """Return the current runs of an arm; raise RequestError if there is none."""
    runs = frames.current[frames.current["arm"] == arm]
    if runs.empty:
        known = dict.fromkeys(frames.current["arm"].dropna())
        raise RequestError(
            f"{quoted(arm)} of {frames.name!r} has no run: {nearest(arm, known)}"
            if known
            else f"{frames.name!r} has no run yet"
        )
    return runs


def side_by_side(sides: Sequence[Side]) -> AblationFrames:
    """Make one ablation of sides: each is an arm, and the first is their reference.

    Every side is read as the objective of the first one says. The metrics are those of all
    studies. Raises RequestError for a metric of which two studies want another direction, and for
    two sides that share runs.
    """
    first = sides[0]
    _refuse_shared(sides)
    definition = AblationDefinition(
        config=dict(first.config),
        profile=first.frames.definition.profile,
        seeds=tuple(sorted({seed for side in sides for seed in side.seeds})),
        objective=first.frames.definition.objective,
        designs=("arms",),
        arms=tuple(
            Arm(side.name, changes_between(first.config, side.config), design="declared")
            for side in sides
        ),
        reference=first.name,
        metrics=_metrics(sides),
        margin=_margins(sides),
    )
    studies = {side.frames.name: side.frames for side in sides}
    runs = pd.concat([side.runs.assign(arm=side.name) for side in sides], ignore_index=True)
    values = pd.concat([frames.metrics for frames in studies.values()], ignore_index=True)
    environments = {
        key: made for frames in studies.values() for key, made in frames.environments.items()
    }
    values = values[values["run_id"].isin(runs["run_id"])]
    return AblationFrames(" and ".join(studies), definition, runs, values, environments)


def findings_of(side: Side, findings: Iterable[FindingRow]) -> list[FindingRow]:
    """Return the findings of its study that concern a side, as findings of the side alone.

    A finding that names no arm, or that several arms differ, is one of each of them.
    """
    return [
        row._replace(arms=(side.name,))
        for row in findings
        if side.arm is not None and (not row.arms or side.arm in row.arms)
    ]


def _refuse_shared(sides: Sequence[Side]) -> None:
    owners: dict[int, Side] = {}
    for side in sides:
        for run in side.runs["run_id"].tolist():
            if (owner := owners.setdefault(run, side)) is not side:
                names = " and ".join(dict.fromkeys((owner.name, side.name)))
                raise RequestError(f"{names}: both sides are the same runs; name two that differ")


def _metrics(sides: Sequence[Side]) -> dict[str, Direction]:
    found: dict[str, Direction] = {}
    for side in sides:
        for metric, direction in side.metrics.items():
            if found.setdefault(metric, direction) is not direction:
                raise RequestError(
                    f"{metric} is to {found[metric]} in {sides[0].frames.name!r}, and to "
                    f"{direction} in {side.frames.name!r}: it can't be compared"
                )
    return found


def _margins(sides: Sequence[Side]) -> dict[str, float]:
    definition = sides[0].frames.definition
    return dict(definition.margin) if isinstance(definition, AblationDefinition) else {}
