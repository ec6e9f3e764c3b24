import optuna
import pytest

from ablate.store import Store

optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'ablate.db'}"


@pytest.fixture
def store(url):
    with Store.open(url, create=True) as opened:
        yield opened


@pytest.fixture
def definition(store):
    return store.define("s", "ablation", {"arms": {"b": {}, "a": {}}}, "cpu")


@pytest.fixture
def run(store, definition):
    return start(store, definition)


def start(store, definition, **changes):
    values = {
        "study": "s",
        "trial": 0,
        "arm": "a",
        "seed": 307,
        "attempt": 0,
        "definition_id": definition,
        "config": {"z": 1, "a": [1.5, None, float("inf")]},
        "config_hash": "abc",
        "profile": "cpu",
        "device": "CPU",
        "environment": {"python": "3.11"},
        "code_version": "c0ffee",
        "directory": "results/s/0-abc",
    }
    return store.start_run(**(values | changes))
