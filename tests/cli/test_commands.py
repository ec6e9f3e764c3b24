"""The command line as a user meets it: real processes, real workers, a real database."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from ablate.testing import toy
from tests.study.conftest import ABLATION, SEARCH, Project

ABLATE = str(Path(sys.executable).with_name("ablate"))


def environment() -> dict[str, str]:
    return {key: value for key, value in os.environ.items() if key != "ABLATE_STORAGE"}


def ablate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ABLATE, *arguments], cwd=folder, env=environment(), capture_output=True, text=True,
        check=False, timeout=300,
    )  # fmt: skip


def new_project(folder: Path) -> Project:
    shutil.copy(toy.__file__, folder / "toy.py")
    return Project(folder)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Any]:
    project = new_project(tmp_path_factory.mktemp("project"))
    project.study("s", SEARCH)
    project.study("a", ABLATION)
    return project, ablate(project.folder, "search", "--study", "s", "--workers", "2", "--json")


def test_search_prints_its_result_as_json_and_everything_else_on_stderr(
    searched: tuple[Project, Any],
) -> None:
    _, done = searched
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["study"] == "s"
    assert result["storage"] == "sqlite:///results/ablate.db"
    assert result["counts"] == {"complete": 5}
    assert set(result["best"]) == {"number", "value", "params"}
    assert set(result["best"]["params"]) == set(SEARCH["space"])
    assert "ablate dashboard" in done.stderr
    assert "profile cpu" in done.stderr


def test_search_again_says_that_it_is_done(searched: tuple[Project, Any]) -> None:
    project, _ = searched
    again = ablate(project.folder, "search", "--study", "s", "--workers", "1")
    assert again.returncode == 0
    assert "s is done: its budget was met before: 5 complete" in again.stdout


@pytest.mark.long
def test_one_two_and_four_workers_find_the_same_and_prune_the_same(tmp_path: Path) -> None:
    project = new_project(tmp_path)
    hyperband = {"class_path": "optuna.pruners.HyperbandPruner"}
    project.study("p", SEARCH, pruner=hyperband, budget={"trials": 10})
    found = []
    for workers in ("1", "2", "4"):
        url = f"sqlite:///{tmp_path}/{workers}.db"
        done = ablate(tmp_path, "search", "--study", "p", "--workers", workers, "--storage", url)
        assert done.returncode == 0, done.stderr
        trials = optuna.load_study(study_name="p", storage=url).trials
        found.append([(t.params, t.state.name, t.value, t.intermediate_values) for t in trials])
    assert found[0] == found[1] == found[2]
    assert {state for _, state, _, _ in found[0]} == {"COMPLETE", "PRUNED"}


def test_replay_prints_a_row_per_run(searched: tuple[Project, Any]) -> None:
    project, _ = searched
    done = ablate(project.folder, "replay", "a", "--workers", "2", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["runs"]
    assert [(row["arm"], row["seed"]) for row in rows] == [
        ("narrow", 1), ("narrow", 2), ("wide", 1), ("wide", 2), ("mean", 1), ("mean", 2)
    ]  # fmt: skip
    for row in rows:
        assert row["state"] == "complete"
        assert len(row["config_hash"]) == 64
        assert {"val_loss", "val_error"} <= set(row["best"])
        assert row["best"]["val_loss"] <= row["last"]["val_loss"]
    assert [row["parameters"] for row in rows] == [13, 13, 97, 97, 0, 0]


def test_status_report_and_freeze_read_what_ran(searched: tuple[Project, Any]) -> None:
    project, _ = searched
    status = ablate(project.folder, "status", "s", "--json")
    assert json.loads(status.stdout)[0]["counts"] == {"complete": 5}
    assert "5 complete" in ablate(project.folder, "status").stdout
    report = ablate(project.folder, "report", "s", "--json")
    files = [project.folder / name for name in json.loads(report.stdout)["files"]]
    assert {"report.md", "report.html", "trials.csv"} <= {path.name for path in files}
    assert all(path.stat().st_size > 0 for path in files)
    frozen = ablate(project.folder, "freeze", "s/2", "--as", "second")
    assert frozen.stdout.strip() == "configs/second.yaml"


def unknown_study(folder: Path) -> list[str]:
    return ["search", "--study", "zzz"]


def foreign_database(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "other.db") as connection:
        connection.execute("CREATE TABLE customers (id INTEGER)")
    return ["search", "--study", "s", "--storage", "sqlite:///other.db"]


def not_a_database(folder: Path) -> list[str]:
    (folder / "notes.db").write_text("these are notes, not a database\n" * 50)
    return ["search", "--study", "s", "--storage", "sqlite:///notes.db"]


def malformed_url(folder: Path) -> list[str]:
    return ["replay", "a", "--storage", "results/ablate.db"]


def unreachable(folder: Path) -> list[str]:
    return ["status", "--storage", "postgresql://me:secret@127.0.0.1:9/none"]


def no_storage_yet(folder: Path) -> list[str]:
    return ["status"]


def override_without_value(folder: Path) -> list[str]:
    return ["search", "--study", "s", "--set", "trainer.max_epochs"]


def wrong_override(folder: Path) -> list[str]:
    return ["search", "--study", "s", "--set", "trainer.max_epohcs=2"]


def no_such_option(folder: Path) -> list[str]:
    return ["search", "--studdy", "s"]


def no_workers(folder: Path) -> list[str]:
    return ["search", "--study", "s", "--workers", "0"]


def taken_seeds(folder: Path) -> list[str]:
    return ["replay", "s/0", "--seeds", "1,1"]


@pytest.mark.parametrize(
    "mistake",
    [
        unknown_study, foreign_database, not_a_database, malformed_url, unreachable,
        no_storage_yet, override_without_value, wrong_override, no_such_option, no_workers,
        taken_seeds,
    ],
)  # fmt: skip
def test_a_wrong_request_ends_with_2_one_message_and_nothing_written(
    tmp_path: Path, mistake: Any
) -> None:
    project = new_project(tmp_path)
    project.study("s", SEARCH)
    project.study("a", ABLATION)
    arguments = mistake(tmp_path)
    before = project.files()
    done = ablate(tmp_path, *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "secret" not in done.stderr
    assert done.stderr.strip()
    assert project.files() == before


SLOW = {**SEARCH, "space": {"optimizer.init_args.lr": {"float": [1e-4, 1e-1], "log": True}}}


def slow_project(folder: Path) -> Project:
    """Make a search whose epochs take two seconds each after the first."""
    project = new_project(folder)
    project.study(
        "s", SLOW, profiles={"cpu": {"set": {"model.init_args.mishap": "sleep"}}},
        budget={"trials": 2},
    )  # fmt: skip
    return project


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [ABLATE, *arguments], cwd=folder, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def until(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def children(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in listed.stdout.split()]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_an_interrupted_search_ends_with_130_and_continues(tmp_path: Path) -> None:
    project = slow_project(tmp_path)
    process = started(tmp_path, "search", "--study", "s", "--workers", "2")
    until(lambda: list(tmp_path.glob("results/s/*/run.log")))
    workers = children(process.pid)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "the same command continues" in errors
    assert "Traceback" not in errors
    assert workers
    assert not any(map(alive, workers))
    again = ablate(tmp_path, "search", "--study", "s", "--workers", "2", "--json")
    assert json.loads(again.stdout)["counts"] == {"complete": 2}, again.stderr
    assert project.files()


def test_a_killed_search_leaves_no_worker_and_continues(tmp_path: Path) -> None:
    slow_project(tmp_path)
    process = started(tmp_path, "search", "--study", "s", "--workers", "2")
    until(lambda: list(tmp_path.glob("results/s/*/run.log")))
    workers = children(process.pid)
    process.kill()
    process.communicate()
    until(lambda: not any(map(alive, workers)))
    again = ablate(tmp_path, "search", "--study", "s", "--workers", "2", "--json")
    assert json.loads(again.stdout)["counts"] == {"complete": 2}, again.stderr
    trials = optuna.load_study(
        study_name="s", storage=f"sqlite:///{tmp_path}/results/ablate.db"
    ).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "COMPLETE"]


def test_a_dying_worker_costs_its_trial_not_the_search(tmp_path: Path) -> None:
    project = new_project(tmp_path)
    key = "model.init_args.mishap"
    project.study(
        "s", SEARCH, space={key: {"choice": ["none", "die"]}}, budget={"trials": 2},
        enqueue=[{key: "die"}, {key: "none"}],
    )  # fmt: skip
    done = ablate(tmp_path, "search", "--study", "s", "--workers", "1", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["counts"] == {"complete": 1, "failed": 1}
    trial = optuna.load_study(
        study_name="s", storage=f"sqlite:///{tmp_path}/results/ablate.db"
    ).trials[0]
    assert trial.user_attrs["reason"] == "the worker was killed by signal 9 (3 attempts)"


@pytest.fixture
def served(searched: tuple[Project, Any]) -> Iterator[str]:
    process = started(searched[0].folder, "dashboard", "--port", "18423", "--no-token")
    try:
        address = "http://127.0.0.1:18423"
        until(lambda: reachable(address))
        yield address
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def reachable(address: str) -> bool:
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200  # noqa: S310
    except OSError:
        return False


def status_of(request: urllib.request.Request) -> int:
    try:
        return urllib.request.urlopen(request, timeout=5).status  # noqa: S310
    except urllib.error.HTTPError as error:
        return error.code


def test_the_dashboard_shows_the_studies_and_changes_nothing(
    searched: tuple[Project, Any], served: str
) -> None:
    with urllib.request.urlopen(f"{served}/api/studies", timeout=5) as answer:  # noqa: S310
        names = [study["study_name"] for study in json.load(answer)["study_summaries"]]
    assert "s" in names
    delete = urllib.request.Request(f"{served}/api/studies/1", method="DELETE")  # noqa: S310
    assert status_of(delete) == 405
    foreign = urllib.request.Request(f"{served}/api/studies", headers={"Host": "evil.example"})  # noqa: S310
    assert status_of(foreign) == 403
    assert json.loads(ablate(searched[0].folder, "status", "s", "--json").stdout)[0]["counts"]
