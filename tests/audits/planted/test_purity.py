"""Validation that is not pure is named, and sound validation beside it is not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from ablate.audits.configs import SearchConfigs
from ablate.audits.directions import check_names, check_trends, leaning
from ablate.audits.evidence import Evidence, Fault
from ablate.audits.evidence_checks import Declared
from ablate.audits.evidence_checks.faults import check_skipped
from ablate.audits.evidence_checks.processes import check_hash_order
from ablate.audits.evidence_checks.validation import check_weights
from ablate.audits.probes.bench import Bench
from ablate.audits.probes.drawing import drawing_faults
from ablate.audits.probes.hashing import lines_by_hash, look, look_again
from ablate.audits.probes.purity import validate_again
from ablate.audits.probes.untested import try_again
from ablate.audits.probes.validating import validated
from ablate.run.lightning_cli import resolve
from ablate.spec import Direction
from tests.audits.examined import SGD, examined
from tests.audits.studies import search
from tests.audits.test_runs import CLEAN

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

METRICS = ("val_loss", "val_score", "val_hand", "val_return")


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def config(model: str = "Classifier", data: str = "Points", **arguments: Any) -> dict[str, Any]:
    """Describe a planted module, or data if the arguments are the data's."""
    of_data = data != "Points"
    return resolve(
        {
            "seed_everything": 1,
            "model": _planted(model, {} if of_data else arguments),
            "data": _planted(data, arguments if of_data else {}),
            "optimizer": SGD,
            "trainer": {"max_epochs": 5, "accelerator": "cpu"},
        }
    )


def _planted(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"class_path": f"tests.audits.planted.purity.{name}", "init_args": arguments}


def bench(*names: str, **arguments: Any) -> Bench:
    made = Bench(config(*names, **arguments))
    made.fit(steps=1)
    made.validate()
    return made


def codes(faults: list[Fault]) -> set[str]:
    return {fault.code for fault in faults}


def of_module(name: str, **arguments: Any) -> set[str]:
    made = bench(name, **arguments)
    return codes([*validate_again(made, METRICS).faults, *validated(made, {})[1]])


@pytest.mark.parametrize("name", ["TrainsOn", "NormOfTheBatch", "NeverEvaluates", "NoisyPart"])
def test_parts_in_training_mode_are_named_while_validating(name: str) -> None:
    assert "training-mode-in-validation" in of_module(name)


@pytest.mark.parametrize(
    "name", ["AdaptsInValidation", "AveragesInValidation", "ForgetsToSwapBack", "NormOfTheBatch"]
)
def test_validation_that_changes_the_model_is_named(name: str) -> None:
    assert "validation-changes-weights" in of_module(name)


@pytest.mark.parametrize(
    ("name", "source"),
    [("AlwaysDrops", "dropout"), ("Samples", "randn_like"), ("MasksAtRandom", "random")],
)
def test_a_metric_that_hangs_on_the_global_seed_is_named_with_what_draws(
    name: str, source: str
) -> None:
    fault = next(f for f in validate_again(bench(name), METRICS).faults if "loss" in f.where)
    assert fault.code == "random-validation"
    assert f"draws from {source}" in fault.what


@pytest.mark.parametrize(
    ("name", "kept"),
    [("BestSoFar", "best"), ("NeverClears", "losses"), ("NeverResets", "mean"), ("Smoothed", "s")],
)
def test_a_metric_that_hangs_on_earlier_validations_is_named_with_what_is_kept(
    name: str, kept: str
) -> None:
    (fault,) = validate_again(bench(name), METRICS).faults
    assert fault.code == "validation-remembers"
    assert f"; {kept}" in fault.what


@pytest.mark.parametrize("name", ["WithMetrics", "OwnNoise", "Rollouts", "Contrastive"])
def test_sound_modules_that_look_impure_have_no_fault(name: str) -> None:
    assert of_module(name) == set()


def test_a_sound_classifier_has_no_fault_and_is_validated_as_it_was_trained() -> None:
    made = bench()
    assert not validate_again(made, METRICS).faults
    assert validated(made, {}) == ("those of the last step", [])


@pytest.mark.parametrize("kind", ["swap", "copy", "call"])
def test_averaged_weights_are_told_from_those_of_the_last_step(kind: str) -> None:
    weights, faults = validated(bench("Averaged", kind=kind), {})
    assert weights != "those of the last step"
    assert faults == []
    arms = {"last": _validated("those of the last step"), kind: _validated(weights)}
    (found,) = check_weights(arms, Declared())
    assert (found.code, found.severity) == ("unequal-validated-weights", "warning")
    (note,) = check_weights(arms, Declared({kind: {"model.init_args.ema": True}}))
    assert note.severity == "note"
    assert not list(check_weights({"a": arms[kind], "b": arms[kind]}, Declared()))


def _validated(weights: str) -> Evidence:
    return Evidence(parameters=1, validated=weights)


def test_a_callback_that_averages_is_told_by_its_name() -> None:
    config = {"trainer": {"callbacks": [{"class_path": "lightning.EMAWeightAveraging"}]}}
    assert validated(bench(), config)[0] == "those that EMAWeightAveraging makes"


@pytest.mark.parametrize("data", ["ShakenData", "CroppedData", "StreamedData"])
def test_validation_examples_that_are_random_are_named(data: str) -> None:
    assert "random-validation-data" in of_data(data)


@pytest.mark.parametrize(
    "kind", ["replacement", "some", "drop_last", "shuffle, drop_last", "subset"]
)
def test_uneven_draws_of_validation_examples_are_named(kind: str) -> None:
    assert of_data("OtherLoader", kind=kind) == {"validation-sampling"}


@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        ("AugmentedTraining", {}),
        ("ShakenData", {"local": True}),
        ("StreamedData", {"noise": 0.0}),
        ("OtherLoader", {"kind": "none"}),
        ("OtherLoader", {"kind": "local"}),
        ("OtherLoader", {"kind": "shuffle"}),
    ],
)
def test_sound_validation_data_have_no_fault(data: str, arguments: dict[str, Any]) -> None:
    assert of_data(data, **arguments) == set()


def of_data(data: str, limit: Any = None, **arguments: Any) -> set[str]:
    made = Bench(config("Classifier", data, **arguments))
    made.validate()
    return codes(drawing_faults(made.data, limit))


@pytest.mark.parametrize("limit", [0.5, 2])
def test_the_share_that_is_scored_is_stated_and_must_not_be_shuffled(limit: float) -> None:
    assert of_data("OtherLoader", limit, kind="none") == {"part-of-validation"}
    found = of_data("OtherLoader", limit, kind="shuffle")
    assert found == {"part-of-validation", "validation-sampling"}


@pytest.mark.parametrize("limit", [None, 1.0, 100])
def test_a_limit_that_cuts_nothing_is_not_stated(limit: float | None) -> None:
    assert of_data("OtherLoader", limit, kind="none") == set()


def test_a_metric_that_no_weights_move_counts_as_not_tested() -> None:
    made = bench("OffByDefault")
    repeated = validate_again(made, ["val_constant", "val_loss"])
    assert repeated.unmoved == ("val_constant",)
    (fault,) = try_again(made, ["val_constant"], seconds=0.01)
    assert (fault.code, fault.where) == ("untested-metric", "metric val_constant")
    (slow,) = try_again(made, ["val_constant"], seconds=9.0)
    assert "validation is slow" in slow.what


def test_a_metric_is_tried_again_with_trained_weights() -> None:
    assert codes(try_again(bench("Rare"), ["val_score"], seconds=0.01)) == {
        "metric-depends-on-batch"
    }


def test_a_module_that_cannot_be_copied_is_built_again() -> None:
    made = Bench(config("WithMetrics"))
    with pytest.raises(RuntimeError, match="deepcopy"):
        __import__("copy").deepcopy(made.model)
    again = made.copied()
    assert again is not made.model
    pairs = zip(again.parameters(), made.model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_probe_that_one_arm_alone_breaks_is_a_warning() -> None:
    whole = Evidence(parameters=1)
    broken = Evidence(parameters=1, skipped={"data": "ValueError: no"}, broken=("data",))
    out_of_time = Evidence(parameters=1, skipped={"data": "out of time"})
    (warned,) = check_skipped({"a": whole, "b": broken}, Declared())
    assert (warned.severity, warned.arms) == ("warning", ("b",))
    assert "a passed it" in warned.what
    for arms in ({"a": broken, "b": broken}, {"a": whole, "b": out_of_time}, {"b": broken}):
        assert [item.severity for item in check_skipped(arms, Declared())] == ["note"]
    floor = Evidence(parameters=0)
    assert [f.severity for f in check_skipped({"f": floor, "b": broken}, Declared())] == ["note"]


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("val_loss", Direction.MINIMIZE),
        ("val/perplexity", Direction.MINIMIZE),
        ("valRmse", Direction.MINIMIZE),
        ("val_accuracy", Direction.MAXIMIZE),
        ("val_f1", Direction.MAXIMIZE),
        ("episode_reward", Direction.MAXIMIZE),
        *((name, None) for name in ("score", "neg_loss", "loss_reduction", "accuracy_gap")),
        *((name, None) for name in ("val_return_std", "accuracy_loss", "lossless", "value")),
    ],
)
def test_names_of_metrics_suggest_a_direction_or_none(
    metric: str, direction: Direction | None
) -> None:
    assert leaning(metric) is direction


def trends(metric: str, direction: Direction, values: list[float]) -> list[str]:
    """Check runs whose metric takes the same course in all of them."""
    runs = [run for run in CLEAN.runs if run.parameters]
    curves = {(run.id, metric): list(enumerate(values)) for run in runs}
    study = CLEAN.definition.model_copy(update={"metrics": {metric: direction}})
    found = check_trends(replace(CLEAN, definition=study, curves=curves))
    return [item.code for item in found]


def test_a_metric_without_a_telling_name_that_training_only_makes_worse_is_named() -> None:
    falling = [0.9, 0.7, 0.6, 0.65, 0.5, 0.4]
    assert trends("score", Direction.MAXIMIZE, falling) == ["direction-against-trend"]
    assert trends("score", Direction.MINIMIZE, falling) == []
    assert trends("val_accuracy", Direction.MAXIMIZE, falling) == []  # its name is plain
    assert trends("score", Direction.MAXIMIZE, [0.9, 0.7, 0.95, 0.6]) == []
    assert trends("score", Direction.MAXIMIZE, [0.9, 0.7]) == []  # that may be chance


def test_a_direction_against_a_name_is_named_and_no_other() -> None:
    found = {}
    for metric, direction in (("val_loss", "maximize"), ("val_loss", "minimize")):
        study = search(objective={"metric": metric, "direction": direction, "at": "last"})
        found[direction] = [item.code for item in check_names(SearchConfigs(study, {}))]
    assert found == {"maximize": ["direction-against-name"], "minimize": []}


@pytest.mark.parametrize(
    "code",
    [
        "list(set(words))",
        "for word in {w for w in words}:\n    pass",
        "names = set(words)\nnumbers = {w: n for n, w in enumerate(names)}",
        "a = frozenset(words)\nb = [w for w in a]",
        "class A:\n    def f(self):\n        self.w = set(x)\n        return tuple(self.w)",
        "def f():\n    return set(x)\ny = list(f())",
        "seed = hash('a') % 10",
        "x = list(a.keys() & b.keys())",
        "', '.join(set(x))",
        "print(*{1, 2})",
    ],
)
def test_code_that_goes_by_the_order_of_a_set_is_found(code: str) -> None:
    assert list(lines_by_hash(code))


@pytest.mark.parametrize(
    "code",
    [
        "sorted(set(words))",
        "seen = set()\nfor word in words:\n    if word not in seen:\n        seen.add(word)",
        "len({w for w in words})",
        "class A:\n    def __hash__(self):\n        return hash(self.x)",
        "all(w in x for w in set(words))",
        "{f(w) for w in set(words)}",
        "x = list(dict.fromkeys(words))",
        "not python at all",
    ],
)
def test_code_that_no_order_matters_to_is_not(code: str) -> None:
    assert not list(lines_by_hash(code))


def test_what_processes_of_other_hash_seeds_see_must_be_the_same() -> None:
    seen = {"training data": "a", "data order": "b"}
    other = {"training data": "c", "data order": "b"}
    odd = Evidence(parameters=1, seen=seen, hashed="words, line 3", looks=(seen, other))
    same = Evidence(parameters=1, seen=seen, hashed="words, line 3", looks=(seen, seen))
    (found,) = check_hash_order({"odd": odd, "same": same, "bare": Evidence()}, Declared())
    assert (found.code, found.arms, found.where) == ("hash-order", ("odd",), "words, line 3")
    assert "other training data" in found.what


def test_a_look_shows_the_same_in_equal_processes_and_another_vocabulary_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    arm = config("Classifier", "Words", ordered=True)
    assert look_again(arm, hash_seed=5) == {}  # this process has another seed
    monkeypatch.setenv("PYTHONHASHSEED", "5")
    first = look_again(arm, hash_seed=5)
    assert first == look_again(arm, hash_seed=5) == examined(arm).seen
    made = Bench(arm)
    made.fit(steps=1)
    made.validate()
    made.data.train_batches = made.data.train_batches[::-1]
    moved = {name for name, value in look(made, [], made.order).items() if value != first[name]}
    assert "training data" in moved
    assert "validation data" not in moved
