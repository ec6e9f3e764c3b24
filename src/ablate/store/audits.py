"""Audits of a study's definitions, with what they found."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from ablate.spec.secrets import mask
from ablate.store import tables
from ablate.store.plain import storable
from ablate.store.records import AuditRecord, FindingRow


def add_audit(
    connection: Connection, definition_id: int, findings: Sequence[FindingRow], now: datetime
) -> None:
    """Record that a definition was audited, with what was found, passwords masked."""
    result = connection.execute(
        tables.audits.insert().values(definition_id=definition_id, created_at=now)
    )
    key = result.inserted_primary_key
    assert key is not None  # noqa: S101 - an INSERT of one row returns its key
    rows = [_row(finding) for finding in findings]
    if rows:
        connection.execute(
            tables.findings.insert(),
            [{"audit_id": key[0], "place": n, **row} for n, row in enumerate(rows)],
        )


def read_audit(connection: Connection, definition_id: int) -> AuditRecord | None:
    """Read the latest audit of a definition; None if it was not audited."""
    audits, findings = tables.audits.c, tables.findings.c
    latest = connection.execute(
        select(audits.id, audits.created_at)
        .where(audits.definition_id == definition_id)
        .order_by(audits.id.desc())
        .limit(1)
    ).one_or_none()
    if latest is None:
        return None
    rows = connection.execute(
        select(*(findings[name] for name in FindingRow._fields if name != _GROUPS))
        .where(findings.audit_id == latest.id)
        .order_by(findings.place)
    )
    found = tuple(_finding(FindingRow(*row)) for row in rows)
    return AuditRecord(definition_id, latest.created_at, found)


_GROUPS = "groups"


def _row(finding: FindingRow) -> dict[str, Any]:
    """Return the columns of a finding; of one between arms their groups are stored."""
    row: dict[str, Any] = {
        name: mask(storable(value)) if isinstance(value, str) else value
        for name, value in finding._asdict().items()
    }
    if groups := row.pop(_GROUPS):
        row["arms"] = [*map(list, groups)]
    return row


def _finding(row: FindingRow) -> FindingRow:
    """Read a finding, whose arms are names or groups of them."""
    groups = tuple(tuple(group) for group in row.arms if not isinstance(group, str))
    arms = tuple(dict.fromkeys(arm for group in groups for arm in group)) or tuple(row.arms)
    return row._replace(arms=arms, groups=groups, allowed=bool(row.allowed))
