"""Both launchers pass one suite; the local one also survives what happens to processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ablate.errors import RunError
from ablate.run import (
    Finished,
    InProcessLauncher,
    LocalLauncher,
    Lost,
    Progress,
    Reported,
)
from ablate.run.resume import FILE
from ablate.spec import Cause, Outcome, Status
from ablate.testing.jobs import Record, model, resolve, run
from ablate.testing.launcher import PATIENCE_S, IsolatedLauncherSuite, LauncherSuite, do, wait
from ablate.testing.toy import Toy
from tests.run import modules
from tests.run.threaded import Threaded

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


class TestLocalLauncher(IsolatedLauncherSuite):
    @pytest.fixture
    def launcher(self, warm: LocalLauncher, monkeypatch: pytest.MonkeyPatch) -> LocalLauncher:
        monkeypatch.setattr(warm, "close", lambda: None)
        return warm


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks processes up in /proc")
class TestWorkers:
    def test_a_worker_computes_on_one_thread(self, warm: LocalLauncher):
        assert warm.facts().threads == 1

    def test_all_that_a_run_prints_goes_to_its_log(self, warm: LocalLauncher, tmp_path, capfd):
        jobs = [run(1, tmp_path / "1", model(modules.Prints)), run(2, tmp_path / "2")]
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

    def test_a_users_module_is_imported_once_by_the_worker(self, warm: LocalLauncher, tmp_path):
        says = model(modules.SaysWhoImported)
        record = do(warm, *(run(n, tmp_path / str(n), says) for n in (1, 2)))
        importers = {*record.series("imported_by", 1), *record.series("imported_by", 2)}
        processes = {*record.series("process", 1), *record.series("process", 2)}
        assert (len(importers), len(processes)) == (1, 2)
        assert not importers & processes

    def test_a_run_has_ended_when_its_process_has(self, warm: LocalLauncher, tmp_path):
        class Looks(Record):
            def __call__(self, event):
                if isinstance(event, Finished):
                    assert (tmp_path / "tidied").exists()
                return super().__call__(event)

        assert do(warm, run(1, tmp_path, model(modules.TidiesUp)), record=Looks()).kinds()

    def test_a_run_may_load_its_data_by_processes(self, warm: LocalLauncher, tmp_path):
        loads = {"data": {"class_path": "tests.run.modules.Loads", "init_args": {"workers": 1}}}
        record = do(warm, *(run(n, tmp_path / str(n), loads) for n in (1, 2)))
        assert record.status(1) == "complete"
        assert record.series("val_loss", 1) == record.series("val_loss", 2)

    def test_an_import_that_starts_a_thread_gets_a_fresh_interpreter(self, tmp_path):
        launcher = LocalLauncher(1)
        try:
            threaded, plain = (
                run(n, tmp_path / str(n), model(m)) for n, m in ((1, Threaded), (2, Toy))
            )
            record = do(launcher, threaded, plain)
        finally:
            launcher.close()
        assert set(record.series("alive", 1)) == {1.0}
        assert record.series("val_loss", 1) == record.series("val_loss", 2)
        assert record.started(1).facts == record.started(2).facts

    @pytest.mark.parametrize(
        ("how", "reason"),
        [
            ({"number": int(signal.SIGSEGV)}, "the worker was killed by signal 11"),
            ({"code": 3}, "the worker exited (3)"),
            ({"code": 0}, "the worker exited (0)"),
        ],
    )
    def test_a_run_that_ends_its_process_ends_its_worker_alike(self, warm, tmp_path, how, reason):
        record = do(warm, run(1, tmp_path, model(modules.Crashes, **how)))
        assert record.events[-1] == Lost(1, Cause.LOST, reason)

    def test_a_killed_worker_loses_its_group_and_is_replaced(self, warm: LocalLauncher, tmp_path):
        before = children(os.getpid())
        record = do(warm, run(1, tmp_path, model(modules.Dies)), resolve(2))
        reason = f"the worker was killed by signal {int(signal.SIGKILL)}"
        losses = [event for event in record.events if isinstance(event, Lost)]
        assert losses == [Lost(job, Cause.LOST, reason) for job in (1, 2)]
        assert warm.free == 1
        assert do(warm, resolve(3)).events[-1] == Finished(3, Outcome(Status.COMPLETE))
        after = children(os.getpid())
        assert len(after) == len(before)
        assert len(after & before) == len(before) - 1

    def test_a_run_that_hangs_is_silent_and_can_be_killed(self, warm: LocalLauncher, tmp_path):
        record = Record()
        warm.submit([run(1, tmp_path, model(modules.Slow, hangs_at=6))])
        wait(warm, record, lambda: any(isinstance(event, Progress) for event in record.events))
        signs = []
        for _ in range(2):
            until = time.monotonic() + 3
            while time.monotonic() < until:
                warm.poll(record, 0.1)
            signs.append(sum(isinstance(event, Progress) for event in record.events))
        assert signs[0] == signs[1]
        warm.kill(1, Cause.STALLED, "no sign of life")
        wait(warm, record, lambda: "Lost" in record.kinds())
        assert record.events[-1] == Lost(1, Cause.STALLED, "no sign of life")

    def test_a_run_whose_worker_is_killed_gives_the_same_numbers(self, warm, tmp_path):
        changes = {"trainer.max_epochs": 3, "model.init_args.dropout": 0.2}

        class Dies(Record):
            def __call__(self, event):
                if isinstance(event, Reported) and event.epoch == 2:
                    warm.kill(1, Cause.STALLED, "killed")
                return super().__call__(event)

        asked = {"supervised": True, "checkpoint_every": 0}
        # The first run of a fresh worker, the second of a warm one, and one that is continued.
        first = do(warm, run(1, tmp_path / "first", changes, **asked))
        second = do(warm, run(1, tmp_path / "second", changes, **asked))
        lost = do(warm, run(1, tmp_path / "third", changes, **asked), record=Dies())
        assert lost.kinds()[-1] == "Lost"
        third = do(warm, run(1, tmp_path / "third", changes, resume=True, **asked))
        assert first.reports() == second.reports() == third.reports()
        assert "resumed at epoch 2" in (tmp_path / "third" / "run.log").read_text()

    def test_interrupting_reaches_a_run_that_waits_for_a_decision(self, warm, tmp_path):
        class NoAnswerError(Exception):
            pass

        class Silent(Record):
            def __call__(self, event):
                super().__call__(event)
                if isinstance(event, Reported) and event.objective is not None:
                    raise NoAnswerError
                return "continue"

        record = Silent()
        warm.submit([run(1, tmp_path, supervised=True)])
        with pytest.raises(NoAnswerError):
            wait(warm, record, lambda: "Finished" in record.kinds())
        warm.interrupt()
        wait(warm, record, lambda: "Finished" in record.kinds())
        assert record.status() == "interrupted"

    @pytest.mark.parametrize("target", ["worker", "process group", "run"])
    def test_a_terminated_worker_ends_its_run_with_the_epoch(self, warm, tmp_path, target):
        slow = {
            **model(modules.Slow, seconds=0.05, pid_file=str(tmp_path / "pid")),
            "data": {"class_path": "tests.run.modules.Loads", "init_args": {"workers": 1}},
            "trainer.max_epochs": 100,
        }
        job = run(1, tmp_path, slow, resume=True)
        warm.submit([job])
        assert eventually((tmp_path / "pid").exists)
        worker = int((tmp_path / "pid").read_text())
        if target == "run":
            (process,) = children(worker)
            os.kill(process, signal.SIGTERM)
        else:
            (os.kill if target == "worker" else os.killpg)(worker, signal.SIGTERM)
        record = Record()
        wait(warm, record, lambda: "Finished" in record.kinds())
        assert record.status() == "interrupted"
        assert len(record.reports("train")) <= 1
        assert alive(worker)
        assert (tmp_path / FILE).exists() or target == "process group"

    def test_an_idle_worker_that_is_terminated_is_replaced(self, warm, tmp_path):
        do(warm, run(1, tmp_path, model(modules.Slow, seconds=0, pid_file=str(tmp_path / "pid"))))
        worker = int((tmp_path / "pid").read_text())
        os.kill(worker, signal.SIGTERM)
        assert eventually(lambda: not alive(worker))
        record = Record()
        warm.poll(record, 1)
        assert not record.events
        assert do(warm, resolve(2)).events[-1] == Finished(2, Outcome(Status.COMPLETE))

    def test_a_full_disk_does_not_end_the_worker(self, warm, tmp_path):
        (tmp_path / "1").mkdir()
        (tmp_path / "1" / "run.log").symlink_to("/dev/full")
        record = do(warm, run(1, tmp_path / "1", model(modules.Prints)), run(2, tmp_path / "2"))
        assert record.cause(1) == Cause.NO_SPACE
        assert record.status(2) == "complete"

    def test_closing_ends_a_run_and_the_processes_that_it_started(self, tmp_path):
        others = children(os.getpid())
        launcher = LocalLauncher(1)
        launcher.submit([run(1, tmp_path, model(modules.Spawns, pid_file=str(tmp_path / "pid")))])
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

    def test_a_worker_killed_while_it_starts_is_replaced(self):
        before = children(os.getpid())
        launcher = LocalLauncher(1)
        try:
            (worker,) = children(os.getpid()) - before
            os.kill(worker, signal.SIGKILL)
            assert launcher.facts().profile in {"cpu", "cuda", "mps"}
            assert worker not in children(os.getpid())
        finally:
            launcher.close()

    def test_workers_that_cannot_start_are_an_error(self, monkeypatch):
        monkeypatch.setenv("PYTHONHOME", "/nowhere")
        launcher = LocalLauncher(1)
        try:
            with pytest.raises(RunError, match="a worker could not start") as caught:
                launcher.facts()
            assert "No module named 'encodings'" in str(caught.value)
        finally:
            launcher.close()
