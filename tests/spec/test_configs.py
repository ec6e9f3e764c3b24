"""Configurations laid over each other, changed by path, and compared."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.spec import paths
from ablate.spec.configs import apply, changes_between, differing, value_at


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ({"a": {"b": 1, "c": [1, 2]}, "d": None}, {}),
        ({"a": {"b": 2, "c": [1, 3]}, "d": None}, {"a.b": 2, "a.c": [1, 3]}),
        ({"a": {"b": 1}, "d": None}, {"a": {"b": 1}}),
        ({"a": {"b": 1.0, "c": [1, 2]}, "d": {"e": 1}}, {"a.b": 1.0, "d": {"e": 1}}),
        ({"a": {"b": 1, "c": [1, 2]}, "f": 1}, {"d": None, "f": 1}),
    ],
)
def test_changes_lead_from_one_config_to_the_other(after, expected):
    before = {"a": {"b": 1, "c": [1, 2]}, "d": None}
    if expected.get("d", 1) is None:
        before["d"] = 7
    found = changes_between(before, after)
    assert found == expected
    made = paths.fresh(before)
    for path, value in found.items():
        paths.put(made, path, value)
    assert {key: value for key, value in made.items() if value is not None} == {
        key: value for key, value in after.items() if value is not None
    }


configs = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=3)),
    lambda inner: st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict))


@given(configs, configs)
def test_the_leaves_that_differ_are_all_that_differ(left, right):
    found = {path: (before, after) for path, before, after in differing(left, right)}
    assert list(found) == sorted(found)
    assert not list(differing(left, left))
    before, after = paths.flatten(left), paths.flatten(right)
    for path in before.keys() | after.keys():
        same = before.get(path) == after.get(path)
        assert same != (path in found)


@given(configs)
def test_a_value_that_is_put_at_a_path_is_found_there(config):
    changed = paths.fresh(config)
    apply(changed, {"x.y": 7}, "here")
    assert value_at(changed, "x.y") == 7
    assert value_at(config, "x.y") is None
    assert {path for path, *_ in differing(config, changed)} >= {"x.y"}
