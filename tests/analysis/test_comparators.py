"""An arm is compared with the arm that its design sets beside it."""

from ablate.analysis import comparators
from ablate.spec import Arm, Tuned, designs
from tests.analysis.frames_of import definition

COMPONENTS = {"p": {"x": 1}, "q": {"y": 1}, "r": {"z": 1}}


def laid_out(*names, **changes):
    made = designs.expand(COMPONENTS, names, "base", "full")
    more = tuple(Arm(name, {"w": 1}, design=designs.DECLARED) for name in changes.pop("more", ()))
    known = {"components": COMPONENTS, "designs": names, "reference": None}
    return definition(floor={}).model_copy(update={**known, "arms": (*made, *more), **changes})


def told(made):
    return {
        arm: [(found.arm, str(found.relation)) for found in others]
        for arm, others in comparators(made).items()
    }


def test_what_leaves_one_out_is_compared_with_the_full_arm():
    found = told(laid_out("leave_one_out"))
    assert found.pop("full") == []
    assert set(found) == {"without_p", "without_q", "without_r"}
    assert all(others == [("full", "leave one out")] for others in found.values())


def test_a_step_is_compared_with_the_step_before():
    assert told(laid_out("ladder")) == {
        "base": [],
        "to_p": [("base", "step")],
        "to_q": [("to_p", "step")],
        "full": [("to_q", "step"), ("base", "reference")],
    }


def test_a_component_alone_is_compared_with_the_base():
    found = told(laid_out("arms"))
    assert found == {"base": [], **{name: [("base", "alone")] for name in COMPONENTS}}


def test_leave_one_out_beside_a_ladder_is_not_compared_with_the_ladders_base():
    found = told(laid_out("ladder", "leave_one_out"))
    assert found["without_p"] == [("full", "leave one out")]
    # The step to q is also the set that leaves r out.
    assert found["to_q"] == [("full", "leave one out"), ("to_p", "step")]


def test_sets_of_a_factorial_are_compared_with_the_base():
    found = told(laid_out("factorial"))
    assert found["p"] == [("base", "alone")]
    assert found["p+q"] == [("base", "reference")]
    assert found["full"] == [("base", "reference")]


def test_declared_arms_are_compared_with_the_reference():
    assert told(definition(floor={})) == {"b": [], "a": [("b", "reference")]}
    assert told(laid_out("arms", more=["other"]))["other"] == [("base", "reference")]
    assert told(laid_out("leave_one_out", more=["other"]))["other"] == [("full", "reference")]


def test_arms_without_a_reference_are_compared_with_nothing():
    assert told(definition(floor={}, reference=None)) == {"b": [], "a": []}


def test_steps_declared_one_by_one_are_compared_with_the_step_before():
    made = definition(floor={}, arms={"a": {}, "b": {"x": 1}, "c": {"y": 1}}, design="ladder")
    assert told(made) == {"a": [], "b": [("a", "step")], "c": [("b", "step")]}


def test_tuned_arms_are_compared_with_tuned_ones_and_with_their_own_inherited_arm():
    tuned = {
        name: Tuned(study=f"s-{name}", arm=f"{name}-tuned", trial=1, values={"lr": 1.0})
        for name in ("a", "b")
    }
    found = told(definition(floor={}).with_tuned(tuned))
    assert found["a"] == [("b", "reference")]
    assert found["a-tuned"] == [("b-tuned", "reference"), ("a", "tuned")]
    assert found["b-tuned"] == [("b", "tuned")]
    alone = told(definition(floor={}).with_tuned({"a": tuned["a"]}))
    assert alone["a-tuned"] == [("b", "reference"), ("a", "tuned")]
