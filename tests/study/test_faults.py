"""Faults outside the runs: each is refused, or noticed and said, and costs nothing."""

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from ablate.errors import RequestError, RunError, SpecError
from ablate.run import (
    Event,
    Finished,
    InProcessLauncher,
    LocalLauncher,
    Reported,
    Resolve,
    Run,
)
from ablate.spec import Cause, Outcome, Status
from ablate.store import database as clocked

from .conftest import ABLATION, CONFIG, SEARCH, Project, replay, search

GRID = {
    "class_path": "optuna.samplers.GridSampler",
    "init_args": {
        "search_space": {
            "optimizer.init_args.lr": [0.001, 0.01],
            "model.init_args.width": [4, 8],
        }
    },
}

LEARNING_RATE = {k: v for k, v in SEARCH["space"].items() if "lr" in k}

TERMINATES = """
import os
import signal
import subprocess
import time
from pathlib import Path

import toy


class Terminates(toy.Toy):
    def on_train_epoch_start(self):
        mark = Path("terminated")
        if self.current_epoch == 1 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGTERM)


class HangsBesideADaemon(toy.Toy):
    def on_train_epoch_start(self):
        if self.current_epoch == 1 and not Path("sleeper").exists():
            held = [os.dup(n) for n in range(3, 99) if os.path.exists(f"/proc/self/fd/{n}")]
            if os.fork() == 0:
                os.setsid()
                for number in held:
                    os.set_inheritable(number, True)
                sleeper = subprocess.Popen(["sleep", "600"], close_fds=False)
                Path("sleeper").write_text(str(sleeper.pid))
                os._exit(0)
            time.sleep(600)


class Moves(toy.Toy):
    def __init__(self, width=4):
        super().__init__(width=width)
        os.chdir("elsewhere")


class SaysNothingLegible(toy.Toy):
    def on_train_epoch_end(self):
        if self.current_epoch:
            raise ValueError("\\0\\x1b[2J\\ud800")


class AlwaysTerminates(toy.Toy):
    def on_train_epoch_start(self):
        if self.current_epoch:
            os.kill(os.getpid(), signal.SIGTERM)
"""

SAMPLERS = """
import optuna


class Raises(optuna.samplers.RandomSampler):
    \"\"\"Fails from its n-th trial on.\"\"\"

    def __init__(self, n, seed=None):
        super().__init__(seed)
        self.n = n

    def sample_independent(self, study, trial, name, distribution):
        if trial.number >= self.n:
            raise ValueError("no more numbers")
        return super().sample_independent(study, trial, name, distribution)


class Refuses(optuna.pruners.BasePruner):
    def prune(self, study, trial):
        raise KeyError("no such bracket")
"""


@pytest.fixture
def modules(project: Project) -> Project:
    (project.folder / "ends.py").write_text(TERMINATES)
    (project.folder / "samplers.py").write_text(SAMPLERS)
    return project


def of(class_path: str, epochs: int = 3) -> dict:
    trainer = {**CONFIG["trainer"], "max_epochs": epochs}
    return {**CONFIG, "model": {"class_path": class_path}, "trainer": trainer}


class TestATerminatedWorker:
    def test_its_run_goes_on_on_another_one(self, modules: Project) -> None:
        modules.config(of("ends.Terminates"))
        modules.study("s", SEARCH, space=LEARNING_RATE)
        summary = search("s", modules.request(launcher=LocalLauncher))
        assert (modules.folder / "terminated").exists()
        assert summary.counts == {Status.COMPLETE: 5}

    def test_a_run_that_always_ends_so_fails(self, modules: Project) -> None:
        modules.config(of("ends.AlwaysTerminates", epochs=9))
        study = {**ABLATION, "arms": {"one": {}}, "floor": {}, "seeds": [1]}
        modules.study("a", {k: v for k, v in study.items() if k != "reference"})
        (run,) = replay("a", modules.request(launcher=LocalLauncher)).runs
        assert run.status == Status.INTERRUPTED
        with modules.store() as store:
            (trial,) = store.trials("a")
        assert trial.state == Status.FAILED
        assert "(3 attempts)" in trial.user_attrs["reason"]


class TestAnUnusableFolderOfResults:
    def test_is_refused_with_nothing_written(self, project: Project) -> None:
        project.study("s", SEARCH)
        project.study("a", ABLATION)
        (project.folder / "file").write_text("in the way")
        before = project.files()
        for command in (lambda r: search("s", r), lambda r: replay("a", r)):
            with pytest.raises(RequestError, match=r"--results .*file is no folder"):
                command(project.request(results=Path("file/results")))
        assert project.files() == before

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
    def test_is_refused_if_it_is_closed(self, project: Project) -> None:
        project.study("s", SEARCH)
        closed = project.folder / "closed"
        closed.mkdir(mode=0o500)
        with pytest.raises(RequestError, match="can't be written to"):
            search("s", project.request(results=closed))

    def test_ends_a_search_that_continues_when_it_is_back(self, project: Project) -> None:
        project.study("s", SEARCH)
        results = Path("out")

        class InTheWay(InProcessLauncher):
            """Puts a file in the place of the folder when the third run is to begin."""

            def submit(self, jobs):
                if len(list(results.glob("s/*"))) == 2:
                    shutil.rmtree(results)
                    results.write_text("in the way")
                super().submit(jobs)

        request = project.request(results=results, launcher=lambda _: InTheWay())
        with pytest.raises(RunError, match="make the folder writable and run the same command"):
            search("s", request)
        with project.store() as store:
            states = [trial.state for trial in store.trials("s")]
        assert Status.FAILED not in states
        results.unlink()
        assert search("s", project.request(results=results)).counts == {Status.COMPLETE: 5}


class TestAModuleThatGoesToAnotherFolder:
    @pytest.mark.parametrize("launcher", [LocalLauncher, lambda _: InProcessLauncher()])
    def test_takes_none_of_its_files_along(self, modules: Project, launcher) -> None:
        (modules.folder / "elsewhere").mkdir()
        callbacks = [
            {
                "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
                "init_args": {"dirpath": "kept"},
            }
        ]
        logger = {
            "class_path": "lightning.pytorch.loggers.CSVLogger",
            "init_args": {"save_dir": "logs"},
        }
        own = {"enable_checkpointing": True, "callbacks": callbacks, "logger": logger}
        moves = of("ends.Moves")
        modules.config({**moves, "trainer": {**moves["trainer"], **own}})
        modules.study("s", SEARCH, space=LEARNING_RATE, budget={"trials": 1})
        summary = search("s", modules.request(launcher=launcher))
        assert summary.counts == {Status.COMPLETE: 1}
        assert list((modules.folder / "elsewhere").iterdir()) == []
        (folder,) = (modules.folder / "results" / "s").iterdir()
        assert list(folder.glob("kept/*.ckpt"))
        assert list(folder.glob("logs/**/metrics.csv"))
        with modules.store() as store:
            assert store.runs("s")[0].directory == str(Path("results", "s", folder.name))


class TestASystemThatStartsNoMoreProcesses:
    def test_ends_a_search_that_continues_when_it_does(self, project: Project) -> None:
        reason = "the system starts no process for a run: Resource temporarily unavailable"
        refused = Outcome(Status.INTERRUPTED, Cause.NO_PROCESS, reason)

        class Refuses(InProcessLauncher):
            """Starts no process after the first run, be it for a run or before."""

            def __init__(self, kind):
                super().__init__()
                self.kind, self.refused, self.runs = kind, [], 0

            def submit(self, jobs):
                self.runs += isinstance(jobs[0], Run)
                if isinstance(jobs[0], self.kind) and self.runs > (self.kind is Run):
                    self.refused += jobs
                else:
                    super().submit(jobs)

            def poll(self, handle, timeout):
                while self.refused:
                    handle(Finished(self.refused.pop().id, refused))
                super().poll(handle, timeout)

        project.study("s", SEARCH)
        for kind in (Run, Resolve):
            with pytest.raises(RunError, match=r"starts no process .* run the same command again"):
                search("s", project.request(launcher=lambda _, kind=kind: Refuses(kind)))
            with project.store() as store:
                assert Status.FAILED not in {trial.state for trial in store.trials("s")}
        assert search("s", project.request()).counts == {Status.COMPLETE: 5}


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc").exists(), reason="looks processes up in /proc")
class TestARunThatHangsBesideADaemon:
    def test_ends_when_it_stalls_with_all_that_came_from_it(self, modules: Project) -> None:
        modules.config(of("ends.HangsBesideADaemon"))
        modules.study(
            "s",
            SEARCH,
            space=LEARNING_RATE,
            budget={"trials": 1},
            # A worker on a busy machine may take as long to start.
            limits={"stall": 8, "attempts": 9},
        )
        summary = search("s", modules.request(launcher=LocalLauncher))
        assert summary.counts == {Status.COMPLETE: 1}
        with modules.store() as store:
            first, *_, last = store.runs("s")
        assert (first.cause, first.reason) == (Cause.STALLED, "no progress for 8 s")
        assert last.status == Status.COMPLETE
        sleeper = int((modules.folder / "sleeper").read_text())
        assert not psutil.pid_exists(sleeper)


class TestATextThatIsNone:
    def test_is_recorded_as_escapes(self, modules: Project) -> None:
        modules.config(of("ends.SaysNothingLegible"))
        modules.study("s", SEARCH, space=LEARNING_RATE, budget={"trials": 1})
        search("s", modules.request())
        with modules.store() as store:
            reason = store.trials("s")[0].user_attrs["reason"]
        assert reason == r"ValueError: \x00\x1b[2J\ud800 (twice)"


class TestAClockThatJumps:
    @pytest.mark.parametrize("hours", [9, -9])
    def test_uses_up_no_budget(
        self, project: Project, monkeypatch: pytest.MonkeyPatch, hours: int
    ) -> None:
        jumps = iter(range(1, 10_000))

        class Jumps(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(UTC) + next(jumps) * timedelta(hours=hours)

        monkeypatch.setattr(clocked, "datetime", Jumps)
        for trials in (2, 4):
            project.study("s", SEARCH, budget={"trials": trials, "timeout": 600})
            counts = search("s", project.request()).counts
            assert counts == {Status.COMPLETE: trials}
        with project.store() as store:
            assert 0 <= store.active_seconds("s") < 600


class TestASampler:
    @pytest.mark.parametrize(
        ("sampler", "words"),
        [
            ({"class_path": "samplers.Raises", "init_args": {"n": 3}}, "ValueError: no more"),
            (
                {**GRID, "init_args": {"search_space": {"lr": [1, 2]}}},
                "the sampler GridSampler failed",
            ),
        ],
    )
    def test_that_fails_is_refused_with_nothing_written(
        self, modules: Project, sampler: dict, words: str
    ) -> None:
        modules.study("s", SEARCH, sampler=sampler)
        before = modules.files()
        with pytest.raises(SpecError, match=words):
            search("s", modules.request())
        assert modules.files() == before

    def test_a_pruner_that_fails_too(self, modules: Project) -> None:
        modules.study("s", SEARCH, pruner={"class_path": "samplers.Refuses"})
        before = modules.files()
        with pytest.raises(SpecError, match=r"the pruner Refuses failed: KeyError: 'no such"):
            search("s", modules.request())
        assert modules.files() == before

    def test_that_fails_later_ends_the_search_in_one_sentence(self, modules: Project) -> None:
        sampler = {"class_path": "samplers.Raises", "init_args": {"n": 14}}
        modules.study("s", SEARCH, sampler=sampler, budget={"trials": 16})
        with pytest.raises(RunError, match="the sampler Raises failed: ValueError: no more"):
            search("s", modules.request())
        with modules.store() as store:
            trials = store.trials("s")
        assert {trial.state for trial in trials[:10]} == {Status.COMPLETE}

    def test_that_has_tried_all_there_is_ends_the_search(self, project: Project, told) -> None:
        space = {
            "optimizer.init_args.lr": {"float": [0.001, 0.01]},
            "model.init_args.width": {"choice": [4, 8]},
        }
        project.study("s", SEARCH, sampler=GRID, space=space, window=1, budget={"trials": 99})
        summary = search("s", project.request(say=told))
        assert summary.counts == {Status.COMPLETE: 4}
        assert any("has tried all there is" in line for line in told)
        with project.store() as store:
            assert len({str(trial.params) for trial in store.trials("s")}) == 4
        assert search("s", project.request()).counts == {Status.COMPLETE: 4}


class TestFailedTrials:
    def test_are_tried_again_when_asked_and_replaced_in_the_budget(self, project: Project) -> None:
        (project.folder / "cured.py").write_text(
            "from pathlib import Path\nimport toy\n\n\nclass Cured(toy.Toy):\n"
            "    def on_train_epoch_start(self):\n"
            "        if self.current_epoch and not Path('cure').exists():\n"
            "            raise RuntimeError('ill')\n"
        )
        project.config(of("cured.Cured"))
        project.study("s", SEARCH, budget={"trials": 3})
        first = search("s", project.request())
        assert first.counts == {Status.FAILED: 3}
        assert first.failed == 3
        (project.folder / "cure").touch()
        assert search("s", project.request()).counts == {Status.FAILED: 3}, "only when asked"
        again = search("s", project.request(), retry_failed=True)
        assert again.counts == {Status.FAILED: 3, Status.COMPLETE: 3}
        assert again.failed == 0
        with project.store() as store:
            trials = store.trials("s")
        assert [t.user_attrs.get("retries") for t in trials] == [None] * 3 + [0, 1, 2]
        assert [t.params for t in trials[3:]] == [t.params for t in trials[:3]]
        project.study("s", SEARCH, budget={"trials": 4})
        assert search("s", project.request()).counts == {Status.FAILED: 3, Status.COMPLETE: 4}


class TestTheDatabase:
    @pytest.mark.parametrize("replaced", [False, True])
    def test_is_missed_when_it_is_deleted_or_replaced_under_a_search(
        self, project: Project, replaced: bool
    ) -> None:
        project.study("s", SEARCH, budget={"trials": 500})
        database = project.folder / "results" / "ablate.db"

        class Loses(InProcessLauncher):
            """Loses the database with the third report."""

            reports = 0

            def poll(self, handle, timeout):
                def then(event: Event):
                    self.reports += isinstance(event, Reported)
                    if self.reports == 3 and database.exists():
                        copy = database.read_bytes()
                        database.unlink()
                        if replaced:
                            database.with_suffix(".new").write_bytes(copy)
                            database.with_suffix(".new").rename(database)
                    return handle(event)

                super().poll(then, timeout)

        word = "replaced by another file" if replaced else "deleted"
        with pytest.raises(RunError, match=f"was {word} while it was in use"):
            search("s", project.request(launcher=lambda _: Loses()))
