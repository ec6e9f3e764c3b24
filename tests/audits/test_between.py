"""One odd arm is set apart, and the others are not: planted for every code between arms."""

from dataclasses import replace
from typing import Any

import pytest

from ablate.audits.checks import check_runs, compare_evidence
from ablate.audits.codes import CODES, as_rows
from ablate.audits.evidence import (
    DropoutUse,
    Evidence,
    FileRead,
    Measured,
    Scale,
    Seeding,
    Split,
    Submodule,
)
from ablate.audits.evidence_checks import Declared
from ablate.audits.findings import Finding
from ablate.run.recipe import KIND, Recipe
from ablate.spec import Direction
from ablate.store import Environment
from ablate.testing.definitions import ablation
from tests.audits import studies
from tests.audits.test_evidence_checks import NET
from tests.audits.test_run_recipes import ADAM, RECIPE
from tests.audits.test_runs import CLEAN, FACTS, run

ARMS = ("one", "two", "odd")


def seen(arm: str, **odd: Any) -> Evidence:
    """Imagine what the probes saw of an arm: all are alike, but for what the odd one has."""
    responses = ({"loss": float(ARMS.index(arm))},)
    measured = Measured(definitions={"val_loss": ("cross_entropy",)}, losses=("cross_entropy",))
    known = replace(
        NET, config=arm, responses=responses, measured=measured, hooks={"validation_step": "a"},
        validated="those of the last step", seeding=Seeding({"w": 100}, (), order=True),
    )  # fmt: skip
    return replace(known, **odd) if arm == "odd" else known


OTHER_VAL = Split(20, "other", None, 9, 5.0)
ODD_EVIDENCE: dict[str, dict[str, Any]] = {
    "unequal-initial-scale": {"scales": (Scale("net.weight", (10, 10), 1.0),)},
    "unequal-dropout": {"dropouts": (DropoutUse("net", (0.2, 0.2), 2),)},
    "unequal-parameters": {"parameters": 120},
    "unequal-components": {"submodules": (Submodule("head", "Linear", 100, 1000),)},
    "unequal-validation-examples": {"val": OTHER_VAL},
    "unequal-train-examples": {"train": Split(80, "other", "order", 9, 5.0)},
    "unequal-lengths": {"train": Split(80, "train", "order", 9, 6.0)},
    "unequal-recipe": {"recipe": Recipe(steps=9)},
    "metric-defined-otherwise": {
        "measured": Measured(definitions={"val_loss": ("mse_loss",)}, losses=("mse_loss",))
    },
    "unequal-validation-code": {"hooks": {"validation_step": "b"}, "measured": Measured()},
    "unequal-initial-weights": {"seeding": Seeding({"w": 100}, ("w",), order=True)},
    "unequal-files-read": {"files": (FileRead("a.json", "model"),)},
    "unequal-seeding": {"seeding": Seeding({"w": 100}, (), order=False)},
    "unequal-validated-weights": {"validated": "a copy of what is trained"},
}


def runs_of(**odd: Any) -> Any:
    """Imagine two runs of three arms, the odd one changed."""
    made = [
        replace(run(number, "full", seed), arm=arm)
        for number, (arm, seed) in enumerate((arm, seed) for arm in ARMS for seed in (1, 2))
    ]
    return replace(
        CLEAN,
        definition=ablation(arms={arm: {} for arm in ARMS}, seeds=(1, 2)),
        runs=[replace(each, **odd) if each.arm == "odd" else each for each in made],
        curves={},
        fingerprints={each.id: CLEAN.fingerprints[0] for each in made},
        environments={**CLEAN.environments, "f": Environment({"python": "3.13"})},
        results=[],
        facts={each.id: {**FACTS, KIND: RECIPE.as_dict()} for each in made},
    )  # fmt: skip


def told(kind: str, **odd: Any) -> Any:
    recorded = runs_of()
    facts = {
        each.id: {**of_run, kind: {**of_run[kind], **odd}} if each.arm == "odd" else of_run
        for each in recorded.runs
        for of_run in [recorded.facts[each.id]]
    }
    return replace(recorded, facts=facts)


def printed(name: str) -> Any:
    recorded = runs_of()
    prints = {
        each.id: {**recorded.fingerprints[each.id], **({name: "x"} if each.arm == "odd" else {})}
        for each in recorded.runs
    }
    return replace(recorded, fingerprints=prints)


SLOWER = replace(ADAM, settings={**ADAM.settings, "lr": 0.5})
ODD_RUNS = {
    "unequal-run-lengths": told(KIND, steps=90, seen=720),
    "other-examples": printed("val"),
    "other-training-data": printed("train"),
    "unpaired-order": printed("first training batch"),
    "mixed-code": told("sources", mine="b"),
    "mixed-files": told("files", **{"a.csv": "b"}),
    "mixed-environments": runs_of(environment="f"),
    "recipe-differs": told(KIND, **replace(RECIPE, groups=(SLOWER,)).as_dict()),
}
WIDTH = {"model.init_args.width": 16}
RATE = {"optimizer.init_args.lr": 0.5}
EPOCHS = {"trainer.max_epochs": 3}
ODD_ARMS: dict[str, dict[str, Any]] = {
    "confounded": RATE,
    "comes-along": {"model": {"class_path": "m.Wide", "init_args": {"width": 16}}},
    "unequal-epochs": EPOCHS,
    "unequal-stopping": {"trainer.callbacks": None},
    "unequal-precision": {"trainer.precision": 16},
    "unequal-data": {"data.init_args.size": 9},
    "unequal-validation": {"trainer.limit_val_batches": 2},
}
STRAY = {"undeclared-difference": RATE}
OF_TWINS = {"same-config", "same-function", "data-key-without-effect"}
"""Codes of arms that are too much alike: they stand between any two that they name."""


def assert_odd_is_apart(code: str, findings: list[Finding]) -> None:
    rows = [row for row in as_rows(findings) if row.code == code]
    assert rows
    for row in rows:
        assert any(row.apart(arm, "odd") for arm in ("one", "two"))
        assert not row.apart("one", "two")


def test_every_code_between_arms_is_planted_here() -> None:
    planted = {*ODD_EVIDENCE, *ODD_RUNS, *ODD_ARMS, *STRAY, *OF_TWINS}
    assert planted == {name for name, code in CODES.items() if code.between}


@pytest.mark.parametrize("code", ODD_EVIDENCE)
def test_probes_set_the_odd_arm_apart(code: str) -> None:
    arms = {arm: seen(arm, **ODD_EVIDENCE[code]) for arm in ARMS}
    if code == "unequal-recipe":
        arms = {a: replace(e, recipe=Recipe(steps=9 if a == "odd" else 5)) for a, e in arms.items()}
    declared = Declared(metrics={"val_loss": Direction.MINIMIZE})
    assert_odd_is_apart(code, compare_evidence(arms, declared))


@pytest.mark.parametrize("code", ODD_RUNS)
def test_records_set_the_odd_arm_apart(code: str) -> None:
    assert check_runs(runs_of()) == []
    assert_odd_is_apart(code, check_runs(ODD_RUNS[code]))


@pytest.mark.parametrize("code", ODD_ARMS)
def test_configurations_set_the_odd_arm_apart(code: str) -> None:
    arms = {"two": {}, "one": {"model.init_args.kind": "b"}, "odd": {**WIDTH, **ODD_ARMS[code]}}
    if code == "comes-along":
        arms["odd"] = ODD_ARMS[code]
    study = studies.ablation(arms=arms, floor={}, reference="two")
    assert_odd_is_apart(code, studies.found(study))


def test_configurations_that_differ_without_a_word_set_the_odd_arm_apart() -> None:
    arms = {"two": {}, "one": {"model.init_args.kind": "b"}, "odd": WIDTH}
    study = studies.ablation(arms=arms, floor={}, reference="two")
    odd = studies.changed(studies.arms_of(study)["odd"], RATE)
    assert_odd_is_apart("undeclared-difference", studies.found(study, odd=odd))


def test_equal_strange_values_of_two_arms_are_no_difference_between_these() -> None:
    arms = {"odd": {}, "one": {**WIDTH, **RATE}, "two": {"model.init_args.kind": "b", **RATE}}
    study = studies.ablation(arms=arms, floor={}, reference="odd")
    assert_odd_is_apart("confounded", studies.found(study))


def test_code_that_changed_within_an_arm_sets_it_apart_from_all() -> None:
    recorded = runs_of()
    facts = {
        **recorded.facts,
        5: {**recorded.facts[5], "sources": {**FACTS["sources"], "mine": "b"}},
    }
    assert_odd_is_apart("mixed-code", check_runs(replace(recorded, facts=facts)))


def test_each_of_several_modules_that_changed_counts() -> None:
    recorded = runs_of()
    facts = {
        each.id: {**recorded.facts[each.id], "sources": {"mine": mine, "ours": ours}}
        for each in recorded.runs
        for mine, ours in [{"one": "aa", "two": "ab", "odd": "bb"}[str(each.arm)]]
    }
    (row,) = as_rows(check_runs(replace(recorded, facts=facts)))
    assert [row.apart(*pair) for pair in (("one", "two"), ("two", "odd"), ("one", "odd"))] == [
        True,
        True,
        True,
    ]
