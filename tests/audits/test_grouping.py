"""Arms are put together so that two share a group if and only if nothing sets them apart."""

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from ablate.audits.grouping import alike
from ablate.audits.recorded import alike_runs
from ablate.store import FindingRow
from tests.analysis.frames_of import run

ARMS = "abcdef"
pairs = st.sets(st.sampled_from([*combinations(ARMS, 2), *zip(ARMS, ARMS, strict=True)]))


@given(pairs)
def test_two_arms_share_a_group_if_and_only_if_they_are_not_apart(apart):
    groups = alike(ARMS, lambda arm, other: (arm, other) in apart)
    row = FindingRow(
        "unequal-data", "error", tuple(ARMS), "", "", "", False, "static", tuple(map(tuple, groups))
    )
    torn = {arm for arm, other in apart if arm == other}
    for pair in combinations(ARMS, 2):
        assert row.apart(*pair) == (pair in apart or bool({*pair} & torn))
    assert bool(groups) == bool(apart)


@given(st.lists(st.sampled_from("xyz"), min_size=6, max_size=6))
def test_arms_of_equal_values_are_one_group(values):
    value = dict(zip(ARMS, values, strict=True))
    groups = alike(ARMS, lambda arm, other: value[arm] != value[other])
    wanted = [[arm for arm in ARMS if value[arm] == each] for each in dict.fromkeys(values)]
    assert groups == (wanted if len(wanted) > 1 else [])


def test_runs_that_tell_nothing_of_a_thing_set_no_arms_apart():
    runs = [run(0, arm="a"), run(1, arm="b"), run(2, arm="c")]
    told = {0: {"mine": "1"}, 1: {"mine": "2"}, 2: {"other": "3"}}
    assert alike_runs(runs, told) == [["a"], ["b"]]


def test_an_arm_whose_own_runs_differ_is_apart_from_all():
    runs = [run(n, arm=arm, seed=n) for n, arm in enumerate("aabc")]
    told = {0: {"mine": "1"}, 1: {"mine": "2"}, 2: {"mine": "1"}}
    assert alike_runs(runs, told) == [["a"], ["b", "c"]]
