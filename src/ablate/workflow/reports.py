"""Write the comparison report of a study."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ablate import analysis
from ablate.audits.codes import as_rows
from ablate.errors import RequestError
from ablate.reports import Audit, Format, ReportFiles, gathered, report_page, write_report
from ablate.reports.numbers import listing, plural
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
        kinds = Counter(path.suffix for path in self.files.tables)
        words = [("CSV file", kinds[".csv"]), ("LaTeX file", kinds[".tex"])]
        listed = listing(
            [self.files.markdown.name, *(plural(amount, noun) for noun, amount in words if amount)]
        )
        return f"report: {self.files.html} (also {listed})"


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
        raise RequestError(f"--format {format}: there is no such format; it is one of {known}")
    with Store.open(storage_url(storage), create=False) as store:
        frames = analysis.load(store, study)
        concluded, found = _concluded(store, frames)
        folder = study_folder(results, study) / "report"
        reported = gathered(store, concluded, found, results / FOLDER)
        files = write_report(reported, folder, Format(format))
    if isinstance(concluded, analysis.SearchConclusions):
        return ReportResult(study, files, trials_frame(concluded.trials))
    return ReportResult(study, files, concluded.frame())


def page_of(store: Store, study: str, results: Path) -> str:
    """Return the report of a stored study as one HTML page; nothing is written.

    Raises NotFoundError for an unknown study.
    """
    concluded, found = _concluded(store, analysis.load(store, study))
    folder = study_folder(results, study) / "report"
    return report_page(gathered(store, concluded, found, results / FOLDER), folder)


def _concluded(
    store: Store, frames: analysis.Frames
) -> tuple[analysis.Conclusions | analysis.SearchConclusions, Audit]:
    """Audit the runs of a study, and draw its conclusions."""
    if isinstance(frames, analysis.SearchFrames):
        return analysis.conclude_search(frames), audited(store, frames)
    known = analysis.ArmEstimates(frames)
    found = audited(store, known)
    return analysis.conclude(known, found.findings), found


def audited(store: Store, study: analysis.Frames | analysis.ArmEstimates) -> Audit:
    """Return what was found before the runs of a study, and what its runs show."""
    frames = study.frames if isinstance(study, analysis.ArmEstimates) else study
    before = frames.audited if isinstance(frames, analysis.AblationFrames) else None
    return Audit(before is not None, (*(before or ()), *as_rows(audit_runs(store, study))))
