"""The one process that asks or enqueues, hands runs to workers, supervises, prunes and records."""

import math
import shutil
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from optuna.trial import TrialState

from ablate.errors import AblateError, Interrupted, RunError
from ablate.run import (
    Built,
    Decision,
    Event,
    Finished,
    Job,
    Launcher,
    Lost,
    Progress,
    Reported,
    Resolve,
    Resolved,
    Run,
    Started,
    WorkerFacts,
)
from ablate.spec import Cause, Objective, Outcome, Status, Study, content_hash
from ablate.store import NewRun, RunEnd, RunKey, Store, TrialEnd
from ablate.store.artifacts import FOLDER, RunFiles
from ablate.study.record import Recorder

_TICK = 0.25
_GRACE = 20.0
_RECENT = 8
_STATES = {
    Status.COMPLETE: TrialState.COMPLETE,
    Status.PRUNED: TrialState.PRUNED,
    Status.FAILED: TrialState.FAIL,
}
_COMPLETE, _PRUNED = Outcome(Status.COMPLETE), Outcome(Status.PRUNED)


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


@dataclass(frozen=True)
class Snapshot:
    """What a progress display shows."""

    metric: str
    total: int | None
    counts: Mapping[Status, int]
    running: Mapping[int, str]
    best: tuple[int, float] | None
    elapsed: float
    left: float | None


@dataclass
class _Trial:
    """A trial in flight, and its run in flight.

    `unrecorded` is a run that no worker is known to have begun: it is recorded when one has, with
    what that worker stands on, or when it ends without.
    """

    plan: Plan
    began: float = field(default_factory=time.monotonic)
    values: list[float] = field(default_factory=list)
    offset: int = 0
    decisions: dict[int, bool] = field(default_factory=dict)
    attempt: int = 0
    failures: int = 0
    key: RunKey | None = None
    unrecorded: NewRun | None = None
    directory: Path | None = None
    job: int = 0
    config: dict[str, Any] = field(default_factory=dict)
    config_hash: str = ""
    reports: list[float] = field(default_factory=list)
    max_epochs: int = 0
    error: str | None = None
    started: float = 0.0
    heard: float = 0.0

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
    facts: WorkerFacts


@dataclass(frozen=True)
class Known:
    """The latest attempt of a run that an earlier command made, with its objective's reports."""

    attempt: int
    failures: int
    status: str
    config_hash: str
    code_version: str
    reports: tuple[float, ...]


def known_runs(store: Store, study: Study) -> dict[tuple[int, int], Known]:
    """Read the latest attempt of every run of a study, by trial and seed."""
    reports: dict[int, list[float]] = {}
    for row in store.metrics(study.name, [study.objective.metric]):
        reports.setdefault(row.run_id, []).append(row.value)
    known: dict[tuple[int, int], Known] = {}
    for run in store.runs(study.name):
        before = known.get((run.trial, run.seed))
        known[run.trial, run.seed] = Known(
            run.attempt,
            (before.failures if before else 0) + (run.status == "failed"),
            run.status,
            run.config_hash,
            run.code_version,
            tuple(reports.get(run.id, ())),
        )
    return known


class Coordinator:
    """Runs the trials of a source on a launcher until there are none left.

    A run that is lost, hung or over its time becomes a new attempt that continues from the last
    checkpoint, up to `limits.attempts`; so does one that raised, unless it raises the same again.
    """

    def __init__(
        self,
        *,
        context: Context,
        source: Source,
        recorder: Recorder,
        launcher: Launcher,
        known: Mapping[tuple[int, int], Known],
        finished_before: Mapping[Status, int],
        total: int | None,
        best: tuple[int, float] | None,
        on_tick: Callable[[Snapshot], None],
    ) -> None:
        self._context = context
        self._limits = context.study.definition.limits
        self._objective: Objective = context.study.objective
        self._source = source
        self._recorder = recorder
        self._launcher = launcher
        self._known = known
        self._counts: dict[Status, int] = dict(finished_before)
        self._total = total
        self._best = best
        self._on_tick = on_tick
        self._trials: dict[int, _Trial] = {}
        self._curves = {
            run.config_hash: (trial, run.reports)
            for (trial, _), run in sorted(known.items(), reverse=True)
            if run.status == "complete" and run.reports
        }
        self._jobs = 0
        self._durations: deque[float] = deque(maxlen=_RECENT)
        self._began = time.monotonic()
        self._signals = 0
        self._stopping: float | None = None
        self._fatal: str | None = None

    def run(self) -> dict[Status, int]:
        """Run to the end and return how many trials ended in each state.

        Raises Interrupted after a SIGINT or SIGTERM, and RunError if the disk is full or the
        database fails for good; the same command continues then.
        """
        self._close_abandoned()
        with self._heeding_signals():
            while self._fill() or self._trials:
                self._launcher.poll(self._handle, _TICK)
                self._supervise()
                self._recorder.check()
                self._on_tick(self.snapshot())
                if self._stopped():
                    break
        self._recorder.flush()
        if self._fatal is not None:
            raise RunError(f"{self._fatal}; free some space and run the same command again")
        if self._signals:
            raise Interrupted("interrupted; the same command continues where it stopped")
        return self._counts

    def _close_abandoned(self) -> None:
        """Record the runs that a killed command left as running."""
        for (number, seed), run in self._known.items():
            if run.status == "running":
                key = RunKey(number, seed, run.attempt)
                end = RunEnd(
                    Outcome(Status.INTERRUPTED, Cause.LOST, "its command was killed"), None, None
                )
                self._recorder.end_run(key, end, {})

    def snapshot(self) -> Snapshot:
        """Summarise the state for a progress display."""
        elapsed = time.monotonic() - self._began
        left = None
        if self._total is not None and self._durations:
            missing = self._total - sum(self._counts.values()) - len(self._trials) / 2
            mean = sum(self._durations) / len(self._durations)
            left = max(mean * missing / self._launcher.slots, 0.0)
        running = {
            number: f"epoch {len(trial.reports)}/{trial.max_epochs or '?'}"
            for number, trial in sorted(self._trials.items())
        }
        return Snapshot(
            metric=self._objective.metric,
            total=self._total,
            counts=dict(self._counts),
            running=running,
            best=self._best if self._source.supervised else None,
            elapsed=elapsed,
            left=left,
        )

    @contextmanager
    def _heeding_signals(self) -> Iterator[None]:
        def stop(number: int, frame: object) -> None:  # noqa: ARG001
            self._signals += 1

        saved = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in saved.items():
                signal.signal(number, handler)

    def _stopped(self) -> bool:
        """Ask runs to stop after a signal or a full disk; say whether waiting is over."""
        if not self._signals and self._fatal is None:
            return False
        if self._stopping is None:
            self._stopping = time.monotonic()
            self._launcher.interrupt()
        waited = time.monotonic() - self._stopping
        if self._trials and self._signals < 2 and waited < _GRACE:
            return False
        end = Outcome(Status.INTERRUPTED, Cause.STOPPED, "stopped by a signal")
        if self._fatal is not None:
            end = Outcome(Status.INTERRUPTED, Cause.NO_SPACE, self._fatal)
        for trial in self._trials.values():
            self._end_run(trial, end)
        self._trials.clear()
        return True

    def _fill(self) -> bool:
        """Start trials while workers are free; say whether any was started."""
        started = False
        while self._launcher.free and self._stopping is None and not self._signals:
            plan = self._source.next()
            if plan is None:
                break
            self._trials[plan.number] = trial = _Trial(plan)
            self._recorder.running(plan.number)
            self._next_run(trial)
            started = True
        return started

    def _next_run(self, trial: _Trial) -> None:
        """Start the run of the trial's next seed, or end the trial after its last."""
        while len(trial.values) < len(trial.plan.seeds):
            known = self._known.get((trial.plan.number, trial.seed))
            if known is None or known.status != "complete" or not known.reports:
                trial.attempt = known.attempt if known else 0
                trial.failures = known.failures if known else 0
                trial.error = None
                self._attempt(trial)
                return
            if self._follow(trial, known.reports):
                return
        self._end(trial, _COMPLETE)

    def _attempt(self, trial: _Trial) -> None:
        trial.attempt += 1
        trial.reports = []
        trial.key = None
        config = {**trial.plan.config, "seed_everything": trial.seed}
        self._submit(trial, Resolve(self._next_job(), config))

    def _follow(self, trial: _Trial, reports: Sequence[float]) -> bool:
        """Take a whole run's reports as this run's own; say whether the pruner ends it early."""
        trial.reports = []
        for value in reports:
            if self._objective_reported(trial, value):
                self._end(trial, _PRUNED)
                return True
        self._close_run(trial)
        return False

    def _next_job(self) -> int:
        self._jobs += 1
        return self._jobs

    def _submit(self, trial: _Trial, job: Job) -> None:
        trial.job = job.id
        trial.started = trial.heard = time.monotonic()
        self._launcher.submit([job])

    def _handle(self, event: Event) -> Decision:
        trial = next((t for t in self._trials.values() if t.job == event.job), None)  # type: ignore[union-attr]
        if trial is None:
            return "continue"
        trial.heard = time.monotonic()
        match event:
            case Resolved(config=config):
                trial.config = config
            case Started(facts=facts):
                self._record(trial, facts)
            case Built(parameters=parameters, max_epochs=max_epochs):
                assert trial.key is not None  # noqa: S101
                trial.max_epochs = max_epochs
                self._recorder.parameters(trial.key, parameters)
            case Reported():
                return self._reported(trial, event)
            case Finished():
                self._finished(trial, event)
            case Lost(cause=cause, reason=reason):
                end = Outcome(Status.FAILED, cause, reason)
                self._end_run(trial, end)
                self._retry(trial, end)
            case Progress():
                pass
        return "continue"

    def _start(self, trial: _Trial) -> None:
        """Take over the result of an equal run, or start a resolved run."""
        trial.config_hash = content_hash(trial.config)
        equal = self._curves.get(trial.config_hash)
        if equal and self._source.supervised and deterministic(trial.config, self._context.facts):
            self._recorder.annotate(trial.plan.number, {"reused_from": equal[0]})
            if not self._follow(trial, equal[1]):
                self._next_run(trial)
            return
        plan, context = trial.plan, self._context
        directory = context.results / context.study.name / f"{plan.number}-{trial.config_hash[:8]}"
        known = self._known.get((plan.number, trial.seed))
        resume = trial.attempt > 1 and (known is None or known.code_version == context.code_version)
        if not resume:
            shutil.rmtree(directory, ignore_errors=True)
        trial.directory = directory
        trial.key = RunKey(plan.number, trial.seed, trial.attempt)
        trial.unrecorded = NewRun(
            key=trial.key,
            arm=plan.arm,
            definition_id=context.definition_id,
            config=trial.config,
            config_hash=trial.config_hash,
            profile=context.study.profile,
            device=context.facts.device,
            environment=context.facts.as_dict(),
            code_version=context.code_version,
            directory=str(directory),
        )
        self._recorder.annotate(
            plan.number,
            {
                **({"arm": plan.arm} if plan.arm else {}),
                "seed": trial.seed,
                "state": "running",
                "config_hash": trial.config_hash,
                "directory": str(directory),
            },
        )
        run = Run(
            self._next_job(),
            trial.config,
            metric=self._objective.metric,
            directory=str(directory),
            identity={
                "study": context.study.name,
                "trial": str(plan.number),
                "arm": plan.arm or context.study.name,
                "seed": str(trial.seed),
            },
            supervised=self._source.supervised,
            resume=resume,
            checkpoint_every=self._limits.checkpoint,
        )
        self._submit(trial, run)

    def _record(self, trial: _Trial, facts: WorkerFacts) -> None:
        """Record a run as begun by a worker that stands on these facts, unless it is recorded."""
        if trial.unrecorded is None:
            return
        run = replace(trial.unrecorded, device=facts.device, environment=facts.as_dict())
        trial.unrecorded = None
        self._recorder.start_run(run)
        if why_not := irreproducible(trial.config, facts):
            said = {"reproducible": f"not reproducible: {why_not}"}
            self._recorder.annotate(trial.plan.number, said)

    def _reported(self, trial: _Trial, event: Reported) -> Decision:
        assert trial.key is not None  # noqa: S101
        self._recorder.report(trial.key, event)
        if event.objective is None or not math.isfinite(event.objective):
            return "continue"
        return "stop" if self._objective_reported(trial, event.objective) else "continue"

    def _objective_reported(self, trial: _Trial, value: float) -> bool:
        """Note a report of the deciding metric and say whether to prune the trial."""
        trial.reports.append(value)
        step = trial.offset + len(trial.reports) - 1
        if len(trial.plan.seeds) > 1:
            values = [*trial.values, self._read(trial.reports)]
            value = sum(values) / len(values)
        self._recorder.intermediate(trial.plan.number, step, value)
        if step not in trial.decisions:
            # A resumed run reports again what it reported before; a decision is made once.
            trial.decisions[step] = self._source.report(trial.plan.number, step, value)
        return trial.decisions[step]

    def _finished(self, trial: _Trial, event: Finished) -> None:
        if trial.key is None:
            if event.outcome.status == Status.COMPLETE:
                self._start(trial)
            elif event.outcome.status == Status.FAILED:
                self._end(trial, event.outcome)
            return
        end = event.outcome
        self._end_run(trial, end, event)
        if end.cause == Cause.NO_SPACE:
            self._fatal = end.reason
        elif end.status == Status.COMPLETE:
            self._curves.setdefault(trial.config_hash, (trial.plan.number, tuple(trial.reports)))
            self._close_run(trial)
            self._next_run(trial)
            return
        elif end.status == Status.PRUNED:
            self._end(trial, end)
            return
        elif end.status == Status.FAILED:
            if end.cause in {Cause.WRONG_CONFIG, Cause.DIVERGED}:
                self._end(trial, end)
            else:
                self._retry(trial, end, error=end.reason)
            return
        del self._trials[trial.plan.number]

    def _close_run(self, trial: _Trial) -> None:
        trial.values.append(self._read(trial.reports))
        trial.offset += max(trial.max_epochs, len(trial.reports))

    def _end_run(self, trial: _Trial, outcome: Outcome, event: Finished | None = None) -> None:
        if trial.key is not None:
            # No worker has begun it: what one of them stands on is the best that is known.
            self._record(trial, self._context.facts)
            if outcome.status in {Status.COMPLETE, Status.PRUNED}:
                self._keep_files(trial)
            epochs, steps = (event.epochs, event.steps) if event else (None, None)
            end = RunEnd(outcome, epochs, steps)
            self._recorder.end_run(trial.key, end, event.fingerprints if event else {})
            trial.key = None

    def _keep_files(self, trial: _Trial) -> None:
        """Have the files of the trial's latest run kept, once: no attempt of it follows."""
        if trial.directory is None:
            return
        prefix = f"seed-{trial.seed}/" if len(trial.plan.seeds) > 1 else ""
        context, number = self._context, trial.plan.number
        kept_in = context.results / FOLDER
        run = RunFiles(context.study.name, number, trial.directory, prefix, kept_in)
        self._recorder.keep_files(run)
        trial.directory = None

    def _retry(self, trial: _Trial, end: Outcome, error: str | None = None) -> None:
        """Make a new attempt, unless enough have failed or the same error came twice."""
        trial.failures += 1
        if error is not None and error == trial.error:
            self._end(trial, replace(end, reason=f"{end.reason} (twice)"))
        elif trial.failures >= self._limits.attempts:
            reason = f"{end.reason} ({trial.failures} attempts)"
            self._end(trial, replace(end, reason=reason))
        elif self._stopping is not None:
            del self._trials[trial.plan.number]
        else:
            trial.error = error
            self._attempt(trial)

    def _supervise(self) -> None:
        """End runs that hang or take too long."""
        now = time.monotonic()
        for trial in self._trials.values():
            silent, taken = now - trial.heard, now - trial.started
            if self._limits.stall is not None and silent > self._limits.stall:
                reason = f"no progress for {self._limits.stall:g} s"
                self._launcher.kill(trial.job, Cause.STALLED, reason)
            elif self._limits.wall is not None and taken > self._limits.wall:
                reason = f"not done after {self._limits.wall:g} s"
                self._launcher.kill(trial.job, Cause.OVER_TIME, reason)

    def _end(self, trial: _Trial, outcome: Outcome) -> None:
        number, status, reason = trial.plan.number, outcome.status, outcome.reason
        if status == Status.FAILED:
            self._keep_files(trial)
        complete = status == Status.COMPLETE
        value = sum(trial.values) / len(trial.values) if complete else None
        system_attrs = self._source.finish(number, _STATES[status], value)
        attrs = {"state": str(status), **({"reason": reason} if reason else {})}
        self._recorder.end_trial(number, TrialEnd(_STATES[status], value), attrs, system_attrs)
        self._counts[status] = self._counts.get(status, 0) + 1
        self._durations.append(time.monotonic() - trial.began)
        del self._trials[number]
        if value is not None and (self._best is None or self._better(value, self._best[1])):
            self._best = number, value

    def _better(self, value: float, other: float) -> bool:
        return value < other if self._objective.direction == "minimize" else value > other

    def _read(self, reports: Sequence[float]) -> float:
        """Read the objective off a run's reports, at its best or its last epoch."""
        if not reports:
            raise AblateError(f"a run ended without reporting {self._objective.metric}")
        if self._objective.at == "last":
            return reports[-1]
        return (min if self._objective.direction == "minimize" else max)(reports)


def irreproducible(config: Mapping[str, Any], facts: WorkerFacts) -> str | None:
    """Say why a run of this config on this hardware can't be repeated bit for bit, if so."""
    trainer = config.get("trainer") or {}
    if facts.profile != "cpu" and trainer.get("deterministic") is not True:
        return f"trainer.deterministic is {trainer.get('deterministic')!r} on {facts.device}"
    if trainer.get("max_time") is not None:
        return "trainer.max_time ends the run by the clock"
    return None


def deterministic(config: Mapping[str, Any], facts: WorkerFacts) -> bool:
    """Say whether equal configs give equal runs on this hardware."""
    return irreproducible(config, facts) is None
