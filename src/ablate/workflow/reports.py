"""Write the comparison report of a study."""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ablate import analysis
from ablate.audits.codes import as_rows
from ablate.reports import Audit, ReportFiles, write_report
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
    study: str, *, storage: str | None = None, results: str | Path = "results"
) -> ReportResult:
    """Write the report of a stored study into `results/STUDY/report/`: Markdown, HTML and CSV.

    The runs are checked first, and what is found is shown with the audit before them. Raises
    NotFoundError for an unknown study and RequestError if the folder can't be written.
    """
    results = Path(results)
    with Store.open(storage_url(storage), create=False) as store:
        frames = analysis.load(store, study)
        audited = audit_of(store, frames)
        concluded = None
        if isinstance(frames, analysis.AblationFrames):
            concluded = analysis.conclude(frames, audited.findings)
        folder = study_folder(results, study) / "report"
        files = write_report(
            store, frames, audited, folder, results / FOLDER, conclusions=concluded
        )
    if isinstance(frames, analysis.SearchFrames):
        return ReportResult(study, files, trials_frame(frames))
    return ReportResult(study, files, concluded.frame() if concluded else pd.DataFrame())


def audit_of(store: Store, frames: analysis.Frames) -> Audit:
    """Return what was found before the runs of a study, and what its runs show."""
    before = frames.audited if isinstance(frames, analysis.AblationFrames) else None
    return Audit(before is not None, (*(before or ()), *as_rows(audit_runs(store, frames))))
