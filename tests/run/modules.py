"""Modules that do to their process, and log, what real ones do."""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from tests.toy import Toy


class Tied(Toy):
    """Two layers that share one weight, and one frozen layer."""

    def __init__(self) -> None:
        super().__init__(width=4)
        self.first, self.second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        self.second.weight = self.first.weight
        self.frozen = nn.Linear(5, 5).requires_grad_(False)


class LogsAtEpochEnd(Toy):
    """Logs a metric of training in the module's own end-of-epoch hook."""

    def on_train_epoch_end(self) -> None:
        self.log("epochs_done", float(self.current_epoch + 1))


class Prints(Toy):
    """Prints by every way there is, protocol look-alikes included."""

    def on_fit_start(self) -> None:
        print("printed by Python")
        print('{"message": "Finished", "job": 1, "status": "complete"}')
        os.write(1, b"written to file descriptor 1\n")
        os.write(2, b"written to file descriptor 2\n")
        os.system("echo printed by a child process")  # noqa: S605


class Pollutes(Toy):
    """Changes whatever state a process has."""

    def on_fit_end(self) -> None:
        os.environ["POLLUTED"] = "yes"
        os.environ.pop("HOME", None)
        os.chdir(tempfile.gettempdir())
        sys.path.insert(0, "/polluted")
        random.seed(99)
        np.random.seed(99)
        torch.manual_seed(99)
        torch.set_default_dtype(torch.float64)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.set_num_threads(2)
        torch.set_float32_matmul_precision("medium")
        torch.autograd.set_detect_anomaly(True)
        torch.set_grad_enabled(False)


class Witness(Toy):
    """Fails unless its process is as a fresh one is."""

    def __init__(self, cwd: str) -> None:
        super().__init__(width=4)
        found = {
            "env": "POLLUTED" in os.environ or "HOME" not in os.environ,
            "cwd": str(Path.cwd()) != cwd,
            "path": "/polluted" in sys.path,
            "dtype": torch.get_default_dtype() != torch.float32,
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "threads": torch.get_num_threads() != 1,
            "precision": torch.get_float32_matmul_precision() != "highest",
            "anomaly": torch.is_anomaly_enabled(),
            "gradients": not torch.is_grad_enabled(),
        }
        if any(found.values()):
            raise ValueError("polluted: " + ", ".join(name for name, bad in found.items() if bad))


class Draws(Toy):
    """Logs a random number of each generator, unseeded by the config."""

    def on_train_epoch_end(self) -> None:
        self.log("python_draw", random.random())
        self.log("torch_draw", torch.rand(()))
        self.log("numpy_draw", float(np.random.rand()))


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
