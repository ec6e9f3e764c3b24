"""The one database of a project: what was asked for, what ran, and what came out."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import ColumnElement, Connection, Table, Text, func, select, type_coerce
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateTable

from ablate.errors import NotFoundError, StorageError, Unavailable, nearest
from ablate.spec import Definition, Direction
from ablate.store import tables
from ablate.store.artifacts import read_records, records_of
from ablate.store.audits import add_audit, read_audit
from ablate.store.batch import Batch
from ablate.store.definitions import define_study, read_definitions, read_study
from ablate.store.dialects import insert
from ablate.store.engines import (
    BUSY_SECONDS,
    WRITE,
    Contents,
    being_written,
    look_into,
    make_engine,
    refuse_writing,
    unreadable,
    use_wal,
)
from ablate.store.lock import StudyLock, lock_file, lock_key, lock_on_server, lock_path
from ablate.store.migrations import cause_of_reason, migrate
from ablate.store.optuna_rows import BatchRows
from ablate.store.optuna_schema import KNOWN, read_layout
from ablate.store.optuna_side import (
    attach,
    is_there,
    make_study,
    open_storage,
    read_past,
)
from ablate.store.queries import (
    ConfigReader,
    read_environments,
    read_facts,
    read_fingerprints,
    read_groups,
    read_metric_columns,
    read_metrics,
    read_run_config,
    read_state,
    read_study_names,
)
from ablate.store.records import (
    ArtifactRecord,
    AuditRecord,
    DefinitionRecord,
    Environment,
    FindingRow,
    GroupRow,
    MetricColumns,
    MetricRow,
    RunRecord,
    Seals,
    StudyRecord,
    TrialRecord,
)
from ablate.store.run_tables import RunTables, check_ends
from ablate.store.seals import check_seals, ends_of, read_ends
from ablate.store.sessions import (
    Session,
    add_session,
    describe_newest,
    prolong_session,
    sum_seconds,
)
from ablate.store.through_optuna import WriterThroughOptuna
from ablate.store.trial_records import is_ours, read_trial_records, trial_records
from ablate.store.trial_tables import DirectWriter
from ablate.store.trial_writer import TrialWriter, warn_of_slow_writes
from ablate.store.urls import parse_url, show_url, sqlite_path

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

_SCHEMA_LOCK = 0x61626C61  # "abla", the key of PostgreSQL's advisory lock


class Store:
    """A handle on the database, for one process; every method is one transaction.

    Every method raises StorageError when the database fails.
    """

    def __init__(self, url: URL, contents: Contents, busy_seconds: float) -> None:
        self.url_shown = show_url(url)
        path = sqlite_path(url)
        self._url = url if path is None else url.set(database=str(path))
        self._optuna_found = contents.optuna
        self._names = contents.names
        self._version = contents.version
        self._busy_seconds = busy_seconds
        self._engine = make_engine(self._url, busy_seconds)
        self._run_tables = RunTables(self._engine.dialect.name, self.url_shown)
        self._trial_writer: TrialWriter | None = None
        self._locks: dict[str, StudyLock] = {}
        self._file: tuple[int, int] | None = None
        self._at_rest = path is not None and not being_written(url)

    @classmethod
    def open(cls, url: str, *, create: bool, busy_seconds: float = BUSY_SECONDS) -> Self:
        """Open the database at `url`, adding what is missing of ablate's tables if `create` is set.

        `busy_seconds` is how long a write waits for the write of another process.

        Raises StorageError, with nothing written, if the URL is malformed, its driver is not
        installed, the database can't be reached, belongs to something else or was written by a
        newer version, or if `create` is not set and it holds no tables of ablate.
        """
        parsed = parse_url(url)
        contents = look_into(parsed)
        path = sqlite_path(parsed)
        if create:
            refuse_writing(parsed)
        if contents.version is None and not create:
            what = "does not exist" if path and not path.exists() else "holds nothing of ablate"
            raise StorageError(
                f"the storage {show_url(parsed)} {what}; "
                "run a study first, or name its database with --storage"
            )
        if create and path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StorageError(
                    f"the folder of the storage {show_url(parsed)} can't be made: "
                    f"{error.strerror}; name another one with --storage"
                ) from None
            _make_private(path)
        store = cls(parsed, contents, busy_seconds)
        if create and not contents.current:
            try:
                store._create()
            except StorageError:
                store.close()
                raise
        if path is not None:
            store._file = _identity(path)
        return store

    def require_in_place(self) -> None:
        """Raise StorageError if the database's file is no longer the one that was opened."""
        if (path := sqlite_path(self._url)) is None:
            return
        now = _identity(path)
        if now != self._file:
            what = "deleted" if now is None else "replaced by another file"
            raise StorageError(
                f"the database {self.url_shown} was {what} while it was in use, and what was "
                "written to it since is lost; if you have the old file, put it back"
            )

    def close(self) -> None:
        """Close every connection, Optuna's too."""
        if "optuna" in self.__dict__:
            self.optuna.remove_session()
            self.optuna.engine.dispose()
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def optuna(self) -> "RDBStorage":
        """Optuna's storage on the same database, made at first use with its tables.

        Raises StorageError if the tables are those of another Optuna version.
        """
        return open_storage(self._url, self._busy_seconds)

    # --- writing -------------------------------------------------------------------------

    def define(self, study: str, definition: Definition) -> int:
        """Make `definition` the current one of `study` and return its id.

        Equal definitions, with arms and keys in the same order, always have the same id, also one
        that was stored in an earlier layout. Raises StorageError if the study exists with another
        kind.
        """
        with self._writing() as connection:
            return define_study(connection, study, definition, self.url_shown, _now())

    def create_study(self, study: str, direction: Direction, metric: str) -> None:
        """Add the Optuna study of this name if there is none, and name its objective.

        Raises StorageError if there is one with another direction.
        """
        make_study(self.optuna, study, direction, metric)

    def set_study_attrs(self, study: str, attrs: Mapping[str, Any]) -> None:
        """Attach readable facts to the Optuna study of this name."""
        attach(self.optuna, study, attrs)

    @contextmanager
    def lock(self, study: str) -> Iterator[None]:
        """Keep other processes from running `study`, as long as this one lives or lets go.

        Raises RequestError, naming the other one, if a process runs it already.
        """

        def describe() -> str:
            return self._other_session(study)

        path = sqlite_path(self._url)
        locked = (
            lock_on_server(self._url, lock_key(study), describe)
            if path is None
            else lock_file(lock_path(path, study), describe)
        )
        with locked as held:
            self._locks[study] = held
            try:
                yield
            finally:
                del self._locks[study]

    def write(self, batch: Batch) -> None:
        """Write all that a batch holds, in one transaction; writing it again changes nothing.

        A lock of this store on the study is taken again first if it was lost. Raises Unavailable
        if the database can't be reached or is locked: try again, with the same batch or with one
        that it was merged into. Raises StorageError, with nothing written, if a trial or a run of
        the batch is there already as another one, or if one that it changes is not there, and
        TypeError or ValueError for what can't be stored at all.
        """
        check_ends(batch)
        rows = BatchRows.of(batch)
        if batch.study in self._locks:
            self._locks[batch.study].ensure()
        if rows:
            self._choose_trial_writer().write(batch, rows, _now())
        elif not batch.empty:
            with self._writing() as connection:
                self._run_tables.write(connection, batch, _now())

    def record_audit(self, definition_id: int, findings: Sequence[FindingRow]) -> None:
        """Record that a definition was audited, with what was found, passwords masked."""
        with self._writing() as connection:
            add_audit(connection, definition_id, findings, _now())

    def start_session(self, study: str) -> Session:
        """Record that this process works on `study` from now on and return the session."""
        with self._writing() as connection:
            return add_session(connection, study, _now())

    def touch_session(self, session: Session) -> None:
        """Record that a session is alive now."""
        with self._writing() as connection:
            prolong_session(connection, session)

    # --- reading -------------------------------------------------------------------------

    def active_seconds(self, study: str) -> float:
        """Sum the seconds that all sessions have spent on `study`."""
        with self._reading() as connection:
            return sum_seconds(connection, study)

    def state(self, study: str) -> tuple[Any, ...]:
        """Return what is another tuple when anything was recorded of a study, at little cost."""
        with self._reading() as connection:
            audited = tables.audits.name in self._names
            return read_state(connection, study, optuna=self._has_optuna(), audited=audited)

    def study_names(self) -> list[str]:
        """Return the names of all studies, sorted."""
        with self._reading() as connection:
            return read_study_names(connection)

    def study(self, name: str) -> StudyRecord | None:
        """Return a study with its current definition, or None if there is none of this name."""
        with self._reading() as connection:
            return read_study(connection, name)

    def require_study(self, name: str) -> StudyRecord:
        """Return a study with its current definition.

        Raises NotFoundError, with the nearest names, if there is none of this name.
        """
        record = self.study(name)
        if record is None:
            raise NotFoundError(
                f"there is no study {name!r} in {self.url_shown}: "
                f"{nearest(name, self.study_names())}"
            )
        return record

    def definitions(self, study: str) -> list[DefinitionRecord]:
        """Return every definition of a study, oldest first."""
        with self._reading() as connection:
            return read_definitions(connection, study)

    def audit(self, definition_id: int) -> AuditRecord | None:
        """Return the latest audit of a definition, or None if it was not audited."""
        if tables.audits.name not in self._names:
            return None
        with self._reading() as connection:
            return read_audit(connection, definition_id)

    def runs(self, study: str, *, with_config: bool = False) -> list[RunRecord]:
        """Return the runs of a study by trial, seed and attempt.

        Runs of equal configurations share what these hold: change nothing of it.
        """
        columns = [
            self._run_column(name) for name in RunRecord.__dataclass_fields__ if name != "config"
        ]
        if with_config:
            columns.append(type_coerce(tables.runs.c.config, Text))
        with self._reading() as connection:
            rows = connection.execute(
                select(*columns)
                .where(tables.runs.c.study == study)
                .order_by(tables.runs.c.trial, tables.runs.c.seed, tables.runs.c.attempt)
            ).all()
        if not with_config:
            return [RunRecord(*row) for row in rows]
        configs = ConfigReader()
        return [replace(RunRecord(*row), config=configs.read(row.config)) for row in rows]

    def _run_column(self, name: str) -> ColumnElement[Any]:
        if name == "cause" and self._version == 1:
            return type_coerce(cause_of_reason(), tables.runs.c.cause.type).label(name)
        return tables.runs.c[name]

    def run_config(self, run_id: int) -> dict[str, Any]:
        """Return the resolved configuration of a run; raise StorageError for an unknown run."""
        with self._reading() as connection:
            config = read_run_config(connection, run_id)
        if config is None:
            raise StorageError(f"there is no run {run_id} in {self.url_shown}")
        return config

    def metrics(self, study: str, names: Sequence[str] | None = None) -> list[MetricRow]:
        """Return the metric values of a study, of the given names or all, by run and step."""
        with self._reading() as connection:
            return read_metrics(connection, study, names)

    def groups(self, study: str, names: Sequence[str] | None = None) -> list[GroupRow]:
        """Return the means by group of a study, of metrics of the given names or all.

        They are ordered by run, grouping, name and step; a database that was written before there
        were any has none.
        """
        if tables.groups.name not in self._names:
            return []
        with self._reading() as connection:
            return read_groups(connection, study, names)

    def metric_columns(
        self, study: str, trained: Sequence[str] | None = None
    ) -> list[MetricColumns]:
        """Return the metric values of a study as columns: one entry per phase and name.

        Of the training phase only the metrics that `trained` names are read, or all if it is None.
        """
        with self._reading() as connection:
            return list(read_metric_columns(connection, study, trained))

    def fingerprints(self, study: str) -> dict[int, dict[str, str]]:
        """Return the fingerprints of every run of a study that has some, by run id and name."""
        with self._reading() as connection:
            return read_fingerprints(connection, study)

    def facts(self, study: str, kind: str | None = None) -> dict[int, dict[str, dict[str, Any]]]:
        """Return the facts of every run of a study that has some, by run id and kind.

        With `kind`, those of this kind alone. Runs of equal facts share them: change nothing of
        them. A database that was written before there were any has none.
        """
        if tables.run_facts.name not in self._names:
            return {}
        with self._reading() as connection:
            return read_facts(connection, study, kind)

    def check_seals(self, study: str, thorough: Collection[int] = ()) -> Seals:
        """Say whether what a study recorded is what stands there now, and what is not.

        Every value of the runs `thorough` is looked at; of others an edit below ten digits of a
        metric's sum in a run goes unnoticed. A database that was written before there were seals
        has none.
        """
        if tables.seals.name not in self._names:
            return Seals(0, sum(run.status.ended for run in self.runs(study)))
        has_optuna = self._has_optuna()
        with self._reading() as connection:
            known = has_optuna and read_layout(connection) in KNOWN
            ends = read_ends(connection, study) if known else {}
            if known or not has_optuna:
                return check_seals(connection, study, ends, thorough)
        ends = ends_of(self._trial_records(study))
        with self._reading() as connection:
            return check_seals(connection, study, ends, thorough)

    def environments(self, study: str) -> dict[str, Environment]:
        """Return the environments in which runs of a study were made, by their SHA-256."""
        with self._reading() as connection:
            return read_environments(connection, study)

    def trials(self, study: str) -> list[TrialRecord]:
        """Return the trials of ablate in the Optuna study of the same name by number.

        The list is empty when there is none. The value is that of the first objective.
        """
        definition = self._definition(study)
        return [trial for trial in self._trial_records(study) if is_ours(trial, definition)]

    def foreign_trials(self, study: str) -> list[int]:
        """Return the numbers of the trials that another program added to a study."""
        definition = self._definition(study)
        found = self._trial_records(study)
        return [trial.number for trial in found if not is_ours(trial, definition)]

    def past(self, study: str) -> list["FrozenTrial"]:
        """Return the trials of the Optuna study of this name by number, as Optuna reads them."""
        return read_past(self.optuna, study) if self._has_optuna() else []

    def artifacts(self, study: str, trials: Collection[int]) -> list[ArtifactRecord]:
        """Return the artifacts of some trials of the Optuna study of this name, by trial and name.

        The list is empty when there is no such study.
        """
        if not self._has_optuna():
            return []
        with self._reading() as connection:
            if read_layout(connection) in KNOWN:
                return read_records(connection, study, trials)
        return records_of(trial for trial in self.past(study) if trial.number in trials)

    # --- inside --------------------------------------------------------------------------

    def _trial_records(self, study: str) -> list[TrialRecord]:
        """Read all trials of an Optuna study by number; none if there is no such study."""
        if not self._has_optuna():
            return []
        with self._reading() as connection:
            if read_layout(connection) in KNOWN:
                return list(read_trial_records(connection, study))
        return list(trial_records(self.past(study)))

    def _definition(self, study: str) -> Definition | None:
        record = self.study(study)
        return None if record is None else record.definition

    def _has_optuna(self) -> bool:
        return "optuna" in self.__dict__ or look_into(self._url).optuna

    def _create(self) -> None:
        """Add ablate's tables in one transaction, after any tables of Optuna were accepted."""
        if self._optuna_found:
            _ = self.optuna
        if self._engine.dialect.name == "sqlite":
            with self._translated():
                use_wal(self._engine)
        with self._writing() as connection:
            if self._engine.dialect.name == "postgresql":
                connection.execute(select(func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
            for table in tables.metadata.sorted_tables:
                connection.execute(CreateTable(table, if_not_exists=True))
            version = connection.execute(select(tables.schema.c.version)).scalar()
            if version is None:
                self._insert_new(connection, tables.schema, version=tables.SCHEMA_VERSION)
            else:
                migrate(connection, version)
        self._names |= tables.metadata.tables.keys()
        self._version = tables.SCHEMA_VERSION

    def _insert_new(self, connection: Connection, table: Table, **values: Any) -> None:
        statement = insert(table, self._engine.dialect.name)
        connection.execute(statement.values(**values).on_conflict_do_nothing())

    def _other_session(self, study: str) -> str:
        """Word that another process runs a study, naming its newest session."""
        with self._reading() as connection:
            who = describe_newest(connection, study)
        return (
            f"the study {study!r} in {self.url_shown} is already being run by {who}; "
            "wait until it is done or stop it, then run the same command again"
        )

    def _choose_trial_writer(self) -> TrialWriter:
        """Return the writer for the tables that are there, the same one from then on."""
        if self._trial_writer is None:
            with self._reading() as connection:
                layout = read_layout(connection)
            if layout is None:
                raise StorageError(
                    f"the storage {self.url_shown} holds no study of Optuna; create one first"
                )
            if layout in KNOWN:
                self._trial_writer = DirectWriter(
                    self._writing, self._run_tables, self._engine.dialect.name, self.url_shown
                )
            else:
                warn_of_slow_writes(self.url_shown, layout)
                self._trial_writer = WriterThroughOptuna(
                    self.optuna, self._writing, self._run_tables, self.url_shown
                )
        return self._trial_writer

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with (
            self._translated(),
            self._engine.connect().execution_options(**WRITE) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._translated(), self._engine.connect() as connection:
            yield connection
        self._require_at_rest()

    def _require_at_rest(self) -> None:
        """Raise Unavailable if a file that is read as it lies began to be written meanwhile."""
        if self._at_rest and being_written(self._url):
            raise Unavailable(
                f"the storage {self.url_shown} began to be written while it was read: try again"
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise unreadable(self._url, error) from None


def holds_optuna_study(url: str, study: str) -> bool:
    """Say whether the database at `url` holds an Optuna study of this name; write nothing.

    Raises StorageError if the database can't be used.
    """
    parsed = parse_url(url)
    if not look_into(parsed).optuna:
        return False
    path = sqlite_path(parsed)
    storage = open_storage(parsed if path is None else parsed.set(database=str(path)), BUSY_SECONDS)
    try:
        return is_there(storage, study)
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another one of its name; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _now() -> datetime:
    return datetime.now(UTC)


def _make_private(path: Path) -> None:
    """Make an SQLite file that is not there, for its owner alone; SQLite's others follow it."""
    with suppress(OSError):  # which SQLite will word
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
