"""The one process that asks or enqueues, hands runs to workers, prunes and records."""

import math
import shutil
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from optuna.trial import TrialState

from ablate.errors import AblateError, Interrupted
from ablate.run import Decision, Event, Finished, Job, Launcher, Lost, Reported, Resolved, Started
from ablate.spec import Objective, Study, content_hash
from ablate.store import RunRecord, Store
from ablate.study.record import Recorder

_TICK = 0.25
_STATES = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


@dataclass(frozen=True)
class Plan:
    """One trial to do: a configuration to be run once per seed, its value their mean."""

    number: int
    config: dict[str, Any]
    seeds: tuple[int, ...]
    arm: str | None = None


class Source(Protocol):
    """Where trials come from: a search asks for them, a replay has them fixed."""

    supervised: bool

    def next(self) -> Plan | None:
        """Return the next trial to run, or None if there is none to start now."""

    def report(self, number: int, step: int, value: float) -> bool:
        """Note a running trial's intermediate value and say whether to prune it."""

    def finish(self, number: int, state: TrialState, value: float | None) -> dict[str, Any]:
        """Note how a trial ended and return system attributes to record with it."""


@dataclass
class Snapshot:
    """What a progress display shows."""

    total: int | None
    counts: dict[str, int]
    running: dict[int, str]
    best: tuple[int, float] | None
    elapsed: float
    left: float | None


@dataclass
class _Trial:
    """A trial in flight."""

    plan: Plan
    started: float
    values: list[float] = field(default_factory=list)
    reports: list[float] = field(default_factory=list)
    offset: int = 0
    attempt: int = 1
    run_id: int | None = None
    config: dict[str, Any] = field(default_factory=dict)
    config_hash: str = ""
    max_epochs: int = 0
    job: int = 0

    @property
    def seed(self) -> int:
        return self.plan.seeds[len(self.values)]


@dataclass(frozen=True)
class Context:
    """What every run of this command shares."""

    study: Study
    definition_id: int
    results: Path
    code_version: str


class Coordinator:
    """Runs the trials of a source on a launcher until there are none left."""

    def __init__(
        self,
        *,
        context: Context,
        source: Source,
        store: Store,
        recorder: Recorder,
        launcher: Launcher,
        finished_before: dict[str, int],
        total: int | None,
        on_tick: Callable[[Snapshot], None],
    ) -> None:
        self._context = context
        self._objective: Objective = context.study.objective
        self._source = source
        self._store = store
        self._recorder = recorder
        self._launcher = launcher
        self._counts = dict(finished_before)
        self._total = total
        self._on_tick = on_tick
        self._trials: dict[int, _Trial] = {}
        self._ready: deque[_Trial] = deque()
        self._jobs = 0
        self._best: tuple[int, float] | None = None
        self._done_here = 0
        self._started = time.monotonic()
        self._known_runs = {(run.trial, run.seed): run for run in store.runs(context.study.name)}
        self._stop = False

    def run(self) -> dict[str, int]:
        """Run to the end and return how many trials ended in each state.

        Raises Interrupted after a SIGINT or SIGTERM; what was running is recorded so.
        """
        session = self._store.start_session(self._context.study.name)
        touched = time.monotonic()
        with self._signals():
            try:
                while self._fill() or self._trials:
                    self._launcher.poll(self._handle, _TICK)
                    self._recorder.flush()
                    self._on_tick(self.snapshot())
                    if time.monotonic() - touched > 1:
                        self._store.touch_session(session)
                        touched = time.monotonic()
                    if self._stop:
                        self._interrupt()
            finally:
                self._store.touch_session(session)
        return self._counts

    def snapshot(self) -> Snapshot:
        """Summarise the state for a progress display."""
        elapsed = time.monotonic() - self._started
        finished = sum(self._counts.values())
        left = None
        if self._total is not None and self._done_here:
            left = elapsed / self._done_here * max(self._total - finished, 0)
        running = {
            number: f"epoch {len(trial.reports)}/{trial.max_epochs or '?'}"
            for number, trial in sorted(self._trials.items())
        }
        return Snapshot(self._total, dict(self._counts), running, self._best, elapsed, left)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        def stop(number: int, frame: object) -> None:  # noqa: ARG001
            self._stop = True

        saved = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in saved.items():
                signal.signal(number, handler)

    def _interrupt(self) -> None:
        self._launcher.close()
        self._recorder.flush()
        for trial in self._trials.values():
            if trial.run_id is not None:
                self._store.finish_run(
                    trial.run_id, "interrupted", "stopped by a signal", None, None
                )
        raise Interrupted("interrupted; the same command continues where it stopped")

    def _fill(self) -> bool:
        """Start trials while workers are free; say whether any was started."""
        started = False
        while self._launcher.free and not self._stop:
            plan = self._source.next()
            if plan is None:
                break
            trial = _Trial(plan, time.monotonic())
            self._trials[plan.number] = trial
            self._recorder.run(plan.number)
            self._next_run(trial)
            started = True
        return started

    def _next_run(self, trial: _Trial) -> None:
        """Start the run of the trial's next seed, or finish the trial after its last."""
        while len(trial.values) < len(trial.plan.seeds):
            known = self._known_runs.get((trial.plan.number, trial.seed))
            value = self._value_of(known) if known and known.status == "complete" else None
            if value is None:
                trial.attempt = known.attempt + 1 if known else 1
                self._submit(trial, "resolve", {**trial.plan.config, "seed_everything": trial.seed})
                return
            trial.values.append(value)
        self._end(trial, "complete", None)

    def _submit(self, trial: _Trial, task: Any, config: dict[str, Any], **more: Any) -> None:
        self._jobs += 1
        trial.job = self._jobs
        self._launcher.submit([Job(self._jobs, task, config, **more)])

    def _trial_of(self, job: int) -> _Trial:
        return next(trial for trial in self._trials.values() if trial.job == job)

    def _handle(self, event: Event) -> Decision:
        trial = self._trial_of(event.job)  # type: ignore[union-attr]
        match event:
            case Resolved(config=config):
                trial.config = config
            case Started(parameters=parameters, max_epochs=max_epochs):
                assert trial.run_id is not None  # noqa: S101
                trial.max_epochs = max_epochs
                self._store.update_run(trial.run_id, parameters=parameters)
            case Reported():
                return self._reported(trial, event)
            case Finished():
                self._finished(trial, event)
            case Lost(reason=reason):
                self._lost(trial, reason)
        return "continue"

    def _start(self, trial: _Trial) -> None:
        """Record a resolved run and send it to a worker."""
        trial.config_hash = content_hash(trial.config)
        trial.reports = []
        plan, context = trial.plan, self._context
        directory = context.results / context.study.name / f"{plan.number}-{trial.config_hash[:8]}"
        shutil.rmtree(directory, ignore_errors=True)
        facts = self._launcher.facts()
        trial.run_id = self._store.start_run(
            study=context.study.name,
            trial=plan.number,
            arm=plan.arm,
            seed=trial.seed,
            attempt=trial.attempt,
            definition_id=context.definition_id,
            config=trial.config,
            config_hash=trial.config_hash,
            profile=context.study.profile,
            device=facts["device"],
            environment=facts,
            code_version=context.code_version,
            directory=str(directory),
        )
        self._recorder.annotate(
            plan.number,
            {
                **({"arm": plan.arm} if plan.arm else {}),
                "seed": trial.seed,
                "config_hash": trial.config_hash,
                "directory": str(directory),
            },
        )
        identity = {
            "study": context.study.name,
            "trial": str(plan.number),
            "arm": plan.arm or context.study.name,
            "seed": str(trial.seed),
        }
        self._submit(
            trial,
            "run",
            trial.config,
            metric=self._objective.metric,
            directory=str(directory),
            identity=identity,
            supervised=self._source.supervised,
        )

    def _reported(self, trial: _Trial, event: Reported) -> Decision:
        assert trial.run_id is not None  # noqa: S101
        self._recorder.metrics(trial.run_id, event)
        if event.objective is None or not math.isfinite(event.objective):
            return "continue"
        trial.reports.append(event.objective)
        values = [*trial.values, self._read(trial.reports)]
        step = trial.offset + len(trial.reports) - 1
        estimate = sum(values) / len(values) if len(trial.plan.seeds) > 1 else event.objective
        self._recorder.intermediate(trial.plan.number, step, estimate)
        return "stop" if self._source.report(trial.plan.number, step, estimate) else "continue"

    def _finished(self, trial: _Trial, event: Finished) -> None:
        if trial.run_id is None and event.status == "complete":
            self._start(trial)
            return
        if trial.run_id is None:
            self._end(trial, "failed", event.reason)
            return
        self._recorder.flush()
        self._store.add_fingerprints(trial.run_id, event.fingerprints)
        self._store.finish_run(trial.run_id, event.status, event.reason, event.epochs, event.steps)
        trial.run_id = None
        if event.status == "complete":
            trial.values.append(self._read(trial.reports))
            trial.offset += max(trial.max_epochs, len(trial.reports))
            self._next_run(trial)
        else:
            self._end(trial, event.status, event.reason)

    def _lost(self, trial: _Trial, reason: str) -> None:
        if trial.run_id is not None:
            self._recorder.flush()
            self._store.finish_run(trial.run_id, "failed", reason, None, None)
            trial.run_id = None
        if trial.attempt < self._context.study.spec.limits.attempts:
            trial.attempt += 1
            self._submit(trial, "resolve", {**trial.plan.config, "seed_everything": trial.seed})
        else:
            self._end(trial, "failed", f"{reason} ({trial.attempt} attempts)")

    def _end(self, trial: _Trial, status: str, reason: str | None) -> None:
        number = trial.plan.number
        value = sum(trial.values) / len(trial.values) if status == "complete" else None
        system_attrs = self._source.finish(number, _STATES[status], value)
        attrs = {"state": status, **({"reason": reason} if reason else {})}
        self._recorder.finish(number, _STATES[status], value, attrs, system_attrs)
        self._counts[status] = self._counts.get(status, 0) + 1
        self._done_here += 1
        del self._trials[number]
        if value is not None and (self._best is None or self._better(value, self._best[1])):
            self._best = number, value

    def _better(self, value: float, other: float) -> bool:
        return value < other if self._objective.direction == "minimize" else value > other

    def _read(self, reports: list[float]) -> float:
        """Read the objective off a run's reports, at its best or its last epoch."""
        if not reports:
            raise AblateError(f"a run ended without reporting {self._objective.metric}")
        if self._objective.at == "last":
            return reports[-1]
        return (min if self._objective.direction == "minimize" else max)(reports)

    def _value_of(self, run: RunRecord) -> float | None:
        rows = self._store.metrics(self._context.study.name, [self._objective.metric])
        reports = [row.value for row in rows if row.run_id == run.id]
        return self._read(reports) if reports else None
