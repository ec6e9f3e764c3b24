from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateTable

from ablate.store import tables


def test_every_table_bears_the_prefix_and_can_be_made_in_both_databases():
    for table in tables.metadata.sorted_tables:
        assert table.name.startswith("ablate_")
        for dialect in (postgresql.dialect(), sqlite.dialect()):
            assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=dialect))


def test_times_and_plain_data_never_depend_on_the_database():
    types = {
        str(c.type.compile(postgresql.dialect()))
        for t in tables.metadata.sorted_tables
        for c in t.c
    }
    assert types <= {
        "TEXT", "INTEGER", "BIGINT", "DOUBLE PRECISION", "TIMESTAMP WITHOUT TIME ZONE"
    }  # fmt: skip
