"""Studies and their definitions, each on an open connection."""

from datetime import datetime

from sqlalchemy import Connection, select, update

from ablate.errors import StorageError
from ablate.spec import Definition, read_definition
from ablate.spec.definition import VERSION
from ablate.store import tables
from ablate.store.dialects import insert
from ablate.store.plain import ordered_hash
from ablate.store.records import DefinitionRecord, StudyRecord


def define_study(
    connection: Connection, study: str, definition: Definition, shown: str, now: datetime
) -> int:
    """Make a definition the current one of a study and return its id.

    Raises StorageError, naming the storage as `shown`, if the study exists with another kind.
    """
    studies, kind = tables.studies, definition.kind
    backend = connection.dialect.name
    connection.execute(
        insert(studies, backend)
        .values(name=study, kind=kind, created_at=now)
        .on_conflict_do_nothing()
    )
    known = connection.execute(select(studies.c.kind).where(studies.c.name == study)).scalar_one()
    if known != kind:
        raise StorageError(
            f"{study!r} is already a study of kind {known} in {shown}, "
            f"not {kind}; give the new study another name"
        )
    definition_id = _of_earlier_version(connection, study, definition)
    if definition_id is None:
        definition_id = _of_this_version(connection, study, definition, now)
    connection.execute(
        update(studies).where(studies.c.name == study).values(definition_id=definition_id)
    )
    return definition_id


def _of_this_version(
    connection: Connection, study: str, definition: Definition, now: datetime
) -> int:
    """Return the id of a definition, which is added if it is not there."""
    definitions, body = tables.definitions, definition.as_plain()
    sha256 = ordered_hash(body)
    connection.execute(
        insert(definitions, connection.dialect.name)
        .values(study=study, sha256=sha256, body=body, profile=definition.profile, created_at=now)
        .on_conflict_do_nothing()
    )
    found: int = connection.execute(
        select(definitions.c.id).where(definitions.c.study == study, definitions.c.sha256 == sha256)
    ).scalar_one()
    return found


def _of_earlier_version(connection: Connection, study: str, definition: Definition) -> int | None:
    """Return the id under which an earlier version wrote this very definition, None if it did not.

    What is stored is never rewritten, and runs and audits stay those of the definition.
    """
    columns, wanted = tables.definitions.c, ordered_hash(definition.as_plain())
    rows = connection.execute(
        select(columns.id, columns.body).where(columns.study == study).order_by(columns.id)
    )
    for definition_id, body in rows:
        if body.get("version", 1) == VERSION:
            continue
        if ordered_hash(read_definition(body).as_plain()) == wanted:
            return int(definition_id)
    return None


def read_study(connection: Connection, name: str) -> StudyRecord | None:
    """Read a study with its current definition, None if there is none of this name."""
    studies, definitions = tables.studies, tables.definitions
    row = connection.execute(
        select(studies.c.name, definitions.c.body, definitions.c.id, studies.c.created_at)
        .join(definitions, definitions.c.id == studies.c.definition_id)
        .where(studies.c.name == name)
    ).one_or_none()
    if row is None:
        return None
    return StudyRecord(row.name, read_definition(row.body), row.id, row.created_at)


def read_definitions(connection: Connection, study: str) -> list[DefinitionRecord]:
    """Read every definition of a study, oldest first."""
    columns = tables.definitions.c
    rows = connection.execute(
        select(columns.id, columns.sha256, columns.body, columns.created_at)
        .where(columns.study == study)
        .order_by(columns.id)
    ).all()
    return [
        DefinitionRecord(row.id, row.sha256, read_definition(row.body), row.created_at)
        for row in rows
    ]
