"""Plans of whole configurations: the numbers of known recipes, and what is wrong with a run."""

import json
from dataclasses import replace

import pytest

from ablate.plan import (
    Facts,
    Line,
    Memory,
    Severity,
    Timing,
    Wishes,
    check_unbuilt,
    compare,
    fit_config,
    plan_config,
    rates_over,
    say_factor,
    train_records,
)

SIXTY = Facts(samples=60, batch=2, batches=30, max_epochs=5)
"""Sixty samples in batches of two."""


def tagged(records, eval_share, accumulate, epochs, warmup, *, schedule="Linear"):
    """Return the facts of a tagged-language-model recipe in batches of two, and its schedule."""
    samples = train_records(records, eval_share)
    facts = Facts(
        samples=samples, batch=2, batches=-(-samples // 2), accumulate={0: accumulate},
        max_epochs=epochs, validation_batches=1, val_check_batch=800,
        check_val_every_n_epoch=None,
    )  # fmt: skip
    steps = plan_config({}, facts).optimizer_steps or 0
    risen = warmup if isinstance(warmup, int) else round(warmup * steps)
    values = [min(1.0, (step + 1) / risen) for step in range(steps)]
    values = [v if step < risen else 1 - (step - risen) / steps for step, v in enumerate(values)]
    return replace(facts, rates=(rates_over(schedule, "step", 1, values, length=steps),))


DEVELOPMENT = tagged(184, 0.1, 4, 3, 100)
PRODUCTION = tagged(1346, 0.15, 8, 15, 0.1, schedule="Cosine")


def codes(plan):
    return {violation.code for violation in plan.violations}


def test_five_epochs_of_sixty_samples_are_150_steps_and_2000_take_67_epochs_or_70():
    made = plan_config({}, SIXTY, Wishes(steps=2000))
    assert (made.steps_per_epoch, made.optimizer_steps) == (30, 150)
    assert [(p.epochs, p.steps) for p in made.proposals] == [(67, 2010), (70, 2100)]
    (found,) = made.violations
    assert found.code == "too-few-steps"
    assert found.nearest == {"trainer.max_epochs": (67,)}


def test_seventy_epochs_are_2100_steps_with_21_evaluations_and_checkpoints_of_which_10_are_kept():
    config = {
        "trainer": {
            "callbacks": [
                {
                    "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
                    "init_args": {"every_n_train_steps": 100, "save_top_k": 10},
                }
            ]
        }
    }
    facts = replace(
        SIXTY, max_epochs=70, validation_batches=8, val_check_batch=100,
        check_val_every_n_epoch=None,
    )  # fmt: skip
    made = plan_config(config, facts)
    assert (made.optimizer_steps, made.epochs, made.evaluations) == (2100, 70, 21)
    assert [(kept.written, kept.kept) for kept in made.checkpoints] == [(21, 10)]


@pytest.mark.parametrize(
    ("seconds", "hours"), [(40, 23.33), (60, 35.0), (80, 46.67)]
)  # fmt: skip
def test_2100_steps_take_the_hours_that_were_planned(seconds, hours):
    facts = replace(SIXTY, max_epochs=70, timing=Timing(seconds, 0.0, 10))
    found = plan_config({}, facts).seconds
    assert found is not None
    assert found.total / 3600 == pytest.approx(hours, abs=0.005)


def test_21_evaluations_of_363_seconds_take_two_hours_more():
    facts = replace(
        SIXTY, max_epochs=70, validation_batches=15, val_check_batch=100,
        check_val_every_n_epoch=None, timing=Timing(40.0, 0.0, 10, 24.0, 3.0),
    )  # fmt: skip
    found = plan_config({}, facts).seconds
    assert found is not None
    assert (found.total - 2100 * 40) / 3600 == pytest.approx(2.1, abs=0.02)


def test_sixty_steps_per_epoch_where_the_batch_counts_completions():
    config = {"model": {"init_args": {"num_generations": 2}}, "data": {"init_args": {}}}
    made = plan_config(config, replace(SIXTY, max_epochs=70))
    assert [(m.unit, m.steps_per_epoch, m.optimizer_steps) for m in made.meanings] == [
        ("prompts", 30, 2100),
        ("completions", 60, 4200),
    ]


@pytest.mark.parametrize(
    ("unit", "accumulate", "severity"),
    [
        ("completions", 1, Severity.ERROR),
        (None, 1, Severity.WARNING),
        ("prompts", 1, None),
        ("completions", 2, None),
    ],
)
def test_a_batch_of_one_with_two_generations(unit, accumulate, severity):
    arguments = {"batch_size": 1, "num_generations": 2, "batch_unit": unit}
    facts = replace(SIXTY, batch=1, batches=60, accumulate={0: accumulate})
    found = plan_config({"data": {"init_args": arguments}}, facts).violations
    assert [violation.severity for violation in found] == ([severity] if severity else [])
    for violation in found:
        assert violation.nearest["data.init_args.batch_size"] == (2,)
        assert violation.nearest["trainer.accumulate_grad_batches"] == (2,)


def test_an_evaluation_batch_holds_whole_groups_whatever_is_accumulated():
    arguments = {
        "batch_size": 2, "eval_batch_size": 3, "num_generations": 2, "batch_unit": "completions",
    }  # fmt: skip
    facts = replace(SIXTY, accumulate={0: 2})
    (found,) = plan_config({"data": {"init_args": arguments}}, facts).violations
    assert found.what.startswith("evaluation: ")
    assert found.nearest == {"data.init_args.eval_batch_size": (2, 4)}


@pytest.mark.parametrize(
    ("records", "share", "accumulate", "epochs", "steps"),
    [
        (184, 0.1, 4, 3, 63),
        (950, 0.15, 8, 15, 765),
        (1346, 0.15, 8, 15, 1080),
        (1346, 0.1, 8, 15, 1140),
    ],
)
def test_the_tagged_language_model_recipes_make_their_steps(
    records, share, accumulate, epochs, steps
):
    assert plan_config({}, tagged(records, share, accumulate, epochs, 0.1)).optimizer_steps == steps


def test_development_and_production_side_by_side():
    development, production = (plan_config({}, facts) for facts in (DEVELOPMENT, PRODUCTION))
    assert (development.effective_batch, production.effective_batch) == (8, 16)
    assert (development.evaluations, production.evaluations) == (0, 10)
    assert production.warmup_share == pytest.approx(0.1, abs=0.001)
    found = {row.name: row for row in compare([development, production])}
    assert found["samples_seen"].values == (495, 17_160)
    assert found["samples_seen"].factors[0] == pytest.approx(34.7, abs=0.05)
    assert found["epochs"].factors == (5.0,)
    (factor,) = found["optimizer_steps"].factors
    assert factor is not None
    assert say_factor(factor, "steps") == "17x more steps"
    assert "parameters" not in found


def test_the_published_table_contradicts_itself():
    development, production = (plan_config({}, facts) for facts in (DEVELOPMENT, PRODUCTION))
    # A warm-up of 100 steps in a run of 63 never ends, and its decay never begins.
    assert codes(development) == {"warmup-too-long"}
    assert DEVELOPMENT.rates[0].at(1.0) == pytest.approx(0.63)
    # "Evaluate every 200, save every 400": neither happens in 63 steps.
    assert development.evaluations == 0
    # A warm-up of "350, 10 %" is of 3,500 steps, or a third of those there are.
    assert 350 / (production.optimizer_steps or 1) == pytest.approx(0.324, abs=0.001)
    # The file that the production script names makes 765 steps, not about 1,100.
    assert plan_config({}, tagged(950, 0.15, 8, 15, 0.1)).optimizer_steps == 765


def test_three_times_the_positions_at_the_same_speed_take_five_and_a_half_hours():
    per_step = {plan.effective_batch: plan for plan in (plan_config({}, DEVELOPMENT),)}
    assert list(per_step) == [8]
    seconds = 6.0 * (16 * 768) / (8 * 512)
    facts = replace(PRODUCTION, timing=Timing(seconds / 8, 0.0, 10), validation_batches=0)
    found = plan_config({}, facts).seconds
    assert found is not None
    assert found.total / 3600 == pytest.approx(5.4, abs=0.1)


# --- constraints of every configuration -----------------------------------------------------


def schedule(values, interval="step", name="CosineAnnealingLR", **arguments):
    return rates_over(
        name, interval, 1, values, length=len(values),
        arguments={key: float(value) for key, value in arguments.items()},
    )  # fmt: skip


def falling(count):
    return [1 - place / count for place in range(count)]


@pytest.mark.parametrize(
    ("rates", "code", "nearest"),
    [
        (schedule(falling(150), T_max=150), None, {}),
        (schedule(falling(150), T_max=1000), "schedule-length", {"T_max": (150,)}),
        (schedule(falling(5), "epoch", T_max=150), "scheduler-interval", {"T_max": (5,)}),
        (schedule(falling(150), T_max=5), "scheduler-interval", {"T_max": (150,)}),
        (schedule(falling(150), T_0=200), "restart-never-completes", {"T_0": (150,)}),
        (schedule(falling(150), T_0=50), None, {}),
        (schedule(falling(150), T_0=50, T_mult=2), None, {}),
        (schedule(falling(150), T_0=40, T_mult=2), "restart-never-completes", {}),
        (schedule([(n + 1) / 200 for n in range(150)]), "warmup-too-long", {}),
        (schedule([1.0] * 150), None, {}),
    ],
)
def test_a_schedule_has_to_suit_the_run(rates, code, nearest):
    found = plan_config({}, replace(SIXTY, rates=(rates,))).violations
    assert [violation.code for violation in found] == ([code] if code else [])
    for violation in found:
        named = {f"lr_scheduler.init_args.{key}": value for key, value in nearest.items()}
        assert violation.nearest == named


def test_a_schedule_that_refuses_to_go_on_is_told_with_its_step():
    rates = rates_over(
        "OneCycleLR", "step", 1, falling(101), length=150, refused="ValueError: stepped 102 times"
    )
    (found,) = plan_config({}, replace(SIXTY, rates=(rates,))).violations
    assert found.code == "schedule-ends"
    assert "number 101 of 150: ValueError: stepped 102 times" in found.what


def checkpoints(every, trainer):
    callback = {
        "class_path": "ModelCheckpoint",
        "init_args": {"monitor": "val_loss", "every_n_train_steps": every},
    }
    return {"trainer": {**trainer, "callbacks": [callback]}}


@pytest.mark.parametrize(("every", "near"), [(200, None), (150, (100, 200)), (50, (100,))])
def test_checkpoints_judged_by_a_validation_are_saved_after_one(every, near):
    trainer = {"val_check_interval": 100, "check_val_every_n_epoch": None}
    found = plan_config(checkpoints(every, trainer), SIXTY).violations
    assert [v.nearest for v in found] == (
        [{"trainer.callbacks[0].init_args.every_n_train_steps": near}] if near else []
    )


def test_heads_have_to_divide_the_width_in_every_pair_of_them():
    arguments = {"d_model": 256, "nhead": 12, "context_d_model": 30, "context_heads": 8}
    found = plan_config({"model": {"init_args": arguments}}, SIXTY).violations
    assert [violation.nearest for violation in found] == [
        {"model.init_args.nhead": (8, 16), "model.init_args.d_model": (252, 264)},
        {"model.init_args.context_heads": (6, 10), "model.init_args.context_d_model": (24, 32)},
    ]


def test_what_cannot_be_built_is_told_with_what_the_config_shows():
    made = check_unbuilt({"model": {"init_args": {"d_model": 256, "nhead": 12}}}, "it raised")
    assert codes(made) == {"heads-divide-width", "cannot-train"}
    assert made.optimizer_steps is None
    assert not made.holds


def test_a_run_that_nothing_ends_is_an_error():
    assert codes(plan_config({}, replace(SIXTY, max_epochs=None))) == {"endless"}


MEMORY = Memory(100, 0, 100, 200, 300, (Line(100.0, 0.0), Line(0.0, 50.0)), 1000)


def test_a_run_that_does_not_fit_is_told_and_a_smaller_batch_is_proposed():
    facts = replace(SIXTY, batch=16, batches=4, accumulate={0: 2}, memory=MEMORY)
    made = plan_config({}, facts, Wishes(limit=1800))
    assert made.memory_bytes == 1100
    assert codes(made) == {"too-large"}
    found = fit_config({}, facts, 1800)
    assert found is not None
    assert (found.batch_size, found.accumulate) == (8, 4)
    assert fit_config({}, facts, 1000) is None


def test_a_fit_keeps_groups_of_completions_whole():
    facts = replace(SIXTY, batch=8, batches=8, memory=MEMORY)
    arguments = {"batch_size": 8, "num_generations": 8, "batch_unit": "completions"}
    found = fit_config({"data": {"init_args": arguments}}, facts, 10**6)
    assert found is not None
    assert found.batch_size * found.accumulate == 8


def test_facts_travel_as_plain_data():
    facts = replace(DEVELOPMENT, memory=MEMORY, flops=Line(1.0, 2.0), timing=Timing(1.0, 2.0, 3))
    assert Facts.of(json.loads(json.dumps(facts.as_dict()))) == facts
