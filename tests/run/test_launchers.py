"""Both launchers pass one suite; the local one also survives what happens to processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ablate.run import Finished, InProcessLauncher, Job, LocalLauncher, Lost
from tests.run.jobs import Record, model, run, toy
from tests.run.launcher_suite import PATIENCE_S, LauncherSuite, do, wait

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module", autouse=True)
def importable() -> Iterator[None]:
    """Let workers import the tests' modules, wherever pytest was started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def warm(importable: None) -> Iterator[LocalLauncher]:
    """Start one worker for all tests that leave it alive."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "2")  # a worker has one thread whatever its parent has
        launcher = LocalLauncher(1)
    yield launcher
    launcher.close()


def children(parent: int) -> set[int]:
    """Return the living child processes of a process."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[1] == str(parent) and fields[0] != "Z":
            found.add(int(status.parent.name))
    return found


def alive(process: int) -> bool:
    """Say whether a process still runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait until something holds; say whether it did."""
    end = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


class TestInProcessLauncher(LauncherSuite):
    @pytest.fixture
    def launcher(self) -> Iterator[InProcessLauncher]:
        launcher = InProcessLauncher()
        yield launcher
        launcher.close()


class TestLocalLauncher(LauncherSuite):
    @pytest.fixture
    def launcher(self, warm: LocalLauncher, monkeypatch: pytest.MonkeyPatch) -> LocalLauncher:
        monkeypatch.setattr(warm, "close", lambda: None)
        return warm


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks processes up in /proc")
class TestWorkers:
    def test_a_worker_computes_on_one_thread(self, warm: LocalLauncher):
        assert warm.facts()["threads"] == 1

    def test_all_that_a_run_prints_goes_to_its_log(self, warm: LocalLauncher, tmp_path, capfd):
        jobs = [run(1, tmp_path / "1", model("Prints")), run(2, tmp_path / "2")]
        record = do(warm, *jobs)
        assert record.kinds(1) == record.kinds(2)
        log = (tmp_path / "1" / "run.log").read_text()
        for line in (
            "printed by Python",
            '{"message": "Finished", "job": 1, "status": "complete"}',
            "written to file descriptor 1",
            "written to file descriptor 2",
            "printed by a child process",
        ):
            assert line in log
        assert "printed" not in (tmp_path / "2" / "run.log").read_text()
        assert "printed" not in "".join(capfd.readouterr())

    def test_a_failed_runs_log_holds_its_traceback(self, warm: LocalLauncher, tmp_path):
        do(warm, run(1, tmp_path, {"model.init_args.mishap": "raise"}))
        assert "KeyError: 'the module raised'" in (tmp_path / "run.log").read_text()

    def test_a_killed_worker_loses_its_group_and_is_replaced(self, warm: LocalLauncher, tmp_path):
        before = children(os.getpid())
        record = do(warm, run(1, tmp_path, model("Dies")), Job(2, "resolve", toy()))
        reason = f"the worker was killed by signal {int(signal.SIGKILL)}"
        losses = [event for event in record.events if isinstance(event, Lost)]
        assert losses == [Lost(1, reason), Lost(2, reason)]
        assert warm.free == 1
        assert do(warm, Job(3, "resolve", toy())).events[-1] == Finished(3, "complete")
        after = children(os.getpid())
        assert len(after) == len(before)
        assert len(after & before) == len(before) - 1

    def test_closing_ends_a_run_and_the_processes_that_it_started(self, tmp_path):
        others = children(os.getpid())
        launcher = LocalLauncher(1)
        launcher.submit([run(1, tmp_path, model("Spawns", pid_file=str(tmp_path / "pid")))])
        record = Record()
        wait(launcher, record, lambda: "Started" in record.kinds())
        assert eventually((tmp_path / "pid").exists)
        child = int((tmp_path / "pid").read_text())
        launcher.close()
        launcher.close()
        assert children(os.getpid()) == others
        assert eventually(lambda: not alive(child))

    def test_a_worker_ends_when_its_parent_is_killed(self, tmp_path):
        script = (
            "import time; from ablate.run import LocalLauncher\n"
            "launcher = LocalLauncher(1); launcher.facts(); print(flush=True); time.sleep(600)"
        )
        parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
        assert parent.stdout is not None
        with parent.stdout:
            parent.stdout.readline()
            (worker,) = children(parent.pid)
            parent.kill()
            parent.wait()
        assert eventually(lambda: not alive(worker))

    def test_workers_that_cannot_start_are_an_error(self, monkeypatch):
        monkeypatch.setenv("PYTHONHOME", "/nowhere")
        launcher = LocalLauncher(1)
        try:
            with pytest.raises(RuntimeError, match="a worker could not start"):
                launcher.facts()
        finally:
            launcher.close()
