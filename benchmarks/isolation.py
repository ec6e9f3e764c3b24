"""What it costs that every run has a process of its own.

python benchmarks/isolation.py [repeats]

The same tiny run, from its submission to its end: in one process after the other runs, in a copy of
a warm worker, and in a fresh interpreter, which runs get whose modules start threads on import.
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ablate.run import Event, Finished, InProcessLauncher, Launcher, LocalLauncher, Run
from ablate.spec import Status

TOY = Path(__file__).parents[1] / "src" / "ablate" / "testing" / "toy.py"
THREADED = """
import threading

from toy import Toy

threading.Thread(target=threading.Event().wait, daemon=True).start()


class Threaded(Toy):
    pass
"""


def config(model: str) -> dict[str, Any]:
    """Return the config of a run of one epoch."""
    return {
        "seed_everything": 7,
        "model": {"class_path": model},
        "data": {"class_path": "toy.Points"},
        "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.01}},
        "trainer": {
            "max_epochs": 1,
            "accelerator": "cpu",
            "logger": False,
            "enable_checkpointing": False,
        },
    }


def seconds(launcher: Launcher, model: str, folder: Path, repeats: int) -> float:
    """Return the median time of a run, the first left out."""
    times = []
    for number in range(repeats + 1):
        ended: list[Finished] = []

        def note(event: Event, ended: list[Finished] = ended) -> str:
            if isinstance(event, Finished):
                ended.append(event)
            return "continue"

        job = Run(
            number,
            config(model),
            metric="val_loss",
            directory=str(folder / "run"),
            identity={},
            supervised=False,
            resume=False,
            checkpoint_every=5.0,
        )
        launcher.facts()
        began = time.perf_counter()
        launcher.submit([job])
        while not ended:
            launcher.poll(note, 1.0)  # type: ignore[arg-type]
        times.append(time.perf_counter() - began)
        assert ended[0].outcome.status is Status.COMPLETE, ended
    launcher.close()
    return statistics.median(times[1:])


def main(repeats: int = 10) -> None:
    """Measure all three and print medians."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(TOY, folder)
        (folder / "threaded.py").write_text(THREADED)
        os.chdir(folder)
        sys.path.insert(0, str(folder))
        forked = seconds(LocalLauncher(1), "toy.Toy", folder, repeats)
        spawned = seconds(LocalLauncher(1), "threaded.Threaded", folder, max(repeats // 3, 1))
        # Without a logger's and a terminal's lines between the figures.
        standard = os.dup(1), os.dup(2)
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        os.dup2(devnull, 2)
        shared = seconds(InProcessLauncher(), "toy.Toy", folder, repeats)
        os.dup2(standard[0], 1)
        os.dup2(standard[1], 2)
    print(f"a tiny run from submission to end, median of {repeats}:")
    for what, value in (
        ("in one process", shared),
        ("in a copy of a worker", forked),
        ("in a fresh interpreter", spawned),
    ):
        print(f"  {what:24}{1e3 * value:8.0f} ms {value / shared:6.1f}x")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
