"""Run or resume a search."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from ablate.errors import SpecError
from ablate.run import Launcher
from ablate.spec import (
    Budget,
    Search,
    SearchStudy,
    Status,
    WrittenStudy,
    canonical_json,
    derived_seed,
)
from ablate.store import Store, TrialRecord, best_trial, count_states
from ablate.study.asker import Asker, pruner_factory, sampler_factory
from ablate.study.coordinator import Coordinator, Standing
from ablate.study.known_runs import known_runs
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


@dataclass(frozen=True)
class SearchSummary:
    """How a search stands: how many trials are in each state, and the best one."""

    study: str
    storage: str
    profile: str
    counts: dict[Status, int]
    best: TrialRecord | None
    already_done: bool


class SearchSource:
    """Asks for trials until the study's budget is met; unfinished ones of before come first."""

    supervised = True

    def __init__(
        self,
        study: SearchStudy,
        asker: Asker,
        recorder: Recorder,
        past: Sequence[FrozenTrial],
        active_before: float,
    ) -> None:
        self._study = study
        self._asker = asker
        self._recorder = recorder
        self._started = time.monotonic() - active_before
        self._stored = len(past)
        self._replicates: dict[str, list[int]] = {}
        plans = [self._plan(trial.number, dict(trial.params)) for trial in past]
        self._unfinished = deque(
            plan for plan, trial in zip(plans, past, strict=True) if not trial.state.is_finished()
        )

    def next(self) -> Plan | None:
        """Return an unfinished trial, or ask for a new one within the budget."""
        if self._unfinished:
            return self._unfinished.popleft()
        active = time.monotonic() - self._started
        if not self._asker.ready or not within(self._study.definition.budget, self._stored, active):
            return None
        number, point = self._asker.ask()
        asked = self._asker.frozen(number)
        self._recorder.new_trial(
            number,
            create_trial(
                state=TrialState.RUNNING,
                params=asked.params,
                distributions=asked.distributions,
                user_attrs={"state": Status.RUNNING},
                system_attrs=asked.system_attrs,
            ),
        )
        self._stored += 1
        plan = self._plan(number, point)
        if plan.seeds != self._study.seeds:
            first = self._replicates[canonical_json(point)][0]
            self._recorder.trial_replicates(number, first)
        return plan

    def report(self, number: int, step: int, value: float) -> bool:
        """Ask the pruner."""
        return self._asker.report(number, step, value)

    def finish(self, number: int, state: TrialState, value: float | None) -> dict[str, Any]:
        """Tell the asker; return what the sampler and the pruner noted on the trial."""
        self._asker.finish(number, state, value)
        return dict(self._asker.frozen(number).system_attrs)

    def _plan(self, number: int, point: dict[str, Any]) -> Plan:
        same = self._replicates.setdefault(canonical_json(point), [])
        seeds = self._study.seeds
        if len(seeds) > 1 and same:
            # The same point again is another replicate, so it gets seeds of its own.
            seeds = tuple(derived_seed("replicate", len(same), seed) for seed in seeds)
        same.append(number)
        return Plan(number, self._study.at(point, seeds[0]), seeds)


def within(budget: Budget, trials: int, active_seconds: float) -> bool:
    """Say whether a budget allows one more trial."""
    return (budget.trials is None or trials < budget.trials) and (
        budget.timeout is None or active_seconds < budget.timeout
    )


def search(
    written: WrittenStudy[Any], request: Request, budget: Budget | None = None
) -> SearchSummary:
    """Run a search until its budget is met, continuing what is stored.

    A `budget` takes the place of the study's own. Raises RequestError, with nothing written, if
    the request is wrong, and Interrupted when stopped by a signal.
    """
    if not isinstance(written.spec, Search):
        raise SpecError(
            f"{written.where} is an ablation; run it with: ablate replay {written.name}"
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
            if (done := finished(study, request)) is not None:
                return done
        probe = check(study, launcher, request, written.where)
        settle_threads(probe.config, launcher, request.say)
        return run(study, probe, launcher, request, written.where)


def finished(study: SearchStudy, request: Request) -> SearchSummary | None:
    """Return how a stored search stands if its budget is met and nothing of it is unfinished.

    Raises RequestError if it is to go on and another program added trials to it.
    """
    with Store.open(request.storage, create=False) as store:
        trials = store.trials(study.name)
        unfinished = any(not trial.state.ended for trial in trials)
        if unfinished or within(
            study.definition.budget, len(trials), store.active_seconds(study.name)
        ):
            refuse_foreign_trials(store, study.name)
            return None
        return summary(study, store, already_done=True)


def check(study: SearchStudy, launcher: Launcher, request: Request, where: str) -> Probe:
    """Raise SpecError, with nothing written, unless a search can run; `where` is for messages."""
    sampler_factory(study.definition.sampler, study.definition.seed, where)
    pruner_factory(study.definition.pruner, None, where)
    return check_search(study, launcher, request.say)


def run(
    study: SearchStudy, probe: Probe, launcher: Launcher, request: Request, where: str
) -> SearchSummary:
    """Run a search that was checked until its budget is met, continuing what is stored."""
    definition = study.definition
    sampler = sampler_factory(definition.sampler, definition.seed, where)
    resource = probe.max_epochs * len(study.seeds) if probe.max_epochs > 0 else None
    study_to_run(request.storage, study.name)
    with Store.open(request.storage, create=True) as store, store.lock(study.name):
        refuse_foreign_trials(store, study.name)
        definition_id = store.define(study.name, definition)
        active_before = store.active_seconds(study.name)
        with recording(store, study, request.say) as recorder:
            why_not = None if sampler.seeded else f"{definition.sampler.class_path} takes no seed"
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
            if past:
                request.say(f"continuing: {len(past)} trials are stored")
            asker = Asker(
                name=study.name,
                space=study.space,
                direction=definition.objective.direction,
                window=definition.window,
                sampler=sampler,
                pruner=pruner_factory(definition.pruner, resource, where),
                enqueued=study.enqueued,
                past=[as_past(trial) for trial in past],
            )
            if request.workers > definition.window:
                request.say(
                    f"{request.workers} workers, but at most {definition.window} trials in flight "
                    "(`window` in the study): the rest stay idle"
                )
            before = summary(study, store, already_done=False)
            Coordinator(
                context=request.context(study, definition_id, launcher),
                source=SearchSource(study, asker, recorder, past, active_before),
                recorder=recorder,
                launcher=launcher,
                known=known_runs(store, study),
                standing=_standing(before, definition.budget.trials),
                on_tick=request.on_tick,
            ).run()
        return summary(study, store, already_done=False)


def _standing(before: SearchSummary, total: int | None) -> Standing:
    best = before.best
    return Standing(
        counts={status: n for status, n in before.counts.items() if status.ended},
        best=None if best is None or best.value is None else (best.number, best.value),
        total=total,
    )


def summary(study: SearchStudy, store: Store, *, already_done: bool) -> SearchSummary:
    """Summarise a search from the store."""
    trials = store.trials(study.name)
    best = best_trial(trials, study.objective.direction)
    return SearchSummary(
        study.name, store.url_shown, study.profile, count_states(trials), best, already_done
    )
