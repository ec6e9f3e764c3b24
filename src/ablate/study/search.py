"""Run or resume a search."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from ablate.errors import AblateError, SpecError
from ablate.run import Launcher, code_version
from ablate.spec import Budget, SearchSpec, Study, read_study
from ablate.store import Store, StudyRecord, TrialRecord
from ablate.study.asker import Asker, pruner_factory, sampler_factory
from ablate.study.coordinator import Context, Coordinator, Plan
from ablate.study.preflight import check_search
from ablate.study.record import Recorder
from ablate.study.setup import Request, refuse_changed, stored_study


@dataclass(frozen=True)
class SearchResult:
    """How a search stands: how many trials are in each state, and the best one."""

    study: str
    storage: str
    profile: str
    counts: dict[str, int]
    best: TrialRecord | None
    already_done: bool


class SearchSource:
    """Asks for trials until the study's budget is met; unfinished ones of before come first."""

    supervised = True

    def __init__(
        self, study: Study, asker: Asker, recorder: Recorder, past: Sequence[FrozenTrial], left: Any
    ) -> None:
        self._study = study
        self._asker = asker
        self._recorder = recorder
        self._stored = len(past)
        self._seconds_left = left
        self._unfinished = deque(
            self._plan(trial.number, dict(trial.params))
            for trial in past
            if not trial.state.is_finished()
        )

    def next(self) -> Plan | None:
        """Return an unfinished trial, or ask for a new one within the budget."""
        if self._unfinished:
            return self._unfinished.popleft()
        if not self._asker.ready or not within(
            self._study.budget, self._stored, self._seconds_left()
        ):
            return None
        number, point = self._asker.ask()
        asked = self._asker.frozen(number)
        stored = self._recorder.add(
            create_trial(
                state=TrialState.RUNNING,
                params=asked.params,
                distributions=asked.distributions,
                system_attrs=asked.system_attrs,
            )
        )
        if stored != number:
            raise AblateError(
                f"another process added trials to {self._study.name!r} while it was searched; "
                "stop it and run the command again"
            )
        self._stored += 1
        return self._plan(number, point)

    def report(self, number: int, step: int, value: float) -> bool:
        """Ask the pruner."""
        return self._asker.report(number, step, value)

    def finish(self, number: int, state: TrialState, value: float | None) -> dict[str, Any]:
        """Tell the asker; return what the sampler and the pruner noted on the trial."""
        self._asker.finish(number, state, value)
        return dict(self._asker.frozen(number).system_attrs)

    def _plan(self, number: int, point: dict[str, Any]) -> Plan:
        seeds = self._study.seeds
        return Plan(number, self._study.at(point, seeds[0]), seeds)


def within(budget: Budget, trials: int, active_seconds: float) -> bool:
    """Say whether a budget allows one more trial."""
    return (budget.trials is None or trials < budget.trials) and (
        budget.timeout is None or active_seconds < budget.timeout
    )


def search(name: str, request: Request) -> SearchResult:
    """Run the search `name` until its budget is met, continuing what is stored.

    Raises RequestError, with nothing written, if the request is wrong, and Interrupted when
    stopped by a signal.
    """
    file = read_study(name)
    if not isinstance(file.spec, SearchSpec):
        raise SpecError(f"{file.path} is an ablation; run it with: ablate replay {name}")
    record = stored_study(request.storage, file.name)
    with request.launched() as launcher:
        study = request.prepare(file, launcher)
        if record is not None:
            refuse_changed(record, study)
            if (done := _done(study, request)) is not None:
                return done
        return _search(study, launcher, request, file.path, record)


def _done(study: Study, request: Request) -> SearchResult | None:
    with Store.open(request.storage, create=False) as store:
        trials = store.trials(study.name)
        unfinished = any(trial.state in ("running", "waiting") for trial in trials)
        if unfinished or within(study.budget, len(trials), store.active_seconds(study.name)):
            return None
        return summary(study, store, already_done=True)


def _search(
    study: Study, launcher: Launcher, request: Request, path: Path, record: StudyRecord | None
) -> SearchResult:
    assert isinstance(study.spec, SearchSpec)  # noqa: S101
    spec = study.spec
    sampler = sampler_factory(spec.sampler, spec.seed, str(path))
    pruner_factory(spec.pruner, None, str(path))
    probe = check_search(study, launcher, request.say)
    resource = probe.max_epochs * len(study.seeds) if probe.max_epochs > 0 else None
    with Store.open(request.storage, create=True) as store:
        definition_id = store.define(study.name, "search", study.definition(), study.profile)
        recorder = Recorder(store, study.name, spec.objective.direction)
        recorder.set_study_attrs(
            {"kind": "search", "profile": study.profile, "study_seed": spec.seed}
        )
        past = recorder.trials()
        if record is not None and past:
            request.say(f"continuing at trial {len(past)}")
        asker = Asker(
            name=study.name,
            space=study.space,
            direction=spec.objective.direction,
            window=spec.window,
            sampler=sampler,
            pruner=pruner_factory(spec.pruner, resource, str(path)),
            enqueued=study.enqueued,
            past=recorder.past(),
        )
        if request.workers > spec.window:
            request.say(
                f"{request.workers} workers, but at most {spec.window} trials in flight "
                "(`window` in the study): the rest stay idle"
            )
        source = SearchSource(
            study, asker, recorder, past, lambda: store.active_seconds(study.name)
        )
        before = count_states(store.trials(study.name))
        coordinator = Coordinator(
            context=Context(study, definition_id, request.results, code_version()),
            source=source,
            store=store,
            recorder=recorder,
            launcher=launcher,
            finished_before={
                state: n for state, n in before.items() if state not in ("running", "waiting")
            },
            total=study.budget.trials,
            on_tick=request.on_tick,
        )
        coordinator.run()
        return summary(study, store, already_done=False)


def summary(study: Study, store: Store, *, already_done: bool) -> SearchResult:
    """Summarise a search from the store."""
    trials = store.trials(study.name)
    complete = [trial for trial in trials if trial.state == "complete" and trial.value is not None]
    pick = min if study.objective.direction == "minimize" else max
    best = pick(complete, key=lambda trial: trial.value or 0.0) if complete else None
    return SearchResult(
        study.name, store.url_shown, study.profile, count_states(trials), best, already_done
    )


def count_states(trials: Sequence[TrialRecord]) -> dict[str, int]:
    """Count trials by state."""
    counts: dict[str, int] = {}
    for trial in trials:
        counts[trial.state] = counts.get(trial.state, 0) + 1
    return counts
