"""Optuna's tables: what is known of their layout, and the statements that use it.

Why they are written directly: Optuna's own interface takes one transaction per attribute and per
intermediate value. A trial with 6 attributes and 10 intermediate values takes 26 ms so, on SQLite
in WAL mode on two shared cores, and 1.3 ms in one transaction, in which its runs are written too:
a process that is killed leaves all of a batch or nothing (`benchmarks/storage.py` measures it).

What is written here reads back through Optuna as if Optuna had written it. That is known of the
layouts in `KNOWN`; in any other one trials are written through Optuna (`through_optuna.py`). To
add a layout, compare the tables below with those of the new Optuna (`tests/store` does) and read
its release notes: Optuna 5 began to store times in UTC without a new revision.
"""

from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Enum,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    bindparam,
    column,
    inspect,
    select,
    table,
    update,
)

from ablate.store.dialects import upsert
from ablate.store.optuna_rows import (
    INTERMEDIATE_VALUES,
    PARAMS,
    SYSTEM_ATTRIBUTES,
    USER_ATTRIBUTES,
    VALUES,
)
from ablate.store.tables import OPTUNA_TABLES


class Layout(NamedTuple):
    """A layout of Optuna's tables, as they name it themselves."""

    schema_version: int
    revision: str

    def __str__(self) -> str:
        return f"{self.schema_version} / {self.revision}"


KNOWN = frozenset({Layout(12, "v3.2.0.a")})
"""The layouts that can be written directly: that of Optuna 5.0."""

CONSTRAINT = "constraints:"
"""How the key of a system attribute begins under which Optuna 5 keeps a constraint of a trial."""

# --- tables --------------------------------------------------------------------------------

metadata = MetaData()

studies = Table(
    "studies",
    metadata,
    Column("study_id", Integer, primary_key=True),
    Column("study_name", String(512)),
)
trials = Table(
    "trials",
    metadata,
    Column("trial_id", Integer, primary_key=True),
    Column("number", Integer),
    Column("study_id", Integer),
    Column(
        "state",
        Enum("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING", name="trialstate"),
    ),
    Column("datetime_start", DateTime),
    Column("datetime_complete", DateTime),
)
params = Table(
    PARAMS,
    metadata,
    Column("param_id", Integer, primary_key=True),
    Column("trial_id", Integer),
    Column("param_name", String(512)),
    Column("param_value", Float(53)),
    Column("distribution_json", Text),
)
user_attributes = Table(
    USER_ATTRIBUTES,
    metadata,
    Column("trial_user_attribute_id", Integer, primary_key=True),
    Column("trial_id", Integer),
    Column("key", String(512)),
    Column("value_json", Text),
)
system_attributes = Table(
    SYSTEM_ATTRIBUTES,
    metadata,
    Column("trial_system_attribute_id", Integer, primary_key=True),
    Column("trial_id", Integer),
    Column("key", String(512)),
    Column("value_json", Text),
)
intermediate_values = Table(
    INTERMEDIATE_VALUES,
    metadata,
    Column("trial_intermediate_value_id", Integer, primary_key=True),
    Column("trial_id", Integer),
    Column("step", Integer),
    Column("intermediate_value", Float(53)),
    Column(
        "intermediate_value_type",
        Enum("FINITE", "INF_POS", "INF_NEG", "NAN", name="trialintermediatevaluetype"),
    ),
)
values = Table(
    VALUES,
    metadata,
    Column("trial_value_id", Integer, primary_key=True),
    Column("trial_id", Integer),
    Column("objective", Integer),
    Column("value", Float(53)),
    Column("value_type", Enum("FINITE", "INF_POS", "INF_NEG", name="trialvaluetype")),
)

_UNIQUE = {
    PARAMS: ("trial_id", "param_name"),
    USER_ATTRIBUTES: ("trial_id", "key"),
    SYSTEM_ATTRIBUTES: ("trial_id", "key"),
    INTERMEDIATE_VALUES: ("trial_id", "step"),
    VALUES: ("trial_id", "objective"),
}

# --- statements ----------------------------------------------------------------------------

FIND_STUDY = select(studies.c.study_id).where(studies.c.study_name == bindparam("study_name"))
FIND_STUDY_AND_LOCK_IT = FIND_STUDY.with_for_update()
"""As Optuna does before it numbers a new trial; SQLite locks the whole file and needs no words."""

LAST_TRIAL_NUMBER = (
    select(trials.c.number)
    .where(trials.c.study_id == bindparam("study_id"))
    .order_by(trials.c.trial_id.desc())
    .limit(1)
)
_FIND_TRIALS = select(
    trials.c.number, trials.c.trial_id, trials.c.state, trials.c.datetime_start
).where(trials.c.study_id == bindparam("study_id"))
FIND_TRIALS_BY_ID = _FIND_TRIALS.where(trials.c.trial_id.in_(bindparam("ids", expanding=True)))
FIND_TRIALS_BY_NUMBER = _FIND_TRIALS.where(
    trials.c.number.in_(bindparam("numbers", expanding=True))
)

ADD_TRIAL = trials.insert()
START_WAITING_TRIAL = (
    update(trials)
    .where(trials.c.trial_id == bindparam("id_of_trial"), trials.c.state == "WAITING")
    .values(state="RUNNING", datetime_start=bindparam("now"))
)
END_TRIAL = (
    update(trials)
    .where(trials.c.trial_id == bindparam("id_of_trial"))
    .values(state=bindparam("last_state"), datetime_complete=bindparam("now"))
)

FIND_SYSTEM_ATTRIBUTES = (
    select(trials.c.number, system_attributes.c.value_json)
    .join_from(trials, studies, studies.c.study_id == trials.c.study_id)
    .join(system_attributes, system_attributes.c.trial_id == trials.c.trial_id)
    .where(
        studies.c.study_name == bindparam("study_name"),
        trials.c.number.in_(bindparam("numbers", expanding=True)),
        system_attributes.c.key.startswith(bindparam("prefix"), autoescape=False),
    )
)


def put_parts(backend: str) -> dict[str, Any]:
    """Return by table the statement that adds rows, and replaces those whose key is there.

    The parameters of a trial are added once and never replaced.
    """
    return {
        name: metadata.tables[name].insert()
        if name == PARAMS
        else upsert(metadata.tables[name], keys, backend)
        for name, keys in _UNIQUE.items()
    }


def find_parts(name: str) -> Any:
    """Return the statement that reads all rows of one trial in the table `name`."""
    part = metadata.tables[name]
    return select(part).where(part.c.trial_id == bindparam("trial_id"))


def read_layout(connection: Connection) -> Layout | None:
    """Read the layout of Optuna's tables; None if there are none."""
    if not {*inspect(connection).get_table_names()} >= OPTUNA_TABLES:
        return None
    schema_version = connection.execute(
        select(column("schema_version", Integer)).select_from(table("version_info"))
    ).scalar_one()
    revision = connection.execute(
        select(column("version_num", String)).select_from(table("alembic_version"))
    ).scalar_one()
    return Layout(schema_version, revision)
