"""A search keeps its constraints: only feasible trials are ever the best."""

import json
import math
from typing import Any

import optuna
import pytest

from ablate.errors import RequestError, SpecError
from ablate.spec import ClassConfig
from ablate.store import Store
from ablate.study import confirm
from ablate.workflow.standings import status

from .conftest import SEARCH, STORAGE, Project, search
from .test_search import DiesAfter

LAST = {"metric": "val_loss", "at": "last"}
BASE: dict[str, Any] = {**SEARCH, "objective": LAST, "budget": {"trials": 4}}
NEVER = [{"metric": "val_error", "below": 0}]


def values(project: Project) -> list[float]:
    with project.store() as store:
        return sorted(trial.value or math.nan for trial in store.trials("free"))


@pytest.fixture
def free(project: Project) -> Project:
    """A project in which the search has run without constraints."""
    project.study("free", BASE)
    search("free", project.request())
    return project


def test_the_best_trial_is_the_best_feasible_one_for_ablate_and_for_optuna(free: Project) -> None:
    found = values(free)
    between = [{"metric": "val_loss", "above": found[0]}, {"metric": "val_loss", "below": 1e9}]
    notify = {"on": ["best"], "command": ["sh", "-c", "cat >> news"]}
    free.study("s", BASE, constraints=between, notify=notify)
    summary = search("s", free.request())
    assert summary.infeasible == 1
    assert summary.best is not None
    assert summary.best.value == found[1]
    loaded = optuna.load_study(study_name="s", storage=STORAGE)
    assert loaded.best_trial.number == summary.best.number
    with free.store() as store:
        trials = store.trials("s")
        assert [dict(trial.constraints) for trial in trials] == [
            trial.constraints for trial in loaded.trials
        ]
    (broken,) = [trial for trial in trials if not trial.feasible]
    assert broken.value == found[0]
    assert broken.user_attrs["infeasible"].startswith("val_loss above ")
    news = [json.loads(line) for line in (free.folder / "news").read_text().splitlines()]
    assert broken.number not in {each["trial"] for each in news}
    assert news[-1]["trial"] == summary.best.number


def test_a_search_without_a_feasible_trial_says_so_and_has_nothing_to_confirm(
    project: Project,
) -> None:
    project.study("s", BASE, constraints=NEVER)
    shown = []
    summary = search("s", project.request(on_tick=shown.append))
    assert summary.best is None
    assert summary.infeasible == 4
    assert shown[-1].best is None
    said = "all of its 4 complete trials break a constraint"
    with pytest.raises(RequestError, match=said):
        confirm("s", project.request(), top=1, seeds=2)
    (found,) = status("s", storage=STORAGE).studies
    assert found.remarks() == (f"no feasible trial: {said}",)


def test_the_mean_over_the_seeds_is_constrained(project: Project) -> None:
    project.study(
        "s",
        BASE,
        seeds=[1, 2],
        budget={"trials": 2},
        constraints=[{"metric": "val_error", "at_most": 0.0}],
    )
    search("s", project.request())
    with project.store() as store:
        for trial in store.trials("s"):
            runs = {run.id for run in store.runs("s") if run.trial == trial.number}
            last = {r.run_id: r.value for r in store.metrics("s") if r.name == "val_error"}
            mean = sum(last[run] for run in runs) / 2
            assert trial.constraints == {"val_error at most 0": pytest.approx(mean)}


def test_a_trial_killed_between_its_seeds_is_as_far_off_as_an_unbroken_one(
    project: Project,
) -> None:
    project.study("s", BASE, seeds=[1, 2], budget={"trials": 1}, constraints=NEVER)
    with pytest.raises(SystemExit):
        search("s", project.request(launcher=lambda _: DiesAfter(8)))
    with project.store() as store:
        assert [run.status for run in store.runs("s")] == ["complete", "running"]
    search("s", project.request())
    whole = search("s", project.request(storage="sqlite:///whole.db"))
    with project.store() as store, Store.open(whole.storage, create=False) as other:
        (resumed,), (unbroken,) = store.trials("s"), other.trials("s")
    assert resumed.constraints == unbroken.constraints
    assert resumed.constraints["val_error below 0"] > 0


def test_success_is_a_constraint_and_its_step_the_objective(project: Project) -> None:
    project.study(
        "s",
        BASE,
        objective={"metric": "steps_to_success", "direction": "minimize", "at": "last"},
        success=[{"metric": "val_loss", "below": 3.5}],
        constraints=[{"metric": "success", "at_least": 1}],
    )
    summary = search("s", project.request())
    with project.store() as store:
        for trial in store.trials("s"):
            assert trial.feasible == (trial.value is not None and trial.value <= 12)
    assert 0 < summary.infeasible < 4
    assert summary.best is not None
    assert summary.best.feasible


def test_a_pruned_trial_is_not_known_to_be_feasible(project: Project) -> None:
    pruner = {"class_path": "optuna.pruners.ThresholdPruner", "init_args": {"upper": 0.0}}
    project.study("s", BASE, pruner=pruner, constraints=NEVER, budget={"trials": 1})
    search("s", project.request())
    with project.store() as store:
        (trial,) = store.trials("s")
    assert trial.constraints == {"val_error below 0": math.inf}
    assert "infeasible" not in trial.user_attrs


def test_what_a_run_measures_of_itself_can_be_constrained(project: Project) -> None:
    measured = [{"metric": "memory_gb", "below": 1e6}, {"metric": "seconds_per_step", "above": 0}]
    project.study("s", BASE, constraints=measured, budget={"trials": 1})
    assert search("s", project.request()).infeasible == 0
    with project.store() as store:
        rows = {row.name: row.value for row in store.metrics("s")}
    assert 0.05 < rows["memory_gb"] < 1e3
    assert 0 < rows["seconds_per_step"] < 60
    said = optuna.load_study(study_name="s", storage=STORAGE).user_attrs["reproducible"]
    assert said == (
        "not reproducible: seconds_per_step and memory_gb of a run are those of the machine"
    )


@pytest.mark.parametrize(
    ("constraint", "said"),
    [
        (
            {"metric": "val_eror", "below": 1},
            "'val_eror', which is never logged: did you",
        ),
        ({"metric": "success", "at_least": 1}, "without success: in the study nobody says when"),
    ],
)
def test_a_constraint_on_what_nobody_logs_is_refused_with_nothing_written(
    project: Project, constraint: dict[str, Any], said: str
) -> None:
    project.study("s", BASE, constraints=[constraint])
    with pytest.raises(SpecError, match=said):
        search("s", project.request())
    assert not (project.folder / "results").exists()


def test_a_search_with_other_constraints_is_another_one(project: Project) -> None:
    project.study("s", BASE, constraints=NEVER, budget={"trials": 1})
    search("s", project.request())
    project.study("s", BASE, budget={"trials": 2})
    with pytest.raises(RequestError, match="constraints"):
        search("s", project.request())


@pytest.mark.parametrize("sampler", ["TPESampler", "GPSampler", "NSGAIISampler", "RandomSampler"])
def test_samplers_take_constraints_before_anything_is_written(
    project: Project, sampler: str
) -> None:
    made = ClassConfig(class_path=f"optuna.samplers.{sampler}")
    project.study("s", BASE, constraints=NEVER, sampler=made.model_dump(), budget={"trials": 1})
    search("s", project.request())
    with Store.open(STORAGE, create=False) as store:
        assert len(store.trials("s")) == 1
