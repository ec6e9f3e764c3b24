"""What can be read off the runs once they are made, before they are compared."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import Any, NamedTuple

from ablate.audit.codes import finding
from ablate.audit.differences import flat, listed
from ablate.audit.fairness import stopping_rules
from ablate.audit.findings import Finding
from ablate.spec import canonical_json, paths
from ablate.store import RunRecord

_FIRST = "first "
"""How the names of fingerprints begin that are of a run's first batches."""
_ORDER = "first training batch"
_EPOCHS_DOWN = 3
_FEWEST_EPOCHS = 3
_FALL, _FALL_OF_PEAK = 0.5, 0.25
_AT_ONCE = 0.01
_SAME = 1e-6

Curve = Sequence[tuple[int, float]]
"""The epochs and values of a metric in one run."""


class Result(NamedTuple):
    """What an arm reached on a metric.

    `values` are those that count, of `runs` that the design has. `effect` is the difference to
    the reference and `noise` what chance alone makes of it; both are NaN where not known.
    """

    metric: str
    direction: str
    arm: str
    kind: str
    runs: int
    values: tuple[float, ...]
    effect: float
    noise: float

    @property
    def n(self) -> int:
        """How many values count."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """The mean of the values that count, NaN if none does."""
        return fmean(self.values) if self.values else math.nan


@dataclass(frozen=True)
class Recorded:
    """The runs of an ablation that speak for their arm and seed, with what they recorded.

    `curves` are the validation metrics by run and name, `fingerprints` by run, `environments`
    by the name that runs have for them; `results` are of the metrics that are compared.
    """

    definition: Mapping[str, Any]
    runs: Sequence[RunRecord]
    curves: Mapping[tuple[int, str], Curve]
    fingerprints: Mapping[int, Mapping[str, str]]
    environments: Mapping[str, Mapping[str, Any]]
    results: Sequence[Result]

    @property
    def metrics(self) -> dict[str, str]:
        """The metrics that are compared, and the one that decides, with their directions."""
        objective = self.definition["objective"]
        return {
            **self.definition["metrics"],
            objective["metric"]: objective["direction"],
        }

    @property
    def compared(self) -> list[RunRecord]:
        """The runs that are no floors."""
        return [run for run in self.runs if run.arm not in (self.definition.get("floor") or {})]


def check_runs(recorded: Recorded) -> list[Finding]:
    """Check the runs of an ablation: may they stand side by side, and do their curves hold up?"""
    checks = (
        _diverged,
        _missing,
        _mixed_configs,
        _mixed_code,
        _mixed_environments,
        _data,
        _lengths,
        _non_finite,
        _unmoving,
        _collapses,
        _too_good,
        _floors,
        _noise,
    )
    return [found for check in checks for found in check(recorded)]


# --- which runs there are ----------------------------------------------------------------


def _diverged(recorded: Recorded) -> Iterator[Finding]:
    bad = [run for run in recorded.compared if str(run.reason).startswith("diverged")]
    if bad:
        yield finding(
            "diverged",
            _arms(bad),
            f"{_several(len(bad), 'run')} diverged: "
            + "; ".join(f"seed {run.seed}, {run.reason}" for run in bad[:4]),
            _trials(bad),
            "lower the learning rate or the precision's risk and run the arm again; its mean is "
            "over the runs that survived",
        )


def _missing(recorded: Recorded) -> Iterator[Finding]:
    rows = [row for row in recorded.results if row.kind != "undeclared" and row.n < row.runs]
    short = {row.arm: row for row in sorted(rows, key=lambda row: -row.n)}
    if short:
        said = ", ".join(f"{row.arm} {row.n} of {row.runs}" for row in short.values())
        yield finding(
            "missing-runs",
            short,
            f"fewer runs count than the design has: {said}",
            "seeds",
            "replay the study until every arm has every seed; a mean over the seeds that worked "
            "flatters an arm that fails",
        )


def _mixed_configs(recorded: Recorded) -> Iterator[Finding]:
    by_arm: dict[str | None, list[RunRecord]] = {}
    for run in recorded.runs:
        if run.config is not None:
            by_arm.setdefault(run.arm, []).append(run)
    for arm, runs in by_arm.items():
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


def _mixed_code(recorded: Recorded) -> Iterator[Finding]:
    versions = _by(recorded.runs, lambda run: run.code_version)
    if len(versions) > 1:
        yield finding(
            "mixed-code",
            _arms(run for runs in versions.values() for run in runs),
            "runs of different code stand side by side: "
            + "; ".join(f"{name} in {_arm_names(runs)}" for name, runs in versions.items()),
            "code version",
            "run the older ones again with the code of the newer, or see that nothing they use "
            "has changed",
        )
    loose = [name for name in versions if name.endswith("+dirty") or name == "unversioned"]
    if loose:
        yield finding(
            "uncommitted-code",
            (),
            f"{_several(sum(len(versions[name]) for name in loose), 'run')} used code that no "
            "commit holds, so nobody can run them again",
            "code version",
            "commit before a run that is to be reported",
        )


def _mixed_environments(recorded: Recorded) -> Iterator[Finding]:
    used = _by(recorded.runs, lambda run: run.environment)
    bodies = [paths.flatten(dict(recorded.environments.get(name) or {})) for name in used]
    names = dict.fromkeys(name for body in bodies for name in body)
    differing = [n for n in names if any(body.get(n) != bodies[0].get(n) for body in bodies)]
    if differing:
        yield finding(
            "mixed-environments",
            _arms(run for run in recorded.runs),
            "runs were made on: "
            + "; ".join(
                f"{name.rpartition('.')[2]} "
                + " and ".join(dict.fromkeys(str(body.get(name)) for body in bodies))
                for name in differing[:4]
            ),
            listed(differing),
            "make all runs of a comparison on one kind of machine with one set of libraries",
        )


# --- on which data, and for how long -----------------------------------------------------


def _data(recorded: Recorded) -> Iterator[Finding]:
    """Compare the fingerprints of arms with the same seed: a seed may draw its own data."""
    prints = recorded.fingerprints
    names = dict.fromkeys(name for run in recorded.runs for name in prints.get(run.id, ()))
    own = [name for name in names if not name.startswith(_FIRST)]
    for name in own or [f"{_FIRST}validation batch"]:
        scored = "val" in name.lower() or "test" in name.lower()
        runs = recorded.runs if scored else recorded.compared
        apart = _apart(runs, prints, name)
        if not apart:
            continue
        said = " and ".join(_arm_names(some) for some in apart)
        by_name = f"the fingerprint {name!r} of the data differs between {said}"
        if scored:
            declared = len({_data_section(run) for some in apart for run in some}) > 1
            yield finding(
                "other-examples",
                _arms(run for some in apart for run in some),
                f"{by_name} with the same seed",
                "data",
                "score every arm on the same examples: their metrics are of different questions",
                severity="warning" if declared or not own else None,
            )
        else:
            yield finding(
                "other-training-data",
                _arms(run for some in apart for run in some),
                f"{by_name} with the same seed",
                "data",
                "see that the difference in the data is what is ablated",
            )
    if (apart := _apart(recorded.compared, prints, _ORDER)) and not any(
        _apart(recorded.compared, prints, name) for name in own
    ):
        yield finding(
            "unpaired-order",
            _arms(run for some in apart for run in some),
            "with the same seed they see the training data in another order",
            _ORDER,
            "draw the order from a generator of its own, seeded by the data, to pair the seeds",
        )


def _apart(
    runs: Iterable[RunRecord], prints: Mapping[int, Mapping[str, str]], name: str
) -> list[list[RunRecord]]:
    """Group the runs of the first seed whose arms differ in a fingerprint by its value."""
    known = [run for run in runs if name in prints.get(run.id, {})]
    for mine in _by(known, lambda run: run.seed).values():
        groups = _by(mine, lambda run: prints[run.id][name])
        if len(groups) > 1:
            return list(groups.values())
    return []


def _data_section(run: RunRecord) -> str:
    return canonical_json((run.config or {}).get("data"))


def _lengths(recorded: Recorded) -> Iterator[Finding]:
    done = [run for run in recorded.compared if run.status == "complete" and run.epochs is not None]
    lengths = _by(done, lambda run: run.epochs)
    if len(lengths) < 2:
        return
    rules = {canonical_json(_stopping(run)) for run in done}
    same_rule = len(rules) == 1 and rules != {"[]"} and len({_budget(run) for run in done}) == 1
    said = ", ".join(f"{n} epochs in {_arm_names(runs)}" for n, runs in sorted(lengths.items()))
    yield finding(
        "unequal-run-lengths",
        _arms(done),
        said + (", by the same stopping rule" if same_rule else ""),
        "epochs",
        "compare at equal budget: the best of more epochs is better by luck alone",
        severity="note" if same_rule else None,
    )


def _stopping(run: RunRecord) -> list[str]:
    return stopping_rules(((run.config or {}).get("trainer") or {}).get("callbacks"))


def _budget(run: RunRecord) -> str:
    trainer = (run.config or {}).get("trainer") or {}
    return canonical_json([trainer.get("max_epochs"), trainer.get("max_steps")])


# --- what their curves say ---------------------------------------------------------------


def _curves(
    recorded: Recorded, runs: Iterable[RunRecord]
) -> Iterator[tuple[str, RunRecord, Curve]]:
    for metric in recorded.metrics:
        for run in runs:
            if curve := recorded.curves.get((run.id, metric)):
                yield metric, run, curve


def _non_finite(recorded: Recorded) -> Iterator[Finding]:
    seen: dict[str, list[tuple[RunRecord, str]]] = {}
    for metric, run, curve in _curves(recorded, recorded.runs):
        bad = [epoch for epoch, value in curve if not math.isfinite(value)]
        if bad:
            said = f"{len(bad)} of {len(curve)} from epoch {bad[0]}"
            seen.setdefault(metric, []).append((run, said))
    for metric, found in seen.items():
        said = "; ".join(f"{run.arm} seed {run.seed}: {what}" for run, what in found[:4])
        yield finding(
            "non-finite",
            _arms(run for run, _ in found),
            f"{metric} is not finite in {_several(len(found), 'run')}: {said}",
            _trials(run for run, _ in found),
            "find the batch that makes it so; nothing chosen by this metric can be trusted",
        )


def _unmoving(recorded: Recorded) -> Iterator[Finding]:
    """Find metrics that stay the same after the first epoch of a run that trains."""
    for metric in recorded.metrics:
        zero: list[RunRecord] = []
        still: dict[float, list[RunRecord]] = {}
        for name, run, curve in _curves(recorded, recorded.compared):
            values = [value for _, value in curve]
            if name != metric or not run.parameters or len(values) < _FEWEST_EPOCHS:
                continue
            if not any(values):
                zero.append(run)
            elif len(set(values[1:])) == 1 and math.isfinite(values[-1]):
                still.setdefault(values[-1], []).append(run)
        if zero:
            yield finding(
                "zero-metric",
                _arms(zero),
                f"{metric} is exactly 0 in every epoch of {_several(len(zero), 'run')}",
                _trials(zero),
                "see that it is measured and not a default, and choose a metric that can move",
            )
        for value, runs in still.items():
            yield from _constant(recorded, metric, value, runs)


def _constant(
    recorded: Recorded, metric: str, value: float, runs: Sequence[RunRecord]
) -> Iterator[Finding]:
    """Word that a metric does not move; that of one seed alone may be a coarse metric's chance."""
    arms = _by(runs, lambda run: run.arm)
    total = _by(recorded.compared, lambda run: run.arm)
    whole = [arm for arm, mine in arms.items() if len(mine) == len(total[arm])]
    like = _like_floor(recorded, metric, value)
    yield finding(
        "constant-metric",
        _arms(runs),
        f"{metric} is {value:.6g} in every epoch after the first of "
        f"{_several(len(runs), 'run')}{like}",
        _trials(runs),
        "look at the predictions: does the arm answer the same to every question?",
        severity=None if whole or like else "note",
    )


def _like_floor(recorded: Recorded, metric: str, value: float) -> str:
    same = [
        row.arm
        for row in recorded.results
        if row.metric == metric and row.kind == "floor" and abs(row.mean - value) <= _SAME
    ]
    return f", as that of {' and '.join(same)}" if same else ""


def _collapses(recorded: Recorded) -> Iterator[Finding]:
    for metric, run, curve in _curves(recorded, recorded.compared):
        if recorded.metrics[metric] != "maximize":
            continue
        epoch = collapse_epoch(curve)
        if epoch is None:
            continue
        peak = max(value for _, value in curve if math.isfinite(value))
        last = next(value for _, value in reversed(curve) if math.isfinite(value))
        yield finding(
            "collapse",
            _arms([run]),
            f"{metric} of seed {run.seed} falls from {peak:.4g} at epoch {epoch} and stays down: "
            f"{last:.4g} at the end",
            _trials([run]),
            "look at the loss and the learning rate at this epoch; a best value from before says "
            "nothing about the trained model",
        )


def collapse_epoch(curve: Curve) -> int | None:
    """Return the epoch from which a metric that is to rise has fallen and stays down.

    It has collapsed if it lies below its peak by more than half of its range, and by more than a
    quarter of the peak, to the end and for three epochs at least.
    """
    finite = [(epoch, value) for epoch, value in curve if math.isfinite(value)]
    if len(finite) <= _EPOCHS_DOWN:
        return None
    values = [value for _, value in finite]
    peak = max(values)
    line = peak - max(_FALL * (peak - min(values)), _FALL_OF_PEAK * abs(peak))
    down = 0
    while down < len(finite) and finite[-1 - down][1] < line:
        down += 1
    return finite[-down][0] if down >= _EPOCHS_DOWN else None


def _too_good(recorded: Recorded) -> Iterator[Finding]:
    """Find arms that after one epoch are far better than all others after one."""
    for metric, direction in recorded.metrics.items():
        firsts: dict[str, list[float]] = {}
        for name, run, curve in _curves(recorded, recorded.compared):
            if name == metric and run.arm and run.parameters and math.isfinite(curve[0][1]):
                firsts.setdefault(run.arm, []).append(curve[0][1])
        means = {arm: median(values) for arm, values in firsts.items()}
        for arm, value in means.items():
            others = [other for name, other in means.items() if name != arm]
            if others and too_good(value, others, direction):
                yield finding(
                    "too-good-too-soon",
                    [arm],
                    f"{metric} is {value:.4g} after the first epoch, and {median(others):.4g} in "
                    "the median of the other arms",
                    f"{metric} at the first epoch",
                    "see that the arm does not see what it is to predict",
                )


def too_good(value: float, others: Sequence[float], direction: str) -> bool:
    """Say whether a first value is out of all proportion to the first values of other arms.

    For a metric to be minimised it is below a hundredth of their median; for one to be maximised,
    which is taken for a share, it leaves less than a hundredth of what their median leaves to 1.
    """
    typical = median(others)
    if direction == "minimize":
        return 0 <= value < _AT_ONCE * typical
    return value <= 1 and typical < 1 and 1 - value < _AT_ONCE * (1 - typical)


# --- what the comparison can carry -------------------------------------------------------


def _floors(recorded: Recorded) -> Iterator[Finding]:
    """Find arms of which some seed is no better than the best floor."""
    for metric, direction in recorded.metrics.items():
        rows = [row for row in recorded.results if row.metric == metric and row.n]
        floors = [row for row in rows if row.kind == "floor"]
        if not floors:
            continue
        sign = 1 if direction == "maximize" else -1
        best = max(floors, key=lambda row: sign * row.mean)
        behind = {
            row.arm: f"{row.arm} in {worse} of {_several(row.n, 'seed')}"
            for row in rows
            if row.kind == "arm"
            and (worse := sum(sign * (value - best.mean) <= _SAME for value in row.values))
        }
        if behind:
            yield finding(
                "ties-the-floor",
                [*behind, best.arm],
                f"{metric} is no better than that of the trivial predictor {best.arm} "
                f"({best.mean:.4g}): {', '.join(behind.values())}",
                metric,
                "claim nothing for such an arm on this metric, or choose one that a trivial "
                "predictor does not reach",
            )


def _noise(recorded: Recorded) -> Iterator[Finding]:
    for metric in recorded.metrics:
        lost = [
            row
            for row in recorded.results
            if row.metric == metric and row.kind == "arm" and abs(row.effect) <= row.noise
        ]
        if lost:
            said = ", ".join(f"{row.arm} {row.effect:+.4g} (noise {row.noise:.4g})" for row in lost)
            yield finding(
                "below-noise-floor",
                [row.arm for row in lost],
                f"on {metric} these can't be told from the reference: {said}",
                metric,
                "report no effect, or add seeds until the noise is smaller than what you look for",
            )


# --- words -------------------------------------------------------------------------------


def _by(items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def _arms(runs: Iterable[RunRecord]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(run.arm for run in runs if run.arm is not None))


def _arm_names(runs: Iterable[RunRecord]) -> str:
    return ", ".join(_arms(runs))


def _trials(runs: Iterable[RunRecord]) -> str:
    return "trials " + listed(str(run.trial) for run in runs)


def _several(amount: int, noun: str) -> str:
    return f"{amount} {noun}{'' if amount == 1 else 's'}"
