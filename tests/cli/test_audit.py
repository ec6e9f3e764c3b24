"""`ablate audit`, and what `replay` and `report` do with it: real processes and workers."""

import json
from pathlib import Path
from typing import Any

import pytest

from ablate.store import Store
from tests.cli.test_commands import ablate, new_project
from tests.study.conftest import ABLATION, CONFIG, SEARCH, Project

LOSSY = {**CONFIG, "model": {"class_path": "toy.Toy", "init_args": {"width": 8, "dropout": 0.3}}}
"""A config whose dropout the arm `forgetful` loses."""
ARMS = {
    "wide": {"model.init_args.width": 16},
    "forgetful": {"model": {"class_path": "toy.Toy", "init_args": {"width": 2}}},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = new_project(tmp_path_factory.mktemp("project"))
    made.config(LOSSY, "lossy")
    made.study("clean", ABLATION, seeds=[1, 2, 3])
    made.study("unfair", ABLATION, config="../configs/lossy.yaml", arms=ARMS)
    made.study(
        "admitted",
        ABLATION,
        config="../configs/lossy.yaml",
        arms=ARMS,
        allow={"undeclared-difference": ["forgetful", "wide"]},
    )
    made.study("mistyped", ABLATION, allow={"undeclared-diference": "wide"})
    made.study("s", SEARCH)
    return made


def audit(folder: Path, *arguments: str) -> Any:
    return ablate(folder, "audit", *arguments, "--workers", "1")


def rows(done: Any) -> dict[str, dict[str, Any]]:
    return {row["code"]: row for row in json.loads(done.stdout)["findings"]}


def test_an_error_ends_with_1_and_is_printed_as_a_row(project: Project) -> None:
    before = project.files()
    done = audit(project.folder, "unfair", "--static", "--json")
    assert done.returncode == 1, done.stderr
    row = rows(done)["undeclared-difference"]
    assert row["severity"] == "error"
    assert row["arms"] == ["forgetful", "wide"]
    assert row["where"] == "model.init_args.dropout"
    assert row["allowed"] is False
    assert row["stage"] == "static"
    assert {"what", "advice"} <= row.keys()
    assert project.files() == before


def test_an_allowed_error_ends_with_0_and_stays_in_the_list(project: Project) -> None:
    done = audit(project.folder, "unfair", "--static", "--allow", "undeclared-difference")
    assert done.returncode == 0, done.stderr
    assert "error, allowed: undeclared-difference (forgetful, wide): dropout is" in done.stdout
    assert done.stdout.rstrip().endswith("(1 allowed)")


def test_what_a_study_itself_allows_stops_nothing(project: Project) -> None:
    done = audit(project.folder, "admitted", "--static")
    assert done.returncode == 0, done.stderr
    assert "error, allowed: undeclared-difference (forgetful, wide): dropout is" in done.stdout


@pytest.mark.parametrize("command", ["audit", "replay"])
def test_an_unknown_code_in_a_study_ends_with_2_and_the_nearest(
    project: Project, command: str
) -> None:
    before = project.files()
    done = ablate(project.folder, command, "mistyped", "--workers", "1")
    assert done.returncode == 2
    assert "mistyped: allow.undeclared-diference: there is no such code" in done.stderr
    assert "did you mean 'undeclared-difference'" in done.stderr
    assert project.files() == before


@pytest.mark.parametrize("command", ["audit", "replay"])
def test_a_code_that_does_not_exist_ends_with_2_and_the_nearest(
    project: Project, command: str
) -> None:
    before = project.files()
    done = ablate(project.folder, command, "unfair", "--allow", "undeclared-diference")
    assert done.returncode == 2
    assert "did you mean 'undeclared-difference'" in done.stderr
    assert project.files() == before


def test_a_search_is_audited_too(project: Project) -> None:
    done = audit(project.folder, "s", "--static", "--json")
    assert done.returncode == 0, done.stderr
    assert set(rows(done)) == {"small-budget", "best-on-reported-set"}


def test_a_clean_ablation_has_no_error_and_no_warning(project: Project) -> None:
    done = audit(project.folder, "clean", "--json")
    assert done.returncode == 0, done.stderr
    found = rows(done)
    assert {row["severity"] for row in found.values()} <= {"note"}, found


def test_a_replay_is_stopped_by_an_error_before_anything_is_written(project: Project) -> None:
    before = project.files()
    done = ablate(project.folder, "replay", "unfair", "--workers", "1")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "the arms of unfair may not be compared" in done.stderr
    assert "--allow undeclared-difference" in done.stderr
    assert "Traceback" not in done.stderr
    assert project.files() == before


@pytest.mark.long
def test_an_allowed_replay_runs_and_its_report_keeps_the_finding(project: Project) -> None:
    allow = ("--allow", "undeclared-difference")
    url = f"sqlite:///{project.folder}/allowed.db"
    done = ablate(
        project.folder, "replay", "unfair", *allow, "--workers", "1", "--storage", url, "--json"
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"] == {"complete": 6}
    with Store.open(url, create=False) as store:
        record = store.study("unfair")
        assert record is not None
        stored = store.audit(record.definition_id)
        assert stored is not None
        assert [row.allowed for row in stored.findings if row.severity == "error"] == [True]
    report = ablate(project.folder, "report", "unfair", "--storage", url)
    assert report.returncode == 0, report.stderr
    page = (project.folder / "results/unfair/report/report.md").read_text()
    assert "`undeclared-difference` | **error (allowed)** | 1 |" in page
    assert "not comparable" in page
    assert "`uncommitted-code`" in page  # found after the runs: this folder has no commits
    after = audit(project.folder, "unfair", "--static", *allow, "--storage", url, "--json")
    assert "uncommitted-code" in rows(after)


@pytest.mark.long
def test_a_recorded_trial_alone_is_not_audited(project: Project) -> None:
    url = f"sqlite:///{project.folder}/trial.db"
    done = ablate(
        project.folder, "search", "--study", "s", "--workers", "1", "--storage", url,
        "--set", "trainer.max_epochs=1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    again = ablate(project.folder, "replay", "s/0", "--workers", "1", "--storage", url, "--verify")
    assert again.returncode == 0, again.stderr
    assert "audit" not in again.stderr
