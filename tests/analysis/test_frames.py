import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.analysis import curves, load, load_ablation, load_search, metric_names, run_list
from ablate.analysis.frames import same_basis
from ablate.errors import NotFoundError
from ablate.spec import Cause, Status
from ablate.store import FindingRow, Store
from ablate.testing.definitions import ablation, search
from tests.analysis.frames_of import definition, frames, run, search_frames


def standings(made):
    return dict(zip(made.runs["run_id"], made.runs["standing"], strict=True))


def test_only_the_latest_attempt_speaks_for_a_trial():
    made = frames(
        [run(1, trial=0, attempt=1), run(2, trial=0, attempt=0, status=Status.FAILED)], {}
    )
    assert standings(made) == {1: "current", 2: "earlier attempt"}
    assert run_list(made)["run_id"].tolist() == [2, 1]


def test_only_the_newest_trial_speaks_for_an_arm_and_seed():
    made = frames([run(1), run(2), run(3, seed=2), run(4, arm="b")], {})
    assert standings(made) == {1: "run again later", 2: "current", 3: "current", 4: "current"}


def test_trials_of_a_search_stand_beside_each_other():
    made = search_frames([run(1, arm=None), run(2, arm=None)])
    assert set(standings(made).values()) == {"current"}


def test_a_run_under_a_changed_arm_is_of_an_earlier_definition():
    earlier = definition(arms={"b": {}, "a": {"x": 99}, "gone": {}})
    made = frames(
        [
            run(1, definition_id=0),
            run(2, definition_id=0, arm="b"),
            run(3, definition_id=0, arm="gone"),
        ],
        {},
        earlier=earlier,
    )
    assert standings(made) == {1: "earlier definition", 2: "current", 3: "current"}


def test_a_newer_run_under_an_earlier_definition_does_not_hide_a_current_one():
    earlier = definition(config={"x": 7})
    made = frames([run(1), run(2, definition_id=0)], {}, earlier=earlier)
    assert standings(made) == {1: "current", 2: "earlier definition"}


def test_an_arm_of_a_ladder_stands_on_the_arms_before_it():
    arms = {"a": {"x": 1}, "b": {"y": 2}, "c": {}}
    ladder = ablation(design="ladder", arms=arms, floor={"f": {"z": 3}})
    longer = ablation(design="ladder", arms={"a": {"x": 1, "w": 0}, **arms}, floor={"f": {"z": 3}})
    changed = ablation(design="ladder", arms={**arms, "a": {"x": 7}}, floor={"f": {"z": 3}})
    assert same_basis(ladder, ladder, "b")
    assert same_basis(ladder, ablation(arms={"c": {"y": 2, "x": 1}}), "c")
    assert same_basis(ladder, longer, "b")
    assert [arm for arm in "abcf" if same_basis(ladder, changed, arm)] == ["f"]
    assert not same_basis(ladder, ablation(arms=arms), "b")
    assert not same_basis(ladder, ablation(design="ladder", arms=arms, config={"x": 0}), "a")
    assert not same_basis(ladder, ladder, "nobody")


@settings(max_examples=30)
@given(st.permutations(range(6)))
def test_the_order_in_which_runs_are_read_does_not_matter(order):
    runs = [run(i, trial=i // 2, attempt=i % 2, seed=1 + i // 4) for i in range(6)]
    one, other = frames(runs, {}), frames([runs[i] for i in order], {})
    assert one.runs.equals(other.runs)


def test_curves_hold_every_validation_value_of_current_runs():
    made = frames(
        [run(1, trial=0), run(2, trial=0, attempt=1)],
        {(1, "loss"): [9.0], (2, "loss"): [1.0, math.nan], (2, "acc"): [0.5]},
    )
    made.metrics.loc[len(made.metrics)] = [2, "train", "loss", 0, 0, 5.0]
    found = curves(made, "loss")
    assert list(found.columns) == ["arm", "seed", "trial", "run_id", "epoch", "step", "value"]
    assert found["value"].map(repr).tolist() == ["1.0", "nan"]
    assert curves(made, "nope").empty
    assert metric_names(made) == ["acc", "loss"]


def test_a_study_is_loaded_from_the_store_and_an_unknown_one_is_named(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/a.db", create=True) as store:
        store.define("ladder", definition())
        made = load(store, "ladder")
        assert (made.name, made.definition) == ("ladder", definition())
        assert made.runs.empty
        assert made.environments == {}
        with pytest.raises(NotFoundError, match="did you mean 'ladder'"):
            load(store, "lader")


def test_an_ablation_is_loaded_with_the_audit_of_its_definition(tmp_path):
    found = (FindingRow("same-function", "note", ("a", "b"), "", "", "", False, "probe"),)
    with Store.open(f"sqlite:///{tmp_path}/a.db", create=True) as store:
        made = store.define("ladder", definition())
        assert load_ablation(store, "ladder").audited is None
        store.record_audit(made, ())
        assert load_ablation(store, "ladder").audited == ()
        store.record_audit(made, found)
        assert load_ablation(store, "ladder").audited == found
        store.define("ladder", definition(seeds=(1,)))
        assert load_ablation(store, "ladder").audited is None


def test_a_study_of_the_other_kind_is_said_to_be_one(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/a.db", create=True) as store:
        store.define("ladder", definition())
        store.define("quest", search())
        assert load_search(store, "quest").trials == ()
        with pytest.raises(NotFoundError, match=r"'quest' in .* is a search, not an ablation"):
            load_ablation(store, "quest")
        with pytest.raises(NotFoundError, match=r"'ladder' in .* is an ablation, not a search"):
            load_search(store, "ladder")


def test_the_list_of_runs_says_why_in_one_word():
    end = {"status": Status.FAILED, "cause": Cause.OUT_OF_MEMORY, "reason": "out of memory: 8 GiB"}
    listed = run_list(frames([run(1), run(2, seed=2, **end)], {}))
    assert listed.columns.tolist()[:8] == [
        *("run_id", "trial", "arm", "seed", "attempt", "status", "cause", "standing")
    ]
    assert listed["status"].tolist() == ["complete", "failed"]
    assert listed["cause"].isna().tolist() == [True, False]
    assert listed["cause"].tolist()[1] == "out of memory"
