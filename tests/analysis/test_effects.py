"""Effects of factorial and fractional designs: what was planted is found, and nothing else."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.analysis import Cell, Reading, arms_table, conclude
from ablate.analysis.effects import effects_frame, effects_of
from ablate.analysis.verdicts import Method, Verdict
from ablate.spec import Direction, designs
from tests.analysis.frames_of import definition, frames, run

PLASMA = {
    "": (550, 604),
    "gap": (669, 650),
    "flow": (633, 601),
    "gap+flow": (642, 635),
    "power": (1037, 1052),
    "gap+power": (749, 868),
    "flow+power": (1075, 1063),
    "gap+flow+power": (729, 860),
}
"""Montgomery, Design and Analysis of Experiments, example 6.1: the etch rate of a plasma."""

FILTRATION = [45, 71, 48, 65, 68, 60, 80, 65, 43, 100, 45, 104, 75, 86, 70, 96]
"""Example 6.2: the filtration rate in a pilot plant, in standard order."""


def study(names, design, **changes):
    components = {name: {f"model.{name}": 1} for name in names}
    arms = designs.expand(components, (design,), "base", "full")
    given = {"arms": arms, "components": components, "designs": (design,), "reference": "base"}
    made = definition(arms={}, floor={})
    return made.model_copy(update={**given, "metrics": {"loss": Direction.MINIMIZE}, **changes})


def effects(made, value, seeds=(1, 2, 3), skip=(), **objections):
    """Estimate the effects where `value` gives what an arm's components reach with a seed."""
    rows = []
    for arm in made.trained:
        cells = []
        for seed in seeds:
            reading = Reading.FAILED if (arm.name, seed) in skip else Reading.COUNTED
            cells.append(Cell(seed, 1, float(value(arm.components, seed)), reading, ""))
        rows.append({"metric": "loss", "arm": arm.name, "cells": tuple(cells)})
    found = effects_of(frames([], {}, made), pd.DataFrame(rows), "loss", **objections)
    return {effect.term: effect for effect in found}


def test_the_effects_of_a_plasma_experiment_are_the_published_ones():
    found = effects(
        study(["gap", "flow", "power"], "factorial"),
        lambda chosen, seed: PLASMA["+".join(chosen)][seed - 1],
        seeds=(1, 2),
    )
    assert {term: effect.difference for term, effect in found.items()} == {
        ("gap",): pytest.approx(-101.625),
        ("flow",): pytest.approx(7.375),
        ("power",): pytest.approx(306.125),
        ("gap", "flow"): pytest.approx(-24.875),
        ("gap", "power"): pytest.approx(-153.625),
        ("flow", "power"): pytest.approx(-2.125),
    }
    assert {effect.verdict for effect in found.values()} == {Verdict.CANNOT_TELL}
    assert found["gap",].reason == "only 2 seeds have the arms that it takes"


def filtration(chosen, seed):
    place = sum(2**index for index, name in enumerate("abcd") if name in chosen)
    return FILTRATION[place] + seed


def test_the_effects_of_a_filtration_experiment_are_the_published_ones():
    found = effects(study("abcd", "factorial"), filtration)
    published = {
        **dict(zip("abcd", [21.625, 3.125, 9.875, 14.625], strict=True)),
        "ab": 0.125,
        "ac": -18.125,
        "ad": 16.625,
        "bc": 2.375,
        "bd": -0.375,
        "cd": -1.125,
    }
    assert {"".join(term): effect.difference for term, effect in found.items()} == {
        term: pytest.approx(value) for term, value in published.items()
    }


def test_half_of_the_experiment_has_the_published_effects_and_aliases():
    found = effects(study("abcd", "fractional"), filtration)
    assert {effect.name: effect.difference for effect in found.values()} == {
        "a": pytest.approx(19),
        "b": pytest.approx(1.5),
        "c": pytest.approx(14),
        "d": pytest.approx(16.5),
        "a:b = c:d": pytest.approx(-1),
        "a:c = b:d": pytest.approx(-18.5),
        "a:d = b:c": pytest.approx(19),
    }


def test_values_come_from_the_runs_that_count():
    made = study("a", "factorial")
    curves = {(1, "loss"): [5.0], (2, "loss"): [7.0]}
    built = frames([run(1, arm="base"), run(2, arm="a")], curves, made)
    (effect,) = effects_of(built, arms_table(built), "loss")
    assert (effect.term, effect.n) == (("a",), 1)
    assert effect.difference == pytest.approx(2)
    assert effect.differences == ((1, pytest.approx(2)),)


def test_aliases_of_the_other_sign_are_named_with_a_minus():
    found = effects(study("abc", "fractional"), lambda chosen, seed: seed)
    assert [effect.name for effect in found.values()] == ["a = -b:c", "b = -a:c", "c = -a:b"]


@pytest.mark.parametrize("count", range(3, 12))
def test_the_resolution_of_a_fraction_shows_in_its_aliases(count):
    names = "abcdefghijk"[:count]
    found = effects(study(names, "fractional"), lambda chosen, seed: seed, seeds=(1,))
    mains = [found[name,] for name in names]
    assert all(bool(effect.aliases) == (count == 3) for effect in mains)
    told = [*found, *(alias for effect in found.values() for alias in effect.aliases)]
    assert len(told) == count + math.comb(count, 2)


planted = st.floats(-5, 5)
terms = [("a",), ("b",), ("c",), ("a", "b"), ("a", "c"), ("b", "c")]


@settings(max_examples=15, deadline=None)
@given(
    st.fixed_dictionaries(dict.fromkeys(terms, planted)),
    st.lists(st.floats(-9, 9), min_size=3, max_size=3),
    st.sets(st.tuples(st.sampled_from(["base", "a", "b+c", "full"]), st.integers(1, 3))),
)
def test_planted_effects_are_found_whatever_the_seeds_add_and_whatever_is_missing(
    sizes, blocks, skip
):
    def value(chosen, seed):
        signs = {t: math.prod(1 if name in chosen else -1 for name in t) for t in terms}
        return blocks[seed - 1] + sum(size * signs[t] / 2 for t, size in sizes.items())

    found = effects(study("abc", "factorial"), value, skip=skip)
    for term, effect in found.items():
        assert effect.n >= sum(all(seed != s for _, s in skip) for seed in (1, 2, 3))
        for _, estimate in effect.differences:
            assert estimate == pytest.approx(sizes[term], abs=1e-9)


def test_a_seed_without_an_arm_counts_for_what_its_arms_can_estimate():
    def value(chosen, seed):
        return ("a" in chosen) + 0.01 * seed

    whole = effects(study("ab", "factorial"), value)
    assert {effect.n for effect in whole.values()} == {3}
    lacking = effects(study("ab", "factorial"), value, skip={("b", 2)})
    assert {effect.n for effect in lacking.values()} == {2}
    of_three = effects(study("abc", "factorial"), value, skip={("b", 2)})
    assert {effect.n for effect in of_three.values()} == {3}


def noisy(seed, amount=1.0):
    generator = np.random.default_rng(seed)
    drawn = {}

    def value(chosen, seed, effect=0.0):
        return drawn.setdefault((chosen, seed), amount * generator.normal())

    return value


def test_without_effects_intervals_cover_zero_and_hardly_a_study_claims_one():
    covered = total = claimed = 0
    made = study("abc", "factorial")
    for number in range(60):
        found = effects(made, noisy(number), seeds=range(1, 6))
        covered += sum(effect.low <= 0 <= effect.high for effect in found.values())
        total += len(found)
        claimed += any(e.verdict in {Verdict.BETTER, Verdict.WORSE} for e in found.values())
    assert 0.92 <= covered / total <= 0.97
    assert claimed / 60 <= 0.07


def test_a_clear_effect_is_better_or_worse_by_the_direction_of_the_metric():
    noise = noisy(0, 0.1)

    def value(chosen, seed):
        return 3 * ("b" in chosen) - 2 * ("a" in chosen) + noise(chosen, seed)

    found = effects(study("abc", "factorial"), value, seeds=range(1, 7))
    assert found["a",].verdict is Verdict.BETTER
    assert found["b",].verdict is Verdict.WORSE
    assert found["c",].verdict is Verdict.CANNOT_TELL
    assert found["a",].method is Method.PAIRED_T  # 2/64 times three is above 0.05
    assert "after Holm" in found["a",].reason


def test_the_exact_test_decides_where_seeds_suffice():
    noise = noisy(0, 0.1)
    found = effects(
        study("abc", "factorial"),
        lambda chosen, seed: ("a" in chosen) + noise(chosen, seed),
        seeds=range(1, 9),
    )
    assert found["a",].method is Method.SIGN_FLIP
    assert found["a",].p == 2 / 2**8
    assert found["a",].p_holm == 3 * 2 / 2**8


def test_an_interaction_that_is_shown_says_what_it_does_to_the_effect():
    noise = noisy(1, 0.01)
    found = effects(
        study("ab", "factorial"),
        lambda chosen, seed: 4 * ({"a", "b"} <= {*chosen}) + noise(chosen, seed),
        seeds=range(1, 8),
    )
    both = found["a", "b"]
    assert both.difference == pytest.approx(2, abs=0.02)
    assert both.verdict is None
    assert both.reason.startswith("the effect of a is ")
    assert "higher with b than without" in both.reason


def test_a_main_effect_that_may_be_an_interaction_is_not_claimed():
    noise = noisy(2, 0.01)
    found = effects(
        study("abc", "fractional"),
        lambda chosen, seed: 5 * ("a" in chosen) + noise(chosen, seed),
        seeds=range(1, 8),
    )
    assert found["a",].verdict is Verdict.CANNOT_TELL
    assert found["a",].reason.endswith("it may as well be -b:c")


def test_seeds_that_change_nothing_show_no_effect():
    found = effects(study("ab", "factorial"), lambda chosen, seed: len(chosen), seeds=range(1, 10))
    assert found["a",].verdict is Verdict.CANNOT_TELL
    assert found["a",].reason == "all 9 seeds give the same estimate, which is no certainty"


def test_an_effect_within_the_margin_is_equivalent_to_none():
    noise = noisy(5, 0.01)

    def value(chosen, seed):
        return 3 * ("a" in chosen) + noise(chosen, seed)

    found = effects(study("ab", "factorial", margin={"loss": 0.1}), value, seeds=range(1, 6))
    assert found["a",].verdict is Verdict.WORSE
    assert found["b",].verdict is Verdict.EQUIVALENT
    assert found["b",].reason == "the 95 % interval lies within ±0.1"


def test_rounding_is_no_effect():
    found = effects(study("abc", "factorial"), lambda chosen, seed: 0.1 * seed + 0.7, range(1, 10))
    assert {effect.difference for effect in found.values()} == {0.0}


def test_an_objection_to_one_arm_is_one_to_every_effect():
    noise = noisy(3, 0.1)

    def value(chosen, seed):
        return 9 * ("a" in chosen) + noise(chosen, seed)

    made = study("ab", "factorial")
    barred = effects(made, value, range(1, 9), disqualified={"b": ("sees-the-future",)})
    assert {effect.verdict for effect in barred.values()} == {Verdict.NOT_COMPARABLE}
    assert barred["a",].reason == "audit error sees-the-future of b"
    doubted = effects(made, value, range(1, 9), doubted={"full": ("confounded",)})
    assert {effect.verdict for effect in doubted.values()} == {Verdict.CANNOT_TELL}


def test_the_conclusions_of_a_study_hold_its_effects():
    made = study("ab", "factorial")
    runs = [run(1 + n, arm=arm.name) for n, arm in enumerate(made.trained)]
    built = frames(runs, {(one.id, "loss"): [2.0 * one.id] for one in runs}, made)
    assert [effect.name for effect in conclude(built).effects] == ["a", "b", "a:b"]
    assert conclude(frames([], {})).effects == ()


def test_only_arms_of_the_design_enter():
    made = study("ab", "factorial")
    more = designs.declared({"other": {}}, "arms")
    found = effects(made.model_copy(update={"arms": (*made.arms, *more)}), lambda c, s: len(c) + s)
    assert found["a",].difference == pytest.approx(1)
    assert found["a", "b"].difference == pytest.approx(0)


@pytest.mark.parametrize("design", ["arms", "ladder", "leave_one_out"])
def test_other_designs_have_no_effects(design):
    assert effects(study("abc", design), lambda chosen, seed: seed) == {}


def test_a_row_of_the_table_is_an_effect():
    found = effects(study("abc", "fractional"), lambda chosen, seed: seed)
    table = effects_frame(found.values())
    assert table["term"].tolist() == ["a", "b", "c"]
    assert table["aliases"].tolist() == ["-b:c", "-a:c", "-a:b"]
    assert effects_frame(()).columns.tolist() == table.columns.tolist()
