"""May these arms be compared? Static checks, behavioural probes, and a look at what ran."""

from ablate.audits.findings import Finding, Severity

__all__ = ["Finding", "Severity"]
