"""What it takes to start the next run in a warm worker, against a process of its own.

python benchmarks/warm_start.py [repeats]
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ablate.run import Built, Event, Finished, Job, LocalLauncher, Resolve, Resolved, Run

TOY = Path(__file__).parents[1] / "src" / "ablate" / "testing" / "toy.py"
CONFIG: dict[str, Any] = {
    "seed_everything": 7,
    "model": {"class_path": "toy.Toy"},
    "data": {"class_path": "toy.Points"},
    "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.01}},
    "trainer": {
        "max_epochs": 1,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
    },
}


def do(launcher: LocalLauncher, job: Job) -> dict[type, tuple[float, Any]]:
    """Do a job and return the moment and the last event of each kind."""
    events: dict[type, tuple[float, Any]] = {}

    def note(event: Event) -> str:
        events[type(event)] = time.perf_counter(), event
        return "continue"

    launcher.submit([job])
    while Finished not in events:
        launcher.poll(note, 1.0)  # type: ignore[arg-type]
    return events


def start(launcher: LocalLauncher, folder: Path, number: int) -> float:
    """Resolve a config, start its run, and return the seconds until it trains."""
    began = time.perf_counter()
    resolved = do(launcher, Resolve(2 * number, CONFIG))[Resolved][1].config
    run = Run(
        2 * number + 1,
        resolved,
        metric="val_loss",
        directory=str(folder / "run"),
        identity={},
        supervised=False,
        resume=False,
        checkpoint_every=5.0,
    )
    return do(launcher, run)[Built][0] - began


def main(repeats: int = 10) -> None:
    """Measure both and print medians."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(TOY, folder)
        os.chdir(folder)
        cold = []
        for _ in range(3):
            began = time.perf_counter()
            launcher = LocalLauncher(1)
            launcher.facts()
            loaded = time.perf_counter() - began
            cold.append(loaded + start(launcher, folder, 0))
            launcher.close()
        launcher = LocalLauncher(1)
        warm = [start(launcher, folder, number) for number in range(repeats + 1)][1:]
        launcher.close()
    print(f"from a config to a run that trains, median of {repeats}:")
    print(f"  in a warm worker        {1e3 * statistics.median(warm):8.0f} ms")
    print(f"  in a process of its own {1e3 * statistics.median(cold):8.0f} ms")
    print(f"  ratio                   {statistics.median(cold) / statistics.median(warm):8.1f}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
