"""Record what happens in a study, in the background, in whole batches."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from ablate.errors import AblateError, RunError, StorageError, Unavailable
from ablate.run import GroupMeans, Reported
from ablate.spec import Direction, Outcome, Status
from ablate.store import Batch, NewRun, RunEnd, RunKey, Store, TrialEnd, inexact_of
from ablate.store.artifacts import RunFiles, keep
from ablate.study.asker import Past, without_constraints

_PAUSE = 0.2
_LONGEST_PAUSE = 15.0
_PATIENCE = 120.0


class Recorder:
    """The only writer of a study: notes take no time, a thread of its own writes them.

    What was noted is written in order and in whole batches, one transaction each, several times
    a second. While the database is away it is kept and tried again, longer and longer apart.
    A failure that waiting can't cure is raised by the next `check`.
    """

    def __init__(
        self,
        store: Store,
        study: str,
        direction: Direction,
        metric: str,
        say: Callable[[str], None],
    ) -> None:
        self._store = store
        self._study = study
        self._say = say
        store.create_study(study, direction, metric)
        self._session = store.start_session(study)
        self._touched = time.monotonic()
        self._noted = Batch(study)
        self._files: list[RunFiles] = []
        self._guard = threading.Condition()
        self._busy = False
        self._closing = False
        self._failure: AblateError | None = None
        self._thread = threading.Thread(target=self._work, name="recorder", daemon=True)
        self._thread.start()

    def past(self) -> list[FrozenTrial]:
        """Read all trials of the study by number."""
        return self._store.past(self._study)

    def new_trial(self, number: int, trial: FrozenTrial) -> None:
        """Note a new trial, waiting or running."""
        self._note(lambda batch: batch.trials.update({number: trial}))

    def running(self, number: int) -> None:
        """Note that a waiting trial runs."""
        self._note(lambda batch: batch.states.update({number: TrialState.RUNNING}))

    def start_run(self, run: NewRun) -> None:
        """Note a new run."""
        self._note(lambda batch: batch.runs.update({run.key: run}))

    def parameters(self, key: RunKey, count: int) -> None:
        """Note a run's parameter count."""
        self._note(lambda batch: batch.parameters.update({key: count}))

    def trial_starts(self, run: NewRun) -> None:
        """Note on a trial which of its runs is started."""
        self._annotate(
            run.key.trial,
            **({"arm": run.arm} if run.arm else {}),
            seed=run.key.seed,
            state=Status.RUNNING,
            config_hash=run.config_hash,
            directory=run.directory,
        )

    def trial_reuses(self, number: int, other: int) -> None:
        """Note that a trial takes over the result of an equal run, of another trial."""
        self._annotate(number, reused_from=other)

    def trial_replicates(self, number: int, first: int) -> None:
        """Note that a trial repeats the point of another one with seeds of its own."""
        self._annotate(number, replicate_of=first)

    def run_continues(self, key: RunKey, epoch: int | None) -> None:
        """Note on a trial at which epoch the run of a seed was continued; None: begun afresh."""
        self._annotate(key.trial, **{resumed_epoch_of(key.seed): epoch, inexact_of(key.seed): []})

    def run_is_inexact(self, key: RunKey, reasons: Sequence[str]) -> None:
        """Note why the run of a seed, continued, may differ from an unbroken one."""
        self._annotate(key.trial, **{inexact_of(key.seed): list(reasons)})

    def trial_is_irreproducible(self, number: int, why_not: str) -> None:
        """Note that a trial can't be repeated bit for bit, and why."""
        self._annotate(number, reproducible=f"not reproducible: {why_not}")

    def report(self, key: RunKey, report: Reported) -> None:
        """Note the metrics of a report."""
        rows: dict[tuple[RunKey, str, str, int], tuple[int, float]] = {
            (key, report.phase, name, report.step): (report.epoch, value)
            for name, value in report.metrics.items()
        }
        self._note(lambda batch: batch.metrics.update(rows))

    def intermediate(self, number: int, step: int, value: float) -> None:
        """Note a trial's intermediate value."""
        self._note(lambda batch: batch.intermediate.setdefault(number, {}).update({step: value}))

    def keep_files(self, run: RunFiles) -> None:
        """Note that a run is over: its files are copied and recorded before what is noted later."""
        with self._guard:
            self._files.append(run)

    def end_run(
        self,
        key: RunKey,
        end: RunEnd,
        fingerprints: Mapping[str, str],
        groups: Sequence[GroupMeans] = (),
        facts: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        """Note how a run ended, what data it saw, its means by group, and facts by kind."""

        def note(batch: Batch) -> None:
            batch.ended_runs[key] = end
            if fingerprints:
                batch.fingerprints[key] = dict(fingerprints)
            if facts:
                batch.facts[key] = dict(facts)
            for found in groups:
                at = key, found.grouping, found.name, found.step
                batch.groups[at] = found.epoch, found.means

        self._note(note)

    def end_trial(
        self,
        number: int,
        end: TrialEnd,
        outcome: Outcome,
        where: str | None,
        system_attrs: Mapping[str, Any],
        *,
        infeasible: str = "",
    ) -> None:
        """Note how a trial ended, and where in the user's own code if it was there.

        `infeasible` says which constraints it does not keep, for who looks at its attributes.
        """
        said = {
            "state": outcome.status,
            "cause": outcome.cause,
            "reason": outcome.reason,
            "where": where,
            "infeasible": infeasible or None,
        }

        def note(batch: Batch) -> None:
            attrs = {key: value for key, value in said.items() if value is not None}
            batch.user_attrs.setdefault(number, {}).update(attrs)
            if system_attrs:
                batch.system_attrs.setdefault(number, {}).update(system_attrs)
            batch.ended_trials[number] = end

        self._note(note)

    def check(self) -> None:
        """Raise RunError if a failure that waiting can't cure stopped the writing."""
        if self._failure is not None:
            raise RunError(
                f"{self._failure}\nthe same command continues with what the database holds"
            )

    def flush(self) -> None:
        """Wait until everything noted is written; raise RunError if it can't be."""
        deadline = time.monotonic() + _PATIENCE
        with self._guard:
            self._guard.notify_all()
            while (self._busy or self._pending) and self._failure is None:
                if not self._guard.wait(0.1) and time.monotonic() > deadline:
                    raise RunError(
                        "the storage is still away, so the latest results are not recorded; "
                        "run the same command again: the runs' checkpoints hold them"
                    )
        self.check()

    def close(self) -> None:
        """Stop writing; call `flush` first to lose nothing."""
        with self._guard:
            self._closing = True
            self._guard.notify_all()
        self._thread.join(timeout=_PAUSE * 10)

    @property
    def _pending(self) -> bool:
        return bool(self._files) or not self._noted.empty

    def _annotate(self, number: int, **attrs: Any) -> None:
        self._note(lambda batch: batch.user_attrs.setdefault(number, {}).update(attrs))

    def _note(self, change: Callable[[Batch], Any]) -> None:
        with self._guard:
            change(self._noted)

    def _work(self) -> None:
        pause = _PAUSE
        while True:
            with self._guard:
                self._guard.wait(pause)
                if self._closing and not self._pending:
                    return
                batch, self._noted = self._noted, Batch(self._study)
                files, self._files = self._files, []
                self._busy = True
            try:
                for run in files:
                    if attributes := keep(run, self._say):
                        batch.system_attrs.setdefault(run.trial, {}).update(attributes)
                self._write(batch)
                pause = _PAUSE
            except Unavailable as error:
                if pause == _PAUSE:
                    self._say(f"{error}; runs go on, and what they report is kept until it is back")
                pause = min(pause * 2, _LONGEST_PAUSE)
                with self._guard:
                    self._noted = batch.merge(self._noted)
                    if self._closing:
                        return
            except AblateError as error:
                self._failure = error
            except Exception as error:  # noqa: BLE001 - a thread must not die unheard
                self._failure = StorageError(f"the storage failed: {error}")
            finally:
                with self._guard:
                    self._busy = False
                    self._guard.notify_all()
            if self._failure is not None:
                return

    def _write(self, batch: Batch) -> None:
        self._store.require_in_place()
        if not batch.empty:
            self._store.write(batch)
        if time.monotonic() - self._touched > 1 or self._closing:
            self._store.touch_session(self._session)
            self._touched = time.monotonic()


def as_past(trial: FrozenTrial) -> Past:
    """Return a recorded trial as an asker replays it; one that has not ended starts anew."""
    ended = trial.state.is_finished()
    return Past(
        point=dict(trial.params),
        reports=dict(trial.intermediate_values) if ended else {},
        system_attrs=without_constraints(trial),
        state=trial.state if ended else None,
        value=trial.value if trial.state == TrialState.COMPLETE else None,
        constraints=trial.constraints if ended else {},
    )


def resumed_epoch_of(seed: int) -> str:
    """Name the trial's attribute that holds the epoch at which a seed's last attempt continued."""
    return f"resumed_epoch_seed_{seed}"


def waiting(arm: str, seed: int, config_hash: str) -> FrozenTrial:
    """Make the trial of an arm and a seed, which waits for its run."""
    attrs = {"arm": arm, "seed": seed, "config_hash": config_hash, "state": Status.WAITING}
    return create_trial(state=TrialState.WAITING, user_attrs=attrs)
