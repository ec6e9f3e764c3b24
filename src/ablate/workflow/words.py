"""What the commands and the results say alike."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ablate.audits.findings import Finding
    from ablate.store import FindingRow
    from ablate.study import FailedRun, GoalNews

_WIDEST = 400


def counted(counts: Mapping[Any, int]) -> str:
    """Write counts by state as words."""
    return ", ".join(f"{amount} {state}" for state, amount in counts.items()) or "none"


def clock(seconds: float) -> str:
    """Write seconds as minutes:seconds, from an hour on as hours:minutes:seconds."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def expected(seconds: float | None) -> str:
    """Write how long something may take; None as unknown."""
    if seconds is None:
        return "unknown"
    return "under a second" if seconds < 1 else f"about {clock(seconds)}"


def failed(run: "FailedRun") -> str:
    """Write in one line which run has failed, why, where, and where its log is."""
    arm = "" if run.arm is None else f", arm {run.arm}"
    seed = "" if run.seed is None else f", seed {run.seed}"
    log = "" if run.log is None else f"; log: {run.log}"
    return f"failed: trial {run.trial}{arm}{seed}: {why_failed(run)}{log}"


def judged(news: "GoalNews") -> str:
    """Write in one line which run has reached or missed which goal, and what was measured."""
    arm = "" if news.arm is None else f", arm {news.arm}"
    seed = "" if news.seed is None else f", seed {news.seed}"
    return f"trial {news.trial}{arm}{seed}: {news.judgement.text}"


def why_failed(run: "FailedRun") -> str:
    """Write in one line why a run has failed, its cause first, and where."""
    outcome = run.outcome
    lines = (outcome.reason or "no reason is known").splitlines()
    text = lines[0] if len(lines) == 1 else f"{lines[0]} ... {lines[-1].strip()}"
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    reason = text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."
    said = outcome.cause is None or reason.startswith(outcome.cause)
    return (
        f"{'' if said else f'{outcome.cause}: '}{reason}{f' at {run.where}' if run.where else ''}"
    )


def headline(finding: "Finding | FindingRow") -> str:
    """Write a finding as one line."""
    arms = f" ({', '.join(finding.arms)})" if finding.arms else ""
    mark = ", allowed" if finding.allowed else ""
    return f"{finding.severity}{mark}: {finding.code}{arms}: {finding.what}"


def by_severity(found: Collection["Finding | FindingRow"]) -> str:
    """Count findings by severity, in words."""
    counts = dict.fromkeys(("error", "warning", "note"), 0)
    for finding in found:
        counts[finding.severity] += 1
    words = [f"{n} {name}{'' if n == 1 else 's'}" for name, n in counts.items() if n]
    allowed = sum(finding.allowed for finding in found)
    return (", ".join(words) or "nothing found") + (f" ({allowed} allowed)" if allowed else "")
