"""One run: what it reports, when it stops, and how it fails."""

import math
import signal
from dataclasses import replace

import pytest
from lightning.pytorch.callbacks import ModelCheckpoint

from ablate.run import Built, Finished, Probed, Resolved
from ablate.run.environment import worker_facts
from ablate.run.lightning_cli import resolve
from ablate.spec import Cause, Outcome, Status, dump_yaml, read_yaml
from ablate.testing import jobs
from ablate.testing.jobs import STEPS_PER_EPOCH, Record, execute, model, probe, run, toy
from tests.run import modules

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
CALLBACKS = "lightning.pytorch.callbacks"
PATIENT = {"monitor": "val_loss", "patience": 9, "check_on_train_epoch_end": True}


@pytest.fixture
def ran(tmp_path):
    """Run the toy with some changes and return the record of it."""

    def done(changes=None, *, decide=None, **more) -> Record:
        record = Record(decide)
        execute(run(1, tmp_path, changes, **more), record)
        return record

    return done


class TestReports:
    def test_a_run_starts_reports_each_epoch_and_finishes(self, ran):
        record = ran()
        assert record.kinds() == ["Started", "Built", *["Reported"] * 4, "Finished"]
        assert [(r.phase, r.epoch, r.step) for r in record.reports()] == [
            ("val", 0, STEPS_PER_EPOCH),
            ("train", 0, STEPS_PER_EPOCH),
            ("val", 1, 2 * STEPS_PER_EPOCH),
            ("train", 1, 2 * STEPS_PER_EPOCH),
        ]
        prints, facts = record.finished().fingerprints, record.finished().facts
        end = Finished(1, Outcome(Status.COMPLETE), 2, 8, prints, facts=facts)
        assert record.finished() == end

    def test_a_run_says_first_what_it_stands_on(self, ran):
        assert ran().started().facts == worker_facts()
        broken = ran({"model.init_args.heads": 3})
        assert broken.kinds() == ["Started", "Finished"]

    def test_a_run_fingerprints_its_first_batches_and_takes_what_the_data_offers(self, ran):
        seen = ran().finished().fingerprints
        assert set(seen) == {"first training batch", "first validation batch", "train"}
        assert seen["train"] == "points-32"
        assert ran().finished().fingerprints == seen
        other = ran({"seed_everything": 8}).finished().fingerprints
        assert other["first training batch"] != seen["first training batch"], "another order"
        assert other["first validation batch"] == seen["first validation batch"]

    def test_validation_metrics_and_training_metrics_are_kept_apart(self, ran):
        record = ran()
        for report in record.reports("val"):
            assert set(report.metrics) == {"val_loss", "val_error"}
        for report in record.reports("train"):
            assert set(report.metrics) == {"train_loss", "train_loss_step", "train_loss_epoch"}

    @pytest.mark.parametrize("sanity", [0, 2])
    @pytest.mark.parametrize("interval", [1.0, 0.5, 0.25])
    def test_no_sanity_check_is_reported_and_none_is_needed(self, ran, sanity, interval):
        record = ran(
            {"trainer.num_sanity_val_steps": sanity, "trainer.val_check_interval": interval}
        )
        per_epoch = round(1 / interval)
        assert [r.epoch for r in record.reports("val")] == [0] * per_epoch + [1] * per_epoch
        assert all(set(r.metrics) == {"val_loss", "val_error"} for r in record.reports("val"))
        assert all("val_loss" not in r.metrics for r in record.reports("train"))

    @pytest.mark.parametrize("sanity", [0, 2])
    def test_a_metric_is_reported_only_where_it_was_logged(self, ran, sanity):
        record = ran(
            {
                **model(modules.LogsNowAndThen),
                "trainer.max_epochs": 4,
                "trainer.num_sanity_val_steps": sanity,
                # It reads all metrics after the run's own callback, and so keeps old ones alive.
                "trainer.callbacks": [
                    {"class_path": f"{CALLBACKS}.EarlyStopping", "init_args": PATIENT}
                ],
            },
            metric="val_even",
        )
        logged = {
            name: [r.epoch for r in record.reports() if name in r.metrics]
            for name in ("train_even", "train_first", "val_even", "val_first", "val_loss")
        }
        assert logged == {
            "train_even": [0, 2],
            "train_first": [0],
            "val_even": [0, 2],
            "val_first": [0],
            "val_loss": [0, 1, 2, 3],
        }
        objectives = [(r.epoch, r.objective) for r in record.reports() if r.objective is not None]
        assert objectives == [(0, 0.0), (2, 2.0)]

    def test_the_objective_comes_once_per_epoch(self, ran):
        reports = ran().reports()
        assert [r.epoch for r in reports if r.objective is not None] == [0, 1]
        assert all(r.objective == r.metrics.get("val_loss") for r in reports)

    def test_the_objective_may_be_a_metric_of_training(self, ran):
        record = ran(metric="train_loss_epoch")
        assert [r.objective for r in record.reports("val")] == [None, None]
        assert [r.objective for r in record.reports("train")] == record.series("train_loss_epoch")

    def test_a_run_without_an_objective_reports_all_the_same(self, ran):
        record = ran(metric=None)
        assert record.status() == "complete"
        assert [r.objective for r in record.reports()] == [None] * 4

    def test_a_validation_amid_an_epoch_is_reported_at_its_step(self, ran):
        record = ran({"trainer.val_check_interval": 0.5})
        assert [r.step for r in record.reports("val")] == [2, 4, 6, 8]

    def test_epochs_without_validation_report_training_alone(self, ran):
        record = ran({"trainer.check_val_every_n_epoch": 2, "trainer.max_epochs": 4})
        assert [r.epoch for r in record.reports("val")] == [1, 3]
        assert [r.epoch for r in record.reports("train")] == [0, 1, 2, 3]

    def test_what_the_module_logs_at_the_end_of_an_epoch_belongs_to_that_epoch(self, ran):
        record = ran(model(modules.LogsAtEpochEnd), metric="epochs_done")
        assert [(r.epoch, r.objective) for r in record.reports("train")] == [(0, 1.0), (1, 2.0)]

    def test_a_run_may_be_measured_in_steps(self, ran):
        record = ran({"trainer.max_steps": 6, "trainer.max_epochs": -1})
        end = record.finished()
        assert (end.outcome.status, end.steps) == ("complete", 6)
        assert [(r.epoch, r.step) for r in record.reports("val")] == [(0, 4), (1, 6)]

    def test_early_stopping_ends_a_run_that_is_complete(self, ran):
        stopping = {
            "class_path": f"{CALLBACKS}.EarlyStopping",
            "init_args": {"monitor": "val_loss", "patience": 0, "min_delta": 1e9},
        }
        end = ran({"trainer.callbacks": stopping, "trainer.max_epochs": 5}).finished()
        assert (end.outcome.status, end.epochs) == ("complete", 2)

    def test_a_development_run_is_a_run_of_one_batch(self, ran):
        record = ran({"trainer.fast_dev_run": True})
        assert (record.status(), record.finished().steps) == ("complete", 1)
        assert len(record.reports("val")) == 1

    def test_a_module_with_nothing_to_train_is_validated(self, ran):
        record = ran({"model": {"class_path": "ablate.testing.toy.Mean"}})
        (report,) = record.reports()
        assert (report.phase, report.epoch, report.step) == ("val", 0, 0)
        assert report.objective == report.metrics["val_loss"]
        assert record.built() == Built(1, 0, 2)
        assert record.status() == "complete"

    def test_parameters_are_those_that_train_each_counted_once(self, ran):
        plain = ran({"model.init_args.width": 4}).built()
        tied = ran(model(modules.Tied)).built()
        assert plain == Built(1, (4 * 4 + 4) + (4 + 1), 2)
        assert tied == Built(1, plain.parameters + 3 * 3, 2)

    def test_the_same_config_gives_the_same_numbers(self, ran):
        again, other = ran().series("val_loss"), ran({"seed_everything": 2}).series("val_loss")
        assert ran().series("val_loss") == again
        assert other != again

    def test_being_watched_does_not_change_the_numbers(self, ran):
        watched = ran(decide=lambda report: "continue", supervised=True).series("val_loss")
        assert ran(metric=None).series("val_loss") == watched


NEVER = [
    {"trainer.check_val_every_n_epoch": 3},
    {"trainer.check_val_every_n_epoch": None, "trainer.val_check_interval": 800},
    {"trainer.check_val_every_n_epoch": 3, "trainer.num_sanity_val_steps": 0},
]
SOMETIMES = {"trainer.check_val_every_n_epoch": None, "trainer.val_check_interval": 3}
ENDED = (1, 2 * STEPS_PER_EPOCH)


class TestFinalValidation:
    @pytest.mark.parametrize("changes", NEVER, ids=str)
    def test_a_run_that_never_validates_does_so_once_at_its_end(self, ran, changes):
        record = ran(changes)
        (report,) = record.reports("val")
        assert (report.epoch, report.step) == ENDED
        assert report.objective == report.metrics["val_loss"]
        assert set(report.metrics) == {"val_loss", "val_error"}
        assert record.kinds()[-2:] == ["Reported", "Finished"]
        end = record.finished()
        assert (end.outcome.status, end.epochs, end.steps) == ("complete", 2, 2 * STEPS_PER_EPOCH)
        assert "first validation batch" in end.fingerprints

    def test_it_is_the_last_weights_that_are_validated(self, ran):
        no_order = {"model.init_args.dropout": 0.0, "data.init_args.batch_size": 32}
        (last,) = ran({**NEVER[0], **no_order}).series("val_loss")
        assert last == pytest.approx(ran(no_order).series("val_loss")[-1], rel=1e-5)

    def test_the_last_weights_are_validated_after_those_before(self, ran):
        steps = [r.step for r in ran(SOMETIMES).reports("val")]
        assert steps == [3, 6, 8]

    @pytest.mark.parametrize(
        "changes",
        [{}, {"trainer.val_check_interval": 0.5}, {"trainer.max_steps": STEPS_PER_EPOCH}],
        ids=str,
    )
    def test_weights_that_have_been_validated_are_not_again(self, ran, changes):
        steps = [r.step for r in ran(changes).reports("val")]
        assert steps == sorted(set(steps))

    def test_no_validation_is_made_where_none_is_wanted(self, ran):
        wanted_not = {"trainer.limit_val_batches": 0}
        assert not ran(wanted_not, metric="train_loss").reports("val")
        assert ran(wanted_not).cause() == Cause.WRONG_CONFIG

    def test_training_metrics_are_not_mistaken_for_the_last_validations(self, ran):
        record = ran({**model(modules.LogsOneNameTwice), **NEVER[0]}, metric="loss")
        assert [r.phase for r in record.reports() if r.objective is not None] == ["train"] * 2
        assert [set(r.metrics) for r in record.reports("val")] == [{"val_loss", "val_error"}]

    def test_a_metric_of_training_may_decide_a_run_with_a_last_validation(self, ran):
        assert ran(NEVER[1], metric="train_loss_epoch").status() == "complete"

    def test_a_run_that_is_pruned_is_not_validated_any_more(self, ran):
        record = ran(NEVER[1], decide=lambda _: "stop", metric="train_loss_epoch")
        assert (record.status(), record.reports("val")) == ("pruned", [])

    def test_an_interrupted_run_is_not_validated_and_not_to_blame(self, tmp_path):
        record = Record()
        asked = iter([False, True])
        execute(run(1, tmp_path, NEVER[1]), record, lambda: next(asked))
        end = record.outcome()
        assert (end.status, end.cause, record.reports("val")) == ("interrupted", Cause.STOPPED, [])

    def test_the_last_validation_may_prune(self, ran):
        end = ran(NEVER[0], decide=lambda _: "stop", supervised=True).finished()
        assert (end.outcome.status, end.epochs, end.steps) == ("pruned", 2, 2 * STEPS_PER_EPOCH)

    def test_an_objective_that_is_not_finite_at_the_last_validation_has_diverged(self, ran):
        record = ran({"model.init_args.mishap": "nan objective", **NEVER[0]})
        assert record.outcome().reason == "diverged: val_loss is nan at step 8 (epoch 1)"
        assert len(record.reports("val")) == 1

    def test_the_last_validation_is_finished_when_the_run_is_asked_to_end(self, ran):
        asked = []
        before = signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
        try:
            record = ran({**model(modules.TerminatedInLastValidation), **NEVER[1]})
        finally:
            signal.signal(signal.SIGTERM, before)
        assert asked == [True]
        assert (record.status(), len(record.reports("val"))) == ("complete", 1)

    def test_callbacks_do_nothing_at_the_last_validation(self, ran, tmp_path):
        stopping = {
            "class_path": f"{CALLBACKS}.EarlyStopping",
            "init_args": {"monitor": "val_loss", "strict": False},
        }
        saving = {
            "class_path": f"{CALLBACKS}.ModelCheckpoint",
            "init_args": {"save_on_train_epoch_end": True, "save_top_k": -1},
        }
        changes = {
            **NEVER[1],
            "trainer.callbacks": [saving, stopping],
            "trainer.enable_checkpointing": True,
        }
        record = ran(changes)
        assert record.status() == "complete"
        assert len(list(tmp_path.rglob("*.ckpt"))) == 2

    @pytest.mark.parametrize("changes", [*NEVER, SOMETIMES], ids=str)
    def test_a_probe_sees_the_metrics_of_the_last_validation(self, changes):
        record = Record()
        execute(probe(1, changes), record)
        (probed,) = [event for event in record.events if isinstance(event, Probed)]
        assert {"val_loss", "val_error", "train_loss"} <= set(probed.metrics)


class TestStopping:
    @pytest.mark.parametrize("minimum", [None, 4])
    def test_a_run_that_is_told_to_stop_is_pruned_after_that_epoch(self, ran, minimum):
        record = ran(
            {"trainer.max_epochs": 5, "trainer.min_epochs": minimum},
            decide=lambda report: "stop" if report.epoch == 1 else "continue",
            supervised=True,
        )
        end = record.finished()
        assert (end.outcome.status, end.epochs, end.steps) == ("pruned", 2, 2 * STEPS_PER_EPOCH)
        assert [r.epoch for r in record.reports("val")] == [0, 1]

    def test_a_run_may_be_pruned_by_a_metric_of_training(self, ran):
        record = ran({"trainer.max_epochs": 5}, decide=lambda _: "stop", metric="train_loss_epoch")
        assert (record.status(), record.finished().epochs) == ("pruned", 1)


class TestFailing:
    def test_a_loss_that_is_not_finite_has_diverged(self, ran):
        end = ran({"model.init_args.mishap": "nan loss"}).outcome()
        reason = "diverged: the training loss is nan at step 5"
        assert end == Outcome(Status.FAILED, Cause.DIVERGED, reason)

    def test_an_objective_that_is_not_finite_has_diverged_after_it_is_reported(self, ran):
        record = ran({"model.init_args.mishap": "nan objective"})
        last = record.reports("val")[-1].objective
        assert last is not None
        assert math.isnan(last)
        assert record.outcome().reason == "diverged: val_loss is nan at step 8 (epoch 1)"

    def test_another_metric_that_is_not_finite_is_only_reported(self, ran):
        mishap = {"model.init_args.mishap": "nan objective"}
        record = ran(mishap, metric="train_loss_epoch")
        assert record.status() == "complete"
        assert math.isnan(record.series("val_loss")[-1])

    def test_an_exception_is_named_and_its_traceback_printed(self, ran, capfd):
        record = ran({"model.init_args.mishap": "raise"})
        reason = "KeyError: 'the module raised'"
        assert record.outcome() == Outcome(Status.FAILED, Cause.RAISED, reason)
        assert [r.epoch for r in record.reports("val")] == [0]
        printed = capfd.readouterr().err
        assert "Traceback" in printed
        assert 'raise KeyError("the module raised")' in printed

    @pytest.mark.parametrize("task", ["run", "probe"])
    def test_an_objective_that_is_never_logged_is_a_wrong_config(self, tmp_path, task):
        record = Record()
        tasks = {"run": run(1, tmp_path, metric="val_los"), "probe": probe(1, metric="val_los")}
        execute(tasks[task], record)
        end = record.outcome()
        assert (end.status, end.cause) == (Status.FAILED, Cause.WRONG_CONFIG)
        assert end.reason is not None
        assert "never logs the metric 'val_los': did you mean 'val_loss'" in end.reason

    def test_a_model_that_refuses_its_arguments_is_a_wrong_config(self, ran):
        record = ran({"model.init_args.heads": 3})
        assert record.kinds() == ["Started", "Finished"]
        assert record.cause() == Cause.WRONG_CONFIG
        assert "not divisible" in str(record.outcome().reason)


class TestFiles:
    def test_the_directory_holds_the_jobs_config(self, ran, tmp_path):
        config = resolve(toy({"optimizer.init_args.lr": 1.23456789012345e-05}))
        execute(replace(run(1, tmp_path), config=config), Record())
        assert read_yaml(tmp_path / "config.yaml") == config
        assert (tmp_path / "config.yaml").read_text() == dump_yaml(config)

    def test_a_checkpoint_carries_the_name_of_its_arm(self, ran, tmp_path):
        checkpoint = {
            "class_path": "ablate.run.checkpoints.RunCheckpoint",
            "init_args": {
                "filename": "{arm}-{seed}-epoch={epoch:02d}-{val_loss:.2f}",
                "auto_insert_metric_name": False,
                "monitor": "val_loss",
                "save_top_k": -1,
            },
        }
        changes = {"trainer.callbacks": [checkpoint], "trainer.enable_checkpointing": True}
        record = ran(changes, identity={"arm": "champion", "seed": "7"})
        names = [path.name for path in tmp_path.rglob("*.ckpt")]
        losses = record.series("val_loss")
        assert sorted(names) == [
            f"champion-7-epoch={epoch:02d}-{loss:.2f}.ckpt" for epoch, loss in enumerate(losses)
        ]

    def test_a_checkpoint_is_written_before_a_run_is_pruned(self, ran, tmp_path):
        changes = {"trainer.callbacks": f"{CALLBACKS}.ModelCheckpoint"}
        ran({**changes, "trainer.enable_checkpointing": True}, decide=lambda _: "stop")
        assert list(tmp_path.rglob("*.ckpt"))

    @pytest.mark.parametrize(
        "changes",
        [
            {"trainer.logger": False, "trainer.callbacks": None},
            {"trainer.logger": True, "trainer.callbacks": f"{CALLBACKS}.LearningRateMonitor"},
            {"trainer": None, "data.init_args.batch_size": 32, "trainer.max_epochs": 1},
        ],
        ids=["nothing", "one callback", "defaults"],
    )
    def test_nothing_is_written_outside_the_directory(self, ran, changes, tmp_path, monkeypatch):
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        assert ran(changes).status() == "complete"
        assert not list(elsewhere.iterdir())

    def test_no_checkpoint_is_written_where_none_is_wanted(self, ran, tmp_path):
        ran({"trainer.enable_checkpointing": False})
        assert {path.name for path in tmp_path.iterdir()} == {"config.yaml"}


class TestOtherTasks:
    def test_a_probe_says_what_a_config_is_and_logs_and_writes_nothing(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        checkpoint = {"class_path": f"{CALLBACKS}.{ModelCheckpoint.__name__}"}
        config = toy({"trainer.callbacks": [checkpoint], "trainer.enable_checkpointing": True})
        record = Record()
        execute(replace(probe(1), config=config), record)
        probed, end = record.events
        assert isinstance(probed, Probed)
        assert (probed.parameters, probed.max_epochs) == (25, 2)
        assert {"val_loss", "val_error", "train_loss"} <= set(probed.metrics)
        assert end == Finished(1, Outcome(Status.COMPLETE))
        assert not list(tmp_path.iterdir())

    def test_a_probe_of_a_module_with_nothing_to_train_validates_it(self):
        record = Record()
        execute(probe(1, {"model": {"class_path": "ablate.testing.toy.Mean"}}), record)
        assert record.status() == "complete"

    def test_resolving_answers_with_every_default(self):
        record = Record()
        execute(jobs.resolve(1), record)
        complete = Finished(1, Outcome(Status.COMPLETE))
        assert record.events == [Resolved(1, resolve(toy())), complete]

    def test_resolving_a_wrong_config_names_the_key(self):
        record = Record()
        execute(jobs.resolve(1, {"trainer.max_epoch": 3}), record)
        assert record.kinds() == ["Finished"]
        assert record.cause() == Cause.WRONG_CONFIG
        assert str(record.outcome().reason).startswith("trainer.max_epoch: unknown key")


def callback(name: str, **arguments) -> dict:
    """Return a change that configures one of Lightning's callbacks."""
    described = {"class_path": f"{CALLBACKS}.{name}", "init_args": arguments}
    return {"trainer.callbacks": [described]}


LOGGING = {"class_path": "lightning.pytorch.loggers.CSVLogger"}
BARS = ["TQDMProgressBar", "RichProgressBar"]
SUMMARIES = ["ModelSummary", "RichModelSummary"]
MONITORS = ["LearningRateMonitor", "DeviceStatsMonitor"]


class TestCallbacks:
    """What a user configures for a run at a terminal works in a run without one."""

    @pytest.fixture
    def probed(self):
        def done(changes) -> Record:
            record = Record()
            execute(probe(1, changes), record)
            return record

        return done

    @pytest.mark.parametrize("name", BARS)
    def test_a_progress_bar_is_left_out_and_the_log_says_so(self, ran, probed, capsys, name):
        record = ran(callback(name))
        assert record.status() == "complete"
        assert record.series("val_loss") == ran().series("val_loss")
        assert capsys.readouterr().err.count(f"left out: {name};") == 1
        assert self.left_out(probed(callback(name))) == [name]

    def test_a_bar_that_is_asked_for_by_its_flag_is_left_out_too(self, ran, probed, capsys):
        changes = {"trainer.enable_progress_bar": True}
        assert ran(changes).status() == "complete"
        assert "left out: trainer.enable_progress_bar;" in capsys.readouterr().err
        assert self.left_out(probed(changes)) == ["trainer.enable_progress_bar"]

    def test_what_nobody_asked_for_is_not_said_to_be_left_out(self, ran, probed, capsys):
        ran()
        assert "left out" not in capsys.readouterr().err
        assert self.left_out(probed({})) == []

    @pytest.mark.parametrize("flag", [None, True, False])
    @pytest.mark.parametrize("name", SUMMARIES)
    def test_a_summary_is_printed_as_configured(self, ran, capsys, caplog, name, flag):
        record = ran({**callback(name), "trainer.enable_model_summary": flag})
        assert record.status() == "complete"
        assert "Trainable params" in "".join([*capsys.readouterr(), caplog.text])

    @pytest.mark.parametrize("name", BARS)
    def test_a_bar_that_the_users_own_flag_forbids_is_refused_as_lightning_does(
        self, ran, probed, name
    ):
        changes = {**callback(name), "trainer.enable_progress_bar": False}
        for record in (ran(changes), probed(changes)):
            assert f"enable_progress_bar=False` but found `{name}`" in record.outcome().reason

    def test_two_bars_are_refused_as_lightning_does(self, ran, probed):
        bars = [callback(name)["trainer.callbacks"][0] for name in BARS]
        for record in (ran({"trainer.callbacks": bars}), probed({"trainer.callbacks": bars})):
            assert "multiple progress bar callbacks" in record.outcome().reason

    def test_a_checkpoint_that_the_users_own_flag_forbids_is_found_by_the_probe(self, probed):
        record = probed(callback("ModelCheckpoint"))
        assert "found `ModelCheckpoint` in callbacks list" in record.outcome().reason

    @pytest.mark.parametrize("name", MONITORS)
    def test_a_monitor_has_the_users_logger(self, ran, probed, tmp_path, monkeypatch, name):
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        logger = {**LOGGING, "init_args": {"save_dir": str(tmp_path / "logs")}}
        changes = {**callback(name), "trainer.logger": logger}
        assert probed(changes).status() == "complete"
        assert list(elsewhere.iterdir()) == []
        assert not (tmp_path / "logs").exists(), "a probe writes nothing"
        assert ran(changes).status() == "complete"

    @pytest.mark.parametrize("name", MONITORS)
    def test_a_monitor_without_a_logger_is_refused_by_the_probe_as_by_the_run(
        self, ran, probed, name
    ):
        for record in (ran(callback(name)), probed(callback(name))):
            assert record.status() == "failed"
            assert f"Cannot use `{name}` callback with" in record.outcome().reason

    def test_a_monitor_of_the_module_itself_has_a_logger_in_a_probe(self, probed):
        changes = {**model(modules.BringsItsMonitor), "trainer.logger": None}
        assert probed(changes).status() == "complete"

    @staticmethod
    def left_out(record: Record) -> list[str]:
        (probed,) = [event for event in record.events if isinstance(event, Probed)]
        return probed.left_out
