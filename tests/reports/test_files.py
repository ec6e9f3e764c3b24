import base64
import csv
import hashlib
import io
import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from ablate.errors import NotFoundError, RequestError
from ablate.reports import Format
from ablate.reports.search_names import short_names
from ablate.spec import Cause, Status
from ablate.store import Batch, Store
from tests.reports.conftest import SEARCH, add_run, an_ablation, report

GOLDEN = Path(__file__).parent / "golden"


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def out(tmp_path):
    return tmp_path / "results" / "study" / "report"


@pytest.mark.parametrize("study", ["ablation", "search"])
def test_the_markdown_report_is_what_was_read_and_approved(store, out, study, request):
    name = request.getfixturevalue(study)
    written = report(store, name, out).markdown
    approved = GOLDEN / f"{name}.md"
    assert written.read_text() == approved.read_text(), f"if meant: cp {written} {approved}"


@pytest.mark.parametrize("study", ["ablation", "search"])
def test_equal_stores_give_equal_files(store, tmp_path, study, request):
    name = request.getfixturevalue(study)
    one, two = (report(store, name, tmp_path / "r" / part / "report").folder for part in "ab")
    assert contents(one) == contents(two)


def test_all_files_are_written_and_no_others(store, out, ablation, search):
    files = report(store, ablation, out)
    named = {files.markdown, files.html, *files.tables, *files.figures}
    assert named == set(out.iterdir())
    assert {path.name for path in named} == {
        *("report.md", "report.html", "arms.csv", "comparisons.csv", "runs.csv", "curves.csv"),
        *("curves-val_accuracy.svg", "curves-val_loss.svg"),
        *("differences-val_accuracy.svg", "differences-val_loss.svg"),
        *("seeds-val_loss.svg", "cost-parameters-val_loss.svg"),
    }
    other = report(store, search, out.with_name("other"))
    assert {path.name for path in other.tables} == {
        *("trials.csv", "runs.csv", "curves.csv", "importances.csv", "budget.csv"),
        "next_space.yaml",
    }
    assert {path.name for path in other.figures} == {
        *("history.svg", "curves.svg", "parallel.svg", "slices.svg", "budget.svg")
    }
    for figure in (*files.figures, *other.figures):
        assert f"({figure.name})" in (figure.parent / "report.md").read_text()


def test_a_report_replaces_the_one_before_and_keeps_other_files(store, out, ablation):
    report(store, ablation, out)
    before = contents(out)
    (out / "notes.txt").write_text("mine")
    (out / "report.md").write_text("old")
    report(store, ablation, out)
    assert contents(out) == {**before, "notes.txt": b"mine"}


class Page(HTMLParser):
    """Check that tags close and collect what a browser would fetch or run."""

    def __init__(self, page):
        super().__init__()
        self.open, self.fetched, self.scripts = [], [], 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.scripts += tag == "script"
        addresses = [v for k, v in attrs if k in {"src", "href", "action", "data"}]
        self.fetched += [v for v in addresses if not v.startswith(("#", "data:"))]
        self.scripts += any(k.startswith("on") for k, _ in attrs)
        if tag not in {"meta", "br", "link"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.fetched += [v for k, v in attrs if k in {"src", "href"} and not v.startswith("#")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("study", ["ablation", "search"])
def test_the_page_stands_alone(store, out, study, request):
    text = report(store, request.getfixturevalue(study), out).html.read_text()
    page = Page(text)
    assert page.open == []
    assert page.fetched == []
    assert page.scripts == 1
    script = text.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in unescape(text)
    assert "@import" not in text
    assert set(re.findall(r"url\(([^)]*)\)", text)) <= {
        f"#{name}" for name in re.findall(r'id="([^"]+)"', text)
    }


def test_nothing_written_holds_a_password_or_raw_markup(store, out, ablation):
    report(store, ablation, out)
    for name, content in contents(out).items():
        assert b"hunter2" not in content, name
        if name.endswith((".html", ".svg")):
            assert b"<cuda>" not in content, name
            assert b"<i>" not in content, name


def test_absolute_directories_never_show(store, tmp_path, monkeypatch):
    definition = store.define("s", an_ablation())
    for trial, path in enumerate(
        [tmp_path / "results" / "s" / "0-abc", Path("/far/away/1-abc"), Path("results/s/2-abc")]
    ):
        add_run(
            store,
            "s",
            trial,
            definition,
            arm="champion",
            seed=trial,
            curve=[1.0],
            directory=str(path),
        )
    monkeypatch.chdir(tmp_path)
    files = report(store, "s", Path("results/s/report"))
    assert [row["directory"] for row in rows(files.folder / "runs.csv")] == [
        *("0-abc", "1-abc", "2-abc")
    ]
    assert b"/far" not in b"".join(contents(files.folder).values())


def test_the_tables_hold_full_precision_and_say_what_is_missing(store, out, ablation):
    report(store, ablation, out)
    arms = {(row["metric"], row["arm"]): row for row in rows(out / "arms.csv")}
    champion = arms["val_loss", "champion"]
    values = [float(champion[f"seed_{seed}"]) for seed in (307, 308, 309)]
    assert float(champion["mean"]) == pytest.approx(sum(values) / 3, rel=1e-15)
    assert champion["trials"] == "0 4 8"
    diverged = arms["val_loss", "no_attention"]
    assert diverged["seed_309"] == ""
    assert diverged["not_counted"] == "seed 309: diverged: val_loss was nan at its end"
    assert arms["val_loss", "late"]["mean"] == ""
    curves = rows(out / "curves.csv")
    assert sum(row["value"] == "nan" for row in curves) == 6
    assert {row["metric"] for row in curves} == {"val_loss", "val_accuracy"}
    runs = rows(out / "runs.csv")
    assert len(runs) == 14
    assert [row["status"] for row in runs if row["standing"] != "current"] == ["interrupted"]


def test_the_trials_table_has_a_column_per_parameter(store, out, search):
    report(store, search, out)
    trials = rows(out / "trials.csv")
    assert [row["number"] for row in trials] == [str(number) for number in range(12)]
    assert trials[4]["reason"] == "boom <b>"
    assert trials[4]["value"] == ""
    assert float(trials[0]["optimizer.init_args.lr"]) == 0.01
    assert trials[1]["lr_scheduler"] == "restarts"


@pytest.mark.parametrize("definition", [an_ablation(), SEARCH], ids=["ablation", "search"])
def test_a_study_without_runs_has_a_report(store, out, definition):
    store.define("empty", definition)
    files = report(store, "empty", out)
    assert "yet" in files.markdown.read_text()
    assert files.figures == ()


def test_an_arm_worse_than_a_trivial_predictor_is_said_to_be(store, out):
    definition = store.define("s", an_ablation())
    for trial, seed in enumerate((307, 308, 309)):
        curve = [4.0 + trial / 10]
        add_run(store, "s", trial, definition, arm="champion", seed=seed, curve=curve)
        add_run(store, "s", trial + 3, definition, arm="copy_input", seed=seed, curve=[1.0])
    text = report(store, "s", out).markdown.read_text()
    assert "(1.000), is beaten by 0 of 1 arm that may be compared; not by [`champion`]" in text
    assert "above" not in text


def test_equal_means_share_the_lead_and_name_the_seeds_of_one_arm(store, out):
    definition = store.define("s", an_ablation())
    for trial, arm in enumerate(["champion", "late"]):
        add_run(store, "s", trial, definition, arm=arm, curve=[1.0])
    text = report(store, "s", out).markdown.read_text()
    assert "[`champion`](#arm-champion) and [`late`](#arm-late) are the only arms with a" in text
    assert "they share the mean 1.000 over 1 seed each" in text


def test_runs_under_an_earlier_definition_are_announced(store, out):
    earlier = store.define("s", an_ablation(config={}))
    add_run(store, "s", 0, earlier, arm="champion", curve=[1.0])
    store.define("s", an_ablation())
    text = report(store, "s", out).markdown.read_text()
    assert (
        "Arm [`champion`](#arm-champion): 1 run made under an earlier definition is not counted."
        in text
    )


def test_an_unknown_study_writes_nothing(store, out, ablation):
    with pytest.raises(NotFoundError, match="did you mean 'ladder'"):
        report(store, "laddr", out)
    assert not out.exists()


def test_a_folder_that_cannot_be_written_is_a_wrong_request(store, tmp_path, ablation):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(RequestError, match="name another folder"):
        report(store, ablation, tmp_path / "taken" / "report")


def test_parameters_are_named_as_short_as_they_differ():
    assert short_names(["a.lr", "b.lr", "a.x.wd", "lr"]) == ["a.lr", "b.lr", "wd", "lr"]


def test_training_metrics_that_the_study_does_not_name_have_no_curves(tmp_path, out):
    with Store.open(f"sqlite:///{tmp_path}/b.db", create=True) as store:
        definition = store.define("s", an_ablation())
        run = add_run(store, "s", 0, definition, arm="champion")
        store.write(Batch("s", metrics={(run, "train", "train_loss", 0): (0, 1.0)}))
        files = report(store, "s", out)
    assert not [figure for figure in files.figures if figure.name.startswith("curves")]
    assert "no value: val_loss was not recorded" in files.markdown.read_text()


def test_a_metric_of_the_study_that_is_logged_in_training_alone_has_a_curve(tmp_path, out):
    with Store.open(f"sqlite:///{tmp_path}/b.db", create=True) as store:
        definition = store.define("s", an_ablation())
        run = add_run(store, "s", 0, definition, arm="champion")
        store.write(Batch("s", metrics={(run, "train", "val_loss", 0): (0, 1.0)}))
        alone = report(store, "s", out)
        store.write(Batch("s", metrics={(run, "train", "val_loss", 10): (1, 0.5)}))
        files = report(store, "s", out)
    assert not [figure for figure in alone.figures if figure.name.startswith("curves")]
    drawn = [figure.name for figure in files.figures if figure.name.startswith("curves")]
    assert drawn == ["curves-val_loss.svg"]
    assert "`val_loss`: read on the training data" in files.markdown.read_text()


def test_the_list_of_runs_says_in_one_word_why_a_run_ended(store, out, ablation):
    report(store, ablation, out)
    runs = rows(out / "runs.csv")
    columns = list(runs[0])
    assert columns[columns.index("status") + 1] == "cause"
    assert {(row["status"], row["cause"]) for row in runs} == {
        ("complete", ""),
        ("running", ""),
        ("failed", "out of memory"),
        ("interrupted", "lost"),
    }


FORMULAS = ["=1+2", "+x", "-x", "@sum", "\tx", "\rx", "'quoted", "''", "＝1", "plain", "a-b"]  # noqa: RUF001


def test_no_spreadsheet_takes_a_cell_for_a_formula(store, out):
    definition = store.define(
        "names", an_ablation(arms={name: {} for name in FORMULAS}, reference="plain")
    )
    for trial, name in enumerate(FORMULAS):
        bad = {"status": Status.FAILED, "cause": Cause.RAISED, "reason": f"=cmd({trial})"}
        add_run(store, "names", trial, definition, arm=name, seed=trial, curve=[-0.5], **bad)
    files = report(store, "names", out)
    for table in files.tables:
        for cells in csv.reader(io.StringIO(table.read_text(), newline="")):
            assert not [cell for cell in cells if cell.startswith(tuple("=+@\t\r＝"))]  # noqa: RUF001
            assert all(float(cell) < 0 for cell in cells if cell.startswith("-"))
    written = pd.read_csv(out / "runs.csv", keep_default_na=False)
    read = written.map(lambda cell: cell.removeprefix("'") if isinstance(cell, str) else cell)
    assert read["arm"].tolist() == FORMULAS
    assert read["reason"].tolist() == [f"=cmd({trial})" for trial in range(len(FORMULAS))]
    curves = pd.read_csv(out / "curves.csv")
    assert set(curves[curves["metric"] == "val_loss"]["value"]) == {-0.5}


def test_for_a_paper_there_are_tables_in_latex_and_figures_as_pdf(
    store, tmp_path, ablation, search
):
    for study in (ablation, search):
        plain = report(store, study, tmp_path / study)
        printed = report(store, study, tmp_path / study / "paper", written_as=Format.TEX)
        more = {path.name for path in printed.folder.iterdir()} - {
            path.name for path in plain.folder.iterdir()
        }
        drawn = {path.stem for path in plain.figures if path.suffix == ".svg"}
        tables = ("arms", "comparisons") if study == ablation else ("trials", "importances")
        assert more == {f"{name}.pdf" for name in drawn} | {f"{name}.tex" for name in tables}
        for path in printed.figures:
            assert path.suffix != ".pdf" or path.read_bytes().startswith(b"%PDF-")
        for name in tables:
            assert r"\toprule" in (printed.folder / f"{name}.tex").read_text()
