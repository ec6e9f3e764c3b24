"""Dotted paths: what is written can be read back."""

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import SpecError
from ablate.spec import paths

names = st.text(st.characters(exclude_characters=".[]", exclude_categories=["Cs"]), min_size=1)
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
keys_of_paths = st.tuples(names).flatmap(
    lambda first: st.lists(names | st.integers(0, 10**6), max_size=6).map(
        lambda rest: (*first, *rest)
    )
)
configs = st.dictionaries(
    names,
    st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    ),
    min_size=1,
    max_size=4,
)


@given(keys_of_paths)
def test_parse_undoes_render(keys):
    assert paths.parse(paths.render(keys)) == keys


@pytest.mark.parametrize(
    "path",
    ["", ".", "a.", ".a", "a..b", "[0]", "a[]", "a[x]", "a[0", "a]0[", "a[-1]", "a[0]b", "a.[0]"],
)
def test_a_malformed_path_is_refused_with_an_example(path):
    with pytest.raises(SpecError, match=r"is not a path.*betas\[0\]") as caught:
        paths.parse(path)
    assert repr(path) in str(caught.value)


@given(configs)
def test_every_flattened_path_reads_its_leaf(config):
    flat = paths.flatten(config)
    assert flat
    for path, leaf in flat.items():
        assert paths.get(config, path) is leaf


@given(configs)
def test_a_config_is_rebuilt_from_its_flattened_leaves(config):
    rebuilt = copy.deepcopy(config)
    for path in paths.flatten(config):
        paths.put(rebuilt, path, "blank")
    for path, leaf in paths.flatten(config).items():
        paths.put(rebuilt, path, leaf)
    assert rebuilt == config


@given(configs, leaves, st.data())
def test_put_changes_its_leaf_and_nothing_else(config, value, data):
    before = paths.flatten(copy.deepcopy(config))
    path = data.draw(st.sampled_from(sorted(before)))
    paths.put(config, path, value)
    assert paths.flatten(config) == {**before, path: value}


def test_put_makes_missing_sections_and_replaces_null_ones():
    config = {"lr_scheduler": None}
    paths.put(config, "lr_scheduler.init_args.T_0", 4)
    paths.put(config, "trainer.max_epochs", 2)
    assert config == {"lr_scheduler": {"init_args": {"T_0": 4}}, "trainer": {"max_epochs": 2}}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("lr.rate", "lr.rate: there is 0.1 at lr, which has no 'rate'"),
        ("lr[0]", "lr[0]: there is 0.1 at lr, which has no 0"),
        ("betas[2]", "betas[2]: there is a list of 2 at betas, which has no 2"),
        ("betas.first", "betas.first: there is a list of 2 at betas, which has no 'first'"),
        ("betas[0].x", "betas[0].x: there is 0.9 at betas[0], which has no 'x'"),
        ("model[0]", "model[0]: there is a mapping at model, which has no 0"),
        ("absent[0]", "absent: there is a mapping at the top, which has no 'absent'"),
    ],
)
def test_put_names_the_value_that_is_in_the_way_and_leaves_the_config_alone(path, message):
    config = {"lr": 0.1, "betas": [0.9, 0.99], "model": {"width": 3}}
    before = copy.deepcopy(config)
    with pytest.raises(SpecError) as caught:
        paths.put(config, path, 1)
    assert str(caught.value) == message
    assert config == before


@pytest.mark.parametrize(
    ("path", "missing"),
    [("a.b.x", "a.b.x"), ("a.x.b", "a.x"), ("a.list[5].y", "a.list[5]"), ("a.b[0]", "a.b[0]")],
)
def test_get_names_the_first_part_that_is_missing(path, missing):
    config = {"a": {"b": {"c": 1}, "list": [1, 2]}}
    with pytest.raises(KeyError) as caught:
        paths.get(config, path)
    assert caught.value.args == (missing,)
    assert not paths.has(config, path)


def test_has_sees_a_key_whose_value_is_null():
    assert paths.has({"a": {"b": None}}, "a.b")


def test_empty_mappings_and_lists_are_leaves():
    assert paths.flatten({"a": {}, "b": [], "c": {"d": [{}]}}) == {"a": {}, "b": [], "c.d[0]": {}}


def test_a_fresh_copy_shares_nothing_not_even_within_itself():
    shared = {"x": [1]}
    copied = paths.fresh({"a": shared, "b": [shared]})
    assert copied == {"a": {"x": [1]}, "b": [{"x": [1]}]}
    copied["a"]["x"].append(2)
    assert copied["b"] == [{"x": [1]}]
    assert shared == {"x": [1]}
