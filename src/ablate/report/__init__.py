"""Reports of a study: every sentence in them is computed."""

from ablate.report.files import ReportFiles, build

__all__ = ["ReportFiles", "build"]
