"""Replay a recorded trial and say whether it gives what was recorded."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ablate.errors import NotFoundError
from ablate.spec import AblationDefinition, Cause, Config, Definition, Outcome, Status, configs
from ablate.spec.secrets import hidden
from ablate.store import Edit, Environment, RunRecord, Store, inexact_runs
from ablate.study.fact_differences import differing_facts
from ablate.study.record import resumed_epoch_of
from ablate.study.recorded import recorded_trial
from ablate.study.replay import ReplaySummary, Subject, replay_trial
from ablate.study.setup import Request

_FROM_OUTSIDE = frozenset({Cause.LOST, Cause.STALLED, Cause.OVER_TIME, Cause.OUT_OF_MEMORY})

OTHER_HARDWARE = 0.01
"""The relative tolerance on hardware other than the recorded run's, if none is asked for."""

Row = tuple[str, str, int]
"""Phase, metric name and step of a metric value."""


@dataclass(frozen=True)
class Difference:
    """Something the recorded run stood on that is different now."""

    what: str
    recorded: Any
    now: Any


@dataclass(frozen=True)
class Deviation:
    """A metric value that is not what was recorded; None stands for a missing value."""

    seed: int
    row: Row
    recorded: float | None
    now: float | None

    @property
    def relative(self) -> float:
        """The difference relative to the recorded value; infinite if one is missing."""
        if self.recorded is None or self.now is None:
            return math.inf
        if not (math.isfinite(self.recorded) and math.isfinite(self.now)):
            return math.inf
        return abs(self.now - self.recorded) / max(abs(self.recorded), 1e-12)


@dataclass(frozen=True)
class Ending:
    """How a run of a seed ended when it was recorded, and how it ended now."""

    seed: int
    recorded: Outcome
    now: Outcome

    @property
    def same(self) -> bool:
        """Whether it ended as before: of an exception, whether type and message are the same.

        What ended a run from outside is not expected again.
        """
        if self.recorded.status not in {Status.COMPLETE, Status.FAILED}:
            return True
        if self.recorded.status is not self.now.status:
            return False
        if self.recorded.cause is self.now.cause is Cause.RAISED:
            return self.recorded.comparable == self.now.comparable
        return self.recorded.cause in {None, self.now.cause}

    @property
    def from_outside(self) -> bool:
        """Whether the recorded run was ended by its surroundings, not by what it computed."""
        return self.recorded.cause in _FROM_OUTSIDE


@dataclass(frozen=True)
class Verification:
    """The verdict on a replayed trial, and what it rests on."""

    trial: str
    replayed: str
    tolerance: float
    compared: int
    deviations: tuple[Deviation, ...]
    differences: tuple[Difference, ...]
    endings: tuple[Ending, ...]
    inexact: Mapping[int, tuple[str, ...]]
    """By seed, why a run was continued from a checkpoint, but not exactly."""
    edits: tuple[Edit, ...] = ()
    """What of the trial's record was changed after it was made."""
    repeated: bool | None = None
    """Whether two runs, one right after the other, agree with each other; None: not tried."""

    @property
    def matches(self) -> bool:
        """Whether the values came out again within the tolerance, and the runs ended as before.

        A record that was edited matches nothing.
        """
        return self.comes_out_again and not self.edits

    @property
    def comes_out_again(self) -> bool:
        """Whether what stands in the record came out again within the tolerance."""
        within = all(deviation.relative <= self.tolerance for deviation in self.deviations)
        return within and self.ends_as_before

    @property
    def exact(self) -> bool:
        """Whether the values came out again bit for bit, and the runs ended as before."""
        return not self.deviations and self.ends_as_before and not self.edits

    @property
    def unexplained(self) -> bool:
        """Whether something else came out, and nothing that is recorded says why."""
        explained = self.differences or self.inexact or self.edits
        ended = [ending for ending in self.endings if not ending.same]
        outside = not self.deviations and all(ending.from_outside for ending in ended)
        return not (self.comes_out_again or explained or outside)

    @property
    def ends_as_before(self) -> bool:
        """Whether every run ended as recorded: complete, or failed alike."""
        return all(ending.same for ending in self.endings)


def verify(
    trial: str, request: Request, tolerance: float | None = None, allowed: Sequence[str] = ()
) -> Verification:
    """Run a recorded trial again, with its seeds, and compare every metric value but times.

    Without a `tolerance` values must agree bit for bit, on other hardware to `OTHER_HARDWARE`. If
    they do not, and nothing that is recorded differs, the trial is run once more: only two runs
    that differ from each other show that it is not deterministic.
    Raises RequestError, with nothing written, if the request is wrong.
    """
    with Store.open(request.storage, create=False) as store:
        recorded = recorded_trial(store, trial)
        study = recorded.study.name
        timed = _timed(recorded.study.definition)
        values = _values(store, study, timed)
        if not any(values.get(run.id) for run in recorded.runs):
            raise NotFoundError(f"{trial} recorded no metric, so there is nothing to compare with")
        seals = store.check_seals(study, [run.id for run in recorded.runs])
        edits = tuple(edit for edit in seals.edits if edit.trial == recorded.number)
    subject = Subject.of_trial(trial, request, allowed=allowed)
    result = replay_trial(subject, request, afresh=True)
    with Store.open(request.storage, create=False) as store:
        again = _values(store, result.study, timed)
        pairs = [
            (old, new)
            for old in recorded.runs
            for new in store.runs(result.study, with_config=True)
            if new.id in {run.id for run in result.runs} and new.seed == old.seed
        ]
        differences = [
            *_differences(store, study, result.study, pairs),
            *_resumptions(store, study, result.study, pairs),
        ]
        inexact = _inexact(store, study, result.study, pairs)
    if tolerance is None:
        tolerance = 0.0 if all(old.device == new.device for old, new in pairs) else OTHER_HARDWARE
    deviations, compared = [], 0
    for old, new in pairs:
        before = values.get(old.id, {})
        compared += len(before)
        deviations += _deviations(old, before, again.get(new.id, {}))
    verification = Verification(
        trial,
        f"{result.study}/{result.runs[0].trial}",
        tolerance,
        compared,
        tuple(deviations),
        tuple(differences),
        tuple(Ending(old.seed, _outcome(old), _outcome(new)) for old, new in pairs),
        inexact,
        edits,
    )
    if not verification.unexplained:
        return verification
    second = replay_trial(subject, request, afresh=True)
    return replace(verification, repeated=_agree(request.storage, result, second, timed))


def _timed(definition: Definition) -> str | None:
    """Return the metric that is a measured time, which no run gives twice; None if none is."""
    if isinstance(definition, AblationDefinition) and definition.episodes is not None:
        return definition.episodes.seconds
    return None


def _agree(storage: str, first: ReplaySummary, second: ReplaySummary, timed: str | None) -> bool:
    """Say whether the runs of two replays, one right after the other, gave the same."""
    with Store.open(storage, create=False) as store:
        values = _values(store, first.study, timed)
    runs = {run.seed: run for run in second.runs}
    return all(
        _outcome(run).comparable == _outcome(runs[run.seed]).comparable
        and not _deviations(run, values.get(run.id, {}), values.get(runs[run.seed].id, {}))
        for run in first.runs
    )


def _outcome(run: RunRecord) -> Outcome:
    """Return how a run ended; every run has a folder of its own, which its reason may name."""
    # A run knows its folder by the whole path, which begins with whoever recorded it.
    named = rf"[^\s'\"]*{re.escape(run.directory)}"
    reason = run.reason and re.sub(named, "the run's folder", run.reason)
    return Outcome(run.status, run.cause, reason)


def _values(store: Store, study: str, timed: str | None) -> dict[int, dict[Row, float]]:
    values: dict[int, dict[Row, float]] = {}
    for row in store.metrics(study):
        if row.name == timed:
            continue
        values.setdefault(row.run_id, {})[row.phase, row.name, row.step] = row.value
    return values


def _deviations(
    run: RunRecord, before: Mapping[Row, float], now: Mapping[Row, float]
) -> list[Deviation]:
    """Compare two runs; a recorded run that was ended from outside says nothing of later steps."""
    by_itself = run.status is Status.COMPLETE or run.cause in {Cause.DIVERGED, Cause.RAISED}
    rows = before.keys() | now.keys() if by_itself else before.keys()
    return [
        Deviation(run.seed, row, before.get(row), now.get(row))
        for row in sorted(rows)
        if not _equal(before.get(row), now.get(row))
    ]


def _equal(left: float | None, right: float | None) -> bool:
    if left is None or right is None:
        return False
    return left == right or (math.isnan(left) and math.isnan(right))


def _differences(
    store: Store, before: str, after: str, pairs: Sequence[tuple[RunRecord, RunRecord]]
) -> list[Difference]:
    environments = {**store.environments(before), **store.environments(after)}
    fingerprints = {**store.fingerprints(before), **store.fingerprints(after)}
    facts = {**store.facts(before), **store.facts(after)}
    found: dict[str, Difference] = {}
    for old, new in pairs:
        sides: list[dict[str, Config]] = [
            {
                "config": run.config or {},
                "environment": environments.get(run.environment, Environment()).compared(),
                "data": fingerprints.get(run.id, {}),
                "code": {"version": run.code_version},
            }
            for run in (old, new)
        ]
        if not all(side["data"] for side in sides):
            # A run that failed has not said what data it saw.
            sides = [{**side, "data": {}} for side in sides]
        for topic in sides[0]:
            for path, recorded, now in configs.differing(sides[0][topic], sides[1][topic]):
                what = f"{topic} {path}"
                found[what] = Difference(what, hidden(path, recorded), hidden(path, now))
        for what, *values in differing_facts(facts.get(old.id, {}), facts.get(new.id, {})):
            # The environment names some libraries already.
            if what.replace("dependency ", "environment libraries.") not in found:
                found[what] = Difference(what, *values)
    return list(found.values())


def _resumptions(
    store: Store, before: str, after: str, pairs: Sequence[tuple[RunRecord, RunRecord]]
) -> list[Difference]:
    """Name the runs that were continued from a checkpoint on one side alone."""
    attributes = {
        (study, trial.number): trial.user_attrs
        for study in (before, after)
        for trial in store.trials(study)
    }
    found = []
    for old, new in pairs:
        starts = [_start(run, attributes[run.study, run.trial]) for run in (old, new)]
        if starts[0] != starts[1]:
            found.append(Difference(f"seed {old.seed}", *starts))
    return found


def _inexact(
    store: Store, before: str, after: str, pairs: Sequence[tuple[RunRecord, RunRecord]]
) -> dict[int, tuple[str, ...]]:
    """Return by seed why runs of either side were not continued exactly."""
    runs = {(run.study, run.trial, run.seed) for pair in pairs for run in pair}
    found: dict[int, tuple[str, ...]] = {}
    for study in dict.fromkeys((before, after)):
        for trial in store.trials(study):
            for seed, reasons in inexact_runs(trial).items():
                if (study, trial.number, seed) in runs:
                    found[seed] = found.get(seed, ()) + reasons
    return found


def _start(run: RunRecord, attributes: Mapping[str, Any]) -> str:
    noted = resumed_epoch_of(run.seed)
    if run.attempt > 1 and noted not in attributes:
        return f"attempt {run.attempt}, perhaps continued from a checkpoint"
    if (epoch := attributes.get(noted)) is None:
        return "trained from the beginning"
    return f"continued from a checkpoint at epoch {epoch} (attempt {run.attempt})"
