"""What the probes find in one module, planted one fault at a time, and nothing without it."""

import json
import math
import re
from functools import cache
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning.pytorch import LightningModule
from torch import nn

from ablate.audits.evidence import Evidence
from ablate.audits.probe_request import ProbeRequest
from ablate.audits.probes import examine, keys, structure
from ablate.audits.probes.bench import Bench
from ablate.audits.probes.canonical import fill
from ablate.audits.probes.causality import future_positions
from ablate.audits.probes.content import example_keys
from ablate.audits.probes.invariance import sizes
from ablate.audits.probes.losses import close
from ablate.audits.probes.signature import signature
from ablate.run import Answered, Call, Finished
from ablate.testing.jobs import Record, execute
from tests.audits.examined import SGD, audited, changed, codes, evidence, examined, plain

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

CONFIG = plain("Translator", "Translations", {**SGD, "class_path": "torch.optim.Adam"})
METRICS = {"val_loss": "minimize"}


@cache
def found(**changes):
    """Examine the module with some arguments; return what is wrong with it, by code."""
    paths = {f"model.init_args.{name}": value for name, value in changes.items()}
    seen = evidence(changed(CONFIG, paths), *METRICS)
    return {fault.code: fault for fault in seen.faults}, seen.skipped


def with_data(**changes):
    seen = evidence(changed(CONFIG, {f"data.init_args.{n}": v for n, v in changes.items()}))
    return {fault.code: fault for fault in seen.faults}


def test_nothing_is_wrong_with_a_sound_module_that_offers_every_hook():
    assert found() == ({}, {})


def test_a_hook_that_draws_random_numbers_disturbs_no_training():
    assert found(dropout=0.3) == ({}, {})


@pytest.mark.parametrize(
    ("fault", "others", "what"),
    [
        ("future", set(), r"at \d+ of \d+ positions"),
        ("padding", {"metric-depends-on-batch"}, r"the loss of \d of 9 examples changes"),
        ("neighbours", {"metric-depends-on-batch"}, "a neighbour that brings no padding"),
        ("aggregation", set(), "plain mean of its values in the batches"),
        ("idle", set(), "2 of 5 parameters get no gradient in 3 steps: idle"),
        ("loud", set(), r"a uniform guess has 1\.79"),
        ("property", set(), "it is not"),
    ],
)
def test_a_planted_fault_is_found_by_its_name(fault, others, what):
    code = {
        "future": "sees-the-future",
        "padding": "padding-matters",
        "neighbours": "neighbours-matter",
        "aggregation": "metric-depends-on-batch",
        "idle": "no-gradient",
        "loud": "initial-loss-far-from-chance",
        "property": "property-violated",
    }[fault]
    faults, skipped = found(fault=fault)
    assert skipped == {}
    assert set(faults) == {code} | others
    assert re.search(what, faults[code].what)


def test_a_metric_that_is_not_reported_weighs_less():
    config = changed(CONFIG, {"model.init_args.fault": "aggregation"})
    (fault,) = evidence(config, "another_metric").faults
    assert fault.slight
    assert "val_loss" in fault.what


def test_randomness_without_a_seed_is_found_and_keeps_keys_from_being_judged():
    faults, skipped = found(fault="random")
    assert "nondeterministic" in faults
    assert set(skipped) == {"batch invariance of val_loss"}
    seen = examined(changed(CONFIG, {"model.init_args.fault": "random"}), keys={})
    assert "prove nothing" in seen.skipped["dead keys"]


def test_a_metric_that_is_random_by_design_is_not_judged():
    faults, skipped = found(fault="noise")
    assert "metric-depends-on-batch" not in faults
    assert "it is random" in skipped["batch invariance of val_loss"]


def test_a_seed_that_decides_nothing_is_found():
    assert [f.code for f in evidence(plain("Untouched", "Streams")).faults] == [
        "seed-has-no-effect"
    ]


def test_hooks_that_fail_are_named_and_stop_no_other_probe():
    faults, skipped = found(fault="hooks fail")
    assert faults == {}
    assert {name: why.split(":")[0] for name, why in skipped.items()} == dict.fromkeys(
        ("chance_loss", "example_losses", "property order", "causality"), "ZeroDivisionError"
    )


def test_an_arm_that_does_not_run_is_named_with_the_reason():
    seen = evidence(changed(CONFIG, {"model.init_args.width": -1}))
    assert "every probe" in seen.skipped


# Data


def test_validation_examples_among_the_training_examples_are_counted():
    fault = with_data(leak=7)["train-val-overlap"]
    assert fault.what == "7 of 30 validation examples are among 67 training examples"
    assert not fault.slight


def test_a_few_equal_examples_weigh_less():
    assert with_data(leak=1, val_count=200)["train-val-overlap"].slight


def test_a_query_in_its_own_context_and_a_validation_example_in_a_context_are_found():
    config = changed(CONFIG, {"data.init_args.own_context": True, "data.init_args.leak": 1})
    faults = {(fault.code, fault.where): fault.what for fault in evidence(config).faults}
    assert faults["query-in-own-context", "data, training"].startswith("2 of 61 training")
    assert faults["query-in-own-context", "data, validation"].startswith("2 of 30 validation")


def test_the_splits_are_described_by_their_examples():
    seen = evidence(CONFIG)
    assert (seen.train.examples, seen.val.examples) == (60, 30)
    assert seen.val.longest == 8
    other = evidence(changed(CONFIG, {"data.init_args.longest": 5}))
    assert other.val.longest == 5
    assert other.val.digest != seen.val.digest


@given(st.lists(st.integers(0, 3), min_size=12, max_size=20))
def test_what_numbers_the_examples_is_not_their_content(values):
    train = [{"id": torch.tensor([n]), "x": torch.tensor([[v]])} for n, v in enumerate(values)]
    val = [{"id": torch.tensor([90 + n]), "x": torch.tensor([[v]])} for n, v in enumerate(values)]
    left, right = example_keys([train, val])
    assert left == right
    assert len(set(left)) == len(set(values))


def test_who_asks_once_in_validation_and_often_in_training_is_content():
    users = torch.arange(12)
    train = [[users[n % 12], torch.tensor(n)] for n in range(36)]
    train += [[users[3], torch.tensor(50)]]
    val = [[user, torch.tensor(40 + int(user) % 5)] for user in users]
    left, right = example_keys([train, val])
    assert len(set(right)) == 12
    assert not set(left) & set(right)


def test_numbers_of_examples_that_are_drawn_twice_are_no_content():
    train = [{"id": n % 20, "x": torch.tensor([[float(n % 20)]])} for n in range(40)]
    val = [{"id": 90 + n, "x": torch.tensor([[float(n)]])} for n in range(20)]
    left, right = example_keys([train, val])
    assert set(left) == set(right)


# Keys


def test_a_key_that_changes_nothing_is_dead_and_the_others_are_read():
    adam = ("lr", "betas", "eps", "weight_decay")
    declared = {
        f"optimizer.init_args.{name}": CONFIG["optimizer"]["init_args"][name] for name in adam
    }
    seen = examined(CONFIG, keys={path: [] for path in declared})
    assert {path for path, reading in seen.keys.items() if reading == "dead"} == {
        "model.init_args.unused"
    }
    assert {path for path in seen.keys if seen.keys[path] == "read"} >= {*declared}
    assert "model.init_args.fault" in seen.keys


def observer(config):
    bench = Bench(config)
    return keys.Observer(bench, config, signature(bench), ())


@pytest.mark.parametrize(
    ("schedule", "readings"),
    [
        ({"T_0": 3}, {"T_0": "read", "T_mult": "read", "eta_min": "read"}),
        ({"T_0": 30}, {"T_0": "read", "T_mult": "dead"}),
    ],
)
def test_a_schedule_is_followed_to_the_end_of_the_run(schedule, readings):
    name = "torch.optim.lr_scheduler.CosineAnnealingWarmRestarts"
    changes = {"lr_scheduler": {"class_path": name, "init_args": schedule}}
    watched = observer(changed(CONFIG, {**changes, "trainer.max_epochs": 20}))
    assert readings == {
        key: watched.reading(f"lr_scheduler.init_args.{key}", []) for key in readings
    }


def test_a_schedule_that_needs_a_metric_is_not_judged():
    name = "lightning.pytorch.cli.ReduceLROnPlateau"
    schedule = {"class_path": name, "init_args": {"monitor": "val_loss", "patience": 7}}
    config = changed(CONFIG, {"lr_scheduler": schedule})
    assert observer(config).reading("lr_scheduler.init_args.patience", [9]) == "unknown"
    assert evidence(config).skipped == {}


def test_other_values_differ_from_the_value():
    for value in (True, 0, 3, -2, 0.0, 0.5, [0.9, 0.99], [1, 2]):
        assert keys.others(value)
        assert value not in keys.others(value)
    assert keys.others("a", Literal["a", "b"]) == ["b"]
    assert keys.others("free text", str) == []


# Parts


def test_submodules_come_with_their_parameters_and_flops():
    seen = evidence(plain("ConvNet", "Images"))
    parts = {part.path: part for part in seen.submodules}
    assert list(parts) == ["body.0", "body.1", "head"]
    assert parts["head"].parameters == 10
    assert parts["head"].flops == 2 * 4 * 2
    assert parts["body.0"].flops == 2 * 9 * 4 * 6 * 6
    assert seen.flops == sum(part.flops for part in parts.values())
    assert seen.parameters == sum(part.parameters for part in parts.values())


def test_a_part_that_holds_almost_everything_is_shown_by_its_own_parts():
    model = LightningModule()
    model.network = nn.ModuleDict({"left": nn.Linear(9, 9), "right": nn.Linear(9, 9)})
    model.head = nn.Linear(1, 1)
    assert list(structure.parts(model)) == ["network.left", "network.right", "head"]


def test_dropout_is_listed_with_its_rates_wherever_it_hides():
    model = LightningModule()
    model.stack = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.3), nn.Dropout2d(0.0))
    model.rnn = nn.LSTM(2, 2, num_layers=2, dropout=0.2)
    assert [(use.submodule, use.rates) for use in structure.dropouts(model)] == [
        ("stack", (0.3,)),
        ("rnn", (0.2,)),
    ]


def test_canonical_weights_depend_on_order_and_shape_alone():
    left, right = nn.Linear(3, 2), nn.Bilinear(1, 3, 2, bias=False)
    again = nn.Linear(3, 2)
    for module in (left, right, again):
        fill(module, 1)
    assert torch.equal(left.weight, again.weight)
    assert torch.equal(left.weight.flatten(), right.weight.flatten())
    padded = nn.Embedding(4, 3, padding_idx=1)
    fill(padded, 1)
    assert (padded.weight != 0).any(1).tolist() == [True, False, True, True]
    fill(again, 2)
    assert not torch.equal(left.weight, again.weight)


# Causality


def score(leak):
    def outputs(targets):
        before = nn.functional.pad(targets.float().cumsum(1), (1, 0))[:, : targets.shape[1]]
        return before + leak * targets.float()

    return outputs


@given(st.integers(2, 20), st.integers(1, 3), st.booleans())
def test_only_outputs_that_depend_on_targets_from_there_on_are_counted(length, values, floats):
    targets = torch.arange(length)[None] % values
    targets = targets.float() if floats else targets
    assert future_positions(targets, score(0.0))[0] == 0
    leaking, tried = future_positions(targets, score(1.0))
    assert leaking == tried > 0


@given(st.integers(2, 12))
def test_batch_sizes_to_compare_have_one_that_leaves_a_rest(examples):
    several = sizes(examples)
    assert several[0] == 1
    assert several[-1] == examples
    assert any(examples % size for size in several) or examples == 2


def test_values_that_are_no_numbers_agree_with_each_other_alone():
    assert close(math.nan, math.nan)
    assert not close(math.nan, 1.0)


# In a worker


def test_a_worker_answers_a_call_with_evidence_as_plain_data():
    record = Record()
    request = ProbeRequest(metrics=("val_loss",)).as_dict()
    execute(Call(4, CONFIG, "ablate.audits.probes:examine", {"request": request}), record)
    answer, end = record.of(4)
    assert isinstance(answer, Answered)
    assert isinstance(end, Finished)
    assert end.outcome.status == "complete"
    seen = Evidence.of(json.loads(json.dumps(answer.result)))
    assert seen.parameters == 6 * 8 + 8 * 6 + 6
    assert seen == Evidence.of(answer.result)


def test_only_functions_of_ablate_are_called():
    record = Record()
    execute(Call(1, {}, "os:getcwd", {}), record)
    end = record.outcome()
    assert end.status == "failed"
    assert "only functions of ablate" in end.reason


def test_examining_leaves_the_random_numbers_and_the_config_alone():
    before = json.dumps(CONFIG)
    examine(CONFIG)
    assert json.dumps(CONFIG) == before


def test_arms_are_compared_by_what_they_do():
    """Other draws of the first weights make no other function; another scale or dropout does."""
    arguments = {
        "base": {},
        "reseeded": {"draws": 5},
        "loud": {"scale": 10.0},
        "twice": {"twice": True},
    }
    arms = {
        name: {f"model.init_args.{key}": value for key, value in changes.items()}
        for name, changes in arguments.items()
    }
    config = changed(CONFIG, {"model.init_args.dropout": 0.3})
    found = {item.code: item for item in audited(config, arms, **METRICS)}
    assert {code for code in found if found[code].severity != "note"} == {
        "same-function",
        "unequal-initial-scale",
        "unequal-dropout",
        "initial-loss-far-from-chance",
    }
    assert found["same-function"].arms == ("base", "reseeded")
    assert found["initial-loss-far-from-chance"].arms == ("loud",)
    assert "loud 4.76" in found["unequal-initial-scale"].what
    assert found["unequal-dropout"].what == (
        "drop: 0.3 (1x) in base, reseeded, loud; 0.3 (2x) in twice"
    )


def test_arms_with_a_floor_are_compared_too():
    config = plain("DictClassifier", "DictData")
    floor = {"model": {"class_path": "tests.audits.modules.Constant"}, "optimizer": None}
    arms = {"net": {}, "constant": {**floor, "model.init_args": {"accuracy": 0.95}}}
    saturated = audited(config, arms, val_accuracy="maximize")
    assert codes(saturated, "warning", "error") == {"floor-saturates-metric"}
    arms["constant"]["model.init_args"] = {"accuracy": 0.5}
    assert codes(audited(config, arms, val_accuracy="maximize"), "warning", "error") == set()


def test_a_warm_up_by_step_that_outlasts_the_probe_hides_what_follows():
    name = "ablate.run.schedules.Linear"
    config = changed(CONFIG, {"lr_scheduler": {"class_path": name, "init_args": {"warmup": 500}}})
    watched = observer(config)
    other = "ablate.run.schedules.Cosine"
    assert watched.reading("lr_scheduler.class_path", [other]) == "unknown"
    assert watched.reading("lr_scheduler.init_args.warmup", [50]) == "read"
