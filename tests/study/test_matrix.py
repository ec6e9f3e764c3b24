"""A dry run shows the arms, the seeds, what is done and how long the rest may take."""

from typing import Any

import pytest

from ablate.errors import RequestError

from .conftest import ABLATION, SEARCH, Project, matrix, replay, search
from .test_replay import Counting
from .test_search import DiesAfter


def states(project: Project, name: str = "a", **options: Any) -> dict[str, list[str]]:
    laid_out = matrix(name, project.request(), **options)
    return {arm.arm.name: [run.status or "to run" for run in arm.runs] for arm in laid_out.arms}


def test_before_the_first_run_everything_is_to_run_and_nothing_is_written(project: Project) -> None:
    project.study("a", ABLATION)
    before = project.files()
    Counting.runs = 0
    laid_out = matrix("a", project.request(launcher=lambda _: Counting(), workers=2))
    assert Counting.runs == 0
    assert project.files() == before
    assert (laid_out.study, laid_out.profile, laid_out.seeds) == ("a", "cpu", (1, 2))
    assert (laid_out.runs, laid_out.to_run, laid_out.seconds) == (6, 6, None)
    assert [(arm.arm.name, arm.arm.design, arm.arm.floor) for arm in laid_out.arms] == [
        ("narrow", "independent", False), ("wide", "independent", False), ("mean", "", True)
    ]  # fmt: skip


def test_what_the_matrix_says_is_what_a_replay_does(project: Project) -> None:
    project.study("a", ABLATION)
    with pytest.raises(SystemExit):
        replay("a", project.request(launcher=lambda _: DiesAfter(10)))
    assert states(project) == {
        "narrow": ["complete", "to run"], "wide": ["to run"] * 2, "mean": ["complete"] * 2
    }  # fmt: skip
    Counting.runs = 0
    result = replay("a", project.request(launcher=lambda _: Counting()))
    assert Counting.runs == 3
    laid_out = matrix("a", project.request())
    assert (laid_out.to_run, laid_out.seconds) == (0, 0)
    assert [(run.trial, run.config_hash) for arm in laid_out.arms for run in arm.runs] == [
        (run.trial, run.config_hash) for run in result.runs
    ]


def test_a_matrix_of_some_cells_shows_them_and_the_rest_stays_to_run(project: Project) -> None:
    project.study("a", ABLATION)
    assert states(project, arms=["narrow"], seeds=[2]) == {"narrow": ["to run"]}
    replay("a", project.request(), arms=["narrow"], seeds=[2])
    laid_out = matrix("a", project.request(), arms=["narrow"], seeds=[2])
    assert (laid_out.seeds, laid_out.runs, laid_out.to_run) == ((2,), 1, 0)
    assert states(project) == {
        "narrow": ["to run", "complete"], "wide": ["to run"] * 2, "mean": ["to run"] * 2
    }  # fmt: skip


def test_a_failed_run_counts_as_done_and_another_config_does_not(project: Project) -> None:
    bad = {"bad": {"model.init_args.mishap": "raise"}}
    project.study("a", ABLATION, arms={**ABLATION["arms"], **bad}, floor={}, seeds=[1])
    replay("a", project.request())
    assert states(project) == {"narrow": ["complete"], "wide": ["complete"], "bad": ["failed"]}
    arms = {**ABLATION["arms"], "wide": {"model.init_args.width": 32}}
    project.study("a", ABLATION, arms=arms, floor={}, seeds=[1, 2])
    assert states(project) == {"narrow": ["complete", "to run"], "wide": ["to run"] * 2}


def test_the_expected_time_is_that_of_earlier_runs_shared_by_the_workers(project: Project) -> None:
    project.study("a", ABLATION, floor={}, seeds=[1])
    replay("a", project.request())
    with project.store() as store:
        took = {
            str(run.arm): (run.finished_at - run.created_at).total_seconds()
            for run in store.runs("a")
            if run.finished_at is not None
        }
    mean = sum(took.values()) / 2
    arms = {**ABLATION["arms"], "new": {"model.init_args.width": 4}}
    project.study("a", ABLATION, arms=arms, floor={}, seeds=[1, 2, 3])
    laid_out = matrix("a", project.request(workers=4))
    assert [arm.seconds_per_run for arm in laid_out.arms] == pytest.approx(
        [took["narrow"], took["wide"], mean]
    )
    expected = (2 * took["narrow"] + 2 * took["wide"] + 3 * mean) / 4
    assert laid_out.seconds == pytest.approx(expected)
    project.study("a", ABLATION, floor={}, seeds=[1, 2])
    assert matrix("a", project.request(workers=8)).seconds == pytest.approx(mean)


def test_a_recorded_trial_has_a_matrix_too(project: Project) -> None:
    project.study("s", SEARCH, budget={"trials": 1})
    search("s", project.request())
    assert states(project, "s/0", seeds=(1, 2)) == {"trial-0": ["to run", "to run"]}
    replay("s/0", project.request(), seeds=(1,))
    assert states(project, "s/0", seeds=(1, 2)) == {"trial-0": ["complete", "to run"]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arms": {"bad": {"model.init_args.widht": 2}}}, r"arms\.bad.*'width'"),
        ({"kind": "search"}, "arms"),
    ],
)
def test_a_wrong_study_is_refused(project: Project, changes: Any, message: str) -> None:
    project.study("a", ABLATION, reference=None, **changes)
    with pytest.raises(RequestError, match=message):
        matrix("a", project.request())


def test_what_is_wrong_without_the_arms_is_told_of_the_config(project: Project) -> None:
    project.study("a", ABLATION)
    config = project.folder / "configs/toy.yaml"
    config.write_text(config.read_text().replace("max_epochs", "max_epoch"))
    with pytest.raises(RequestError, match=r"^configs/toy\.yaml: trainer\.max_epoch: unknown key"):
        matrix("a", project.request())


def test_what_is_wrong_with_an_arm_is_told_of_the_arm(project: Project) -> None:
    project.study("a", {**ABLATION, "arms": {"wide": {"model.init_args.widht": 16}}})
    with pytest.raises(RequestError, match=r"^a: arms\.wide: model\.init_args\.widht: unknown"):
        matrix("a", project.request())
