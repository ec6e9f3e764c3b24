"""Each fault is planted once; the study without it gives no finding at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.audits.checks import check_search
from ablate.audits.differences import comparisons
from ablate.audits.findings import blocking
from ablate.audits.values import is_rounded
from tests.audits.studies import (
    ABLATION,
    SEARCH,
    STOPPING,
    WRITTEN,
    ablation,
    arms_of,
    changed,
    codes,
    found,
    resolve,
    search,
)

WIDE = {"class_path": "m.Wide", "init_args": {"width": 64}}
FULL, NARROW = ABLATION["arms"]["full"], ABLATION["arms"]["narrow"]


def arms(**more):
    return ablation(arms={"full": FULL, "narrow": NARROW, **more})


def of(findings, code):
    (item,) = [item for item in findings if item.code == code]
    return item


def test_a_clean_ablation_and_a_clean_search_give_no_finding():
    assert found(ablation()) == []
    assert found(search()) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"model.init_args.dropout": 0.0},
        {"optimizer.init_args.betas": [0.8, 0.99]},
        {"optimizer.init_args": {"lr": 1e-3, "betas": [0, 1]}},
        {"lr_scheduler": {"class_path": "m.Cosine", "init_args": {"warmup": 0.1}}},
        {"data.init_args.batch_size": 64},
        {"trainer.gradient_clip_val": 1.0},
        {"model.init_args.width": 16, "model.init_args.kind": "b", "model.init_args.depth": 1},
    ],
)  # fmt: skip
def test_a_declared_change_of_one_thing_gives_no_finding(changes):
    assert found(arms(other=changes)) == []


# --- what differs without being declared -------------------------------------------------


def test_a_difference_that_no_change_declares_is_an_error():
    study = ablation()
    stray = changed(arms_of(study)["narrow"], {"model.init_args.depth": 5})
    item = of(found(study, narrow=stray), "undeclared-difference")
    assert item.severity == "error"
    assert item.arms == ("narrow", "full")
    assert item.where == "model.init_args.depth"
    assert "depth is 2 in full, 5 in narrow" in item.what


def test_a_class_that_no_change_declares_is_an_error_with_all_its_arguments():
    study = ablation()
    other = changed(
        arms_of(study)["narrow"], {"model.class_path": "m.Wide", "model.init_args.branches": 4}
    )
    item = of(found(study, narrow=other), "undeclared-difference")
    assert item.severity == "error"
    assert item.where == "model.class_path, model.init_args.branches"


def test_the_rate_of_another_optimizer_belongs_to_it():
    sgd = {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1, "weight_decay": 0.01}}
    for more in ({}, {"model.init_args.kind": "b"}):
        study = arms(other={"optimizer": sgd, **more})
        assert codes(found(study)) == {"comes-along": "note"}


def test_a_section_that_is_replaced_and_forgets_a_value_is_found():
    section = {"class_path": "m.Net", "init_args": {"width": 16}}
    same_class = of(found(arms(other={"model": section})), "undeclared-difference")
    assert same_class.severity == "error"
    assert same_class.where == "model.init_args.dropout"
    other_class = of(found(arms(other={"model": WIDE})), "undeclared-difference")
    assert other_class.severity == "warning"
    assert "dropout is 0.16712351989226623 in full, 0.1 in other" in other_class.what


def test_arguments_of_another_class_come_along_and_are_noted():
    section = {**WIDE, "init_args": {"width": 64, "dropout": 0.16712351989226623}}
    (item,) = found(arms(other={"model": section}))
    assert (item.code, item.severity) == ("comes-along", "note")
    assert "branches is absent in full, 4 in other" in item.what


def test_a_removed_section_is_declared_with_all_it_holds():
    schedule = {"class_path": "m.Cosine", "init_args": {"warmup": 0.1}}
    written = {**WRITTEN, "lr_scheduler": schedule}
    assert found(ablation(written, arms={"full": {}, "constant": {"lr_scheduler": None}})) == []


def test_the_seed_of_a_run_is_no_difference():
    study = ablation()
    other = {**arms_of(study)["narrow"], "seed_everything": 99}
    assert found(study, narrow=other) == []


def test_a_ladder_is_compared_step_by_step():
    steps = {"a": {"model.init_args.width": 16}, "b": {"model.init_args.dropout": 0.5}}
    assert found(ablation(design="ladder", arms={"full": {}, **steps})) == []
    together = {"full": {}, "ab": {**steps["a"], **steps["b"]}}
    assert codes(found(ablation(arms=together))) == {"confounded": "warning"}


def test_components_are_compared_with_the_arm_that_lacks_one_of_them():
    parts = {
        "narrow": {"model.init_args.width": 16},
        "dropped": {"model.init_args.dropout": 0.5},
        "short": {"trainer.max_epochs": 5},
    }
    for design in ("arms", "ladder", "leave_one_out", "factorial"):
        study = ablation(arms={}, components=parts, design=design, reference=None)
        assert codes(found(study)) == {"unequal-epochs": "note"}, design
    pair = {name: parts[name] for name in ("narrow", "dropped")}
    for reference in ("full", "base"):
        study = ablation(arms={}, components=pair, design="factorial", reference=reference)
        compared = {each.names for each in comparisons(study, arms_of(study))}
        assert {(reference, "narrow"), (reference, "dropped")} <= compared
    mixed = {**parts, "both": {"model.init_args.kind": "b", "optimizer.init_args.lr": 0.1}}
    study = ablation(arms={}, components=mixed, design="ladder", reference="base")
    item = of(found(study), "confounded")
    assert item.arms == ("full", "to_short")


# --- equal treatment ---------------------------------------------------------------------

UNEQUAL = [
    ("unequal-epochs", {"trainer.max_epochs": 51}),
    ("unequal-epochs", {"trainer.max_steps": 10}),
    ("unequal-epochs", {"trainer.limit_train_batches": 0.5}),
    ("unequal-stopping", {"trainer.callbacks": None}),
    ("unequal-stopping", {"trainer.callbacks[0].init_args.patience": 10}),
    ("unequal-precision", {"trainer.precision": "16-mixed"}),
    ("unequal-validation", {"trainer.limit_val_batches": 2}),
    ("unequal-validation", {"trainer.check_val_every_n_epoch": 5}),
    ("unequal-data", {"data.init_args.size": 50}),
    ("unequal-data", {"data.class_path": "m.Other"}),
]


@pytest.mark.parametrize(("code", "changes"), UNEQUAL)
def test_unequal_treatment_is_an_error_unless_it_is_declared(code, changes):
    study = ablation()
    unequal = changed(arms_of(study)["narrow"], changes)
    assert codes(found(study, narrow=unequal)) == {code: "error"}


@pytest.mark.parametrize(("code", "changes"), UNEQUAL[:-1])
def test_unequal_treatment_beside_another_change_is_a_warning(code, changes):
    assert codes(found(arms(other={**changes, "model.init_args.kind": "b"}))) == {code: "warning"}


@pytest.mark.parametrize(("code", "changes"), UNEQUAL[:-1])
def test_unequal_treatment_that_is_itself_ablated_is_a_note(code, changes):
    assert codes(found(arms(other=changes))) == {code: "note"}


def test_in_a_factorial_the_parts_are_shown_alone():
    data, width = {"data.init_args.size": 50}, {"model.init_args.dropout": 0.5}
    kind = {"model.init_args.kind": "b"}
    study = ablation(
        arms={"full": {}, "d": data, "w": width, "k": kind, "all": {**data, **width, **kind}}
    )
    assert {item.severity for item in found(study)} == {"note"}


def test_checkpoints_and_loaders_are_no_treatment():
    checkpoint = {"class_path": "m.ModelCheckpoint", "init_args": {"save_top_k": 3}}
    study = arms(other={"trainer.callbacks": [checkpoint, STOPPING]})
    assert found(study) == []
    assert found(arms(other={"data.init_args.num_workers": 4})) == []


def test_a_floor_must_see_the_same_data_but_need_not_train():
    zero = ABLATION["floor"]["zero"]
    assert found(ablation(floor={"zero": {**zero, "trainer.max_epochs": 1}})) == []
    item = of(found(ablation(floor={"zero": {**zero, "data.init_args.size": 5}})), "unequal-data")
    assert item.arms == ("zero", "full")


def test_equal_findings_of_several_arms_are_said_once():
    change = {"data.init_args.size": 50, "model.init_args.kind": "b"}
    study = arms(one={**change, "model.init_args.width": 1}, two=change)
    item = of(found(study), "unequal-data")
    assert item.arms == ("one", "two", "full")


# --- single values -----------------------------------------------------------------------


def test_a_rounded_copy_of_the_config_is_found():
    item = of(found(arms(other={"model.init_args.dropout": 0.167})), "rounded-value")
    assert item.arms == ("other",)
    assert "0.167" in item.what
    assert "0.16712351989226623" in item.what


def test_a_rounded_copy_of_the_recorded_trial_is_found_in_every_arm():
    written = changed(WRITTEN, {"model.init_args.dropout": 0.167})
    item = of(found(ablation(written), {"trial t/69": WRITTEN}), "rounded-value")
    assert item.arms == ("full", "narrow")
    assert "trial t/69" in item.what


@given(st.floats(1e-9, 1e9), st.integers(3, 12))
def test_rounding_to_three_digits_and_more_is_seen(value, digits):
    rounded = float(f"{value:.{digits - 1}e}")
    shorter = len(repr(rounded).partition("e")[0].replace(".", "").strip("0")) == digits
    longer = len(repr(value).partition("e")[0].replace(".", "").strip("0")) > digits
    if shorter and longer:
        assert is_rounded(rounded, value)
    assert not is_rounded(value, value)
    assert not is_rounded(value * 1.5, value)


@pytest.mark.parametrize(
    ("value", "original"),
    [(0.1, 0.1034), (0.17, 0.1671), (0.168, 0.1671), (1, 1.0004), (None, 1.0)],
)
def test_other_values_are_no_rounded_copies(value, original):
    assert not is_rounded(value, original)


def test_a_secret_that_differs_between_arms_is_not_shown():
    key = {"class_path": "m.Logger", "init_args": {"api_key": "hunter2"}}
    study = ablation()
    for changes in ({"trainer.logger": [key]}, {"data.init_args.password": "hunter2"}):
        (item,) = found(study, narrow=changed(arms_of(study)["narrow"], changes))
        assert item.severity == "error"
        assert "***" in item.what
        assert "hunter2" not in repr(item)


def test_a_hyper_parameter_with_two_owners_is_found():
    written = changed(WRITTEN, {"model.init_args.learning_rate": 1e-4})
    item = of(found(ablation(written)), "two-owners")
    assert item.arms == ("full", "narrow")
    assert "model.init_args.learning_rate is 0.0001" in item.what
    assert "optimizer.init_args.lr is 0.0018" in item.what
    same = changed(WRITTEN, {"model.init_args.learning_rate": 0.0018})
    assert found(ablation(same)) == []
    assert found(ablation(changed(WRITTEN, {"model.init_args.learning_rate": None}))) == []


# --- the design --------------------------------------------------------------------------


def test_arms_of_one_configuration_are_replicates():
    study = ablation(arms={"full": {}, "narrow": NARROW, "again": {"model.init_args.width": 64}})
    item = of(found(study), "same-config")
    assert (item.severity, item.arms) == ("note", ("full", "again"))


def test_hyper_parameters_tuned_for_one_arm_are_said_to_be():
    study = ablation(provenance={"study": "t", "trial": 69, "tuned_for": "full"})
    assert of(found(study), "tuned-for-one-arm").arms == ("narrow",)
    assert found(ablation(provenance={"study": "t", "trial": 69})) == []


@pytest.mark.parametrize(("seeds", "warned"), [([1], True), ([1, 2], True), ([1, 2, 3], False)])
def test_fewer_than_three_seeds_are_too_few(seeds, warned):
    assert codes(found(ablation(seeds=seeds))) == ({"few-seeds": "warning"} if warned else {})


def test_a_study_without_a_floor_and_with_the_best_epoch_is_told_so():
    assert codes(found(ablation(floor={}))) == {"no-floor": "note"}
    best = {"metric": "val_loss", "at": "best"}
    assert codes(found(ablation(objective=best))) == {"best-on-reported-set": "note"}
    assert codes(found(search(objective=best))) == {"best-on-reported-set": "note"}


# --- searches ----------------------------------------------------------------------------


def space(**more):
    return {**SEARCH["space"], **{path.replace("__", "."): p for path, p in more.items()}}


@pytest.mark.parametrize("path", ["seed_everything", "data__init_args__seed", "m__split_seed"])
def test_a_searched_seed_is_an_error(path):
    study = search(space=space(**{path: {"int": [0, 9]}}))
    assert of(found(study), "searched-seed").severity == "error"


@pytest.mark.parametrize("path", ["data__init_args__batch_size", "trainer__precision"])
def test_a_searched_key_that_changes_the_measurement_is_a_warning(path):
    study = search(space=space(**{path: {"choice": [8, 16]}}))
    assert codes(found(study)) == {"objective-depends-on-searched": "warning"}


def test_a_searched_batch_size_is_fine_once_a_probe_has_shown_that_it_does_not_matter():
    study = search(space=space(data__init_args__batch_size={"choice": [8, 16]}))
    base = resolve(study.configured({}, 1))
    assert check_search(study, base, batches_matter=False) == []


def test_other_searched_keys_of_the_data_are_a_note():
    study = search(space=space(data__init_args__size={"int": [8, 64]}))
    assert codes(found(study)) == {"objective-depends-on-searched": "note"}


@pytest.mark.parametrize(("trials", "severity"), [(5, "warning"), (14, "note"), (15, None)])
def test_a_budget_too_small_for_the_space_is_told(trials, severity):
    expected = {"small-budget": severity} if severity else {}
    assert codes(found(search(budget={"trials": trials}))) == expected
    assert found(search(budget={"timeout": "1h"})) == []


def test_two_labels_of_one_value_are_no_prior():
    twice = {"choice": {"a": {"class_path": "m.A"}, "again": {"class_path": "m.A"}, "b": None}}
    item = of(found(search(space=space(lr_scheduler=twice))), "repeated-choice")
    assert "'a' and 'again'" in item.what
    depth = {"int": [1, 9], "when": {"lr_scheduler": "again"}}
    parts = {"lr_scheduler": twice, "lr_scheduler__init_args__T": depth}
    assert found(search(space=space(**parts), budget={"trials": 50})) == []


def test_a_search_is_told_of_two_owners_too():
    written = changed(WRITTEN, {"model.init_args.weight_decay": 0.1})
    assert codes(found(search(written))) == {"two-owners": "warning"}


def test_only_errors_that_are_not_allowed_block():
    study = ablation()
    stray = changed(arms_of(study)["narrow"], {"trainer.max_epochs": 5})
    assert len(blocking(found(study, narrow=stray))) == 1
    assert blocking(found(arms(other={"trainer.max_epochs": 5}))) == []
    assert resolve(WRITTEN)["trainer"]["max_steps"] == -1
