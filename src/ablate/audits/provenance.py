"""Whether runs rest on the same code, and whether their records are what was recorded."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from ablate.audits.codes import between, finding
from ablate.audits.differences import listed
from ablate.audits.findings import Finding, Severity
from ablate.audits.recorded import (
    RecordedRuns,
    RecordedTrials,
    alike_runs,
    grouped,
    named,
    several,
)
from ablate.spec.facts import Fact
from ablate.store import RunRecord, Seals

_SHOWN = 4
_OF_A_PROCESS = re.compile(
    r"CUDA_VISIBLE_DEVICES$|.*RANK$|WORLD_SIZE$|MASTER_|SLURM_|.*JOB_?ID$|HOST|TE?MP|PWD$|COLUMNS$|"
    r"LINES$|TERM|PYTHONHASHSEED$|CUBLAS_WORKSPACE_CONFIG$"
)
"""Variables that say where a process runs; `hash-order` speaks of the hash seed."""
_BESIDE_RUNS = re.compile(r"ablate\.(analysis|audits|cli|measure|reports|study|workflow)\b")
"""Modules of ablate that a worker may have imported, but no run ever enters."""
_SAME_VARIABLES = "set it alike for all runs, or make it a key of the configuration"
_ADVICE = (
    "run the older ones again with the code of the newer, or see that nothing they use has changed"
)


def check_code(recorded: RecordedRuns) -> Iterator[Finding]:
    """Find runs of different code, and of code that no commit holds."""
    versions = grouped(recorded.runs, lambda run: run.code_version)
    sources = {
        run.id: recorded.facts[run.id][Fact.SOURCES]
        for run in recorded.runs
        if Fact.SOURCES in recorded.facts.get(run.id, {})
    }
    changed = {
        module: groups
        for module, groups in _changed(recorded.runs, sources).items()
        if not _BESIDE_RUNS.match(module)
    }
    if changed:
        modules = [*changed]
        yield between(
            "mixed-code",
            _alike(recorded.runs, sources, changed),
            f"{several(len(modules), 'module')} changed between runs that stand side by side: "
            + "; ".join(
                f"{module} is one in {' and another in '.join(map(_whose, changed[module]))}"
                for module in modules[:_SHOWN]
            ),
            listed(modules),
            _ADVICE,
        )
    elif len(versions) > 1:
        known = all(run.id in sources for run in recorded.runs)
        yield between(
            "mixed-code",
            alike_runs(recorded.runs, {run.id: {"": run.code_version} for run in recorded.runs}),
            "runs of different commits stand side by side: "
            + "; ".join(f"{name} in {named(runs)}" for name, runs in versions.items())
            + (", but no module that they share has changed" if known else ""),
            "code version",
            _ADVICE,
            severity="note" if known else None,
        )
    loose = [name for name in versions if name.endswith("+dirty") or name == "unversioned"]
    if loose:
        yield finding(
            "uncommitted-code",
            (),
            f"{several(sum(len(versions[name]) for name in loose), 'run')} used code that no "
            "commit holds, so nobody can run them again",
            "code version",
            "commit before a run that is to be reported",
        )


def check_surroundings(recorded: RecordedRuns) -> Iterator[Finding]:
    """Find files that changed between runs that read them, and variables that they ask for."""
    for kind, code, what, advice in (
        (
            Fact.FILES,
            "mixed-files",
            "other content in files that they read",
            "put the file back and run the others again",
        ),
        (
            Fact.VARIABLES,
            "mixed-environments",
            "other variables of the environment",
            _SAME_VARIABLES,
        ),
    ):
        told = {
            run.id: {
                name: digest
                for name, digest in recorded.facts[run.id][kind].items()
                if kind != Fact.VARIABLES or not _OF_A_PROCESS.match(name)
            }
            for run in recorded.runs
            if kind in recorded.facts.get(run.id, {})
        }
        if changed := _changed(recorded.runs, told):
            names = [*changed]
            yield between(
                code,
                _alike(recorded.runs, told, changed),
                f"runs that stand side by side had {what}: "
                + "; ".join(
                    f"{name} is one in {' and another in '.join(map(_whose, changed[name]))}"
                    for name in names[:_SHOWN]
                ),
                listed(names),
                advice,
            )


def _changed(
    runs: Iterable[RunRecord], sources: Mapping[int, Mapping[str, str | None]]
) -> dict[str, list[list[RunRecord]]]:
    """Group the runs that have a module by its source, for every module that has several."""
    known = [run for run in runs if run.id in sources]
    # Runs of one state of the code share what they recorded: the states are few.
    states = grouped(known, lambda run: id(sources[run.id]))
    of_state = [(sources[some[0].id], some) for some in states.values()]
    first: dict[str, str | None] = {}
    differing: dict[str, None] = {}
    for digests, _ in of_state:
        for module, digest in digests.items():
            if first.setdefault(module, digest) != digest:
                differing[module] = None
    return {
        module: [
            [run for _, some in same for run in some]
            for same in grouped(
                [pair for pair in of_state if module in pair[0]],
                lambda pair, module=module: pair[0][module],  # type: ignore[misc]
            ).values()
        ]
        for module in differing
    }


def _alike(
    runs: Iterable[RunRecord],
    told: Mapping[int, Mapping[str, str | None]],
    changed: Collection[str],
) -> list[list[str]]:
    """Group the arms whose runs tell the same of what has changed."""
    of_run = {
        run: {name: digests[name] for name in changed if name in digests}
        for run, digests in told.items()
    }
    return alike_runs(runs, of_run)


def _whose(runs: Sequence[RunRecord]) -> str:
    seeds = sorted({run.seed for run in runs})
    return f"{named(runs)} (seeds {listed(map(str, seeds))})"


def check_records(recorded: RecordedRuns) -> Iterator[Finding]:
    """Find what was edited or removed after it was recorded, and what can't be checked for it."""
    arms = {run.trial: run.arm for run in recorded.runs if run.arm is not None}
    edited = (edit.trial for edit in recorded.seals.edits)
    touched = dict.fromkeys(arms[number] for number in edited if number in arms)
    # An older attempt, or one of another definition, counts for nothing.
    yield from _of_seals(recorded.seals, touched, None if touched else "warning")


def check_trial_records(recorded: RecordedTrials) -> Iterator[Finding]:
    """Find what of a search was edited or removed after it was recorded."""
    yield from _of_seals(recorded.seals, ())


def _of_seals(
    seals: Seals, arms: Collection[str], severity: Severity | None = None
) -> Iterator[Finding]:
    if seals.edits:
        shown = "; ".join(map(str, seals.edits[:_SHOWN]))
        more = len(seals.edits) - _SHOWN
        yield finding(
            "edited-record",
            arms,
            shown + (f"; and {more} more" if more > 0 else ""),
            "the database",
            "put the database back as it was, or run these trials again: what stands there is not "
            "what the runs gave",
            severity=severity,
        )
    if seals.unsealed:
        yield finding(
            "not-sealed",
            (),
            f"{several(seals.unsealed, 'run')} of an earlier ablate have no digest, so an edit of "
            "what they recorded would not be found",
            "the database",
            "nothing needs to be done; runs that are made from now on are sealed",
        )
