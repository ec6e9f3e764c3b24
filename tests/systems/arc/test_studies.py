"""The ARC studies in this repository: they are the published ones, and they run, made tiny."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ablate.spec import read_study
from ablate.systems.arc import ArcModule

ROOT = Path(__file__).parents[3]
TINY = [
    *("--set", "data.init_args.tasks=[6d0aefbc, 8be77c9e]"),
    *("--set", "data.init_args.samples_per_task=8"),
    *("--set", "data.init_args.val_samples_per_task=4"),
    *("--set", "data.init_args.max_side=6"),
    *("--set", "trainer.max_epochs=1"),
    *("--set", "model.init_args.exact_match_examples=2"),
]
PUBLISHED = {
    "seed_decoder_only": 530_560,
    "seed_encoder_decoder": 928_523,
    "seed_champion": 880_555,
    "baseline": 1_735_612,
    "encoder_decoder": 1_708_907,
    "grid2d": 1_708_907,
    "perminv": 1_708_907,
    "context_only": 1_724_619,
    "champion": 1_724_619,
}


def test_trial_69_is_the_first_point_of_the_search_at_full_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    (point,) = read_study("champion").prepare("cuda").enqueued
    assert point["optimizer.init_args.lr"] == 0.0018498849832733245
    assert point["model.init_args.dropout"] == 0.16712351989226623
    assert point["model.init_args.decoder_dropout"] == 0.014891948478374184
    assert point["lr_scheduler.init_args.eta_min"] == 1.6816632143867157e-06
    assert point["lr_scheduler"] == "restarts"


def test_the_faithful_ladder_has_the_published_parameter_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    study = read_study("trial-69-faithful").prepare("cuda")
    counts = {}
    for arm in study.arms:
        if not arm.floor:
            module = ArcModule(**study.configured(arm.changes, 307)["model"]["init_args"])
            counts[arm.name] = sum(parameter.numel() for parameter in module.parameters())
    assert counts == PUBLISHED


def test_the_faithful_ladder_is_served_filtered_and_stopped_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    study = read_study("trial-69-faithful").prepare("cuda")
    data = {}
    for arm in study.arms:
        config = study.configured(arm.changes, 307)
        data[arm.name] = config["data"]["init_args"]
        assert config["model"]["init_args"]["flavour"] == "faithful"
        callbacks = {c["class_path"]: c["init_args"] for c in config["trainer"]["callbacks"]}
        assert not any(name.endswith("EarlyStopping") for name in callbacks)
        assert callbacks["ablate.systems.common.precision.MatmulPrecision"]["precision"] == "high"
    assert not any(given["bucketing"] for given in data.values())
    seed_era = {name for name, given in data.items() if given["task_set"] == "foundational-18"}
    assert seed_era == {"seed_decoder_only", "seed_encoder_decoder", "seed_champion"}
    assert {n: g["max_tokens"] for n, g in data.items() if "max_tokens" in g} == {
        "baseline": 511,
        "seed_decoder_only": 511,
    }
    held_out = {name for name, given in data.items() if given["context"] != "first"}
    assert held_out == {"seed_champion"}
    assert data["seed_champion"]["context"] == "held_out"


@pytest.mark.long
def test_the_main_job_runs_from_end_to_end(tmp_path: Path) -> None:
    for folder in ("configs", "studies"):
        shutil.copytree(ROOT / folder, tmp_path / folder)

    def ablate(*arguments: str) -> dict:
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ablate")), *arguments, "--json"],
            cwd=tmp_path,
            env={**os.environ, "ABLATE_CACHE": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    searched = ablate("search", "--study", "champion", "--profile", "cpu", "--workers", "2", *TINY)
    assert sum(searched["counts"].values()) == 10
    replayed = ablate("replay", "trial-69", "--profile", "cpu", "--workers", "2", *TINY)
    rows = replayed["runs"]
    assert len(rows) == 30
    assert {row["state"] for row in rows} == {"complete"}
    assert all("val_exact_match" in row["best"] for row in rows)
    names = {path.name for path in tmp_path.glob("results/trial-69/15-*/**/*.ckpt")}
    assert any(name.startswith("champion-epoch=00-val_loss=") for name in names)
    assert "last.ckpt" in names
    report = ablate("report", "trial-69")
    text = (tmp_path / "results/trial-69/report/report.md").read_text()
    assert "`copy_source`" in text
    assert len(report["files"]) >= 6
