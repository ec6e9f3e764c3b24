"""Leaks between the splits are named, and what only looks like one is not."""

import pytest

from ablate.audits.checks import compare_evidence
from ablate.audits.evidence import Evidence, Fault
from ablate.audits.evidence_checks import Declared
from ablate.audits.probes.examples import look_at_examples, look_at_test_examples
from ablate.audits.probes.leaks import leaks
from ablate.audits.probes.served import Data
from tests.audits.examined import evidence, plain
from tests.audits.planted.leak import CLEAN, LEAKS

PLANTED = [(code, plant) for code, plants in LEAKS.items() for plant in plants]


def faults(plant) -> list[Fault]:
    module = plant()
    data = Data(module)
    module.setup("fit")
    module.train_dataloader()
    module.val_dataloader()
    train, val = look_at_examples(data)
    found = leaks(train, val, [data.module], look_at_test_examples(data.module))
    assert found.skipped == {}
    return found.faults


def told(found: list[Fault]) -> dict[str, str]:
    arms = {"a": Evidence(faults=tuple(found)), "b": Evidence(faults=tuple(found))}
    return {item.code: item.severity for item in compare_evidence(arms, Declared())}


@pytest.mark.parametrize(("code", "plant"), PLANTED, ids=[plant.__name__ for _, plant in PLANTED])
def test_a_leak_is_named_by_its_cause_and_by_no_other(code, plant):
    found = faults(plant)
    assert [fault.code for fault in found if not fault.slight] == [code]
    assert told(found)[code] == ("error" if code == "train-val-overlap" else "warning")
    assert "sure" in found[0].what or "certain" in found[0].what or "probably" in found[0].what


@pytest.mark.parametrize("plant", CLEAN, ids=[plant.__name__ for plant in CLEAN])
def test_data_that_only_look_like_a_leak_raise_no_warning(plant):
    assert [fault for fault in faults(plant) if not fault.slight] == []


def test_the_audit_of_an_arm_looks_for_leaks():
    config = plain("Regressor", "Streams")
    config["model"] = {"class_path": "tests.audits.planted.leak.Net"}
    config["data"] = {"class_path": "tests.audits.planted.leak.Standardised"}
    seen = evidence(config, "val_loss")
    assert [fault.code for fault in seen.faults if not fault.slight] == ["fitted-on-validation"]
