"""What a replay would run, and how long that would take, without running it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from optuna.trial import FrozenTrial

from ablate.run.resolving import resolve_arms
from ablate.spec import AblationStudy, Arm, Status, designs
from ablate.spec.tuning import tuned_name
from ablate.store import RunRecord, Store
from ablate.study.cells import Cells
from ablate.study.replay import Subject, ended_as, known_trials, wanted_runs
from ablate.study.setup import Request, stored_study
from ablate.study.tune import ArmSearch, arm_searches, tuned_configs, with_tuned


@dataclass(frozen=True)
class PlannedRun:
    """One run of the matrix; `status` says how it ended, None that it is still to run.

    The hash of its configuration is None where that is still to be found by a search.
    """

    seed: int
    status: Status | None
    trial: int | None
    config_hash: str | None


@dataclass(frozen=True)
class PlannedArm:
    """One arm with its runs, and the mean seconds of a run of it (None: nothing is known)."""

    arm: Arm
    runs: tuple[PlannedRun, ...]
    seconds_per_run: float | None

    @property
    def failed(self) -> int:
        """How many of its runs failed."""
        return sum(run.status is Status.FAILED for run in self.runs)

    @property
    def to_run(self) -> int:
        """How many of its runs are left."""
        return sum(run.status is None for run in self.runs)


@dataclass(frozen=True)
class PlannedSearch:
    """The search that tunes an arm: its budget and trials done, seconds per run of a trial."""

    arm: str
    study: str | None
    trials: int | None
    done: int
    seeds: int
    left_out: Mapping[str, str]
    seconds_per_run: float | None

    @property
    def to_run(self) -> int:
        """How many trials are left; 0 if only time bounds it."""
        return max((self.trials or 0) - self.done, 0)


@dataclass(frozen=True)
class Matrix:
    """All runs of a replay, with the searches that come before it."""

    study: str
    profile: str
    seeds: tuple[int, ...]
    arms: tuple[PlannedArm, ...]
    searches: tuple[PlannedSearch, ...]
    workers: int

    @property
    def runs(self) -> int:
        """How many runs there are in all, searches aside."""
        return sum(len(arm.runs) for arm in self.arms)

    @property
    def to_run(self) -> int:
        """How many runs are left, searches aside."""
        return sum(arm.to_run for arm in self.arms)

    @property
    def seconds(self) -> float | None:
        """The expected time of all that is left with these workers; None if it is not known."""
        total, left = 0.0, 0
        work = [(search.to_run * search.seeds, search.seconds_per_run) for search in self.searches]
        work += [(arm.to_run, arm.seconds_per_run) for arm in self.arms]
        for amount, seconds in work:
            if amount and seconds is None:
                return None
            total += amount * (seconds or 0.0)
            left += amount
        return total / min(self.workers, max(left, 1))


def matrix(subject: Subject, request: Request) -> Matrix:
    """Lay out what a replay of the same would run; nothing is trained or written.

    Raises RequestError if the request is wrong, as far as that shows without running a batch.
    """
    with subject.launched(request) as launcher:
        study = subject.prepare(request, launcher)
        configs = resolve_arms(study, study.arms, launcher)
        searches = arm_searches(study, configs)
        names = [search.study.name for search in searches if search.study]
        stored = _stored(request, [study.name, *names])
        if done := [search for search in searches if search.is_done(request)]:
            with Store.open(request.storage, create=False) as store:
                study = with_tuned(study, done, store)
            configs |= tuned_configs(study, launcher)
    return _laid_out(study, configs, searches, stored, cells=subject.cells, workers=request.workers)


@dataclass(frozen=True)
class _Stored:
    """The trials of a stored study, and the seconds of its undisturbed runs by arm."""

    trials: tuple[FrozenTrial, ...] = ()
    seconds: Mapping[str | None, Sequence[float]] | None = None

    def mean(self, arm: str | None = None) -> float | None:
        """Return the mean seconds of an arm's runs, or of all without an arm; None if none."""
        by_arm = self.seconds or {}
        if arm is not None:
            found = [*by_arm.get(arm, ())]
        else:
            found = [value for values in by_arm.values() for value in values]
        return fmean(found) if found else None


def _stored(request: Request, names: Iterable[str]) -> dict[str, _Stored]:
    found = {}
    for name in names:
        if stored_study(request.storage, name) is None:
            continue
        with Store.open(request.storage, create=False) as store:
            found[name] = _Stored(tuple(store.past(name)), _seconds(store.runs(name)))
    return found


def _seconds(runs: Iterable[RunRecord]) -> dict[str | None, list[float]]:
    """Collect how long runs took; one that was tried again took its time in parts."""
    seconds: dict[str | None, list[float]] = {}
    for run in runs:
        if run.status is Status.COMPLETE and run.attempt == 1 and run.finished_at is not None:
            took = (run.finished_at - run.created_at).total_seconds()
            seconds.setdefault(run.arm, []).append(max(took, 0.0))  # the clock may be set back
    return seconds


def _laid_out(
    study: AblationStudy,
    configs: Mapping[str, dict[str, Any]],
    searches: Sequence[ArmSearch],
    stored: Mapping[str, _Stored],
    *,
    cells: Cells,
    workers: int,
) -> Matrix:
    before = stored.get(study.name, _Stored())
    known = known_trials(before.trials)
    wanted = wanted_runs(study, configs, cells)
    arms, seeds = [], cells.seeds_of(study)
    for arm in _with_pending(study, searches):
        if not cells.has_arm(arm.name):
            continue
        runs = tuple(
            _planned(study, seed, known, arm.name, wanted.get((arm.name, seed))) for seed in seeds
        )
        seconds = _first_known(before.mean(arm.name), before.mean())
        arms.append(PlannedArm(arm, runs, seconds))
    planned = [_search(search, stored, before) for search in searches if search.is_asked_for(cells)]
    return Matrix(study.name, study.profile, seeds, tuple(arms), tuple(planned), workers)


def _with_pending(study: AblationStudy, searches: Sequence[ArmSearch]) -> tuple[Arm, ...]:
    """Add the tuned arms whose search is not done, with what is known of their changes."""
    definition = study.definition
    pending = [
        replace(search.arm, name=tuned_name(search.arm.name), design=designs.TUNED)
        for search in searches
        if search.study is not None and search.arm.name not in definition.tuned
    ]
    return (*definition.trained, *pending, *definition.floors)


def _planned(
    study: AblationStudy,
    seed: int,
    known: Mapping[tuple[Any, ...], FrozenTrial],
    arm: str,
    config: Mapping[str, Any] | None,
) -> PlannedRun:
    if config is None:
        return PlannedRun(seed, None, None, None)
    config_hash = study.hash_of(config)
    trial = known.get((arm, seed, config_hash))
    status = ended_as(trial) if trial is not None and trial.state.is_finished() else None
    return PlannedRun(seed, status, None if trial is None else trial.number, config_hash)


def _search(search: ArmSearch, stored: Mapping[str, _Stored], replayed: _Stored) -> PlannedSearch:
    arm = search.arm.name
    if search.study is None:
        return PlannedSearch(arm, None, None, 0, 0, search.left_out, None)
    searched = stored.get(search.study.name, _Stored())
    return PlannedSearch(
        arm=arm,
        study=search.study.name,
        trials=search.study.definition.budget.trials,
        done=sum(trial.state.is_finished() for trial in searched.trials),
        seeds=len(search.study.seeds),
        left_out=search.left_out,
        seconds_per_run=_first_known(searched.mean(), replayed.mean(arm), replayed.mean()),
    )


def _first_known(*seconds: float | None) -> float | None:
    return next((value for value in seconds if value is not None), None)
