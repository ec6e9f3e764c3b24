"""Checkpoints from which a run continues exactly as if it had never ended.

Lightning's checkpoint holds the module, optimizers, schedulers, loops, callbacks, precision and
data module. Here the rest is added: the random number generators, the metrics that callbacks look
at, and every report sent so far. All of it is plain data; nothing is ever unpickled.
"""

import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.utilities import CombinedLoader

from ablate.run.messages import Reported, Run
from ablate.run.randomness import RandomState
from ablate.run.watch import Watch
from ablate.spec.files import replacing
from ablate.spec.hashing import run_hash

FILE = "resume.ckpt"
_KEY = "ablate"


class Keeper(Callback):
    """Write a run's checkpoint between its epochs, and restore what Lightning does not.

    It must be the first callback: what it saves is the state in which an epoch begins, before any
    other callback has done anything in it, and there it restores it.
    """

    def __init__(
        self, job: Run, path: Path, watch: Watch, earlier: dict[str, Any] | None = None
    ) -> None:
        self._path = path
        self._every = job.checkpoint_every
        self._origin = _origin(job)
        self._watch = watch
        self._earlier = earlier
        self._random = earlier["random"] if earlier else None
        self._last = time.monotonic()
        self._writing = False
        self._on_termination: Any = None

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the metrics that callbacks and schedulers may look at."""
        self._on_termination = signal.getsignal(signal.SIGTERM)
        if self._earlier:
            metrics = {k: v.to(pl_module.device) for k, v in self._earlier["metrics"].items()}
            trainer.callback_metrics.update(metrics)

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Be terminated as the worker wishes, at the end of an epoch; Lightning would not wait."""
        self._await_termination()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Restore the wish to stop, which may wait for a minimum of epochs or steps."""
        self._await_termination()
        if self._earlier:
            trainer.should_stop |= self._earlier["should_stop"]

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Restore the generators before the first epoch, write what is due before the others."""
        if self._random is not None:
            self.restore_random(trainer)
            # Lightning made this epoch's iterator while it restored, at the cost of the generators.
            # An epoch that counts as neither resumed nor restarted gets a new one.
            trainer.fit_loop.on_iteration_done()
            trainer.fit_loop.epoch_loop.restarting = False
        elif trainer.current_epoch > 0:
            self._write(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Be terminated as the worker wishes in a validation after the fit, too."""
        self._await_termination()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Write a last checkpoint, for a run that is interrupted or killed before it has ended."""
        self._random = _random_state(trainer)
        if self._watch.stopped_at is None:
            self._write(trainer)

    def restore_random(self, trainer: Trainer) -> None:
        """Restore the generators: from the checkpoint, or as they were when training ended."""
        if self._random is not None:
            _set_random_state(trainer, self._random)
            self._random = None

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add the rest of the run's state to its own checkpoint, not to those of others."""
        if not self._writing:
            return
        # Only for building a module from its checkpoint; often not plain data.
        for owner in (pl_module, trainer.datamodule):  # type: ignore[attr-defined]
            checkpoint.pop(getattr(owner, "CHECKPOINT_HYPER_PARAMS_KEY", ""), None)
        checkpoint[_KEY] = {
            "origin": self._origin,
            "epoch": trainer.current_epoch,
            "random": _random_state(trainer),
            "metrics": {k: v.detach().clone() for k, v in self._watch.metrics.items()},
            "fingerprints": dict(self._watch.fingerprints),
            "should_stop": trainer.should_stop and not self._watch.interrupted,
            "reports": [asdict(report) for report in self._watch.sent],
        }

    def _await_termination(self) -> None:
        if callable(self._on_termination):
            signal.signal(signal.SIGTERM, self._on_termination)

    def _write(self, trainer: Trainer) -> None:
        """Write the checkpoint if it is due."""
        if time.monotonic() - self._last < self._every and not self._watch.interrupted:
            return
        self._writing = True
        try:
            with replacing(self._path) as part:
                trainer.save_checkpoint(part, weights_only=False)
        finally:
            self._writing = False
        self._last = time.monotonic()


def take_up(path: Path, job: Run) -> dict[str, Any] | None:
    """Return what a run continues from, if it can; remove what it does not continue from."""
    state = _load(path, job) if job.resume else None
    if state is None:
        path.unlink(missing_ok=True)
    if job.resume:
        _remove_leftovers(path)
    return state


def restore(trainer: Trainer, watch: Watch, state: dict[str, Any]) -> None:
    """Prepare a trainer and its watch to continue from a checkpoint; send its reports again."""
    watch.fingerprints |= state["fingerprints"]
    watch.replay(state["reports"])
    # The run has passed its sanity check.
    trainer.num_sanity_val_steps = 0
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
            # Not the new folder of a logger, with nothing of what was saved before in it.
            callback.dirpath = state["callbacks"].get(callback.state_key, {}).get("dirpath")


def _load(path: Path, job: Run) -> dict[str, Any] | None:
    """Read what a checkpoint holds beyond the training state; None, and a line, if unusable."""
    if not path.exists():
        return None
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        state: dict[str, Any] = {**checkpoint[_KEY], "callbacks": checkpoint["callbacks"]}
    except Exception as error:  # noqa: BLE001 - a damaged file may fail in any way
        _starts_afresh(path, str(error).partition("\n")[0])
        return None
    differs = [name for name, now in _origin(job).items() if state["origin"].get(name) != now]
    if differs:
        _starts_afresh(path, f"written with another {', '.join(differs)}")
        return None
    state["reports"] = [Reported(**{**report, "job": job.id}) for report in state["reports"]]
    print(f"resumed at epoch {state['epoch']} from {path}", file=sys.stderr)
    return state


def _origin(job: Run) -> dict[str, str]:
    """Say what a checkpoint must come from to be continued by a run."""
    return {
        "config": run_hash(job.config, job.cli),
        "metric": repr(job.metric),
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


def _random_state(trainer: Trainer) -> dict[str, Any]:
    loaders = [generator.get_state() for generator in _generators(trainer)]
    return {**RandomState.capture().to_plain(), "loaders": loaders}


def _set_random_state(trainer: Trainer, state: dict[str, Any]) -> None:
    RandomState.of_plain(state).restore()
    for generator, its_state in zip(_generators(trainer), state["loaders"], strict=False):
        generator.set_state(its_state)


def _generators(trainer: Trainer) -> Iterator[torch.Generator]:
    """Find the generators that training loaders and their samplers have of their own."""
    loaders = trainer.train_dataloader
    if loaders is None:
        return
    seen = set()
    for loader in CombinedLoader(loaders).flattened:
        for owner in (loader, getattr(loader, "sampler", None)):
            generator = getattr(owner, "generator", None)
            if isinstance(generator, torch.Generator) and id(generator) not in seen:
                seen.add(id(generator))
                yield generator
