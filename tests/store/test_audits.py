"""Audits are kept with the definition they were made of, in old databases too."""

import sqlite3

import pytest

from ablate.store import FindingRow, Store
from ablate.testing.batches import define

FOUND = (
    FindingRow(
        *("unequal-lengths", "note", ("a", "b", "c"), "lengths", "data", "filter"),
        *(False, "probe", (("a", "b"), ("b", "c"))),
    ),
    FindingRow("same-function", "warning", ("a", "b"), "alike", "model", "drop one", True, "probe"),
    FindingRow(
        *("unequal-data", "warning", ("a", "c", "b"), "c and b", "data", "give all the same"),
        *(False, "static", (("a",), ("c", "b"))),
    ),
    FindingRow(
        "secret", "error", (), "postgresql://ann:hunter2@h/db", "x", "hide", False, "static"
    ),
)


@pytest.fixture(params=["sqlite_url", "postgresql_url"])
def url(request):
    return request.getfixturevalue(request.param)


def test_the_latest_audit_of_a_definition_is_read_with_its_findings(store, definition):
    assert store.audit(definition) is None
    store.record_audit(definition, FOUND[::-1])
    store.record_audit(definition, FOUND)
    audit = store.audit(definition)
    assert audit.definition_id == definition
    assert audit.findings[:3] == FOUND[:3]
    assert audit.findings[3]._replace(what="") == FOUND[3]._replace(what="")
    assert audit.findings[3].what == "postgresql://ann:***@h/db"
    assert audit.created_at.tzinfo is not None


def test_an_audit_that_found_nothing_is_not_the_same_as_none(store, definition):
    store.record_audit(definition, ())
    assert store.audit(definition).findings == ()


def test_a_database_of_before_the_audit_keeps_working_and_gains_its_tables(tmp_path):
    url = f"sqlite:///{tmp_path}/ablate.db"
    with Store.open(url, create=True) as store:
        definition = define(store)
    with sqlite3.connect(tmp_path / "ablate.db") as old:
        old.executescript("DROP TABLE ablate_findings; DROP TABLE ablate_audits")
    old.close()
    with Store.open(url, create=False) as store:
        assert store.audit(definition) is None
        assert store.study_names() == ["s"]
    with Store.open(url, create=True) as store:
        store.record_audit(definition, FOUND[:1])
        assert store.audit(definition).findings == FOUND[:1]
        assert store.study("s").definition_id == definition
