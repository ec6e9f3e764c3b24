"""Definitions that are stored: those of version 1 are read, and every one comes back as it was.

`version_1` holds study files, and the JSON that version 1 stored for each of them.
"""

import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ablate.errors import StorageError
from ablate.spec import (
    AblationDefinition,
    Arm,
    Budget,
    Choice,
    ClassConfig,
    Confirmed,
    Direction,
    FloatRange,
    IntRange,
    Limits,
    Objective,
    ProfileChange,
    Provenance,
    Published,
    SearchDefinition,
    Status,
    Tuned,
    Tuning,
    read_definition,
    read_study,
)
from ablate.spec.designs import declared
from ablate.store import Store
from ablate.store.plain import from_json, to_json
from ablate.testing.definitions import ablation, search

FOLDER = Path(__file__).parent / "version_1"
STUDIES = sorted(path.stem for path in FOLDER.glob("*.yaml") if "kind:" in path.read_text())


def stored(name):
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def built(name):
    """Build the definition of a study file as it is built today."""
    return read_study(FOLDER / f"{name}.yaml", str(FOLDER)).prepare("cpu").definition


# --- version 1 ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", STUDIES)
def test_a_definition_of_version_1_is_the_one_that_its_study_file_gives_today(name):
    again = read_definition(stored(name))
    assert again == built(name)
    assert to_json(again.as_plain()) == to_json(built(name).as_plain())


@pytest.mark.parametrize("name", ["tuned", "tuned_components"])
def test_tuned_arms_of_version_1_are_those_that_their_searches_give_today(name):
    body = stored(f"{name}_found")
    found = {arm: Tuned.model_validate(facts) for arm, facts in body["tuned"].items()}
    again = read_definition(body)
    assert again == built(name).with_tuned(found)
    assert to_json(again.as_plain()) == to_json(built(name).with_tuned(found).as_plain())


def test_all_kinds_of_studies_are_tried():
    assert len(STUDIES) == 8
    assert {path.stem for path in FOLDER.glob("*.json")} == {
        *STUDIES,
        *("tuned_found", "tuned_components_found", "confirms"),
    }


def test_the_trials_that_a_study_of_version_1_confirms_are_read():
    again = read_definition(stored("confirms"))
    assert again == AblationDefinition(
        config=stored("confirms")["config"],
        profile="cpu",
        seeds=(11, 12),
        objective=Objective(metric="val_loss"),
        designs=("arms",),
        arms=declared({"trial-3": {"model.init_args.width": 9}, "trial-1": {}}, "arms"),
        provenance=Provenance(
            study="search",
            confirms={
                "trial-3": Confirmed(trial=3, value=0.3, seeds=(1, 2)),
                "trial-1": Confirmed(trial=1, value=0.35, seeds=(1,)),
            },
        ),
        metrics={"val_loss": Direction.MINIMIZE},
    )


def test_the_arms_of_a_ladder_of_version_1_are_expanded():
    arms = {arm.name: arm for arm in read_definition(stored("ladder")).arms}
    assert list(arms["back"].changes.items()) == [
        ("model.init_args.rate", 0.5),
        ("optimizer.init_args.lr", 1e-4),
        ("model.init_args.width", 64),
    ]
    assert arms["back"].design == "cumulative"
    assert arms["copy"] == Arm("copy", {"model.class_path": "m.Copy"}, floor=True)


def test_a_definition_of_before_profiles_were_recorded_is_read():
    body = stored("arms")
    del body["profile_changes"]
    assert read_definition(body).profile_changes == ()


# --- every definition --------------------------------------------------------------------

texts = st.text(max_size=6)
integers = st.integers(-(2**53), 2**53)
finite = st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
mappings = st.dictionaries(texts, plain, max_size=3)
seeds = st.lists(st.integers(0, 2**32 - 1), max_size=3).map(tuple)
durations = st.floats(0, exclude_min=True, allow_infinity=False)
objectives = st.builds(
    Objective,
    metric=texts,
    direction=st.sampled_from(Direction),
    at=st.sampled_from(["best", "last"]),
)
classes = st.builds(ClassConfig, class_path=texts, init_args=mappings)
budgets = st.builds(Budget, trials=st.integers(1), timeout=st.none() | durations)
budgets |= st.builds(Budget, timeout=durations)
limits = st.builds(
    Limits,
    attempts=st.integers(1),
    stall=st.none() | durations,
    wall=st.none() | durations,
    checkpoint=st.floats(0, allow_infinity=False),
)
scalars = st.none() | st.booleans() | st.integers() | finite | texts
whens = st.dictionaries(texts, st.lists(scalars, max_size=2).map(tuple), max_size=2)


def ranges(kind, numbers):
    pairs = st.lists(numbers, min_size=2, max_size=2, unique=True).map(sorted).map(tuple)
    pairs = pairs.filter(lambda pair: math.isfinite(pair[1] - pair[0]))
    positive = pairs.filter(lambda pair: pair[0] > 0)
    linear = st.fixed_dictionaries({kind: pairs, "when": whens})
    return linear | st.fixed_dictionaries({kind: positive, "log": st.just(True)})


listed = st.lists(texts, min_size=2, max_size=4, unique=True)
named = st.dictionaries(texts, plain, min_size=2, max_size=3)
choices = st.fixed_dictionaries({"choice": listed | named, "when": whens})
parameters = st.one_of(
    ranges("float", finite).map(FloatRange.model_validate),
    ranges("int", integers).map(IntRange.model_validate),
    choices.map(Choice.model_validate),
)
spaces = st.dictionaries(texts, parameters, max_size=3)
changes = st.builds(ProfileChange, path=texts, before=plain, after=plain)
common = {
    "config": mappings,
    "profile": texts,
    "profile_changes": st.lists(changes, max_size=2).map(tuple),
    "seeds": seeds,
    "objective": objectives,
    "limits": limits,
}
searched = {
    "space": spaces,
    "seed": st.integers(0, 2**32 - 1),
    "window": st.integers(1, 9),
    "sampler": classes,
    "pruner": classes,
    "budget": budgets,
}
searches = st.builds(
    SearchDefinition,
    **common,
    **searched,
    enqueue=st.lists(texts | mappings, max_size=2).map(tuple),
)
arms = st.builds(
    Arm,
    name=texts,
    changes=mappings,
    floor=st.booleans(),
    design=texts,
    components=st.lists(texts, max_size=2).map(tuple),
)
confirmed = st.builds(Confirmed, trial=st.integers(0), value=finite, seeds=seeds)
provenances = st.builds(
    lambda more, **known: Provenance(**more, **known),
    more=st.dictionaries(texts.map("further {}".format), plain, max_size=2),
    study=st.none() | texts,
    trial=st.none() | st.integers() | texts,
    confirms=st.dictionaries(texts, confirmed, max_size=2),
)
figures = st.lists(finite, min_size=1, max_size=2).map(tuple)
published = st.builds(
    Published,
    source=texts,
    values=st.dictionaries(texts, st.dictionaries(texts, figures, max_size=2), max_size=2),
)
found = st.builds(
    Tuned,
    study=st.none() | texts,
    counts=st.dictionaries(st.sampled_from(Status), st.integers(0), max_size=3),
    left_out=st.dictionaries(texts, texts, max_size=2),
    arm=st.none() | texts,
    trial=st.none() | st.integers(0),
    value=st.none() | st.floats(allow_nan=False),
    values=mappings,
)
ablations = st.builds(
    AblationDefinition,
    **common,
    designs=st.lists(texts, max_size=2).map(tuple),
    arms=st.lists(arms, max_size=3).map(tuple),
    components=st.dictionaries(texts, mappings, max_size=2),
    reference=st.none() | texts,
    provenance=provenances,
    metrics=st.dictionaries(texts, st.sampled_from(Direction), max_size=2),
    published=st.none() | published,
    tune=st.none() | st.builds(Tuning, objective=objectives, seeds=seeds, **searched),
    tuned=st.dictionaries(texts, found, max_size=2),
)


@given(searches | ablations)
@example(search(config={"ü\u2028": [1, 1.0, True, None, "1e3", {"": [math.inf]}]}))
@example(search(budget=Budget(trials=1, timeout=1e17), limits=Limits(wall=1e-5)))
@example(ablation(arms={"a": {"x[0]": {"y": []}}}, tuned={"a": Tuned(counts={Status.FAILED: 2})}))
def test_every_definition_comes_back_from_its_json(definition):
    written = to_json(definition.as_plain())
    again = read_definition(from_json(written))
    assert type(again) is type(definition)
    assert again == definition
    assert to_json(again.as_plain()) == written


def test_a_definition_says_its_version():
    assert search().as_plain()["version"] == ablation().as_plain()["version"] == 2


# --- what can't be read ------------------------------------------------------------------

WHAT_TO_DO = r"reads versions 1 to 2: update it, or restore the database from a copy"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({**search().as_plain(), "version": 3}, "of version 3, .*: it was written by a newer"),
        ({**search().as_plain(), "version": "two"}, "of version two, .*by a newer"),
        ({**search().as_plain(), "wndow": 3}, "of version 2, .*search: .*'wndow'.*'window'"),
        ({**search().as_plain(), "seeds": ["x"]}, r"search\.seeds\.0: .*integer"),
        ({**ablation().as_plain(), "arms": [{"name": "a"}]}, r"ablation\.arms\.0\.changes: "),
        ({**ablation().as_plain(), "kind": "grid"}, "'grid'"),
        ({"version": 2}, "'kind'"),
        ({}, "of version 1, .*: it lacks 'design'"),
        ({**stored("arms"), "design": "spiral"}, "it lacks 'spiral'"),
        ({**stored("arms"), "design": []}, "index"),
        ({**stored("arms"), "arms": 3}, "items"),
        ({**stored("arms"), "profile_changes": [{"path": "x"}]}, "it lacks 'from'"),
        ({**stored("components"), "layout": {"plain": {"x": 1}}}, "it lacks 'design'"),
        (None, "of version unknown"),
        ([1, 2], "of version unknown"),
    ],
)
def test_what_is_no_definition_is_a_storage_error_that_says_why(body, reason):
    with pytest.raises(StorageError, match=reason) as caught:
        read_definition(body)
    assert caught.match(WHAT_TO_DO)
    assert "\n" not in str(caught.value)


def test_a_store_says_that_it_can_not_read_a_definition(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/a.db", create=True) as store:
        store.define("s", search())
        with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as other:
            other.execute("UPDATE ablate_definitions SET body = ?", (to_json({"version": 9}),))
        for read in (store.study, store.definitions):
            with pytest.raises(StorageError, match="of version 9, can't be read"):
                read("s")
        assert store.study_names() == ["s"]
