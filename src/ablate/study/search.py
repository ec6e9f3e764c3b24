"""Run or resume a search."""

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from ablate.errors import RunError, SpecError
from ablate.run import Launcher
from ablate.spec import (
    Budget,
    Point,
    Search,
    SearchStudy,
    Status,
    WrittenStudy,
    canonical_json,
    derived_seed,
)
from ablate.spec.commands import write_command
from ablate.spec.constraints import measured
from ablate.store import Store, TrialRecord, best_trial, count_infeasible, count_states
from ablate.study.asker import (
    Asker,
    constraint_attrs,
    pruner_factory,
    rehearse,
    sampler_factory,
)
from ablate.study.coordinator import Coordinator, Standing
from ablate.study.known_runs import known_runs
from ablate.study.notifier import notifying
from ablate.study.preflight import Probe, check_search
from ablate.study.record import Recorder, as_past
from ablate.study.setup import (
    Request,
    recording,
    refuse_changed,
    refuse_foreign_trials,
    stored_threads,
    study_to_run,
)
from ablate.study.source import Plan
from ablate.study.threads import settle_threads

_RETRIES = "retries"
"""The attribute of a trial that holds the number of the failed one that it replaces."""


@dataclass(frozen=True)
class SearchSummary:
    """How a search stands: how many trials are in each state, and the best one.

    `failed` counts the failed ones that no other trial has replaced, `infeasible` the complete ones
    that do not keep every constraint.
    """

    study: str
    storage: str
    profile: str
    counts: dict[Status, int]
    best: TrialRecord | None
    failed: int
    infeasible: int
    already_done: bool


class SearchSource:
    """Asks for trials until the study's budget is met; unfinished ones of before come first.

    Then come the `failed` ones again: each as a new trial at the same point with the same seeds,
    which takes its place in the budget.
    """

    supervised = True

    def __init__(
        self,
        study: SearchStudy,
        asker: Asker,
        recorder: Recorder,
        past: Sequence[FrozenTrial],
        *,
        active_before: float,
        failed: Sequence[int] = (),
    ) -> None:
        self._study = study
        self._asker = asker
        self._recorder = recorder
        self._started = time.monotonic() - active_before
        self._stored = len(past) - len(replaced(past)) - len(failed)
        self._replicates: dict[str, list[int]] = {}
        self._plans: dict[int, Plan] = {}
        for trial in past:
            self._plan(trial.number, dict(trial.params), trial.user_attrs.get(_RETRIES))
        self._unfinished = deque(
            self._plans[trial.number] for trial in past if not trial.state.is_finished()
        )
        self._failed = deque((number, dict(past[number].params)) for number in failed)

    def next(self) -> Plan | None:
        """Return an unfinished trial, a failed one again, or ask for one within the budget."""
        if self._unfinished:
            return self._unfinished.popleft()
        if not self._asker.ready:
            return None
        self._asker.tell()
        if self._failed:
            failed, point = self._failed.popleft()
            return self._new(point, failed)
        if self._asker.exhausted or not self._within_budget:
            return None
        return self._new()

    @property
    def done(self) -> bool:
        """Whether nothing is left to run: the budget is met, or the sampler has tried all."""
        waiting = self._unfinished or self._failed
        return not waiting and (self._asker.exhausted or not self._within_budget)

    def report(self, number: int, step: int, value: float) -> bool:
        """Ask the pruner."""
        return self._asker.report(number, step, value)

    def finish(
        self, number: int, state: TrialState, value: float | None, constraints: Mapping[str, float]
    ) -> dict[str, Any]:
        """Tell the asker; return what is noted on the trial by sampler and pruner, and of it."""
        self._asker.finish(number, state, value, constraints)
        return {**self._asker.frozen(number).system_attrs, **constraint_attrs(constraints)}

    @property
    def _within_budget(self) -> bool:
        active = time.monotonic() - self._started
        return within(self._study.definition.budget, self._stored, active)

    def _new(self, point: Point | None = None, failed: int | None = None) -> Plan:
        """Record a new trial, at a given point if it is to replace one that failed."""
        number, point = self._asker.ask(point)
        asked = self._asker.frozen(number)
        retries = {} if failed is None else {_RETRIES: failed}
        self._recorder.new_trial(
            number,
            create_trial(
                state=TrialState.RUNNING,
                params=asked.params,
                distributions=asked.distributions,
                user_attrs={"state": Status.RUNNING, **retries},
                system_attrs=asked.system_attrs,
            ),
        )
        self._stored += 1
        plan = self._plan(number, point, failed)
        if failed is None and plan.seeds != self._study.seeds:
            first = self._replicates[canonical_json(point)][0]
            self._recorder.trial_replicates(number, first)
        return plan

    def _plan(self, number: int, point: Point, failed: int | None) -> Plan:
        if failed is None:
            same = self._replicates.setdefault(canonical_json(point), [])
            seeds = self._study.seeds
            if len(seeds) > 1 and same:
                # The same point again is another replicate, so it gets seeds of its own.
                seeds = tuple(derived_seed("replicate", len(same), seed) for seed in seeds)
            same.append(number)
        else:
            seeds = self._plans[failed].seeds
        plan = Plan(number, self._study.at(point, seeds[0]), seeds)
        self._plans[number] = plan
        return plan


def replaced(trials: Iterable[FrozenTrial | TrialRecord]) -> set[int]:
    """Return the numbers of the failed trials that another trial has taken the place of."""
    return {trial.user_attrs[_RETRIES] for trial in trials if _RETRIES in trial.user_attrs}


def failed_for_good(trials: Sequence[TrialRecord]) -> list[int]:
    """Return the numbers of the failed trials that have not been tried again."""
    failed = (trial.number for trial in trials if trial.state is Status.FAILED)
    again = replaced(trials)
    return [number for number in failed if number not in again]


def within(budget: Budget, trials: int, active_seconds: float) -> bool:
    """Say whether a budget allows one more trial."""
    return (budget.trials is None or trials < budget.trials) and (
        budget.timeout is None or active_seconds < budget.timeout
    )


def search(
    written: WrittenStudy[Any],
    request: Request,
    budget: Budget | None = None,
    *,
    retry_failed: bool = False,
) -> SearchSummary:
    """Run a search until its budget is met, continuing what is stored.

    A `budget` takes the place of the study's own. With `retry_failed`, each trial that has failed
    is first tried again, as a new trial that takes its place in the budget. Raises RequestError,
    with nothing written, if the request is wrong, RunError if the search can't go on, and
    Interrupted when stopped by a signal.
    """
    if not isinstance(written.spec, Search):
        raise SpecError(
            f"{written.where} is an ablation; run it with: {write_command('replay', written.name)}"
        )
    record = study_to_run(request.storage, written.name)
    folders = written.import_folders()
    with request.launched(folders, stored_threads(request.storage, written.name)) as launcher:
        study = request.prepare(written, launcher)
        assert isinstance(study, SearchStudy)  # noqa: S101
        if budget is not None:
            study = study.with_budget(budget)
        if record is not None:
            refuse_changed(record, study)
            if (done := finished(study, request, retry_failed=retry_failed)) is not None:
                return done
        probe = check(study, launcher, request, written.where)
        settle_threads(probe.config, study, launcher, request.say)
        return run(study, probe, launcher, request, written.where, retry_failed=retry_failed)


def finished(
    study: SearchStudy, request: Request, *, retry_failed: bool = False
) -> SearchSummary | None:
    """Return how a stored search stands if its budget is met and nothing of it is left to run.

    Raises RequestError if it is to go on and another program added trials to it.
    """
    with Store.open(request.storage, create=False) as store:
        trials = store.trials(study.name)
        left = any(not trial.state.ended for trial in trials)
        left = left or (retry_failed and bool(failed_for_good(trials)))
        counted = len(trials) - len(replaced(trials))
        active = store.active_seconds(study.name)
        if left or within(study.definition.budget, counted, active):
            refuse_foreign_trials(store, study.name)
            return None
        return summary(study, store, already_done=True)


def check(study: SearchStudy, launcher: Launcher, request: Request, where: str) -> Probe:
    """Raise SpecError, with nothing written, unless a search can run; `where` is for messages.

    Its sampler and its pruner are built, and rehearse with a few made-up trials in memory.
    """
    request.require_writable()
    sampler_factory(study.definition.sampler, study.definition.seed, where)
    pruner_factory(study.definition.pruner, None, where)
    probe = check_search(study, launcher, request.say)
    try:
        names = [constraint.text for constraint in study.definition.constraints]
        rehearse(_asker(study, probe, where), probe.max_epochs, names)
    except RunError as error:
        raise SpecError(f"{where}: {error}") from None
    return probe


def _asker(study: SearchStudy, probe: Probe, where: str, past: Sequence[FrozenTrial] = ()) -> Asker:
    """Return the asker of a search, with what is stored of it."""
    # Optuna's own account of every trial would stand between the lines of the progress display.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    definition = study.definition
    resource = probe.max_epochs * len(study.seeds) if probe.max_epochs > 0 else None
    return Asker(
        space=study.space,
        direction=definition.objective.direction,
        window=definition.window,
        sampler=sampler_factory(definition.sampler, definition.seed, where),
        pruner=pruner_factory(definition.pruner, resource, where),
        enqueued=study.enqueued,
        past=[as_past(trial) for trial in past],
    )


def run(
    study: SearchStudy,
    probe: Probe,
    launcher: Launcher,
    request: Request,
    where: str,
    *,
    retry_failed: bool = False,
) -> SearchSummary:
    """Run a search that was checked until its budget is met, continuing what is stored."""
    definition = study.definition
    sampler = sampler_factory(definition.sampler, definition.seed, where)
    study_to_run(request.storage, study.name)
    with Store.open(request.storage, create=True) as store, store.lock(study.name):
        refuse_foreign_trials(store, study.name)
        definition_id = store.define(study.name, definition)
        active_before = store.active_seconds(study.name)
        with (
            recording(store, study, request.say) as recorder,
            notifying(study, request.say) as notifier,
        ):
            why_not = None if sampler.seeded else f"{definition.sampler.class_path} takes no seed"
            if by_machine := measured(definition.constraints):
                why_not = f"{' and '.join(by_machine)} of a run are those of the machine"
            store.set_study_attrs(
                study.name,
                {
                    "kind": "search",
                    "profile": study.profile,
                    "study_seed": definition.seed,
                    "reproducible": f"not reproducible: {why_not}" if why_not else "yes",
                },
            )
            past = recorder.past()
            for trial in past:
                # Whoever can write the database can have changed a point that is still to be run.
                study.space.check(trial.params, f"trial {trial.number} of {study.name} as stored")
            if past:
                request.say(f"continuing: {len(past)} trials are stored")
            asker = _asker(study, probe, where, past)
            if request.workers > definition.window:
                request.say(
                    f"{request.workers} workers, but at most {definition.window} trials in flight "
                    "(`window` in the study): the rest stay idle"
                )
            before = summary(study, store, already_done=False)
            failed = failed_for_good(store.trials(study.name)) if retry_failed else []
            if failed:
                request.say(f"trying {len(failed)} failed trials again")
            source = SearchSource(
                study, asker, recorder, past, active_before=active_before, failed=failed
            )
            Coordinator(
                context=request.context(study, definition_id, launcher),
                source=source,
                recorder=recorder,
                launcher=launcher,
                known=known_runs(store, study),
                standing=_standing(before, definition.budget.trials),
                on_tick=request.on_tick,
                on_failure=request.on_failure,
                on_goal=request.on_goal,
                notifier=notifier,
            ).run()
            if not source.done:
                raise RunError(
                    f"{study.name} ended before its budget was met: run the same command again"
                )
            if asker.exhausted:
                request.say(f"{definition.sampler.class_path} has tried all there is")
        return summary(study, store, already_done=False)


def _standing(before: SearchSummary, total: int | None) -> Standing:
    best = before.best
    return Standing(
        counts={status: n for status, n in before.counts.items() if status.ended},
        best=None if best is None or best.value is None else (best.number, best.value),
        total=total,
        infeasible=before.infeasible,
    )


def summary(study: SearchStudy, store: Store, *, already_done: bool) -> SearchSummary:
    """Summarise a search from the store."""
    trials = store.trials(study.name)
    best = best_trial(trials, study.objective.direction)
    return SearchSummary(
        study=study.name,
        storage=store.url_shown,
        profile=study.profile,
        counts=count_states(trials),
        best=best,
        failed=len(failed_for_good(trials)),
        infeasible=count_infeasible(trials),
        already_done=already_done,
    )
