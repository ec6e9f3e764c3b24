"""Which arm leads, from which others it is told, and in which words that is said."""

import re
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.analysis import Relation, Verdict, find_lead
from ablate.analysis import doubts as audit_doubts
from ablate.analysis.families import Pair, compare
from ablate.reports.blocks import Document, text
from ablate.reports.markdown import render
from ablate.reports.verdicts import best
from ablate.spec import Direction
from tests.analysis.imagined import between, concluded, finding, seeds

LOW = seeds(0.1, 1.2, 2.0, 3.1, 4.2, 5.0)
MIDDLE = seeds(1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
HIGH = seeds(3.1, 3.9, 5.2, 6.0, 7.1, 7.9)


def said(conclusions, metric="loss"):
    """Return the sentences on the lead, without links."""
    page = render(Document("", (text(*best(conclusions, metric)),), ()))
    return re.sub(r"\[([^]]*)\]\(#[^)]*\)", r"\1", page).strip().removeprefix("# ").strip()


def test_the_best_of_three_is_told_from_all_others():
    found = concluded({"b": MIDDLE, "a": LOW, "c": HIGH})
    assert said(found).startswith("`a` has the lowest mean of the arms that may be compared, 2.600")
    assert said(found).endswith("over 6 seeds, and can be told from all others.")
    assert find_lead(found, "loss").told == ("b", "c")


def test_the_better_of_two_is_told_from_the_other_one_by_name():
    assert said(concluded({"b": MIDDLE, "a": LOW})).endswith(
        "over 6 seeds, and can be told from `b`, the only other one."
    )


def test_the_only_arm_with_a_value_leads_nobody():
    found = concluded({"b": {}, "a": LOW}, seeds=(1, 2, 3, 4, 5, 6))
    assert said(found) == (
        "`a` is the only arm with a value; its mean is 2.600 ± 1.9 over 6 seeds."
    )


def test_the_only_arm_that_is_left_is_said_to_be_and_why_the_others_are_not():
    leak = finding("sees-the-future", "a")
    found = concluded({"b": MIDDLE, "a": LOW}, [leak])
    assert said(found) == (
        "`b` is the only arm left to compare; its mean is 3.500 ± 2.0 over 6 seeds. "
        "Left out: 1 arm not comparable."
    )
    floors = {"zero": seeds(4.5, 4.5, 4.5)}
    far = {name: value + 20 for name, value in HIGH.items()}
    near = {seed: value / 100 for seed, value in LOW.items()}
    found = concluded({"b": near, "a": LOW, "c": far, "d": far}, [leak], floors=floors)
    assert said(found) == (
        "`b` is the only arm left to compare; its mean is 0.02600 ± 0.019 over 6 seeds. "
        "Left out: 1 arm not comparable, 2 arms not shown to beat the best trivial predictor, "
        "`zero`."
    )


def test_an_arm_behind_the_floor_never_leads_though_a_warning_hides_that_in_its_verdict():
    doubt = finding("confounded", "a", "b", severity="warning")
    floors = {"zero": seeds(0.01, 0.01, 0.01)}
    found = concluded({"b": MIDDLE, "a": LOW}, [doubt], floors=floors)
    assert found.verdicts["loss", "a"][0] is Verdict.CANNOT_TELL
    assert find_lead(found, "loss").first == ()
    assert said(found) == (
        "No arm may be called the best. "
        "Left out: 2 arms not shown to beat the best trivial predictor, `zero`."
    )


def test_a_better_mean_that_is_not_shown_to_beat_the_floor_is_counted_as_left_out():
    wide = seeds(-50.0, 30.0, -40.0, 20.0, -60.0, 10.0)
    still = {"b": seeds(1.0, 1.1, 1.2, 1.0, 1.1, 1.2), "c": seeds(2.0, 2.1, 2.2, 2.0, 2.1, 2.2)}
    found = concluded({**still, "a": wide}, floors={"zero": seeds(9.0, 9.0, 9.0)})
    assert said(found) == (
        "`b` has the lowest mean of the 2 arms left to compare, 1.100 ± 0.094 over 6 seeds, and "
        "can be told from `c`, the only other one. "
        "Left out: 1 arm not shown to beat the best trivial predictor, `zero`."
    )


def test_a_leader_of_which_nobody_knows_whether_it_beats_the_floor_says_so():
    found = concluded({"b": seeds(1.0, 2.0), "a": seeds(3.0, 4.0)}, floors={"zero": seeds(9.0)})
    assert said(found).endswith(
        "It cannot be told from `a`. "
        "Whether `b` beats the best trivial predictor, `zero`, cannot be told: only 2 seeds count."
    )


def test_arms_with_one_mean_and_no_other_share_it_and_are_told_from_nobody():
    assert said(concluded({"b": MIDDLE, "a": MIDDLE})) == (
        "`b` and `a` are the only arms with a value; they share the mean 3.500 ± 2.0 over 6 seeds "
        "each."
    )


def test_each_of_the_arms_that_share_the_lead_must_be_told_from_another():
    steady, wild = seeds(*(1, 1.5) * 4), seeds(*(-9, 11.5) * 4)
    other = {seed: value + 1 for seed, value in steady.items()}
    assert find_lead(concluded({"b": steady, "c": other}), "loss").told == ("c",)
    arms = {"x": other, "b": steady, "w": wild}
    found = find_lead(concluded(arms, reference=None), "loss")
    assert (found.first, found.rivals) == (("b", "w"), ("x",))
    alike = find_lead(concluded({**arms, "w": steady}, reference=None), "loss")
    assert (alike.first, alike.told) == (("b", "w"), ("x",))


def test_an_error_between_two_arms_that_are_not_compared_leaves_them_untold():
    arms = {"ref": HIGH, "b": MIDDLE, "a": LOW}
    assert find_lead(concluded(arms), "loss").told == ("b", "ref")
    found = concluded(arms, [between("unequal-epochs", ("a",), ("b",))])
    lead = find_lead(found, "loss")
    assert (lead.told, lead.rivals) == (("ref",), ("b",))
    assert said(found).endswith(
        "It cannot be told from `b`. "
        "Findings of the audit stand against telling them apart: `unequal-epochs`."
    )


def test_a_warning_that_sets_a_third_arm_apart_stands_not_between_two_that_are_alike():
    odd = between("unequal-data", ("a", "b"), ("ref",), severity="warning")
    lead = find_lead(concluded({"ref": HIGH, "b": MIDDLE, "a": LOW}, [odd]), "loss")
    assert (lead.told, lead.rivals) == (("b",), ("ref",))


def test_an_arm_within_the_margin_is_equivalent_and_not_told_apart():
    near = {seed: value + 0.3 + seed / 1000 for seed, value in LOW.items()}
    found = concluded({"b": near, "a": LOW, "c": HIGH}, margin={"loss": 0.5})
    lead = find_lead(found, "loss")
    assert (lead.first, lead.equivalent, lead.rivals) == (("a",), ("b",), ())
    assert said(found).endswith("It is equivalent to `b`, within the margin of 0.5.")


def test_who_is_better_over_the_shared_seeds_is_not_told_from_who_has_the_better_mean():
    mixed = {"b": MIDDLE, "a": {**LOW, 7: 60.0}}
    lead = find_lead(concluded(mixed, reference=None), "loss")
    assert (lead.first, lead.told, lead.rivals) == (("b",), (), ("a",))
    compared = find_lead(concluded(mixed), "loss")
    assert (compared.first, compared.told, compared.rivals) == (("b",), (), ("a",))


def shown(conclusions, one, other):
    """Say whether the study itself shows that one arm is better than another."""
    return any(
        (row.arm, row.comparator, row.verdict)
        in {(one, other, Verdict.BETTER), (other, one, Verdict.WORSE)}
        for row in conclusions.comparisons
    )


def p_of(conclusions, lead, one, other):
    """Return p of two arms after Bonferroni over all pairs of arms that are not left out."""
    others = (*lead.told, *lead.equivalent, *lead.rivals)
    values = {name: found.values for (_, name), found in conclusions.estimates.items()}
    keys = list(product(lead.first, others))
    tested = compare(
        [Pair(values[a], values[b], Direction.MINIMIZE, scale="loss") for a, b in keys]
    )
    able = len(lead.first) + len(others)
    return dict(zip(keys, tested, strict=True))[one, other].p * able * (able - 1) / 2


NOISE = st.floats(-3, 3).map(lambda value: round(value, 2))
VALUES = st.lists(NOISE, min_size=3, max_size=6) | st.lists(NOISE, max_size=2)


def shifted(*shifts):
    return st.builds(
        lambda shift, noise: seeds(*(shift + value for value in noise)),
        st.sampled_from(shifts),
        VALUES,
    )


OUTCOMES = st.fixed_dictionaries(
    {
        "arms": st.lists(shifted(0.0, 1.0, 3.0, 20.0), min_size=2, max_size=4),
        "floors": st.lists(shifted(3.0, 60.0), max_size=1),
        "findings": st.lists(
            st.tuples(
                st.sampled_from(["sees-the-future", "unequal-epochs", "confounded", "diverged"]),
                st.sets(st.integers(0, 3), min_size=1, max_size=2),
                st.sampled_from(["error", "warning"]),
            ),
            max_size=2,
        ),
        "margin": st.sampled_from([{}, {"loss": 1.0}]),
    }
)  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(OUTCOMES)
def test_what_is_said_of_a_lead_follows_from_the_numbers(outcome):
    names = [f"m{place}" for place in range(len(outcome["arms"]))]
    arms = dict(zip(names, outcome["arms"], strict=True))
    floors = {f"f{place}": values for place, values in enumerate(outcome["floors"])}
    findings = [
        finding(code, *(names[place % len(names)] for place in places), severity=severity)
        for code, places, severity in outcome["findings"]
    ]
    every = tuple(range(1, 7))
    found = concluded(arms, findings, floors=floors, margin=outcome["margin"], seeds=every)
    lead, sentence = find_lead(found, "loss"), said(found)

    counted = {name for name in names if found.estimates["loss", name].n}
    parts = (lead.first, lead.told, lead.equivalent, lead.rivals, tuple(lead.left_out))
    assert sorted(name for part in parts for name in part) == sorted(counted)

    claims = "can be told from" in sentence
    assert claims == bool(lead.told and not lead.rivals and not lead.equivalent)
    errors = audit_doubts.errors(findings, [*names, *floors])
    warnings = audit_doubts.warnings(findings, [*names, *floors])
    for one in lead.first:
        for other in lead.told:
            assert not errors.of_pair(one, other)[0]
            assert not warnings.of_pair(one, other)[0]
            left, right = (found.estimates["loss", name] for name in (one, other))
            assert left.mean < right.mean
            assert len({*left.values} & {*right.values}) >= 3
            assert shown(found, one, other) or p_of(found, lead, one, other) <= 0.05

    floor = {row.arm: row for row in found.comparisons if row.relation is Relation.FLOOR}
    for one in lead.first:
        assert one not in found.disqualified
        if one in floor and floor[one].verdict is not Verdict.BETTER:
            assert f"Whether `{one}` beats the best trivial predictor" in sentence
        assert one not in floor or floor[one].verdict is not Verdict.FLOOR_NOT_BEATEN
    if not lead.first and counted:
        assert sentence.startswith("No arm may be called the best. Left out:")
    if len(lead.first) == len(counted) - len(lead.left_out) and lead.first:
        assert "the only arm" in sentence
