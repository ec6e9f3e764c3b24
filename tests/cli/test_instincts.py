"""What a user types without reading: names in place of options, `python -m`, the tab key."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.study.conftest import ABLATION, SEARCH, Project

from .test_commands import ablate, environment, new_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = new_project(tmp_path)
    project.study("s", SEARCH, budget={"trials": 9})
    project.study("a", ABLATION)
    return project


def offered(folder: Path, *words: str, **variables: str) -> list[str]:
    """Return what bash would offer for the last of `words`."""
    line = " ".join(["ablate", *words])
    asked = {
        "_ABLATE_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words)),
        **variables,
    }
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ablate"))], cwd=folder, capture_output=True, text=True,
        env={**environment(), **asked}, check=False, timeout=120,
    )  # fmt: skip
    assert not done.stderr, done.stderr
    return done.stdout.split("\n")[:-1] if done.stdout.endswith("\n") else done.stdout.split("\n")


def test_a_search_is_named_by_its_place_and_given_a_budget(project: Project) -> None:
    done = ablate(project.folder, "search", "s", "--trials", "1", "--workers", "1", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["counts"] == {"complete": 1}
    words = ("search", "s", "--study", "s", "--timeout", "1s", "--trials", "1")
    again = ablate(project.folder, *words, "--workers", "1")
    assert again.returncode == 0, again.stderr
    assert "its budget was met before" in again.stdout


def test_a_replay_runs_the_arms_and_seeds_that_are_named(project: Project) -> None:
    words = ("replay", "a", "--arms", "wide, narrow", "--seeds", "2", "--workers", "1", "--json")
    dry = ablate(project.folder, *words, "--dry-run")
    assert [arm["arm"] for arm in json.loads(dry.stdout)["arms"]] == ["narrow", "wide"]
    done = ablate(project.folder, *words)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["runs"]
    assert [(row["arm"], row["seed"]) for row in rows] == [("narrow", 2), ("wide", 2)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["search"], "which study?"),
        (["search", "s", "--study", "a"], "two studies are named"),
        (["search", "s", "--trials", "0"], "--trials"),
        (["search", "s", "--timeout", "soon"], "timeout: write a duration"),
        (["replay", "a", "--arms", "wied"], "did you mean 'wide'"),
        (["replay", "a", "--arms", "wide,"], "write names of arms"),
        (["replay", "a", "--seeds", "1,3"], "it declares 1, 2"),
        (["replay", "s/0", "--verify", "--seeds", "3"], "leave out --arms and --seeds"),
    ],
)
def test_a_wrong_request_ends_with_2(project: Project, words: list[str], message: str) -> None:
    before = project.files()
    done = ablate(project.folder, *words)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert project.files() == before


def test_the_module_is_the_command(tmp_path: Path) -> None:
    for words, code in ((["--version"], 0), (["search"], 2)):
        shown: list[Any] = [
            subprocess.run(
                [*start, *words], cwd=tmp_path, capture_output=True, text=True, check=False,
                timeout=120,
            )
            for start in (
                [sys.executable, "-m", "ablate"],
                [str(Path(sys.executable).with_name("ablate"))],
            )
        ]  # fmt: skip
        assert [done.returncode for done in shown] == [code, code]
        assert shown[0].stdout == shown[1].stdout


def test_the_tab_key_offers_commands_studies_and_arms(project: Project) -> None:
    assert "--install-completion" in ablate(project.folder, "--help").stdout
    assert offered(project.folder, "se") == ["search"]
    assert offered(project.folder, "search", "") == ["a", "s"]
    assert offered(project.folder, "search", "--study", "") == ["a", "s"]
    assert offered(project.folder, "replay", "a", "--arms", "") == ["narrow", "wide", "mean"]
    assert offered(project.folder, "replay", "a", "--arms", "wide,") == ["wide,narrow", "wide,mean"]
    assert offered(project.folder, "replay", "nowhere", "--arms", "") == [""]


def test_the_tab_key_offers_stored_studies(project: Project) -> None:
    assert offered(project.folder, "report", "") == [""]
    ablate(project.folder, "search", "s", "--trials", "1", "--workers", "1")
    (project.folder / "studies" / "s.yaml").unlink()
    assert offered(project.folder, "report", "") == ["s"]
    assert offered(project.folder, "status", "") == ["s"]
    (project.folder / "results").rename(project.folder / "kept")
    stored = f"sqlite:///{project.folder}/kept/ablate.db"
    assert offered(project.folder, "report", "") == [""]
    assert offered(project.folder, "report", "", ABLATE_STORAGE=stored) == ["s"]
    assert offered(project.folder, "report", "--storage", stored, "") == ["s"]
