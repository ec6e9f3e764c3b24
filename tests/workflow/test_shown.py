"""optuna-dashboard is shown the arms, seeds, values and metrics of an ablation."""

import json
import math
import sys

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.trial import TrialState
from optuna_dashboard import _serializer
from sqlalchemy import text

from ablate.errors import Unavailable
from ablate.spec import Direction, Objective
from ablate.store import Store, shared_reading
from ablate.store.shared_reading import SharedReading
from ablate.testing.batches import define, whole
from ablate.testing.definitions import ablation
from ablate.workflow import shown
from ablate.workflow.shown import NOT_SET, ShownStudies, arm_values, as_choices

from .replayed import replayed, two_metrics

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=4,
)


@given(st.lists(VALUES, min_size=1, max_size=6))
def test_values_are_the_same_choice_if_they_are_written_alike_and_only_then(values):
    choices = as_choices(dict(enumerate(values)))
    numbers = all(isinstance(choice, int | float) for choice in choices.values())
    for one, value in enumerate(values):
        for other, another in enumerate(values):
            alike = value == another if numbers else json.dumps(value) == json.dumps(another)
            assert (choices[one] == choices[other]) is alike
    optuna.distributions.CategoricalDistribution(list(dict.fromkeys(choices.values())))


def test_numbers_stay_numbers_where_all_values_are_some():
    assert as_choices({"a": 4, "b": 8}) == {"a": 4, "b": 8}
    assert as_choices({"a": 4, "b": 0.5}) == {"a": 4.0, "b": 0.5}
    assert as_choices({"a": 4, "b": True}) == {"a": "4", "b": "true"}
    assert as_choices({"a": "true", "b": True}) == {"a": '"true"', "b": "true"}
    assert as_choices({"a": 1.0, "b": math.inf}) == {"a": "1.0", "b": "Infinity"}


def test_values_are_those_of_the_config_of_its_changes_and_of_the_code_in_this_order():
    made = ablation(
        config={"x": {"set": 1}, "seed": 3},
        arms={"b": {}, "a": {"x.set": 2, "x.default": 8, "seed": 4, "gone.deep": {"key": "y"}}},
    )
    values = arm_values({1: made}, {(1, "b"): 9}, {9: {"x": {"default": 7}}}.__getitem__)
    assert values[1, "a"] == {
        "x.set": 2, "x.default": 8, "config.seed": 4, "gone.deep.key": "y",
    }  # fmt: skip
    assert values[1, "b"] == {
        "x.set": 1, "x.default": 7, "config.seed": 3, "gone.deep.key": NOT_SET,
    }  # fmt: skip


def test_no_secret_is_shown():
    token = "hf_" + "a" * 34
    made = ablation(
        config={"x": {"api_key": "s3cret-of-mine"}},
        arms={"b": {}, "a": {"x.api_key": "another-one", "url": f"https://u:pass@h/{token}"}},
    )
    said = json.dumps([*arm_values({1: made}, {}, {}.__getitem__).values()])
    assert "***" in said
    for secret in ("s3cret", "another-one", "pass", token):
        assert secret not in said


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/ablate.db", create=True) as opened:
        yield opened


def reading(store):
    return SharedReading(store.optuna, ShownStudies(store))


def trials_of(storage, study="s"):
    return storage.get_all_trials(storage.get_study_id_from_name(study))


def two_arms(**changes):
    known = {
        "config": {"x": {"set": 1}},
        "arms": {"b": {}, "a": {"x.set": 2, "x.default": 8}},
        "seeds": (1, 2),
        "metrics": two_metrics(),
        "objective": Objective(metric="val_loss", direction=Direction.MINIMIZE, at="last"),
    }
    return ablation(**(known | changes))


CURVES = {
    ("b", 1): {"val_loss": [3.0, 1.0, 2.0], "val_error": [0.3, 0.1, math.inf]},
    ("a", 1): {"val_loss": [3.0, 2.5, 2.0], "val_error": [0.3, 0.2, 0.25]},
    ("a", 2): {},
}


def test_a_trial_of_an_ablation_has_its_arm_its_seed_and_what_the_arms_change(store):
    replayed(store, two_arms(), CURVES)
    b, a, waiting = trials_of(reading(store))
    assert b.params == {"arm": "b", "seed": 1, "x.set": 1, "x.default": 7}
    assert a.params == {"arm": "a", "seed": 1, "x.set": 2, "x.default": 8}
    assert waiting.params == {"arm": "a", "seed": 2, "x.set": 2, "x.default": 8}
    assert waiting.state is TrialState.WAITING
    assert [trial.number for trial in (b, a, waiting)] == [0, 1, 2]
    assert a.value == 2.0
    assert not any(trial.params for trial in trials_of(store.optuna))


def test_the_choices_are_the_same_for_all_trials_also_after_an_arm_was_added(store):
    replayed(store, two_arms(), CURVES)
    storage = reading(store)
    before = trials_of(storage)
    more = two_arms(arms={"b": {}, "a": {"x.set": 2}, "c": {"x.set": 5}}, seeds=(1, 2, 3))
    replayed(store, more, {("c", 3): CURVES["a", 1]})
    after = trials_of(reading(store))
    assert len(before) + 1 == len(after)
    for trials in (before, after):
        for name, first in trials[0].distributions.items():
            for trial in trials:
                assert trial.distributions[name] == first
    assert after[0].distributions["arm"].choices == ("b", "a", "c")
    assert after[0].distributions["seed"].choices == (1, 2, 3)
    assert after[1].params["x.default"] == 8  # under the definition of its run
    assert after[0].params["x.default"] == 7
    assert set(optuna.search_space.intersection_search_space(after)) == {
        "arm", "seed", "x.set", "x.default",
    }  # fmt: skip


@pytest.mark.parametrize(("at", "expected"), [("last", (2.0, None)), ("best", (1.0, 0.1))])
def test_all_declared_metrics_are_attributes_with_their_value_at_the_reading_point(
    store, at, expected
):
    objective = Objective(metric="val_loss", direction=Direction.MINIMIZE, at=at)
    replayed(store, two_arms(objective=objective), CURVES)
    b, a, waiting = trials_of(reading(store))
    assert (b.user_attrs["val_loss"], b.user_attrs.get("val_error")) == expected
    assert a.user_attrs["val_error"] == 0.25
    assert a.user_attrs["arm"] == "a"
    assert "val_loss" not in waiting.user_attrs


def test_a_metric_never_hides_what_a_trial_says_of_itself(store):
    named = {**two_metrics(), "state": Direction.MINIMIZE}
    curves = {("b", 1): {"val_loss": [1.0], "state": [5.0]}}
    replayed(store, two_arms(metrics=named), curves)
    (trial,) = trials_of(reading(store))
    assert trial.user_attrs["state"] == "waiting"


def test_a_run_under_an_earlier_definition_keeps_its_metrics(store):
    replayed(store, two_arms(), CURVES)
    replayed(store, two_arms(arms={"b": {"x.set": 9}}), {("b", 1): CURVES["a", 1]})
    old, *_, new = trials_of(reading(store))
    assert old.user_attrs["val_loss"] == new.user_attrs["val_loss"] == 2.0
    assert (old.params["x.set"], new.params["x.set"]) == (1, 9)


def test_the_dashboard_is_told_which_trials_break_a_constraint(store):
    study = optuna.create_study(study_name="search", storage=store.optuna)
    for excess in ({"a": -1.0, "b": math.inf}, {}):
        study.add_trial(optuna.trial.create_trial(value=1.0, constraints=excess))
    storage = SharedReading(store.optuna, ShownStudies(store))
    shown = storage.get_all_trials(storage.get_study_id_from_name("search"))
    told = [_serializer.serialize_frozen_trial(0, trial, {})["constraints"] for trial in shown]
    assert json.loads(json.dumps(told, allow_nan=False)) == [[-1.0, sys.float_info.max], []]


def test_searches_and_trials_of_other_programs_are_shown_as_they_are(store):
    made = define(store, "search")
    store.write(whole(made, 0, "search"))
    replayed(store, two_arms(), CURVES)
    foreign = optuna.load_study(study_name="s", storage=store.optuna)
    foreign.add_trial(optuna.trial.create_trial(value=1.0))
    optuna.create_study(study_name="plain", storage=store.optuna)
    storage = reading(store)
    assert trials_of(storage, "search") == trials_of(store.optuna, "search")
    assert trials_of(storage)[-1] == trials_of(store.optuna)[-1]
    assert trials_of(storage, "plain") == []


def test_what_runs_report_is_seen_after_a_moment(store, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(shared_reading.time, "monotonic", lambda: clock[0])
    replayed(store, two_arms(), {("b", 1): CURVES["b", 1]})
    storage = reading(store)
    (first,) = trials_of(storage)
    replayed(store, two_arms(), {("a", 1): CURVES["a", 1]})
    clock[0] = shared_reading.FRESH_SECONDS + 1
    again, new = storage.get_all_trials(1, deepcopy=False)
    assert again == first
    assert new.user_attrs["val_loss"] == 2.0
    clock[0] *= 2
    assert storage.get_all_trials(1, deepcopy=False)[0] is again


def test_runs_are_not_read_again_while_nothing_happened(store, monkeypatch):
    replayed(store, two_arms(), CURVES)
    read = []
    monkeypatch.setattr(
        shown, "read_facts", lambda *asked: read.append(asked) or shown_facts(*asked)
    )
    studies, trials = ShownStudies(store), trials_of(store.optuna)
    monkeypatch.setattr(shown, "_SHARE", 0)
    for _ in range(3):
        made = studies.trials("s", trials)
    assert len(read) == 1
    assert made[0].params
    store.record_audit(store.require_study("s").definition_id, [])
    studies.trials("s", trials)
    assert len(read) == 2


shown_facts = shown.read_facts


def test_trials_are_shown_as_they_are_where_ablates_own_tables_can_not_be_read(store, monkeypatch):
    replayed(store, two_arms(), CURVES)

    def away(*_):
        raise Unavailable("away")

    monkeypatch.setattr(store, "state", away)
    assert trials_of(reading(store)) == trials_of(store.optuna)


def test_objectives_are_named_by_ablate_and_for_studies_of_before_where_they_are_read(store):
    replayed(store, two_arms(), CURVES)
    loaded = optuna.load_study(study_name="s", storage=store.optuna)
    assert loaded.metric_names == ["val_loss"]
    with store.optuna.engine.begin() as connection:
        connection.execute(text("DELETE FROM study_system_attributes"))
    assert loaded.metric_names is None
    optuna.create_study(study_name="plain", storage=store.optuna)
    storage = reading(store)
    number = storage.get_study_id_from_name("s")
    assert storage.get_study_system_attrs(number) == {"study:metric_names": ["val_loss"]}
    named = {one.study_name: one.system_attrs for one in storage.get_all_studies()}
    assert named == {"s": {"study:metric_names": ["val_loss"]}, "plain": {}}
    assert loaded.metric_names is None
    store.create_study("s", Direction.MINIMIZE, "val_loss")
    assert loaded.metric_names == ["val_loss"]
