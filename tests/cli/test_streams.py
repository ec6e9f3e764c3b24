"""Nobody has to read what a command says on its way: the work goes on, and the status is its."""

import os
import subprocess
from pathlib import Path

import pytest

from ablate.store import Store
from tests.study.conftest import SEARCH

from .test_commands import ABLATE, environment, new_project


def closed_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("how", ["full", "no reader", "closed"])
def test_a_search_goes_on_without_its_standard_error(tmp_path: Path, how: str) -> None:
    project = new_project(tmp_path)
    project.study("s", SEARCH, budget={"trials": 2})
    command = [ABLATE, "search", "s", "--workers", "1"]
    if how == "closed":
        command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command]
    stderr = {"full": lambda: os.open("/dev/full", os.O_WRONLY), "no reader": closed_pipe}.get(how)
    number = stderr() if stderr else None
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=number,
        check=False, timeout=300,
    )  # fmt: skip
    if number is not None:
        os.close(number)
    assert done.returncode == 0
    assert b"2 complete" in done.stdout
    with Store.open(f"sqlite:///{tmp_path}/results/ablate.db", create=False) as store:
        assert [trial.state for trial in store.trials("s")] == ["complete"] * 2


def test_a_result_that_nobody_reads_is_no_failure_but_one_that_is_lost_is(tmp_path: Path) -> None:
    project = new_project(tmp_path)
    project.study("s", SEARCH, budget={"trials": 1})
    for number, status in ((closed_pipe(), 0), (os.open("/dev/full", os.O_WRONLY), 1)):
        done = subprocess.run(
            [ABLATE, "search", "s", "--workers", "1"], cwd=tmp_path, env=environment(),
            stdout=number, stderr=subprocess.PIPE, check=False, timeout=300,
        )  # fmt: skip
        os.close(number)
        assert done.returncode == status, done.stderr
        assert b"Traceback" not in done.stderr
