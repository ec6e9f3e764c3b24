"""Everything a command does can be done from Python in one line, with the same result."""

import inspect
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import ablate
from ablate.errors import AuditError, NotFoundError, RequestError, SpecError, StorageError
from ablate.spec import Cause, Status
from ablate.store import engines
from ablate.testing import toy
from tests.study.conftest import ABLATION, CONFIG, SEARCH

TOY = Path(toy.__file__)
FAILING = {"bad": {"model.init_args.mishap": "raise"}, "good": {"model.init_args.width": 4}}


def a_search(**changes: Any) -> ablate.Search:
    return ablate.Search(**{**SEARCH, "name": "quest", "config": CONFIG, **changes})


def an_ablation(**changes: Any) -> ablate.Ablation:
    return ablate.Ablation(**{**ABLATION, "name": "arms", "config": CONFIG, **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a search and an ablation were run from Python, without a file of theirs."""
    folder = tmp_path_factory.mktemp("api")
    shutil.copy(TOY, folder / "toy.py")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("ABLATE_STORAGE", raising=False)
        ablate.search(a_search(budget={"trials": 3}), workers=2, quiet=True)
        ablate.replay(an_ablation(seeds=[1, 2, 3]), workers=2, quiet=True)
    return folder


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.delenv("ABLATE_STORAGE", raising=False)
    return folder


def best_of(study: str) -> int:
    best = next(made.best for made in ablate.status().studies if made.study == study)
    assert best is not None
    return best.number


def command(*words: str) -> Any:
    """Run a command of the same name and read its JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "ablate", *words, "--json"], capture_output=True, text=True,
        check=False, timeout=300, env={**os.environ},
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def test_a_search_that_is_done_is_returned_with_its_trials(here: Path) -> None:
    result = ablate.search(a_search(budget={"trials": 3}), workers=1, quiet=True)
    assert result.already_done
    assert result.counts == {Status.COMPLETE: 3}
    trials = result.frame()
    assert trials["number"].tolist() == [0, 1, 2]
    assert set(SEARCH["space"]) <= set(trials.columns)
    assert result.best is not None
    assert trials["value"].min() == result.best.value
    assert str(result.best.value) in result.summary()


def test_a_replay_returns_a_row_per_run_as_the_command_does(here: Path) -> None:
    result = ablate.replay(an_ablation(seeds=[1, 2, 3]), workers=1, quiet=True)
    assert result.already_done
    rows = result.frame()
    assert rows[["arm", "seed"]].values.tolist() == [
        [arm, seed] for arm in ("narrow", "wide", "mean") for seed in (1, 2, 3)
    ]
    best = {run.trial: run.best["val_loss"] for run in result.runs}
    assert rows["val_loss"].tolist() == list(best.values())
    assert rows["val_loss (last)"].notna().all()


def test_a_report_from_python_holds_the_checks_of_the_runs(here: Path) -> None:
    result = ablate.report("arms", results="elsewhere")
    text = result.files.markdown.read_text()
    assert "uncommitted-code" in text
    stages = set(ablate.load("arms").findings["stage"])
    assert "runs" in stages
    assert stages & {"static", "probe"}
    written = {path.name: path.read_bytes() for path in result.files.folder.iterdir()}
    command("report", "arms", "--results", "again")
    again = Path("again/arms/report")
    assert {path.name: path.read_bytes() for path in again.iterdir()} == written
    assert set(result.frame()["arm"]) == {"narrow", "wide"}


def test_things_are_set_side_by_side_as_the_command_does(here: Path) -> None:
    result = ablate.compare("arms/wide", "arms/narrow", "quest")
    assert [(side.kind, side.stands_for) for side in result.sides] == [
        ("arm", "arms/wide"), ("arm", "arms/narrow"), ("study", f"quest/{best_of('quest')}")
    ]  # fmt: skip
    changed = {row.path: row.values for row in result.differences}
    assert changed["model.init_args.width"][:2] == (16, 2)
    rows = result.frame()
    assert rows["comparator"].unique().tolist() == ["arms/wide"]
    assert rows.loc[rows["arm"] == "arms/narrow", "n"].unique().tolist() == [3]
    quest = rows[rows["arm"].str.startswith("quest")]
    assert set(quest["verdict"]) == {"cannot tell"}
    printed = command("compare", "arms/wide", "arms/narrow", "quest")
    differences = [row["difference"] for row in printed["comparisons"]]
    assert differences == [None if pd.isna(found) else found for found in rows["difference"]]
    reported = command("report", "arms", "--results", "rows")["comparisons"]
    wide = [row["difference"] for row in reported if row["arm"] == "narrow"]
    assert wide[0] == pytest.approx(rows.loc[rows["arm"] == "arms/narrow", "difference"].iloc[0])


def test_two_ablations_are_compared_arm_by_arm(here: Path) -> None:
    storage = "sqlite:///twice.db"
    for name, epochs in (("short", 1), ("longer", 2)):
        study = an_ablation(name=name, seeds=[1], floor={})
        ablate.replay(
            study, storage=storage, workers=1, quiet=True, set={"trainer.max_epochs": epochs}
        )
    result = ablate.compare("short", "longer", storage=storage)
    assert {(row.comparator, row.arm) for row in result.comparisons} == {
        ("short/wide", "longer/wide"), ("short/narrow", "longer/narrow")
    }  # fmt: skip
    assert [row.path for row in result.differences] == ["trainer.max_epochs"]
    assert {row.reason for row in result.comparisons} == {"only 1 seed counts"}


def test_config_files_are_compared_with_all_their_defaults(here: Path, tmp_path: Path) -> None:
    for name, width in (("a", 3), ("b", 5)):
        config = {**CONFIG, "model": {"class_path": "toy.Toy", "init_args": {"width": width}}}
        (here / f"{name}.yaml").write_text(json.dumps(config))
    result = ablate.compare("a.yaml", "b.yaml", workers=1, quiet=True)
    assert {row.path: row.values for row in result.differences} == {"model.init_args.width": (3, 5)}
    mixed = ablate.compare("a.yaml", "quest/0", workers=1, quiet=True)
    assert "trainer.max_epochs" not in {row.path for row in mixed.differences}
    assert "model.init_args.width" in {row.path for row in mixed.differences}
    assert mixed.frame().columns.tolist() == ["path", "a.yaml", "quest/0"]


def test_a_verified_trial_matches(here: Path) -> None:
    result = ablate.verify("quest/0", allow_import=["toy"], workers=1, quiet=True)
    assert (result.verdict, result.exact) == ("MATCH", True)
    assert result.frame().empty
    assert result.summary().startswith("MATCH bit for bit: ")


def test_the_best_trials_are_confirmed(here: Path) -> None:
    result = ablate.confirm("quest", top=2, seeds=2, allow_import=["toy"], workers=2, quiet=True)
    assert result.counts == {Status.COMPLETE: 4}
    assert result.frame()["rank_found"].tolist() == [1, 2]
    assert result.summary().splitlines()[:-1] == list(result.verdicts)


def test_status_says_what_the_command_says(here: Path) -> None:
    result = ablate.status()
    said = {row["study"]: row for row in command("status")}
    assert {status.study for status in result.studies} == said.keys()
    for row in result.frame().to_dict("records"):
        assert row["complete"] == said[row["study"]]["counts"]["complete"]
        assert row["kind"] == said[row["study"]]["kind"]


def test_an_audit_returns_the_findings_of_the_command(here: Path) -> None:
    study = an_ablation(seeds=[1])
    found = ablate.audit(study, static=True, quiet=True)
    assert found.comparable
    assert "few-seeds" in set(found.frame()["code"])
    allowed = ablate.audit(study, static=True, allow=["few-seeds"], quiet=True).frame()
    assert allowed.loc[allowed["code"] == "few-seeds", "allowed"].all()


def test_a_frozen_trial_is_a_config(here: Path, tmp_path: Path) -> None:
    result = ablate.freeze("quest/1", "best", folder=tmp_path)
    assert result.path == tmp_path / "best.yaml"
    leaves = dict(result.frame().itertuples(index=False))
    trial = ablate.load("quest").trials.set_index("number").loc[1]
    assert leaves["optimizer.init_args.lr"] == trial["optimizer.init_args.lr"]


def test_a_matrix_runs_nothing(here: Path) -> None:
    result = ablate.matrix(an_ablation(seeds=[1, 2, 3, 4]), workers=1, quiet=True)
    assert (result.runs, result.to_run) == (12, 3)
    states = result.frame().set_index(["arm", "seed"])["state"]
    assert states["narrow", 3] == "complete"
    assert states["narrow", 4] == "to run"
    assert len(ablate.load("arms").trials) == 9


def test_loaded_frames_have_their_documented_columns(here: Path) -> None:
    data = ablate.load("arms")
    documented = inspect.getdoc(type(data)) or ""
    for name in ("runs", "trials", "metrics", "findings"):
        frame = getattr(data, name)
        assert not frame.empty, name
        for column in frame.columns:
            assert str(column) in documented, f"{name}.{column} is not documented"
    assert data.definition.reference == "wide"
    assert set(data.configs.index) == set(data.runs["run_id"])
    assert set(data.configs["model.init_args.width"].dropna()) == {2, 16}
    beside = data.comparisons[data.comparisons["relation"] == "reference"]
    assert set(beside["arm"]) == {"narrow"}
    assert beside["difference"].notna().all()
    merged = data.metrics.merge(data.runs[["run_id", "status"]], on="run_id")
    assert (merged["status"] == Status.COMPLETE).all()


def test_a_failed_run_has_its_cause_beside_its_reason(here: Path) -> None:
    storage = "sqlite:///failing.db"
    result = ablate.replay(
        an_ablation(arms=FAILING, reference="good", floor={}, seeds=[1]),
        storage=storage,
        workers=1,
        quiet=True,
    )
    assert result.counts == {Status.FAILED: 1, Status.COMPLETE: 1}
    bad = next(run for run in result.runs if run.arm == "bad")
    assert (bad.state, bad.cause) == (Status.FAILED, Cause.RAISED)
    assert bad.reason == "KeyError: 'the module raised'"
    runs = ablate.load("arms", storage=storage).runs
    assert Cause.RAISED in set(runs["cause"])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ablate.search("nowhere"), NotFoundError, "there is no 'nowhere' in studies/"),
        (lambda: ablate.search(an_ablation()), SpecError, "the study 'arms' is an ablation"),
        (lambda: ablate.replay(a_search()), SpecError, "the study 'quest' is a search"),
        (lambda: ablate.search(3), SpecError, "not int"),
        (lambda: ablate.search(a_search(name="")), SpecError, "needs a name"),
        (lambda: ablate.search(a_search(), workers=0), RequestError, "at least 1, not 0"),
        (lambda: ablate.replay(an_ablation(), allow=["fw-seeds"]), NotFoundError, "few-seeds"),
        (lambda: ablate.load("nowhere"), NotFoundError, "there is no study 'nowhere'"),
        (lambda: ablate.status(storage="sqlite:///none.db"), RequestError, "does not exist"),
        (lambda: ablate.compare("arms"), RequestError, "'arms' alone can't be compared"),
        (lambda: ablate.compare("arms", "arms"), RequestError, "'arms' is named twice"),
        (lambda: ablate.compare("arms", "nowhere"), NotFoundError, "no study 'nowhere'"),
        (lambda: ablate.compare("arms/wdie", "quest"), RequestError, "did you mean 'wide'"),
        (lambda: ablate.compare("quest/best", "arms"), RequestError, "quest/NUMBER"),
        (lambda: ablate.compare("arms", "arms/wide"), RequestError, "are the same runs"),
        (lambda: ablate.compare("no.yaml", "arms"), NotFoundError, "no.yaml"),
    ],
)
def test_a_wrong_request_raises_the_error_of_the_command(
    here: Path, call: Any, error: Any, message: str
) -> None:
    before = {path for path in here.rglob("*") if "__pycache__" not in path.parts}
    with pytest.raises(error, match=message):
        call()
    after = {path for path in here.rglob("*") if "__pycache__" not in path.parts}
    assert {path for path in after ^ before if path.suffix not in {".db-wal", ".db-shm"}} == set()


def test_arms_that_may_not_be_compared_are_not_run(here: Path) -> None:
    lossy = {"class_path": "toy.Toy", "init_args": {"width": 8, "dropout": 0.5}}
    arms = {"wide": {}, "forgetful": {"model": {"class_path": "toy.Toy"}}}
    study = an_ablation(
        name="unfair", config={**CONFIG, "model": lossy}, arms=arms, floor={}, reference="wide"
    )
    with pytest.raises(AuditError, match=r"undeclared-difference (?s:.*)nothing was run"):
        ablate.replay(study, workers=1, quiet=True)
    assert "unfair" not in {status.study for status in ablate.status().studies}


def test_results_show_in_a_notebook_with_their_text_escaped(here: Path) -> None:
    shown = [
        ablate.status()._repr_html_(),
        ablate.load("arms")._repr_html_(),
        ablate.audit(an_ablation(), static=True, quiet=True)._repr_html_(),
    ]
    for html in shown:
        assert html.count("<table") == html.count("</table>") == 1
    storage = "sqlite:///escaped.db"
    study = an_ablation(
        name="escaped", arms={"<b>arm</b>": {}}, floor={}, reference=None, seeds=[1]
    )
    html = ablate.replay(study, storage=storage, workers=1, quiet=True)._repr_html_()
    assert "&lt;b&gt;arm&lt;/b&gt;" in html
    assert "<b>arm" not in html


def test_a_study_runs_from_a_thread_too(here: Path) -> None:
    """Signals can be heeded in the main thread only, and notebooks may use others."""
    found: list[Any] = []

    def work() -> None:
        study = a_search(name="threaded", budget={"trials": 1})
        found.append(ablate.search(study, storage="sqlite:///thread.db", workers=1, quiet=True))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=240)
    assert found[0].counts == {Status.COMPLETE: 1}


def test_the_functions_take_the_options_of_their_commands() -> None:
    import typer.main

    from ablate.cli.app import app

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    shown = {"json", "verify", "dry_run", "set", "as"}
    for name in ("search", "replay", "confirm", "audit", "report", "status"):
        takes = set(inspect.signature(getattr(ablate, name)).parameters)
        options = {
            flag.removeprefix("--").replace("-", "_")
            for parameter in commands[name].params
            for flag in parameter.opts
            if flag.startswith("--")
        }
        if name == "replay":
            takes |= set(inspect.signature(ablate.verify).parameters)
        assert options - shown - {"help"} <= takes, name
        assert "set" not in options or "set" in takes


def test_importing_ablate_is_light() -> None:
    code = "import sys, ablate; print(*sorted({'torch', 'pandas', 'optuna'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_every_public_name_is_there_and_documented() -> None:
    for name in ablate.__all__:
        value = getattr(ablate, name)
        assert name == "__version__" or (inspect.getdoc(value) or "").strip(), name
    assert set(ablate.__all__) == set(dir(ablate))
    assert isinstance(ablate.load.__module__, str)
    with pytest.raises(AttributeError, match="no attribute 'serach'"):
        ablate.serach  # noqa: B018


def test_frames_are_copies(here: Path) -> None:
    data = ablate.load("arms")
    copied = data.frame()
    copied["status"] = "changed"
    assert isinstance(data.runs, pd.DataFrame)
    assert set(data.runs["status"]) == {Status.COMPLETE}


def test_a_database_that_can_only_be_read_is_laid_out_and_audited_and_never_written(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "only_readable", Path.exists)
    before = {path: path.stat().st_mtime_ns for path in here.rglob("*")}
    laid_out = ablate.matrix(an_ablation(seeds=[1, 2, 3]), workers=1, quiet=True)
    assert laid_out.to_run == 0
    assert ablate.audit(an_ablation(seeds=[1, 2, 3]), static=True, workers=1, quiet=True).study
    with pytest.raises(StorageError, match="can only be read by this user"):
        ablate.search(a_search(budget={"trials": 9}), workers=1, quiet=True)
    assert before == {path: path.stat().st_mtime_ns for path in here.rglob("*")}
