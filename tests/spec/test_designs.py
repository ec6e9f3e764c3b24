"""Designs: which arms they give, that they are what their names say, and what they refuse."""

from itertools import combinations
from math import prod

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ablate.errors import SpecError
from ablate.spec import Arm, paths
from ablate.spec.designs import DESIGNS, between, expand
from tests.spec.samples import CONFIG, ablation, config

ABC = {"a": {"x.a": 1}, "b": {"x.b": 1}, "c": {"x.c": 1}}


def components(count: int) -> dict[str, dict[str, int]]:
    return {f"c{index}": {f"x.c{index}": 1} for index in range(count)}


def arms(*designs: str, of=None) -> list[Arm]:
    return list(expand(ABC if of is None else of, designs, "base", "full"))


def names(*designs: str, of=None) -> list[str]:
    return [arm.name for arm in arms(*designs, of=of)]


def test_arms_alone_stand_beside_the_base():
    assert names("arms") == ["base", "a", "b", "c"]
    assert [arm.changes for arm in arms("arms")] == [{}, *ABC.values()]


def test_a_ladder_adds_one_component_at_a_time_from_none_to_all():
    assert names("ladder") == ["base", "to_a", "to_b", "full"]
    assert [arm.components for arm in arms("ladder")] == [(), ("a",), ("a", "b"), ("a", "b", "c")]
    assert arms("ladder")[2].changes == {"x.a": 1, "x.b": 1}


def test_leave_one_out_takes_each_component_from_all():
    assert names("leave_one_out") == ["full", "without_a", "without_b", "without_c"]
    assert arms("leave_one_out")[2].changes == {"x.a": 1, "x.c": 1}


def test_a_factorial_has_every_set_of_components_in_standard_order():
    assert names("factorial") == ["base", "a", "b", "a+b", "c", "a+c", "b+c", "full"]


def test_a_change_of_a_later_component_comes_over_that_of_an_earlier_one():
    rungs = arms("ladder", of={"one": {"x": 1, "y": 1}, "two": {"x.z": 2}, "three": {"x": 3}})
    assert list(rungs[-1].changes.items()) == [("y", 1), ("x.z", 2), ("x", 3)]


def test_every_arm_says_how_it_came_about():
    labels = {arm.name: arm.design for arm in arms("ladder", "arms", "leave_one_out")}
    assert labels == {
        "base": "base",
        "to_a": "cumulative, independent",
        "to_b": "cumulative, leave one out",
        "full": "full",
        "b": "independent",
        "c": "independent",
        "without_a": "leave one out",
        "without_b": "leave one out",
    }


def test_the_sole_component_keeps_its_name():
    assert names("arms", of={"a": {"x": 1}}) == ["base", "a"]


def test_base_and_full_may_have_other_names():
    found = expand(ABC, ["ladder"], "development", "production")
    assert [arm.name for arm in found] == ["development", "to_a", "to_b", "production"]
    assert [arm.design for arm in found] == ["base", "cumulative", "cumulative", "full"]


@given(
    st.lists(st.sampled_from(DESIGNS), min_size=1, max_size=4, unique=True),
    st.integers(3, 6),
)
def test_several_designs_have_every_set_of_components_once_under_one_name(designs, count):
    found = arms(*designs, of=components(count))
    assert len({arm.name for arm in found}) == len({arm.components for arm in found}) == len(found)
    single = {arm.components for design in designs for arm in arms(design, of=components(count))}
    assert {arm.components for arm in found} == single


@given(st.permutations(DESIGNS))
def test_a_design_that_is_added_at_the_end_renames_no_arm(designs):
    for count in range(1, len(designs)):
        before, after = names(*designs[:count]), names(*designs[: count + 1])
        assert after[: len(before)] == before


# Fractions


def levels(count: int) -> list[list[int]]:
    """Return the columns of a fraction as -1 and 1, a row per component."""
    runs = arms("fractional", of=components(count))
    return [[1 if f"c{index}" in run.components else -1 for run in runs] for index in range(count)]


def total(*columns: list[int]) -> int:
    return sum(prod(row) for row in zip(*columns, strict=True))


RUNS = {3: 4, 4: 8, 5: 16, 6: 16, 7: 16, 8: 16, 9: 32, 10: 32, 11: 32}
RESOLUTION = {3: 3, 5: 5}
fractions = pytest.mark.parametrize("count", RUNS)


@fractions
def test_a_fraction_is_balanced_and_its_components_are_orthogonal(count):
    columns = levels(count)
    assert {len(column) for column in columns} == {RUNS[count]}
    assert all(total(column) == 0 for column in columns)
    assert all(total(one, other) == 0 for one, other in combinations(columns, 2))


@fractions
def test_a_fraction_confounds_no_fewer_components_than_its_resolution(count):
    columns = levels(count)
    size = next(
        size
        for size in range(1, count + 1)
        if any(total(*some) != 0 for some in combinations(columns, size))
    )
    assert size == RESOLUTION.get(count, 4)


@fractions
def test_the_base_is_a_run_of_every_fraction(count):
    assert "base" in names("fractional", of=components(count))


# What does not hold


@pytest.mark.parametrize(
    ("designs", "of", "message"),
    [
        (["factorial"], components(7), "7 components takes 128 arms for every seed; .* most 6"),
        (["fractional"], components(2), "takes 3 to 11 components, not 2"),
        (["fractional"], components(12), "takes 3 to 11 components, not 12"),
        (["arms"], {"a": {}}, "the component 'a' changes nothing"),
        (["arms"], {"a+b": {"x": 1}}, r"'a\+b' can't be a name"),
        (["arms"], {"a/b": {"x": 1}}, "'a/b' can't be a name"),
        (["arms"], {"base": {"x": 1}, "b": {"y": 1}}, "the name 'base' stands for two arms"),
        (
            ["arms", "ladder"],
            {"to_b": {"x": 1}, "b": {"y": 1}, "c": {"z": 1}},
            "the name 'to_b' stands for two arms",
        ),
    ],
)  # fmt: skip
def test_components_that_do_not_suit_a_design_are_refused(designs, of, message):
    with pytest.raises(ValueError, match=message):
        arms(*designs, of=of)


@pytest.mark.parametrize("paths_", [("x", "x"), ("x", "x.y"), ("x[0].y", "x")])
@pytest.mark.parametrize("design", DESIGNS)
def test_components_that_change_the_same_can_be_piled_up_but_not_told_apart(design, paths_):
    one, other = paths_
    of = {"one": {one: 1}, "other": {other: 2}, "third": {"z": 3}}
    if design in {"arms", "ladder", "path"}:
        assert len(arms(design, of=of)) == 4
        return
    with pytest.raises(ValueError, match=f"'one' and 'other' both change .* a {design} design"):
        arms(design, of=of)


def test_neighbours_in_a_section_are_told_apart():
    of = {"one": {"x.y": 1}, "other": {"x.yy": 2}}
    assert len(arms("factorial", of=of)) == 4


# Paths between configs

END = config(
    model={"class_path": "toy.Net", "init_args": {"width": 32, "act": "relu", "depth": 2}},
    optimizer={"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1}},
    lr_scheduler={"class_path": "toy.Restarts", "init_args": {"T_0": 4, "eta_min": 0.1}},
    trainer={"max_epochs": 9, "callbacks": None, "limits": {"train": 1, "val": 2}},
    seed_everything=99,
)


def test_a_path_is_the_differences_in_their_order_a_section_of_another_class_as_one():
    assert between(CONFIG, END) == {
        "width": {"model.init_args.width": 32},
        "depth": {"model.init_args.depth": 2},
        "optimizer": {"optimizer": END["optimizer"]},
        "eta_min": {"lr_scheduler.init_args.eta_min": 0.1},
        "max_epochs": {"trainer.max_epochs": 9},
        "train": {"trainer.limits.train": 1},
        "val": {"trainer.limits.val": 2},
    }


def test_a_path_may_have_another_order():
    assert list(between(CONFIG, END, ["val", "optimizer"]))[:3] == ["val", "optimizer", "width"]
    with pytest.raises(ValueError, match="order: 'widht' is no difference: did you mean 'width'"):
        between(CONFIG, END, ["widht"])


def test_names_on_a_path_are_as_short_as_they_can_be():
    start = {"a": {"lr": 1, "x": [{"lr": 1}, {"n": 1}]}, "b": {"init_args": {"lr": 1}}, "c": [1]}
    end = {"a": {"lr": 2, "x": [{"lr": 2}, {"n": 2}]}, "b": {"init_args": {"lr": 2}}, "c": [1, 2]}
    assert list(between(start, end)) == ["a.lr", "0.lr", "n", "b.lr", "c"]


def test_an_item_of_a_list_is_not_called_by_its_place_alone():
    start = {"trainer": {"callbacks": [{"class_path": "A"}, {"class_path": "B"}]}}
    end = {"trainer": {"callbacks": [{"class_path": "C"}, {"class_path": "B"}]}}
    assert between(start, end) == {"callbacks.0": {"trainer.callbacks[0]": {"class_path": "C"}}}


def test_equal_configs_have_no_path():
    for same in ({"seed_everything": 5}, {"logger": None}):
        with pytest.raises(ValueError, match="do not differ"):
            between(CONFIG, {**CONFIG, **same})


def test_a_section_that_only_the_end_has_is_its_values():
    start = {key: value for key, value in CONFIG.items() if key not in {"trainer", "optimizer"}}
    assert between(start, CONFIG) == {
        "optimizer": {"optimizer": CONFIG["optimizer"]},
        "max_epochs": {"trainer.max_epochs": 3},
        "callbacks": {"trainer.callbacks": None},
    }


def test_a_value_that_is_left_to_its_default_is_to_be_written():
    with pytest.raises(ValueError, match=r"trainer\.max_epochs is left to its default"):
        between(CONFIG, config(trainer={"callbacks": None}))


def test_a_section_that_the_end_leaves_out_is_null():
    end = {key: value for key, value in CONFIG.items() if key != "lr_scheduler"}
    assert between(CONFIG, end) == {"lr_scheduler": {"lr_scheduler": None}}


leaves = st.integers(0, 2) | st.none() | st.lists(st.integers(0, 1), max_size=2)
classes = st.sampled_from(["A", "B"])
objects = st.builds(
    lambda name, values: {"class_path": name, "init_args": dict(zip("pqr", values, strict=True))},
    classes,
    st.tuples(leaves, leaves, leaves),
)
configs = st.fixed_dictionaries(
    {
        "model": objects,
        "optimizer": objects | st.none(),
        "trainer": st.fixed_dictionaries(
            {"epochs": leaves, "callbacks": st.lists(objects, max_size=2)}
        ),
    }
)


@given(configs, configs, st.randoms())
def test_a_path_leads_from_one_config_to_the_other_in_any_order(start, end, random):
    assume(start != end)
    order = list(between(start, end))
    random.shuffle(order)
    (*_, last) = arms("path", of=between(start, end, order))
    reached = paths.fresh(start)
    for path, value in last.changes.items():
        paths.put(reached, path, paths.fresh(value))
    assert reached == end
    assert len(last.components) == len(order)


# In a study file

WIDER = {"wide": {"model.init_args.width": 32}, "gelu": {"model.init_args.act": "gelu"}}


def designed(**changes):
    content = ablation(components=WIDER, design=["ladder", "arms"], reference="base", **changes)
    return {key: value for key, value in content.items() if key != "arms" or "arms" in changes}


def test_a_study_lays_out_its_components(project):
    study = project.prepared(designed(floor={"blind": {"model.init_args.width": 1}}))
    assert [arm.name for arm in study.arms] == ["base", "to_wide", "full", "gelu", "blind"]
    assert study.configured(study.arms[2].changes, 7)["model"]["init_args"] == {
        "width": 32,
        "act": "gelu",
    }


def test_further_arms_stand_beside_the_design_and_change_the_base_alone(project):
    study = project.prepared(designed(arms={"flat": {"lr_scheduler": None}}))
    assert study.arms[-1] == Arm("flat", {"lr_scheduler": None}, design="declared")


@pytest.mark.parametrize("reference", ["base", "full", "to_wide", "gelu"])
def test_any_arm_of_a_design_may_be_the_reference(project, reference):
    assert project.study({**designed(), "reference": reference}).spec.reference == reference


def test_components_come_over_what_a_profile_sets(project):
    profiles = {"cpu": {"set": {"model.init_args.width": 2, "trainer.max_epochs": 1}}}
    study = project.prepared(designed(profiles=profiles))
    base, wide, *_ = (study.configured(arm.changes, 0) for arm in study.arms)
    assert [c["model"]["init_args"]["width"] for c in (base, wide)] == [2, 32]
    assert wide["trainer"]["max_epochs"] == 1


def towards(**changes):
    content = {"design": "path", "to": "../configs/end.yaml", "reference": "base", **changes}
    return {key: value for key, value in ablation(**content).items() if key != "arms"}


def test_a_study_may_lead_to_another_config_step_by_step(project):
    project.config("end", END)
    study = project.prepared(towards(order=["max_epochs"]))
    assert [arm.name for arm in study.arms][:3] == ["base", "to_max_epochs", "to_width"]
    assert study.configured(study.arms[-1].changes, 99) == END


def test_a_path_is_the_same_under_every_profile(project):
    project.config("end", END)
    file = project.study(towards(profiles={"cpu": {"set": {"trainer.max_epochs": 9}}}))
    assert file.prepare("cpu").arms == file.prepare("cuda").arms


def test_other_designs_go_over_the_differences_too(project):
    project.config("more", {"model": {"init_args": {"width": 1}}, "trainer": {"max_epochs": 1}})
    to = ["../configs/base.yaml", "../configs/more.yaml"]
    study = project.prepared(towards(to=to, design=["path", "leave_one_out"], full="small"))
    names_ = ["base", "to_width", "small", "without_width"]
    assert [arm.name for arm in study.arms] == names_


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (designed(to="x.yaml"), "give components, or to"),
        ({**designed(), "design": "path"}, "a path needs to"),
        ({**designed(), "design": ["ladder", "ledder"]}, "design: there is no design 'ledder'"),
        ({**designed(), "design": []}, "design: "),
        (designed(order=["wide"]), "order: components come in the order they are written in"),
        (ablation(design="factorial"), "design: factorial needs components"),
        (ablation(base="none"), "base: there are no components"),
        ({**designed(), "reference": "flul"}, "reference 'flul' is no arm: did you mean 'full'"),
        (designed(arms={"full": {}}), "arms.full: the design has an arm of this name"),
        (designed(floor={"gelu": {"a": 1}}), "'gelu' is both an arm and a floor"),
        ({**designed(), "components": {"wide": {"a[": 1}, "b": {"c": 1}}}, "'a[' is not a path"),
        ({**designed(), "components": {"wide": {"a[": 1}, "b": {"c": 1}}, "design": "factorial",
          "reference": None}, "'a[' is not a path"),
    ],
)  # fmt: skip
def test_a_design_that_does_not_hold_is_refused_at_its_file(project, content, message):
    with pytest.raises(SpecError) as caught:
        project.study(content)
    assert str(caught.value).startswith("studies/mine.yaml: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (towards(reference="middle"), "the reference 'middle' is no arm"),
        (towards(order=["widht"]), "order: 'widht' is no difference: did you mean 'width'"),
        (towards(to="../configs/base.yaml"), "do not differ"),
    ],
)
def test_a_path_that_does_not_hold_is_refused_when_the_configs_are_read(project, content, message):
    project.config("end", END)
    with pytest.raises(SpecError) as caught:
        project.prepared(content)
    assert str(caught.value).startswith("studies/mine.yaml: ")
    assert message in str(caught.value)


def test_a_component_that_does_not_fit_the_config_is_refused_by_its_arm(project):
    deep = {"deep": {"model.init_args.act.x": 1}}
    with pytest.raises(SpecError, match=r"^studies/mine\.yaml: arms\.deep: model\.init_args\.act"):
        project.prepared({**designed(), "components": deep, "design": "arms"})


def test_a_definition_holds_every_arm_as_changes_to_the_base(project):
    study = project.prepared(designed(arms={"flat": {"lr_scheduler": None}}, full="both"))
    definition = study.definition
    assert definition.designs == ("ladder", "arms")
    assert definition.components == WIDER
    assert definition.arm("to_wide") == Arm(
        "to_wide", WIDER["wide"], design="cumulative, independent", components=("wide",)
    )
    assert definition.arm("flat") == Arm("flat", {"lr_scheduler": None}, design="declared")
    assert not definition.as_plain().keys() & {"base", "full", "to", "order"}


def test_published_figures_are_part_of_the_definition(project):
    values = {"base": {"val_loss": [1, 2.5]}, "full": {"val_accuracy": 0.5}}
    published = {"source": "Table 1", "values": values}
    after = project.prepared(designed(published=published)).definition
    assert after.published.values["base"] == {"val_loss": (1.0, 2.5)}
    assert after.published.values["full"] == {"val_accuracy": (0.5,)}


@pytest.mark.parametrize(("design", "label"), [("arms", "independent"), ("ladder", "cumulative")])
def test_the_definition_of_a_study_without_components_has_its_arms_expanded(project, design, label):
    definition = project.prepared(ablation(design=design)).definition
    assert definition.designs == (design,)
    changes = {}
    for name, own in ablation()["arms"].items():
        changes = {**changes, **own} if design == "ladder" else own
        assert definition.arm(name) == Arm(name, changes, design=label)
    assert definition.components == {}
