"""No false alarms: a clean ablation of a plain module has no error and no warning."""

import itertools
import sys
from types import SimpleNamespace

import pytest

from tests.audits.examined import SGD, audited, codes, evidence, plain

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

PLAIN = {
    "DictClassifier": ("DictData", SGD, "width", {"val_loss": "minimize"}),
    "Replays": ("DictData", SGD, "width", {"val_loss": "minimize"}),
    "ConvNet": ("Images", SGD, "channels", {"val_accuracy": "maximize", "val_loss": "minimize"}),
    "Recurrent": ("Sequences", None, "width", {"val_loss": "minimize"}),
    "Adversaries": (None, None, "width", {"val_distance": "minimize"}),
    "Regressor": ("Streams", SGD, "width", {"val_error": "minimize"}),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_sound_plain_module_has_neither_errors_nor_warnings(name):
    data, optimizer, size, metrics = PLAIN[name]
    config = plain(name, data, optimizer)
    arms = {"small": {}, "large": {f"model.init_args.{size}": 16}}
    found = audited(config, arms, **metrics)
    assert [item for item in found if item.severity != "note"] == []
    unseen = {item.where for item in found if item.code == "probe-not-run"}
    assert unseen == ({"batch invariance", "leakage"} if name == "Regressor" else set())
    assert "unequal-parameters" in codes(found)


def test_a_sampler_of_unknown_length_keeps_no_probe_from_running():
    assert evidence(plain("Regressor", "Ordered", SGD), "val_error").skipped == {}


def test_a_module_that_fills_a_memory_first_is_judged_by_what_it_learns_then():
    config = plain("Replays", "DictData")
    arms = {"plain": {}, "noisy": {"model.init_args.noise": 0.5}}
    found = audited(config, arms, val_loss="minimize")
    assert [item for item in found if item.severity != "note"] == []
    assert not codes(found) & {"no-gradient", "dead-key", "same-function"}


def test_what_is_learned_without_a_gradient_is_judged_all_the_same():
    seen = evidence(plain("Wanders", "DictData"), "val_loss", **{"model.init_args.reach": 0.2})
    assert "canonical weights" not in seen.skipped
    assert "model.init_args.reach" in seen.keys


@pytest.mark.parametrize(("second", "steps", "slight"), [(0, 192, False), (2, 12, True)])
def test_of_a_module_that_never_learns_nothing_else_is_told(
    monkeypatch: pytest.MonkeyPatch, second: int, steps: int, slight: bool
) -> None:
    # Two seconds between two looks at the clock: patience ends with the second.
    clock = SimpleNamespace(monotonic=itertools.count(0, second).__next__)
    monkeypatch.setattr(sys.modules["ablate.audits.probes.examine"], "time", clock)
    config = plain("Replays", "DictData")
    config["model"]["init_args"]["fill"] = 10**6
    seen = evidence(config, "val_loss", **{"model.init_args.noise": 0.5})
    (fault,) = (fault for fault in seen.faults if fault.code == "no-gradient")
    assert f"in {steps} steps" in fault.what
    assert fault.slight == slight
    assert "no parameter had a gradient" in seen.skipped["canonical weights"]
    assert seen.keys == {}
