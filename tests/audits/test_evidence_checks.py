"""What evidence of several arms says side by side: each finding planted once."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.audits.checks import compare_evidence
from ablate.audits.codes import CODES
from ablate.audits.evidence import DropoutUse, Evidence, Fault, Scale, Split, Submodule
from ablate.audits.evidence_checks import ADVICE, Declared, same_function
from ablate.spec import Direction

NET = Evidence(
    parameters=100,
    flops=1000,
    submodules=(Submodule("net", "Linear", 100, 1000),),
    dropouts=(DropoutUse("net", (0.1, 0.1), 2),),
    shapes=((10, 10),),
    scales=(Scale("net.weight", (10, 10), 0.1),),
    responses=({"loss": 1.5, "val_loss": 2.0}, {"loss": 1.6, "val_loss": 2.1}),
    trace=({"loss": 1.5, "weights": 3.0}, {"loss": 1.4, "weights": 3.1}),
    config="a",
    elsewhere="e",
    train=Split(80, "train", "order", 9, 5.0),
    val=Split(20, "val", None, 9, 5.0),
    keys={"model.init_args.width": "read"},
)
OTHER = replace(NET, config="b", responses=({"loss": 1.0}, {"loss": 1.1}))
FLOOR = Evidence(val=NET.val, metrics={"val_accuracy": 0.4, "val_loss": 3.0})
METRICS = {"val_accuracy": Direction.MAXIMIZE, "val_loss": Direction.MINIMIZE}


def found(changes=None, *, reached=None, declared=None, floor=FLOOR, **other):
    """Compare a net with another that differs as told, and a floor; return findings by code."""
    arms = {"net": NET, "other": replace(OTHER, **other), "floor": floor}
    paths = declared if declared is not None else ["model.init_args.kind"]
    study = Declared({"net": {}, "other": dict.fromkeys(paths)}, METRICS, reached or {})
    findings = compare_evidence(arms, study)
    assert len({item.code for item in findings}) == len(findings)
    return {item.code: item for item in findings}


def test_arms_that_differ_in_their_function_alone_are_comparable():
    assert found() == {}


def test_every_finding_has_a_known_code_and_advice():
    probes = {name for name, code in CODES.items() if code.stage == "probe"}
    assert set(ADVICE) <= probes


# The same function


def test_equal_responses_and_equal_training_make_two_arms_one_function():
    twin = replace(NET, config="b")
    assert same_function(NET, twin)
    finding = found(responses=twin.responses)["same-function"]
    assert finding.arms == ("net", "other")
    assert finding.severity == "warning"


@pytest.mark.parametrize(
    "difference",
    [
        {"shapes": ((5, 20),)},
        {"responses": ({"loss": 1.5, "val_loss": 2.0}, {"loss": 1.6, "val_loss": 2.2})},
        {"responses": ({"accuracy": 1.0}, {"accuracy": 1.0})},
        {"responses": ()},
        {"trace": ({"loss": 1.5, "weights": 3.0}, {"loss": 1.4, "weights": 3.2})},
        {"elsewhere": "another optimizer"},
        {"scales": (Scale("net.weight", (10, 10), 0.3),)},
        {"train": Split(80, "other data", "order", 9, 5.0)},
        {"config": NET.config},
        {"responses": ({"loss": math.nan}, {"loss": math.nan})},
    ],
)
def test_any_difference_makes_them_two(difference):
    assert not same_function(NET, replace(NET, **{"config": "b", **difference}))
    assert not same_function(replace(NET, **{"config": "b", **difference}), NET)


@given(st.floats(-9e-6, 9e-6))
def test_the_last_digits_do_not_matter(error):
    near = tuple({n: v * (1 + error) for n, v in step.items()} for step in NET.responses)
    assert same_function(NET, replace(NET, config="b", responses=near))


# Keys


def test_a_key_that_an_arm_declares_and_nothing_reads_is_a_warning():
    path = "model.init_args.kind"
    finding = found(keys={path: "dead"})["dead-key"]
    assert (finding.severity, finding.arms, finding.where) == ("warning", ("other",), path)


def test_a_key_that_no_arm_reads_is_a_note_and_one_that_some_arm_reads_is_none():
    unread = found(keys={"model.init_args.spare": "dead"})["dead-key"]
    assert unread.severity == "note"
    assert "model.init_args.spare" in unread.what
    assert found(keys={"model.init_args.width": "dead"}) == {}
    assert found(keys={"model.init_args.spare": "unknown"}) == {}


# Scales, dropout, size


def test_tensors_of_one_name_that_start_far_apart_are_named():
    finding = found(scales=(Scale("net.weight", (11, 8), 0.31),))["unequal-initial-scale"]
    assert "3.1 times" in finding.what
    assert finding.where == "net.weight"


@pytest.mark.parametrize(
    "scale",
    [
        Scale("net.weight", (10, 10), 0.29),
        Scale("net.weight", (10, 30), 1.0),
        Scale("net.weight", (10, 10, 1), 1.0),
        Scale("other.weight", (10, 10), 1.0),
        Scale("net.weight", (10, 10), 0.0),
    ],
)
def test_tensors_that_are_close_or_not_alike_are_not(scale):
    assert found(scales=(scale,)) == {}


@pytest.mark.parametrize(
    "use",
    [
        DropoutUse("net", (0.1, 0.2), 2),
        DropoutUse("net", (0.1, 0.1, 0.1), 2),
        DropoutUse("net", (), 2),
    ],
)
def test_other_rates_or_another_dropout_over_the_same_layers_are_found(use):
    finding = found(dropouts=(use,))["unequal-dropout"]
    assert "0.1 (2x) in net" in finding.what


def test_dropout_that_comes_with_more_layers_or_is_what_the_arm_changes_is_not():
    assert found(dropouts=(DropoutUse("net", (0.1, 0.1, 0.1), 3),)) == {}
    assert found(dropouts=(DropoutUse("elsewhere", (0.5,), 1),)) == {}
    other = (DropoutUse("net", (0.5, 0.5), 2),)
    assert found(dropouts=other, declared=["model.init_args.dropout"]) == {}


def test_sizes_that_differ_are_a_note_with_the_parts_that_not_all_have():
    parts = (*NET.submodules, Submodule("context", "Context", 10, 0))
    finding = found(parameters=110, flops=2000, submodules=parts)["unequal-parameters"]
    assert finding.severity == "note"
    assert finding.what == (
        "100 parameters in net, 110 in other; 1,000 FLOPs per example in net, 2,000 in other; "
        "context only in other"
    )


# Data


@pytest.mark.parametrize(("declared", "severity"), [([], "error"), (["data.x"], "warning")])
def test_other_validation_examples_are_found_even_when_declared(declared, severity):
    finding = found(val=Split(18, "other", None, 9, 5.0), declared=declared)
    assert finding["unequal-validation-examples"].severity == severity
    assert finding["unequal-validation-examples"].what == (
        "20 examples in net, floor; 18 examples in other"
    )


@pytest.mark.parametrize(("declared", "severity"), [([], "warning"), (["data.x"], "note")])
def test_other_training_examples_are_found(declared, severity):
    finding = found(train=Split(70, "other", "order", 9, 5.0), declared=declared)
    assert finding["unequal-train-examples"].severity == severity


def test_another_order_of_the_same_examples_is_a_note():
    finding = found(train=replace(NET.train, order="other"))["unequal-train-examples"]
    assert finding.severity == "note"


def test_longer_sequences_are_found():
    finding = found(train=replace(NET.train, mean_length=6.0, longest=12))["unequal-lengths"]
    assert finding.what == "training: mean 5, longest 9 in net; mean 6, longest 12 in other"


# Floors


@pytest.mark.parametrize(
    ("metrics", "reached", "found_one"),
    [
        ({"val_accuracy": 0.95}, {}, True),
        ({"val_accuracy": 0.85}, {}, False),
        ({"val_accuracy": 0.0324}, {"val_accuracy": 0.0333}, True),
        ({"val_accuracy": 0.0324}, {"val_accuracy": 0.05}, False),
        ({"val_loss": 1.0}, {"val_loss": 0.99}, True),
        ({"val_loss": 2.0}, {"val_loss": 1.0}, False),
        ({"val_loss": 1.0}, {}, False),
        ({"val_accuracy": 14.0}, {}, False),
        ({"another": 1.0}, {}, False),
    ],
)
def test_a_floor_that_reaches_the_top_or_the_best_known_value_saturates_the_metric(
    metrics, reached, found_one
):
    codes = found(reached=reached, floor=replace(FLOOR, metrics=metrics))
    assert set(codes) == ({"floor-saturates-metric"} if found_one else set())


# Faults of single arms


def test_equal_faults_of_several_arms_are_one_finding():
    fault = Fault("sees-the-future", "at 3 of 4 positions", "autoregression")
    arms = {"a": replace(NET, faults=(fault,)), "b": replace(OTHER, faults=(fault,))}
    (finding,) = compare_evidence(arms, Declared())
    assert (finding.arms, finding.what) == (("a", "b"), "at 3 of 4 positions")


def test_faults_that_differ_are_told_by_arm():
    faults = [Fault("padding-matters", f"by {n}", "example_losses") for n in range(5)]
    arms = {
        f"arm{n}": replace(OTHER, config=str(n), responses=(), faults=(f,))
        for n, f in enumerate(faults)
    }
    (finding,) = compare_evidence(arms, Declared())
    assert finding.what == "arm0: by 0; arm1: by 1; arm2: by 2; and likewise arm3, arm4"


def test_slight_faults_weigh_less():
    code = "train-val-overlap"
    severities = {
        slight: found(faults=(Fault(code, "1 of 200", "data", slight=slight),))[code].severity
        for slight in (True, False)
    }
    assert severities == {True: "warning", False: "error"}


def test_what_could_not_be_probed_is_said():
    finding = found(skipped={"causality": "KeyError: x"})["probe-not-run"]
    assert (finding.severity, finding.what) == ("note", "causality: KeyError: x")


def test_splits_of_equally_many_examples_are_said_to_differ_in_content():
    arms = {
        name: Evidence(parameters=1, val=Split(examples=160, digest=digest))
        for name, digest in {"a": "1", "b": "2", "c": "1"}.items()
    }
    (found,) = compare_evidence(arms, Declared())
    assert found.what == "160 examples each, but of other content in a, c than in b"
