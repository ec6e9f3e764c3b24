"""Schedules: their closed forms, and that a real run steps them as they say."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import Callback

from ablate.run.lightning_cli import build, resolve
from ablate.run.schedules import Cosine, EpochCosine, Linear, OneCycle, Schedule
from ablate.spec import Cause
from ablate.testing.jobs import STEPS_PER_EPOCH, Record, execute, probe, run, toy

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
shares = st.floats(0, 1)
warmups = st.just(0.0) | st.floats(0.01, 0.95)
totals = st.integers(1, 40)


def optimizer(*rates: float) -> torch.optim.Optimizer:
    groups = [{"params": [torch.zeros(1, requires_grad=True)], "lr": rate} for rate in rates]
    return torch.optim.SGD(groups)


def rates(schedule: Schedule, steps: int) -> list[list[float]]:
    """Return every group's learning rate at each of `steps` optimizer steps."""
    seen = []
    for _ in range(steps):
        seen.append([group["lr"] for group in schedule.optimizer.param_groups])
        schedule.optimizer.step()
        schedule.step()
    return seen


def after_warmup(step: int, total: int, warmup: float) -> float | None:
    """Return the done share of the falling part after `step` of `total`, if it has begun."""
    done = step / total
    return None if done < warmup else (done - warmup) / (1 - warmup)


@given(totals, warmups, shares)
def test_a_cosine_rises_in_a_line_and_falls_as_half_a_cosine(total, warmup, final):
    schedule = Cosine(optimizer(1.0), warmup, final, total)
    for step, (rate,) in enumerate(rates(schedule, total), start=1):
        share = after_warmup(step, total, warmup)
        expected = (
            step / total / warmup
            if share is None
            # cos(pi p) = 1 - 2 sin(pi p / 2)^2
            else 1 - (1 - final) * math.sin(math.pi * share / 2) ** 2
        )
        assert rate == pytest.approx(expected, abs=1e-9)


@given(totals, warmups, shares)
def test_a_line_rises_and_falls_in_straight_lines(total, warmup, final):
    schedule = Linear(optimizer(1.0), warmup, final, total)
    for step, (rate,) in enumerate(rates(schedule, total), start=1):
        share = after_warmup(step, total, warmup)
        expected = step / total / warmup if share is None else (1 - share) + share * final
        assert rate == pytest.approx(expected, abs=1e-9)


@given(totals, warmups, st.floats(1, 100), shares)
def test_one_cycle_has_two_cosine_flanks(total, warmup, div, final):
    schedule = OneCycle(optimizer(1.0), warmup, div, final, total)
    for step, (rate,) in enumerate(rates(schedule, total), start=1):
        share = after_warmup(step, total, warmup)
        if share is None:
            rise = math.sin(math.pi * step / total / warmup / 2) ** 2
            expected = 1 / div + (1 - 1 / div) * rise
        else:
            expected = final + (1 - final) * math.cos(math.pi * share / 2) ** 2
        assert rate == pytest.approx(expected, abs=1e-9)


def test_one_cycle_is_torchs_where_the_two_agree():
    ours = OneCycle(optimizer(1.0), warmup=0.25, div=10.0, final=0.001, total_steps=400)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer(1.0), 1.0, 401, pct_start=101 / 401, div_factor=10.0, final_div_factor=100.0
    )
    pairs = list(zip(rates(ours, 400), rates(theirs, 401)[1:], strict=True))  # type: ignore[arg-type]
    assert max(abs(a - b) for (a,), (b,) in pairs) < 0.01


@given(st.lists(st.floats(1e-6, 10), min_size=1, max_size=3), totals)
def test_every_group_keeps_its_own_base_rate(bases, total):
    scaled = rates(Cosine(optimizer(*bases), 0.2, 0.1, total), total)
    factors = rates(Cosine(optimizer(1.0), 0.2, 0.1, total), total)
    for row, (factor,) in zip(scaled, factors, strict=True):
        assert row == pytest.approx([base * factor for base in bases])


@given(totals, totals)
def test_a_schedule_is_fitted_to_the_run_unless_it_says_its_length(length, given_length):
    open_ended = Linear(optimizer(1.0), 0.3)
    open_ended.fit_to(length)
    fixed = Linear(optimizer(1.0), 0.3, total_steps=given_length)
    fixed.fit_to(length)
    assert open_ended.length == length
    assert open_ended.get_last_lr() == [open_ended.optimizer.param_groups[0]["lr"]]
    assert fixed.length == given_length
    assert rates(open_ended, length) == rates(Linear(optimizer(1.0), 0.3, 0.0, length), length)


def test_a_warmup_never_trains_at_a_rate_of_zero():
    schedule = Cosine(optimizer(1.0), warmup=0.5)
    schedule.fit_to(10)
    assert min(rate for (rate,) in rates(schedule, 9)) > 0


def test_a_schedule_stays_at_its_end_when_the_run_goes_on():
    assert rates(Linear(optimizer(1.0), 0.0, 0.25, 3), 6)[2:] == [[0.25]] * 4


def test_a_schedule_of_unknown_length_says_so_when_it_is_stepped():
    schedule = Cosine(optimizer(1.0))
    with pytest.raises(ValueError, match="Cosine needs total_steps"):
        rates(schedule, 2)


@pytest.mark.parametrize("kind", [Cosine, Linear, OneCycle])
@pytest.mark.parametrize("warmup", [-0.1, 1.0, 5.0, math.nan, -1, True])
def test_a_warmup_that_is_neither_a_share_of_the_run_nor_a_count_is_refused(kind, warmup):
    with pytest.raises(ValueError, match=r"warmup is a share of the run in \[0, 1\) as a float or"):
        kind(optimizer(1.0), warmup=warmup)


@given(totals, st.integers(1, 60), shares)
def test_a_warmup_may_be_counted_in_steps(total, warmup, final):
    for kind in (Cosine, Linear):
        schedule = kind(optimizer(1.0), warmup, final, total)
        for step, (rate,) in enumerate(rates(schedule, total), start=1):
            if step <= warmup:
                assert rate == pytest.approx(step / warmup)
            elif kind is Linear:
                share = (step - warmup) / (total - warmup)
                assert rate == pytest.approx(1 - share + share * final, abs=1e-9)
        if total > warmup:
            assert rates(schedule, 1) == [[pytest.approx(final)]]


def test_a_run_that_is_shorter_than_its_warmup_only_rises():
    seen = [rate for (rate,) in rates(Linear(optimizer(1e-4), 100, total_steps=63), 63)]
    assert seen == pytest.approx([1e-4 * step / 100 for step in range(1, 64)])


@pytest.mark.parametrize("kind", [Cosine, Linear, OneCycle])
@pytest.mark.parametrize("none", [0, 0.0])
def test_no_warmup_starts_the_decay_at_once(kind, none):
    assert kind(optimizer(1.0), none, total_steps=4).factor(0.0) == 1


@given(st.floats(0.01, 100), st.integers(2, 20))
def test_a_scale_multiplies_the_optimizers_own_rate(scale, total):
    for kind, warmup in ((Cosine, 0.3), (Linear, 3), (OneCycle, 0.3), (EpochCosine, 1)):
        length = {f"total_{kind.interval}s": total}
        scaled = rates(kind(optimizer(2e-4), warmup, scale=scale, **length), total)
        plain = rates(kind(optimizer(2e-4), warmup, **length), total)
        assert scaled == [[pytest.approx(scale * rate, abs=1e-12)] for (rate,) in plain]


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_a_scale_that_is_no_factor_is_refused(scale):
    with pytest.raises(ValueError, match="scale is a positive factor"):
        Linear(optimizer(1.0), scale=scale)


def test_a_cosine_by_epochs_has_its_published_rates():
    schedule = EpochCosine(optimizer(3e-4), warmup=10)
    schedule.fit_to(50)
    seen = [rate for (rate,) in rates(schedule, 50)]
    assert seen[0] == pytest.approx(3e-5)
    assert seen[9:11] == [3e-4, 3e-4]
    assert seen[49] == pytest.approx(4.6e-7, rel=0.01)
    assert seen[30] == pytest.approx(1.5e-4)


@given(st.integers(1, 30), st.integers(0, 29), shares)
def test_a_cosine_by_epochs_rises_in_a_line_and_falls_as_half_a_cosine(total, warmup, final):
    warmup = min(warmup, total - 1)
    schedule = EpochCosine(optimizer(1.0), warmup, final, total)
    for epoch, (rate,) in enumerate(rates(schedule, total)):
        fallen = math.sin(math.pi * (epoch - warmup) / (total - warmup) / 2) ** 2
        expected = (epoch + 1) / warmup if epoch < warmup else 1 - (1 - final) * fallen
        assert rate == pytest.approx(expected, abs=1e-9)
    assert rates(schedule, 2) == [[pytest.approx(final)]] * 2


@pytest.mark.parametrize("warmup", [-1, 0.1, 2.0, True])
def test_a_warmup_by_epochs_is_a_count(warmup):
    with pytest.raises(ValueError, match="warmup is a number of epochs"):
        EpochCosine(optimizer(1.0), warmup)


class Rates(Callback):
    """Notes the learning rate of every optimizer step."""

    def __init__(self):
        self.seen = []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.seen.append(optimizer.param_groups[0]["lr"])


def trained(changes) -> list[float]:
    noted = Rates()
    cli = build(toy({"optimizer.init_args.lr": 0.01, **changes}), None, [noted])
    cli.trainer.fit(cli.model, datamodule=cli.datamodule)
    return noted.seen


def test_a_run_steps_a_schedule_after_every_optimizer_step_to_its_end():
    schedule = {"class_path": "ablate.run.schedules.Linear", "init_args": {"final": 0.5}}
    total = 2 * STEPS_PER_EPOCH
    expected = [0.01 * (1 - 0.5 * step / total) for step in range(1, total + 1)]
    assert trained({"lr_scheduler": schedule}) == pytest.approx(expected)


def test_accumulated_batches_are_one_step_of_a_schedule():
    schedule = {"class_path": "ablate.run.schedules.Linear", "init_args": {"final": 0.5}}
    accumulated = {"lr_scheduler": schedule, "trainer.accumulate_grad_batches": 2}
    assert trained(accumulated) == pytest.approx([0.00875, 0.0075, 0.00625, 0.005])


def test_torchs_own_schedulers_are_stepped_per_epoch():
    halving = {
        "class_path": "torch.optim.lr_scheduler.StepLR",
        "init_args": {"step_size": 1, "gamma": 0.5},
    }
    expected = [0.01] * STEPS_PER_EPOCH + [0.005] * STEPS_PER_EPOCH
    assert trained({"lr_scheduler": halving}) == pytest.approx(expected)


def by_epochs(**arguments) -> dict:
    return {"class_path": "ablate.run.schedules.EpochCosine", "init_args": arguments}


def test_a_schedule_by_epochs_is_stepped_after_every_epoch():
    changes = {"lr_scheduler": by_epochs(warmup=1), "trainer.max_epochs": 3}
    expected = [0.01] * STEPS_PER_EPOCH * 2 + [0.005] * STEPS_PER_EPOCH
    assert trained(changes) == pytest.approx(expected)


@pytest.mark.parametrize("task", ["probe", "run"])
def test_a_warmup_by_epochs_that_leaves_nothing_of_the_run_is_a_wrong_config(tmp_path, task):
    record = Record()
    changes = {"lr_scheduler": by_epochs(warmup=2), "trainer.max_epochs": 2}
    execute({"probe": probe(1, changes), "run": run(1, tmp_path, changes)}[task], record)
    assert record.cause() == Cause.WRONG_CONFIG
    assert "a warm-up of 2 epochs leaves none of the run's 2" in str(record.outcome().reason)


def test_a_probe_takes_a_schedule_for_what_it_is_in_the_whole_run(recwarn):
    for schedule in (by_epochs(warmup=10), counted(100)):
        record = Record()
        execute(probe(1, {"lr_scheduler": schedule, "trainer.max_epochs": 50}), record)
        assert record.status() == "complete"
    assert not [item for item in recwarn if "warms up" in str(item.message)]


def counted(warmup: int) -> dict:
    return {"class_path": "ablate.run.schedules.Linear", "init_args": {"warmup": warmup}}


def test_a_run_that_is_shorter_than_its_warmup_warns_that_it_never_reaches_the_full_rate():
    with pytest.warns(UserWarning, match="warms up for 10 steps, but the run has 8: .* only rises"):
        seen = trained({"lr_scheduler": counted(10)})
    assert seen == pytest.approx([0.001 * step for step in range(1, 9)])


def test_a_warmup_as_long_as_the_run_reaches_the_full_rate_without_a_word(recwarn):
    assert trained({"lr_scheduler": counted(8)})[-1] == pytest.approx(0.01)
    assert not [item for item in recwarn if "warms up" in str(item.message)]


@pytest.mark.parametrize("warmup", [0, 0.0, 100, 0.1, 1.0])
def test_a_resolved_warmup_is_still_a_count_or_a_share(warmup):
    resolved = resolve(toy({"lr_scheduler": counted(warmup)}))
    found = resolve(resolved)["lr_scheduler"]["init_args"]["warmup"]
    assert (found, type(found)) == (warmup, type(warmup))
