"""Audits around a study: before its arms run, and of its runs before they are compared."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ablate import analysis
from ablate.analysis import Relation, RemarkKind, Verdict
from ablate.audits import check
from ablate.audits.checks import check_runs, check_trials
from ablate.audits.codes import as_rows, check_codes
from ablate.audits.findings import Finding, allow, blocking, ordered
from ablate.audits.recorded import Curves, MetricCurves, RecordedRuns, Result
from ablate.errors import AuditError, NotFoundError
from ablate.run import Launcher
from ablate.spec import AblationDefinition, AblationStudy, Config, Study
from ablate.spec.commands import write_command
from ablate.store import FindingRow, RunRecord, Store
from ablate.study import Request
from ablate.study.recorded import recorded_trial
from ablate.study.setup import stored_study
from ablate.workflow.words import by_severity, headline


def audit_before_run(
    study: AblationStudy,
    resolved: Mapping[str, Config],
    launcher: Launcher,
    request: Request,
    allowed: Collection[str],
) -> tuple[FindingRow, ...]:
    """Audit an ablation before it is run, tell what is found, and return it to be recorded.

    Raises AuditError for errors that are not allowed, and NotFoundError if the study allows a
    code that does not exist.
    """
    found = audit_study(study, launcher, request, allowed, resolved=resolved)
    for finding in found:
        if finding.severity != "note":
            request.say(headline(finding))
    request.say(f"audit: {by_severity(found)}; all of it: {write_command('audit', study.name)}")
    if errors := blocking(found):
        raise AuditError(_refusal(study.name, errors))
    return tuple(as_rows(found))


def audit_study(
    study: Study,
    launcher: Launcher,
    request: Request,
    allowed: Collection[str],
    *,
    resolved: Mapping[str, Config] | None = None,
    probes: bool = True,
) -> list[Finding]:
    """Return all that stands against comparing the arms of a study, the allowed marked so."""
    declared = study.allow if isinstance(study, AblationStudy) else {}
    check_codes(declared, f"{study.name}: allow.")
    found = check.audit(
        study,
        launcher,
        request.say,
        resolved=resolved,
        recorded=_origins(study, request.storage),
        probes=probes,
    )
    return allow(found, allowed, declared)


def audit_recorded(study: Study, storage: str) -> list[Finding]:
    """Check what has been run of a study under the very definition that it has now."""
    record = stored_study(storage, study.name)
    if record is None:
        return []
    definition = study.definition
    if isinstance(definition, AblationDefinition) and isinstance(
        record.definition, AblationDefinition
    ):
        definition = definition.with_tuned(record.definition.tuned)
    if record.definition != definition:
        return []
    with Store.open(storage, create=False) as store:
        return audit_runs(store, analysis.load(store, study.name))


def audit_runs(store: Store, frames: analysis.Frames) -> list[Finding]:
    """Check what a study has run, before it is compared."""
    if isinstance(frames, analysis.SearchFrames):
        return ordered(check_trials(frames.definition, frames.trials))
    return ordered(check_runs(_recorded(store, frames, [frames.name])))


def audit_sides(
    store: Store, frames: analysis.AblationFrames, studies: Iterable[str]
) -> list[Finding]:
    """Check runs of some studies that are put side by side; no seed is missing from any side."""
    found = check_runs(_recorded(store, frames, studies))
    return ordered(item for item in found if item.code != "missing-runs")


def _origins(study: Study, storage: str) -> dict[str, Config]:
    """Read the configuration of the trial that a study names as its origin, if it is stored."""
    if not isinstance(study, AblationStudy):
        return {}
    provenance = study.definition.provenance
    origin = f"{provenance.study}/{provenance.trial}"
    if provenance.study is None or stored_study(storage, provenance.study) is None:
        return {}
    with Store.open(storage, create=False) as store:
        try:
            return {f"trial {origin}": recorded_trial(store, origin).config}
        except NotFoundError:
            return {}


def _recorded(
    store: Store, frames: analysis.AblationFrames, studies: Iterable[str]
) -> RecordedRuns:
    definition = frames.definition
    current = frames.current
    arms = dict(zip(current["run_id"].tolist(), current["arm"].tolist(), strict=True))
    prints: dict[int, Mapping[str, str]] = {}
    facts: dict[int, Mapping[str, Mapping[str, Any]]] = {}
    runs: list[RunRecord] = []
    for study in studies:
        prints |= store.fingerprints(study)
        facts |= store.facts(study)
        found = store.runs(study, with_config=True)
        runs += [replace(run, arm=arms[run.id]) for run in found if run.id in arms]
    concluded = analysis.conclude(frames, frames.audited or ())
    beside_floor = {
        (row.metric, row.arm): row.reason
        for row in concluded.comparisons
        if row.relation is Relation.FLOOR and row.verdict is Verdict.FLOOR_NOT_BEATEN
    }
    return RecordedRuns(
        definition=definition,
        runs=runs,
        curves=_curves(frames),
        fingerprints=prints,
        environments=frames.environments,
        facts=facts,
        examples={
            remark.metric: int(remark.value)
            for remark in concluded.remarks
            if remark.kind is RemarkKind.RESOLUTION
        },
        results=[
            Result(
                metric=row["metric"],
                direction=row["direction"],
                arm=row["arm"],
                kind=row["kind"],
                runs=row["runs"],
                values=tuple(cell.value for cell in row["cells"] if cell.counted),
                behind=beside_floor.get((row["metric"], row["arm"]), ""),
            )
            for row in concluded.table.to_dict("records")
        ],
    )


def _curves(frames: analysis.Frames) -> Curves:
    """Return the curves of all metrics by run and metric."""
    ids = frames.current["run_id"].to_numpy()
    found = {name: frames.values_of(name) for name in analysis.metric_names(frames)}
    return Curves(
        {
            name: MetricCurves(ids[of.run[of.starts]], of.starts, of.epoch, of.value)
            for name, of in found.items()
        }
    )


def _refusal(study: str, errors: Sequence[Finding]) -> str:
    """Word why a study is not run."""
    lines = "".join(f"\n  {headline(finding)}" for finding in errors)
    codes = " ".join(f"--allow {code}" for code in dict.fromkeys(f.code for f in errors))
    return (
        f"the arms of {study} may not be compared:{lines}\n"
        f"nothing was run; correct the study, or accept this with {codes}"
    )
