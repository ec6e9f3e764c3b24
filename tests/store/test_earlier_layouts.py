"""A database that an earlier ablate wrote is read as it was, and goes on where it stopped."""

import csv
import gzip
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState, create_trial
from typer.testing import CliRunner

from ablate.cli.app import app
from ablate.spec import dump_yaml, read_yaml
from ablate.store import Store

ABLATE = str(Path(sys.executable).with_name("ablate"))
FIXTURES = Path(__file__).parent / "fixtures"
STORAGE = "sqlite:///results/ablate.db"
GONE = {"effect", "noise_floor"}
"""Columns of tables before there were comparisons."""
TABLES = ("arms", "runs", "trials", "curves", "confirmed", "tuned", "published")
EXPECTED = {
    path.parent.name: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(FIXTURES.glob("layout_*/expected.json"))
}
"""Layout -> what the ablate that wrote it said of its database; `fixtures/README.md` says how."""


@dataclass(frozen=True)
class Stored:
    """A copy of a project with its database, which is the current directory."""

    folder: Path
    expected: dict[str, Any]


@pytest.fixture
def stored(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: Any) -> Stored:
    folder = tmp_path / "project"
    shutil.copytree(FIXTURES / request.param, folder)
    database = folder / "results" / "ablate.db"
    database.parent.mkdir()
    database.write_bytes(gzip.decompress((folder / "ablate.db.gz").read_bytes()))
    monkeypatch.chdir(folder)
    monkeypatch.delenv("ABLATE_STORAGE", raising=False)
    return Stored(folder, EXPECTED[request.param])


every_layout = pytest.mark.parametrize("stored", EXPECTED, indirect=True)


def command(*arguments: str) -> str:
    """Run a command that only reads, in this process, and return what it prints."""
    done = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def running(folder: Path, *arguments: str) -> Any:
    """Run a command that may start workers, on the processor, and return its JSON."""
    done = subprocess.run(
        [ABLATE, *arguments, "--workers", "1", "--json", "--quiet"],
        cwd=folder,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    # 1 says that some trials failed; in these studies some do.
    assert done.returncode in {0, 1}, done.stderr
    return json.loads(done.stdout)


def told(study: str) -> dict[str, Any]:
    """Return what the commands say of a study: its status, and its report by file name."""
    command("report", study)
    report = Path("results", study, "report")
    return {
        "status": json.loads(command("status", study, "--json"))[0],
        "report": {
            path.name: path.read_text(encoding="utf-8").splitlines()
            for path in sorted([report / "report.md", *report.glob("*.csv")])
        },
    }


def value(text: str) -> float | str:
    """Read a cell of a table."""
    try:
        return float(text)
    except ValueError:
        return text


def about(text: str) -> Any:
    """Read a cell of a table; of a computed number the last digits may differ."""
    read = value(text)
    return pytest.approx(read, rel=1e-9, nan_ok=True) if isinstance(read, float) else read


@every_layout
def test_every_study_is_there(stored: Stored) -> None:
    rows = json.loads(command("status", "--json"))
    assert [row["study"] for row in rows] == list(stored.expected["studies"])


@pytest.mark.parametrize(
    ("stored", "study"),
    [(layout, study) for layout, said in EXPECTED.items() for study in said["studies"]],
    indirect=["stored"],
)
def test_status_and_report_have_the_numbers_they_had(stored: Stored, study: str) -> None:
    expected, found = stored.expected["studies"][study], told(study)
    status = dict(expected["status"])
    if status["kind"] == "ablation":
        del status["best"]  # the values of different arms have no best one
    assert found["status"].items() >= status.items()
    for table in TABLES:
        then, now = (said["report"].get(f"{table}.csv", ()) for said in (expected, found))
        before, after = list(csv.DictReader(then)), list(csv.DictReader(now))
        assert len(before) == len(after), table
        for old, new in zip(before, after, strict=True):
            kept = {column: cell for column, cell in old.items() if column not in GONE}
            assert {column: value(new[column]) for column in kept} == {
                column: about(cell) for column, cell in kept.items()
            }, table


@every_layout
def test_the_findings_of_its_audits_are_there(stored: Stored) -> None:
    with Store.open(STORAGE, create=False) as store:
        for name, codes in stored.expected["findings"].items():
            study = store.study(name)
            assert study is not None
            audit = store.audit(study.definition_id)
            assert [row.code for row in (audit.findings if audit else ())] == codes, name


def leave_before_its_run() -> None:
    """Leave the next trial of the search as the first layout left one whose run never began."""
    with Store.open(STORAGE, create=False) as store:
        study = optuna.load_study(study_name="found", storage=store.optuna)
        whole = next(trial for trial in study.trials if len(trial.params) == 4)
        study.add_trial(
            create_trial(
                state=TrialState.RUNNING, params=whole.params, distributions=whole.distributions
            )
        )


@every_layout
def test_a_trial_that_was_left_before_its_run_is_no_foreign_one(stored: Stored) -> None:
    before = sum(stored.expected["studies"]["found"]["status"]["counts"].values())
    leave_before_its_run()
    with Store.open(STORAGE, create=False) as store:
        assert len(store.trials("found")) == before + 1
        assert store.foreign_trials("found") == []
        study = optuna.load_study(study_name="found", storage=store.optuna)
        trial = study.ask()
        assert store.foreign_trials("found") == [before + 1]
        trial.suggest_float("optimizer.init_args.lr", 1e-3, 10, log=True)
        assert store.foreign_trials("found") == [before + 1]


@pytest.mark.long
@every_layout
def test_a_search_goes_on(stored: Stored) -> None:
    leave_before_its_run()
    path = stored.folder / "studies" / "found.yaml"
    study = read_yaml(path)
    path.write_text(dump_yaml({**study, "budget": {"trials": study["budget"]["trials"] + 2}}))
    done = running(stored.folder, "search", "--study", "found", "--profile", "cpu")
    recorded = stored.expected["studies"]["found"]["status"]["counts"]
    assert sum(done["counts"].values()) == sum(recorded.values()) + 2
    assert all(done["counts"][state] >= count for state, count in recorded.items())


@pytest.mark.long
@every_layout
@pytest.mark.parametrize("study", ["plain", "steps", "parts", "chances"])
def test_a_replay_finds_all_runs_done(stored: Stored, study: str) -> None:
    made_with = stored.expected["libraries"]
    here = {name: version(name) for name in made_with}
    if made_with != here:
        pytest.skip(f"the runs have the defaults of {made_with}, which may differ in {here}")
    with Store.open(STORAGE, create=False) as store:
        before = [item.id for item in store.definitions(study)], store.runs(study)
    running(stored.folder, "replay", study, "--profile", "cpu")
    with Store.open(STORAGE, create=False) as store:
        assert ([item.id for item in store.definitions(study)], store.runs(study)) == before
