"""What a replay would run, and how long that would take, without running it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ablate.errors import SpecError
from ablate.run import Launcher
from ablate.spec import AblationSpec, Arm, Study, content_hash, designs
from ablate.spec.tuning import tuned_name
from ablate.store import RunRecord, Store
from ablate.study.preflight import resolve_all
from ablate.study.replay import Asked, known_trials, wanted_runs
from ablate.study.setup import Request, stored_study
from ablate.study.tune import ArmSearch, arm_searches, tuned_configs, with_tuned

TO_RUN = "to run"


@dataclass(frozen=True)
class PlannedRun:
    """One run of the matrix; `state` is "complete", "failed" or "to run".

    The hash of its configuration is None where that is still to be found by a search.
    """

    seed: int
    state: str
    trial: int | None
    config_hash: str | None


@dataclass(frozen=True)
class PlannedArm:
    """One arm with its runs, and the mean seconds of a run of it (None: nothing is known)."""

    arm: Arm
    runs: tuple[PlannedRun, ...]
    seconds_per_run: float | None

    @property
    def to_run(self) -> int:
        """How many of its runs are left."""
        return sum(run.state == TO_RUN for run in self.runs)


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


def matrix(
    name: str, request: Request, seeds: Sequence[int] = (), allowed: Sequence[str] = ()
) -> Matrix:
    """Lay out what `replay` with the same arguments would run; nothing is trained or written.

    Raises RequestError if the request is wrong, as far as that shows without running a batch.
    """
    asked = Asked.of(name, request, seeds, allowed)
    with request.launched() as launcher:
        study = asked.prepare(request, launcher)
        configs = _resolved(study, launcher)
        searches = arm_searches(study, configs) if study.tuning is not None else ()
        stored = _stored(request, [study.name, *(s.study.name for s in searches if s.study)])
        if searches and (done := [own for own in searches if own.is_done(request)]):
            with Store.open(request.storage, create=False) as store:
                study = with_tuned(study, done, store)
            configs |= tuned_configs(study, launcher)
    return _laid_out(study, configs, searches, stored, request.workers)


def _resolved(study: Study, launcher: Launcher) -> dict[str, dict[str, Any]]:
    arms, seed = study.arms, study.seeds[0]
    outcomes = resolve_all(launcher, [study.configured(arm.changes, seed) for arm in arms])
    configs = {}
    for arm, outcome in zip(arms, outcomes, strict=True):
        if isinstance(outcome, SpecError):
            raise SpecError(f"{study.name}: arms.{arm.name}: {outcome}")
        configs[arm.name] = outcome
    return configs


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
        if run.status == "complete" and run.attempt == 1 and run.finished_at is not None:
            took = (run.finished_at - run.created_at).total_seconds()
            seconds.setdefault(run.arm, []).append(took)
    return seconds


def _laid_out(
    study: Study,
    configs: Mapping[str, dict[str, Any]],
    searches: Sequence[ArmSearch],
    stored: Mapping[str, _Stored],
    workers: int,
) -> Matrix:
    own = stored.get(study.name, _Stored())
    known = known_trials(own.trials)
    wanted = wanted_runs(study, configs)
    arms = []
    assert isinstance(study.spec, AblationSpec)  # noqa: S101
    label = designs.label(study.spec.design[0])
    for arm in _with_pending(study, searches):
        runs = tuple(
            _planned(seed, known, arm.name, wanted.get((arm.name, seed))) for seed in study.seeds
        )
        seconds = _first_known(own.mean(arm.name), own.mean())
        labelled = arm if arm.design or arm.floor else replace(arm, design=label)
        arms.append(PlannedArm(labelled, runs, seconds))
    planned = [_search(search, stored, own) for search in searches]
    return Matrix(study.name, study.profile, study.seeds, tuple(arms), tuple(planned), workers)


def _with_pending(study: Study, searches: Sequence[ArmSearch]) -> tuple[Arm, ...]:
    """Add the tuned arms whose search is not done, with what is known of their changes."""
    arms = study.arms
    pending = [
        replace(own.arm, name=tuned_name(own.arm.name), design="tuned")
        for own in searches
        if own.study is not None and own.arm.name not in study.tuned
    ]
    floors = [arm for arm in arms if arm.floor]
    return (*(arm for arm in arms if not arm.floor), *pending, *floors)


def _planned(
    seed: int,
    known: Mapping[tuple[Any, ...], FrozenTrial],
    arm: str,
    config: Mapping[str, Any] | None,
) -> PlannedRun:
    if config is None:
        return PlannedRun(seed, TO_RUN, None, None)
    config_hash = content_hash(config)
    trial = known.get((arm, seed, config_hash))
    state = TO_RUN
    if trial is not None and trial.state.is_finished():
        state = "complete" if trial.state == TrialState.COMPLETE else "failed"
    return PlannedRun(seed, state, None if trial is None else trial.number, config_hash)


def _search(own: ArmSearch, stored: Mapping[str, _Stored], replayed: _Stored) -> PlannedSearch:
    arm = own.arm.name
    if own.study is None:
        return PlannedSearch(arm, None, None, 0, 0, own.left_out, None)
    searched = stored.get(own.study.name, _Stored())
    return PlannedSearch(
        arm=arm,
        study=own.study.name,
        trials=own.study.budget.trials,
        done=sum(trial.state.is_finished() for trial in searched.trials),
        seeds=len(own.study.seeds),
        left_out=own.left_out,
        seconds_per_run=_first_known(searched.mean(), replayed.mean(arm), replayed.mean()),
    )


def _first_known(*seconds: float | None) -> float | None:
    return next((value for value in seconds if value is not None), None)
