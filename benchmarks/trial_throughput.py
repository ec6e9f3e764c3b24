"""A search with two workers, against its trials one after the other in one plain script.

The script trains the very configurations that the search tried, in their order, with as many
threads as torch takes by default. Data and base models that either needs are made beforehand.

python benchmarks/trial_throughput.py [trials [study ...]]
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
SYSTEMS = ROOT / "src" / "ablate" / "systems"
STUDIES = sorted(
    path.stem for path in (ROOT / "studies").glob("*.yaml") if (SYSTEMS / path.stem).is_dir()
)
"""The searches that are named after a system."""


def main(trials: int = 8, *studies: str) -> None:
    """Measure both and print trials per minute."""
    for name in studies or STUDIES:
        with tempfile.TemporaryDirectory() as folder:
            measure(name, trials, Path(folder))


def measure(name: str, trials: int, folder: Path) -> None:
    """Search with two workers, train the same trials in a plain script, and print the ratio."""
    study = folder / f"{name}.yaml"
    study.write_text(yaml.safe_dump(shortened(name, trials)))
    prepare(study, folder / "before")
    took = search(study, folder / "search", 2)
    configs = [
        json.dumps(yaml.safe_load(path.read_text()))
        for path in sorted(
            (folder / "search").glob(f"{name}/*/config.yaml"),
            key=lambda path: int(path.parent.name.split("-")[0]),
        )
    ]
    assert len(configs) == trials, f"{len(configs)} of {trials} trials ran"
    began = time.perf_counter()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OMP_")}
    plain = [sys.executable, __file__, "--plain", str(folder / "plain")]
    subprocess.run(
        plain, input="\n".join(configs), text=True, check=True, env=environment, capture_output=True
    )
    alone = time.perf_counter() - began
    print(f"{name}, {trials} trials of {epochs_of(configs[0])} epochs, start-up included:")
    print(f"  ablate, two workers        {60 * trials / took:6.1f} trials/min  ({took:.0f} s)")
    print(f"  one plain script           {60 * trials / alone:6.1f} trials/min  ({alone:.0f} s)")
    print(f"  ratio                      {alone / took:6.2f}", flush=True)


def shortened(name: str, trials: int) -> dict[str, Any]:
    """Return a study with another budget, without a pruner, its files named in full."""
    study: dict[str, Any] = yaml.safe_load((ROOT / "studies" / f"{name}.yaml").read_text())
    configs = [study["config"]] if isinstance(study["config"], str) else study["config"]
    study["config"] = [str((ROOT / "studies" / path).resolve()) for path in configs]
    study["profiles"]["cpu"].pop("budget", None)
    study["budget"] = {"trials": trials}
    study["pruner"] = {"class_path": "optuna.pruners.NopPruner"}
    # Every trial makes as many steps as the others, whatever the sampler draws.
    study["space"].pop("trainer.accumulate_grad_batches", None)
    for point in study["enqueue"]:
        point.pop("trainer.accumulate_grad_batches", None)
    return study


def search(study: Path, results: Path, workers: int) -> float:
    """Run a search and return the seconds it took."""
    began = time.perf_counter()
    command = [str(Path(sys.executable).parent / "ablate"), "search", "--study", str(study)]
    places = ["--storage", f"sqlite:///{results}/ablate.db", "--results", str(results)]
    options = ["--profile", "cpu", "--workers", str(workers), "--quiet"]
    subprocess.run([*command, *places, *options], check=True, capture_output=True)
    return time.perf_counter() - began


def prepare(study: Path, folder: Path) -> None:
    """Run one short trial, so that data and base models that are kept are there."""
    first = yaml.safe_load(study.read_text())
    first["budget"] = {"trials": 1}
    folder.mkdir()
    (folder / study.name).write_text(yaml.safe_dump(first))
    search(folder / study.name, folder, 1)


def epochs_of(config: str) -> int:
    """Return the epochs of a configuration."""
    epochs: int = json.loads(config)["trainer"]["max_epochs"]
    return epochs


def plain(folder: Path) -> None:
    """Train every configuration of the standard input, one after the other."""
    from ablate.run.lightning_cli import build

    for number, line in enumerate(sys.stdin):
        directory = folder / str(number)
        directory.mkdir(parents=True)
        cli = build(json.loads(line), directory, [])
        cli.trainer.fit(cli.model, datamodule=cli.datamodule)
        if not cli.trainer.callback_metrics.get("val_loss"):
            cli.trainer.validate(cli.model, datamodule=cli.datamodule, verbose=False)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--plain"]:
        plain(Path(sys.argv[2]))
    else:
        main(*map(int, sys.argv[1:2]), *sys.argv[2:])
