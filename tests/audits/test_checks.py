"""There is one way of registering a check: for ablate's own, and for those of other packages."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ablate.audits.checks import CHECKS, check_runs, check_trials
from ablate.audits.codes import CODES, as_rows, check_codes, finding
from ablate.audits.registry import GROUP, installed_checks
from ablate.errors import NotFoundError, RequestError
from tests.audits.test_runs import CLEAN, OF_BRANCHES, trials
from tests.installing import install

MODULE = """
from ablate.audits import RUNS, TRIALS, Check, Code, Finding, finding

CODES = {"lonely-run": Code("warning", "a study has a single run", "runs")}

def lonely(recorded):
    yield finding("lonely-run", (), f"{len(recorded.runs)} runs", "runs", "make another")

def tried(recorded):
    yield finding("few-trials", (), f"{len(recorded.trials)} trials", "trials", "make another")

runs = Check(RUNS, lonely, CODES)
trials = Check(TRIALS, tried, {"few-trials": Code("note", "a search is short", "runs")})
undeclared = Check(RUNS, lonely, {"lonely": Code("warning", "a study has a single run", "runs")})
taken = Check(RUNS, lonely, {"diverged": Code("note", "a run took another way", "runs")})
def odd(recorded):
    yield Finding("odd-run", "warning", ("a", "b"), "odd", "runs", "see")

ungrouped = Check(RUNS, odd, {"odd-run": Code("warning", "arms are odd", "runs", between=True)})
nothing = 7
"""
Install = Callable[..., None]


@pytest.fixture
def installing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package that adds the checks given as `name="module:object"`."""

    def install_checks(**checks: str) -> None:
        (tmp_path / "other_checks.py").write_text(MODULE)
        install(tmp_path, "other-checks", {GROUP: checks})
        monkeypatch.syspath_prepend(str(tmp_path))
        installed_checks.cache_clear()

    yield install_checks
    monkeypatch.undo()
    installed_checks.cache_clear()


def test_every_code_is_found_by_some_check_and_every_check_finds_known_codes() -> None:
    found = {name: code for check in CHECKS for name, code in check.codes.items()}
    assert found == CODES


def test_the_checks_of_a_stage_find_codes_of_that_stage() -> None:
    stages = {(check.stage.name, code.stage) for check in CHECKS for code in check.codes.values()}
    assert stages == {
        ("static-ablation", "static"),
        ("static-search", "static"),
        ("evidence", "probe"),
        ("runs", "runs"),
        ("trials", "runs"),
    }


def test_an_installed_check_follows_behind_those_of_its_stage(installing: Install) -> None:
    installing(lonely="other_checks:runs", tried="other_checks:trials")
    bad = replace(CLEAN, runs=[*CLEAN.runs[1:], replace(CLEAN.runs[0], code_version="other")])
    assert [item.code for item in check_runs(bad)][-2:] == ["mixed-code", "lonely-run"]
    (item,) = check_trials(OF_BRANCHES, trials())
    assert (item.code, item.severity, item.what) == (
        "few-trials",
        "note",
        f"{len(trials())} trials",
    )
    assert as_rows([item])[0].stage == "runs"


def test_the_codes_of_installed_checks_can_be_allowed(installing: Install) -> None:
    with pytest.raises(NotFoundError, match="no such code"):
        check_codes(["lonely-run"])
    installing(lonely="other_checks:runs")
    check_codes(["lonely-run", "diverged"])
    with pytest.raises(NotFoundError, match="did you mean 'lonely-run'"):
        check_codes(["lonely-runs"])


@pytest.mark.parametrize(
    ("value", "use", "message"),
    [
        ("other_checks:gone", check_runs, "'mine' .* can't be loaded: .*'gone'"),
        ("no_checks_here:runs", check_runs, "'mine' .* can't be loaded: .*other-checks, or unin"),
        ("other_checks:nothing", check_runs, "'mine' .* is no ablate.audits.Check but 7"),
        (
            "other_checks:taken",
            lambda _: check_codes(["unequal-data"]),
            "'diverged' another meaning",
        ),
    ],
)
def test_an_installed_check_that_does_not_hold_is_refused(
    installing: Install, value: str, use: Callable[[Any], object], message: str
) -> None:
    installing(mine=value)
    with pytest.raises(RequestError, match=message):
        use(CLEAN)


def test_a_check_finds_no_code_that_it_does_not_declare(installing: Install) -> None:
    installing(mine="other_checks:undeclared", other="other_checks:runs")
    with pytest.raises(
        RequestError, match=r"other_checks\.lonely finds 'lonely-run', which is none"
    ):
        check_runs(CLEAN)


def test_an_installed_check_says_which_arms_are_alike(installing: Install) -> None:
    installing(mine="other_checks:ungrouped")
    with pytest.raises(RequestError, match=r"'odd-run' stands between arms, .* which are alike"):
        check_runs(CLEAN)


def test_a_finding_of_no_code_is_a_mistake_of_the_check() -> None:
    with pytest.raises(KeyError):
        finding("never-heard-of", (), "", "", "")
