"""What commands do with the audit's findings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from ablate.errors import AuditError, NotFoundError

if TYPE_CHECKING:
    from ablate.analysis import Frames
    from ablate.audit import Finding
    from ablate.run import Launcher
    from ablate.spec import Study
    from ablate.store import FindingRow, Store
    from ablate.study.setup import Inspect, Request


def inspector(request: "Request", allowed: Collection[str]) -> "Inspect":
    """Audit a study before it is run: show what is found, stop at errors that are not allowed."""

    def inspect(
        study: "Study", resolved: Mapping[str, dict[str, Any]], launcher: "Launcher"
    ) -> "Sequence[FindingRow]":
        from ablate.audit.check import audit  # noqa: PLC0415
        from ablate.audit.codes import as_rows  # noqa: PLC0415
        from ablate.audit.findings import allow, blocking  # noqa: PLC0415

        declared = declared_allowances(study)
        recorded = origins(request.storage, study)
        found = audit(study, launcher, request.say, resolved=resolved, recorded=recorded)
        found = allow(found, allowed, declared)
        for item in found:
            if item.severity != "note":
                request.say(headline(item))
        request.say(f"audit: {counted(found)}; all of it: ablate audit {study.name}")
        if stopped := blocking(found):
            raise AuditError(refusal(study.name, stopped))
        return as_rows(found)

    return inspect


def declared_allowances(study: "Study") -> "Mapping[str, Collection[str]]":
    """Return what a study itself allows, by code; raise NotFoundError for an unknown code."""
    from ablate.audit.codes import check_codes  # noqa: PLC0415
    from ablate.spec import AblationSpec  # noqa: PLC0415

    declared = study.spec.allow if isinstance(study.spec, AblationSpec) else {}
    check_codes(declared, f"{study.name}: allow.")
    return declared


def refusal(study: str, stopped: Sequence["Finding"]) -> str:
    """Word why a study is not run."""
    lines = "".join(f"\n  {headline(item)}" for item in stopped)
    codes = " ".join(f"--allow {code}" for code in dict.fromkeys(item.code for item in stopped))
    return (
        f"the arms of {study} may not be compared:{lines}\n"
        f"nothing was run; correct the study, or accept this with {codes}"
    )


def origins(storage: str, study: "Study") -> dict[str, Any]:
    """Read the configuration of the trial that a study names as its origin, if it is stored."""
    from ablate.store import Store  # noqa: PLC0415
    from ablate.study.recorded import recorded_trial  # noqa: PLC0415
    from ablate.study.setup import stored_study  # noqa: PLC0415

    provenance = study.definition().get("provenance") or {}
    name, number = str(provenance.get("study")), str(provenance.get("trial"))
    if stored_study(storage, name) is None:
        return {}
    with Store.open(storage, create=False) as store:
        try:
            return {f"trial {name}/{number}": recorded_trial(store, f"{name}/{number}").config}
        except NotFoundError:
            return {}


def of_stored(storage: str, study: "Study") -> "list[Finding]":
    """Check what has been run of a study under the very definition it has now."""
    from ablate.store import Store  # noqa: PLC0415
    from ablate.study.setup import stored_study  # noqa: PLC0415

    record = stored_study(storage, study.name)
    if record is None:
        return []
    study = replace(study, tuned=record.definition.get("tuned") or {})
    if record.definition != study.definition():
        return []
    from ablate import analysis  # noqa: PLC0415 - pandas is loaded only when used

    with Store.open(storage, create=False) as store:
        return after_runs(store, analysis.load(store, study.name))


def after_runs(store: "Store", frames: "Frames") -> "list[Finding]":
    """Check what a study has run, before it is compared."""
    from ablate.audit.findings import ordered  # noqa: PLC0415
    from ablate.audit.runs import check_runs  # noqa: PLC0415
    from ablate.audit.trials import check_trials  # noqa: PLC0415

    if frames.record.kind == "search":
        return ordered(check_trials(frames.definition, frames.trials))
    return ordered(check_runs(_recorded(store, frames)))


def _recorded(store: "Store", frames: "Frames") -> Any:
    from ablate import analysis  # noqa: PLC0415
    from ablate.audit.recorded import Recorded, Result  # noqa: PLC0415

    definition, study = frames.definition, frames.record.name
    current = set(frames.current["run_id"].tolist())
    before = store.audit(frames.record.definition_id)
    reference = definition.get("reference")
    same = analysis.replicates_of(reference, before.findings if before else ()) if reference else ()
    table = analysis.arms_table(frames, definition["metrics"], definition["objective"])
    curves: dict[tuple[int, str], list[tuple[int, float]]] = {}
    values = frames.metrics[frames.metrics["phase"] == "val"].sort_values(["run_id", "step"])
    columns = (values[name].tolist() for name in ("run_id", "name", "epoch", "value"))
    for run_id, metric, epoch, value in zip(*columns, strict=True):
        curves.setdefault((run_id, metric), []).append((epoch, value))
    return Recorded(
        definition=definition,
        runs=[run for run in store.runs(study, with_config=True) if run.id in current],
        curves=curves,
        fingerprints=store.fingerprints(study),
        environments=frames.environments or {},
        results=[
            Result(
                metric=row["metric"],
                direction=row["direction"],
                arm=row["arm"],
                kind=row["kind"],
                runs=row["runs"],
                values=tuple(cell.value for cell in row["cells"] if cell.counted),
                effect=row["effect"],
                noise=row["noise_floor"],
            )
            for row in analysis.with_effects(table, same).to_dict("records")
        ],
    )


def headline(item: "Finding") -> str:
    """Write a finding as one line."""
    arms = f" ({', '.join(item.arms)})" if item.arms else ""
    mark = ", allowed" if item.allowed else ""
    return f"{item.severity}{mark}: {item.code}{arms}: {item.what}"


def counted(found: Sequence["Finding"]) -> str:
    """Count findings by severity, in words."""
    counts = dict.fromkeys(("error", "warning", "note"), 0)
    for item in found:
        counts[item.severity] += 1
    words = [f"{n} {name}{'' if n == 1 else 's'}" for name, n in counts.items() if n]
    allowed = sum(item.allowed for item in found)
    return (", ".join(words) or "nothing found") + (f" ({allowed} allowed)" if allowed else "")


def show(found: Sequence["Finding"]) -> None:
    """Print findings in full on stdout."""
    for item in found:
        typer.echo(f"{headline(item)}\n    at {item.where}\n    do: {item.advice}")
