"""Each fault is planted in what runs recorded; clean runs give no finding at all."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.audits.checks import check_runs, check_trials
from ablate.audits.curves import beyond_chance, collapse_epoch, too_good
from ablate.audits.recorded import RecordedRuns, Result
from ablate.audits.trials import edge_of
from ablate.spec import Cause, Direction, FloatRange, IntRange, Objective, Status
from ablate.store import Edit, Environment, RunRecord, Seals, TrialRecord
from ablate.testing.definitions import ablation, search
from tests.audits.studies import SEARCH, STOPPING, codes

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OBJECTIVE = Objective(metric="loss", at="last")


def definition(direction):
    return ablation(
        arms={"full": {}, "narrow": {}},
        floor={"zero": {}},
        reference="full",
        seeds=(1, 2),
        metrics={"acc": direction},
        objective=OBJECTIVE,
    )


ACC = {"full": [0.5, 0.6, 0.7, 0.8, 0.85], "narrow": [0.4, 0.5, 0.6, 0.7, 0.75], "zero": [0.3]}
LOSS = {"full": [2.0, 1.5, 1.2, 1.0, 0.9], "narrow": [2.2, 1.7, 1.5, 1.3, 1.2], "zero": [2.5]}
CONFIG = {"data": {"size": 10}, "trainer": {"max_epochs": 5, "callbacks": None}}


def run(number, arm, seed, **changes):
    known = RunRecord(
        id=number, study="s", trial=number, arm=arm, seed=seed, attempt=0, definition_id=1,
        status=Status.COMPLETE, cause=None, reason=None, config_hash="h",
        parameters=0 if arm == "zero" else 10, profile="cpu", device="CPU", environment="e",
        code_version="abc", directory="d", epochs=len(ACC[arm]), steps=50, created_at=NOW,
        finished_at=NOW, config={**CONFIG, "seed_everything": seed},
    )  # fmt: skip
    return replace(known, **changes)


RUNS = [
    run(number, arm, seed)
    for number, (arm, seed) in enumerate((a, s) for a in ("full", "narrow", "zero") for s in (1, 2))
]
RESULTS = [
    Result("acc", Direction.MAXIMIZE, "full", "arm", 2, (0.85, 0.86), ""),
    Result("acc", Direction.MAXIMIZE, "narrow", "arm", 2, (0.75, 0.76), ""),
    Result("acc", Direction.MAXIMIZE, "zero", "floor", 2, (0.3, 0.3), ""),
]
CLEAN = RecordedRuns(
    definition=definition(Direction.MAXIMIZE),
    runs=RUNS,
    curves={
        (made.id, name): list(enumerate(value + made.seed / 1000 for value in values[made.arm]))
        for made in RUNS
        for name, values in (("acc", ACC), ("loss", LOSS))
    },
    fingerprints={
        made.id: {
            "train": "t",
            "val": "v",
            "first training batch": f"b{made.seed}",
            "first validation batch": "c",
        }
        for made in RUNS
    },
    environments={"e": Environment({"python": "3.12", "libraries": {"torch": "2.9"}})},
    results=RESULTS,
)


def with_run(number, **changes):
    runs = [replace(made, **changes) if made.id == number else made for made in RUNS]
    return replace(CLEAN, runs=runs)


def with_curve(number, metric, values):
    return replace(CLEAN, curves={**CLEAN.curves, (number, metric): list(enumerate(values))})


def with_result(arm, **changes):
    results = [row._replace(**changes) if row.arm == arm else row for row in RESULTS]
    return replace(CLEAN, results=results)


def with_fingerprints(name, by_run, *, drop=()):
    prints = {
        run_id: {key: value for key, value in known.items() if key not in drop}
        | ({name: by_run[run_id]} if run_id in by_run else {})
        for run_id, known in CLEAN.fingerprints.items()
    }
    return replace(CLEAN, fingerprints=prints)


FACTS = {
    "sources": {"mine": "a", "ablate.run.execute": "a"},
    "data": {"val": {"set": "s", "order": "o", "examples": 9}},
    "files": {"a.csv": "a"},
    "variables": {"FAST": None, "LOCAL_RANK": "0"},
}
EDIT = Edit(2, 1, "val_loss (val) at step 3, epoch 0", None, "0.1")


def with_facts(kind, by_run, *, of=CLEAN, drop=()):
    """Give every run some facts, and some runs others of a kind."""
    facts = {
        made.id: {
            **FACTS,
            **({kind: {**FACTS[kind], **by_run[made.id]}} if made.id in by_run else {}),
        }
        for made in of.runs
    }
    prints = {
        number: {name: value for name, value in known.items() if name not in drop}
        for number, known in of.fingerprints.items()
    }
    return replace(of, facts=facts, fingerprints=prints)


def test_clean_runs_with_facts_give_no_finding():
    assert check_runs(with_facts("sources", {2: {"mine.only.here": "c"}})) == []


def test_clean_runs_give_no_finding():
    assert check_runs(CLEAN) == []


NAN = math.nan
OTHER_DATA = {**CONFIG, "data": {"size": 5}}
DIRTY = [replace(made, code_version="a+dirty") for made in RUNS]
DIVERGED = {"status": Status.FAILED, "cause": Cause.DIVERGED, "reason": "the loss is nan"}
ONE_VALUE = with_result("narrow", values=(0.75,))
PLANTED = [
    ("diverged", "warning", with_run(2, **DIVERGED)),
    ("unrecorded-metric", "warning", ONE_VALUE),
    ("missing-runs", "warning", replace(ONE_VALUE, runs=RUNS[:3] + RUNS[4:])),
    ("mixed-configs", "error", with_run(3, config={**CONFIG, "trainer": {"max_epochs": 9}})),
    ("mixed-code", "warning", with_run(2, code_version="def")),
    ("mixed-code", "warning", with_facts("sources", {2: {"mine": "b"}, 3: {"mine": "b"}})),
    ("mixed-files", "warning", with_facts("files", {2: {"a.csv": "b"}, 3: {"a.csv": "b"}})),
    ("mixed-environments", "warning", with_facts("variables", {2: {"FAST": "b"}})),
    ("uncommitted-code", "note", replace(CLEAN, runs=DIRTY)),
    ("edited-record", "error", replace(CLEAN, seals=Seals(6, 0, (EDIT,)))),
    ("other-examples", "error", with_fingerprints("val", {2: "w", 3: "w"})),
    ("other-training-data", "warning", with_fingerprints("train", {2: "u"})),
    ("unpaired-order", "note", with_fingerprints("first training batch", {2: "x"})),
    ("unequal-run-lengths", "warning", with_run(2, epochs=9, steps=90)),
    ("non-finite", "warning", with_curve(2, "acc", [NAN, 0.5, 0.6, 0.7, 0.75])),
    ("constant-metric", "note", with_curve(2, "acc", [0.4, 0.5, 0.5, 0.5, 0.5])),
    ("zero-metric", "note", with_curve(2, "acc", [0.0] * 5)),
    ("collapse", "warning", with_curve(2, "acc", [0.4, 0.7, 0.2, 0.1, 0.15])),
    ("too-good-too-soon", "warning", with_curve(2, "loss", [1e-5, 1e-5, 2e-5])),
    ("ties-the-floor", "warning", with_result("narrow", behind="no better than zero")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "severity", "recorded"), PLANTED, ids=[p[0] for p in PLANTED])
def test_a_planted_fault_is_found_and_nothing_else(code, severity, recorded):
    if code == "too-good-too-soon":  # both seeds, as the middle of an arm's seeds counts
        recorded = replace(recorded, curves={**recorded.curves, (3, "loss"): [(0, 1e-5)]})
    findings = check_runs(recorded)
    assert codes(findings) == {code: severity}
    (item,) = findings
    assert item.what
    assert item.where
    assert item.advice
    if code != "uncommitted-code":
        assert "narrow" in item.arms


def test_variables_that_say_where_a_process_runs_and_files_of_one_arm_are_no_difference():
    assert check_runs(with_facts("variables", {2: {"LOCAL_RANK": "1", "ONLY_HERE": "x"}})) == []
    assert check_runs(with_facts("files", {2: {"cache.pt": "x"}})) == []


def test_modules_that_changed_are_named_with_the_arms_and_seeds_that_had_them():
    (item,) = check_runs(with_facts("sources", {2: {"mine": "b"}, 3: {"mine": "b"}}))
    assert item.where == "mine"
    assert "mine is one in full, zero (seeds 1, 2) and another in narrow (seeds 1, 2)" in item.what


@pytest.mark.parametrize("module", ["ablate.audits.findings", "ablate.study.asker"])
def test_modules_of_ablate_that_no_run_enters_may_change(module):
    of = with_run(2, code_version="def")
    changed = replace(
        of, facts={run.id: {"sources": {module: run.code_version}} for run in of.runs}
    )
    assert codes(check_runs(changed)) == {"mixed-code": "note"}


def test_another_commit_is_a_note_where_no_module_has_changed():
    other = with_facts("sources", {}, of=with_run(2, code_version="def"))
    assert codes(check_runs(other)) == {"mixed-code": "note"}


def test_an_edit_of_a_run_that_counts_for_nothing_is_a_warning():
    elsewhere = replace(CLEAN, seals=Seals(6, 0, (EDIT._replace(trial=99),)))
    assert codes(check_runs(elsewhere)) == {"edited-record": "warning"}


def test_records_without_seals_are_a_note():
    assert codes(check_runs(replace(CLEAN, seals=Seals(2, 4)))) == {"not-sealed": "note"}


PRINTS = CLEAN.fingerprints
OTHER_BATCH = {2: {"first validation batch": "x"}, 3: {"first validation batch": "x"}}


def test_another_batch_size_is_no_other_data():
    prints = {number: {**known, **OTHER_BATCH.get(number, {})} for number, known in PRINTS.items()}
    recorded = with_facts("data", {}, of=replace(CLEAN, fingerprints=prints), drop={"train", "val"})
    assert check_runs(recorded) == []


def test_other_examples_behind_an_equal_first_batch_are_found():
    other = {"val": {"set": "t", "order": "p", "examples": 8}}
    recorded = with_facts("data", {2: other, 3: other}, drop={"train", "val"})
    assert codes(check_runs(recorded)) == {"other-examples": "warning"}


def test_as_many_examples_that_are_prepared_as_declared_are_a_note():
    other = {"val": {"set": "t", "order": "p", "examples": 9}}
    runs = [replace(r, config=OTHER_DATA) if r.arm == "narrow" else r for r in RUNS]
    recorded = with_facts(
        "data", {2: other, 3: other}, of=replace(CLEAN, runs=runs), drop={"train", "val"}
    )
    assert codes(check_runs(recorded)) == {"other-examples": "note"}


def test_environments_are_told_apart_by_what_differs():
    other = Environment({"python": "3.12", "libraries": {"torch": "2.8"}})
    mixed = replace(with_run(2, environment="f"), environments={**CLEAN.environments, "f": other})
    (item,) = check_runs(mixed)
    assert item.code == "mixed-environments"
    assert item.where == "libraries.torch"
    assert "torch 2.9 and 2.8" in item.what


def test_hosts_alone_are_no_different_environments():
    twin = Environment({**CLEAN.environments["e"].facts, "host": "second"})
    spread = replace(with_run(2, environment="f"), environments={**CLEAN.environments, "f": twin})
    assert not list(check_runs(spread))


def test_other_examples_are_a_warning_where_the_data_is_what_differs():
    runs = [replace(r, config=OTHER_DATA) if r.arm == "narrow" else r for r in RUNS]
    recorded = replace(with_fingerprints("val", {2: "w", 3: "w"}), runs=runs)
    assert codes(check_runs(recorded)) == {"other-examples": "warning"}


def test_the_first_batch_speaks_where_the_data_names_no_scored_examples():
    other = with_fingerprints("first validation batch", {2: "x", 3: "x"}, drop={"val"})
    assert [item.code for item in check_runs(other)] == ["other-examples"]


def test_without_fingerprints_of_the_data_the_first_batches_speak():
    own = ("train", "val")
    assert check_runs(with_fingerprints("", {}, drop=own)) == []
    other = with_fingerprints("first validation batch", {2: "x", 3: "x"}, drop=own)
    assert codes(check_runs(other)) == {"other-examples": "warning"}


def test_data_drawn_by_the_seed_is_the_same_for_every_arm():
    (item,) = check_runs(with_fingerprints("val", {r.id: f"v{r.seed}" for r in RUNS}))
    assert (item.code, item.severity, item.arms) == ("data-of-its-own", "note", ())
    assert "'val'" in item.what


def test_lengths_that_one_stopping_rule_made_are_a_note():
    trainer = {"max_epochs": 9, "callbacks": [STOPPING]}
    runs = [replace(r, config={**(r.config or {}), "trainer": trainer}) for r in RUNS]
    recorded = replace(
        CLEAN, runs=[replace(r, epochs=9, steps=90) if r.id == 2 else r for r in runs]
    )
    assert codes(check_runs(recorded)) == {"unequal-run-lengths": "note"}


def test_a_constant_equal_to_a_floor_names_it():
    (item,) = check_runs(with_curve(2, "acc", [0.35, 0.3, 0.3, 0.3, 0.3]))
    assert item.severity == "warning"
    assert "as that of zero" in item.what


def test_a_metric_that_moves_in_no_run_of_an_arm_is_a_warning():
    still = {(number, "acc"): [(0, 0.4), (1, 0.5), (2, 0.5)] for number in (2, 3)}
    (item,) = check_runs(replace(CLEAN, curves={**CLEAN.curves, **still}))
    assert (item.code, item.severity, item.arms) == ("constant-metric", "warning", ("narrow",))


@pytest.mark.parametrize(("number", "parameters"), [(4, 10), (2, 0)])
def test_what_is_a_floor_or_does_not_train_is_no_constant_predictor(number, parameters):
    curves = {**CLEAN.curves, (number, "acc"): [(epoch, 0.5) for epoch in range(9)]}
    runs = [replace(r, parameters=parameters) if r.id == number else r for r in RUNS]
    assert check_runs(replace(CLEAN, curves=curves, runs=runs)) == []


def test_arms_that_are_not_surely_better_than_a_floor_are_named_with_the_reason():
    (item,) = check_runs(with_result("narrow", behind="the 95 % interval reaches zero (0.3)"))
    assert item.what == "acc: narrow: the 95 % interval reaches zero (0.3)"
    assert item.arms == ("narrow",)


def test_a_collapse_names_its_epoch():
    (item,) = check_runs(with_curve(2, "acc", [0.4, 0.7, 0.6, 0.2, 0.1, 0.15]))
    assert "narrow seed 1 from 0.7 at epoch 3 to 0.15 at the end" in item.what


def test_two_of_42_examples_are_no_collapse():
    few = {
        made.id: [(epoch, count / 42) for epoch, count in enumerate(counts)]
        for made, counts in zip(RUNS, [[1, 2, 3, 1, 0, 0, 0]] * 4, strict=False)
    }
    curves = {**CLEAN.curves, **{(number, "acc"): curve for number, curve in few.items()}}
    recorded = replace(CLEAN, curves=curves)
    assert "collapse" in codes(check_runs(recorded))
    assert "collapse" not in codes(check_runs(replace(recorded, examples={"acc": 42})))


@given(st.integers(1, 500), st.data())
def test_equal_shares_are_never_beyond_chance_and_all_or_nothing_of_many_is(examples, data):
    count = data.draw(st.integers(0, examples))
    assert not beyond_chance(count / examples, count / examples, examples)
    assert beyond_chance(1.0, 0.0, examples) is (examples > 4)


def test_collapses_of_one_metric_are_one_finding():
    fallen = {(number, "acc"): list(enumerate([0.4, 0.7, 0.2, 0.1, 0.15])) for number in range(4)}
    (item,) = check_runs(replace(CLEAN, curves={**CLEAN.curves, **fallen}))
    assert (item.code, item.arms) == ("collapse", ("full", "narrow"))
    assert "in 4 runs" in item.what


@pytest.mark.parametrize(
    ("values", "epoch"),
    [
        ([0.67, 0.13, 0.13, 0.13], 1),
        ([0.4, 0.7, 0.2, 0.1, 0.6], None),  # it recovers
        ([0.4, 0.7, 0.8, 0.2, 0.1], None),  # too short to say
        ([0.281, 0.284, 0.2815, 0.281, 0.281], None),  # a wobble, all of its range
        ([0.7, 0.1], None),
        ([], None),
        ([0.6, 0.7, NAN, 0.1, 0.1, 0.1, NAN], 3),
    ],
)
def test_a_collapse_is_deep_and_lasts(values, epoch):
    assert collapse_epoch(list(enumerate(values))) == epoch


@given(st.lists(st.floats(0, 1), min_size=4, max_size=12))
def test_a_metric_that_only_rises_never_collapses(values):
    assert collapse_epoch(list(enumerate(sorted(values)))) is None


@given(st.floats(0.01, 10), st.lists(st.floats(0.1, 10), min_size=1))
def test_a_loss_of_the_size_of_the_others_is_not_too_good(value, others):
    assert not too_good(max(value, min(others) / 10), [*others, *others], Direction.MINIMIZE) or (
        value < min(others)
    )


@pytest.mark.parametrize(
    ("value", "others", "direction", "suspicious"),
    [
        (1e-5, [0.9, 1.1], Direction.MINIMIZE, True),
        (0.5, [0.9, 1.1], Direction.MINIMIZE, False),
        (-3.0, [0.9, 1.1], Direction.MINIMIZE, False),
        (0.9999, [0.6, 0.7], Direction.MAXIMIZE, True),
        (0.9, [0.6, 0.7], Direction.MAXIMIZE, False),
        (1.0, [1.0, 1.0], Direction.MAXIMIZE, False),
        (30.0, [20.0], Direction.MAXIMIZE, False),
        (1.5, [0.9], Direction.MAXIMIZE, False),
    ],
)
def test_too_good_is_out_of_all_proportion(value, others, direction, suspicious):
    assert too_good(value, others, direction) is suspicious


def suspected(full, narrow):
    curves = {
        (made.id, "loss"): list(enumerate({"full": full, "narrow": narrow}.get(made.arm, [2.5])))
        for made in RUNS
    }
    return [item.arms for item in check_runs(replace(CLEAN, curves={**CLEAN.curves, **curves}))]


@pytest.mark.parametrize(
    "slow",
    [
        [2.3, 2.29, 2.28, 2.27, 2.26],
        [2.3, 2.3, 2.3, 2.3, 2.3 - 1e-9],
        [2.3, 1.8, 1.3, 0.8, 0.3],
        [2.3, 2.2, 1.2, 0.4, 0.02],
    ],
)
def test_an_arm_beside_a_slow_one_is_not_too_good_too_soon(slow):
    assert suspected([0.01, 0.005, 0.004, 0.004, 0.004], slow) == []


@pytest.mark.parametrize(
    "healthy", [[2.3, 1.4, 1.1, 1.0, 0.98], [2.3, 1.2], [1.5, 1.0, 0.9, 0.9, 0.91]]
)
def test_an_arm_that_beats_at_once_what_others_ever_reach_is_too_good(healthy):
    assert suspected([0.001, 0.0009, 0.001, 0.001, 0.001], healthy) == [("full",)]


# --- trials ------------------------------------------------------------------------------

BRANCHED = {
    **SEARCH["space"],
    "model.init_args.rate": {"float": [0.0, 1.0], "when": {"model.init_args.kind": ["b"]}},
}
OF_BRANCHES = search(space=BRANCHED, objective=Objective(metric="l"))


def trials(count=20, **changes):
    """Imagine trials whose first is the best, inside its ranges."""
    found = []
    for number in range(count):
        params = {
            "optimizer.init_args.lr": 10 ** -(2 + number / 20),
            "model.init_args.width": 20 + number,
            "model.init_args.kind": "ab"[number % 2],
        }
        params |= changes if number == 0 else {}
        found.append(TrialRecord(number, Status.COMPLETE, 0.1 + number / 7, params, {}, NOW, NOW))
    return found


def test_a_sound_search_gives_no_finding():
    assert check_trials(OF_BRANCHES, trials()) == []
    assert check_trials(OF_BRANCHES, []) == []


@pytest.mark.parametrize(
    ("path", "value", "edge"),
    [
        ("optimizer.init_args.lr", 0.0985, "upper"),
        ("optimizer.init_args.lr", 1.1e-5, "lower"),
        ("model.init_args.width", 64, "upper"),
        ("model.init_args.width", 8, "lower"),
    ],
)
def test_a_best_value_at_the_edge_of_its_range_is_found(path, value, edge):
    (item,) = check_trials(OF_BRANCHES, trials(**{path: value}))
    assert item.code == "at-the-edge"
    assert item.where == f"space.{path}"
    assert edge in item.what
    assert check_trials(OF_BRANCHES, trials(3, **{path: value})) == []


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (FloatRange(float=(0.0, 0.4)), 0.001),
        (FloatRange(float=(0.0, 1.0)), 0.999),
        (IntRange(int=(1, 6)), 1),
        (IntRange(int=(2, 3)), 3),
        (FloatRange(float=(1e-5, 1e-1), log=True), 0.05),
    ],
)
def test_an_end_that_can_not_be_passed_is_no_edge(parameter, value):
    assert edge_of(parameter, value) == ""


@given(st.floats(1e-6, 1), st.floats(1.5, 1e6), st.floats(0.05, 0.95), st.booleans())
def test_what_lies_well_inside_is_at_no_edge(low, factor, share, log):
    high = low * factor
    value = low * (high / low) ** share if log else low + share * (high - low)
    assert edge_of(FloatRange(float=(low, high), log=log), value) == ""


def test_a_branch_that_was_hardly_tried_is_found():
    rare = [replace(t, params={**t.params, "model.init_args.kind": "a"}) for t in trials()]
    rare[3].params["model.init_args.kind"] = "b"
    (item,) = check_trials(OF_BRANCHES, rare)
    assert (item.code, item.where) == ("thin-branch", "space.model.init_args.kind")
    assert "b 1" in item.what
    assert check_trials(search(space=SEARCH["space"]), rare) == []


def test_different_points_with_one_value_are_found():
    tied = [replace(t, value=0.28) if t.number in (4, 7, 9) else t for t in trials()]
    (item,) = check_trials(OF_BRANCHES, tied)
    assert item.code == "tied-trials"
    assert "4, 7, 9" in item.what
    assert (
        check_trials(
            OF_BRANCHES, [replace(t, value=0.28) if t.number in (4, 7) else t for t in trials()]
        )
        == []
    )


def test_complete_runs_without_a_value_are_not_missing():
    (found,) = check_runs(with_result("narrow", values=()))
    assert (found.code, found.severity, found.arms) == ("unrecorded-metric", "note", ("narrow",))
    assert "narrow in 2 of 2" in found.what


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (Status.COMPLETE, "no replay adds it"),
        (Status.FAILED, "a replay does not try them again"),
        (Status.INTERRUPTED, "replay the study until"),
    ],
)
def test_a_replay_is_advised_only_where_it_can_help(status, advice):
    runs = [
        replace(made, status=status) if (made.arm, made.seed) == ("narrow", 2) else made
        for made in RUNS
    ]
    recorded = replace(with_result("narrow", values=(0.75,)), runs=runs)
    code = "unrecorded-metric" if status is Status.COMPLETE else "missing-runs"
    (found,) = [item for item in check_runs(recorded) if item.code == code]
    assert found.arms == ("narrow",)
    assert advice in found.advice
