"""Constraints as data: what violates them, what would do, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import SpecError
from ablate.plan import Constraint, Relation, read_constraints
from ablate.spec import parse_yaml

counts = st.integers(1, 60)


def one(text):
    (constraint,) = read_constraints(parse_yaml(f"constraints:\n- {text}"), "file")
    return constraint


def test_heads_that_do_not_divide_the_width_get_the_nearest_of_both():
    found = one("divides: [model.nhead, model.d_model]").check(
        {"model.nhead": 12, "model.d_model": 256}
    )
    assert found is not None
    assert found.keys == ("model.nhead", "model.d_model")
    assert found.nearest == {"model.nhead": (8, 16), "model.d_model": (252, 264)}
    assert "model.nhead (12) does not divide model.d_model (256)" in found.what


def test_a_product_of_keys_is_checked_as_one_side():
    constraint = one("divides: [data.generations, {product: [data.batch_size, trainer.devices]}]")
    values = {"data.generations": 8, "data.batch_size": 6, "trainer.devices": 2}
    found = constraint.check(values)
    assert found is not None
    assert found.nearest["data.batch_size"] == (4, 8)
    assert found.nearest["trainer.devices"] == (4,)
    assert constraint.check({**values, "data.batch_size": 4}) is None


def test_what_follows_from_a_config_can_be_bounded():
    constraint = one("at_least: [plan.optimizer_steps, 2000]")
    assert constraint.check({"plan.optimizer_steps": 2100}) is None
    found = constraint.check({"plan.optimizer_steps": 150})
    assert found is not None
    assert not found.nearest


def test_what_is_no_number_violates_nothing():
    constraint = one("at_most: [a, b]")
    assert constraint.check({"a": None, "b": 3}) is None
    assert constraint.check({"a": True, "b": 0}) is None
    assert constraint.missing({"a": None}) == ("b",)


@given(st.sampled_from(Relation), counts, counts, counts, counts)
def test_every_nearest_value_makes_the_constraint_hold(relation, a, b, c, d):
    constraint = Constraint("x", relation, ("a", "b"), ("c", "d"))
    values = {"a": a, "b": b, "c": c, "d": d}
    found = constraint.check(values)
    assert (found is None) == relation.holds(a * b, c * d)
    for name, near in found.nearest.items() if found else ():
        for value in near:
            assert constraint.check({**values, name: value}) is None or value <= 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "write one key, constraints"),
        ("{constraints: 3}", "must be a list"),
        ("{constraints: [3]}", "write a relation with two sides"),
        ("{constraints: [{divide: [a, b]}]}", "did you mean 'divides'"),
        ("{constraints: [{why: x}]}", "write one relation of"),
        ("{constraints: [{divides: [a]}]}", "a list of two sides"),
        ("{constraints: [{divides: [1, 2]}]}", "name at least one key"),
        ("{constraints: [{divides: [a, [b]]}]}", "a side is a key or a number"),
        ("{constraints: [{divides: [a, {sum: [b]}]}]}", "{product: [KEY, ...]}"),
        ("{constraints: [{divides: [a., 2]}]}", "is not a path"),
        ("{constraints: [{divides: [a, 2], severity: fatal}]}", "error or warning"),
        ("{constraints: [{divides: [a, 2], why: 3}]}", "why must be a text"),
    ],
)
def test_what_is_no_constraint_is_refused_with_its_place(text, reason):
    with pytest.raises(SpecError, match=r"^file") as caught:
        read_constraints(parse_yaml(text), "file")
    assert reason in str(caught.value)
