"""How long a study was worked on, whatever happens to the clock on the wall."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ablate.store import Store
from ablate.store import database as clocked
from ablate.testing.definitions import search


@pytest.mark.parametrize("jump", [timedelta(hours=9), timedelta(hours=-9), timedelta(days=20000)])
def test_a_clock_that_jumps_changes_no_duration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: timedelta
) -> None:
    with Store.open(f"sqlite:///{tmp_path}/s.db", create=True) as store:
        store.define("s", search())
        session = store.start_session("s")

        class Wrong(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(UTC) + jump

        monkeypatch.setattr(clocked, "datetime", Wrong)
        time.sleep(0.05)
        store.touch_session(session)
        assert 0.05 <= store.active_seconds("s") < 60
        store.touch_session(store.start_session("s"))
        assert 0.05 <= store.active_seconds("s") < 60
