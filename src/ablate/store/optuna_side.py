"""Optuna's half of the database; optuna is imported when first needed, as it is slow to import."""

import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from ablate.errors import StorageError
from ablate.spec import Direction
from ablate.store.engines import connect_options, look_into, tune_sqlite, unreadable
from ablate.store.urls import show_url

if TYPE_CHECKING:
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

PAUSES = (0.2, 0.5, 1.0)
"""Seconds between tries while another process may be making the same tables."""


def open_storage(url: URL, busy_seconds: float) -> "RDBStorage":
    """Open Optuna's storage at `url`, making its tables if there are none.

    Raises StorageError, with nothing written, if the tables are of another Optuna version.
    """
    from optuna.exceptions import StorageInternalError  # noqa: PLC0415

    for pause in PAUSES:
        try:
            return _open(url, busy_seconds)
        except (SQLAlchemyError, StorageInternalError):
            time.sleep(pause)
    with translated(url):
        return _open(url, busy_seconds)


def make_study(storage: "RDBStorage", study: str, direction: Direction, metric: str) -> None:
    """Add an Optuna study if there is none of this name, and name its objective after `metric`.

    Raises StorageError if there is one with another direction or with several.
    """
    import optuna  # noqa: PLC0415

    with translated(storage.engine.url):
        made = optuna.create_study(
            storage=storage, study_name=study, direction=direction.value, load_if_exists=True
        )
        directions = [item.name.lower() for item in made.directions]
    if directions != [direction]:
        raise StorageError(
            f"the Optuna study {study!r} in {show_url(storage.engine.url)} is to "
            f"{' and '.join(directions)}, not to {direction}; give the new study another name"
        )
    with translated(storage.engine.url), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if made.metric_names != [metric]:
            made.set_metric_names([metric])


def attach(storage: "RDBStorage", study: str, attrs: Mapping[str, Any]) -> None:
    """Set user attributes of an Optuna study."""
    import optuna  # noqa: PLC0415

    with translated(storage.engine.url):
        try:
            loaded = optuna.load_study(study_name=study, storage=storage)
        except KeyError:
            raise StorageError(
                f"there is no Optuna study {study!r} in {show_url(storage.engine.url)}"
            ) from None
        known = loaded.user_attrs
        for key, value in attrs.items():
            if key not in known or known[key] != value:
                loaded.set_user_attr(key, value)


def is_there(storage: "RDBStorage", study: str) -> bool:
    """Say whether there is an Optuna study of this name, whoever made it."""
    with translated(storage.engine.url):
        try:
            storage.get_study_id_from_name(study)
        except KeyError:
            return False
    return True


def read_past(storage: "RDBStorage", study: str) -> list["FrozenTrial"]:
    """Return the trials of an Optuna study by number; none if there is no such study."""
    with translated(storage.engine.url):
        try:
            study_id = storage.get_study_id_from_name(study)
        except KeyError:
            return []
        trials = storage.get_all_trials(study_id, deepcopy=False)
    return sorted(trials, key=lambda trial: trial.number)


@contextmanager
def translated(url: URL) -> Iterator[None]:
    """Raise a StorageError for every error of the database, also inside Optuna."""
    from optuna.exceptions import StorageInternalError  # noqa: PLC0415

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        raise unreadable(url, error) from None


def _open(url: URL, busy_seconds: float) -> "RDBStorage":
    from optuna.storages import RDBStorage  # noqa: PLC0415

    # Optuna formats its URL as a template, so braces in it are doubled.
    template = url.render_as_string(hide_password=False)
    storage = RDBStorage(
        template.replace("{", "{{").replace("}", "}}"),
        engine_kwargs=connect_options(url, busy_seconds),
        skip_table_creation=look_into(url).optuna,
        skip_compatibility_check=True,
    )
    current, head = storage.get_current_version(), storage.get_head_version()
    if current != head:
        storage.engine.dispose()
        advice = (
            "run: optuna storage upgrade --storage URL"
            if current in storage.get_all_versions()
            else "update optuna"
        )
        raise StorageError(
            f"the storage {show_url(url)} holds Optuna tables of schema {current}, "
            f"and this Optuna needs {head}; {advice}"
        )
    if url.get_backend_name() == "sqlite":
        storage.remove_session()
        storage.engine.dispose()
        tune_sqlite(storage.engine)
    return storage
