"""What can be read off the runs once they are made, before they are compared."""

from collections.abc import Iterable, Iterator, Mapping

from ablate.audits.codes import between, finding
from ablate.audits.differences import flat, listed
from ablate.audits.findings import Finding
from ablate.audits.recorded import (
    RecordedRuns,
    Result,
    alike_runs,
    arms_of,
    grouped,
    named,
    several,
    trials_of,
)
from ablate.spec import Cause, Status, canonical_json
from ablate.spec.facts import Fact
from ablate.store import Environment, RunRecord

_FIRST = "first "
"""How the names of fingerprints begin that are of a run's first batches."""
_ORDER = "first training batch"


# --- which runs there are ----------------------------------------------------------------


def check_divergence(recorded: RecordedRuns) -> Iterator[Finding]:
    """Find runs that diverged."""
    bad = [run for run in recorded.compared if run.cause is Cause.DIVERGED]
    if bad:
        yield finding(
            "diverged",
            arms_of(bad),
            f"{several(len(bad), 'run')} diverged: "
            + "; ".join(f"seed {run.seed}, {run.reason}" for run in bad[:4]),
            trials_of(bad),
            "lower the learning rate or the precision's risk and run the arm again; its mean is "
            "over the runs that survived",
        )


def check_completeness(recorded: RecordedRuns) -> Iterator[Finding]:
    """Find arms of which runs are missing, and complete runs that have no value."""
    rows = [row for row in recorded.results if row.kind != "undeclared" and row.n < row.runs]
    ended = grouped(recorded.runs, lambda run: (run.arm, run.status))

    def amount(row: Result, *statuses: Status) -> int:
        return sum(len(ended.get((row.arm, status), ())) for status in statuses)

    complete = [row for row in rows if amount(row, Status.COMPLETE) >= row.runs]
    lacking = [row for row in rows if row not in complete]
    short = {row.arm: row for row in sorted(lacking, key=lambda row: -row.n)}
    if short:
        text = ", ".join(f"{row.arm} {row.n} of {row.runs}" for row in short.values())
        to_run = any(amount(row, Status.COMPLETE, Status.FAILED) < row.runs for row in lacking)
        yield finding(
            "missing-runs",
            short,
            f"fewer runs count than the design has: {text}",
            "seeds",
            (
                "replay the study until every arm has every seed"
                if to_run
                else "see in the report why they failed, and change the arm: a replay does not try "
                "them again"
            )
            + "; a mean over the seeds that worked flatters an arm that fails",
        )
    for metric, of_metric in grouped(complete, lambda row: row.metric).items():
        text = ", ".join(f"{row.arm} in {row.runs - row.n} of {row.runs}" for row in of_metric)
        yield finding(
            "unrecorded-metric",
            [row.arm for row in of_metric],
            f"runs are complete and yet have no finite {metric} where they are read: {text}",
            metric,
            "no replay adds it: have every arm log it alike, in validation or in training, or "
            "leave it out of `metrics`",
            # An arm that never has the metric is compared with none; a mean over some seeds is.
            severity=None if any(row.n for row in of_metric) else "note",
        )


def check_configs(recorded: RecordedRuns) -> Iterator[Finding]:
    """Find arms whose runs have different configurations."""
    by_arm: dict[str | None, list[RunRecord]] = {}
    for run in recorded.runs:
        if run.config is not None:
            by_arm.setdefault(run.arm, []).append(run)
    for arm, runs in by_arm.items():
        if _equal_configs(runs):
            continue
        leaves = [flat(run.config or {}) for run in runs]
        names = dict.fromkeys(name for values in leaves for name in values)
        differing = [n for n in names if any(v.get(n) != leaves[0].get(n) for v in leaves)]
        if differing:
            yield finding(
                "mixed-configs",
                [str(arm)],
                "its runs have configurations that differ in more than the seed",
                listed(differing),
                "replay the study: only runs of equal configurations are replicates",
            )


def _equal_configs(runs: Iterable[RunRecord]) -> bool:
    """Say whether configurations are the same but for the seed."""
    first, *others = ({**(run.config or {}), "seed_everything": None} for run in runs)
    return all(other == first for other in others)


def check_environments(recorded: RecordedRuns) -> Iterator[Finding]:
    """Find runs of different environments."""
    used = grouped(recorded.runs, lambda run: run.environment)
    bodies = [recorded.environments.get(name, Environment()).compared() for name in used]
    names = dict.fromkeys(name for body in bodies for name in body)
    differing = [n for n in names if any(body.get(n) != bodies[0].get(n) for body in bodies)]
    if differing:
        of_name = dict(zip(used, bodies, strict=True))
        of_run = {
            run.id: {name: str(of_name[run.environment].get(name)) for name in differing}
            for run in recorded.runs
        }
        yield between(
            "mixed-environments",
            alike_runs(recorded.runs, of_run),
            "runs were made on: "
            + "; ".join(
                f"{name.rpartition('.')[2]} "
                + " and ".join(dict.fromkeys(str(body.get(name)) for body in bodies))
                for name in differing[:4]
            ),
            listed(differing),
            "make all runs of a comparison on one kind of machine with one set of libraries",
        )


def _scored(name: str) -> bool:
    """Say whether a fingerprint is of the examples that are scored."""
    return "val" in name.lower() or "test" in name.lower()


def check_data(recorded: RecordedRuns) -> Iterator[Finding]:
    """Compare the fingerprints of arms with the same seed: a seed may draw its own data."""
    prints = recorded.fingerprints
    names = dict.fromkeys(name for run in recorded.runs for name in prints.get(run.id, ()))
    data_names = [name for name in names if not name.startswith(_FIRST)]
    batch = f"{_FIRST}validation batch"
    if whole := _validation_sets(recorded):
        # All examples say more than the first batch, whose size may be what is ablated.
        batch = "validation examples"
        prints = {run_id: {**known, batch: whole[run_id]} for run_id, known in prints.items()}
    for name in data_names if any(map(_scored, data_names)) else [*data_names, batch]:
        scored = _scored(name)
        runs = recorded.runs if scored else recorded.compared
        apart = _apart(runs, prints, name)
        if not apart:
            yield from _by_seed(recorded, name)
            continue
        groups = _of_one_seed(runs, prints, name)
        text = " and ".join(named(group) for group in apart)
        by_name = f"the fingerprint {name!r} of the data differs between {text}"
        if scored:
            declared = len({_data_section(run) for group in apart for run in group}) > 1
            # As many examples, and the data are what is ablated: they are prepared differently.
            amounts = {_validated(recorded, run) for group in apart for run in group}
            prepared = name == batch and declared and len(amounts) == 1 and None not in amounts
            yield between(
                "other-examples",
                groups,
                f"{by_name} with the same seed",
                "data",
                "score every arm on the same examples: their metrics are of different questions",
                severity=("note" if prepared else "warning" if declared or name == batch else None),
            )
        else:
            yield between(
                "other-training-data",
                groups,
                f"{by_name} with the same seed",
                "data",
                "see that the difference in the data is what is ablated",
            )
    if _apart(recorded.compared, prints, _ORDER) and not any(
        _apart(recorded.compared, prints, name) for name in data_names
    ):
        yield between(
            "unpaired-order",
            _of_one_seed(recorded.compared, prints, _ORDER),
            "with the same seed they see the training data in another order",
            _ORDER,
            "draw the order from a generator of its own, seeded by the data, to pair the seeds",
        )


def _validation_sets(recorded: RecordedRuns) -> dict[int, str]:
    """Return the digest of all validation examples by run, if every run has told one."""
    found = {
        run_id: str(data["val"]["set"])
        for run_id, facts in recorded.facts.items()
        if "set" in (data := facts.get(Fact.DATA, {})).get("val", {})
    }
    return found if recorded.fingerprints.keys() <= found.keys() else {}


def _validated(recorded: RecordedRuns, run: RunRecord) -> int | None:
    """Return how many examples a run was validated on, if it told it."""
    count: int | None = (
        recorded.facts.get(run.id, {}).get(Fact.DATA, {}).get("val", {}).get("examples")
    )
    return count


def _by_seed(recorded: RecordedRuns, name: str) -> Iterator[Finding]:
    """Say that the arms agree on their data with each seed, but the seeds do not."""
    values = {recorded.fingerprints.get(run.id, {}).get(name) for run in recorded.compared}
    if len(values - {None}) > 1 and not name.startswith(_FIRST):
        yield finding(
            "data-of-its-own",
            (),
            f"the fingerprint {name!r} of the data differs from seed to seed",
            "data",
            "if no seed is meant to draw its own data, the data have changed between runs",
        )


def _apart(
    runs: Iterable[RunRecord], prints: Mapping[int, Mapping[str, str]], name: str
) -> list[list[RunRecord]]:
    """Group the runs of the first seed whose arms differ in a fingerprint by its value."""
    known = [run for run in runs if name in prints.get(run.id, {})]
    for of_seed in grouped(known, lambda run: run.seed).values():
        groups = grouped(of_seed, lambda run: prints[run.id][name])
        if len(groups) > 1:
            return list(groups.values())
    return []


def _of_one_seed(
    runs: Iterable[RunRecord], prints: Mapping[int, Mapping[str, str]], name: str
) -> list[list[str]]:
    """Group the arms that have the same fingerprint with every seed of both."""
    runs = list(runs)
    told = {
        run.id: {run.seed: prints[run.id][name]} for run in runs if name in prints.get(run.id, {})
    }
    return alike_runs(runs, told)


def _data_section(run: RunRecord) -> str:
    return canonical_json((run.config or {}).get("data"))


def check_floors(recorded: RecordedRuns) -> Iterator[Finding]:
    """Find arms that are not surely better than the best trivial predictor."""
    for metric in recorded.metrics:
        behind = {row.arm: row.behind for row in recorded.results if row.metric == metric}
        behind = {arm: said for arm, said in behind.items() if said}
        if behind:
            text = "; ".join(f"{arm}: {said}" for arm, said in behind.items())
            yield finding(
                "ties-the-floor",
                behind,
                f"{metric}: {text}",
                metric,
                "claim nothing for such an arm on this metric, or choose one that a trivial "
                "predictor does not reach",
            )
