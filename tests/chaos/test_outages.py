"""A search goes on while its database is away, and loses nothing of what ran meanwhile."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.harness import command, compare, finished, in_peace, make_project, torment

TRIALS = 4
LOCK = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], timeout=30, isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
connection.execute("ROLLBACK")
"""


def wait_for_a_run(folder: Path) -> None:
    """Wait until the search trains."""
    deadline = time.monotonic() + 120
    while not list(folder.glob("results/s/*/run.log")):
        assert time.monotonic() < deadline, (folder / "search.log").read_text()
        time.sleep(0.1)


@pytest.mark.long
def test_a_search_waits_for_a_locked_sqlite_file(tmp_path: Path) -> None:
    make_project(tmp_path, TRIALS)
    url = f"sqlite:///{tmp_path}/tormented.db"
    process = command(tmp_path, url, 2)
    wait_for_a_run(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", LOCK, str(tmp_path / "tormented.db"), "5"], stdout=subprocess.PIPE
    ):
        assert process.wait(timeout=300) == 0, (tmp_path / "search.log").read_text()
    outcome = compare(tmp_path, url, in_peace(tmp_path), TRIALS, {})
    assert outcome.wrong == 0, outcome


@pytest.mark.long
def test_a_search_goes_on_while_postgresql_restarts(
    tmp_path: Path, server: Any, postgresql_url: str
) -> None:
    make_project(tmp_path, TRIALS)
    process = command(tmp_path, postgresql_url, 2)
    wait_for_a_run(tmp_path)
    server.stop()
    time.sleep(3)
    server.start()
    assert process.wait(timeout=300) == 0, (tmp_path / "search.log").read_text()
    assert finished(tmp_path, postgresql_url, TRIALS)
    outcome = compare(tmp_path, postgresql_url, in_peace(tmp_path), TRIALS, {})
    assert outcome.wrong == 0, outcome


@pytest.mark.long
def test_a_search_on_postgresql_survives_random_kills(tmp_path: Path, postgresql_url: str) -> None:
    outcome = torment(tmp_path, postgresql_url, trials=6, kills=4, seed=2)
    assert sum(outcome.kills.values()) == 4
    assert outcome.wrong == 0, outcome
