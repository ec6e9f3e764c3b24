"""Schedules: their closed forms, and that a real run steps them as they say."""

import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import Callback

from ablate.run.execute import execute
from ablate.run.lightning_cli import build
from ablate.run.schedules import Cosine, Linear, OneCycle, Schedule
from ablate.spec import read_yaml
from tests.run.jobs import STEPS_PER_EPOCH, Record, run, toy

TRIAL_69 = Path(__file__).parents[2] / "configs" / "trial-69.yaml"
MONITOR = {
    "class_path": "lightning.pytorch.callbacks.LearningRateMonitor",
    "init_args": {"logging_interval": "epoch"},
}

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
    assert open_ended.total_steps == length
    assert open_ended.get_last_lr() == [open_ended.optimizer.param_groups[0]["lr"]]
    assert fixed.total_steps == given_length
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
@pytest.mark.parametrize("warmup", [-0.1, 1.0, 5, math.nan])
def test_a_warmup_that_is_no_share_of_the_run_is_refused(kind, warmup):
    with pytest.raises(ValueError, match=r"warmup is a share of the run in \[0, 1\)"):
        kind(optimizer(1.0), warmup=warmup)


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


def test_trial_69_reports_its_published_learning_rates(tmp_path):
    frozen = read_yaml(TRIAL_69)
    job = run(
        1,
        tmp_path,
        {
            "optimizer": frozen["optimizer"],
            "lr_scheduler": frozen["lr_scheduler"],
            "trainer.callbacks": [MONITOR],
            "trainer.logger": True,
            "trainer.max_epochs": 12,
        },
    )
    record = Record()
    execute(job, record)
    reported = record.series("lr-Adam")
    published = [1.84988e-3, 1.7260e-3, 1.3879e-3, 9.2578e-4, 4.6373e-4, 1.2549e-4]
    assert reported == pytest.approx(published * 2, rel=5e-5)
    lr, low = 0.0018498849832733245, 1.6816632143867157e-06
    assert reported == pytest.approx(
        [low + (lr - low) * (1 + math.cos(math.pi * (e % 6) / 6)) / 2 for e in range(12)], rel=1e-6
    )
