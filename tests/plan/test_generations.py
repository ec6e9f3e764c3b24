"""Batches of prompts and batches of completions; the figures are those that TRL gives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.plan import BatchUnit, Generating, GroupRule, refused

small = st.integers(1, 12)


@pytest.mark.parametrize(
    ("batch", "generations", "accumulate", "iterations", "steps"),
    [
        (2, 2, 1, 1, 60),
        (16, 8, 1, 1, 30),
        (64, 8, 1, 1, 7),
        (64, 16, 1, 1, 15),
        (2, 2, 4, 1, 15),
        (2, 2, 1, 2, 120),
    ],
)
def test_sixty_prompts_make_the_steps_that_trl_makes(
    batch, generations, accumulate, iterations, steps
):
    made = Generating(60, batch, generations, accumulate, iterations=iterations)
    assert made.steps_per_epoch(BatchUnit.COMPLETIONS) == steps


def test_the_two_meanings_of_a_batch_of_two_differ_by_a_factor_of_two():
    made = Generating(60, 2, 2)
    assert made.steps_per_epoch(BatchUnit.PROMPTS) == 30
    assert made.steps_per_epoch(BatchUnit.COMPLETIONS) == 60
    assert made.prompts_per_step(BatchUnit.COMPLETIONS) == 1
    assert [70 * made.steps_per_epoch(unit) for unit in BatchUnit] == [2100, 4200]


def test_a_batch_of_one_is_refused_without_accumulation_and_taken_with_two():
    alone = refused(1, 2)
    assert alone is not None
    assert alone.batch_sizes == (2,)
    assert alone.accumulations == (2,)
    assert refused(1, 2, accumulate=2) is None
    assert Generating(60, 1, 2, 2).steps_per_epoch(BatchUnit.COMPLETIONS) == 60


def test_the_older_rule_refuses_a_batch_of_one_whatever_is_accumulated():
    older = refused(1, 2, accumulate=2, rule=GroupRule.MICRO_BATCH)
    assert older is not None
    assert (older.batch_sizes, older.accumulations) == ((2,), ())
    assert "batch x devices = 1 x 1 = 1 is no multiple of 2" in older.what


@pytest.mark.parametrize("rule", GroupRule)
def test_a_batch_of_three_is_refused_and_the_nearest_are_named(rule):
    found = refused(3, 2, rule=rule)
    assert found is not None
    assert found.batch_sizes == (2, 4)


def test_one_completion_is_no_group():
    found = refused(4, 1)
    assert found is not None
    assert "at least 2" in found.what


@given(small, st.integers(2, 8), small, small, st.sampled_from(GroupRule))
def test_every_value_that_is_named_would_do(batch, generations, accumulate, devices, rule):
    found = refused(batch, generations, accumulate=accumulate, devices=devices, rule=rule)
    if found is None:
        return
    for size in found.batch_sizes:
        assert refused(size, generations, accumulate=accumulate, devices=devices, rule=rule) is None
    for count in found.accumulations:
        assert refused(batch, generations, accumulate=count, devices=devices, rule=rule) is None
    assert max(found.batch_sizes) > batch


@given(st.integers(1, 90), small, st.integers(2, 8), small)
def test_a_step_never_has_more_prompts_than_an_epoch_leaves(
    prompts, batch, generations, accumulate
):
    made = Generating(prompts, batch, generations, accumulate)
    if refused(batch, generations, accumulate=accumulate) is not None:
        with pytest.raises(ValueError, match="no whole groups"):
            made.steps_per_epoch(BatchUnit.COMPLETIONS)
        return
    steps = made.steps_per_epoch(BatchUnit.COMPLETIONS)
    each = made.prompts_per_step(BatchUnit.COMPLETIONS)
    assert steps * each <= prompts < (steps + 1) * each
