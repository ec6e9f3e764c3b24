"""A run that is killed at any moment continues from its checkpoint, and gives the same numbers."""

import errno
import itertools
import multiprocessing
import os
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from ablate.run import Built, Decision, Event, Progress, Reported, Started
from ablate.run.resume import FILE
from ablate.spec import Cause, Status
from ablate.testing.jobs import STEPS_PER_EPOCH, Record, execute, model, run
from ablate.testing.toy import Toy
from tests.run import modules

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
CALLBACKS = "lightning.pytorch.callbacks"
EPOCHS = 4
BASE = {
    **model(modules.Thorough, dropout=0.2),
    "trainer.max_epochs": EPOCHS,
    "trainer.enable_checkpointing": True,
    "trainer.callbacks": [
        {
            "class_path": f"{CALLBACKS}.EarlyStopping",
            "init_args": {"monitor": "val_loss", "patience": 2},
        },
        {
            "class_path": f"{CALLBACKS}.ModelCheckpoint",
            "init_args": {"monitor": "val_loss", "save_top_k": 2, "save_last": True},
        },
    ],
}
STEP_LR = {
    "class_path": "torch.optim.lr_scheduler.StepLR",
    "init_args": {"step_size": 1, "gamma": 0.7},
}
COSINE = {"class_path": "ablate.run.schedules.Cosine", "init_args": {"warmup": 0.3}}
PLATEAU = {
    "class_path": "lightning.pytorch.cli.ReduceLROnPlateau",
    "init_args": {"monitor": "train_loss", "patience": 1, "factor": 0.5, "threshold": 1.0},
}
STOPS_EARLY = {
    "class_path": f"{CALLBACKS}.EarlyStopping",
    "init_args": {"monitor": "val_loss", "patience": 0, "min_delta": 1e9},
}
ADAM = {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.01}}
CASES: dict[str, dict[str, Any]] = {
    "a schedule per epoch": {"lr_scheduler": STEP_LR},
    "a schedule per step": {"lr_scheduler": COSINE, "optimizer": ADAM},
    "clipping and accumulation": {
        "trainer.gradient_clip_val": 0.1,
        "trainer.accumulate_grad_batches": 2,
        "lr_scheduler": COSINE,
    },
    "a plateau": {"lr_scheduler": PLATEAU},
    "validation every second epoch": {"trainer.check_val_every_n_epoch": 2},
    "a length in steps": {
        "trainer.max_steps": EPOCHS * STEPS_PER_EPOCH - 1,
        "trainer.max_epochs": -1,
        "lr_scheduler": COSINE,
    },
    "validation amid epochs": {"trainer.val_check_interval": 0.5},
    "validation by steps": {
        "trainer.val_check_interval": 3,
        "trainer.check_val_every_n_epoch": None,
    },
    "stopping that waits for a minimum": {
        "trainer.callbacks": [STOPS_EARLY],
        "trainer.min_epochs": 3,
        "trainer.max_epochs": 5,
    },
    "validation at the end alone": {
        "trainer.val_check_interval": 800,
        "trainer.check_val_every_n_epoch": None,
        "trainer.callbacks": None,
    },
    "no validation": {"trainer.limit_val_batches": 0, "trainer.callbacks": None},
    "no sanity check": {"trainer.num_sanity_val_steps": 0},
    "a loader with a generator of its own": {
        "data": {"class_path": "tests.run.modules.Loads", "init_args": {"own_generator": True}}
    },
    "a stream of unknown length": {"data": {"class_path": "tests.run.modules.Streams"}},
    "a stream with a generator of its own": {
        "data": {"class_path": "tests.run.modules.Streams", "init_args": {"own_generator": True}}
    },
    "half precision": {"trainer.precision": "bf16-mixed"},
}
cases = pytest.mark.parametrize("changes", CASES.values(), ids=CASES.keys())


class Killed(BaseException):
    """Ends a run as a kill does."""


class Mortal(Record):
    """A channel that kills the run at its first new report of an epoch."""

    def __init__(self, epoch: int | None = None, **more: Any) -> None:
        super().__init__(**more)
        self.epoch = epoch
        self.resumed = 0

    def __call__(self, event: Event) -> Decision:
        if isinstance(event, Built):
            self.resumed = event.resumed_epoch or 0
        if isinstance(event, Reported) and self.resumed <= event.epoch == self.epoch:
            raise Killed
        return super().__call__(event)


def do(directory: Path, changes=None, *, record: Record | None = None, **more: Any) -> Record:
    """Run the thorough toy with some changes, a checkpoint at every epoch's end."""
    record = Record() if record is None else record
    directory.mkdir(exist_ok=True)
    more = {"checkpoint_every": 0, "metric": None, **more}
    execute(run(1, directory, {**BASE, **(changes or {})}, **more), record)
    return record


def killed(directory: Path, epoch: int, changes=None, **more: Any) -> Mortal:
    """Run until the given epoch reports, and die."""
    record = Mortal(epoch)
    with pytest.raises(Killed):
        do(directory, changes, record=record, **more)
    # The workers of its loaders die with a run; here they would be waited for, for seconds each.
    for worker in multiprocessing.active_children():
        worker.terminate()
    return record


def resumed(directory: Path, changes=None, **more: Any) -> Record:
    return do(directory, changes, resume=True, **more)


def resumed_epoch(record: Record) -> int | None:
    return record.built().resumed_epoch


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*.ckpt"))


class TestSameNumbers:
    @cases
    def test_a_run_that_is_killed_in_every_epoch_gives_the_same_numbers(self, tmp_path, changes):
        whole = do(tmp_path / "whole", changes)
        assert whole.status() == "complete"
        epochs = whole.finished().epochs
        broken = tmp_path / "broken"
        for epoch in range(epochs):
            record = killed(broken, epoch, changes, resume=True)
            assert resumed_epoch(record) == (epoch - 1 if epoch > 1 else None)
        record = resumed(broken, changes)
        assert resumed_epoch(record) == epochs - 1
        assert record.reports() == whole.reports()
        assert record.finished() == whole.finished()
        assert files(broken) == files(tmp_path / "whole")

    @pytest.mark.parametrize("epoch", range(1, EPOCHS))
    def test_a_run_that_is_killed_once_gives_the_same_numbers(self, tmp_path, epoch):
        changes = CASES["a schedule per step"]
        whole = do(tmp_path / "whole", changes)
        killed(tmp_path / "broken", epoch, changes)
        record = resumed(tmp_path / "broken", changes)
        assert resumed_epoch(record) == epoch
        assert record.reports() == whole.reports()
        assert len({report.metrics["draw"] for report in record.reports("train")}) == EPOCHS

    @pytest.mark.parametrize("name", ["a schedule per epoch", "a length in steps"])
    def test_a_run_that_is_killed_after_its_last_epoch_only_ends(self, tmp_path, monkeypatch, name):
        whole = do(tmp_path / "whole", CASES[name])
        monkeypatch.setattr(modules.Thorough, "dies_at_end", True)
        with pytest.raises(SystemExit):
            do(tmp_path / "broken", CASES[name])
        monkeypatch.setattr(modules.Thorough, "dies_at_end", False)
        record = resumed(tmp_path / "broken", CASES[name])
        assert record.reports() == whole.reports()
        assert record.finished() == whole.finished()

    @pytest.mark.parametrize("every", [0, 3600])
    @pytest.mark.parametrize("name", ["validation at the end alone", "validation by steps"])
    def test_a_run_that_is_killed_in_its_last_validation_gives_the_same_numbers(
        self, tmp_path, monkeypatch, name, every
    ):
        whole = do(tmp_path / "whole", CASES[name])
        assert whole.reports("val")[-1].step == EPOCHS * STEPS_PER_EPOCH
        monkeypatch.setattr(modules.Thorough, "dies_in_last_validation", True)
        with pytest.raises(SystemExit):
            do(tmp_path / "broken", CASES[name], checkpoint_every=every)
        monkeypatch.setattr(modules.Thorough, "dies_in_last_validation", False)
        record = resumed(tmp_path / "broken", CASES[name])
        assert resumed_epoch(record) == (None if every else EPOCHS)
        assert record.reports() == whole.reports()
        assert record.finished() == whole.finished()
        assert not (tmp_path / "broken" / FILE).exists()

    @pytest.mark.parametrize(
        "loads", [{"workers": 2}, {"workers": 1, "persistent": True, "noise": 0.0}], ids=str
    )
    def test_data_may_come_from_other_processes(self, tmp_path, loads):
        data = {"class_path": "tests.run.modules.Loads", "init_args": loads}
        changes = {"data": data, "trainer.max_epochs": 2}
        whole = do(tmp_path / "whole", changes)
        killed(tmp_path / "broken", 1, changes)
        assert resumed(tmp_path / "broken", changes).reports() == whole.reports()


class TestResuming:
    def test_a_run_that_is_killed_before_its_first_checkpoint_starts_afresh(self, tmp_path):
        whole = do(tmp_path / "whole")
        killed(tmp_path / "broken", 0)
        record = resumed(tmp_path / "broken")
        assert resumed_epoch(record) is None
        assert record.reports() == whole.reports()
        assert files(tmp_path / "broken") == files(tmp_path / "whole")

    def test_earlier_reports_follow_the_start_in_their_order(self, tmp_path):
        earlier = killed(tmp_path, 2)
        record = resumed(tmp_path)
        assert record.kinds()[:2] == ["Started", "Built"]
        assert record.reports()[:4] == earlier.reports()

    def test_a_run_that_is_not_to_continue_starts_afresh(self, tmp_path):
        killed(tmp_path, 2)
        assert (tmp_path / FILE).exists()
        record = killed(tmp_path, 0)
        assert resumed_epoch(record) is None
        assert not (tmp_path / FILE).exists()

    @pytest.mark.parametrize(
        "changes",
        [{"trainer.max_epochs": 5}, {"seed_everything": 2}],
        ids=["longer", "another seed"],
    )
    def test_another_configuration_starts_afresh(self, tmp_path, changes, capfd):
        killed(tmp_path / "broken", 2)
        record = resumed(tmp_path / "broken", changes)
        assert resumed_epoch(record) is None
        assert record.reports() == do(tmp_path / "whole", changes).reports()
        assert "starts afresh" in capfd.readouterr().err

    @pytest.mark.parametrize("damage", ["truncated", "empty", "garbled", "another file"])
    def test_a_damaged_checkpoint_starts_afresh(self, tmp_path, damage, capfd):
        killed(tmp_path, 2)
        path = tmp_path / FILE
        data = path.read_bytes()
        middle = data.index(b"net.0.weight")
        path.write_bytes(
            {
                "truncated": data[:-100],
                "empty": b"",
                "garbled": data[:middle] + b"?" * 40 + data[middle + 40 :],
                "another file": b"not a checkpoint",
            }[damage]
        )
        record = resumed(tmp_path)
        assert resumed_epoch(record) is None
        assert record.status() == "complete"
        assert f"starts afresh: cannot continue from {path}" in capfd.readouterr().err

    def test_nothing_is_ever_unpickled(self, tmp_path, capfd):
        changes = model(modules.Traps, folder=str(tmp_path / "sprung"))
        killed(tmp_path, 2, changes)
        record = resumed(tmp_path, changes)
        assert resumed_epoch(record) is None
        assert record.status() == "complete"
        assert not (tmp_path / "sprung").exists()
        assert "starts afresh" in capfd.readouterr().err

    def test_hyperparameters_that_a_module_keeps_do_not_matter(self, tmp_path):
        changes = model(modules.KeepsHyperparameters)
        killed(tmp_path, 2, changes)
        assert resumed_epoch(resumed(tmp_path, changes)) == 2

    def test_a_run_whose_earlier_report_stops_it_is_pruned_without_training(self, tmp_path):
        def stop_in_epoch_1(report: Reported) -> Decision:
            return "stop" if report.epoch == 1 else "continue"

        asked = {"metric": "val_loss", "supervised": True}
        whole = do(tmp_path / "whole", record=Record(stop_in_epoch_1), **asked)
        killed(tmp_path / "broken", 3, **asked)
        record = resumed(tmp_path / "broken", record=Record(stop_in_epoch_1), **asked)
        assert record.status() == "pruned"
        assert record.finished() == whole.finished()
        assert record.reports() == whole.reports()
        assert not (tmp_path / "broken" / FILE).exists()

    def test_a_run_of_which_no_report_stops_it_is_decided_on_again(self, tmp_path):
        asked = {"metric": "val_loss", "supervised": True}
        killed(tmp_path, 2, **asked)
        decided: list[int] = []
        record = Record(lambda report: decided.append(report.epoch) or "continue")
        assert resumed(tmp_path, record=record, **asked).status() == "complete"
        assert decided == list(range(EPOCHS))

    def test_a_resumed_run_may_still_be_pruned(self, tmp_path):
        asked = {"metric": "val_loss", "supervised": True}
        killed(tmp_path, 2, **asked)
        last = Record(lambda report: "stop" if report.epoch == 2 else "continue")
        end = resumed(tmp_path, record=last, **asked).finished()
        assert (end.outcome.status, end.epochs, end.steps) == ("pruned", 3, 3 * STEPS_PER_EPOCH)


class TestCheckpoints:
    def test_a_checkpoint_is_written_when_its_time_has_come(self, tmp_path):
        killed(tmp_path / "soon", 2)
        assert (tmp_path / "soon" / FILE).exists()
        killed(tmp_path / "late", 2, checkpoint_every=100)
        assert not (tmp_path / "late" / FILE).exists()

    @pytest.mark.parametrize("decision", ["continue", "stop"])
    def test_a_run_that_has_ended_keeps_none(self, tmp_path, decision):
        record = do(tmp_path, metric="val_loss", record=Record(lambda _: decision))
        assert record.status() == {"continue": "complete", "stop": "pruned"}[decision]
        assert not list(tmp_path.glob(FILE + "*"))

    def test_a_failed_run_keeps_its_own(self, tmp_path):
        changes = {**model(Toy), "model.init_args.mishap": "raise"}
        assert do(tmp_path, changes).status() == "failed"
        assert (tmp_path / FILE).exists()

    def test_none_is_written_half(self, tmp_path, monkeypatch):
        killed(tmp_path, 2)
        before = (tmp_path / FILE).read_bytes()

        def full(source, target):
            raise OSError(errno.ENOSPC, "No space left on device", str(source))

        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", full)
            end = resumed(tmp_path).outcome()
        assert (end.status, end.cause) == (Status.INTERRUPTED, Cause.NO_SPACE)
        assert FILE in str(end.reason)
        assert (tmp_path / FILE).read_bytes() == before
        assert not list(tmp_path.glob("*.part"))
        assert resumed(tmp_path).reports() == do(tmp_path / "whole").reports()

    def test_it_comes_without_checkpointing_too(self, tmp_path):
        changes = {"trainer.enable_checkpointing": False, "trainer.callbacks": None}
        killed(tmp_path, 2, changes)
        assert resumed_epoch(resumed(tmp_path, changes)) == 2
        assert not files(tmp_path)

    def test_other_checkpoints_hold_nothing_of_it(self, tmp_path):
        do(tmp_path)
        for name in files(tmp_path):
            checkpoint = torch.load(tmp_path / name, weights_only=True)
            assert "ablate" not in checkpoint

    def test_checkpoints_of_a_run_with_a_logger_stay_in_one_folder(self, tmp_path):
        changes = {"trainer.logger": True}
        whole = do(tmp_path / "whole", changes)
        killed(tmp_path / "broken", 2, changes)
        assert resumed(tmp_path / "broken", changes).reports() == whole.reports()
        assert files(tmp_path / "broken") == files(tmp_path / "whole")


class TestInterrupting:
    def interrupted(self, directory, when=lambda event: isinstance(event, Reported), **more):
        """Run, and be asked to end at the first event that `when` says."""

        class Asks(Record):
            asked = False

            def __call__(self, event):
                self.asked = self.asked or when(event)
                return super().__call__(event)

        record = Asks()
        directory.mkdir(exist_ok=True)
        job = run(1, directory, {**BASE, **more}, metric=None, checkpoint_every=100, resume=True)
        execute(job, record, lambda: record.asked)
        return record

    def test_an_interrupted_run_ends_with_its_epoch_and_can_be_continued(self, tmp_path):
        record = self.interrupted(tmp_path / "broken")
        end = record.outcome()
        assert (end.status, end.cause) == (Status.INTERRUPTED, Cause.STOPPED)
        assert {report.epoch for report in record.reports()} == {0}
        assert len(record.reports("train")) == 1
        record = resumed(tmp_path / "broken")
        assert resumed_epoch(record) == 1
        assert record.reports() == do(tmp_path / "whole").reports()

    @pytest.mark.parametrize("name", ["a length in steps", "stopping that waits for a minimum"])
    def test_it_can_be_interrupted_again_and_again(self, tmp_path, name):
        changes = CASES[name]
        whole = do(tmp_path / "whole", changes)
        for _ in range(10):
            epoch = 0

            def later(event):
                nonlocal epoch
                epoch = getattr(event, "resumed_epoch", epoch) or epoch
                return isinstance(event, Reported) and event.epoch >= epoch

            record = self.interrupted(tmp_path / "broken", later, **changes)
            if record.status() != "interrupted":
                break
        assert record.finished() == whole.finished()
        assert record.reports() == whole.reports()

    def test_a_run_in_its_last_epoch_is_complete(self, tmp_path):
        record = self.interrupted(tmp_path, lambda e: getattr(e, "epoch", 0) == EPOCHS - 1)
        assert record.status() == "complete"

    def test_a_minimum_of_epochs_does_not_hold_it(self, tmp_path):
        record = self.interrupted(tmp_path, **{"trainer.min_epochs": 3})
        assert {report.epoch for report in record.reports()} == {0}

    def test_a_run_that_has_not_started_never_does(self, tmp_path):
        record = Record()
        execute(run(1, tmp_path), record, lambda: True)
        assert record.kinds() == ["Finished"]
        assert record.status() == "interrupted"

    def test_what_an_interrupted_run_raises_is_no_failure(self, tmp_path):
        raises = model(modules.Raises, what="anything")
        end = self.interrupted(tmp_path, lambda e: isinstance(e, Started), **raises).outcome()
        assert (end.status, end.cause) == (Status.INTERRUPTED, Cause.STOPPED)
        assert "KeyError" in str(end.reason)
        end = self.interrupted(tmp_path, lambda e: False, **raises).outcome()
        assert (end.status, end.cause) == (Status.FAILED, Cause.RAISED)
        assert str(end.reason).startswith("KeyError")


class TestLacks:
    @pytest.mark.parametrize("wrapped", [False, True])
    @pytest.mark.parametrize(("what", "where"), [("disk", "run"), ("quota", "/home/mine")])
    def test_a_full_disk_interrupts(self, tmp_path, what, where, wrapped):
        directory = tmp_path / "run"
        end = do(directory, model(modules.Raises, what=what, wrapped=wrapped)).outcome()
        assert (end.status, end.cause) == (Status.INTERRUPTED, Cause.NO_SPACE)
        assert where in str(end.reason)

    def test_a_disk_that_is_full_from_the_start_interrupts(self, tmp_path):
        (tmp_path / "config.yaml").symlink_to("/dev/full")
        end = do(tmp_path).outcome()
        assert (end.status, end.cause) == (Status.INTERRUPTED, Cause.NO_SPACE)

    @pytest.mark.parametrize("wrapped", [False, True])
    @pytest.mark.parametrize("what", ["memory", "python memory", "accelerator memory"])
    def test_a_lack_of_memory_is_named(self, tmp_path, what, wrapped):
        end = do(tmp_path, model(modules.Raises, what=what, wrapped=wrapped)).outcome()
        assert (end.status, end.cause) == (Status.FAILED, Cause.OUT_OF_MEMORY)
        assert str(end.reason).startswith("out of memory")

    @pytest.mark.parametrize(
        ("changes", "cause"),
        [
            ({"model.init_args.mishap": "raise"}, Cause.RAISED),
            ({"model.init_args.mishap": "nan loss"}, Cause.DIVERGED),
            ({"model.init_args.heads": 3}, Cause.WRONG_CONFIG),
        ],
    )
    def test_what_an_exception_means_is_told_by_its_type(self, tmp_path, changes, cause):
        record = Record()
        execute(run(1, tmp_path, changes), record)
        assert record.cause() == cause


class TestProgress:
    @pytest.mark.parametrize(
        ("speed", "validations"),
        [({"seconds": 0.3}, 0), ({"seconds": 0, "validation_seconds": 0.3}, 1.0)],
        ids=["training", "validation"],
    )
    def test_a_run_says_at_most_once_per_second_that_it_is_alive(
        self, tmp_path, speed, validations
    ):
        changes = {"trainer.limit_val_batches": validations, "trainer.callbacks": None}
        changes |= {"trainer.max_epochs": 2, **model(modules.Slow, **speed)}
        record = Clocked()
        began = time.monotonic()
        do(tmp_path, changes, record=record)
        signs = [event for event in record.events if isinstance(event, Progress)]
        gaps = [b - a for a, b in itertools.pairwise([began, *record.times])]
        assert len(signs) >= 2
        assert min(gaps) >= 0.99
        assert [sign.step for sign in signs] == sorted(sign.step for sign in signs)
        assert signs[-1].epoch > 0


class Clocked(Record):
    """Notes when each sign of life came."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def __call__(self, event: Event) -> Decision:
        if isinstance(event, Progress):
            self.times.append(time.monotonic())
        return super().__call__(event)
