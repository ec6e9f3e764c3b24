"""Sessions: which process has worked on a study, from when to when."""

import os
import socket
from datetime import datetime

from sqlalchemy import Connection, select, update

from ablate.store import tables


def add_session(connection: Connection, study: str, now: datetime) -> int:
    """Record that this process works on `study` from now on and return the session's id."""
    result = connection.execute(
        tables.sessions.insert().values(
            study=study, host=socket.gethostname(), pid=os.getpid(), started_at=now, seen_at=now
        )
    )
    key = result.inserted_primary_key
    assert key is not None  # noqa: S101 - an INSERT of one row returns its key
    return int(key[0])


def prolong_session(connection: Connection, session_id: int, now: datetime) -> None:
    """Record that a session is alive now."""
    sessions = tables.sessions
    connection.execute(update(sessions).where(sessions.c.id == session_id).values(seen_at=now))


def sum_seconds(connection: Connection, study: str) -> float:
    """Sum the seconds that all sessions have spent on `study`."""
    sessions = tables.sessions
    spans = connection.execute(
        select(sessions.c.started_at, sessions.c.seen_at).where(sessions.c.study == study)
    )
    return float(sum((seen - started).total_seconds() for started, seen in spans))


def describe_newest(connection: Connection, study: str) -> str:
    """Word which process worked on `study` last."""
    sessions = tables.sessions.c
    found = connection.execute(
        select(sessions.host, sessions.pid, sessions.seen_at)
        .where(sessions.study == study)
        .order_by(sessions.seen_at.desc(), sessions.id.desc())
        .limit(1)
    ).one_or_none()
    if found is None:
        return "another process"
    return f"process {found.pid} on {found.host} (last seen {found.seen_at:%H:%M:%S} UTC)"
