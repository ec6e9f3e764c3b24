"""What `python train.py fit` logs and what ablate logs of the same config are the same values."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from ablate.run import Launcher, LocalLauncher
from ablate.store import Store
from ablate.study import Request
from tests.parity.conftest import PROJECTS, Native, Project, Runner, Studied, shell, studied
from tests.parity.launchers import Shared
from tests.parity.logged import last_of_epochs, logs
from tests.study.conftest import search

NAMES = sorted(folder.name for folder in PROJECTS.iterdir() if (folder / "study.yaml").exists())

INEXACT = {
    "every_second_epoch": "loaders are made anew in other epochs",
    "persistent_workers": "persistent workers",
}
"""Projects that can't be resumed exactly, and what their runs say of it."""

WHOLE = {
    *INEXACT,
    "class_paths",
    "main_function",
    "max_steps",
    "own_cli",
    "plain_arguments",
    "saved_config",
    "training_only",
    "two_processes",
    "unwritable_defaults",
}
"""Projects that are run without an interruption too.

An interrupted run is compared before and after its interruption, so it says the same of the others.
"""

RESUMED_ELSEWHERE = {"two_processes"}
"""Projects whose resumed run is compared with a native one in `tests/run`."""

NEEDS = {"interpolation": "omegaconf"}
"""Projects that need a package which not everybody has."""

VALIDATED_AT_THE_END = {"max_steps"}
"""Projects whose scripts never validate their last weights; ablate does, after the same fit."""


def projects(names: Iterable[str]) -> list[object]:
    def marks(name: str) -> list[pytest.MarkDecorator]:
        needed = NEEDS.get(name)
        if needed and importlib.util.find_spec(needed) is None:
            return [pytest.mark.skip(reason=f"needs {needed}")]
        return []

    return [pytest.param(name, marks=marks(name)) for name in sorted(names)]


@pytest.fixture(scope="session")
def native(
    request: pytest.FixtureRequest, runner: Runner, tmp_path_factory: pytest.TempPathFactory
) -> Native:
    """A project whose own script has been run."""
    project = Project(request.param, tmp_path_factory.mktemp("parity") / request.param)
    runner.run(project.folder, *project.words(), environment=project.environment())
    native = Native(project)
    assert native.logs
    return native


@pytest.mark.parametrize("native", projects(WHOLE), indirect=True)
def test_a_run_logs_what_the_script_logs(native: Native, workers: Launcher) -> None:
    run = studied(native.project, workers, "whole")
    assert_equal(run, native)
    assert native.project.native_logs() == native.logs


@pytest.mark.parametrize("native", projects({*NAMES} - RESUMED_ELSEWHERE), indirect=True)
def test_a_run_that_is_interrupted_and_resumed_logs_it_too(
    native: Native, workers: Launcher
) -> None:
    run = studied(native.project, workers, "resumed", ends=(1, "interrupt"))
    assert run.attempts == 2
    if (reason := INEXACT.get(native.project.name)) is not None:
        assert any(reason in line for line in run.said if line.startswith("not exact"))
        return
    assert not [line for line in run.said if line.startswith("not exact")]
    assert_equal(run, native)


@pytest.mark.parametrize("native", ["intervals"], indirect=True)
def test_a_run_that_is_killed_within_an_epoch_and_tried_again_logs_it_too(
    native: Native, workers: Launcher
) -> None:
    run = studied(native.project, workers, "killed", ends=(1, "kill"))
    assert run.attempts == 2
    assert_stored(run, native)
    # The killed process never wrote what its logger held.
    for logger, rows in run.logs.items():
        assert rows == native.logs[logger][-len(rows) :]


@pytest.mark.parametrize("native", ["class_paths"], indirect=True)
def test_the_scripts_are_run_as_they_are_run_by_hand(native: Native, tmp_path: Path) -> None:
    project = Project(native.project.name, tmp_path / "by_hand")
    environment = {**os.environ, **project.environment()}
    subprocess.run(
        [sys.executable, *project.words()], cwd=project.folder, env=environment, check=True,
        capture_output=True, timeout=120,
    )  # fmt: skip
    assert project.native_logs() == native.logs


@pytest.mark.parametrize("native", ["module_state"], indirect=True)
def test_one_worker_and_two_log_what_the_scripts_log(
    native: Native, runner: Runner, workers: Launcher
) -> None:
    project, widths = native.project, (2, 3, 5)
    scripts = []
    for width in widths:
        folder = Project(project.name, project.folder / f"width_{width}").folder
        words = [*project.words(), f"--model.init_args.width={width}"]
        runner.run(folder, *words, environment={})
        scripts.append(logs(folder))

    def searched(launcher: Launcher, label: str) -> list[dict[str, list[dict[str, str]]]]:
        results = project.folder / "results" / label
        url = f"sqlite:///{project.folder}/{label}.db"
        with shell(project.folder):
            request = Request(
                storage=url,
                results=results,
                workers=launcher.slots,
                launcher=lambda _: Shared(launcher),
            )
            search("search.yaml", request)
        with Store.open(url, create=False) as store:
            return [logs(Path(run.directory)) for run in store.runs("search")]

    assert searched(workers, "one") == scripts
    with shell(project.folder):
        two = LocalLauncher(2)
    try:
        assert searched(two, "two") == scripts
    finally:
        two.close()


def test_there_are_projects_in_many_styles() -> None:
    assert len(NAMES) >= 25
    assert {*WHOLE, *RESUMED_ELSEWHERE, *NEEDS, *VALIDATED_AT_THE_END} <= set(NAMES)


def assert_equal(run: Studied, native: Native) -> None:
    """Compare the files of the loggers, to the last digit, and what is stored."""
    further = native.project.name in VALIDATED_AT_THE_END
    assert {k: rows[:-1] if further else rows for k, rows in run.logs.items()} == native.logs
    assert_stored(run, native)


def assert_stored(run: Studied, native: Native) -> None:
    """Compare what is stored with the script's: the last value of every metric and epoch."""
    rows = next(iter(native.logs.values()))
    expected = last_of_epochs(rows)
    found = {(name, epoch): value for _, name, _, epoch, value in run.stored}
    assert {key: found.get(key) for key in expected} == expected
