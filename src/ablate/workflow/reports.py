"""Write the comparison report of a study."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ablate import analysis
from ablate.audits.codes import as_rows
from ablate.errors import RequestError
from ablate.reports import Audit, Format, ReportFiles, gathered, report_page, write_report
from ablate.spec.names import study_folder
from ablate.store import Store
from ablate.store.artifacts import FOLDER
from ablate.workflow.audited import audit_runs
from ablate.workflow.defaults import storage_url
from ablate.workflow.result import Result
from ablate.workflow.searches import trials_frame


@dataclass(frozen=True)
class ReportResult(Result):
    """Where a report was written, and the table that it compares."""

    study: str
    files: ReportFiles
    table: pd.DataFrame = field(repr=False)

    def frame(self) -> pd.DataFrame:
        """Return a row per comparison of arms with its verdict, or the trials of a search."""
        return self.table.copy()

    def comparisons(self) -> pd.DataFrame:
        """Return a row per comparison of arms with its verdict; none of a search."""
        return self.table.copy() if "verdict" in self.table else pd.DataFrame()

    def summary(self) -> str:
        """Say where the report is."""
        return (
            f"report: {self.files.html} (also {self.files.markdown.name} and "
            f"{len(self.files.tables)} CSV files)"
        )


def report(
    study: str,
    *,
    storage: str | None = None,
    results: str | Path = "results",
    format: Format | str = Format.PAGE,  # noqa: A002 - the option's name
) -> ReportResult:
    """Write the report of a stored study into `results/STUDY/report/`: Markdown, HTML and CSV.

    With `format="tex"` there are tables in LaTeX and the figures as PDF, too.

    The runs are checked first, and what is found is shown with the audit before them. Raises
    NotFoundError for an unknown study and RequestError if the folder can't be written.
    """
    results = Path(results)
    if format not in list(Format):
        known = ", ".join(Format)
        raise RequestError(f"--format {format}: there is no such format; those there are: {known}")
    with Store.open(storage_url(storage), create=False) as store:
        frames = analysis.load(store, study)
        audited = audit_of(store, frames)
        concluded = _concluded(frames, audited)
        folder = study_folder(results, study) / "report"
        reported = gathered(store, concluded, audited, results / FOLDER)
        files = write_report(reported, folder, Format(format))
    if isinstance(concluded, analysis.SearchConclusions):
        return ReportResult(study, files, trials_frame(concluded.frames))
    return ReportResult(study, files, concluded.frame())


def page_of(store: Store, study: str, results: Path) -> str:
    """Return the report of a stored study as one HTML page; nothing is written.

    Raises NotFoundError for an unknown study.
    """
    frames = analysis.load(store, study)
    audited = audit_of(store, frames)
    folder = study_folder(results, study) / "report"
    concluded = _concluded(frames, audited)
    return report_page(gathered(store, concluded, audited, results / FOLDER), folder)


def _concluded(
    frames: analysis.Frames, audited: Audit
) -> analysis.Conclusions | analysis.SearchConclusions:
    """Draw the conclusions of a study."""
    if isinstance(frames, analysis.AblationFrames):
        return analysis.conclude(frames, audited.findings)
    return analysis.conclude_search(frames)


def audit_of(store: Store, frames: analysis.Frames) -> Audit:
    """Return what was found before the runs of a study, and what its runs show."""
    before = frames.audited if isinstance(frames, analysis.AblationFrames) else None
    return Audit(before is not None, (*(before or ()), *as_rows(audit_runs(store, frames))))
