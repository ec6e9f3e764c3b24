"""What a config's references stand for reaches the objects of a run, and nothing that is kept."""

import os
import stat
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
import yaml

from ablate.errors import SpecError
from ablate.run import Probe, Resolved
from ablate.run.lightning_cli import resolve as resolved
from ablate.run.log import FILE, open_log
from ablate.spec import Cause, Trust
from ablate.store import Store
from ablate.testing.jobs import Record, execute, model, resolve, run, toy
from ablate.testing.toy import Toy

SECRET = "correct horse battery"  # noqa: S105
REFERENCE = "${env:ABLATE_TEST_KEY}"


class Client:
    """An object of the module's that has a secret of its own."""

    def __init__(self, dsn: str, names: list[str] | None = None) -> None:
        self.dsn, self.names = dsn, names


class Keyed(Toy):
    """Is given a secret, keeps its hyper-parameters, and says what it was given if it is to."""

    seen: ClassVar[list[Any]] = []

    def __init__(
        self, width: int = 4, api_key: str = "", client: Client | None = None, fail: bool = False
    ) -> None:
        super().__init__(width)
        self.save_hyperparameters(ignore=["client"])
        Keyed.seen.append((api_key, client and client.dsn, client and client.names))
        if fail:
            raise ValueError(f"{api_key} is refused")


class Careless(Toy):
    """Has a secret in its code."""

    def __init__(self, width: int = 4, api_key: str = "hunter2") -> None:
        super().__init__(width)


@pytest.fixture(autouse=True)
def set_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ABLATE_TEST_KEY", SECRET)
    Keyed.seen.clear()


def keyed(**more: Any) -> dict[str, Any]:
    client = {
        "class_path": f"{__name__}.Client",
        "init_args": {"dsn": f"db://ann:{REFERENCE}@h", "names": [REFERENCE]},
    }
    return model(Keyed, api_key=REFERENCE, client=client, **more)


def test_a_resolved_config_holds_the_reference() -> None:
    record = Record()
    execute(resolve(1, keyed()), record)
    (event,) = [event for event in record.of(1) if isinstance(event, Resolved)]
    assert event.config["model"]["init_args"]["api_key"] == REFERENCE
    assert SECRET not in repr(record.of(1))


def test_the_objects_get_the_secret_and_the_files_of_a_run_do_not(tmp_path: Path) -> None:
    changes = {**keyed(), "trainer.enable_checkpointing": True, "trainer.logger": True}
    record = Record()
    execute(run(1, tmp_path, changes), record)
    assert record.outcome().status == "complete", record.outcome().reason
    assert Keyed.seen == [(SECRET, f"db://ann:{SECRET}@h", [SECRET])]
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert config["model"]["init_args"]["api_key"] == REFERENCE
    (kept,) = tmp_path.rglob("*.ckpt")
    assert torch.load(kept, weights_only=True)["hyper_parameters"]["api_key"] == REFERENCE
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
    assert SECRET not in repr(record.of(1))


def test_a_message_that_quotes_the_secret_quotes_the_reference() -> None:
    record = Record()
    execute(Probe(1, toy(keyed(fail=True)), "val_loss"), record)
    end = record.finished()
    assert f"{REFERENCE} is refused" in (end.outcome.reason or "")
    assert SECRET not in repr(end)


def test_a_variable_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ABLATE_TEST_KEY")
    record = Record()
    execute(Probe(1, toy(keyed()), "val_loss"), record)
    assert record.cause() is Cause.WRONG_CONFIG
    assert "model.init_args" in (record.outcome().reason or "")
    assert "no variable ABLATE_TEST_KEY" in (record.outcome().reason or "")


def test_a_secret_that_is_a_default_of_the_code_is_not_recorded() -> None:
    with pytest.raises(SpecError, match=r"model\.init_args\.api_key looks like a secret") as error:
        resolved(toy(model(Careless)))
    assert "hunter2" not in str(error.value)


def test_a_stored_config_reads_only_variables_that_its_user_names() -> None:
    config = toy(keyed())
    for names, cause in (((), Cause.WRONG_CONFIG), (("ABLATE_TEST_KEY",), None)):
        record = Record()
        job = Probe(1, config, "val_loss", trust=Trust(("tests",), names))
        execute(job, record)
        assert record.cause() is cause, record.outcome().reason
    assert len(Keyed.seen) == 1


def test_databases_and_logs_are_their_owners_alone(tmp_path: Path) -> None:
    with Store.open(f"sqlite:///{tmp_path}/a.db", create=True):
        found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert found.keys() >= {"a.db", "a.db-wal", "a.db-shm"}
    assert set(found.values()) == {0o600}
    os.close(open_log(tmp_path / "run"))
    assert stat.S_IMODE((tmp_path / "run" / FILE).stat().st_mode) == 0o600
