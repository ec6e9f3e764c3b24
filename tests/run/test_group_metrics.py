"""What a module tells of its examples by group reaches the record: last epoch, and the best."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import SpecError
from ablate.run import GroupMeans, Reported
from ablate.run.group_metrics import MOST, Groups, ask
from ablate.spec import Cause, Direction, Status
from ablate.testing.jobs import STEPS_PER_EPOCH, Record, execute, model, probe, run
from ablate.testing.toy import Toy
from tests.run import modules

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
TELLS = {**model(modules.TellsOfGroups), "trainer.max_epochs": 3}


class Offers:
    """A module in name only, with an answer."""

    def __init__(self, answer):
        self.answer = answer

    def group_metrics(self):
        return self.answer


def done(directory, changes=None, *, decide=None, **more):
    record = Record(decide)
    directory.mkdir(exist_ok=True)
    execute(run(1, directory, {**TELLS, **(changes or {})}, checkpoint_every=0, **more), record)
    return record


def told(record):
    return record.finished().groups


def test_the_means_of_the_last_validation_come_with_the_end_of_the_run(tmp_path):
    (found,) = told(done(tmp_path))
    assert (found.grouping, found.name, found.step, found.epoch) == (
        *("sign", "val_error"),
        *(3 * STEPS_PER_EPOCH, 2),
    )
    (plus, m), (minus, n) = found.means["plus"], found.means["minus"]
    assert m + n == 32
    last = done(tmp_path).series("val_error")[-1]
    assert (m * plus + n * minus) / (m + n) == pytest.approx(last, rel=1e-6)


def test_a_run_that_is_asked_equals_one_that_is_not(tmp_path):
    asked = done(tmp_path / "a").series("val_error")
    assert asked == done(tmp_path / "b", model(Toy)).series("val_error")


@pytest.mark.parametrize(("best", "pick"), [(Direction.MINIMIZE, min), (Direction.MAXIMIZE, max)])
def test_a_run_that_is_read_at_its_best_tells_of_that_epoch_too(tmp_path, best, pick):
    changes = {"optimizer.init_args.lr": 0.3}
    record = done(tmp_path, changes, metric="val_error", best=best)
    curve = record.series("val_error")
    epochs = sorted({curve.index(pick(curve)), len(curve) - 1})
    assert [found.epoch for found in told(record)] == epochs
    for found in told(record):
        total = sum(mean * n for mean, n in found.means.values()) / 32
        assert total == pytest.approx(curve[found.epoch], rel=1e-6)


@pytest.mark.parametrize("best", [Direction.MINIMIZE, Direction.MAXIMIZE])
def test_a_run_that_continues_tells_what_an_unbroken_one_tells(tmp_path, best):
    more = {"metric": "val_error", "best": best}
    unbroken = told(done(tmp_path / "whole", **more))
    checks = iter([False, False, True])  # before it starts, and at the end of each epoch
    directory = tmp_path / "broken"
    directory.mkdir()
    job = run(1, directory, TELLS, checkpoint_every=0, **more)
    record = Record()
    execute(job, record, lambda: next(checks, True))
    assert record.status() is Status.INTERRUPTED
    assert told(record) == ()
    again = done(directory, resume=True, **more)
    assert again.built().resumed_epoch
    assert told(again) == unbroken


def test_a_pruned_run_tells_of_its_last_validation(tmp_path):
    record = done(tmp_path, decide=lambda report: "stop", supervised=True)
    assert record.status() is Status.PRUNED
    assert [found.epoch for found in told(record)] == [0]


def test_an_answer_without_a_number_of_examples_is_refused_before_the_study(tmp_path):
    record = Record()
    execute(probe(1, model(modules.TellsNoGroups)), record)
    assert record.cause() is Cause.WRONG_CONFIG
    assert "group_metrics of the module: sign/val_error/plus is 0.5" in record.outcome().reason
    assert "{grouping: {metric: {group: (mean, examples)}}}" in record.outcome().reason


def test_a_module_that_offers_nothing_tells_nothing():
    assert ask(object(), 1, 0) == ()
    assert ask(Offers({}), 1, 0) == ()


def test_numbers_may_be_tensors():
    answer = {"task": {"acc": {"a": (torch.tensor(0.5), torch.tensor(3)), "b": [math.nan, 2]}}}
    (found,) = ask(Offers(answer), 7, 1)
    assert repr(found) == repr(GroupMeans("task", "acc", 7, 1, {"a": (0.5, 3), "b": (math.nan, 2)}))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "its answer is a NoneType, not a mapping"),
        ({"task": 1.0}, "task is a float, not a mapping"),
        ({"task": {"acc": [1]}}, "task/acc is a list, not a mapping"),
        ({"task": {"acc": {1: (1.0, 2)}}}, "1 in task/acc is no name"),
        ({"task": {"acc": {"a\nb": (1.0, 2)}}}, "is no name"),
        ({"task": {"x" * 201: {}}}, "at most 200 characters"),
        ({"task": {"acc": {"a": (1.0, 0)}}}, "which is at least 1"),
        ({"task": {"acc": {"a": (1.0, 1.5)}}}, "which is at least 1"),
        ({"task": {"acc": {"a": ("much", 2)}}}, "task/acc/a is ('much', 2), not a mean"),
        ({"task": {"acc": {str(i): (1.0, 1) for i in range(MOST + 1)}}}, "10,000 are the most"),
    ],
)
def test_an_answer_that_can_not_be_stored_is_refused_with_its_place(answer, words):
    with pytest.raises(SpecError) as caught:
        ask(Offers(answer), 1, 0)
    assert words in str(caught.value)


@given(
    st.lists(st.none() | st.sampled_from([1.0, 2.0, 3.0, math.nan, math.inf]), max_size=6),
    st.sampled_from([None, *Direction]),
    st.integers(0, 6),
)
def test_the_kept_epochs_are_the_last_and_the_first_best_also_across_a_checkpoint(
    values, direction, kill
):
    groups = Groups(direction)
    for epoch, value in enumerate(values):
        if epoch == kill:
            plain, groups = groups.to_plain(), Groups(direction)
            groups.restore(plain)
        groups.ask(Offers({"task": {"acc": {"a": (epoch, 1)}}}), 10 * epoch, epoch)
        groups.see(Reported(1, "val", 10 * epoch, epoch, {}, value))
    finite = [value for value in values if value is not None and math.isfinite(value)]
    expected = {len(values) - 1} if values else set()
    if finite and direction:
        expected |= {values.index(direction.best(finite))}
    assert [found.epoch for found in groups.kept] == sorted(expected)
