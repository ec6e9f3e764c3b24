"""Tables for papers: what stands in them, and that nothing in them is read as a command."""

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.analysis import conclude
from ablate.reports import ReportFiles, tex
from ablate.workflow.reports import ReportResult
from tests.analysis.frames_of import definition, frames, run

NAME = "50%_of $x^2$ & {more}"


def tables():
    arms = {"b": (0.0, 0.1, 0.2), NAME: (10.5, 10.7, 10.8), "zero": (1e-9, 1e-9, 1e-9)}
    runs, curves = [], {}
    for arm, values in arms.items():
        for seed, value in enumerate(values, start=1):
            runs.append(run(len(runs) + 1, arm=arm, seed=seed))
            curves[len(runs), "loss"] = [value]
            curves[len(runs), "acc"] = [-value]
    declared = definition(seeds=(1, 2, 3), arms={"b": {}, NAME: {"x": 1}})
    return tex.tables(conclude(frames(runs, curves, declared)))


def rows(table):
    return [line.removesuffix(r" \\").split(" & ") for line in table.splitlines() if "&" in line]


def test_a_row_has_a_cell_for_every_column():
    for table in tables().values():
        cells = [re.split(r"(?<!\\) & ", line) for line in table.splitlines() if " & " in line]
        (format_,) = re.findall(r"\\begin\{tabular\}\{(.*)\}", table)
        assert {len(row) for row in cells} == {len(format_.split())}
        for rule in ("toprule", "midrule", "bottomrule"):
            assert f"\\{rule}" in table


def test_the_arms_stand_with_their_means_half_intervals_and_n():
    (row,) = [row for row in rows(tables()["arms.tex"]) if row[0] == "b"]
    mean, half, n = row[4:]
    assert (mean, n) == ("0.1000", "3")
    assert half.startswith("0.2484")


def test_columns_of_numbers_have_room_for_every_number():
    arms = tables()["arms.tex"]
    assert "S[table-format=-2.4e-2]" in arms  # 10.67 and -1.000e-09
    assert "S[table-format=-2.2]" in tables()["comparisons.tex"]


def test_names_are_written_as_they_are():
    assert r"50\%\_of \$x\textasciicircum{}2\$ \& \{more\}" in tables()["arms.tex"]


@given(st.text())
def test_no_text_holds_a_command_of_its_own(words):
    plain = re.sub(r"\\text(backslash|asciitilde|asciicircum)\{\}", "", tex.text(words))
    assert not re.search(r"(?<!\\)[&%$#_{}~^]|\\(?![&%$#_{}])|\n", plain)


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        (("arms.csv", "curves.csv"), "report.md and 2 CSV files"),
        (("trials.csv", "next_space.yaml"), "report.md and 1 CSV file"),
        (("arms.csv", "curves.csv", "arms.tex"), "report.md, 2 CSV files and 1 LaTeX file"),
    ],
)
def test_a_written_report_counts_its_files_by_kind(tables, said):
    files = ReportFiles(
        Path("r"), Path("r/report.md"), Path("r/report.html"), tuple(map(Path, tables)), ()
    )
    summary = ReportResult("s", files, pd.DataFrame()).summary()
    assert summary == f"report: {Path('r/report.html')} (also {said})"


def has_latex():
    """Say whether there is a LaTeX with what the tables ask for."""
    if shutil.which("pdflatex") is None or shutil.which("kpsewhich") is None:
        return False
    asked = ["kpsewhich", "booktabs.sty", "siunitx.sty"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_latex(), reason="no pdflatex with booktabs and siunitx is installed")
def test_the_tables_are_set_by_latex_without_a_complaint(tmp_path):
    written = tables()
    for name, content in written.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    inputs = "\n\n".join(f"\\input{{{name}}}" for name in written)
    packages = "\\usepackage{booktabs}\n\\usepackage{siunitx}\n"
    (tmp_path / "paper.tex").write_text(
        f"\\documentclass{{article}}\n{packages}\\begin{{document}}\n\\small\n{inputs}\n\\end{{document}}\n"
    )
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Warning" not in done.stdout
    assert (tmp_path / "paper.pdf").stat().st_size > 1_000
