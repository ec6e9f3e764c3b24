"""Losses, metrics, targets and weights that are not what they seem, and sound look-alikes."""

from dataclasses import replace
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ablate.audits.checks import compare_evidence
from ablate.audits.evidence import Evidence, Split
from ablate.audits.evidence_checks import Declared
from ablate.audits.evidence_checks.validation_code import check_validation_code
from ablate.audits.findings import Finding
from ablate.audits.probes import structure
from ablate.audits.probes.averaging import FIRST, LAST, UNWEIGHTED, WEIGHTED, composed
from ablate.audits.probes.bench import Bench
from ablate.audits.probes.content import content_digest
from ablate.audits.probes.examples import describe, look_at_examples
from ablate.audits.probes.hook_code import hook_code
from ablate.audits.probes.invariance import EVEN, WHOLE, batch_invariance
from ablate.audits.probes.measuring import measure
from ablate.audits.probes.opened import Opened
from ablate.audits.probes.seeding import Beginnings, Initial, reseed
from ablate.audits.probes.trace import Trace
from ablate.run.lightning_cli import resolve
from ablate.spec import Direction
from tests.audits.examined import audited, changed
from tests.audits.planted.metric import Offset, Started

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


def config(model: str, data: str, **arguments: Any) -> dict[str, Any]:
    """Return the config of a planted module, every default filled in."""
    planted = "tests.audits.planted.metric"
    return resolve(
        {
            "seed_everything": 1,
            "model": {"class_path": f"{planted}.{model}", "init_args": arguments},
            "data": {"class_path": f"{planted}.{data}"},
            "trainer": {"max_epochs": 5, "accelerator": "cpu"},
        }
    )


def watched(config: dict[str, Any]) -> Evidence:
    """Watch the losses and metrics of a config, as far as their checks read it."""
    bench = Bench(config)
    bench.fit(steps=1)
    found = measure(bench)
    return Evidence(
        parameters=1,
        shapes=structure.shapes(bench.model),
        val=Split(digest=content_digest(bench.data.val_batches)),
        measured=found.measured,
        faults=tuple(found.faults),
        skipped=found.skipped,
    )


def seen(model: str, data: str, pairs: str | None = None, **arguments: Any) -> Evidence:
    paths = {} if pairs is None else {"data.init_args.pairs": pairs}
    return watched(changed(config(model, data, **arguments), paths))


def faults(evidence: Evidence) -> dict[str, str]:
    return {fault.code: fault.what for fault in evidence.faults}


# What losses are given


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("softmax twice", "cross_entropy is given probabilities that sum to one"),
        ("nll of logits", "values that are no logarithms"),
        ("nll of probabilities", "nll_loss is given probabilities"),
        ("sigmoid twice", "the output of a sigmoid"),
        ("nll of a second log_softmax", "a log_softmax came second"),
    ],
)
def test_a_loss_that_is_given_what_it_does_not_take_is_named(kind: str, what: str) -> None:
    found = faults(seen("Classifier", "Flowers", kind=kind))
    assert what in found.pop("wrong-loss-input")
    assert found == {}


@pytest.mark.parametrize("kind", ["logits", "nll", "binary", "binary of sigmoid"])
def test_a_loss_that_is_given_what_it_takes_is_not(kind: str) -> None:
    assert faults(seen("Classifier", "Flowers", kind=kind)) == {}


# What metrics are


def compared(
    base: dict[str, Any], arms: dict[str, dict[str, Any]], *metrics: str
) -> dict[str, Finding]:
    evidence = {name: watched(changed(base, changes)) for name, changes in arms.items()}
    names = metrics or ("val_loss", "val_accuracy")
    declared = Declared(arms, dict.fromkeys(names, Direction.MINIMIZE))
    return {
        item.code: item for item in compare_evidence(evidence, declared) if item.severity != "note"
    }


@pytest.mark.parametrize(
    ("how", "metric"),
    [
        ("smoothed", "val_loss"),
        ("weighted", "val_loss"),
        ("penalised", "val_loss"),
        ("without one kind", "val_loss"),
        ("two guesses", "val_accuracy"),
    ],
)
def test_equal_outputs_with_other_values_of_a_metric_are_an_error(how: str, metric: str) -> None:
    arms = {"plain": {}, "odd": {"model.init_args.how": how}}
    found = compared(config("Scored", "Flowers"), arms)
    item = found.pop("metric-defined-otherwise")
    assert (item.severity, item.where) == ("error", f"metric {metric}")
    assert item.arms == ("plain", "odd")


def test_a_loss_that_one_arm_smooths_by_hand_is_another_metric() -> None:
    arms = {"plain": {}, "smooth": {"model.init_args.eps": 0.1}}
    item = compared(config("Handmade", "Flowers"), arms, "val_loss")["metric-defined-otherwise"]
    assert "(cross_entropy) in plain" in item.what
    assert "l1_loss" not in item.what  # which nobody has called


@pytest.mark.parametrize(
    ("how", "is_found"),
    [("in logarithms", True), ("as a change", False), ("scaled back", False)],
)
def test_an_error_against_altered_targets_is_another_metric(how: str, is_found: bool) -> None:
    arms = {"plain": {}, "odd": {"model.init_args.how": how}}
    found = compared(config("Answering", "Answers"), arms, "val_error")
    assert ("metric-defined-otherwise" in found) is is_found
    if is_found:
        what = found["metric-defined-otherwise"].what
        assert "(the mean size of a difference to no value of the batch) in odd" in what


@pytest.mark.parametrize(
    ("how", "is_found"),
    [
        ("yes or no", False),
        ("yes or no, of probabilities", False),
        ("yes or no, of logits", True),
    ],
)
def test_a_threshold_of_probabilities_on_logits_is_named(how: str, is_found: bool) -> None:
    base = changed(config("Answering", "Answers", how=how), {"data.init_args.yes": True})
    found = faults(watched(base))
    assert ("wrong-loss-input" in found) is is_found
    if is_found:
        assert "threshold of probabilities" in found["wrong-loss-input"]


def test_arms_that_count_other_numbers_of_guesses_have_other_metrics() -> None:
    arms = {"first": {}, "second": {"model.init_args.best": 2}}
    found = compared(config("Ranked", "Flowers"), arms, "val_hits")
    assert "best 1 in first; a target counts" in found["metric-defined-otherwise"].what
    arms["second"] = {"model.init_args.width": 6}
    assert compared(config("Ranked", "Flowers"), arms, "val_hits") == {}


def test_a_loss_that_only_training_adds_to_defines_no_other_metric() -> None:
    arms = {"plain": {}, "penalised": {"model.init_args.weight": 0.1}}
    assert compared(config("Scored", "Flowers"), arms) == {}


def test_a_smoothing_that_reaches_the_reported_loss_is_an_error() -> None:
    arms = {"plain": {}, "smooth": {"model.init_args.smoothing": 0.1}}
    found = compared(config("Classifier", "Flowers"), arms)
    item = found["metric-defined-otherwise"]
    assert item.severity == "error"
    assert "cross_entropy with label_smoothing 0.1" in item.what


@pytest.mark.parametrize(("extra", "expected"), [(0.0, set()), (0.1, {"metric-defined-otherwise"})])
def test_networks_of_other_shapes_are_compared_by_what_their_metrics_are(
    extra: float, expected: set[str]
) -> None:
    arms: dict[str, dict[str, Any]] = {
        "flat": {},
        "deep": {
            "model": {
                "class_path": "tests.audits.planted.metric.Deep",
                "init_args": {"extra": extra},
            }
        },
    }
    found = compared(config("Scored", "Flowers"), arms)
    assert set(found) == expected
    assert all(item.severity == "warning" for item in found.values())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model.init_args.skip": True}, set()),
        ({"model.init_args.loss": "l1"}, {"metric-defined-otherwise"}),
    ],
)
def test_what_comes_behind_the_network_is_not_taken_for_the_metric(
    changes: dict[str, Any], expected: set[str]
) -> None:
    found = compared(config("Residual", "Flowers"), {"plain": {}, "odd": changes}, "val_loss")
    assert set(found) == expected
    by_hand = config("Residual", "Flowers", loss="by hand")
    if not expected:
        assert compared(by_hand, {"plain": {}, "odd": changes}, "val_loss") == {}


# What predictions of tokens see


@pytest.mark.parametrize(
    ("model", "arguments", "pairs", "code"),
    [
        ("Language", {"task": "same"}, "alone", "targets-unshifted"),
        ("Language", {"task": "same", "causal": False}, "alone", "targets-unshifted"),
        ("Language", {}, "twice", "targets-unshifted"),
        ("Recurring", {"shift": 0}, "alone", "targets-unshifted"),
        ("Language", {"task": "next", "causal": False}, "alone", "sees-the-future"),
        ("Language", {"task": "wrong slice"}, "alone", "sees-the-future"),
        ("Language", {"causal": False}, "shifted", "sees-the-future"),
    ],
)
def test_a_language_model_that_sees_its_targets_is_found_without_a_hook(
    model: str, arguments: dict[str, Any], pairs: str, code: str
) -> None:
    found = seen(model, "Sentences", pairs, **arguments)
    assert set(faults(found)) == {code}


@pytest.mark.parametrize(
    ("model", "arguments", "pairs"),
    [
        ("Language", {"task": "next"}, "alone"),
        ("Language", {"task": "next of all"}, "alone"),
        ("Language", {"task": "begun"}, "alone"),
        ("Language", {}, "shifted"),
        ("Language", {"task": "masked", "causal": False}, "alone"),
        ("Language", {"task": "denoise", "causal": False}, "alone"),
        ("Language", {"task": "autoencoder", "causal": False}, "alone"),
        ("Recurring", {}, "alone"),
    ],
)
def test_sound_models_of_tokens_are_not(model: str, arguments: dict[str, Any], pairs: str) -> None:
    found = seen(model, "Sentences", pairs, **arguments)
    assert faults(found) == {}
    assert found.skipped == {}


def test_a_prediction_of_tokens_that_cannot_be_looked_into_is_said_to_be_so() -> None:
    found = seen("Projected", "Sentences")
    assert "`autoregression`" in found.skipped["causality"]


# Where weights and data come from


def whole(base: dict[str, Any], arms: dict[str, dict[str, Any]], *notes: str) -> dict[str, Finding]:
    """Examine arms whole; return what is a warning or more, and some notes, by code."""
    found = audited(base, arms, val_loss="minimize")
    return {item.code: item for item in found if item.severity != "note" or item.code in notes}


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(Started().state_dict(), "weights.pt")


@pytest.mark.usefixtures("weights")
def test_an_arm_that_begins_from_a_file_says_so_by_a_key_or_is_found() -> None:
    base = config("Started", "Flowers")
    primed = {"model": {"class_path": "tests.audits.planted.metric.Primed"}}
    found = whole(base, {"plain": {}, "primed": primed})
    assert set(found) == {"unequal-initial-weights", "unequal-files-read"}
    assert "100% of the initial numbers in primed" in found["unequal-initial-weights"].what
    assert "weights.pt in primed" in found["unequal-files-read"].what
    base = config("Primed", "Flowers")
    found = whole(base, {"narrow": {}, "wide": {}}, "fixed-initial-weights", "files-read")
    assert set(found) == {"fixed-initial-weights", "files-read"}


@pytest.mark.parametrize("start", ["generator", "reseeded"])
def test_weights_that_no_seed_moves_in_one_arm_are_found_unless_a_key_says_so(start: str) -> None:
    base = config("Started", "Flowers", start=start)
    arms: dict[str, dict[str, Any]] = {
        "fixed": {},
        "plain": {"model": {"class_path": "tests.audits.planted.metric.Classifier"}},
    }
    assert "unequal-initial-weights" in whole(base, arms)


# Data that do not change, and what a seed moves


def described(config: dict[str, Any]) -> Evidence:
    """Describe the data of a config, and what another seed moves."""
    opened, first, initial = Opened(), Trace(), Initial()
    with opened.watched(Path("none")):
        bench = Bench(config)
        bench.fit(steps=1, validates=True)
    bench.fit(first, initial)
    train, val = look_at_examples(bench.data)
    other = {**config, "seed_everything": 2}
    return Evidence(
        parameters=1,
        train=describe(train, [bench.data.train] if bench.data.train else [], [], bench.order),
        val=describe(val, bench.data.val, [], None),
        trace=tuple(first.steps[:1]),
        seeding=reseed(bench, Beginnings(first, initial, bench.order), other).seeding,
        files=opened.files,
    )


def data_findings(arms: dict[str, dict[str, Any]], data: str) -> dict[str, Finding]:
    base = config("Classifier", data)
    seen = {name: described(changed(base, changes)) for name, changes in arms.items()}
    return {item.code: item for item in compare_evidence(seen, Declared(arms, {}))}


def test_a_cache_that_is_keyed_by_its_name_alone_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shift, name = "data.init_args.shift", "data.init_args.name"
    arms: dict[str, dict[str, Any]] = {"plain": {}, "moved": {shift: 2.0}}
    item = data_findings(arms, "Cached")["data-key-without-effect"]
    assert (item.arms, item.where) == (("moved", "plain"), shift)
    assert "0-flowers.pt" in item.what
    arms = {"plain": {}, "moved": {shift: 2.0, name: "flowers-{shift}.pt"}}
    assert "data-key-without-effect" not in data_findings(arms, "Cached")
    arms = {"plain": {}, "served": {"data.init_args.workers": 1}}
    assert "data-key-without-effect" not in data_findings(arms, "Cached")


def test_what_a_seed_moves_is_said_once() -> None:
    found = data_findings({"plain": {}, "same": {}}, "Ordered")
    assert found["seed-moves"].what == (
        "another seed moves initial weights, the order of the data (not dropout or other noise, "
        "the validation examples)"
    )
    assert "unequal-seeding" not in found


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"data.init_args.order": "own"}, "the order of the data in plain, not in odd"),
        ({"data.init_args.split": "seed"}, "the validation examples in odd, not in plain"),
    ],
)
def test_arms_in_which_a_seed_moves_other_things_are_found_unless_they_say_so(
    changes: dict[str, Any], what: str
) -> None:
    arms: dict[str, dict[str, Any]] = {"plain": {}, "odd": changes}
    seen = {n: described(changed(config("Classifier", "Ordered"), c)) for n, c in arms.items()}
    found = {item.code: item for item in compare_evidence(seen, Declared({}, {}))}
    assert what in found["unequal-seeding"].what
    assert "unequal-seeding" not in {i.code for i in compare_evidence(seen, Declared(arms, {}))}


# How batches are put together


def batched(together: str) -> dict[str, str]:
    bench = Bench(config("Put", "Flowers", together=together))
    bench.fit(steps=1, validates=True)
    found = batch_invariance(bench, ("val_loss", "val_f1"))
    return {fault.where: fault.what for fault in found.faults}


@pytest.mark.parametrize(
    ("together", "metric", "why"),
    [
        ("last", "val_loss", LAST),
        ("first", "val_loss", FIRST),
        ("means", "val_loss", UNWEIGHTED),
        ("f1 of batches", "val_f1", WEIGHTED),
    ],
)
def test_the_way_in_which_batches_are_put_together_is_named(
    together: str, metric: str, why: str
) -> None:
    assert why in batched(together)[f"metric {metric}"]


@pytest.mark.parametrize(
    ("together", "metric", "size", "why"),
    [("means", "val_loss", 6, EVEN), ("f1 of batches", "val_f1", 30, WHOLE)],
)
def test_a_value_of_batches_that_is_right_in_those_of_the_loader_is_a_note(
    together: str, metric: str, size: int, why: str
) -> None:
    base = config("Put", "Flowers", together=together)
    bench = Bench(changed(base, {"data.init_args.batch_size": size}))
    bench.fit(steps=1, validates=True)
    found = {fault.where: fault for fault in batch_invariance(bench, (metric,)).faults}
    assert found[f"metric {metric}"].slight
    assert why in found[f"metric {metric}"].what


@pytest.mark.parametrize("apart", [True, False])
def test_the_part_that_mixes_examples_is_named(apart: bool) -> None:
    bench = Bench(config("Attending", "Flowers", apart=apart))
    bench.fit(steps=1, validates=True)
    found = {fault.where: fault for fault in batch_invariance(bench, ("val_loss",)).faults}
    mixed = "metric val_loss" in found and "the outputs of look" in found["metric val_loss"].what
    assert mixed is not apart


def test_values_over_all_examples_depend_on_no_batch() -> None:
    assert batched("examples") == {}


@given(st.lists(st.integers(0, 9), min_size=2, max_size=6))
def test_a_value_is_known_by_those_of_its_batches(parts: list[int]) -> None:
    lengths = [*[3] * (len(parts) - 1), 1]
    weighted = sum(p * n for p, n in zip(parts, lengths, strict=True)) / sum(lengths)
    known = len(set(parts)) > 1
    assert (composed(parts[-1], parts, lengths) == LAST) is known
    assert (composed(weighted, parts, lengths) is not None) is known
    assert composed(99.0, parts, lengths) is None


# Validations that are written twice


@pytest.mark.parametrize(
    ("left", "right", "differs"),
    [
        ("Base", "Renamed", False),
        ("Base", "Milder", True),
        ("Base", "Wordy", True),
        ("Wordy", "Plain", False),
        ("Scored", "Classifier", True),
    ],
)
def test_other_code_of_validation_is_found_unless_it_computes_the_same_measure(
    left: str, right: str, differs: bool
) -> None:
    seen = {}
    for name in (left, right):
        base = config(name, "Flowers")
        seen[name] = replace(watched(base), hooks=hook_code(Bench(base).model))
    metric = "val_error" if left != "Scored" else "val_margin"
    found = list(check_validation_code(seen, Declared({}, {metric: Direction.MINIMIZE})))
    assert bool(found) is differs


def test_a_part_that_an_arm_lacks_makes_no_other_code_of_validation() -> None:
    assert hook_code(Offset(offset=True)) == hook_code(Offset(offset=False))


class Skipping(Offset):
    def validation_step(self, batch, index):
        if index not in {0, 8}:
            super().validation_step(batch, index)


def test_a_set_of_constants_is_the_same_code_in_whatever_order_a_process_has_it() -> None:
    step = Skipping.validation_step
    consts = [frozenset([8, 0]) if each == {0, 8} else each for each in step.__code__.co_consts]
    assert repr(consts) != repr([*step.__code__.co_consts])
    code = step.__code__.replace(co_consts=tuple(consts))
    again = FunctionType(code, step.__globals__, closure=step.__closure__)
    other = type("SkippingToo", (Offset,), {"validation_step": again})
    assert hook_code(Skipping(offset=True)) == hook_code(other(offset=True))
