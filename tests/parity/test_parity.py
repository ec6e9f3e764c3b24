"""What `python train.py fit` logs and what ablate logs of the same config are the same values."""

from pathlib import Path

import pytest

from ablate.run import Launcher
from tests.parity.conftest import PROJECTS, Native, Project, Runner, studied
from tests.parity.logged import last_of_epochs

NAMES = sorted(folder.name for folder in PROJECTS.iterdir() if (folder / "study.yaml").exists())

WAITS_FOR: dict[str, str] = {}
"""Projects that can't be run as their scripts run them yet, and what is missing."""


def projects() -> list[object]:
    return [
        pytest.param(
            name,
            marks=pytest.mark.xfail(reason=WAITS_FOR[name], strict=True)
            if name in WAITS_FOR
            else (),
        )
        for name in NAMES
    ]


@pytest.fixture(scope="session")
def native(
    request: pytest.FixtureRequest, runner: Runner, tmp_path_factory: pytest.TempPathFactory
) -> Native:
    """A project whose own script has been run."""
    project = Project(request.param, tmp_path_factory.mktemp("parity") / request.param)
    runner.run(project.folder, *project.words(), environment=project.environment())
    return Native(project)


@pytest.mark.parametrize("native", projects(), indirect=True)
def test_a_run_logs_what_the_script_logs(native: Native, workers: Launcher) -> None:
    run = studied(native.project, workers, "whole")
    assert native.rows
    assert run.rows == native.rows
    assert_stored(run.stored, native)
    assert native.project.native_rows() == native.rows


@pytest.mark.parametrize("native", projects(), indirect=True)
def test_a_run_that_is_interrupted_and_resumed_logs_it_too(
    native: Native, workers: Launcher
) -> None:
    run = studied(native.project, workers, "resumed", ends=(1, "interrupt"))
    assert run.attempts == 2
    assert run.rows == native.rows
    assert_stored(run.stored, native)


def assert_stored(rows: list[tuple[str, str, int, int, float]], native: Native) -> None:
    """Compare what is stored with the script's: the last value of every metric and epoch."""
    expected = last_of_epochs(native.rows)
    found = {(name, epoch): value for _, name, _, epoch, value in rows}
    assert {key: found.get(key) for key in expected} == expected


def test_there_is_a_project_in_every_style() -> None:
    assert len(NAMES) >= 25
    assert set(WAITS_FOR) <= set(NAMES)
    assert all(Path(PROJECTS, name).glob("train*.py") for name in NAMES)
