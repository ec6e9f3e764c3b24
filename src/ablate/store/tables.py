"""ablate's tables, beside Optuna's in the same database."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from ablate.spec import Cause, Status
from ablate.store.plain import from_json, to_json

SCHEMA_VERSION = 2
OPTUNA_TABLES = frozenset({"studies", "trials", "version_info", "alembic_version"})


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, stored in UTC without a zone so that every database keeps it alike."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else value.replace(tzinfo=UTC)


class Word(TypeDecorator[StrEnum]):
    """A word of an enumeration, stored as text."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002
        return None if value is None else self.words(value)


class PlainData(TypeDecorator[Any]):
    """Plain data as JSON text: keeps the order of keys and non-finite numbers everywhere."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else to_json(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:  # noqa: ARG002
        return None if value is None else from_json(value)


class Measure(TypeDecorator[float]):
    """A float in which NaN is stored as NULL, the one form every database gives back."""

    impl = Double
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> float | None:  # noqa: ARG002
        return None if value is None or value != value else float(value)  # noqa: PLR0124

    def process_result_value(self, value: float | None, dialect: Dialect) -> float:  # noqa: ARG002
        return float("nan") if value is None else value


metadata = MetaData()

schema = Table(
    "ablate_schema",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
)

studies = Table(
    "ablate_studies",
    metadata,
    Column("name", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("definition_id", Integer),
    Column("created_at", UtcDateTime, nullable=False),
)

definitions = Table(
    "ablate_definitions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study", Text, ForeignKey("ablate_studies.name"), nullable=False),
    Column("sha256", Text, nullable=False),
    Column("body", PlainData, nullable=False),
    Column("profile", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    UniqueConstraint("study", "sha256"),
)

environments = Table(
    "ablate_environments",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("body", PlainData, nullable=False),
)

runs = Table(
    "ablate_runs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study", Text, ForeignKey("ablate_studies.name"), nullable=False),
    Column("trial", Integer, nullable=False),
    Column("arm", Text),
    Column("seed", BigInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("definition_id", Integer, ForeignKey("ablate_definitions.id"), nullable=False),
    Column("status", Word(Status), nullable=False),
    Column("cause", Word(Cause)),
    Column("reason", Text),
    Column("config_hash", Text, nullable=False),
    Column("config", PlainData, nullable=False),
    Column("parameters", BigInteger),
    Column("profile", Text, nullable=False),
    Column("device", Text, nullable=False),
    Column("environment", Text, ForeignKey("ablate_environments.sha256"), nullable=False),
    Column("code_version", Text, nullable=False),
    Column("directory", Text, nullable=False),
    Column("epochs", Integer),
    Column("steps", BigInteger),
    Column("created_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    UniqueConstraint("study", "trial", "seed", "attempt"),
)

metrics = Table(
    "ablate_metrics",
    metadata,
    Column("run_id", Integer, ForeignKey("ablate_runs.id"), primary_key=True),
    Column("phase", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", Integer, nullable=False),
    Column("value", Measure),
    sqlite_with_rowid=False,
)

fingerprints = Table(
    "ablate_fingerprints",
    metadata,
    Column("run_id", Integer, ForeignKey("ablate_runs.id"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

groups = Table(
    "ablate_groups",
    metadata,
    Column("run_id", Integer, ForeignKey("ablate_runs.id"), primary_key=True),
    Column("grouping", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("step", BigInteger, primary_key=True, autoincrement=False),
    Column("epoch", Integer, nullable=False),
    Column("means", PlainData, nullable=False),
    sqlite_with_rowid=False,
)

facts = Table(
    "ablate_facts",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("body", PlainData, nullable=False),
)

run_facts = Table(
    "ablate_run_facts",
    metadata,
    Column("run_id", Integer, ForeignKey("ablate_runs.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("sha256", Text, ForeignKey("ablate_facts.sha256"), nullable=False),
)

sessions = Table(
    "ablate_sessions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study", Text, ForeignKey("ablate_studies.name"), nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("seen_at", UtcDateTime, nullable=False),
)

audits = Table(
    "ablate_audits",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("definition_id", Integer, ForeignKey("ablate_definitions.id"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

findings = Table(
    "ablate_findings",
    metadata,
    Column("audit_id", Integer, ForeignKey("ablate_audits.id"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("code", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("arms", PlainData, nullable=False),
    Column("what", Text, nullable=False),
    Column("where", Text, nullable=False),
    Column("advice", Text, nullable=False),
    Column("allowed", Integer, nullable=False),
    Column("stage", Text, nullable=False),
)
