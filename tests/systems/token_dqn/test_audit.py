"""The audit of the token system: the defects of the origin are found, a sound config is clean."""

import pytest

from ablate.audits.checks import compare_evidence
from ablate.audits.evidence_checks import Declared
from ablate.audits.probes.bench import build_short
from ablate.audits.probes.structure import tree
from ablate.run.lightning_cli import resolve
from ablate.spec import Direction
from ablate.spec.files import read_yaml
from ablate.testing import ModuleSuite
from tests.audits.examined import changed, codes, evidence
from tests.systems.token_dqn.test_configs import FOLDER

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
METRICS = {"val_return": Direction.MAXIMIZE}


def config():
    return resolve(read_yaml(FOLDER / "nano.yaml"))


class TestHooks(ModuleSuite):
    config = config()


@pytest.mark.long
def test_the_defects_of_the_origin_are_found_by_name_and_only_where_they_are():
    changes = {
        "sound": {},
        "width": {"model.init_args.hidden_wired": False},
        "dropout": {"model.init_args.dropout_when_acting": True},
        "reward": {"model.init_args.evaluation_reward": "environment"},
        "training": {"data.init_args.evaluated_on": "training"},
    }
    seen = {arm: evidence(changed(config(), paths), *METRICS) for arm, paths in changes.items()}
    declared = Declared(changes, METRICS)
    found = compare_evidence(seen, declared)
    violated = {(item.where, item.arms) for item in found if item.code == "property-violated"}
    assert violated == {
        ("property the hidden width is the configured one", ("width",)),
        ("property an action is a function of the state", ("dropout",)),
        ("property evaluation has the reward of training", ("reward",)),
    }
    assert ("train-val-overlap", ("training",)) in {(item.code, item.arms) for item in found}
    faults = [item for item in found if item.severity == "error"]
    assert all("sound" not in item.arms for item in faults)
    assert not codes(found, "error") & {"nondeterministic"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("horizon", 9),
        ("gamma", 0.9),
        ("epsilon_decay", 0.5),
        ("update_every", 2),
        ("replay", False),
        ("evaluation_reward", "environment"),
        ("reseeds_global", True),
        ("dropout_when_acting", True),
        ("weights.syntax", -2.0),
    ],
)
def test_the_module_shows_what_its_weights_do_not(key, value):
    other = build_short(changed(config(), {f"model.init_args.{key}": value})).model
    assert tree(other) != tree(build_short(config()).model)
