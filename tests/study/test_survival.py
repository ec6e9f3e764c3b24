"""Runs that die, hang or raise become new attempts; equal runs are not paid for twice."""

import signal
import sys
import threading
import time
from dataclasses import replace
from typing import Any

import optuna
import pytest

from ablate.errors import Interrupted, RequestError, RunError, StorageError, Unavailable
from ablate.run import (
    Decision,
    Event,
    Finished,
    InProcessLauncher,
    Job,
    Lost,
    Probed,
    Progress,
    Reported,
    Run,
    Started,
    WorkerFacts,
)
from ablate.run.environment import worker_facts
from ablate.spec import Cause, Outcome, Status
from ablate.store import Store
from ablate.study import Request, verify
from ablate.study.reproducibility import irreproducible
from ablate.workflow.standings import status
from ablate.workflow.verifications import VerifyResult
from tests.study.conftest import ABLATION, CONFIG, SEARCH, Project, replay, search

LR = "optimizer.init_args.lr"
MISHAP = "model.init_args.mishap"


class Losing(InProcessLauncher):
    """Loses the worker of the first runs after their second report."""

    def __init__(self, losses: int) -> None:
        super().__init__()
        self.losses = losses
        self.resumed: list[bool] = []

    def submit(self, jobs: Any) -> None:
        self.resumed += [job.resume for job in jobs if isinstance(job, Run)]
        super().submit(jobs)

    def poll(self, handle: Any, timeout: float) -> None:
        class WorkerDied(BaseException):
            pass

        reports: dict[int, int] = {}

        def losing(event: Event) -> Decision:
            if isinstance(event, Reported) and event.objective is not None:
                reports[event.job] = reports.get(event.job, 0) + 1
                if reports[event.job] == 2 and self.losses:
                    self.losses -= 1
                    raise WorkerDied(event.job)
            return handle(event)

        try:
            super().poll(losing, timeout)
        except WorkerDied as death:
            handle(Lost(death.args[0], Cause.LOST, "the worker was killed by signal 9"))


def test_a_lost_run_is_another_attempt_of_the_same_trial(project: Project) -> None:
    project.study("s", SEARCH, limits={"checkpoint": 0}, budget={"trials": 2})
    launcher = Losing(1)
    result = search("s", project.request(launcher=lambda _: launcher))
    assert result.counts == {"complete": 2}
    assert launcher.resumed == [False, True, False]
    whole = search("s", project.request(storage="sqlite:///whole.db"))
    with project.store() as store, Store.open(whole.storage, create=False) as peaceful:
        attempts = [(run.trial, run.attempt, run.status, run.reason) for run in store.runs("s")]
        assert attempts == [
            (0, 1, "failed", "the worker was killed by signal 9"),
            (0, 2, "complete", None),
            (1, 1, "complete", None),
        ]
        assert rows(store) == rows(peaceful)


def rows(store: Store) -> list[tuple[int, str, str, int, float]]:
    """Return the metric rows of each trial's last attempt."""
    last = {run.id: run.trial for run in {run.trial: run for run in store.runs("s")}.values()}
    return [
        (last[row.run_id], row.phase, row.name, row.step, row.value)
        for row in store.metrics("s")
        if row.run_id in last
    ]


def test_a_run_lost_too_often_fails_with_the_reason(project: Project) -> None:
    project.study("s", SEARCH, limits={"attempts": 2}, budget={"trials": 2})
    result = search("s", project.request(launcher=lambda _: Losing(2)))
    assert result.counts == {"failed": 1, "complete": 1}
    with project.store() as store:
        reason = store.trials("s")[0].user_attrs["reason"]
    assert reason == "the worker was killed by signal 9 (2 attempts)"


def test_the_same_exception_twice_is_not_tried_a_third_time(project: Project) -> None:
    project.study(
        "s",
        SEARCH,
        space={MISHAP: {"choice": ["raise", "none"]}},
        enqueue=[{MISHAP: "raise"}],
        budget={"trials": 1},
        limits={"attempts": 9},
    )
    search("s", project.request())
    with project.store() as store:
        assert [run.attempt for run in store.runs("s")] == [1, 2]
        assert store.trials("s")[0].user_attrs["reason"] == (
            "KeyError: 'the module raised' (twice)"
        )


def test_a_diverged_run_is_not_tried_again(project: Project) -> None:
    project.study(
        "s",
        SEARCH,
        space={MISHAP: {"choice": ["nan loss", "none"]}},
        enqueue=[{MISHAP: "nan loss"}],
        budget={"trials": 1},
    )
    search("s", project.request())
    with project.store() as store:
        (run,) = store.runs("s")
    assert run.status == "failed"
    assert run.reason is not None
    assert run.reason.startswith("diverged")


class Hanging(InProcessLauncher):
    """Says once that the first run makes progress, then hangs until it is killed."""

    def __init__(self) -> None:
        super().__init__()
        self.hung: Job | None = None
        self.killed: list[tuple[Cause, str]] = []

    def submit(self, jobs: Any) -> None:
        if isinstance(jobs[0], Run) and not self.killed and self.hung is None:
            self.hung = jobs[0]
        else:
            super().submit(jobs)

    @property
    def free(self) -> int:
        return 0 if self.hung and not self.killed else super().free

    def poll(self, handle: Any, timeout: float) -> None:
        if self.hung and not self.killed:
            time.sleep(0.05)
            handle(Progress(self.hung.id, 1, 0)) if self.beating else None
        elif self.hung:
            job, self.hung = self.hung, None
            handle(Lost(job.id, *self.killed[0]))
        super().poll(handle, timeout)

    beating = False

    def kill(self, job: int, cause: Cause, reason: str) -> None:
        self.killed.append((cause, reason))


class Beating(Hanging):
    """Hangs while it says that it makes progress."""

    beating = True


@pytest.mark.parametrize(
    ("launcher", "limits", "cause", "reason"),
    [
        (Hanging, {"stall": 0.3}, Cause.STALLED, "no progress for 0.3 s"),
        (Beating, {"stall": 0.3, "wall": 0.6}, Cause.OVER_TIME, "not done after 0.6 s"),
    ],
)
def test_a_hung_or_overlong_run_is_ended_and_tried_again(
    project: Project,
    launcher: type[Hanging],
    limits: dict[str, float],
    cause: Cause,
    reason: str,
) -> None:
    project.study("s", SEARCH, limits=limits, budget={"trials": 1})
    hanging = launcher()
    assert search("s", project.request(launcher=lambda _: hanging)).counts == {"complete": 1}
    assert hanging.killed[0] == (cause, reason)
    with project.store() as store:
        assert [(run.status, run.reason) for run in store.runs("s")] == [
            ("failed", reason),
            ("complete", None),
        ]


class Moving(InProcessLauncher):
    """Describes itself as one machine, while its runs are done on another."""

    def poll(self, handle: Any, timeout: float) -> None:
        def moving(event: Event) -> Decision:
            if isinstance(event, Started):
                event = replace(event, facts=replace(event.facts, device="D2", host="second"))
            return handle(event)

        super().poll(moving, timeout)


def test_a_run_is_recorded_with_what_its_own_worker_stands_on(project: Project) -> None:
    project.study("s", SEARCH, budget={"trials": 1})
    search("s", project.request(launcher=lambda _: Moving()))
    with project.store() as store:
        (run,) = store.runs("s")
        environment = store.environments("s")[run.environment].facts
    assert run.device == "D2"
    assert (environment["device"], environment["host"]) == ("D2", "second")


class Stillborn(InProcessLauncher):
    """Loses the worker of the first run before it has begun it."""

    lost = False

    def submit(self, jobs: Any) -> None:
        super().submit(jobs)
        if isinstance(jobs[0], Run) and not self.lost:
            self.lost = True
            self.kill(jobs[0].id, Cause.LOST, "the worker was killed by signal 9")


def test_a_run_that_no_worker_began_is_an_attempt_too(project: Project) -> None:
    project.study("s", SEARCH, budget={"trials": 1})
    launcher = Stillborn()
    assert search("s", project.request(launcher=lambda _: launcher)).counts == {"complete": 1}
    with project.store() as store:
        attempts = [(run.attempt, run.status, run.device) for run in store.runs("s")]
    device = launcher.facts().device
    assert attempts == [(1, "failed", device), (2, "complete", device)]


def test_another_host_is_no_difference(project: Project) -> None:
    class Renamed(InProcessLauncher):
        def facts(self) -> WorkerFacts:
            return replace(super().facts(), host="another name")

    project.study("s", SEARCH, budget={"trials": 1})
    search("s", project.request())
    verdict = verify("s/0", project.request(launcher=lambda _: Renamed()))
    assert verdict.exact
    assert verdict.differences == ()
    with project.store() as store:
        (again,) = store.environments("s-0").values()
    assert again.facts["host"] == "another name"


class Counting(InProcessLauncher):
    """Counts the runs it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.seeds: list[int] = []

    def submit(self, jobs: Any) -> None:
        self.seeds += [job.config["seed_everything"] for job in jobs if isinstance(job, Run)]
        super().submit(jobs)


TWICE = {
    "space": {LR: {"choice": [0.01, 0.02]}},
    "enqueue": [{LR: 0.01}, {LR: 0.02}, {LR: 0.01}],
    "budget": {"trials": 3},
    "window": 1,
}


def test_a_duplicate_of_a_finished_trial_reuses_its_result(project: Project) -> None:
    project.study("s", SEARCH, **TWICE)
    launcher = Counting()
    assert search("s", project.request(launcher=lambda _: launcher)).counts == {"complete": 3}
    assert len(launcher.seeds) == 2
    with project.store() as store:
        first, _, copy = store.past("s")
    assert copy.user_attrs["reused_from"] == 0
    assert (copy.value, copy.intermediate_values) == (first.value, first.intermediate_values)


def test_with_several_seeds_a_duplicate_is_another_replicate(project: Project) -> None:
    project.study("s", SEARCH, **{**TWICE, "seeds": [1, 2]})
    launcher = Counting()
    search("s", project.request(launcher=lambda _: launcher))
    assert launcher.seeds[:4] == [1, 2, 1, 2]
    assert len(set(launcher.seeds)) == 4
    with project.store() as store:
        first, _, copy = store.past("s")
    assert copy.user_attrs["replicate_of"] == 0
    assert copy.value != first.value


def test_a_second_command_on_the_same_study_is_refused(project: Project) -> None:
    project.study("s", SEARCH, budget={"trials": 1})
    search("s", project.request())
    project.study("s", SEARCH, budget={"trials": 2})
    with project.store() as store, store.lock("s"):
        store.start_session("s")
        with pytest.raises(RequestError, match="already being run by process"):
            search("s", project.request())
        assert len(store.trials("s")) == 1


def test_a_signal_ends_the_command_and_what_ran_continues(project: Project) -> None:
    project.study("s", SEARCH, limits={"checkpoint": 0})

    class Interrupting(InProcessLauncher):
        def poll(self, handle: Any, timeout: float) -> None:
            def interrupting(event: Event) -> Decision:
                if isinstance(event, Reported) and event.epoch == 1:
                    signal.raise_signal(signal.SIGTERM)
                    self.interrupt()
                return handle(event)

            super().poll(interrupting, timeout)

    with pytest.raises(Interrupted, match="continues"):
        search("s", project.request(launcher=lambda _: Interrupting()))
    with project.store() as store:
        (run,) = store.runs("s")
    assert run.status == "interrupted"
    assert search("s", project.request()).counts == {"complete": 5}
    whole = search("s", project.request(storage="sqlite:///whole.db"))
    with project.store() as store, Store.open(whole.storage, create=False) as peaceful:
        assert rows(store) == rows(peaceful)


def test_the_storage_may_go_away_for_a_while(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.study("s", SEARCH)
    write, away = Store.write, threading.Event()
    told: list[str] = []

    def flaky(self: Store, batch: Any) -> None:
        if batch.metrics and not away.is_set():
            away.set()
            raise Unavailable("the database does not answer")
        write(self, batch)

    monkeypatch.setattr(Store, "write", flaky)
    result = search("s", project.request(say=told.append))
    assert away.is_set()
    assert any("does not answer; runs go on" in line for line in told)
    assert result.counts == {"complete": 5}
    with project.store() as store:
        assert len(store.metrics("s", ["val_loss"])) == 15


def test_a_recorded_trial_that_comes_out_again_matches(project: Project) -> None:
    project.study("s", SEARCH, budget={"trials": 2})
    search("s", project.request())
    verdict = verify("s/1", project.request())
    assert verdict.exact
    assert verdict.matches
    assert verdict.compared > 10
    assert verdict.differences == ()


def test_a_drift_names_what_it_rests_on(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.study("s", SEARCH, budget={"trials": 1})
    search("s", project.request())

    class Newer(InProcessLauncher):
        def facts(self) -> WorkerFacts:
            facts = super().facts()
            return replace(facts, libraries={**facts.libraries, "torch": "99.0"})

        def submit(self, jobs: Any) -> None:
            for job in jobs:
                job.config["model"]["init_args"]["dropout"] = 0.3
            super().submit(jobs)

    verdict = verify("s/0", project.request(launcher=lambda _: Newer()))
    assert not verdict.matches
    changed = {item.what: (item.recorded, item.now) for item in verdict.differences}
    assert changed["environment libraries.torch"][1] == "99.0"
    assert changed["config model.init_args.dropout"] == (0.1, 0.3)
    assert verify("s/0", project.request(launcher=lambda _: Newer()), tolerance=1e9).matches


def test_other_hardware_is_given_a_stated_tolerance(project: Project) -> None:
    project.study("s", SEARCH, budget={"trials": 1})
    search("s", project.request())

    class Elsewhere(InProcessLauncher):
        def facts(self) -> WorkerFacts:
            return replace(super().facts(), device="another processor")

    verdict = verify("s/0", project.request(launcher=lambda _: Elsewhere()))
    assert verdict.tolerance == 0.01
    assert verdict.matches


class Healed(InProcessLauncher):
    """Runs the toy without its mishap."""

    def submit(self, jobs: Any) -> None:
        for job in jobs:
            if isinstance(job, Run):
                job.config["model"]["init_args"]["mishap"] = "none"
        super().submit(jobs)


def failing(project: Project, mishap: str) -> None:
    """Search with one trial, which fails in its second epoch."""
    project.study(
        "s",
        SEARCH,
        space={MISHAP: {"choice": [mishap, "none"]}},
        enqueue=[{MISHAP: mishap}],
        budget={"trials": 1},
    )
    assert search("s", project.request()).counts == {"failed": 1}


@pytest.mark.parametrize(("mishap", "cause"), [("raise", "raised"), ("nan loss", "diverged")])
def test_a_failed_run_matches_if_it_fails_again_alike(
    project: Project, mishap: str, cause: str
) -> None:
    failing(project, mishap)
    verdict = verify("s/0", project.request())
    assert verdict.exact
    assert verdict.compared > 0
    (ending,) = verdict.endings
    assert ending.recorded.cause == ending.now.cause == cause
    assert f"seed 7 failed again: {cause}" in VerifyResult(**vars(verdict)).summary()


def test_a_failed_run_that_does_not_fail_again_is_a_drift(project: Project) -> None:
    failing(project, "raise")
    verdict = verify("s/0", project.request(launcher=lambda _: Healed()), tolerance=1e9)
    assert not verdict.matches
    assert not verdict.exact
    summary = VerifyResult(**vars(verdict)).summary()
    assert "seed 7: failed: raised: KeyError: 'the module raised' recorded, complete now" in summary


def test_a_failed_run_that_fails_for_another_cause_is_a_drift(project: Project) -> None:
    failing(project, "raise")

    class Otherwise(Healed):
        def submit(self, jobs: Any) -> None:
            super().submit(jobs)
            for job in jobs:
                if isinstance(job, Run):
                    job.config["model"]["init_args"]["mishap"] = "nan loss"

    verdict = verify("s/0", project.request(launcher=lambda _: Otherwise()))
    assert not verdict.matches
    assert "diverged" in VerifyResult(**vars(verdict)).summary()


def raising(project: Project, what: str) -> None:
    """Search with one trial, whose module raises a given expression in its second epoch."""
    (project.folder / "varied.py").write_text(
        "import os\nfrom toy import Toy\n\nclass Raises(Toy):\n"
        "    def training_step(self, batch, index):\n        if self.current_epoch:\n"
        f"            raise {what}\n        return super().training_step(batch, index)\n"
    )
    project.config({**CONFIG, "model": {"class_path": "varied.Raises"}})
    project.study("s", SEARCH, budget={"trials": 1})
    sys.modules.pop("varied", None)
    assert search("s", project.request()).counts == {"failed": 1}


@pytest.mark.parametrize(
    "what",
    [
        "ValueError(f'{object()}')",
        "FileNotFoundError(os.path.join(self.trainer.default_root_dir, 'x.pt'))",
    ],
    ids=["address", "folder"],
)
def test_the_same_exception_matches_wherever_the_run_lies(project: Project, what: str) -> None:
    raising(project, what)
    verdict = verify("s/0", project.request(), allowed=["varied"])
    assert verdict.exact, VerifyResult(**vars(verdict)).summary()


@pytest.mark.parametrize("now", ["KeyError('the table')", "ValueError('another table')"], ids=repr)
def test_another_exception_is_a_drift(project: Project, now: str) -> None:
    raising(project, "ValueError('the table')")
    (project.folder / "varied.py").write_text(
        (project.folder / "varied.py").read_text().replace("ValueError('the table')", now)
    )
    sys.modules.pop("varied", None)
    verdict = verify("s/0", project.request(), tolerance=1e9, allowed=["varied"])
    assert not verdict.matches
    summary = VerifyResult(**vars(verdict)).summary()
    assert "seed 7: failed: raised: ValueError: the table recorded, failed: raised: " in summary


def test_a_run_that_was_lost_is_not_called_nondeterministic(project: Project) -> None:
    project.study("s", SEARCH, limits={"attempts": 1}, budget={"trials": 1})
    search("s", project.request(launcher=lambda _: Losing(1)))
    verdict = verify("s/0", project.request())
    assert not verdict.matches
    assert "ended from outside" in VerifyResult(**vars(verdict)).summary()


def test_a_drift_of_a_resumed_run_says_where_it_was_continued(project: Project) -> None:
    (project.folder / "resumable.py").write_text(
        "import toy\n"
        "class Tells(toy.Toy):\n"
        "    def on_train_epoch_start(self):\n"
        "        self.log('continued', float(self.trainer.ckpt_path is not None))\n"
    )
    model = {"class_path": "resumable.Tells", "init_args": {"width": 4}}
    project.config({**CONFIG, "model": model})
    project.study("s", SEARCH, limits={"checkpoint": 0}, budget={"trials": 1})
    search("s", project.request(launcher=lambda _: Losing(1)))
    verdict = verify("s/0", project.request(), allowed=["resumable"])
    assert not verdict.matches
    summary = VerifyResult(**vars(verdict)).summary()
    assert "seed 7: 'continued from a checkpoint at epoch 1 (attempt 2)' recorded" in summary
    assert "not deterministic" not in summary


ENDLESS = (
    "import toy\n"
    "class Tells(toy.Toy):\n"
    "    def __init__(self, width: int):\n"
    "        super().__init__(width=width)\n"
    "        self.numbers = (float(number) for number in range(1000))\n"
    "    def on_train_epoch_start(self):\n"
    "        self.log('number', next(self.numbers))\n"
)


def endless(project: Project, **limits: Any) -> Losing:
    """Search with a module whose state can't be kept, and lose its run once."""
    (project.folder / "endless.py").write_text(ENDLESS)
    project.config({**CONFIG, "model": {"class_path": "endless.Tells", "init_args": {"width": 4}}})
    project.study("s", SEARCH, limits={"checkpoint": 0, **limits}, budget={"trials": 1})
    launcher = Losing(1)
    search("s", project.request(launcher=lambda _: launcher))
    return launcher


def test_a_run_that_was_not_resumed_exactly_is_said_to_be_so(project: Project) -> None:
    endless(project)
    (standing,) = status(storage=project.request().storage).studies
    assert list(standing.inexact) == [(0, 7)]
    assert standing.inexact[0, 7][0].startswith("model.numbers is a generator")
    verdict = verify("s/0", project.request(), allowed=["endless"])
    assert not verdict.matches
    summary = VerifyResult(**vars(verdict)).summary()
    assert "seed 7 was not resumed exactly, so that its values may differ" in summary


@pytest.mark.parametrize(("resume", "asked"), [("exact", [False, True]), ("never", [False, False])])
def test_a_study_may_refuse_to_resume(project: Project, resume: str, asked: list[bool]) -> None:
    assert endless(project, resume=resume).resumed == asked
    (standing,) = status(storage=project.request().storage).studies
    assert not standing.inexact
    verdict = verify("s/0", project.request(), allowed=["endless"])
    assert verdict.exact


@pytest.mark.parametrize("name", ["s/99", "nothing/0", "s"])
def test_only_a_recorded_trial_can_be_verified(project: Project, name: str) -> None:
    project.study("s", SEARCH, budget={"trials": 1})
    search("s", project.request())
    with pytest.raises(RequestError):
        verify(name, project.request())


def test_replay_repeats_nothing_that_verify_ran(project: Project) -> None:
    project.study("a", ABLATION, floor={}, seeds=[1])
    request: Request = project.request()
    replay("a", request)
    assert verify("a/1", request).exact
    assert replay("a", request).already_done


def test_a_search_that_cannot_repeat_says_why(project: Project) -> None:
    (project.folder / "unseeded.py").write_text(
        "from optuna.samplers import RandomSampler\n"
        "class Unseeded(RandomSampler):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
    )
    project.study("s", SEARCH, budget={"trials": 1}, sampler={"class_path": "unseeded.Unseeded"})
    search("s", project.request())
    project.study("t", SEARCH, budget={"trials": 1})
    search("t", project.request())
    with project.store() as store:
        said = {
            name: optuna.load_study(study_name=name, storage=store.optuna).user_attrs
            for name in ("s", "t")
        }
    assert said["s"]["reproducible"] == "not reproducible: unseeded.Unseeded takes no seed"
    assert said["t"]["reproducible"] == "yes"


@pytest.mark.parametrize(
    ("trainer", "profile", "why"),
    [
        ({}, "cpu", None),
        ({"deterministic": False}, "cuda", "trainer.deterministic is False on H200"),
        ({"deterministic": True}, "cuda", None),
        ({"max_time": "00:00:10:00"}, "cpu", "trainer.max_time ends the run by the clock"),
    ],
)
def test_a_run_that_cannot_repeat_says_why(
    trainer: dict[str, Any], profile: str, why: str | None
) -> None:
    facts = replace(worker_facts(), profile=profile, device="H200")
    assert irreproducible({"trainer": trainer}, facts) == why


class FillingUp(InProcessLauncher):
    """Reports a full disk at the end of its first run."""

    full = True

    def poll(self, handle: Any, timeout: float) -> None:
        def filling(event: Event) -> Decision:
            if isinstance(event, Finished) and event.steps and self.full:
                self.full = False
                reason = "no space left on the device for results/s"
                full = Outcome(Status.INTERRUPTED, Cause.NO_SPACE, reason)
                return handle(Finished(event.job, full))
            return handle(event)

        super().poll(filling, timeout)


def test_a_full_disk_stops_the_command_and_fails_no_trial(project: Project) -> None:
    project.study("s", SEARCH)
    with pytest.raises(RunError, match=r"no space left .* run the same command again"):
        search("s", project.request(launcher=lambda _: FillingUp()))
    with project.store() as store:
        assert [trial.state for trial in store.trials("s")] == ["running"]
    assert search("s", project.request()).counts == {"complete": 5}


def test_a_storage_that_fails_for_good_stops_the_command(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.study("s", SEARCH)
    write = Store.write

    def full(self: Store, batch: Any) -> None:
        if batch.metrics:
            raise StorageError("the disk of the storage is full: free some space")
        write(self, batch)

    monkeypatch.setattr(Store, "write", full)
    with pytest.raises(RunError, match=r"(?s)is full.*the same command continues"):
        search("s", project.request())
    monkeypatch.undo()
    monkeypatch.chdir(project.folder)
    monkeypatch.syspath_prepend(str(project.folder))
    assert search("s", project.request()).counts == {"complete": 5}


@pytest.mark.parametrize(("losses", "survives"), [(2, True), (3, False)])
def test_a_worker_that_dies_while_a_config_is_tried_is_not_the_end(
    project: Project, losses: int, survives: bool
) -> None:
    class Fragile(InProcessLauncher):
        left = losses

        def poll(self, handle: Any, timeout: float) -> None:
            def losing(event: Event) -> Decision:
                if isinstance(event, Probed) and self.left:
                    self.left -= 1
                    lost.append(event.job)
                    return handle(Lost(event.job, Cause.LOST, "the worker was killed by signal 9"))
                if isinstance(event, Finished) and event.job in lost:
                    lost.remove(event.job)
                    return "continue"
                return handle(event)

            lost: list[int] = []
            super().poll(losing, timeout)

    project.study("s", SEARCH, budget={"trials": 1})
    request = project.request(launcher=lambda _: Fragile())
    if survives:
        assert search("s", request).counts == {"complete": 1}
        return
    with pytest.raises(RunError, match="a worker died while trying a configuration"):
        search("s", request)
