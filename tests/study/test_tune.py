"""Every arm gets a search of its own, and is replayed as it is declared and as it is tuned."""

import csv
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import RequestError
from ablate.store import Store

from .conftest import ABLATION, SEARCH, Project, build, matrix, replay, search
from .test_replay import Counting
from .test_search import DiesAfter

LR, WIDTH, EPOCHS = "optimizer.init_args.lr", "model.init_args.width", "trainer.max_epochs"
TUNE: dict[str, Any] = {
    "trials": 3,
    "space": {LR: {"float": [1e-3, 1e-1], "log": True}, WIDTH: {"choice": [4, 8]}},
    "pruner": {"class_path": "optuna.pruners.NopPruner"},
}
STUDY: dict[str, Any] = {
    **ABLATION,
    "arms": {"plain": {}, "narrow": {WIDTH: 2}},
    "reference": "plain",
    "seeds": [1],
    "tune": TUNE,
}


def configs(store: Store, study: str) -> dict[str, Any]:
    return {str(run.arm): run.config for run in store.runs(study, with_config=True)}


def test_arms_are_replayed_as_declared_and_with_the_best_of_their_own_search(
    project: Project, told: Any
) -> None:
    project.study("a", STUDY)
    result = replay("a", project.request(say=told))
    assert [run.arm for run in result.runs] == [
        "plain", "narrow", "plain-tuned", "narrow-tuned", "mean"
    ]  # fmt: skip
    assert result.counts == {"complete": 5}
    with project.store() as store:
        assert store.study_names() == ["a", "a-tune-narrow", "a-tune-plain"]
        made = configs(store, "a")
        tuned = store.require_study("a").definition.tuned  # type: ignore[union-attr]
        for arm in ("plain", "narrow"):
            trials = store.trials(f"a-tune-{arm}")
            assert [trial.state for trial in trials] == ["complete"] * 3
            best = min(trials, key=lambda trial: trial.value or 0.0)
            assert (tuned[arm].study, tuned[arm].trial) == (f"a-tune-{arm}", best.number)
            assert tuned[arm].values == best.params
            assert made[f"{arm}-tuned"]["optimizer"]["init_args"]["lr"] == best.params[LR]
        seeds = {run.seed for arm in tuned for run in store.runs(f"a-tune-{arm}")}
    assert len(seeds) == 1
    assert not seeds & {1}
    assert "narrow: model.init_args.width is not tuned: the arm sets it" in told
    assert made["narrow-tuned"]["model"]["init_args"]["width"] == 2
    assert made["plain"]["optimizer"]["init_args"]["lr"] == 0.01


def test_all_searches_have_the_same_budget_sampler_and_seeds(project: Project) -> None:
    project.study("a", STUDY, tune={**TUNE, "space": {LR: TUNE["space"][LR]}})
    replay("a", project.request())
    with project.store() as store:
        plain, narrow = (store.study(f"a-tune-{arm}") for arm in ("plain", "narrow"))
        points = [[t.params for t in store.trials(f"a-tune-{a}")] for a in ("plain", "narrow")]
    assert plain is not None
    assert narrow is not None
    bodies = plain.definition.as_plain(), narrow.definition.as_plain()
    differing = {key for key, value in bodies[0].items() if value != bodies[1][key]}
    assert differing == {"config"}
    assert points[0] == points[1]


def test_what_is_done_is_not_repeated_and_a_larger_budget_goes_on(project: Project) -> None:
    project.study("a", STUDY)
    first = replay("a", project.request())
    Counting.runs = 0
    again = replay("a", project.request(launcher=lambda _: Counting()))
    assert again.already_done
    assert again.runs == first.runs
    assert Counting.runs == 0

    project.study("a", STUDY, tune={**TUNE, "trials": 4})
    more = replay("a", project.request(launcher=lambda _: Counting()))
    with project.store() as store:
        assert [len(store.trials(f"a-tune-{arm}")) for arm in ("plain", "narrow")] == [4, 4]
        written = build(store, "a", Path("results/a/report"))
    report = written.markdown.read_text()
    kept = {run.arm: run for run in first.runs}
    assert all(run == kept[run.arm] for run in more.runs if "tuned" not in str(run.arm))
    new = sum(run != kept[run.arm] for run in more.runs)
    assert Counting.runs == 2 + new
    assert "with 4 trials each" in report
    assert "## Value by budget of tuning" in report
    with (written.folder / "budget.csv").open(newline="") as file:
        budgets = [(row["arm"], row["trials"]) for row in csv.DictReader(file)]
    assert budgets == [(arm, str(n)) for arm in ("plain", "narrow") for n in (1, 2, 3, 4)]


def test_tuning_that_is_asked_for_later_keeps_the_runs_of_before(project: Project) -> None:
    ladder = {"plain": {}, "narrow": {WIDTH: 2}, "short": {EPOCHS: 2}}
    project.study("a", STUDY, design="ladder", arms=ladder, tune=None)
    first = replay("a", project.request())
    tune = {**TUNE, "trials": 1, "space": {LR: TUNE["space"][LR]}}
    project.study("a", STUDY, design="ladder", arms=ladder, tune=tune)
    later = replay("a", project.request())
    assert [run for run in later.runs if "tuned" not in str(run.arm)] == list(first.runs)
    with project.store() as store:
        short = configs(store, "a")["short-tuned"]
        report = build(store, "a", Path("results/a/report")).markdown.read_text()
    assert (short["trainer"]["max_epochs"], short["model"]["init_args"]["width"]) == (2, 2)
    assert "earlier definition" not in report


@pytest.mark.parametrize(
    "reports",
    [10, pytest.param(1, marks=pytest.mark.long), pytest.param(20, marks=pytest.mark.long)],
)
def test_a_tuned_study_killed_at_any_point_resumes_to_the_same_result(
    project: Project, reports: int
) -> None:
    whole = "sqlite:///results/whole.db"
    project.study("a", STUDY)
    expected = replay("a", project.request(storage=whole, results=Path("results/whole")))
    with pytest.raises(SystemExit):
        replay("a", project.request(launcher=lambda _: DiesAfter(reports)))
    result = replay("a", project.request())
    assert [(r.arm, r.seed, r.config_hash) for r in result.runs] == [
        (r.arm, r.seed, r.config_hash) for r in expected.runs
    ]
    with project.store() as store, Store.open(whole, create=False) as other:
        for arm in ("plain", "narrow"):
            found = [
                [(trial.number, trial.params, trial.value) for trial in s.trials(f"a-tune-{arm}")]
                for s in (store, other)
            ]
            assert found[0] == found[1]
            assert len(found[0]) == 3


def test_the_space_of_a_search_study_is_taken_as_far_as_an_arm_has_it(
    project: Project, told: Any
) -> None:
    space = {**SEARCH["space"], "optimizer.init_args.momentum": {"float": [0.0, 0.9]}}
    project.study("quest", SEARCH, space=space)
    project.study("a", STUDY, tune={"trials": 1, "study": "quest"})
    result = replay("a", project.request(say=told))
    assert result.counts == {"complete": 5}
    for arm in ("plain", "narrow"):
        assert f"{arm}: optimizer.init_args.momentum is not tuned: the arm has no such key" in told


def test_an_arm_with_nothing_to_tune_is_compared_as_declared(project: Project, told: Any) -> None:
    project.study(
        "a", STUDY, reference="narrow", tune={**TUNE, "space": {WIDTH: {"choice": [4, 8]}}}
    )
    result = replay("a", project.request(say=told))
    assert [run.arm for run in result.runs] == ["plain", "narrow", "plain-tuned", "mean"]
    assert "narrow: nothing is left to tune, so it is compared as declared" in told
    with project.store() as store:
        written = build(store, "a", Path("results/a/report"))
    report = written.markdown.read_text()
    assert "`narrow`: nothing of the space was left to tune; as declared only." in report
    with (written.folder / "arms.csv").open(newline="") as file:
        rows = {(row["arm"], row["metric"]): row for row in csv.DictReader(file)}
    tuned, reference = rows["plain-tuned", "val_loss"], rows["narrow", "val_loss"]
    difference = float(tuned["mean"]) - float(reference["mean"])
    compared = comparisons(written.folder)
    assert compared["plain-tuned", "narrow"] == pytest.approx(difference)


def test_the_report_sets_inherited_and_tuned_side_by_side(project: Project) -> None:
    project.study("a", STUDY, seeds=[1, 2])
    replay("a", project.request())
    with project.store() as store:
        written = build(store, "a", Path("results/a/report"))
    report = written.markdown.read_text()
    assert "## Inherited and tuned" in report
    assert "[`plain-tuned`](#arm-plain-tuned) (reference)" in report
    with (written.folder / "arms.csv").open(newline="") as file:
        arms = {row["arm"]: row for row in csv.DictReader(file) if row["metric"] == "val_loss"}
    with (written.folder / "tuned.csv").open(newline="") as file:
        rows = {row["arm"]: row for row in csv.DictReader(file) if row["metric"] == "val_loss"}
    for arm, row in rows.items():
        before, after = float(arms[arm]["mean"]), float(arms[f"{arm}-tuned"]["mean"])
        assert (float(row["inherited"]), float(row["tuned"])) == (before, after)
        assert float(row["gain"]) == pytest.approx(before - after)
        assert (row["trials"], row["complete"], row["tuned_n"]) == ("3", "3", "2")
    compared = comparisons(written.folder)
    for kind in ("", "-tuned"):
        narrow, plain = float(arms[f"narrow{kind}"]["mean"]), float(arms[f"plain{kind}"]["mean"])
        assert compared[f"narrow{kind}", f"plain{kind}"] == pytest.approx(narrow - plain)


def comparisons(folder: Path) -> dict[tuple[str, str], float]:
    """Return the differences of a report on the primary metric by arm and comparator."""
    with (folder / "comparisons.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "val_loss"]
    return {(row["arm"], row["comparator"]): float(row["difference"]) for row in rows}


@pytest.mark.parametrize(("seed", "complete"), [(4, 2), (0, 0)])
def test_fewer_complete_trials_of_an_arm_are_noted(
    project: Project, told: Any, seed: int, complete: int
) -> None:
    mishap = "model.init_args.mishap"
    space = {LR: TUNE["space"][LR], mishap: {"choice": ["none", "nan loss"]}}
    arms = {"plain": {mishap: "none"}, "narrow": {WIDTH: 2}}
    project.study("a", STUDY, arms=arms, floor={}, tune={**TUNE, "space": space, "seed": seed})
    result = replay("a", project.request(say=told))
    tuned = ["plain-tuned", "narrow-tuned"][: 2 if complete else 1]
    assert [run.arm for run in result.runs] == ["plain", "narrow", *tuned]
    with project.store() as store:
        report = build(store, "a", Path("results/a/report")).markdown.read_text()
    said = f"{complete} complete trials in its search, another arm has 3"
    assert f"narrow: {said}" in told
    remark = f"`narrow`: {said}." if complete else "`narrow`: no trial of its search is complete."
    assert remark in report


def test_a_tuned_study_is_a_study_like_any_other_to_those_who_read_it(project: Project) -> None:
    project.study("a", STUDY)
    replay("a", project.request())
    found = search_again(project)
    assert found.already_done


def search_again(project: Project) -> Any:
    """Continue an arm's search by itself, from the definition that is stored."""
    with project.store() as store:
        record = store.study("a-tune-plain")
    assert record is not None
    keys = ("objective", "space", "seeds", "seed", "window", "sampler", "pruner", "budget")
    body = {key: record.definition.as_plain()[key] for key in keys}
    project.config(record.definition.config, "plain")
    project.study("a-tune-plain", {"kind": "search", "config": "../configs/plain.yaml"}, **body)
    return search("a-tune-plain", project.request())


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (
            {"optimizer.init_args.lrr": {"float": [0.1, 1.0]}},
            r"tune\.space\.optimizer\.init_args\.lrr: no arm has such a key: did you mean .*\.lr'",
        ),
        (
            {WIDTH: {"choice": [4, "broad"]}},
            r"a-tune-plain: space\.model\.init_args\.width at 'broad'",
        ),
    ],
)
def test_a_space_that_does_not_hold_is_refused_with_nothing_written(
    project: Project, space: Any, message: str
) -> None:
    project.study("a", STUDY, tune={**TUNE, "space": space})
    before = project.files()
    with pytest.raises(RequestError, match=message):
        replay("a", project.request())
    assert project.files() == before


def test_another_search_of_an_arm_in_the_storage_is_not_continued(project: Project) -> None:
    project.study("a", STUDY, tune={**TUNE, "trials": 1})
    replay("a", project.request())
    project.study("a", STUDY, tune={**TUNE, "trials": 1, "seed": 3})
    with pytest.raises(RequestError, match="'a-tune-plain' in this storage was started with ano"):
        replay("a", project.request())


def test_the_matrix_shows_what_is_searched_before_what_is_replayed(project: Project) -> None:
    project.study("a", STUDY)
    before = project.files()
    ahead = matrix("a", project.request())
    assert project.files() == before
    assert [(s.study, s.trials, s.done, s.to_run) for s in ahead.searches] == [
        ("a-tune-plain", 3, 0, 3), ("a-tune-narrow", 3, 0, 3)
    ]  # fmt: skip
    assert [arm.arm.name for arm in ahead.arms] == [
        "plain", "narrow", "plain-tuned", "narrow-tuned", "mean"
    ]  # fmt: skip
    assert ahead.to_run == ahead.runs == 5
    assert ahead.arms[2].runs[0].config_hash is None

    result = replay("a", project.request())
    after = matrix("a", project.request())
    assert [(s.done, s.to_run) for s in after.searches] == [(3, 0), (3, 0)]
    assert after.to_run == 0
    hashes = [run.config_hash for arm in after.arms for run in arm.runs]
    assert hashes == [run.config_hash for run in result.runs]

    project.study("a", STUDY, tune={**TUNE, "trials": 5})
    longer = matrix("a", project.request())
    assert [s.to_run for s in longer.searches] == [2, 2]
    assert longer.to_run == 2
    assert longer.seconds is not None


def test_only_the_tuned_arms_asked_for_are_searched(project: Project) -> None:
    project.study("a", STUDY)
    assert [arm.arm.name for arm in matrix("a", project.request(), arms=["plain"]).arms] == [
        "plain"
    ]
    assert not matrix("a", project.request(), arms=["plain"]).searches
    result = replay("a", project.request(), arms=["plain"])
    assert [run.arm for run in result.runs] == ["plain"]
    with project.store() as store:
        assert store.study_names() == ["a"]
    laid_out = matrix("a", project.request(), arms=["narrow-tuned"])
    assert [(search.arm, search.to_run) for search in laid_out.searches] == [("narrow", 3)]
    result = replay("a", project.request(), arms=["narrow-tuned"])
    assert [run.arm for run in result.runs] == ["narrow-tuned"]
    with project.store() as store:
        assert store.study_names() == ["a", "a-tune-narrow"]
    result = replay("a", project.request())
    assert {run.arm for run in result.runs} == {
        "plain", "narrow", "plain-tuned", "narrow-tuned", "mean"
    }  # fmt: skip
    assert result.counts == {"complete": 5}
