"""Say whether the arms of a study may be compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ablate.audits.codes import as_rows, check_codes
from ablate.audits.findings import allow as mark_allowed
from ablate.audits.findings import blocking, ordered
from ablate.run import Launcher
from ablate.spec import Ablation, AblationStudy, Search
from ablate.store import FindingRow
from ablate.workflow.audited import audit_recorded, audit_study
from ablate.workflow.request import requested, written
from ablate.workflow.result import Result
from ablate.workflow.words import by_severity


@dataclass(frozen=True)
class AuditResult(Result):
    """What stands against comparing the arms of a study."""

    study: str
    profile: str
    findings: tuple[FindingRow, ...]
    comparable: bool
    """Whether no error is left that is not allowed."""

    def frame(self) -> pd.DataFrame:
        """Return the findings: code, severity, arms, what, where, advice, allowed, stage."""
        return pd.DataFrame(list(self.findings), columns=list(FindingRow._fields))

    def summary(self) -> str:
        """Count the findings by severity."""
        return f"{self.study}: {by_severity(self.findings)}"


def audit(
    study: str | Path | Search | Ablation,
    *,
    allow: Sequence[str] = (),
    static: bool = False,
    fresh: bool = False,
    storage: str | None = None,
    profile: str | None = None,
    set: Mapping[str, Any] | None = None,  # noqa: A002 - the option's name
    workers: int | None = None,
    quiet: bool = False,
    verbose: bool = False,
    launcher: Callable[[int], Launcher] | None = None,
) -> AuditResult:
    """Say whether the arms of a study may be compared; write nothing into the project.

    `static` reads the configurations only; otherwise every arm is built and probed, unless nothing
    has changed since that was done last. If `fresh`, it is done anyway. What has been
    run under the present definition is checked too. Raises RequestError if the request is wrong.
    """
    check_codes(allow)
    definition = written(study)
    with (
        requested(
            storage=storage,
            profile=profile,
            overrides=set,
            workers=workers,
            quiet=quiet,
            verbose=verbose,
            launcher=launcher,
        ) as request,
        request.launched(definition.import_folders()) as launched,
    ):
        prepared = request.prepare(definition, launched)
        found = audit_study(prepared, launched, request, allow, probes=not static, fresh=fresh)
    declared = prepared.allow if isinstance(prepared, AblationStudy) else {}
    recorded = mark_allowed(audit_recorded(prepared, request.storage), allow, declared)
    found = ordered([*found, *recorded])
    return AuditResult(
        prepared.name, prepared.profile, tuple(as_rows(found)), comparable=not blocking(found)
    )
