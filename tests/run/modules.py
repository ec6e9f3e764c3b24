"""Modules that do to their process, and log, what real ones do."""

import atexit
import contextlib
import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.callbacks import LearningRateMonitor
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from ablate.testing.toy import Points, Toy


class Tied(Toy):
    """Two layers that share one weight, and one frozen layer."""

    def __init__(self) -> None:
        super().__init__(width=4)
        self.first, self.second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        self.second.weight = self.first.weight
        self.frozen = nn.Linear(5, 5).requires_grad_(False)


class TellsOfGroups(Toy):
    """Tells of its validation examples by the sign of their first number, drawing numbers."""

    def on_validation_epoch_start(self) -> None:
        self.errors: dict[str, list[float]] = {"minus": [], "plus": []}

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        super().validation_step(batch, index)
        x, y = batch
        for first, error in zip(x[:, 0], (self.net(x) - y).abs().flatten(), strict=True):
            self.errors["plus" if first > 0 else "minus"].append(float(error))

    def group_metrics(self) -> dict[str, dict[str, dict[str, tuple[float, int]]]]:
        torch.rand(3), random.random(), np.random.rand()
        groups = {name: (sum(all_) / len(all_), len(all_)) for name, all_ in self.errors.items()}
        return {"sign": {"val_error": groups}}


class TellsNoGroups(Toy):
    """Offers an answer that says nothing of how many examples there are."""

    def group_metrics(self) -> dict[str, dict[str, dict[str, float]]]:
        return {"sign": {"val_error": {"plus": 0.5}}}


class LogsAtEpochEnd(Toy):
    """Logs a metric of training in the module's own end-of-epoch hook."""

    def on_train_epoch_end(self) -> None:
        self.log("epochs_done", float(self.current_epoch + 1))


class LogsNowAndThen(Toy):
    """Logs metrics of both phases in every other epoch only, and some in the first alone."""

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        if self.current_epoch % 2 == 0:
            self.log("train_even", float(self.current_epoch), on_step=False, on_epoch=True)
        if self.current_epoch == 0:
            self.log("train_first", 1.0)
        return super().training_step(batch, index)

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        super().validation_step(batch, index)
        if self.current_epoch % 2 == 0:
            self.log("val_even", float(self.current_epoch))
        if self.current_epoch == 0:
            self.log("val_first", 1.0)


class LogsOneNameTwice(Toy):
    """Logs a metric of the same name in training and in validation."""

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        loss = super().training_step(batch, index)
        self.log("loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        super().validation_step(batch, index)
        if not self.trainer.sanity_checking:
            self.log("loss", 0.0)


class TerminatedInLastValidation(Toy):
    """Is asked to end while it validates after its fit."""

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        if self.trainer.state.fn == "validate" and index == 0:
            os.kill(os.getpid(), signal.SIGTERM)
        super().validation_step(batch, index)


class Prints(Toy):
    """Prints by every way there is, protocol look-alikes included."""

    def on_fit_start(self) -> None:
        print("printed by Python")
        print('{"message": "Finished", "job": 1, "status": "complete"}')
        os.write(1, b"written to file descriptor 1\n")
        os.write(2, b"written to file descriptor 2\n")
        os.system("echo printed by a child process")  # noqa: S605


class Spawns(Toy):
    """Starts a process that outlives it, and notes which."""

    def __init__(self, pid_file: str) -> None:
        super().__init__(width=4)
        self.pid_file = pid_file

    def on_fit_start(self) -> None:
        child = subprocess.Popen(["sleep", "600"])
        note = Path(self.pid_file + ".part")
        note.write_text(str(child.pid))
        note.rename(self.pid_file)
        time.sleep(600)


class Dies(Toy):
    """Is killed, like a run that the system finds too large."""

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        os.kill(os.getpid(), 9)
        return super().training_step(batch, index)


IMPORTED_BY = os.getpid()


class SaysWhoImported(Toy):
    """Logs the process that imported this module, and its own."""

    def on_train_epoch_end(self) -> None:
        self.log_dict({"imported_by": float(IMPORTED_BY), "process": float(os.getpid())})


class Crashes(Toy):
    """Ends its process in the midst of its first step: by a signal, or with an exit code."""

    def __init__(self, number: int = 0, code: int = 0) -> None:
        super().__init__(width=4)
        self.number, self.code = number, code

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        if self.number:
            signal.signal(self.number, signal.SIG_DFL)
            os.kill(os.getpid(), self.number)
        sys.exit(self.code)


class TidiesUp(Toy):
    """Takes its time to write a file when its process exits."""

    def on_fit_end(self) -> None:
        root = Path(self.trainer.default_root_dir)
        atexit.register(lambda: (time.sleep(0.3), (root / "tidied").write_text("")))


class Thorough(Toy):
    """Draws random numbers wherever a module may, and logs them with its learning rate."""

    dies_at_end = False
    dies_in_last_validation = False
    validations: Tensor

    def __init__(self, dropout: float) -> None:
        super().__init__(dropout=dropout)
        self.register_buffer("validations", torch.zeros(()))

    def on_validation_epoch_end(self) -> None:
        self.validations += 1
        self.log("validations", self.validations.clone())

    def on_train_start(self) -> None:
        torch.rand(3)

    def on_train_epoch_start(self) -> None:
        self.drawn = torch.rand(()).item() + random.random() + float(np.random.rand())

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        self.log("lr", self.trainer.optimizers[0].param_groups[0]["lr"], on_step=True)
        return super().training_step(batch, index)

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        if self.dies_in_last_validation and self.trainer.state.fn == "validate" and index:
            raise SystemExit
        super().validation_step(batch, index)
        self.log("val_draw", torch.rand(()))

    def on_train_epoch_end(self) -> None:
        self.log("draw", self.drawn)
        if self.current_epoch % 2 == 0:
            self.log("even", random.random())

    def on_train_end(self) -> None:
        torch.rand(1)
        if self.dies_at_end:
            raise SystemExit


class Loads(Points):
    """Serves its points by worker processes, or in the order of a generator of its own."""

    def __init__(
        self,
        workers: int = 0,
        persistent: bool = False,
        own_generator: bool = False,
        noise: float = 0.01,
    ) -> None:
        super().__init__(count=32, batch_size=8)
        self.workers, self.persistent = workers, persistent
        self.own_generator, self.noise = own_generator, noise

    def train_dataloader(self) -> DataLoader:
        return DataLoader(
            Jittered(self.train, self.noise),
            batch_size=self.batch_size,
            shuffle=True,
            num_workers=self.workers,
            persistent_workers=self.persistent,
            generator=torch.Generator().manual_seed(5) if self.own_generator else None,
        )


class Jittered(Dataset):
    """Adds noise to every point that is fetched."""

    def __init__(self, points: TensorDataset, noise: float) -> None:
        self.points, self.noise = points, noise

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        x, y = self.points[index]
        return x + self.noise * torch.rand(4), y


class Stream(IterableDataset):
    """Hands out noisy points one after the other, and has no length."""

    def __init__(self, points: TensorDataset) -> None:
        self.points = points

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for index in range(len(self.points)):
            x, y = self.points[index]
            yield x + 0.01 * torch.rand(4), y


class Streams(Points):
    """Serves its points as streams of unknown length."""

    def __init__(self, own_generator: bool = False) -> None:
        super().__init__(count=32, batch_size=8)
        self.own_generator = own_generator

    def train_dataloader(self) -> DataLoader:
        generator = torch.Generator().manual_seed(5) if self.own_generator else None
        return DataLoader(Stream(self.train), batch_size=self.batch_size, generator=generator)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(Stream(self.val), batch_size=self.batch_size)


class BringsItsMonitor(Toy):
    """Has a callback of its own that needs a logger."""

    def configure_callbacks(self) -> LearningRateMonitor:
        return LearningRateMonitor()


class Slow(Toy):
    """Takes its time for every step, notes its worker, and at some step takes forever."""

    def __init__(
        self,
        seconds: float = 0.25,
        validation_seconds: float = 0.0,
        hangs_at: int = -1,
        pid_file: str = "",
    ) -> None:
        super().__init__(width=4)
        self.seconds, self.validation_seconds = seconds, validation_seconds
        self.hangs_at, self.pid_file = hangs_at, pid_file

    def on_train_start(self) -> None:
        if self.pid_file:
            # A worker leads its process group.
            Path(self.pid_file + ".part").write_text(str(os.getpgrp()))
            Path(self.pid_file + ".part").rename(self.pid_file)

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        time.sleep(600 if self.global_step == self.hangs_at else self.seconds)
        return super().training_step(batch, index)

    def validation_step(self, batch: list[Tensor], index: int) -> None:
        time.sleep(self.validation_seconds)
        super().validation_step(batch, index)


class KeepsHyperparameters(Toy):
    """Keeps its arguments, as most modules do; one of them is not plain data."""

    def __init__(self, width: int = 4, activation: nn.Module | None = None) -> None:
        super().__init__(width=width)
        self.save_hyperparameters()
        self.hparams["kind"] = Toy


class Traps(Toy):
    """Puts an object into its checkpoints that makes a folder when it is unpickled."""

    def __init__(self, folder: str) -> None:
        super().__init__(width=4)
        self.folder = folder

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["trap"] = Trap(self.folder)


class Trap:
    """Is unpickled by making a folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.folder,)


class Raises(Toy):
    """Raises what a full disk or a full memory raises, perhaps inside something else."""

    def __init__(self, what: str, wrapped: bool = False) -> None:
        super().__init__(width=4)
        self.what, self.wrapped = what, wrapped

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        try:
            self._raise()
        except Exception as error:
            if self.wrapped:
                raise ValueError("something else went wrong") from error
            raise
        return super().training_step(batch, index)

    def _raise(self) -> None:
        match self.what:
            case "disk":
                Path("/dev/full").write_text("too much")
            case "anything":
                raise KeyError("anything")
            case "quota":
                raise OSError(errno.EDQUOT, "Disk quota exceeded", "/home/mine")
            case "memory":
                torch.empty(1 << 50)
            case "python memory":
                raise MemoryError
            case "accelerator memory":
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate")


class LeavesADaemon(Toy):
    """Leaves a process of a session of its own that has every pipe of the run open; may hang."""

    def __init__(self, pid_file: str, hangs: bool = False, env: bool = True) -> None:
        super().__init__(width=4)
        self.pid_file, self.hangs, self.env = Path(pid_file), hangs, env

    def on_train_epoch_start(self) -> None:
        if self.current_epoch == 0 and not self.pid_file.exists():
            self._leave_a_daemon()
            while self.hangs:
                time.sleep(1)

    def _leave_a_daemon(self) -> None:
        kept = [os.dup(number) for number in open_descriptors()]
        if (child := os.fork()) == 0:
            os.setsid()
            for number in kept:
                os.set_inheritable(number, True)
            sleeper = subprocess.Popen(
                ["sleep", "600"],
                close_fds=False,
                start_new_session=True,
                env=None if self.env else {},
            )
            part = self.pid_file.with_suffix(".part")
            part.write_text(str(sleeper.pid))
            part.rename(self.pid_file)
            os._exit(0)
        os.waitpid(child, 0)
        for number in kept:
            os.close(number)


def open_descriptors() -> list[int]:
    """List the open files of this process from 3 on."""
    return [n for n in range(3, 256) if Path(f"/proc/self/fd/{n}").exists()]


class WritesEverywhere(Toy):
    """Writes noise to every descriptor of its process, look-alikes of other jobs' events too."""

    def training_step(self, batch: list[Tensor], index: int) -> Tensor:
        shouts = (
            b"\xff\x00 no newline",
            b'{"message": "Finished", "job": 1}\n',
            b'{"message": "Progress", "job": 99, "step": 1, "epoch": 0}\n',
            b"x" * 10_000,
        )
        for number in range(3, 21):
            for shout in shouts:
                with contextlib.suppress(OSError):
                    os.write(number, shout)
        return super().training_step(batch, index)


class ForksAndReports(Toy):
    """Forks a process that goes on as if it were the run."""

    def on_train_epoch_end(self) -> None:
        if os.fork() == 0:
            self.trainer.fit_loop.max_epochs = 1
            return
        os.wait()


class SaysWhere(Toy):
    """Logs whether its process is in a folder."""

    def __init__(self, folder: str) -> None:
        super().__init__(width=4)
        self.folder = folder

    def on_train_epoch_end(self) -> None:
        self.log("there", float(str(Path.cwd()) == self.folder))


class ClosesEverything(Toy):
    """Closes what it did not open, as daemons do."""

    def on_train_epoch_start(self) -> None:
        os.closerange(3, 256)
