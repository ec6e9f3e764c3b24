"""Study files: what they refuse, and what a prepared study runs."""

import copy
import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import NotFoundError, SpecError
from ablate.spec import (
    Ablation,
    Arm,
    Objective,
    ProfileChange,
    Search,
    paths,
    read_definition,
    read_study,
    written_in_python,
)
from ablate.spec.configs import apply, merged
from ablate.spec.fields import parse_duration
from tests.spec.samples import CONFIG, SPACE, ablation, config, search

LR = "optimizer.init_args.lr"
BETA = "optimizer.init_args.betas[0]"


def changed(path, before, after):
    return ProfileChange(path=path, before=before, after=after)


def test_a_study_that_holds_is_read(project):
    study = project.study(search())
    assert study.name == "mine"
    assert [str(path) for path in study.config_files()] == ["configs/base.yaml"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (search(kind="serach"), "kind must be search or ablation, not 'serach'"),
        ({}, "kind must be search or ablation, not None"),
        (search(budgte={}), "unknown key 'budgte': did you mean 'budget'?"),
        (
            search(objective={"metirc": "x"}),
            "objective: unknown key 'metirc': did you mean 'metric'?",
        ),
        (search(profiles={"cpu": {"seds": [1]}}), "profiles.cpu: unknown key 'seds': did you mean"),
        (
            search(profiles={"cpu": {"budget": {"trails": 1}}}),
            "profiles.cpu.budget: unknown key 'trails'",
        ),
        (
            search(sampler={"class": "x"}),
            "sampler: unknown key 'class': did you mean 'class_path'?",
        ),
        (search(limits={"attempt": 1}), "limits: unknown key 'attempt': did you mean 'attempts'?"),
        (search(arms={}), "unknown key 'arms'"),
        (ablation(space={}), "unknown key 'space'"),
        (search(seeds=[]), "seeds: "),
        (search(seeds=307), "seeds: write a list (given: 307)"),
        (search(seeds=[1, 1]), "seeds: a seed is written twice"),
        (search(seeds=[1, "1"]), "seeds: a seed is written twice"),
        (search(seeds=[-1]), "seeds[0]: input should be greater than or equal to 0 (given: -1)"),
        (search(seeds=[2**32]), "seeds[0]: input should be less than 4294967296"),
        (search(seeds=[1.5]), "seeds[0]: "),
        (search(config=[]), "config: "),
        (search(budget={}), "budget: give trials, timeout or both"),
        (search(budget={"trials": 0}), "budget.trials: "),
        (search(budget={"timeout": "1 fortnight"}), "budget.timeout: write a duration"),
        (search(objective={"metric": "x", "direction": "up"}), "objective.direction: "),
        (search(window=0), "window: "),
        (search(space={}), "space: "),
        (search(space={"a[": {"int": [1, 2]}}), "'a[' is not a path"),
        (search(profiles={"cpu": {"set": {"a..b": 1}}}), "'a..b' is not a path"),
        (ablation(arms={}), "arms: "),
        (ablation(arms={"one": {"a[x]": 1}}, reference="one"), "'a[x]' is not a path"),
        (ablation(reference="gleu"), "the reference 'gleu' is no arm: did you mean 'gelu'?"),
        (ablation(floor={"wide": {}}), "'wide' is both an arm and a floor"),
        (ablation(design="leader"), "design: "),
        (ablation(metrics={}), "metrics: "),
        (ablation(metrics={"loss": "down"}), "metrics.loss: "),
    ],
)
def test_a_study_that_does_not_hold_is_refused_at_its_file_and_key(project, content, message):
    with pytest.raises(SpecError) as caught:
        project.study(content)
    assert str(caught.value).startswith("studies/mine.yaml: ")
    assert message in str(caught.value)


def test_every_mistake_of_a_file_is_listed_at_once(project):
    with pytest.raises(SpecError) as caught:
        project.study(search(seeds=[], budget={}, window=0))
    lines = str(caught.value).splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["seeds", "window", "budget"]


def test_a_misspelt_study_names_its_neighbours(project):
    project.study(search(), name="champion")
    with pytest.raises(NotFoundError, match="did you mean 'champion'"):
        read_study("chapmion")


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (search, "config"),
        (search, "objective"),
        (search, "space"),
        (search, "budget"),
        (ablation, "config"),
        (ablation, "metrics"),
    ],
)
def test_what_an_error_shows_of_a_missing_key_holds_when_it_is_written(project, kind, key):
    project.config("model", CONFIG)
    study = kind()
    del study[key]
    with pytest.raises(SpecError, match=f"^studies/mine.yaml: {key}: missing; write") as caught:
        project.study(study)
    example = yaml.safe_load(str(caught.value).split("`")[1])
    assert project.study({**study, **example}).name == "mine"


# Configs


def test_a_missing_config_is_named_without_detours(project):
    with pytest.raises(NotFoundError) as caught:
        project.prepared(search(config="../configs/bsae.yaml"))
    assert str(caught.value) == (
        "studies/mine.yaml: config: there is no file configs/bsae.yaml; in configs/: "
        "did you mean 'base.yaml'?"
    )


def test_later_configs_lie_over_earlier_ones(project):
    project.config("small", {"model": {"init_args": {"width": 4}}, "trainer": {"max_epochs": 9}})
    study = project.prepared(search(config=["../configs/base.yaml", "../configs/small.yaml"]))
    assert study.definition.config == {
        **CONFIG,
        "model": {"class_path": "toy.Net", "init_args": {"width": 4, "act": "relu"}},
        "trainer": {"max_epochs": 9, "callbacks": None},
    }


def test_a_section_of_another_class_starts_anew():
    sgd = {"optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 1}}}
    assert merged([config(), sgd])["optimizer"] == sgd["optimizer"]
    same = {"optimizer": {"class_path": "torch.optim.Adam", "init_args": {"lr": 1}}}
    assert merged([config(), same])["optimizer"]["init_args"] == {"lr": 1, "betas": [0.9, 0.99]}


def test_merging_shares_nothing_with_its_sources():
    base = config()
    merged([base])["model"]["init_args"]["width"] = 99
    assert base == CONFIG


# Profiles and overrides

CPU = {"set": {"trainer.max_epochs": 1, "trainer.accelerator": "cpu"}}


def test_a_profile_changes_the_config_and_says_what_it_changed(project):
    study = project.prepared(search(profiles={"cpu": CPU}))
    assert study.definition.config["trainer"] == {
        "max_epochs": 1,
        "callbacks": None,
        "accelerator": "cpu",
    }
    assert study.definition.profile_changes == (
        changed("trainer.max_epochs", 3, 1),
        changed("trainer.accelerator", None, "cpu"),
    )


def test_a_profile_of_other_hardware_changes_nothing(project):
    study = project.prepared(search(profiles={"cpu": CPU}), profile="cuda")
    assert study.definition.config == CONFIG
    assert study.definition.profile_changes == ()


def test_a_profile_may_have_its_own_seeds_and_budget(project):
    content = search(profiles={"cpu": {"seeds": [1, 2], "budget": {"timeout": "2m"}}})
    study = project.prepared(content)
    assert study.seeds == (1, 2)
    assert (study.definition.budget.trials, study.definition.budget.timeout) == (None, 120.0)
    other = project.prepared(content, profile="cuda")
    assert (other.seeds, other.definition.budget.trials) == ((307,), 4)


def test_the_command_line_overrides_the_profile(project):
    file = project.study(search(profiles={"cpu": CPU}))
    study = file.prepare("cpu", {"trainer.max_epochs": 7, "model.init_args.width": 8})
    assert study.definition.config["trainer"]["max_epochs"] == 7
    assert study.definition.config["model"]["init_args"]["width"] == 8
    assert study.definition.profile_changes == (
        changed("trainer.accelerator", None, "cpu"),
        changed("trainer.max_epochs", 3, 7),
        changed("model.init_args.width", 16, 8),
    )


def test_an_override_of_a_section_comes_after_the_profiles_keys_in_it(project):
    file = project.study(search(profiles={"cpu": CPU}))
    study = file.prepare("cpu", {"trainer": {"max_epochs": 5}})
    assert study.definition.config["trainer"] == {"max_epochs": 5}


@pytest.mark.parametrize(
    ("profile", "override", "message"),
    [
        (
            {"model.init_args.width.x": 1},
            {},
            "studies/mine.yaml: profiles.cpu.set: model.init_args",
        ),
        (
            CPU["set"],
            {"model.init_args.width.x": 1},
            "--set: model.init_args.width.x: there is 16 at",
        ),
        ({}, {"model..x": 1}, "--set: 'model..x' is not a path"),
    ],
)
def test_a_change_that_does_not_fit_is_refused_where_it_was_written(
    project, profile, override, message
):
    file = project.study(search(profiles={"cpu": {"set": profile}}))
    with pytest.raises(SpecError) as caught:
        file.prepare("cpu", override)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("path", [LR, BETA, "lr_scheduler", "lr_scheduler.init_args.eta_min"])
def test_a_change_to_what_is_searched_is_refused(project, path):
    file = project.study(search())
    with pytest.raises(SpecError, match=r"^--set: .* is set, but the study searches"):
        file.prepare("cpu", {path: 1})
    file = project.study(search(profiles={"cpu": {"set": {path: 1}}}))
    with pytest.raises(SpecError, match=r"profiles\.cpu\.set: .* is set, but the study searches"):
        file.prepare("cpu")


def test_preparing_leaves_the_study_file_as_it_was(project):
    file = project.study(search(profiles={"cpu": {"set": {"trainer.callbacks": []}}}))
    first = file.prepare("cpu")
    first.definition.config["trainer"]["callbacks"].append("changed")
    assert file.prepare("cpu").definition.config["trainer"]["callbacks"] == []


# Enqueued points

POINT = {LR: 0.02, BETA: 0.8, "lr_scheduler": "constant"}


def moved(**changes):
    """Return a config at another point of the space, with further paths changed."""
    other = copy.deepcopy(CONFIG)
    other["optimizer"]["init_args"] = {"lr": 0.02, "betas": [0.8, 0.99]}
    other["lr_scheduler"] = None
    return {**other, **changes}


def test_a_config_file_is_enqueued_at_its_point(project):
    project.config("known", moved(seed_everything=99))
    study = project.prepared(search(enqueue=["../configs/known.yaml"]))
    assert study.enqueued == (POINT,)
    assert study.at(study.enqueued[0], 5) == {**moved(), "seed_everything": 5}


def test_an_inline_point_is_enqueued_as_written(project):
    study = project.prepared(search(enqueue=[POINT, {LR: 0.05}]))
    assert study.enqueued == (POINT, {LR: 0.05})


def test_the_profile_applies_to_an_enqueued_config_too(project):
    project.config("known", moved())
    study = project.prepared(search(enqueue=["../configs/known.yaml"], profiles={"cpu": CPU}))
    assert study.enqueued == (POINT,)


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (
            {"optimizer.init_args.rl": 0.1},
            "'optimizer.init_args.rl' is not in the space: did you mean",
        ),
        ({LR: 0.5}, f"{LR} is 0.5, not a float in [1e-05, 0.1]"),
        ({LR: "0.05"}, f"{LR} is '0.05', not a float"),
        ({BETA: 0.85}, f"{BETA} is 0.85, not one of 0.8, 0.9"),
        ({"lr_scheduler": None}, "lr_scheduler is None, not one of 'restarts', 'constant'"),
        ({"lr_scheduler.init_args.T_0": 4}, "is set but its condition does not hold"),
        (
            {"lr_scheduler": "constant", "lr_scheduler.init_args.T_0": 4},
            "is set but its condition does not hold",
        ),
    ],
)
def test_an_inline_point_outside_the_space_is_refused(project, point, message):
    with pytest.raises(SpecError) as caught:
        project.prepared(search(enqueue=[POINT, point]))
    assert str(caught.value).startswith("studies/mine.yaml: enqueue: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer": {}}, f"{LR} is missing (no optimizer.init_args)"),
        (
            {
                "optimizer": {
                    "class_path": "torch.optim.Adam",
                    "init_args": {"lr": 1, "betas": [0.9]},
                }
            },
            f"{LR} is 1, not a float in [1e-05, 0.1]",
        ),
        (
            {"trainer": {"max_epochs": 8, "callbacks": None}},
            "enqueued into studies/mine.yaml, but it differs from the study's config at "
            "trainer.max_epochs, which is not searched: 8 here, 3 there",
        ),
        (
            {"data": {"class_path": "toy.Data"}},
            "differs from the study's config at data.class_path, which is not searched: "
            "'toy.Data' here, None there",
        ),
        (
            {"model": {"class_path": "toy.Net", "init_args": {"width": 16}}},
            "differs from the study's config at model.init_args.act, which is not searched: "
            "None here, 'relu' there",
        ),
    ],
)
def test_a_config_file_outside_the_space_is_refused_by_its_tidy_name(project, changes, message):
    project.config("known", moved(**changes))
    with pytest.raises(SpecError) as caught:
        project.prepared(search(enqueue=["../configs/known.yaml"]))
    assert str(caught.value).startswith("configs/known.yaml: ")
    assert message in str(caught.value)


def test_a_missing_enqueued_config_is_refused(project):
    with pytest.raises(NotFoundError, match=r"there is no file configs/absent\.yaml"):
        project.prepared(search(enqueue=["../configs/absent.yaml"]))


def test_a_bad_condition_names_the_study_file(project):
    space = {**SPACE, "x": {"int": [1, 2], "when": {"lr_schedler": "restarts"}}}
    with pytest.raises(SpecError, match=r"^studies/mine\.yaml: space\.x\.when: .*'lr_scheduler'"):
        project.prepared(search(space=space))


# Arms


def test_arms_change_the_base_alone(project):
    study = project.prepared(ablation(floor={"blind": {"model.init_args.width": 1}}))
    assert study.arms == (
        Arm("wide", {"model.init_args.width": 32}, design="independent"),
        Arm("gelu", {"model.init_args.act": "gelu"}, design="independent"),
        Arm("flat", {"lr_scheduler": None}, design="independent"),
        Arm("blind", {"model.init_args.width": 1}, floor=True),
    )


def test_a_ladder_keeps_the_changes_of_the_arms_before(project):
    floor = {"blind": {"model.init_args.width": 1}}
    study = project.prepared(ablation(design="ladder", floor=floor))
    assert study.arms == (
        Arm("wide", {"model.init_args.width": 32}, design="cumulative"),
        Arm(
            "gelu",
            {"model.init_args.width": 32, "model.init_args.act": "gelu"},
            design="cumulative",
        ),
        Arm(
            "flat",
            {"model.init_args.width": 32, "model.init_args.act": "gelu", "lr_scheduler": None},
            design="cumulative",
        ),
        Arm("blind", {"model.init_args.width": 1}, floor=True),
    )


changes_of_arms = st.dictionaries(
    st.sampled_from(["a", "a.b", "a.b.c", "d"]),
    st.dictionaries(st.sampled_from(["b", "e"]), st.just({}), max_size=2),
    max_size=3,
)


@given(st.lists(changes_of_arms, min_size=1, max_size=5))
def test_every_rung_of_a_ladder_is_the_rung_below_with_its_changes_on_top(arms):
    named = {f"arm{index}": changes for index, changes in enumerate(arms)}
    content = ablation(arms=named, design="ladder", reference="arm0")
    built = Ablation(**{**content, "name": "mine", "config": {"seed_everything": 1}})
    study = written_in_python(built).prepare("cpu")
    rung = {"seed_everything": 1}
    for arm, changes in zip(study.arms, arms, strict=True):
        apply(rung, changes, arm.name)
        assert study.configured(arm.changes, 1) == rung


def test_an_arm_is_configured_without_touching_the_base(project):
    study = project.prepared(ablation())
    wide = study.configured(study.arms[0].changes, 308)
    assert wide["seed_everything"] == 308
    assert wide["model"]["init_args"] == {"width": 32, "act": "relu"}
    wide["optimizer"]["init_args"]["betas"].append(1)
    assert study.definition.config == CONFIG


def test_an_arm_that_does_not_fit_the_config_is_refused_by_name(project):
    with pytest.raises(
        SpecError, match=r"^studies/mine\.yaml: arms\.deep: model\.init_args\.act\.x"
    ):
        project.prepared(ablation(arms={"deep": {"model.init_args.act.x": 1}}, reference="deep"))


def test_the_first_metric_decides_unless_an_objective_is_declared(project):
    assert project.prepared(ablation()).objective == Objective(
        metric="val_accuracy", direction="maximize", at="last"
    )
    declared = ablation(objective={"metric": "val_loss", "at": "best"})
    assert project.prepared(declared).objective == Objective(
        metric="val_loss", direction="minimize", at="best"
    )


def test_an_ablation_reads_the_last_epoch_unless_its_objective_says_otherwise(project):
    assert project.prepared(ablation(objective={"metric": "val_loss"})).objective.at == "last"
    assert project.prepared(search(objective={"metric": "val_loss"})).objective.at == "best"


def test_a_margin_is_part_of_the_definition(project):
    definition = project.prepared(ablation(margin={"val_accuracy": 0.01})).definition
    assert definition.margin == {"val_accuracy": 0.01}
    stored = definition.as_plain()
    assert read_definition(stored).margin == {"val_accuracy": 0.01}
    del stored["margin"]  # as a record from before there were margins
    assert read_definition(stored).margin == {}


@pytest.mark.parametrize(
    ("margin", "message"),
    [
        ({"val_acuracy": 0.01}, r"margin: 'val_acuracy' is none of the metrics: .*val_accuracy"),
        ({"val_accuracy": -0.01}, "greater than or equal to 0"),
        ({"val_accuracy": float("inf")}, "finite"),
    ],
)
def test_a_margin_that_means_nothing_is_refused(project, margin, message):
    with pytest.raises(SpecError, match=message):
        project.prepared(ablation(margin=margin))


# Seeds


@pytest.mark.parametrize("content", [search(), ablation()])
def test_without_seeds_a_study_has_the_one_of_its_config(project, content):
    del content["seeds"]
    assert project.prepared(content).seeds == (1,)
    content["profiles"] = {"cuda": {"seeds": [5]}, "cpu": {"set": {"seed_everything": 3}}}
    study = project.study(content)
    assert [study.prepare(name).seeds for name in ("cpu", "cuda", "mps")] == [(3,), (5,), (1,)]


@pytest.mark.parametrize("seed", [True, None, "7", -1, 2**32])
def test_without_seeds_a_config_needs_one(project, seed):
    project.config("base", {**CONFIG, "seed_everything": seed})
    content = ablation()
    del content["seeds"]
    with pytest.raises(SpecError, match=r"mine.yaml: give seeds.*configs/base.yaml") as told:
        project.prepared(content)
    assert ("no seed_everything" if seed is None else repr(seed)) in str(told.value)


# Names that YAML takes for booleans


def test_arms_may_be_called_on_and_off(project):
    study = project.study(
        "kind: ablation\nconfig: ../configs/base.yaml\nseeds: [1]\n"
        "metrics: {val_loss: minimize}\nreference: off\n"
        "provenance: {tuned_for: on}\nallow: {few-seeds: [on, no]}\n"
        "published: {source: them, values: {on: {val_loss: 1}}}\n"
        "floor: {no: {model.init_args.width: 1}}\n"
        "arms: {on: {model.init_args.bias: on}, off: {model.init_args.bias: off}}\n"
    ).prepare("cpu")
    assert [arm.name for arm in study.arms] == ["on", "off", "no"]
    assert study.definition.reference == "off"
    assert study.definition.provenance.tuned_for == "on"
    assert [*study.definition.published.values] == ["on"]
    assert study.allow == {"few-seeds": ("on", "no")}
    assert [study.configured(arm.changes, 1)["model"]["init_args"].get("bias") for arm in study.arms
            ] == [True, False, None]  # fmt: skip


def test_components_may_be_called_on_and_off(project):
    study = project.study(
        "kind: ablation\nconfig: ../configs/base.yaml\nseeds: [1]\ndesign: arms\n"
        "metrics: {val_loss: minimize}\nreference: yes\nbase: no\nfull: yes\n"
        "components: {on: {model.init_args.width: 1}, off: {model.init_args.act: gelu}}\n"
        "arms: {yes: {}}\n"
    ).prepare("cpu")
    assert [arm.name for arm in study.arms] == ["no", "on", "off", "yes"]


@pytest.mark.parametrize("condition", ["on", "[on]"])
def test_choices_may_be_called_on_and_off(project, condition):
    study = project.study(
        "kind: search\nconfig: ../configs/base.yaml\nseeds: [1]\nbudget: {trials: 1}\n"
        "objective: {metric: val_loss}\nspace:\n"
        "  lr_scheduler: {choice: {on: {class_path: toy.Restarts}, off: null}}\n"
        f"  lr_scheduler.init_args.T_0: {{int: [2, 12], when: {{lr_scheduler: {condition}}}}}\n"
        "  model.init_args.bias: {choice: [on, off]}\n"
        "  model.init_args.width: {int: [1, 2], when: {model.init_args.bias: on}}\n"
        "enqueue: [{lr_scheduler: on, lr_scheduler.init_args.T_0: 3, model.init_args.bias: off}]\n"
    ).prepare("cpu")
    assert study.space["lr_scheduler"].labels == ("on", "off")
    assert study.space["model.init_args.bias"].labels == (True, False)
    (point,) = study.enqueued
    assert point["lr_scheduler"] == "on"
    assert study.at(point, 1)["lr_scheduler"]["init_args"]["T_0"] == 3


# Definition and identity


@pytest.mark.parametrize("content", [search(enqueue=[POINT]), ablation(floor={"f": {"a": 1}})])
def test_a_definition_is_plain_data(project, content):
    definition = project.prepared(content).definition
    stored = json.loads(json.dumps(definition.as_plain()))
    assert stored["version"] == 2
    assert read_definition(stored) == definition


def test_a_definition_holds_what_is_run(project):
    profile = {"cpu": {**CPU, "seeds": [5], "budget": {"trials": 2}}}
    definition = project.prepared(search(profiles=profile)).definition
    assert definition.config["trainer"]["max_epochs"] == 1
    assert definition.seeds == (5,)
    assert definition.budget.trials == 2
    assert definition.space[LR].bounds == (1e-5, 0.1)
    assert definition.profile_changes[0] == changed("trainer.max_epochs", 3, 1)


def test_the_definition_names_the_metric_that_decides(project):
    assert project.prepared(ablation()).definition.objective.metric == "val_accuracy"


@pytest.mark.parametrize(
    "change",
    [
        {"budget": {"trials": 400, "timeout": "1h"}},
        {"enqueue": [POINT]},
        {"limits": {"attempts": 5}},
        {"profiles": {"cuda": CPU}},
    ],
)
def test_a_study_keeps_its_identity_when_only_its_extent_changes(project, change):
    before = project.prepared(search()).definition
    after = project.prepared(search(**change)).definition
    assert after.identity() == before.identity()


@pytest.mark.parametrize(
    "change",
    [
        {"seeds": [308]},
        {"seed": 1},
        {"window": 5},
        {"objective": {"metric": "val_loss", "at": "last"}},
        {"space": {**SPACE, LR: {"float": [1e-5, 1e-1]}}},
        {"space": {**SPACE, "model.init_args.width": {"int": [1, 9]}}},
        {"sampler": {"class_path": "optuna.samplers.RandomSampler"}},
        {"pruner": {"class_path": "optuna.pruners.NopPruner"}},
        {"profiles": {"cpu": CPU}},
        {"profiles": {"cpu": {"seeds": [308]}}},
    ],
)
def test_a_study_changes_its_identity_with_anything_its_trials_depend_on(project, change):
    before = project.prepared(search()).definition
    after = project.prepared(search(**change)).definition
    assert after.identity() != before.identity()


def test_a_study_changes_its_identity_with_its_config_but_not_with_the_configs_name(project):
    before = project.prepared(search()).definition.identity()
    project.config("renamed", CONFIG)
    renamed = project.prepared(search(config="../configs/renamed.yaml"))
    assert renamed.definition.identity() == before
    project.config("base", config(data={"class_path": "toy.Data"}))
    assert project.prepared(search()).definition.identity() != before


# Studies built in Python


def test_a_study_built_in_python_is_that_of_a_file(project):
    content = search(profiles={"cpu": CPU}, enqueue=[POINT])
    built = written_in_python(Search(name="mine", **{**content, "config": CONFIG}))
    assert built.prepare("cpu").definition == project.prepared(content).definition


def test_a_study_built_in_python_reads_config_files_from_where_it_is_built(project):
    built = written_in_python(Ablation(name="mine", **ablation(config="configs/base.yaml")))
    assert built.prepare("cpu").definition == project.prepared(ablation()).definition


def test_a_study_built_in_python_needs_a_name(project):
    with pytest.raises(SpecError, match=r"needs a name: Search\(name=\.\.\.\)"):
        written_in_python(Search(**search()))


def test_a_study_file_has_the_name_of_its_file(project):
    with pytest.raises(SpecError, match="'name': a study file is named by its file"):
        project.study(search(name="other"))


# Durations


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (90, 90),
        (0.5, 0.5),
        ("90", 90),
        ("90s", 90),
        ("15m", 900),
        ("1.5h", 5400),
        (" 2 d ", 172800),
    ],
)
def test_durations_are_read_as_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", [0, -1, "0s", "", "s", "1w", "1h30m", "-5m", True, None, [], float("inf"), float("nan"),
             "9" * 400 + "d", "1e3"]
)  # fmt: skip
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(ValueError, match="write a duration as seconds or like 90s, 15m"):
        parse_duration(text)


@given(st.integers(1, 10**6), st.sampled_from([("s", 1), ("m", 60), ("h", 3600), ("d", 86400)]))
def test_a_unit_multiplies(number, unit):
    assert parse_duration(f"{number}{unit[0]}") == number * unit[1]


def test_a_definition_is_written_as_lists_and_mappings_with_numbers_as_they_are(project):
    content = ablation(floor={"f": {"a": [float("inf")]}})
    plain = project.prepared(content).definition.as_plain()
    leaves = paths.flatten(plain)
    plain_types = (str, int, float, bool, type(None), dict, list)
    assert all(type(leaf) in plain_types for leaf in leaves.values())
    assert float("inf") in leaves.values()
    assert "arms[0].changes.model.init_args.width" in leaves
