"""Modules that change their process, and modules that notice when one before them did."""

import os
import random
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from ablate.testing.toy import Toy

GENERATOR = torch.Generator().manual_seed(5)
CACHE: dict[str, int] = {}
current_run: object | None = None


class Pollutes(Toy):
    """Changes whatever state a process has."""

    def on_fit_end(self) -> None:
        os.environ["POLLUTED"] = "yes"
        os.environ.pop("PATH")
        os.chdir(tempfile.gettempdir())
        sys.path.insert(0, "/polluted")
        random.seed(99)
        np.random.seed(99)
        torch.manual_seed(99)
        torch.set_default_dtype(torch.float64)
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.set_num_threads(torch.get_num_threads() + 1)
        torch.set_float32_matmul_precision("medium")
        torch.autograd.set_detect_anomaly(True)
        torch.set_grad_enabled(False)


class Witness(Toy):
    """Fails unless its process is as a fresh one is."""

    def __init__(self, cwd: str, threads: int) -> None:
        super().__init__(width=4)
        found = {
            "env": "POLLUTED" in os.environ or "PATH" not in os.environ,
            "cwd": str(Path.cwd()) != cwd,
            "path": "/polluted" in sys.path,
            "dtype": torch.get_default_dtype() != torch.float32,
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "threads": torch.get_num_threads() != threads,
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


class Remembers(Toy):
    """Logs what it finds in its module, and leaves something there.

    There are a generator, a counter on the class, a cache, the environment and the current run of
    a tracker, which later runs of the process take for theirs.
    """

    built = 0

    def __init__(self) -> None:
        super().__init__(width=4)
        global current_run  # noqa: PLW0603 - as trackers do
        type(self).built += 1
        CACHE["runs"] = CACHE.get("runs", 0) + 1
        os.environ["REMEMBERED"] = os.environ.get("REMEMBERED", "") + "x"
        self.tracked_before = current_run is not None
        current_run = self

    def on_train_epoch_end(self) -> None:
        self.log("module_draw", torch.rand((), generator=GENERATOR))
        self.log("class_counter", float(self.built))
        self.log("cache", float(CACHE["runs"]))
        self.log("environment", float(len(os.environ["REMEMBERED"])))
        self.log("tracked_before", float(self.tracked_before))
