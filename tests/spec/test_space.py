"""The search space: what it refuses, what it admits, and the way to a config and back."""

import copy
import math
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ablate.errors import SpecError
from ablate.spec import Choice, FloatRange, IntRange, Search, Space, paths
from ablate.spec.strict import validate
from tests.spec.samples import SPACE, config, search

SECTIONS = {
    "a": {"choice": {"x": {"kind": "x"}, "y": {"kind": "y"}}},
    "b": {"choice": ["p", "q"], "when": {"a": "x"}},
    "b2": {"choice": ["p", "q"], "when": {"a": "y"}},
}


def space_of(content):
    """Read a space as it stands in a study file."""
    return Space(validate(Search, search(space=content), "mine.yaml").space)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "mine.yaml: space: "),
        ({"lr": 3}, "space.lr: a parameter is {float: [low, high]}"),
        ({"lr": {}}, "space.lr: a parameter is {float: [low, high]}"),
        ({"lr": {"log": True}}, "space.lr: a parameter is {float: [low, high]}"),
        ({"lr": {"flaot": [1, 2]}}, "space.lr: unknown key 'flaot': did you mean 'float'?"),
        ({"lr": {"chioce": [1, 2]}}, "space.lr: unknown key 'chioce': did you mean 'choice'?"),
        ({"lr": {"float": [1, 2], "int": [1, 2]}}, "space.lr: a parameter is {float: [low, high]}"),
        ({"lr": {"float": [1, 2], "lgo": True}}, "unknown key 'lgo': did you mean 'log'"),
        ({"lr": {"int": [1, 2], "setp": 1}}, "unknown key 'setp': did you mean 'step'"),
        ({"lr": {"choice": [1, 2], "whn": {}}}, "unknown key 'whn': did you mean 'when'"),
        ({"lr": {"float": [2, 1]}}, "the lower bound 2.0 must be below the upper bound 1.0"),
        ({"lr": {"float": [1, 1]}}, "the lower bound 1.0 must be below"),
        ({"lr": {"int": [5, 5]}}, "the lower bound 5 must be below"),
        (
            {"lr": {"float": [0, 1], "log": True}},
            "a log scale needs a lower bound above 0, not 0.0",
        ),
        ({"lr": {"int": [-1, 1], "log": True}}, "a log scale needs a lower bound above 0, not -1"),
        ({"lr": {"float": [0.1, 1], "log": True, "step": 0.1}}, "a log scale takes no step"),
        ({"lr": {"float": [0, math.inf]}}, "the bounds and the step must be finite"),
        ({"lr": {"float": [-math.inf, 0]}}, "the bounds and the step must be finite"),
        ({"lr": {"float": [math.nan, 1]}}, "the bounds and the step must be finite"),
        ({"lr": {"float": [0, 1], "step": math.nan}}, "the bounds and the step must be finite"),
        ({"lr": {"int": [0, math.inf]}}, "space.lr.int[1]: write a finite number (given: inf)"),
        ({"lr": {"int": [0, 10**400]}}, "space.lr.int[1]: input should be less than or equal"),
        ({"lr": {"int": [0, 1.5]}}, "space.lr.int[1]: write a whole number (given: 1.5)"),
        ({"lr": {"float": [0, 1], "step": 0}}, "the step 0.0 must be above 0"),
        ({"lr": {"int": [0, 3], "step": 4}}, "the step 4 must be above 0 and fit"),
        ({"lr": {"float": [1]}}, "space.lr.float[1]: missing"),
        ({"lr": {"float": ["x", 1]}}, "space.lr.float[0]: write a number (given: 'x')"),
        ({"lr": {"choice": []}}, "an empty choice leaves nothing to search"),
        ({"lr": {"choice": {}}}, "an empty choice leaves nothing to search"),
        ({"lr": {"choice": [1]}}, "a single choice leaves nothing to search"),
        ({"lr": {"choice": [1, 2, 1]}}, "a choice is written twice"),
        ({"lr": {"choice": [1, 1.0]}}, "a choice is written twice"),
        ({"lr": {"choice": [0, False]}}, "a choice is written twice"),
        ({"lr": {"choice": [[1, 2], [1, 2]]}}, "a choice is written twice"),
        ({"lr": {"choice": {1: "a", "1": "b"}}}, "two labels of the choice read the same"),
        ({"lr": {"choice": "abc"}}, "write the choices as a list"),
        ({"lr": {"float": [0, 1], "when": "a"}}, "write the condition as {parent path: choice}"),
    ],
)
def test_a_bad_parameter_is_refused_by_name(content, message):
    with pytest.raises(SpecError) as caught:
        space_of(content)
    assert str(caught.value).startswith("mine.yaml: space")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            {"c": {"int": [1, 2], "when": {"aa": "x"}}},
            "space.c.when: there is no parameter 'aa': did you mean 'a'",
        ),
        (
            {"c": {"int": [1, 2], "when": {"a": "z"}}},
            "space.c.when: a is one of 'x', 'y', not 'z'",
        ),
        (
            {"c": {"int": [1, 2], "when": {"a": ["x", "z"]}}},
            "space.c.when: a is one of 'x', 'y', not 'z'",
        ),
        (
            {"r": {"int": [1, 2]}, "c": {"int": [1, 2], "when": {"r": 1}}},
            "space.c.when: r is a range; a condition needs a choice",
        ),
        (
            {"c": {"choice": [1, 2], "when": {"c": 1}}},
            "space.c.when: the conditions run in a circle",
        ),
        (
            {
                "c": {"choice": [1, 2], "when": {"d": 1}},
                "d": {"choice": [1, 2], "when": {"e": 1}},
                "e": {"choice": [1, 2], "when": {"c": 1}},
            },
            "space.c.when: the conditions run in a circle",
        ),
        ({"c": {"int": [1, 2], "when": {"a": []}}}, "space.c.when: it never holds: no choice of a"),
        (
            {"c": {"int": [1, 2], "when": {"b": "p", "a": "y"}}},
            "space.c.when: it never holds: no choice of a",
        ),
        (
            {"c": {"int": [1, 2], "when": {"b": "p", "b2": "p"}}},
            "space.c.when: it never holds: no choice of a",
        ),
        ({"c": {"int": [1, 2]}, "c.d": {"int": [1, 2]}}, "space.c.d: it lies inside c"),
        ({"c[x]": {"int": [1, 2]}}, "'c[x]' is not a path"),
    ],
)
def test_a_bad_condition_or_path_is_refused_by_name(content, message):
    with pytest.raises(SpecError) as caught:
        space_of({**SECTIONS, **content})
    assert message in str(caught.value)


# What a parameter admits, against oracles of their own.

small = st.integers(-50, 50)
anything = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=3)
    | st.lists(st.integers())
)


@given(small, st.integers(1, 60), st.none() | st.integers(1, 9), anything | small)
def test_an_integer_range_admits_the_members_of_a_python_range(low, width, step, value):
    assume(step is None or step <= width)
    parameter = IntRange(int=(low, low + width), step=step)
    members = range(low, low + width + 1, step or 1)
    assert parameter.admits(value) == (type(value) is int and value in members)
    assert parameter.ends == (members[0], members[-1])


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.booleans(), anything | st.floats(-1e6, 1e6))
def test_a_float_range_admits_what_lies_between_its_bounds(low, high, log, value):
    assume(low < high)
    assume(low > 0 or not log)
    number = type(value) in (int, float) and math.isfinite(value)
    expected = number and Fraction(low) <= Fraction(value) <= Fraction(high)
    assert FloatRange(float=(low, high), log=log).admits(value) == expected


@given(
    st.integers(-1000, 1000),
    st.integers(1, 400),
    st.sampled_from([0.1, 0.05, 1 / 3, 2.5, 1e-4]),
    st.floats(0, 0.99),
    st.data(),
)
def test_a_float_grid_admits_its_points_and_nothing_between(start, count, step, rest, data):
    low = start * 0.1
    parameter = FloatRange(float=(low, low + (count + rest) * step), step=step)
    index = data.draw(st.integers(0, count))
    aside = data.draw(st.floats(0.01, 0.99))
    assert parameter.admits(min(low + index * step, parameter.bounds[1]))
    assert not parameter.admits(low + (index + aside) * step)
    assert not parameter.admits(low - step)
    assert parameter.ends == pytest.approx((low, low + count * step))


labels = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.text(max_size=2)


@given(st.lists(labels, min_size=2, max_size=6), labels)
def test_a_choice_admits_its_own_values(values, value):
    assume(len(set(values)) == len(values))
    choice = Choice(choice=values)
    found = [
        item for item in values if item == value and (type(item) is bool) == (type(value) is bool)
    ]
    assert choice.admits(value) == bool(found)
    if found:
        assert choice.value(value) == found[0]
    else:
        with pytest.raises(KeyError):
            choice.value(value)


def test_a_choice_of_whole_sections_is_named_by_its_labels():
    choice = Choice(choice={"small": {"width": 8}, "none": None})
    assert choice.labels == ("small", "none")
    assert choice.value("small") == {"width": 8}
    assert choice.value("none") is None
    assert not choice.admits({"width": 8})


# Random spaces: a handful of sections, plain keys and conditions between them.

numbers = st.integers(1, 9)
plain_values = st.lists(
    st.none() | st.booleans() | numbers | st.text("ab", max_size=2) | st.lists(numbers, max_size=2),
    min_size=2,
    max_size=4,
    unique_by=lambda value: repr(int(value) if isinstance(value, bool) else value),
)
settings_of_a_section = st.dictionaries(
    st.sampled_from(["u", "v", "w"]), st.none() | numbers, max_size=3
)


@st.composite
def ranges(draw):
    low, width = draw(numbers), draw(numbers)
    kind = draw(st.sampled_from(["int", "float"]))
    parameter = {kind: [low, low + width]}
    extra = draw(st.sampled_from([{}, {"log": True}, {"step": 1}]))
    return {**parameter, **extra}


@st.composite
def spaces(draw, alike=False):
    """A space in an arbitrary order: plain keys, sections, keys inside them, conditions.

    Sections that are `alike` are told apart only by the settings they name.
    """
    content = {}
    for index in range(draw(st.integers(0, 4))):
        values = plain_values | plain_values.map(lambda v: {f"l{i}": x for i, x in enumerate(v)})
        content[f"k{index}"] = draw(ranges() | values.map(lambda v: {"choice": v}))
    for index in range(draw(st.integers(0, 2))):
        inner = draw(st.lists(settings_of_a_section, min_size=1, max_size=3, unique_by=repr))
        sections = {f"s{i}": {"class": "C", "args": {"fixed": i, **s}} for i, s in enumerate(inner)}
        if alike:
            sections = {f"s{i}": {"class": "C", **s} for i, s in enumerate(inner)}
        content[f"sec{index}"] = {"choice": {**sections, "off": None}}
        for key in draw(st.sets(st.sampled_from(["u", "args.u", "args.m", "n"]), max_size=2)):
            where = draw(st.sets(st.sampled_from(sorted(sections)), min_size=1))
            content[f"sec{index}.{key}"] = {
                **draw(ranges()),
                "when": {f"sec{index}": sorted(where)},
            }
    assume(content)
    prefix = "k" if alike else ""  # which of two like sections was meant, nothing else may say
    choices = [
        p for p, parameter in content.items() if "choice" in parameter and p.startswith(prefix)
    ]
    for path in [path for path in content if "." not in path]:
        parents = draw(st.sets(st.sampled_from(choices), max_size=2)) if choices else set()
        for parent in sorted(parents - {path}):
            known = Choice.model_validate({"choice": content[parent]["choice"]}).labels
            some = draw(st.lists(st.sampled_from(known), min_size=1, max_size=2, unique=True))
            content[path].setdefault("when", {})[parent] = some
    order = draw(st.permutations(sorted(content)))
    try:
        return space_of({path: content[path] for path in order})
    except SpecError as error:
        assume("circle" not in str(error))
        assume("never holds" not in str(error))
        raise


def value_of(draw, parameter):
    if isinstance(parameter, Choice):
        return draw(st.sampled_from(parameter.labels))
    low, high = parameter.bounds
    if isinstance(parameter, IntRange) or parameter.step:
        return draw(st.integers(int(low), int(high)))
    return draw(st.floats(low, high))


def point_of(draw, space):
    point = {}
    for path, parameter in space.items():
        if space.active(path, point):
            point[path] = value_of(draw, parameter)
    return point


@given(spaces())
def test_parents_and_sections_come_before_what_depends_on_them(space):
    order = list(space)
    for path, parameter in space.items():
        for parent in parameter.when:
            assert order.index(parent) < order.index(path)
        for other in order:
            if path.startswith((other + ".", other + "[")):
                assert order.index(other) < order.index(path)


@given(spaces(), st.data())
def test_locate_undoes_apply(space, data):
    point = point_of(data.draw, space)
    base = {f"k{index}": 0 for index in range(4)}
    applied = copy.deepcopy(base)
    space.apply(point, applied)
    assert space.locate(applied, "here") == point


@given(spaces(alike=True), st.data())
def test_apply_undoes_locate_even_where_sections_are_alike(space, data):
    base = {f"k{index}": 0 for index in range(4)}
    applied = copy.deepcopy(base)
    space.apply(point_of(data.draw, space), applied)
    again = copy.deepcopy(base)
    space.apply(space.locate(applied, "here"), again)
    assert again == applied


@given(spaces(), st.data())
def test_apply_changes_nothing_that_is_not_searched(space, data):
    base = {f"k{index}": 0 for index in range(4)} | {"other": {"kept": [1, 2]}}
    applied = copy.deepcopy(base)
    space.apply(point_of(data.draw, space), applied)
    changed = {
        path
        for path in paths.flatten(base).keys() | paths.flatten(applied).keys()
        if paths.flatten(base).get(path) != paths.flatten(applied).get(path)
    }
    assert all(any(path.startswith(known) for known in space) for path in changed)


@given(spaces(), st.data())
def test_check_accepts_every_point_of_the_space_and_refuses_its_neighbours(space, data):
    point = point_of(data.draw, space)
    space.check(point, "here")
    path = data.draw(st.sampled_from(list(space)))
    with pytest.raises(SpecError, match="here: "):
        space.check({**point, path: "no such value"}, "here")
    with pytest.raises(SpecError, match="is not in the space"):
        space.check({**point, path + "x": 1}, "here")
    for inactive in space.keys() - point.keys():
        with pytest.raises(SpecError, match="its condition does not hold"):
            space.check({**point, inactive: value_of(data.draw, space[inactive])}, "here")


@given(spaces())
def test_covering_points_are_points_at_which_their_parameter_is_active(space):
    reached = {path: [] for path in space}
    for path, point in space.covering_points():
        space.check(point, "here")
        reached[path].append(point[path])
    for path, parameter in space.items():
        expected = parameter.labels if isinstance(parameter, Choice) else parameter.ends
        assert reached[path] == list(expected)


# Named cases.


def test_the_same_point_is_found_whatever_the_order_of_the_file():
    space = space_of(SPACE)
    turned = space_of(dict(reversed(SPACE.items())))
    assert space.locate(config(), "here") == turned.locate(config(), "here")


def test_a_config_is_located_by_label_and_value():
    assert space_of(SPACE).locate(config(), "here") == {
        "optimizer.init_args.lr": 0.01,
        "optimizer.init_args.betas[0]": 0.9,
        "lr_scheduler": "restarts",
        "lr_scheduler.init_args.T_0": 4,
    }


def test_a_config_without_the_section_is_located_at_its_label():
    point = space_of(SPACE).locate(config(lr_scheduler=None), "here")
    assert point["lr_scheduler"] == "constant"
    assert "lr_scheduler.init_args.T_0" not in point


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "optimizer.init_args.lr",
            0.5,
            "optimizer.init_args.lr is 0.5, not a float in [1e-05, 0.1]",
        ),
        ("optimizer.init_args.lr", "0.01", "optimizer.init_args.lr is '0.01', not a float"),
        (
            "optimizer.init_args.betas[0]",
            0.5,
            "optimizer.init_args.betas[0] is 0.5, not one of 0.8, 0.9",
        ),
        (
            "lr_scheduler.init_args.T_0",
            4.0,
            "lr_scheduler.init_args.T_0 is 4.0, not an integer in [2, 12]",
        ),
        ("lr_scheduler.init_args.eta_min", 0.1, "lr_scheduler is {"),
        (
            "lr_scheduler",
            "restarts",
            "lr_scheduler is 'restarts', not one of 'restarts', 'constant'",
        ),
        ("optimizer.init_args", {}, "optimizer.init_args.lr is missing"),
    ],
)
def test_a_config_outside_the_space_is_refused_at_its_key(path, value, message):
    outside = config()
    paths.put(outside, path, value)
    with pytest.raises(SpecError) as caught:
        space_of(SPACE).locate(outside, "configs/d.yaml")
    assert str(caught.value).startswith(f"configs/d.yaml: {message}")


def test_of_two_sections_the_one_that_says_more_is_located():
    space = space_of(
        {"opt": {"choice": {"plain": {"class": "SGD"}, "heavy": {"class": "SGD", "momentum": 0.9}}}}
    )
    assert space.locate({"opt": {"class": "SGD", "momentum": 0.9}}, "here") == {"opt": "heavy"}
    assert space.locate({"opt": {"class": "SGD"}}, "here") == {"opt": "plain"}


def test_of_two_like_sections_the_one_whose_keys_are_searched_is_located():
    space = space_of(
        {
            "opt": {"choice": {"heavy": {"class": "SGD"}, "plain": {"class": "SGD"}}},
            "opt.momentum": {"float": [0, 1], "when": {"opt": "heavy"}},
        }
    )
    assert space.locate({"opt": {"class": "SGD", "momentum": 0.5}}, "here") == {
        "opt": "heavy",
        "opt.momentum": 0.5,
    }
    assert space.locate({"opt": {"class": "SGD"}}, "here") == {"opt": "plain"}
    with pytest.raises(SpecError, match=r"opt\.momentum is 5, not a float"):
        space.locate({"opt": {"class": "SGD", "momentum": 5}}, "here")


def test_an_item_of_a_chosen_list_may_be_searched_too():
    space = space_of(
        {
            "betas[0]": {"float": [0, 1], "when": {"betas": "slow"}},
            "betas": {"choice": {"slow": [0.9, 0.999], "fast": [0.5, 0.9]}},
        }
    )
    config = {}
    space.apply({"betas": "slow", "betas[0]": 0.25}, config)
    assert config == {"betas": [0.25, 0.999]}
    assert space.locate(config, "here") == {"betas": "slow", "betas[0]": 0.25}


def test_a_conditional_section_is_written_before_the_keys_inside_it():
    space = space_of(
        {
            "head.size": {"int": [1, 9], "when": {"kind": "deep"}},
            "head": {
                "choice": {"a": {"class": "A"}, "b": {"class": "B"}},
                "when": {"kind": "deep"},
            },
            "kind": {"choice": ["deep", "flat"]},
        }
    )
    config = {}
    space.apply({"kind": "deep", "head": "a", "head.size": 3}, config)
    assert config == {"kind": "deep", "head": {"class": "A", "size": 3}}


def test_apply_leaves_the_space_untouched():
    space = space_of(SPACE)
    first, second = {}, {}
    space.apply({"lr_scheduler": "restarts", "lr_scheduler.init_args.T_0": 3}, first)
    space.apply({"lr_scheduler": "restarts", "lr_scheduler.init_args.T_0": 9}, second)
    assert first["lr_scheduler"]["init_args"]["T_0"] == 3
    assert space["lr_scheduler"].value("restarts") == SPACE["lr_scheduler"]["choice"]["restarts"]
