"""Digests of what a study recorded: a row that was edited or removed afterwards is found by name.

A run is sealed when it ends, a trial when it has ended, in the transaction that records it. A seal
holds the fields of the row, and of each metric of a run sums and the SHA-256 of its values. Its own
digest goes on from that of the seal before it in the study, so that no seal can be taken out.
There is no key: what is found are accidents and careless edits. Whoever computes the seals anew
leaves no trace.

Of a whole study the sums are compared, which the database computes in one pass over its metrics.
Values are read and hashed where the sums differ, and for the runs that are asked for.
"""

import hashlib
import math
import struct
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Text, func, select, type_coerce

from ablate.spec import Status
from ablate.store import optuna_schema as optuna
from ablate.store import tables
from ablate.store.batch import Batch
from ablate.store.lock import lock_key
from ablate.store.optuna_rows import FINISHED
from ablate.store.plain import from_json, to_json
from ablate.store.records import Edit, Seals, TrialRecord
from ablate.store.trial_records import INFINITE, STATUSES

_CHUNK = 500
_MOST = 3
"""How many edited values of a metric are named."""
_PRECISION = 1e-10
"""How far the sum of a metric may be off, relative to that of the absolute values.

Databases add in orders of their own.
"""
_FIELDS = (
    *("arm", "seed", "attempt", "definition_id", "status", "cause", "config_hash", "parameters"),
    *("profile", "device", "environment", "code_version", "epochs", "steps"),
)
_RUNS = tables.runs.c
_METRICS = tables.metrics.c
_SEALS = tables.seals.c
_WEIGHT, _CYCLE = 0.001, 1021
"""Values count by their step, so that two that change places are noticed."""

_RAW = [
    type_coerce(_RUNS[name], Text) if name in {"status", "cause"} else _RUNS[name]
    for name in _FIELDS
]
_ROWS = select(_RUNS.id, _RUNS.trial, type_coerce(_RUNS.config, Text), *_RAW)
_VALUES = select(
    _METRICS.run_id, _METRICS.phase, _METRICS.name, _METRICS.step, _METRICS.epoch, _METRICS.value
).order_by(_METRICS.run_id, _METRICS.phase, _METRICS.name, _METRICS.step)
_SUMS = select(
    _METRICS.run_id,
    _METRICS.phase,
    _METRICS.name,
    func.count(),
    func.sum(_METRICS.epoch),
    func.sum(_METRICS.value * (1 + (_METRICS.step % _CYCLE) * _WEIGHT)),
).group_by(_METRICS.run_id, _METRICS.phase, _METRICS.name)

Value = tuple[int, int, float]
"""The step, the epoch and the value of a metric."""


class Sums(NamedTuple):
    """How many values a metric has in a run, and the sums by which an edit is noticed."""

    amount: int
    epochs: int
    weighted: float
    absolute: float

    @classmethod
    def of(cls, values: Sequence[Value]) -> "Sums":
        """Add up values; a NaN, which no database adds, is left out."""
        known = [(step, value) for step, _, value in values if not math.isnan(value)]
        return cls(
            len(values),
            sum(epoch for _, epoch, _ in values),
            sum(value * (1 + (step % _CYCLE) * _WEIGHT) for step, value in known),
            sum(abs(value) for _, value in known),
        )

    def allow(self, amount: int, epochs: int, weighted: float | None) -> bool:
        """Say whether sums of the database are these; nothing can be said of infinite ones."""
        off = abs((weighted or 0.0) - self.weighted)
        return (amount, epochs) == (self.amount, self.epochs) and off <= _PRECISION * self.absolute


@dataclass(frozen=True)
class _Seal:
    """What was sealed of a run, or of a trial where `run_id` is None."""

    trial: int
    run_id: int | None
    body: str
    checks: str = "{}"

    @property
    def subject(self) -> tuple[int, int | None]:
        return self.trial, self.run_id

    def after(self, previous: str) -> str:
        """Return the digest of this seal behind another one."""
        return _digest(f"{previous} {self.trial} {self.run_id} {self.body}")


# --- sealing -----------------------------------------------------------------------------


def seal(connection: Connection, batch: Batch, run_ids: Iterable[int]) -> None:
    """Seal what a batch has ended, in its own transaction; what is sealed already is left alone."""
    ended = [*_of_runs(connection, sorted(run_ids)), *_of_trials(batch)]
    if not ended:
        return
    if connection.dialect.name == "postgresql":
        key = lock_key(f"the seals of {batch.study}")
        connection.execute(select(func.pg_advisory_xact_lock(key)))
    known = _latest(connection, batch.study, sorted({item.trial for item in ended}))
    new = [item for item in ended if known.get(item.subject) != item.body]
    if not new:
        return
    chain = connection.execute(
        select(_SEALS.chain).where(_SEALS.study == batch.study).order_by(_SEALS.id.desc()).limit(1)
    ).scalar()
    rows = []
    for item in new:
        chain = item.after(chain or "")
        rows.append({"study": batch.study, **vars(item), "chain": chain})
    connection.execute(tables.seals.insert(), rows)


def _of_runs(connection: Connection, run_ids: Sequence[int]) -> Iterator[_Seal]:
    for start in range(0, len(run_ids), _CHUNK):
        some = run_ids[start : start + _CHUNK]
        rows = connection.execute(
            _ROWS.where(
                _RUNS.id.in_(some), type_coerce(_RUNS.status, Text) != str(Status.RUNNING)
            ).order_by(_RUNS.id)
        ).all()
        values = _read_values(connection, [row.id for row in rows])
        for run_id, trial, config, *fields in rows:
            metrics = values.get(run_id, {})
            body = {
                "run": fields,
                "config": _digest(config),
                "metrics": {
                    name: [*Sums.of(found), _digest_of_values(found)]
                    for name, found in metrics.items()
                },
            }
            checks = {name: _checks(found) for name, found in metrics.items()}
            yield _Seal(trial, run_id, to_json(body), to_json(checks))


def _of_trials(batch: Batch) -> Iterator[_Seal]:
    ended = {
        number: (trial.state.name, trial.values[0] if trial.values else None)
        for number, trial in batch.trials.items()
        if trial.state.name in FINISHED
    } | {number: (end.state.name, end.value) for number, end in batch.ended_trials.items()}
    for number, (state, value) in ended.items():
        yield _Seal(number, None, to_json({"state": STATUSES[state], "value": value}))


def _latest(
    connection: Connection, study: str, trials: Sequence[int]
) -> dict[tuple[int, int | None], str]:
    found: dict[tuple[int, int | None], str] = {}
    for start in range(0, len(trials), _CHUNK):
        for trial, run_id, body in connection.execute(
            select(_SEALS.trial, _SEALS.run_id, _SEALS.body)
            .where(_SEALS.study == study, _SEALS.trial.in_(trials[start : start + _CHUNK]))
            .order_by(_SEALS.id)
        ):
            found[trial, run_id] = body
    return found


# --- checking ----------------------------------------------------------------------------


def check_seals(
    connection: Connection,
    study: str,
    ends: Mapping[int, tuple[Status, float | None]],
    thorough: Collection[int] = (),
) -> Seals:
    """Compare what is recorded of a study with its seals.

    `ends` are its trials as they are now: state and value by number. Every value of the runs
    `thorough` is looked at; of others an edit below ten digits of a metric's sum is not noticed.
    """
    sealed: dict[tuple[int, int | None], str] = {}
    edits: list[Edit] = []
    chain = ""
    for trial, run_id, body, found in connection.execute(
        select(_SEALS.trial, _SEALS.run_id, _SEALS.body, _SEALS.chain)
        .where(_SEALS.study == study)
        .order_by(_SEALS.id)
    ):
        if _Seal(trial, run_id, body).after(chain) != found:
            edits.append(Edit(trial, None, "its seal, or the one before it", missing=True))
        chain = found
        sealed[trial, run_id] = body
    runs = {row.id: row for row in connection.execute(_ROWS.where(_RUNS.study == study))}
    sums = _read_sums(connection, study)
    whole = set(thorough)
    for (trial, run_id), text in sealed.items():
        body = from_json(text)
        if run_id is None:
            edits += _edits_of_trial(trial, body, ends.get(trial))
        elif run_id not in runs:
            what = f"its run (attempt {_field(body, 'attempt')})"
            edits.append(Edit(trial, _field(body, "seed"), what, missing=True))
        else:
            edits += _edits_of_run(trial, body, runs[run_id])
            metrics = {name: Sums(*parts[:-1]) for name, parts in body["metrics"].items()}
            suspects = [
                name
                for name in {**metrics, **sums.get(run_id, {})}
                if run_id in whole
                or name not in metrics
                or name not in sums.get(run_id, {})
                or not metrics[name].allow(*sums[run_id][name])
            ]
            if suspects:
                edits += _edits_of_values(connection, trial, run_id, suspects, body)
    ended = {run_id for run_id, row in runs.items() if row.status != Status.RUNNING}
    unsealed = len(ended - {run_id for _, run_id in sealed})
    return Seals(len(ended) - unsealed, unsealed, tuple(dict.fromkeys(edits)))


def read_ends(connection: Connection, study: str) -> dict[int, tuple[Status, float | None]]:
    """Read the state and the value of every trial of an Optuna study from its tables."""
    trials, values = optuna.trials.c, optuna.values.c
    query = (
        select(trials.number, trials.state, values.value, values.value_type)
        .join(optuna.studies, optuna.studies.c.study_id == trials.study_id)
        .outerjoin(optuna.values, (values.trial_id == trials.trial_id) & (values.objective == 0))
        .where(optuna.studies.c.study_name == study)
    )
    return {
        number: (STATUSES[state], INFINITE.get(kind, value))
        for number, state, value, kind in connection.execute(query)
    }


def ends_of(trials: Iterable[TrialRecord]) -> dict[int, tuple[Status, float | None]]:
    """Return the state and the value of trials by number."""
    return {trial.number: (trial.state, trial.value) for trial in trials}


def _edits_of_trial(
    trial: int, body: Mapping[str, Any], now: tuple[Status, float | None] | None
) -> Iterator[Edit]:
    if now is None:
        yield Edit(trial, None, "the trial", missing=True)
        return
    for name, found in zip(("state", "value"), now, strict=True):
        if body[name] != found:
            yield Edit(
                trial, None, f"its {name} in Optuna's tables", _shown(body[name]), _shown(found)
            )


def _edits_of_run(trial: int, body: Mapping[str, Any], row: Any) -> Iterator[Edit]:
    _, now_trial, config, *fields = row
    before = dict(zip(_FIELDS, body["run"], strict=True))
    if body["run"] != fields or now_trial != trial:
        now = {**dict(zip(_FIELDS, fields, strict=True)), "trial": now_trial}
        for name, value in {**before, "trial": trial}.items():
            if now[name] != value:
                yield Edit(trial, before["seed"], f"its {name}", _shown(value), _shown(now[name]))
    if _digest(config) != body["config"]:
        yield Edit(trial, before["seed"], "its configuration")


def _edits_of_values(
    connection: Connection,
    trial: int,
    run_id: int,
    names: Iterable[str],
    body: Mapping[str, Any],
) -> Iterator[Edit]:
    """Find out which values of a run's metrics are not those that were sealed."""
    seed = _field(body, "seed")
    now = _read_values(connection, [run_id]).get(run_id, {})
    text = connection.execute(
        select(_SEALS.checks).where(_SEALS.run_id == run_id).order_by(_SEALS.id.desc()).limit(1)
    ).scalar()
    checks = from_json(text or "{}")
    for name in names:
        sealed, found = body["metrics"].get(name), now.get(name, [])
        phase, _, metric = name.partition(" ")
        if sealed is None:
            yield Edit(trial, seed, f"{metric} ({phase})", "no value", f"{len(found)} values")
        elif len(found) != sealed[0]:
            before = f"{sealed[0]} values"
            yield Edit(trial, seed, f"{metric} ({phase})", before, f"{len(found)} values")
        elif _digest_of_values(found) != sealed[-1]:
            pairs = zip(found, _split(checks.get(name, "")), _split(_checks(found)), strict=False)
            edited = [value for value, before, after in pairs if before != after]
            for step, epoch, value in edited[:_MOST]:
                what = f"{metric} ({phase}) at step {step}, epoch {epoch}"
                yield Edit(trial, seed, what, None, _shown(value))
            if not edited:
                yield Edit(trial, seed, f"{metric} ({phase})")


def _field(body: Mapping[str, Any], name: str) -> Any:
    return body["run"][_FIELDS.index(name)]


def _read_values(
    connection: Connection, run_ids: Sequence[int]
) -> dict[int, dict[str, list[Value]]]:
    """Read the values of runs by "PHASE NAME" and step."""
    found: dict[int, dict[str, list[Value]]] = {}
    if run_ids:
        for run_id, phase, name, *value in connection.execute(
            _VALUES.where(_METRICS.run_id.in_(run_ids))
        ):
            found.setdefault(run_id, {}).setdefault(f"{phase} {name}", []).append(tuple(value))
    return found


def _read_sums(
    connection: Connection, study: str
) -> dict[int, dict[str, tuple[int, int, float | None]]]:
    of_study = select(_RUNS.id).where(_RUNS.study == study)
    found: dict[int, dict[str, tuple[int, int, float | None]]] = {}
    for run_id, phase, name, count, epochs, weighted in connection.execute(
        _SUMS.where(_METRICS.run_id.in_(of_study))
    ):
        found.setdefault(run_id, {})[f"{phase} {name}"] = count, int(epochs), weighted
    return found


def _packed(value: Value) -> bytes:
    step, epoch, number = value
    return struct.pack("<qqd", step, epoch, math.nan if math.isnan(number) else number)


def _digest_of_values(values: Iterable[Value]) -> str:
    return hashlib.sha256(b"".join(map(_packed, values))).hexdigest()[:16]


def _checks(values: Iterable[Value]) -> str:
    """Return two hex digits for every value, by which an edited one is told from the others."""
    return "".join(f"{zlib.crc32(_packed(value)) & 0xFF:02x}" for value in values)


def _split(checks: str) -> list[str]:
    return [checks[place : place + 2] for place in range(0, len(checks), 2)]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, str) else repr(value)
