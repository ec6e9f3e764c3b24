"""Reports of a study: every sentence in them is computed."""

from ablate.report.audit import Audit
from ablate.report.files import ReportFiles, write_report

__all__ = ["Audit", "ReportFiles", "write_report"]
