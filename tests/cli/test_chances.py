"""`ablate confirm` and `ablate replay --dry-run` as a user meets them."""

import json
from typing import Any

import pytest

from ablate.cli.matrix import show_matrix
from ablate.spec import Arm, Status
from ablate.study.matrix import PlannedArm, PlannedRun, PlannedSearch
from ablate.workflow import MatrixResult
from tests.study.conftest import ABLATION, SEARCH, Project

from .test_commands import ablate, new_project


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = new_project(tmp_path_factory.mktemp("project"))
    project.study("s", SEARCH, budget={"trials": 3})
    project.study("a", ABLATION)
    done = ablate(project.folder, "search", "--study", "s", "--workers", "1")
    assert done.returncode == 0, done.stderr
    return project


def test_confirm_prints_its_table_as_json_and_as_text(searched: Project) -> None:
    words = ("confirm", "s", "--top", "2", "--seeds", "2", "--workers", "1")
    done = ablate(searched.folder, *words, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["study"], result["search"], result["metric"]) == ("s-confirm", "s", "val_loss")
    assert result["counts"] == {"complete": 4}
    assert len(result["seeds"]) == 2
    assert [row["rank_found"] for row in result["trials"]] == [1, 2]
    assert {row["rank"] for row in result["trials"]} == {1, 2}
    assert all(row["low"] < row["mean"] < row["high"] for row in result["trials"])
    assert set(result["may_be_best"]) <= {row["trial"] for row in result["trials"]}
    again = ablate(searched.folder, *words)
    assert again.returncode == 0
    assert "ablate report s-confirm" in again.stderr
    for line in result["verdicts"]:
        assert line in again.stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["confirm", "s", "--top", "0"], "--top"),
        (["confirm", "s", "--seeds", "1"], "--seeds"),
        (["confirm", "zzz"], "there is no study 'zzz'"),
        (["replay", "s/0", "--dry-run", "--verify"], "give one of them"),
    ],
)
def test_a_wrong_request_ends_with_2(searched: Project, words: Any, message: str) -> None:
    before = searched.files()
    done = ablate(searched.folder, *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert searched.files() == before


def test_a_dry_run_prints_the_matrix_and_writes_nothing(searched: Project) -> None:
    before = searched.files()
    done = ablate(searched.folder, "replay", "a", "--dry-run", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "3 arms x 2 seeds, 6 runs: 0 done, 6 to run" in done.stdout
    assert "expected time with 1 worker: unknown" in done.stdout
    assert "model.init_args.width=16" in done.stdout
    assert searched.files() == before


def test_a_matrix_is_printed_as_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    runs = (PlannedRun(1, Status.FAILED, 3, "abc"), PlannedRun(2, None, None, None))
    arm = Arm("wide", {"model.init_args.width": 16}, design="independent")
    search = PlannedSearch("wide", "a-tune-wide", 4, 1, 2, {}, 10.0)
    matrix = MatrixResult("a", "cpu", (1, 2), (PlannedArm(arm, runs, 60.0),), (search,), 2)
    show_matrix(matrix, as_json=True)
    shown = json.loads(capsys.readouterr().out)
    assert (shown["runs"], shown["done"], shown["to_run"]) == (2, 1, 1)
    assert shown["expected_seconds"] == (60 + 3 * 2 * 10) / 2
    assert shown["arms"][0]["changes"] == {"model.init_args.width": 16}
    assert [run["state"] for run in shown["arms"][0]["runs"]] == ["failed", "to run"]
    assert shown["searches"][0]["to_run"] == 3
    show_matrix(matrix, as_json=False)
    text = capsys.readouterr().out
    assert "1 (1 failed)" in text
    assert "expected time with 2 workers: about 1:00" in text
