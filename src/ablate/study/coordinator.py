"""The one process that asks or enqueues, hands runs to workers, supervises, prunes and records."""

import math
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from optuna.trial import TrialState

from ablate.errors import AblateError, Interrupted, RunError
from ablate.plan import Kind, Verdict
from ablate.run import (
    Built,
    Decision,
    Event,
    Finished,
    Job,
    Judged,
    Launcher,
    Lost,
    Raised,
    Ready,
    Reported,
    Resolve,
    Resolved,
    ResumedInexactly,
    Run,
    Started,
    WorkerFacts,
)
from ablate.run.log import FILE as LOG
from ablate.spec import Action, Cause, Objective, Occasion, Outcome, SearchDefinition, Status, Study
from ablate.spec.constraints import broken, excesses, measured, unknown
from ablate.store import Environment, NewRun, RunEnd, RunKey, TrialEnd
from ablate.study.failed_run import FailedRun
from ablate.study.folders import RunFolders
from ablate.study.goal_news import GoalNews
from ablate.study.known_runs import KnownRun, Told, constrained_metrics
from ablate.study.notifier import Notifier
from ablate.study.record import Recorder
from ablate.study.reproducibility import irreproducible
from ablate.study.snapshot import Snapshot
from ablate.study.source import Source
from ablate.study.trial import Attempt, BetweenSeeds, Resolving, Running, Trial, UnderWay

_TICK = 0.25
_GRACE = 20.0
_RECENT = 8
_STATES = {
    Status.COMPLETE: TrialState.COMPLETE,
    Status.PRUNED: TrialState.PRUNED,
    Status.FAILED: TrialState.FAIL,
}
_PRUNED = Outcome(Status.PRUNED)
_OUTSIDE = {
    Cause.NO_SPACE: "free some space",
    Cause.NO_ACCESS: "make the folder writable",
    Cause.NO_PROCESS: "end other processes, or raise the limits on them and on memory,",
}
"""Causes that no run can do anything about, so that the whole command ends; and what to do."""


@dataclass(frozen=True)
class Context:
    """What every run of this command shares; `facts` are those of the first worker."""

    study: Study
    definition_id: int
    folders: RunFolders
    code_version: str
    facts: WorkerFacts


@dataclass(frozen=True)
class Standing:
    """How a study stood before this command: its ended trials by state, the best of them.

    `total` is how many trials there are to be, None if only time bounds them; `infeasible` counts
    the complete ones that do not keep every constraint.
    """

    counts: Mapping[Status, int]
    best: tuple[int, float] | None
    total: int | None
    infeasible: int = 0


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
        known: Mapping[tuple[int, int], KnownRun],
        standing: Standing,
        on_tick: Callable[[Snapshot], None],
        on_failure: Callable[[FailedRun], None],
        on_goal: Callable[[GoalNews], None],
        notifier: Notifier,
    ) -> None:
        self._context = context
        self._limits = context.study.definition.limits
        self._objective: Objective = context.study.objective
        definition = context.study.definition
        self._constraints = (
            definition.constraints if isinstance(definition, SearchDefinition) else ()
        )
        self._constrained = frozenset(constrained_metrics(context.study))
        self._source = source
        self._recorder = recorder
        self._launcher = launcher
        self._known = known
        self._counts: dict[Status, int] = dict(standing.counts)
        self._total = standing.total
        self._best = standing.best
        self._infeasible = standing.infeasible
        self._on_tick = on_tick
        self._on_failure = on_failure
        self._on_goal = on_goal
        self._notifier = notifier
        self._trials: dict[int, Trial] = {}
        self._curves = {
            run.config_hash: (trial, run.told)
            for (trial, _), run in sorted(known.items(), reverse=True)
            if run.complete
        }
        self._jobs = 0
        self._durations: deque[float] = deque(maxlen=_RECENT)
        self._began = time.monotonic()
        self._signals = 0
        self._stopping: float | None = None
        self._fatal: Outcome | None = None

    # --- the loop ------------------------------------------------------------------------

    def run(self) -> dict[Status, int]:
        """Run to the end and return how many trials ended in each state.

        Raises Interrupted after a SIGINT or SIGTERM, and RunError if the disk is full, the results
        can't be written or the database fails for good; the same command continues then.
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
        self._notifier.tell(Occasion.DONE, self._summary())
        if self._fatal is not None:
            raise RunError(self._fatal.reason)
        if self._signals:
            raise Interrupted("interrupted; the same command continues where it stopped")
        return self._counts

    def _summary(self) -> str:
        """Say how many trials there are by state, and whether the command was stopped."""
        counts = ", ".join(f"{n} {status}" for status, n in sorted(self._counts.items()) if n)
        stopped = self._signals or self._fatal is not None
        return f"{counts or 'no trials'}{'; stopped before the end' if stopped else ''}"

    def snapshot(self) -> Snapshot:
        """Summarise the state for a progress display."""
        elapsed = time.monotonic() - self._began
        left = None
        if self._total is not None and self._durations:
            missing = self._total - sum(self._counts.values()) - len(self._trials) / 2
            mean = sum(self._durations) / len(self._durations)
            left = max(mean * missing / self._launcher.slots, 0.0)
        return Snapshot(
            metric=self._objective.metric,
            total=self._total,
            counts=dict(self._counts),
            running={number: trial.progress() for number, trial in sorted(self._trials.items())},
            best=self._best if self._source.supervised else None,
            infeasible=self._infeasible,
            elapsed=elapsed,
            left=left,
        )

    def _close_abandoned(self) -> None:
        """Record the runs that a killed command left as running."""
        killed = Outcome(Status.INTERRUPTED, Cause.LOST, "its command was killed")
        for (number, seed), run in self._known.items():
            if run.status is Status.RUNNING:
                key = RunKey(number, seed, run.attempt)
                self._recorder.end_run(key, RunEnd(killed, None, None), {})

    @contextmanager
    def _heeding_signals(self) -> Iterator[None]:
        """Count SIGINT and SIGTERM; Python hands signals to the main thread only."""

        def stop(number: int, frame: object) -> None:  # noqa: ARG001
            self._signals += 1

        if threading.current_thread() is not threading.main_thread():
            yield
            return
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
        outcome = Outcome(Status.INTERRUPTED, Cause.STOPPED, "stopped by a signal")
        if self._fatal is not None:
            outcome = self._fatal
        for trial in self._trials.values():
            if isinstance(trial.state, Running):
                self._close_run(trial, trial.state, RunEnd(outcome, None, None))
        self._trials.clear()
        return True

    def _supervise(self) -> None:
        """End runs that hang or take too long."""
        now = time.monotonic()
        stall, wall = self._limits.stall, self._limits.wall
        for trial in self._trials.values():
            state = trial.state
            if isinstance(state, BetweenSeeds):
                continue
            if stall is not None and now - state.heard > stall:
                self._launcher.kill(state.job, Cause.STALLED, f"no progress for {stall:g} s")
            elif wall is not None and now - state.started > wall:
                self._launcher.kill(state.job, Cause.OVER_TIME, f"not done after {wall:g} s")

    def _handle(self, event: Event) -> Decision:
        """Take what a worker tells, and answer a report of the objective with a decision."""
        if isinstance(event, Ready):
            return "continue"
        found = self._under_way(event.job)
        if found is None:
            return "continue"
        trial, state = found
        state.heard = time.monotonic()
        match state, event:
            case Resolving(), Resolved(config=config):
                state.config = config
            case Resolving(), Finished():
                self._resolved(trial, state, event)
            case Running(), Started(facts=facts):
                self._record_run(trial, state, facts)
            case Running(), Built(parameters=parameters, max_epochs=epochs, resumed_epoch=epoch):
                state.epochs = epochs
                self._recorder.parameters(state.key, parameters)
                if state.attempt.number > 1:
                    self._recorder.run_continues(state.key, epoch)
            case Running(), ResumedInexactly(reasons=reasons):
                self._recorder.run_is_inexact(state.key, reasons)
            case Running(), Reported():
                return self._reported(trial, state, event)
            case Running(), Judged(judgement=judgement):
                self._goal_decided(GoalNews(trial.number, trial.plan.arm, trial.seed, judgement))
            case Running(), Finished():
                self._run_ended(trial, state, event)
            case _, Lost(cause=cause, reason=reason):
                self._lost(trial, state, Outcome(Status.FAILED, cause, reason))
        return "continue"

    def _under_way(self, job: int) -> tuple[Trial, UnderWay] | None:
        for trial in self._trials.values():
            if not isinstance(trial.state, BetweenSeeds) and trial.state.job == job:
                return trial, trial.state
        return None

    # --- a trial's way -------------------------------------------------------------------

    def _fill(self) -> bool:
        """Start trials while workers are free; say whether any was started."""
        started = False
        while self._launcher.free and self._stopping is None and not self._signals:
            plan = self._source.next()
            if plan is None:
                break
            self._trials[plan.number] = trial = Trial(plan)
            self._recorder.running(plan.number)
            self._next_seed(trial)
            started = True
        return started

    def _next_seed(self, trial: Trial) -> None:
        """Start the run of the trial's next seed, or end the trial after its last."""
        trial.state = BetweenSeeds()
        while (seed := trial.seed) is not None:
            known = self._known.get((trial.number, seed))
            if known is None or not known.complete:
                attempt = Attempt(known.attempt, known.failures) if known else Attempt(0, 0)
                self._start_attempt(trial, attempt.next())
                return
            if self._follow(trial, known.told):
                return
        cause = Cause.REUSED if trial.reused == len(trial.plan.seeds) else None
        self._end_trial(trial, Outcome(Status.COMPLETE, cause))

    def _start_attempt(self, trial: Trial, attempt: Attempt) -> None:
        """Have the configuration of the trial's next run resolved, unless it is, and run it."""
        config = {**trial.plan.config, "seed_everything": trial.seed}
        if trial.plan.resolved:
            self._start_run(trial, attempt, config)
            return
        study = self._context.study
        job = Resolve(self._next_job(), config, study.cli, trust=study.trust)
        trial.state = Resolving(job.id, attempt)
        self._submit(job)

    def _resolved(self, trial: Trial, state: Resolving, event: Finished) -> None:
        """Take over the result of an equal run, or start the run that is resolved."""
        outcome = event.outcome
        if outcome.status is Status.INTERRUPTED:
            self._interrupted(trial, state, outcome)
            return
        if outcome.status is not Status.COMPLETE:
            self._tell_failure(trial, state, outcome, event.raised)
            self._end_trial(trial, outcome, event.raised)
            return
        assert state.config is not None  # noqa: S101 - a worker has said it before
        equal = self._curves.get(self._context.study.hash_of(state.config))
        facts = self._context.facts
        if equal and self._source.supervised and irreproducible(state.config, facts) is None:
            other, told = equal
            self._recorder.trial_reuses(trial.number, other)
            trial.reused += 1
            if not self._follow(trial, told):
                self._next_seed(trial)
            return
        self._start_run(trial, state.attempt, state.config)

    def _start_run(self, trial: Trial, attempt: Attempt, config: dict[str, Any]) -> None:
        """Hand a resolved run to a worker; it is recorded when the worker has begun it."""
        plan, context, seed = trial.plan, self._context, trial.seed
        assert seed is not None  # noqa: S101 - a trial after its last seed has ended
        config_hash = context.study.hash_of(config)
        folder = context.folders.of(plan.number, config_hash)
        known = self._known.get((plan.number, seed))
        same_code = known is None or known.code_version == context.code_version
        resume = attempt.number > 1 and same_code and self._limits.resume != "never"
        if not resume:
            context.folders.clear(folder)
        run = NewRun(
            key=RunKey(plan.number, seed, attempt.number),
            arm=plan.arm,
            definition_id=context.definition_id,
            config=config,
            config_hash=config_hash,
            profile=context.study.profile,
            device=context.facts.device,
            environment=Environment(context.facts.as_dict()),
            code_version=context.code_version,
            directory=str(folder),
        )
        self._recorder.trial_starts(run)
        job = Run(
            self._next_job(),
            config,
            metric=self._objective.metric,
            directory=str(folder.absolute()),  # user code may go to another folder
            identity={
                "study": context.study.name,
                "trial": str(plan.number),
                "arm": plan.arm or context.study.name,
                "seed": str(seed),
            },
            supervised=self._source.supervised,
            resume=resume,
            checkpoint_every=self._limits.checkpoint,
            cli=context.study.cli,
            exact=self._limits.resume == "exact",
            trust=context.study.trust,
            best=self._objective.direction if self._objective.at == "best" else None,
            goals=context.study.definition.goals,
            measures=measured(self._constraints),
        )
        trial.state = Running(job.id, attempt, run, folder)
        self._submit(job)

    def _record_run(self, trial: Trial, state: Running, facts: WorkerFacts) -> None:
        """Record a run as begun by a worker that stands on these facts, unless it is recorded."""
        if state.recorded:
            return
        state.recorded = True
        run = replace(state.run, device=facts.device, environment=Environment(facts.as_dict()))
        self._recorder.start_run(run)
        if why_not := irreproducible(dict(run.config), facts):
            self._recorder.trial_is_irreproducible(trial.number, why_not)

    def _reported(self, trial: Trial, state: Running, event: Reported) -> Decision:
        self._recorder.report(state.key, event)
        for name in self._constrained & event.metrics.keys():
            state.constrained.setdefault(name, []).append(event.metrics[name])
        if event.objective is None or not math.isfinite(event.objective):
            return "continue"
        state.reports.append(event.objective)
        return "stop" if self._decide(trial, state.reports) else "continue"

    def _run_ended(self, trial: Trial, state: Running, event: Finished) -> None:
        """Go on to the next seed, try again, or end the trial, as the run has ended."""
        outcome = event.outcome
        end = RunEnd(outcome, event.epochs, event.steps)
        self._close_run(trial, state, end, event)
        if outcome.status is Status.FAILED:
            self._tell_failure(trial, state, outcome, event.raised)
        if outcome.status is Status.COMPLETE:
            told = Told(state.reports, state.constrained)
            self._curves.setdefault(state.run.config_hash, (trial.number, told))
            self._close_seed(trial, told, state.epochs)
            self._next_seed(trial)
        elif outcome.status is Status.PRUNED:
            self._end_trial(trial, outcome)
        elif outcome.status is Status.INTERRUPTED:
            self._interrupted(trial, state, outcome)
        elif outcome.cause in {Cause.WRONG_CONFIG, Cause.DIVERGED}:
            self._end_trial(trial, outcome, event.raised)
        else:
            self._retry(trial, state, outcome, event.raised, error=outcome.reason)

    def _interrupted(self, trial: Trial, state: UnderWay, outcome: Outcome) -> None:
        """Leave a run to the next command if this one is stopping, or has to; else try it again.

        Then its worker alone was told to stop, by whoever looks after the machine.
        """
        if outcome.cause in _OUTSIDE:
            what_to_do = f"{_OUTSIDE[outcome.cause]} and run the same command again"
            self._fatal = replace(outcome, reason=f"{outcome.reason}; {what_to_do}")
            del self._trials[trial.number]
        elif self._stopping is not None or self._signals:
            del self._trials[trial.number]
        else:
            failed = replace(outcome, status=Status.FAILED)
            self._tell_failure(trial, state, failed)
            self._retry(trial, state, failed, None, error=None)

    def _lost(self, trial: Trial, state: UnderWay, outcome: Outcome) -> None:
        """Try again what its worker has left."""
        if isinstance(state, Running):
            self._close_run(trial, state, RunEnd(outcome, None, None))
        self._tell_failure(trial, state, outcome)
        self._retry(trial, state, outcome, None, error=None)

    def _tell_failure(
        self, trial: Trial, state: UnderWay, outcome: Outcome, raised: Raised | None = None
    ) -> None:
        """Tell whoever watches that a run has failed, or could not be made."""
        self._notifier.tell(
            Occasion.FAILURE,
            outcome.reason or "a run has failed",
            trial=trial.number,
            arm=trial.plan.arm,
            seed=trial.seed,
        )
        log = state.folder / LOG if isinstance(state, Running) else None
        self._on_failure(
            FailedRun(
                trial=trial.number,
                arm=trial.plan.arm,
                seed=trial.seed,
                outcome=outcome,
                where=_where(raised),
                traceback=raised.traceback if raised else None,
                log=log if log and log.exists() else None,
            )
        )

    def _goal_decided(self, news: GoalNews) -> None:
        """Tell whoever watches, and whoever wants to be notified."""
        self._on_goal(news)
        judgement = news.judgement
        reached = judgement.verdict is Verdict.REACHED
        lasting = judgement.kind is Kind.AT_THE_END
        if judgement.verdict is Verdict.PENDING or (lasting and reached):
            return
        of_success = lasting or (judgement.kind is Kind.SUCCESS and reached)
        self._notifier.tell(
            Occasion.SUCCESS if of_success else Occasion.MILESTONE,
            judgement.text,
            asked=judgement.action is Action.NOTIFY,
            trial=news.trial,
            arm=news.arm,
            seed=news.seed,
            step=judgement.step,
        )

    def _retry(
        self,
        trial: Trial,
        state: UnderWay,
        outcome: Outcome,
        raised: Raised | None,
        error: str | None,
    ) -> None:
        """Make a new attempt, unless enough have failed or the same error came twice."""
        attempt = state.attempt.failed(error)
        if error is not None and error == state.attempt.error:
            twice = replace(outcome, reason=f"{outcome.reason} (twice)")
            self._end_trial(trial, twice, raised)
        elif attempt.failures >= self._limits.attempts:
            reason = f"{outcome.reason} ({attempt.failures} attempts)"
            self._end_trial(trial, replace(outcome, reason=reason), raised)
        elif self._stopping is not None:
            del self._trials[trial.number]
        else:
            self._start_attempt(trial, attempt.next())

    def _end_trial(self, trial: Trial, outcome: Outcome, raised: Raised | None = None) -> None:
        """Record how a trial ended, and forget it."""
        if outcome.status is Status.FAILED and isinstance(trial.state, Running):
            self._keep_files(trial, trial.state)
        complete = outcome.status is Status.COMPLETE
        value = sum(trial.values) / len(trial.values) if complete else None
        excess = self._excess(trial, outcome.status)
        infeasible = broken(excess) if complete else ""
        state = _STATES[outcome.status]
        system_attrs = self._source.finish(trial.number, state, value, excess)
        self._recorder.end_trial(
            trial.number,
            TrialEnd(state, value),
            outcome,
            _where(raised),
            system_attrs,
            infeasible=infeasible,
        )
        self._counts[outcome.status] = self._counts.get(outcome.status, 0) + 1
        self._durations.append(time.monotonic() - trial.began)
        del self._trials[trial.number]
        if infeasible:
            self._infeasible += 1
        elif value is not None and (self._best is None or self._is_better(value, self._best[1])):
            self._best = trial.number, value
            if self._source.supervised:
                said = f"{self._objective.metric} {value:g}"
                self._notifier.tell(Occasion.BEST, said, trial=trial.number, value=value)

    # --- values --------------------------------------------------------------------------

    def _excess(self, trial: Trial, status: Status) -> dict[str, float]:
        """Return by constraint how far a trial that ends is beyond its bound."""
        if status is Status.COMPLETE:
            return excesses(self._constraints, trial.constrained)
        return unknown(self._constraints) if status is Status.PRUNED else {}

    def _follow(self, trial: Trial, whole: Told) -> bool:
        """Take what a whole run told as this run's own; say whether the pruner ends it early."""
        reports: list[float] = []
        for value in whole.reports:
            reports.append(value)
            if self._decide(trial, reports):
                self._end_trial(trial, _PRUNED)
                return True
        self._close_seed(trial, whole, epochs=0)
        return False

    def _decide(self, trial: Trial, reports: Sequence[float]) -> bool:
        """Record a trial's intermediate value after a report and say whether to prune it."""
        step, value = trial.steps + len(reports) - 1, reports[-1]
        if len(trial.plan.seeds) > 1:
            values = [*trial.values, self._read(reports)]
            value = sum(values) / len(values)
        self._recorder.intermediate(trial.number, step, value)
        if step not in trial.decisions:
            # A resumed run reports again what it reported before; a decision is made once.
            trial.decisions[step] = self._source.report(trial.number, step, value)
        return trial.decisions[step]

    def _close_seed(self, trial: Trial, told: Told, epochs: int) -> None:
        trial.values.append(self._read(told.reports))
        trial.constrained.append(told.constrained)
        trial.steps += max(epochs, len(told.reports))

    def _read(self, reports: Sequence[float]) -> float:
        """Read the objective off a run's reports, at its best or its last epoch."""
        if not reports:
            raise AblateError(f"a run ended without reporting {self._objective.metric}")
        if self._objective.at == "last":
            return reports[-1]
        return self._objective.direction.best(reports)

    def _is_better(self, value: float, other: float) -> bool:
        return self._objective.direction.better(value, than=other)

    # --- jobs and files ------------------------------------------------------------------

    def _next_job(self) -> int:
        self._jobs += 1
        return self._jobs

    def _submit(self, job: Job) -> None:
        self._launcher.submit([job])

    def _close_run(
        self, trial: Trial, state: Running, end: RunEnd, said: Finished | None = None
    ) -> None:
        """Record how a run ended; its files are kept if no attempt of it follows."""
        # No worker has begun it: what the first one stands on is the best that is known.
        self._record_run(trial, state, self._context.facts)
        if end.outcome.status in {Status.COMPLETE, Status.PRUNED}:
            self._keep_files(trial, state)
        told = (said.fingerprints, said.groups, said.facts) if said else ({},)
        self._recorder.end_run(state.key, end, *told)

    def _keep_files(self, trial: Trial, state: Running) -> None:
        seed = state.key.seed if len(trial.plan.seeds) > 1 else None
        self._recorder.keep_files(self._context.folders.files(trial.number, state.folder, seed))


def _where(raised: Raised | None) -> str | None:
    return str(raised.frame) if raised and raised.frame else None
