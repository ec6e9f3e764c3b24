"""What runs recorded of their training, laid side by side; equal recipes give no finding."""

from dataclasses import replace
from typing import Any

import pytest

from ablate.audits.checks import check_runs
from ablate.audits.recipe_differences import differences
from ablate.audits.recorded import RecordedRuns
from ablate.run.recipe import GRADIENTS, KIND, ParameterGroup, Recipe, Schedule
from tests.audits.studies import ablation, codes, found
from tests.audits.test_runs import CLEAN

ADAM = ParameterGroup("Adam", {"lr": 1e-3, "weight_decay": 0.0}, ("net.weight", "net.bias"))
RECIPE = Recipe(
    groups=(ADAM,),
    schedules=(Schedule("StepLR", "epoch"),),
    steps=50,
    epochs=5,
    seen=400,
    accumulation=1,
    peak=1e-3,
    dtypes=("32-true",),
)


def recorded(
    configs: dict[str, Any] | None = None, full: Recipe = RECIPE, **narrow: Any
) -> RecordedRuns:
    """Record the recipe for all trained arms, changed for one; `configs` are of its config."""
    other = replace(RECIPE, **narrow)
    facts, runs = {}, []
    for run in CLEAN.runs:
        recipe = other if run.arm == "narrow" else full
        changed = {"steps": recipe.steps, "epochs": recipe.epochs}
        if run.arm == "narrow" and configs:
            changed["config"] = {**(run.config or {}), **configs}
        runs.append(replace(run, **changed) if run.arm != "zero" else run)
        body = recipe.as_dict()
        own = {name: body.pop(name) for name in ("norm", "measured")}
        if run.arm != "zero":
            facts[run.id] = {KIND: body} | ({GRADIENTS: own} if own["measured"] else {})
    return replace(CLEAN, runs=runs, facts=facts)


def told(runs: RecordedRuns) -> dict[str, str]:
    return {item.code: item.severity for item in check_runs(runs)}


# Recipes


def test_equal_recipes_are_no_finding():
    assert check_runs(recorded()) == []


@pytest.mark.parametrize(
    "change",
    [
        {"groups": (replace(ADAM, optimizer="AdamW"),)},
        {"groups": (replace(ADAM, settings={"lr": 1e-2, "weight_decay": 0.0}),), "peak": 1e-2},
        {"schedules": (Schedule("StepLR", "step"),)},
        {"schedules": ()},
        {"peak": 5e-3},
        {"accumulation": 4},
        {"dtypes": ("bf16-mixed",)},
        {"clip": 0.5, "norm": 0.4, "measured": 20},
    ],
)
def test_a_recipe_that_no_configuration_tells_of_is_found(change):
    clipped = {**RECIPE.as_dict(), "clip": 0.1, "norm": 0.4, "measured": 20}
    full = Recipe.of(clipped) if "clip" in change else RECIPE
    found = list(check_runs(recorded(full=full, **change)))
    assert {item.code for item in found} <= {"recipe-differs", "clipped-throughout"}
    found = [item for item in found if item.code == "recipe-differs"]
    assert found
    assert {item.arms for item in found} == {("full", "narrow")}
    assert all(item.severity == "warning" for item in found)


@pytest.mark.parametrize(
    ("configs", "change"),
    [
        ({"optimizer": {"class_path": "AdamW"}}, {"groups": (replace(ADAM, optimizer="AdamW"),)}),
        ({"lr_scheduler": {"class_path": "x"}}, {"schedules": (Schedule("Cosine", "step"),)}),
        ({"model": {"init_args": {"lr": 5e-3}}}, {"peak": 5e-3}),
        ({"trainer": {"accumulate_grad_batches": 4}}, {"accumulation": 4}),
        ({"trainer": {"precision": "bf16-mixed"}}, {"dtypes": ("bf16-mixed",)}),
    ],
)
def test_a_recipe_that_the_configuration_tells_of_is_none(configs, change):
    assert check_runs(recorded(configs, **change)) == []


def test_parameters_of_one_arm_alone_are_not_compared():
    own = ParameterGroup("Adam", {"lr": 1e-3, "weight_decay": 0.1}, ("context.weight",))
    both = Recipe(groups=(ADAM, own))
    assert list(differences({"a": Recipe(groups=(ADAM,)), "b": both}, {})) == []
    other = replace(own, names=("net.weight",))
    (apart,) = differences({"a": Recipe(groups=(ADAM,)), "b": Recipe(groups=(other,))}, {})
    assert apart.told() == "weight_decay of net.weight: 0 in a, 0.1 in b"


def test_gains_of_norms_that_one_arm_decays_are_known_by_another_name():
    def split(gain: str, decayed: bool) -> Recipe:
        heavy = replace(ADAM, settings={**ADAM.settings, "weight_decay": 0.1})
        light = replace(ADAM, names=("net.bias",))
        own = replace(heavy if decayed else light, names=(gain,), gains=(gain,))
        return Recipe(groups=(replace(heavy, names=("net.weight",)), light, own))

    arms = {"layer": split("norm.weight", decayed=False), "rms": split("rms.gain", decayed=True)}
    (apart,) = differences(arms, {})
    assert apart.told() == "weight_decay of gains of norms: 0 in layer, 0.1 in rms"
    assert not list(differences(arms, {"rms": {"model.init_args.weight_decay": 0.1}}))
    assert not list(differences({**arms, "rms": split("rms.gain", decayed=False)}, {}))


@pytest.mark.parametrize(
    ("key", "explains"),
    [
        ("model.init_args.weight_decay", True),
        ("model.init_args.wd", True),
        ("optimizer.class_path", True),
        ("model.init_args.use_adam", True),
        ("model.init_args.loss_weight", False),
        ("model.init_args.ema_decay", False),
        ("model.init_args.width", False),
    ],
)
def test_a_key_explains_what_its_name_speaks_of(key, explains):
    other = replace(ADAM, settings={**ADAM.settings, "weight_decay": 0.1})
    recipes = {"a": Recipe(groups=(ADAM,)), "b": Recipe(groups=(other,))}
    assert (not list(differences(recipes, {"b": {key: True}}))) is explains


@pytest.mark.parametrize(("value", "explains"), [(0.1, True), ([0.1, 0.2], True), (0.2, False)])
def test_a_key_explains_a_setting_that_has_its_own_value(value, explains):
    other = replace(ADAM, settings={**ADAM.settings, "weight_decay": 0.1})
    recipes = {"a": Recipe(groups=(ADAM,)), "b": Recipe(groups=(other,))}
    found = differences(recipes, {"b": {"model.init_args.strength": value}})
    assert (not list(found)) is explains


def test_a_number_that_many_keys_have_explains_nothing():
    bare = replace(ADAM, settings={**ADAM.settings, "weight_decay": 0.0})
    heavy = replace(ADAM, settings={**ADAM.settings, "weight_decay": 0.1})
    recipes = {"a": Recipe(groups=(heavy,)), "b": Recipe(groups=(bare,))}
    assert list(differences(recipes, {"b": {"model.init_args.dropout": 0.0}}))


# Clipping


def test_gradients_that_are_always_cut_are_found_by_arm():
    (item,) = check_runs(recorded({"trainer": {"gradient_clip_val": 0.1}}, **CUT))
    assert (item.code, item.arms) == ("clipped-throughout", ("narrow",))
    assert "the shortest of a norm of 0.5, cut to 0.1" in item.what


CUT: dict[str, Any] = {"clip": 0.1, "norm": 0.5, "measured": 20}


@pytest.mark.parametrize("change", [{"norm": 0.15}, {"measured": 3}, {"norm": 0.01}])
def test_gradients_that_are_not_surely_always_cut_are_not_judged(change):
    configs = {"trainer": {"gradient_clip_val": 0.1}}
    assert check_runs(recorded(configs, **{**CUT, **change})) == []


# Lengths


@pytest.mark.parametrize(
    "length",
    [
        {"steps": 50, "epochs": 10, "seen": 800},
        {"steps": 50, "epochs": 1, "seen": 50},
        {"steps": 52, "epochs": 10, "seen": 800},
    ],
)
def test_equal_steps_are_equal_lengths_whatever_the_epochs(length):
    assert check_runs(recorded(**length)) == []


@pytest.mark.parametrize(
    ("length", "severity"),
    [
        ({"steps": 25, "seen": 400}, "warning"),
        ({"steps": 100, "epochs": 10, "seen": 800}, "warning"),
        ({"steps": 52, "epochs": 6, "seen": 416}, "warning"),
        ({"steps": 25, "seen": 200}, "warning"),
    ],
)
def test_unequal_steps_are_unequal_lengths_also_at_equal_epochs(length, severity):
    assert told(recorded(**length)) == {"unequal-run-lengths": severity}


def test_fewer_steps_of_declared_data_are_a_note():
    data = {"data": {"size": 5}}
    assert told(recorded(data, steps=25, seen=200)) == {"unequal-run-lengths": "note"}
    assert told(recorded({"data": {"batch_size": 16}}, steps=25)) == {
        "unequal-run-lengths": "warning"
    }


def test_lengths_that_differ_by_seed_alike_in_all_arms_are_no_finding():
    runs = recorded()
    longer = [
        replace(r, steps=60, epochs=6) if r.seed == 2 and r.arm != "zero" else r for r in runs.runs
    ]
    assert check_runs(replace(runs, runs=longer, facts={})) == []


# Before anything runs


BATCH = "data.init_args.batch_size"
EPOCHS = "trainer.max_epochs"


@pytest.mark.parametrize(
    "arm",
    [
        {BATCH: 64, EPOCHS: 60},
        {"trainer.accumulate_grad_batches": 2, EPOCHS: 60},
        {BATCH: 16, EPOCHS: 15},
    ],
)
def test_epochs_that_make_equally_many_steps_are_no_unequal_lengths(arm):
    study = ablation(arms={"full": {}, "other": arm})
    assert "unequal-epochs" not in codes(found(study))


@pytest.mark.parametrize("arm", [{BATCH: 64, EPOCHS: 50}, {EPOCHS: 31}, {BATCH: 64, EPOCHS: 15}])
def test_epochs_that_make_other_steps_are_found(arm):
    assert "unequal-epochs" in codes(found(ablation(arms={"full": {}, "other": arm})))
