"""A run follows its goals while it trains: it judges them in time, and stops where they say so."""

import math
from types import SimpleNamespace

import pytest
import torch

from ablate.run import Judged
from ablate.run.goals import FollowGoals
from ablate.spec import Cause, Goals, Status
from ablate.testing.jobs import STEPS_PER_EPOCH, Record, execute, probe, run

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
EPOCHS = {"trainer.max_epochs": 4}


def goals(**written):
    return Goals.model_validate(written)


def done(directory, expected, changes=None, **more):
    record = Record()
    directory.mkdir(exist_ok=True)
    job = run(1, directory, {**EPOCHS, **(changes or {})}, goals=expected, **more)
    execute(job, record)
    return record


def told(record):
    return [event.judgement for event in record.of(1) if isinstance(event, Judged)]


def test_a_milestone_counts_the_validation_at_its_own_step(tmp_path):
    at = 2 * STEPS_PER_EPOCH
    expect = {"metric": "val_loss", "below": 0}
    record = done(tmp_path, goals(milestones=[{"at": {"step": at}, "expect": expect}]))
    (found,) = told(record)
    assert found.step == at
    assert found.measured[0].value == pytest.approx(record.series("val_loss")[1])
    assert record.status() is Status.COMPLETE


def test_values_of_single_steps_are_seen(tmp_path):
    expect = {"metric": "train_loss_step", "statistic": "mean", "window": 3, "above": 0}
    (found,) = told(done(tmp_path, goals(milestones=[{"at": {"step": 3}, "expect": expect}])))
    assert (found.verdict, found.step) == ("reached", 3)


def test_a_value_of_a_whole_epoch_counts_once(tmp_path):
    expect = {"metric": "train_loss_epoch", "statistic": "mean", "window": 4, "above": 0}
    record = done(tmp_path, goals(milestones=[{"at": {"epoch": 4}, "expect": expect}]))
    losses = record.series("train_loss_epoch")
    assert told(record)[0].measured[0].value == pytest.approx(sum(losses) / 4)


def test_a_missed_milestone_can_end_a_run_as_pruned(tmp_path):
    milestone = {
        "at": {"step": 5},
        "expect": {"metric": "val_loss", "below": 0},
        "action": "stop",
    }
    record = done(tmp_path, goals(milestones=[milestone]))
    assert (record.status(), record.cause()) == (Status.PRUNED, Cause.GOAL_MISSED)
    assert "milestone step 5: missed" in (record.outcome().reason or "")
    assert record.finished().steps in {5, 6}


def test_success_can_end_a_run_as_complete(tmp_path):
    success = {"all": [{"metric": "val_loss", "below": 1e9}], "action": "stop"}
    record = done(tmp_path, goals(success=success))
    assert record.status() is Status.COMPLETE
    assert record.finished().epochs == 1


def test_success_is_a_metric_that_can_be_searched_for(tmp_path):
    success = [{"metric": "val_loss", "below": 1e9}]
    record = done(tmp_path, goals(success=success), metric="steps_to_success")
    assert record.series("steps_to_success")[-1] == STEPS_PER_EPOCH
    assert record.series("success")[-1] == 1
    never = done(tmp_path, goals(success=[{"metric": "val_loss", "below": -1}]))
    assert never.series("steps_to_success")[-1] == 4 * STEPS_PER_EPOCH + 1
    tried = Record()
    execute(probe(2, metric="steps_to_success", goals=goals(success=success)), tried)
    assert tried.status(2) is Status.COMPLETE


LATE = {"trainer.check_val_every_n_epoch": 3}
"""The last of four epochs is validated after the fit."""


def test_a_validation_after_the_fit_is_no_success_of_a_run_that_missed_it(tmp_path):
    in_the_middle = {"trainer.max_steps": 3 * STEPS_PER_EPOCH + 2}
    record = done(tmp_path, goals(success=[{"metric": "val_loss", "below": -1}]), in_the_middle)
    assert len(record.series("val_loss")) == len(record.series("success")) == 4
    assert {*record.series("success")} == {0}
    (found,) = told(record)
    assert (found.kind, found.verdict) == ("success", "missed")


def test_a_validation_after_the_fit_counts_for_success_and_for_its_end(tmp_path):
    first, last = done(tmp_path / "a", goals(), LATE).series("val_loss")
    assert last < first
    between = (first + last) / 2
    gained = told(
        done(tmp_path / "b", goals(success=[{"metric": "val_loss", "below": between}]), LATE)
    )
    assert [(each.kind, each.verdict, each.step) for each in gained] == [
        ("success", "reached", 4 * STEPS_PER_EPOCH),
        ("success at the end", "reached", 4 * STEPS_PER_EPOCH),
    ]
    lost = told(
        done(tmp_path / "c", goals(success=[{"metric": "val_loss", "above": between}]), LATE)
    )
    assert [(each.kind, each.verdict, each.step) for each in lost] == [
        ("success", "reached", 3 * STEPS_PER_EPOCH),
        ("success at the end", "missed", 4 * STEPS_PER_EPOCH),
    ]


def test_what_is_only_validated_does_not_succeed_at_the_first_step():
    follow = FollowGoals(goals(success=[{"metric": "val_loss", "below": -1}]), 1)
    logged = {"val_loss": torch.tensor(0.5)}
    trainer = SimpleNamespace(
        sanity_checking=False, callback_metrics=logged, global_step=0, current_epoch=0, world_size=1
    )
    follow.on_validation_end(trainer, None)
    assert set(logged) == {"val_loss"}


def test_a_run_measures_its_own_speed_and_memory(tmp_path):
    watch = {
        "steps": 4,
        "all": [
            {"metric": "seconds_per_step", "statistic": "mean", "window": 2, "above": 0},
            {"metric": "memory_gb", "above": 0},
        ],
    }
    (found,) = told(done(tmp_path, goals(watch=watch)))
    assert (found.kind, found.verdict) == ("watch", "reached")


def test_the_first_steps_stop_a_run_that_is_not_as_it_should_be(tmp_path):
    watch = {"steps": 50, "all": [{"metric": "train_loss_step", "below": 0}]}
    record = done(tmp_path, goals(watch=watch))
    assert record.cause() is Cause.GOAL_MISSED
    assert record.finished().steps == 1


def test_a_run_that_diverges_ends_there_as_failed_and_keeps_what_it_logged(tmp_path):
    rising = {"optimizer.init_args.lr": 0.25, "trainer.max_epochs": 12}
    divergence = {"metric": "train_loss_epoch", "times": 1.2, "first": 2}
    record = done(tmp_path, goals(divergence=divergence), rising)
    assert (record.status(), record.cause()) == (Status.FAILED, Cause.DIVERGED)
    first, second, *others = record.series("train_loss_epoch")
    limit = 1.2 * (first + second) / 2
    assert [loss > limit for loss in others] == [False] * 5 + [True]
    assert (record.finished().epochs, record.finished().steps) == (8, 8 * STEPS_PER_EPOCH)
    assert "train_loss_epoch at most 1.2 times the median of the first 2" in record.outcome().reason
    (found,) = record.finished().facts["goals"]["judgements"]
    assert (found["kind"], found["verdict"]) == ("no divergence", "missed")


def test_a_loss_that_is_no_number_is_a_divergence_with_what_was_logged(tmp_path):
    changes = {"optimizer.init_args.lr": 1e30, "trainer.max_epochs": 9}
    record = done(tmp_path, goals(divergence={"metric": "train_loss_step"}), changes)
    assert (record.status(), record.cause()) == (Status.FAILED, Cause.DIVERGED)
    assert "train_loss_step finite" in record.outcome().reason
    assert not math.isfinite(record.series("train_loss")[-1])


def test_a_run_that_stays_below_the_limit_does_not_diverge(tmp_path):
    record = done(tmp_path, goals(divergence={"metric": "train_loss", "first": 2}))
    assert record.status() is Status.COMPLETE
    (found,) = told(record)
    assert (found.kind, found.verdict) == ("no divergence", "reached")


def test_the_facts_of_a_run_hold_what_was_judged(tmp_path):
    record = done(tmp_path, goals(success=[{"metric": "val_loss", "below": 1e9}]))
    found, at_end = record.finished().facts["goals"]["judgements"]
    assert (found["kind"], found["verdict"], found["step"]) == ("success", "reached", 4)
    assert (at_end["kind"], at_end["verdict"], at_end["step"]) == (
        "success at the end",
        "reached",
        4,
    )


def test_a_run_with_goals_trains_as_one_without(tmp_path):
    expected = goals(success=[{"metric": "val_loss", "below": 0.1}])
    with_goals = done(tmp_path / "a", expected).series("val_loss")
    assert with_goals == done(tmp_path / "b", goals()).series("val_loss")


def test_a_run_that_continues_judges_as_an_unbroken_one(tmp_path):
    expected = goals(
        milestones=[
            {"at": {"epoch": 1}, "expect": {"metric": "val_loss", "below": 0}},
            {"at": {"step": 14}, "expect": {"metric": "train_loss_step", "statistic": "mean",
                                            "window": 12, "below": 0}},
        ]
    )  # fmt: skip
    whole = done(tmp_path / "whole", expected, checkpoint_every=0)
    directory = tmp_path / "broken"
    directory.mkdir()
    checks = iter([False, False, True])  # before it starts, and at the end of each epoch
    first = Record()
    job = run(1, directory, EPOCHS, goals=expected, checkpoint_every=0)
    execute(job, first, lambda: next(checks, False))
    assert first.status() is Status.INTERRUPTED
    then = done(directory, expected, checkpoint_every=0, resume=True)
    facts = [record.finished().facts["goals"] for record in (whole, then)]
    assert facts[0] == facts[1]
