"""What earlier commands made of a study's runs."""

from dataclasses import dataclass

from ablate.spec import Status, Study
from ablate.store import Store


@dataclass(frozen=True)
class KnownRun:
    """The latest attempt of a run that an earlier command made, with its objective's reports."""

    attempt: int
    failures: int
    status: Status
    config_hash: str
    code_version: str
    reports: tuple[float, ...]

    @property
    def complete(self) -> bool:
        """Whether its reports are those of a whole run."""
        return self.status is Status.COMPLETE and bool(self.reports)


def known_runs(store: Store, study: Study) -> dict[tuple[int, int], KnownRun]:
    """Read the latest attempt of every run of a study, by trial and seed."""
    reports: dict[int, list[float]] = {}
    for row in store.metrics(study.name, [study.objective.metric]):
        reports.setdefault(row.run_id, []).append(row.value)
    known: dict[tuple[int, int], KnownRun] = {}
    for run in store.runs(study.name):
        before = known.get((run.trial, run.seed))
        known[run.trial, run.seed] = KnownRun(
            attempt=run.attempt,
            failures=(before.failures if before else 0) + (run.status is Status.FAILED),
            status=run.status,
            config_hash=run.config_hash,
            code_version=run.code_version,
            reports=tuple(reports.get(run.id, ())),
        )
    return known
