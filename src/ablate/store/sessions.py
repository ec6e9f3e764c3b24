"""Sessions: which process has worked on a study, from when to when.

A session is as long as the monotonic clock says, whatever happens to the clock on the wall: when
it was last seen is counted from when it started.
"""

import os
import socket
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from ablate.store import tables


@dataclass(frozen=True)
class Session:
    """A session of this process, which began at a time on both clocks."""

    id: int
    started_at: datetime
    began: float = field(default_factory=time.monotonic)

    def now(self) -> datetime:
        """Return the time as a clock shows it that nobody has set since the session began."""
        return self.started_at + timedelta(seconds=time.monotonic() - self.began)


def add_session(connection: Connection, study: str, now: datetime) -> Session:
    """Record that this process works on `study` from now on and return the session."""
    result = connection.execute(
        tables.sessions.insert().values(
            study=study, host=socket.gethostname(), pid=os.getpid(), started_at=now, seen_at=now
        )
    )
    key = result.inserted_primary_key
    assert key is not None  # noqa: S101 - an INSERT of one row returns its key
    return Session(int(key[0]), now)


def prolong_session(connection: Connection, session: Session) -> None:
    """Record that a session is alive now."""
    sessions = tables.sessions
    connection.execute(
        update(sessions).where(sessions.c.id == session.id).values(seen_at=session.now())
    )


def sum_seconds(connection: Connection, study: str) -> float:
    """Sum the seconds that all sessions have spent on `study`."""
    sessions = tables.sessions
    spans = connection.execute(
        select(sessions.c.started_at, sessions.c.seen_at).where(sessions.c.study == study)
    )
    # Of earlier versions, whose clock may have been set back meanwhile.
    return float(sum(max((seen - started).total_seconds(), 0.0) for started, seen in spans))


def describe_newest(connection: Connection, study: str) -> str:
    """Word which process worked on `study` last."""
    sessions = tables.sessions.c
    found = connection.execute(
        select(sessions.host, sessions.pid, sessions.seen_at)
        .where(sessions.study == study)
        .order_by(sessions.id.desc())
        .limit(1)
    ).one_or_none()
    if found is None:
        return "another process"
    return f"process {found.pid} on {found.host} (last seen {found.seen_at:%H:%M:%S} UTC)"
