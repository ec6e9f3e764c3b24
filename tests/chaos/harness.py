"""Kill a search again and again at random moments, then look for what it lost."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ablate.spec import dump_yaml
from ablate.store import Store
from ablate.testing import toy

ABLATE = str(Path(sys.executable).with_name("ablate"))
TOY = Path(toy.__file__)
EPOCHS = 6


@dataclass(frozen=True)
class Outcome:
    """What was killed, how many attempts that took, and what was wrong afterwards.

    Every count from `lost` on must be 0.
    """

    kills: Mapping[str, int]
    further_attempts: int
    lost: int
    duplicated: int
    stuck: int
    doubled: int
    different: int
    half_written: int

    @property
    def wrong(self) -> int:
        """The sum of everything that must not happen."""
        return (
            self.lost
            + self.duplicated
            + self.stuck
            + self.doubled
            + self.different
            + self.half_written
        )


def make_project(folder: Path, trials: int) -> None:
    """Write a project whose runs take a second or two and checkpoint at every epoch."""
    shutil.copy(TOY, folder / "toy.py")
    (folder / "configs").mkdir()
    (folder / "studies").mkdir()
    config = {
        "model": {"class_path": "toy.Toy", "init_args": {"mishap": "slow"}},
        "data": {"class_path": "toy.Points"},
        "optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.01}},
        "trainer": {"max_epochs": EPOCHS, "accelerator": "cpu", "logger": False},
    }
    study = {
        "kind": "search",
        "config": "../configs/toy.yaml",
        "objective": {"metric": "val_loss"},
        "space": {
            "optimizer.init_args.lr": {"float": [1e-4, 1e-1], "log": True},
            "model.init_args.dropout": {"float": [0.0, 0.5]},
        },
        "seeds": [7],
        "pruner": {"class_path": "optuna.pruners.HyperbandPruner"},
        "limits": {"attempts": 1000, "checkpoint": 0},
        "budget": {"trials": trials},
    }
    (folder / "configs" / "toy.yaml").write_text(dump_yaml(config))
    (folder / "studies" / "s.yaml").write_text(dump_yaml(study))


def command(folder: Path, url: str, workers: int) -> subprocess.Popen[bytes]:
    """Start the search."""
    log = (folder / "search.log").open("ab")
    return subprocess.Popen(
        [ABLATE, "search", "--study", "s", "--storage", url, "--workers", str(workers), "--json"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=log,
    )


def children(pid: int) -> list[int]:
    """List the worker processes of a search."""
    tasks = Path(f"/proc/{pid}/task")
    found: list[int] = []
    for task in tasks.glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:
            continue
    return found


def strike(process: subprocess.Popen[bytes], chance: random.Random) -> str | None:
    """Kill a worker, the coordinator or everything with SIGKILL; say which."""
    workers = children(process.pid)
    what = chance.choice(["worker", "worker", "coordinator", "all"])
    victims = {
        "worker": [chance.choice(workers)] if workers else [],
        "coordinator": [process.pid],
        "all": [process.pid, *workers],
    }[what]
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return what if victims else None


def torment(folder: Path, url: str, trials: int, kills: int, seed: int) -> Outcome:
    """Search with `kills` kills at random moments, then once in peace, and compare the two."""
    make_project(folder, trials)
    chance = random.Random(seed)
    struck: Counter[str] = Counter()
    process = command(folder, url, 2)
    while sum(struck.values()) < kills:
        time.sleep(chance.uniform(0.3, 5.0))
        if process.poll() is None:
            what = strike(process, chance)
            struck.update([what] if what else [])
        if what_ended(process):
            if finished(folder, url, trials):
                break
            process = command(folder, url, 2)
    process.wait(timeout=600)
    for _ in range(3):
        if finished(folder, url, trials):
            break
        process = command(folder, url, 2)
        process.wait(timeout=600)
    return compare(folder, url, in_peace(folder), trials, struck)


def in_peace(folder: Path) -> str:
    """Run the same search undisturbed on a database of its own and return its URL."""
    url = f"sqlite:///{folder}/peaceful.db"
    (folder / "results").rename(folder / "results-kept")
    status = command(folder, url, 2).wait(timeout=1800)
    assert status == 0, (folder / "search.log").read_text()
    return url


def what_ended(process: subprocess.Popen[bytes]) -> bool:
    """Say whether the command is over, giving a killed one a moment to disappear."""
    try:
        process.wait(timeout=0.2)
    except subprocess.TimeoutExpired:
        return False
    return True


def finished(folder: Path, url: str, trials: int) -> bool:
    """Say whether the search is done."""
    done = subprocess.run(
        [ABLATE, "status", "s", "--storage", url, "--json"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        return False
    counts = json.loads(done.stdout)[0]["counts"]
    return bool(sum(counts.get(state, 0) for state in ("complete", "pruned", "failed")) >= trials)


def compare(
    folder: Path, url: str, peaceful: str, trials: int, kills: Mapping[str, int]
) -> Outcome:
    """Count what differs between a tormented and a peaceful search."""
    tormented, reference = contents(url), contents(peaceful)
    numbers = [trial["number"] for trial in tormented["trials"]]
    states = Counter(trial["state"] for trial in tormented["trials"])
    rows, expected = Counter(tormented["rows"]), Counter(reference["rows"])
    return Outcome(
        kills=kills,
        further_attempts=tormented["attempts"] - len(set(numbers)),
        lost=max(trials - len(set(numbers)), 0) + sum((expected - rows).values()),
        duplicated=len(numbers)
        - len(set(numbers))
        + max(len(numbers) - trials, 0)
        + sum(n - 1 for n in Counter(tormented["finished"]).values()),
        stuck=states["running"] + states["waiting"],
        doubled=sum((rows - expected).values()),
        different=sum(
            left != right
            for left, right in zip(tormented["trials"], reference["trials"], strict=False)
        ),
        half_written=sum(not loads(path) for path in folder.glob("results-kept/**/*.ckpt")),
    )


def contents(url: str) -> dict[str, Any]:
    """Read what must be equal: trials with their curves, and the rows of each trial's last run."""
    with Store.open(url, create=False) as store:
        runs = store.runs("s")
        last = {(run.trial, run.seed): run.id for run in runs}
        keys = {run_id: key for key, run_id in last.items()}
        return {
            "trials": [
                {
                    "number": trial.number,
                    "state": trial.state.name.lower(),
                    "value": trial.value,
                    "params": trial.params,
                    "curve": trial.intermediate_values,
                }
                for trial in store.past("s")
            ],
            "rows": [
                (*keys[row.run_id], row.phase, row.name, row.step, row.value)
                for row in store.metrics("s")
                if row.run_id in keys
            ],
            "attempts": len(runs),
            "finished": [
                (run.trial, run.seed) for run in runs if run.status in ("complete", "pruned")
            ],
        }


def loads(path: Path) -> bool:
    """Say whether a checkpoint is whole."""
    try:
        torch.load(path, weights_only=True, map_location="cpu")
    except Exception:  # noqa: BLE001 - whatever is wrong with it
        return False
    return True
