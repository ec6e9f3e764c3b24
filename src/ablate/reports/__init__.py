"""Reports of a study: every sentence in them is computed."""

from ablate.reports.audit import Audit
from ablate.reports.files import Format, Reported, ReportFiles, gathered, report_page, write_report

__all__ = ["Audit", "Format", "ReportFiles", "Reported", "gathered", "report_page", "write_report"]
