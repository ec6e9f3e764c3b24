"""What runs do to the processes, pipes and folders around them costs them alone."""

import errno
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ablate.errors import RunError
from ablate.run import LocalLauncher, Lost
from ablate.run.process_tree import MARK
from ablate.spec import Cause, Outcome, Status
from ablate.testing.jobs import Record, model, resolve, run
from ablate.testing.launcher import do, wait
from tests.run import modules
from tests.run.test_launchers import alive, children, eventually

ROOT = Path(__file__).parents[2]

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.skipif(not Path("/proc").exists(), reason="looks processes up in /proc"),
]


OTHERS: set[int] = set()
"""Workers that other modules of tests have left running in this process."""


@pytest.fixture(scope="module")
def warm() -> Iterator[LocalLauncher]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
        OTHERS.update(children(os.getpid()))
        launcher = LocalLauncher(1)
        yield launcher
        launcher.close()


def worker_of(launcher: LocalLauncher) -> int:
    """Return the process of a launcher's worker, which alone does what it is given now."""
    launcher.facts()
    marked = {p for p in children(os.getpid()) if MARK in psutil.Process(p).environ()}
    (worker,) = marked - OTHERS
    return worker


def noted(file: Path) -> int:
    """Return the process that a module has noted."""
    assert eventually(file.exists)
    return int(file.read_text())


def daemon(folder: Path, **more) -> dict:
    return model(modules.LeavesADaemon, pid_file=str(folder / "pid"), **more)


class TestADaemonThatHoldsEveryPipe:
    @pytest.mark.parametrize("env", [True, False], ids=["marked", "unmarked"])
    def test_ends_with_the_run_that_hangs(self, warm, tmp_path, env):
        record = Record()
        warm.submit([run(1, tmp_path, daemon(tmp_path, hangs=True, env=env))])
        wait(warm, record, (tmp_path / "pid").exists)
        sleeper = noted(tmp_path / "pid")
        assert alive(sleeper)
        warm.kill(1, Cause.STALLED, "no progress")
        wait(warm, record, lambda: "Lost" in record.kinds())
        assert record.events[-1] == Lost(1, Cause.STALLED, "no progress")
        assert not alive(sleeper)
        assert do(warm, resolve(2)).status(2) == Status.COMPLETE

    def test_ends_with_the_run_that_ends_well(self, warm, tmp_path):
        record = do(warm, run(1, tmp_path, daemon(tmp_path)))
        assert record.status() == Status.COMPLETE
        assert not alive(noted(tmp_path / "pid"))
        assert do(warm, run(2, tmp_path / "2")).status(2) == Status.COMPLETE

    @pytest.mark.parametrize("victim", ["worker", "run"])
    def test_ends_when_a_process_is_killed(self, warm, tmp_path, victim):
        worker = worker_of(warm)
        record = Record()
        warm.submit([run(1, tmp_path, daemon(tmp_path, hangs=True))])
        wait(warm, record, (tmp_path / "pid").exists)
        sleeper = noted(tmp_path / "pid")
        (process,) = children(worker) - {sleeper}
        os.kill(worker if victim == "worker" else process, signal.SIGKILL)
        wait(warm, record, lambda: "Lost" in record.kinds())
        assert record.events[-1] == Lost(1, Cause.LOST, "the worker was killed by signal 9")
        assert eventually(lambda: not any(map(alive, (sleeper, process, worker))))

    def test_leaves_no_zombie(self, warm, tmp_path):
        do(warm, run(1, tmp_path, daemon(tmp_path)))
        worker = worker_of(warm)
        assert psutil.Process(worker).children(recursive=True) == []


class TestForeignBytes:
    def test_on_every_descriptor_lose_nothing(self, warm, tmp_path):
        plain = do(warm, run(1, tmp_path / "1"))
        record = do(warm, run(1, tmp_path / "2", model(modules.WritesEverywhere, width=4)))
        assert record.kinds() == plain.kinds()
        assert record.reports() == plain.reports()
        assert {event.job for event in record.events} == {1}
        (line,) = [
            line
            for line in (tmp_path / "2" / "run.log").read_text().splitlines()
            if line.startswith("dropped ")
        ]
        assert int(line.split()[1]) > 80_000
        assert "dropped" not in (tmp_path / "1" / "run.log").read_text()

    def test_a_copy_of_a_run_tells_nothing(self, warm, tmp_path):
        plain = do(warm, run(1, tmp_path / "1"))
        record = do(warm, run(1, tmp_path / "2", model(modules.ForksAndReports, width=4)))
        assert record.kinds() == plain.kinds()

    def test_a_run_that_closes_every_descriptor_ends(self, warm, tmp_path):
        record = do(warm, run(1, tmp_path, model(modules.ClosesEverything, width=4)))
        assert record.kinds()[-1] == "Lost"
        assert do(warm, resolve(2)).status(2) == Status.COMPLETE


class TestAModule:
    def test_that_goes_to_another_folder_takes_no_other_run_along(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
        monkeypatch.chdir(ROOT)
        folder = {"folder": tempfile.gettempdir()}
        wanders = {"class_path": "tests.run.wandering.Wanders", "init_args": folder}
        launcher = LocalLauncher(1)
        try:
            record = do(
                launcher,
                run(1, tmp_path / "1", {"model": wanders}),
                run(2, tmp_path / "2", model(modules.SaysWhere, folder=str(ROOT))),
            )
        finally:
            launcher.close()
        assert set(record.series("there", 1)) == {1.0}
        assert set(record.series("there", 2)) == {1.0}


class TestASystem:
    def test_that_starts_no_more_processes_interrupts_the_run(self, tmp_path, monkeypatch):
        forkless = {"model": {"class_path": "tests.run.forkless.Forkless"}}
        monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
        launcher = LocalLauncher(1)
        try:
            record = do(launcher, *(run(n, tmp_path / str(n), forkless) for n in (1, 2)))
        finally:
            launcher.close()
        for number in (1, 2):
            assert record.outcome(number) == Outcome(
                Status.INTERRUPTED,
                Cause.NO_PROCESS,
                "the system starts no process for a run: Resource temporarily unavailable",
            )

    def test_without_a_folder_for_temporary_files_has_workers(self, monkeypatch):
        def refuses(*_, **__):
            raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

        monkeypatch.setattr(tempfile, "TemporaryFile", refuses)
        launcher = LocalLauncher(1)
        try:
            assert launcher.facts().threads == 1
        finally:
            launcher.close()

    def test_that_starts_no_worker_is_said_in_one_sentence(self, monkeypatch):
        def refuses(*_, **__):
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))

        monkeypatch.setattr(subprocess, "Popen", refuses)
        with pytest.raises(RunError, match=r"a worker could not start: .*Resource temporarily"):
            LocalLauncher(1)

    def test_without_the_interpreter_is_said_in_one_sentence(self, monkeypatch):
        monkeypatch.setattr("sys.executable", "/nowhere/python")
        with pytest.raises(RunError, match=r"a worker could not start: .*'/nowhere/python'"):
            LocalLauncher(1)
