"""Checkpoints from which a run continues exactly as if it had never ended.

Lightning's checkpoint holds the module, optimizers, schedulers, loops, callbacks, precision and
data module. Here the rest is added: the random number generators, the metrics that callbacks look
at, what the user's own objects keep, and every report sent so far. All of it is plain data; nothing
is ever unpickled.
"""

import signal
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn

from ablate.errors import RunError
from ablate.run import run_objects
from ablate.run.goals import FollowGoals
from ablate.run.messages import Event, Reported, ResumedInexactly, Run
from ablate.run.plain_state import PlainState
from ablate.run.randomness import RandomState
from ablate.run.ranks import is_first, of_all, rank
from ablate.run.user_globals import PREFIX, UserGlobals
from ablate.run.watch import Watch
from ablate.spec.files import replacing
from ablate.spec.hashing import content_hash, run_hash

FILE = "resume.ckpt"
_KEY = "ablate"
_SHARE = 0.05
"""The part of a run's time that checkpoints may take, unless one is asked for at every epoch."""


class NotExact(Exception):  # noqa: N818 - an outcome, not a mistake
    """A run that must continue exactly or not at all could not be restored exactly."""


class Keeper(Callback):
    """Write a run's checkpoint between its epochs, and restore what Lightning does not.

    It must be the first callback: what it saves is the state in which an epoch begins, before any
    other callback has done anything in it, and there it restores it.
    """

    def __init__(
        self,
        job: Run,
        path: Path,
        watch: Watch,
        goals: FollowGoals,
        tell: Callable[[Event], Any],
        *,
        earlier: dict[str, Any] | None = None,
    ) -> None:
        self._job = job
        self._path = path
        self._tell = tell
        self._plain = PlainState()
        self._variables = UserGlobals()
        self._inexact: list[str] = earlier["inexact"] if earlier else []
        self._validated = self._ended = False
        self._every = job.checkpoint_every
        self._origin = _origin(job)
        self._watch = watch
        self._goals = goals
        self._earlier = earlier
        self._random = earlier["random"] if earlier else None
        self._last, self._cost = time.monotonic(), 0.0
        self._writing = False
        self._on_termination: Any = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the metrics that callbacks and schedulers may look at."""
        self._on_termination = signal.getsignal(signal.SIGTERM)
        callbacks = trainer.callbacks  # type: ignore[attr-defined]
        self._variables.begin([pl_module, trainer.datamodule, *callbacks])  # type: ignore[attr-defined]
        self._plain.begin(*run_objects.of(trainer, self._variables))
        if self._earlier:
            metrics = {k: v.to(pl_module.device) for k, v in self._earlier["metrics"].items()}
            trainer.callback_metrics.update(metrics)
            if doubles := self._earlier["double"]:
                # Lightning has loaded them before it made the module one of this precision.
                pl_module.load_state_dict(doubles, strict=False)
            if self._earlier["validated"] and trainer.reload_dataloaders_every_n_epochs:  # type: ignore[attr-defined]
                # Loaded in epoch 0, they are loaded again when those of an unbroken run are.
                run_objects.load_validation(trainer)

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Be terminated as the worker wishes, at the end of an epoch; Lightning would not wait."""
        self._await_termination()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Restore the wish to stop, which may wait for a minimum of epochs or steps."""
        self._await_termination()
        self._plain.begin(*run_objects.of(trainer, self._variables), only=run_objects.LOADERS)
        if self._earlier:
            trainer.should_stop |= self._earlier["should_stop"]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Restore what is kept before the first epoch, write what is due before the others."""
        self._watch.begin_epoch(trainer)
        if self._random is not None:
            self.restore(trainer)
            # Lightning made this epoch's iterator while it restored, at the cost of the generators.
            # An epoch that counts as neither resumed nor restarted gets a new one.
            trainer.fit_loop.on_iteration_done()
            trainer.fit_loop.epoch_loop.restarting = False
        elif trainer.current_epoch > 0:
            self._write(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Be terminated as the worker wishes in a validation after the fit, too."""
        self._await_termination()
        if not self._validated and trainer.state.fn == TrainerFn.FITTING:
            self._validated = True
            self._plain.begin(*run_objects.of(trainer, self._variables), only=run_objects.LOADERS)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Write a last checkpoint, for a run that is interrupted or killed before it has ended."""
        self._random = RandomState.capture().to_plain()
        if self._watch.stopped_at is None:
            self._ended = True
            self._write(trainer)

    def restore(self, trainer: Trainer) -> None:
        """Restore what is kept: from the checkpoint, or the generators when training has ended.

        Raises NotExact if it can't be restored exactly, and must be.
        """
        earlier, self._earlier = self._earlier, None
        if earlier is not None:
            self._restore_objects(trainer, earlier)
        if self._random is not None:
            RandomState.of_plain(self._random).restore()
            self._random = None

    def _restore_objects(self, trainer: Trainer, earlier: dict[str, Any]) -> None:
        """Restore what the run's objects keep of their own, and say what can't be restored."""
        if earlier["validated"] and trainer.state.fn == TrainerFn.FITTING:
            self._validated = True
            run_objects.load_validation(trainer)
            if not trainer.reload_dataloaders_every_n_epochs:  # type: ignore[attr-defined]
                run_objects.start_persistent_workers(trainer)
        missed = run_objects.restore(trainer, self._variables, self._plain, earlier["objects"])
        if earlier["ended"]:
            run_objects.set_epoch(trainer)
        everyone = of_all(trainer, {f"{path} {why}": None for path, why in missed.items()})
        reasons = list(dict.fromkeys(reason for one in everyone for reason in one))
        if reasons and self._job.exact:
            self._path.unlink(missing_ok=True)
            raise NotExact(f"could not continue exactly: {'; '.join(reasons)}")
        self._inexact += [reason for reason in reasons if reason not in self._inexact]
        for reason in self._inexact:
            print(f"not exact: {reason}", file=sys.stderr)
        if self._inexact:
            self._tell(ResumedInexactly(self._job.id, list(self._inexact)))

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the rest of the run's state to its own checkpoint, not to those of others."""
        if not self._writing:
            return
        # Only for building a module from its checkpoint; often not plain data.
        for owner in (pl_module, trainer.datamodule):  # type: ignore[attr-defined]
            checkpoint.pop(getattr(owner, "CHECKPOINT_HYPER_PARAMS_KEY", ""), None)
        objects = self._plain.capture(
            *run_objects.of(trainer, self._variables), only_changed=PREFIX
        )
        now = [*(f"{path} {why}" for path, why in objects.pop("unknown").items())]
        now += run_objects.unknowable(trainer, between_epochs=not self._ended)
        inexact = [*self._inexact, *(reason for reason in now if reason not in self._inexact)]
        own = {
            "origin": self._origin,
            "epoch": trainer.current_epoch,
            "random": RandomState.capture().to_plain(),
            "objects": objects,
            "validated": self._validated,
            "ended": self._ended,
            "inexact": inexact,
            "metrics": {k: v.detach().clone() for k, v in self._watch.metrics.items()},
            "fingerprints": dict(self._watch.fingerprints),
            "groups": self._watch.groups.to_plain(),
            "goals": self._goals.tracker.to_plain(),
            "should_stop": trainer.should_stop and not self._watch.interrupted,
            "reports": [asdict(report) for report in self._watch.sent],
        }
        checkpoint[_KEY] = of_all(trainer, own)

    def _await_termination(self) -> None:
        if callable(self._on_termination):
            signal.signal(signal.SIGTERM, self._on_termination)

    def _is_due(self, trainer: Trainer) -> bool:
        if self._watch.interrupted:
            return True
        wait = max(self._every, self._cost / _SHARE) if self._every else 0.0
        if time.monotonic() - self._last < wait:
            return False
        return self._ended or run_objects.loaders_are_new(trainer)

    def _write(self, trainer: Trainer) -> None:
        """Write the checkpoint if it is due."""
        if not trainer.strategy.broadcast(self._is_due(trainer)):
            return
        began = time.monotonic()
        self._writing = True
        try:
            with replacing(self._path) if is_first() else nullcontext(self._path) as part:
                trainer.save_checkpoint(part, weights_only=False)
        finally:
            self._writing = False
        self._last = time.monotonic()
        self._cost = self._last - began


def take_up(path: Path, job: Run) -> dict[str, Any] | None:
    """Return what a run continues from, if it can; remove what it does not continue from."""
    state = _load(path, job) if job.resume else None
    if state is None:
        path.unlink(missing_ok=True)
    if job.resume:
        _remove_leftovers(path)
    return state


def restore(trainer: Trainer, watch: Watch, goals: FollowGoals, state: dict[str, Any]) -> None:
    """Prepare a trainer and what looks after it to continue from a checkpoint.

    The reports are sent again.

    Raises RunError if the checkpoint was written by another number of processes.
    """
    if state["processes"] != trainer.world_size:
        raise RunError(
            f"trainer.devices: a run that {state['processes']} processes began can't go on with "
            f"{trainer.world_size}: give it as many devices as it had"
        )
    watch.fingerprints |= state["fingerprints"]
    watch.groups.restore(state["groups"])
    goals.tracker.restore(state["goals"])
    watch.replay(state["reports"])
    # The run has passed its sanity check.
    trainer.num_sanity_val_steps = 0
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
            # Not the new folder of a logger, with nothing of what was saved before in it.
            callback.dirpath = state["callbacks"].get(callback.state_key, {}).get("dirpath")


def _double(weights: dict[str, Any]) -> dict[str, Any]:
    """Return the weights of double precision."""
    doubles = (torch.float64, torch.complex128)
    return {name: w for name, w in weights.items() if getattr(w, "dtype", None) in doubles}


def _load(path: Path, job: Run) -> dict[str, Any] | None:
    """Read what a checkpoint holds beyond the training state; None, and a line, if unusable."""
    if not path.exists():
        return None
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        states = checkpoint[_KEY]
        state: dict[str, Any] = {
            **states[rank()],
            "processes": len(states),
            "callbacks": checkpoint["callbacks"],
            "double": _double(checkpoint["state_dict"]),
        }
    except Exception as error:  # noqa: BLE001 - a damaged file may fail in any way
        _starts_afresh(path, str(error).partition("\n")[0])
        return None
    differs = [name for name, now in _origin(job).items() if state["origin"].get(name) != now]
    if differs:
        _starts_afresh(path, f"written with another {', '.join(differs)}")
        return None
    if job.exact and state["inexact"]:
        _starts_afresh(path, f"not exactly: {'; '.join(state['inexact'])}")
        return None
    state["reports"] = [Reported(**{**report, "job": job.id}) for report in state["reports"]]
    print(f"resumed at epoch {state['epoch']} from {path}", file=sys.stderr)
    return state


def _origin(job: Run) -> dict[str, str]:
    """Say what a checkpoint must come from to be continued by a run."""
    return {
        "config": run_hash(job.config, job.cli),
        "metric": repr(job.metric),
        "goals": content_hash(job.goals.model_dump(mode="json")),
        "torch": str(torch.__version__),
        "lightning": lightning.__version__,
    }


def _remove_leftovers(path: Path) -> None:
    """Remove the checkpoints that were saved beside this one and after it: their epochs return."""
    moment = path.stat().st_mtime_ns if path.exists() else 0
    for file in path.parent.rglob("*.ckpt"):
        if file.name != FILE and file.stat().st_mtime_ns > moment:
            file.unlink()
    for part in path.parent.glob(f".{path.name}.*.part"):
        part.unlink()


def _starts_afresh(path: Path, why: str) -> None:
    print(f"starts afresh: cannot continue from {path}: {why}", file=sys.stderr)
