"""What earlier commands made of a study's runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ablate.spec import SearchDefinition, Status, Study
from ablate.store import Store


@dataclass(frozen=True)
class Told:
    """What a run told: its reports of the objective, and the values of what is constrained.

    Both are in their order, the values by metric.
    """

    reports: Sequence[float] = ()
    constrained: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True)
class KnownRun:
    """The latest attempt of a run that an earlier command made, with what it told."""

    attempt: int
    failures: int
    status: Status
    config_hash: str
    code_version: str
    told: Told

    @property
    def complete(self) -> bool:
        """Whether its reports are those of a whole run."""
        return self.status is Status.COMPLETE and bool(self.told.reports)


def known_runs(store: Store, study: Study) -> dict[tuple[int, int], KnownRun]:
    """Read the latest attempt of every run of a study, by trial and seed."""
    constrained = constrained_metrics(study)
    values: dict[int, dict[str, list[float]]] = {}
    for row in store.metrics(study.name, [study.objective.metric, *constrained]):
        values.setdefault(row.run_id, {}).setdefault(row.name, []).append(row.value)
    known: dict[tuple[int, int], KnownRun] = {}
    for run in store.runs(study.name):
        before = known.get((run.trial, run.seed))
        known[run.trial, run.seed] = KnownRun(
            attempt=run.attempt,
            failures=(before.failures if before else 0) + (run.status is Status.FAILED),
            status=run.status,
            config_hash=run.config_hash,
            code_version=run.code_version,
            told=Told(
                values.get(run.id, {}).get(study.objective.metric, ()),
                {name: values.get(run.id, {}).get(name, ()) for name in constrained},
            ),
        )
    return known


def constrained_metrics(study: Study) -> tuple[str, ...]:
    """Name the metrics that a study constrains."""
    if not isinstance(study.definition, SearchDefinition):
        return ()
    return tuple(dict.fromkeys(each.metric for each in study.definition.constraints))
