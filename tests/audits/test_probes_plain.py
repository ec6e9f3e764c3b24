"""No false alarms: a clean ablation of a plain module has no error and no warning."""

import pytest

from tests.audits.examined import SGD, audited, codes, evidence, plain

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

PLAIN = {
    "DictClassifier": ("DictData", SGD, "width", {"val_loss": "minimize"}),
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
