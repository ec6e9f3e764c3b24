"""What each arm changes, as the report says it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.spec import Budget, ClassConfig, Objective, Published, Status, Tuned, Tuning, designs
from tests.reports.conftest import an_ablation, report

ARMS = {
    "start": {},
    "wider": {"model.width": 128, "model.rate": 0.5},
    "same": {},
    "back": {"model.width": 64},
    "slower": {"optimizer.lr": 1e-4},
}


def a_ladder(**changes):
    return an_ablation(design="ladder", arms=ARMS, reference="start", **changes)


@pytest.fixture
def changed(store, tmp_path):
    """Return a function that gives the report's section on the changes of a definition's arms."""

    def section(definition):
        store.define("s", definition)
        page = report(store, "s", tmp_path).markdown.read_text()
        lines = page.partition("## Configuration")[2].partition("\n##")[0].splitlines()
        return [re.sub('<a id="[^"]*"></a>', "", line) for line in lines if line]

    return section


def test_an_arm_of_a_ladder_shows_what_it_adds_to_the_arms_above_it(changed):
    assert changed(a_ladder()) == [
        "Each arm keeps the changes of the arms above it.",
        "*What each arm changes*",
        "| name | role | path | value |",
        "| --- | --- | --- | --- |",
        "| `start` | arm | no changes |  |",
        "| `wider` | arm | `model.width` | `128` |",
        "|  |  | `model.rate` | `0.5` |",
        "| `same` | arm | no changes |  |",
        "| `back` | arm | `model.width` | `64` |",
        "| `slower` | arm | `optimizer.lr` | `0.0001` |",
        "| `copy_input` | floor | `model.class_path` | `m.Copy` |",
    ]


def test_arms_of_a_tuned_ladder_show_all_that_they_change(changed):
    tune = Tuning(
        objective=Objective(metric="val_loss"),
        space={"optimizer.lr": {"float": (1e-5, 1e-2)}},
        seeds=(9,),
        window=4,
        sampler=ClassConfig(class_path="optuna.samplers.TPESampler"),
        pruner=ClassConfig(class_path="optuna.pruners.HyperbandPruner"),
        budget=Budget(trials=3),
    )
    found = Tuned(
        study="s-tune-start",
        counts={Status.COMPLETE: 3},
        arm="start-tuned",
        trial=1,
        value=0.5,
        values={"optimizer.lr": 0.003},
    )
    assert changed(a_ladder(tune=tune))[0] == "Each arm keeps the changes of the arms above it."
    shown = changed(a_ladder(tune=tune).with_tuned({"start": found}))
    assert shown[0] == "Each arm changes the base configuration alone."
    assert shown[-7:] == [
        "| `back` | arm | `model.rate` | `0.5` |",
        "|  |  | `model.width` | `64` |",
        "| `slower` | arm | `model.rate` | `0.5` |",
        "|  |  | `model.width` | `64` |",
        "|  |  | `optimizer.lr` | `0.0001` |",
        "| `start-tuned` | arm | `optimizer.lr` | `0.003` |",
        "| `copy_input` | floor | `model.class_path` | `m.Copy` |",
    ]


def test_a_source_without_published_figures_has_no_section(store, tmp_path):
    for values, shown in (({}, False), ({"late": {"val_loss": (0.5,)}}, True)):
        store.define("s", an_ablation(published=Published(source="A. Author", values=values)))
        page = report(store, "s", tmp_path).markdown.read_text()
        assert ("A. Author" in page) is shown


changes = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2), max_size=4)


@given(changes, changes)
def test_what_an_arm_adds_is_the_least_that_leads_to_its_changes(before, own):
    joined = designs.joined(before, own)
    added = designs.added(before, joined)
    assert list(designs.joined(before, added).items()) == list(joined.items())
    assert added.items() <= own.items()
