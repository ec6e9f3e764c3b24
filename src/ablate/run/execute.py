"""Do one job: resolve, probe or run a configuration, or call a function with it."""

import contextlib
import hashlib
import importlib
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningDataModule, Trainer
from lightning.pytorch.callbacks import DeviceStatsMonitor, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.utilities.exceptions import SIGTERMException

from ablate.errors import AblateError, RunError, printable
from ablate.plan import Kind
from ablate.plan.goals import FACTS as GOALS
from ablate.run import resume
from ablate.run.admission import admit
from ablate.run.checkpoints import RunCheckpoint
from ablate.run.environment import WorkerFacts
from ablate.run.failures import outcome_of, raised_by
from ablate.run.goals import FollowGoals
from ablate.run.group_metrics import AskForGroups
from ablate.run.lightning_cli import FitCall, drop_bars, left_out, resolve, train
from ablate.run.messages import (
    Answered,
    Built,
    Call,
    Decision,
    Event,
    Finished,
    Job,
    Probe,
    Probed,
    Resolve,
    Resolved,
    Run,
    Started,
)
from ablate.run.provenance import Provenance
from ablate.run.ranks import is_first
from ablate.run.team import assembled, check_devices
from ablate.run.trainable import parameter_count, trains
from ablate.run.watch import Diverged, Watch, require_metric, require_names
from ablate.spec import Cause, Outcome, Status, dump_yaml
from ablate.spec.secrets import taken_out

Interrupted = Callable[[], bool]
"""Says whether a run has been asked to end at the end of its epoch."""

Channel = Callable[[Event], Decision]
"""Takes an event; answers a supervised run's report with a decision, all else with continue."""

_COMPLETE = Outcome(Status.COMPLETE)

_FINGERPRINTS = 100
_TEXT = 500
"""How many fingerprints data may have, and how many characters the name and value of each."""

_HARMLESS = (DeviceStatsMonitor, LearningRateMonitor, ModelCheckpoint)
"""Callbacks that a probe keeps.

Without a logger Lightning refuses the monitors, but only in a fit. A module may ask the trainer for
its checkpoint callback, which saves nothing in a development run.
"""


def execute(
    job: Job, channel: Channel, facts: WorkerFacts, interrupted: Interrupted = lambda: False
) -> None:
    """Do a job, telling the channel what happens; never raises for a failing job.

    `facts` are those of this process: what a run stands on.
    """
    try:
        finished = _do(job, channel, facts, interrupted)
    except (Exception, SIGTERMException) as error:  # noqa: BLE001 - whatever it is, the study goes on
        if not isinstance(error, (Diverged, AblateError)):
            with contextlib.suppress(OSError):  # the disk of the log may be full
                traceback.print_exc()
        finished = _failed(job, error, interrupted=interrupted())
    channel(finished)


def _failed(job: Job, error: BaseException, *, interrupted: bool) -> Finished:
    """Say how a job has failed, without what its config only refers to."""
    without = taken_out(job.config)
    outcome, raised = outcome_of(error, job, interrupted=interrupted), raised_by(error)
    reason = None if outcome.reason is None else without(outcome.reason)
    told = replace(raised, traceback=without(raised.traceback))
    return Finished(job.id, replace(outcome, reason=reason), raised=told)


def _do(job: Job, channel: Channel, facts: WorkerFacts, interrupted: Interrupted) -> Finished:
    if job.trust is not None:
        admit(job.config, job.trust, job.cli)
    match job:
        case Resolve():
            channel(Resolved(job.id, resolve(job.config, job.cli, job.declared)))
        case Probe():
            channel(_probe(job, channel))
        case Call():
            channel(Answered(job.id, _call(job)))
        case Run():
            return _run(job, channel, facts, interrupted)
    return Finished(job.id, _COMPLETE)


def _probe(job: Probe, channel: Channel) -> Probed:
    check_devices(job.config)
    epochs = (job.config.get("trainer") or {}).get("max_epochs")
    probed: list[Probed] = []

    def try_out(call: FitCall) -> bool:
        _drop_file_writers(call.trainer)
        call.trainer.callbacks.append(AskForGroups())  # type: ignore[attr-defined]
        if job.goals.any:
            call.trainer.callbacks.append(FollowGoals(job.goals, job.id))  # type: ignore[attr-defined]
        if epochs is not None:  # the run's own: a development run has one, but ends by steps too
            call.trainer.fit_loop.max_epochs = epochs
        team.enter_context(assembled(job, call.trainer, channel))
        _fit_or_validate(call)
        logged = call.trainer.callback_metrics
        require_names(logged)
        if is_first():
            require_metric(job.metric, logged)
        probed.append(
            Probed(
                job.id,
                parameter_count(call.model),
                sorted(logged),
                _length(epochs),
                left_out(call.cli),
            )
        )
        return False

    with tempfile.TemporaryDirectory() as directory, ExitStack() as team:
        train(job.config, Path(directory), job.cli, try_out, fast_dev_run=1)
    return probed[0]


def _call(job: Call) -> dict[str, Any]:
    module, _, name = job.function.partition(":")
    if not module.startswith("ablate."):
        raise RunError(f"only functions of ablate can be called, not {job.function!r}")
    function: Callable[..., dict[str, Any]] = getattr(importlib.import_module(module), name)
    entry = {} if job.cli is None else {"cli": job.cli}
    return function(job.config, **job.arguments, **entry)


def _run(job: Run, channel: Channel, facts: WorkerFacts, interrupted: Interrupted) -> Finished:
    if interrupted():
        return _stopped(job, "interrupted before it started")
    channel(Started(job.id, facts))
    check_devices(job.config)
    directory = Path(job.directory)
    if is_first():
        (directory / "config.yaml").write_text(dump_yaml(job.config), encoding="utf-8")
    checkpoint = directory / resume.FILE
    earlier = resume.take_up(checkpoint, job)
    goals = FollowGoals(job.goals, job.id, channel, job.measures)
    watch = Watch(
        job.id,
        job.metric,
        channel,
        interrupted,
        job.best,
        given_up=lambda: goals.missed is not None,
    )
    keeper = resume.Keeper(job, checkpoint, watch, goals, channel, earlier=earlier)
    provenance = Provenance(job)
    calls: list[FitCall] = []

    def do(call: FitCall) -> bool:
        calls.append(call)
        provenance.note_sources()
        drop_bars(call.trainer)
        for name in left_out(call.cli):
            print(f"left out: {name}; a run draws no progress bar", file=sys.stderr)
        callbacks = call.trainer.callbacks  # type: ignore[attr-defined]
        # A run that has no goals is not looked at in every step.
        followed = [goals] if job.goals.any or job.measures else []
        beside = [*followed, watch.recipe, watch]
        call.trainer.callbacks = [keeper, *callbacks, *beside]  # type: ignore[attr-defined]
        _name_checkpoints(call.trainer, job.identity)
        epoch, length = earlier["epoch"] if earlier else None, _length(call.trainer.max_epochs)
        channel(Built(job.id, parameter_count(call.model), length, epoch))
        if earlier:
            resume.restore(call.trainer, watch, goals, earlier)
        team.enter_context(assembled(job, call.trainer, channel))
        fitted = _fit_or_validate(call, checkpoint if earlier else None)
        if watch.interrupted:
            return False
        if fitted and not given_up() and _validation_is_due(call.trainer, watch):
            keeper.restore(call.trainer)
            call.validate()
        if fitted:
            goals.end(call.trainer)
        if is_first() and not given_up():
            watch.require_objective(call.trainer)
        return not given_up()

    def given_up() -> bool:
        return watch.stopped_at is not None or goals.missed is not None

    # To the end of the project's code, which may test.
    with provenance.noted(), ExitStack() as team:
        train(job.config, directory, job.cli, do)
    if watch.interrupted:
        return _stopped(job, "interrupted at the end of an epoch")
    if is_first():
        checkpoint.unlink(missing_ok=True)
    seen = provenance.facts(watch)
    if watch.stopped_at is None:  # a pruned run may have gone on before it was told where to end
        seen |= watch.recipe.facts(calls[0].trainer)
    if job.goals.any:
        seen[GOALS] = goals.facts()
    return _ended(job, calls[0], watch, goals, seen)


def _stopped(job: Run, reason: str) -> Finished:
    return Finished(job.id, Outcome(Status.INTERRUPTED, Cause.STOPPED, reason))


def _ended(
    job: Run,
    call: FitCall,
    watch: Watch,
    goals: FollowGoals,
    facts: dict[str, dict[str, Any]],
) -> Finished:
    """Say how far a run came that has ended by itself or was pruned."""
    fingerprints = {**watch.fingerprints, **_fingerprints(call.datamodule)}
    seen = fingerprints, watch.groups.kept, facts
    if (last := watch.stopped_at) is not None:
        return Finished(job.id, Outcome(Status.PRUNED), last.epoch + 1, last.step, *seen)
    trainer = call.trainer
    if (missed := goals.missed) is not None:
        outcome = Outcome(Status.PRUNED, Cause.GOAL_MISSED, missed.text)
        if missed.kind is Kind.DIVERGENCE:
            outcome = Outcome(Status.FAILED, Cause.DIVERGED, missed.text)
        return Finished(job.id, outcome, trainer.current_epoch, trainer.global_step, *seen)
    return Finished(job.id, _COMPLETE, trainer.current_epoch, trainer.global_step, *seen)


def _name_checkpoints(trainer: Trainer, identity: Mapping[str, str]) -> None:
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, RunCheckpoint):
            callback.identify(identity)


def _length(epochs: int | None) -> int:
    """Return the epochs that a run will make; one that names none ends by steps, in its first."""
    return 1 if epochs is None else epochs


def _fit_or_validate(call: FitCall, checkpoint: Path | None = None) -> bool:
    """Fit a module that has something to train, validate one that has not; say if it was fitted."""
    if not trains(call.model):
        call.validate()
        return False
    call.fit(checkpoint)
    return True


def _validation_is_due(trainer: Trainer, watch: Watch) -> bool:
    """Say whether a fit that could validate has not validated its final weights."""
    return trainer.enable_validation and watch.validated_at != trainer.global_step


def _fingerprints(data: LightningDataModule | None) -> dict[str, str]:
    """Ask the data for its fingerprint, if it offers one; what is long is hashed."""
    offer = getattr(data, "fingerprint", None)
    offered = {str(k): str(v) for k, v in offer().items()} if callable(offer) else {}
    if len(offered) > _FINGERPRINTS:
        offered = {"all": repr(sorted(offered.items()))}
    return {_storable(name): _storable(value) for name, value in offered.items()}


def _storable(text: str) -> str:
    """Return a text that can be stored, or its hash: equal ones stay equal, others different."""
    if len(text) <= _TEXT and text == printable(text):
        return text
    return f"sha256:{hashlib.sha256(text.encode(errors='surrogatepass')).hexdigest()}"


def _drop_file_writers(trainer: Trainer) -> None:
    """Keep the callbacks that write nothing: a probe leaves no file, its loggers are dummies."""
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    trainer.callbacks = [c for c in callbacks if isinstance(c, _HARMLESS)]  # type: ignore[attr-defined]
