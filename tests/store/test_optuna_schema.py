"""What is known of Optuna's tables is what the installed Optuna makes."""

import pytest
from sqlalchemy import Enum, MetaData

from ablate.store import optuna_schema


@pytest.mark.parametrize("url", ["sqlite_url", "postgresql_url"], indirect=True)
def test_the_tables_are_those_that_optuna_makes(store):
    engine = store.optuna.engine
    made = MetaData()
    made.reflect(engine)
    for name, table in optuna_schema.metadata.tables.items():
        assert shown(table, engine) == shown(made.tables[name], engine)
    with engine.connect() as connection:
        assert optuna_schema.read_layout(connection) in optuna_schema.KNOWN


@pytest.fixture
def url(request):
    return request.getfixturevalue(request.param)


def shown(table, engine):
    """Name the columns of a table with their types, and those of its key."""
    types = {}
    for column in table.columns:
        if isinstance(column.type, Enum) and engine.dialect.name == "postgresql":
            types[column.name] = (column.type.name, sorted(column.type.enums))
        else:
            shown_type = column.type.compile(engine.dialect)
            types[column.name] = shown_type.replace("FLOAT(53)", "DOUBLE PRECISION")
    return types, [column.name for column in table.primary_key]
