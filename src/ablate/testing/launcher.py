"""What every launcher must do: inherit from LauncherSuite and give it a `launcher` fixture.

A launcher whose runs have processes of their own inherits from IsolatedLauncherSuite.
"""

import time
from collections.abc import Callable
from pathlib import Path

from ablate.run import Decision, Event, Finished, Job, Launcher, Lost, Reported, Started
from ablate.spec import Cause, Outcome, Status
from ablate.testing.jobs import Record, model, probe, resolve, run
from ablate.testing.pollution import Draws, Pollutes, Remembers, Witness

PATIENCE_S = 60


def wait(launcher: Launcher, record: Record, done: Callable[[], bool]) -> None:
    """Poll a launcher until something holds."""
    end = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < end, f"nothing more happened after {record.events}"
        launcher.poll(record, 0.2)


def do(launcher: Launcher, *jobs: Job, record: Record | None = None) -> Record:
    """Run jobs as one group to their end."""
    record = Record() if record is None else record
    launcher.submit(jobs)
    wait(launcher, record, lambda: all({"Finished", "Lost"} & {*record.kinds(j.id)} for j in jobs))
    return record


class LauncherSuite:
    """Behaviour that the coordinator relies on."""

    def test_facts_describe_the_workers(self, launcher: Launcher) -> None:
        facts = launcher.facts()
        assert facts.profile in {"cpu", "cuda", "mps"}
        assert facts.device
        assert facts.host
        assert facts.libraries["torch"]

    def test_a_run_says_what_its_worker_stands_on(self, launcher: Launcher, tmp_path: Path) -> None:
        assert do(launcher, run(1, tmp_path)).started().facts == launcher.facts()

    def test_a_job_is_done_and_its_events_come_in_order(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        record = do(launcher, run(1, tmp_path / "new" / "run"))
        assert record.kinds() == ["Started", "Built", *["Reported"] * 4, "Finished"]
        assert record.status() == "complete"
        assert (tmp_path / "new" / "run" / "config.yaml").is_file()

    def test_every_task_is_done(self, launcher: Launcher) -> None:
        record = do(launcher, resolve(1), probe(2))
        assert record.kinds(1) == ["Resolved", "Finished"]
        assert record.kinds(2) == ["Probed", "Finished"]

    def test_a_worker_is_free_until_it_is_given_a_group_and_again_after_its_last_job(
        self, launcher: Launcher
    ) -> None:
        assert launcher.free == launcher.slots
        launcher.submit([resolve(1), resolve(2)])
        assert launcher.free == launcher.slots - 1
        record = Record()
        wait(launcher, record, lambda: "Finished" in record.kinds(2))
        assert launcher.free == launcher.slots

    def test_nothing_happens_while_nothing_is_submitted(self, launcher: Launcher) -> None:
        launcher.facts()
        record = Record()
        launcher.poll(record, 0.01)
        assert not record.events

    def test_the_jobs_of_a_group_are_done_in_order_on_one_worker(self, launcher: Launcher) -> None:
        record = do(launcher, *(resolve(number) for number in (5, 3, 4)))
        ends = [event.job for event in record.events if isinstance(event, Finished)]
        assert ends == [5, 3, 4]
        assert [getattr(e, "job", None) for e in record.events] == [5, 5, 3, 3, 4, 4]

    def test_a_handler_may_submit_the_next_group(self, launcher: Launcher) -> None:
        class Chain(Record):
            def __call__(self, event: Event) -> Decision:
                if event == Finished(1, Outcome(Status.COMPLETE)):
                    launcher.submit([resolve(2)])
                return super().__call__(event)

        record = Chain()
        launcher.submit([resolve(1)])
        wait(launcher, record, lambda: "Finished" in record.kinds(2))

    def test_a_supervised_run_does_as_it_is_told(self, launcher: Launcher, tmp_path: Path) -> None:
        def second(report: Reported) -> Decision:
            return "stop" if report.epoch == 1 else "continue"

        jobs = [
            run(number, tmp_path / str(number), {"trainer.max_epochs": 4}, supervised=supervised)
            for number, supervised in ((1, True), (2, False))
        ]
        record = do(launcher, *jobs, record=Record(second))
        assert (record.status(1), record.finished(1).epochs) == ("pruned", 2)
        assert (record.status(2), record.finished(2).epochs) == ("complete", 4)

    def test_only_a_report_of_the_objective_asks_for_a_decision(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        class StopsAll(Record):
            def __call__(self, event: Event) -> Decision:
                super().__call__(event)
                return "stop" if getattr(event, "objective", None) is None else "continue"

        record = do(launcher, run(1, tmp_path, supervised=True), record=StopsAll())
        assert record.status() == "complete"

    def test_a_failing_job_does_not_harm_the_next(self, launcher: Launcher, tmp_path: Path) -> None:
        record = do(
            launcher,
            run(1, tmp_path / "1", {"model.init_args.mishap": "raise"}),
            run(2, tmp_path / "2", {"model.init_args.heads": 3}),
            run(3, tmp_path / "3", {"model.init_args.mishap": "nan loss"}),
            run(4, tmp_path / "4"),
        )
        assert [record.status(n) for n in (1, 2, 3, 4)] == ["failed"] * 3 + ["complete"]
        causes = [Cause.RAISED, Cause.WRONG_CONFIG, Cause.DIVERGED]
        assert [record.cause(n) for n in (1, 2, 3)] == causes

    def test_what_one_run_changes_in_its_process_does_not_reach_the_next(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        witness = model(Witness, cwd=str(Path.cwd()), threads=launcher.facts().threads)
        record = do(
            launcher, run(1, tmp_path / "1", model(Pollutes)), run(2, tmp_path / "2", witness)
        )
        assert record.status(1) == "complete"
        assert record.outcome(2).reason is None
        assert record.status(2) == "complete"

    def test_a_run_gives_the_same_numbers_whatever_ran_before_it(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        unseeded = {"seed_everything": False, **model(Draws)}
        record = do(
            launcher,
            run(1, tmp_path / "1", unseeded),
            run(2, tmp_path / "2", model(Pollutes)),
            run(3, tmp_path / "3", unseeded),
            run(4, tmp_path / "4"),
            run(5, tmp_path / "5"),
        )
        for name in ("python_draw", "torch_draw", "numpy_draw"):
            assert record.series(name, 1) == record.series(name, 3)
        assert record.series("val_loss", 4) == record.series("val_loss", 5)

    def test_a_killed_worker_loses_its_group_for_the_reason_given(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        class Kills(Record):
            def __call__(self, event: Event) -> Decision:
                if isinstance(event, Started):
                    launcher.kill(event.job, Cause.OVER_TIME, "took too long")
                return super().__call__(event)

        endless = {"trainer.max_epochs": 10_000}
        record = do(launcher, run(1, tmp_path / "1", endless), resolve(2), record=Kills())
        losses = [event for event in record.events if isinstance(event, Lost)]
        assert losses == [Lost(job, Cause.OVER_TIME, "took too long") for job in (1, 2)]
        assert launcher.free == launcher.slots
        assert do(launcher, run(1, tmp_path / "1")).status() == "complete"

    def test_killing_what_does_not_run_does_nothing(self, launcher: Launcher) -> None:
        class Kills(Record):
            def __call__(self, event: Event) -> Decision:
                if isinstance(event, Finished):
                    launcher.kill(event.job, Cause.STALLED, "too late")
                return super().__call__(event)

        launcher.kill(7, Cause.STALLED, "never heard of it")
        record = do(launcher, resolve(1), resolve(2), record=Kills())
        assert record.kinds() == ["Resolved", "Finished"]
        assert record.kinds(2) == ["Resolved", "Finished"]
        assert do(launcher, resolve(3)).status(3) == "complete"

    def test_interrupted_runs_end_with_their_epoch_and_can_be_continued(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        class Interrupts(Record):
            def __call__(self, event: Event) -> Decision:
                if isinstance(event, Reported):
                    launcher.interrupt()
                return super().__call__(event)

        whole = do(launcher, run(1, tmp_path / "whole"))
        jobs = [run(n, tmp_path / str(n), supervised=True, resume=True) for n in (1, 2)]
        record = do(launcher, *jobs, record=Interrupts())
        assert [record.status(n) for n in (1, 2)] == ["interrupted"] * 2
        assert {report.epoch for report in record.reports()} == {0}
        assert not record.reports(job=2)
        record = do(launcher, *jobs)
        assert [record.status(n) for n in (1, 2)] == ["complete"] * 2
        assert record.reports() == whole.reports()
        assert record.built().resumed_epoch == 1

    def test_interrupting_idle_workers_does_nothing(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        launcher.interrupt()
        assert do(launcher, run(1, tmp_path)).status() == "complete"

    def test_a_closed_launcher_may_be_closed_again(self, launcher: Launcher) -> None:
        launcher.close()
        launcher.close()


class IsolatedLauncherSuite(LauncherSuite):
    """What holds besides where every run is as in a fresh interpreter."""

    def test_nothing_that_a_run_leaves_in_its_modules_reaches_the_next(
        self, launcher: Launcher, tmp_path: Path
    ) -> None:
        record = do(launcher, *(run(n, tmp_path / str(n), model(Remembers)) for n in (1, 2)))
        for name in ("class_counter", "cache", "environment"):
            assert set(record.series(name, 1)) == {1.0}
        assert set(record.series("tracked_before", 1)) == {0.0}
        for name in ("module_draw", "class_counter", "cache", "environment", "tracked_before"):
            assert record.series(name, 1) == record.series(name, 2)

    def test_a_probe_leaves_nothing_for_a_run(self, launcher: Launcher, tmp_path: Path) -> None:
        record = do(launcher, probe(1, model(Remembers)), run(2, tmp_path / "2", model(Remembers)))
        assert record.status(1) == "complete"
        assert set(record.series("class_counter", 2)) == {1.0}
        assert set(record.series("tracked_before", 2)) == {0.0}
