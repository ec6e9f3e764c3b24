"""A database that somebody else has written runs nothing of theirs."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ablate.errors import AblateError, RequestError
from ablate.run import LocalLauncher
from ablate.run.admission import check_names
from ablate.spec import Trust, paths
from ablate.study import confirm, verify
from ablate.study.setup import study_to_run

from .conftest import SEARCH, Project, matrix, replay, search

DATABASE = Path("results", "ablate.db")


@pytest.fixture
def searched(project: Project) -> Project:
    project.study("s", SEARCH, budget={"trials": 1})
    search("s", project.request())
    return project


@contextmanager
def written() -> Iterator[sqlite3.Connection]:
    """Write the database as somebody else."""
    with closing(sqlite3.connect(DATABASE)) as database, database:
        yield database


def tampered(change: Callable[[dict[str, Any]], None]) -> None:
    """Change the stored config of the only run."""
    with written() as database:
        ((text,),) = database.execute("SELECT config FROM ablate_runs").fetchall()
        config = json.loads(text)
        change(config)
        database.execute("UPDATE ablate_runs SET config = ?", [json.dumps(config)])


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda config: paths.put(config, path, value)


def shell(class_path: str, marker: Path) -> dict[str, Any]:
    return {"class_path": class_path, "init_args": {"args": f"touch {marker}", "shell": True}}


@pytest.mark.parametrize(
    "class_path", ["ablate.run.environment.subprocess.Popen", "toy.subprocess.Popen"]
)
def test_a_stored_config_starts_no_program_by_any_command(
    searched: Project, class_path: str
) -> None:
    with (searched.folder / "toy.py").open("a") as module:
        module.write("\nimport subprocess\n")
    marker = searched.folder / "pwned"
    tampered(put("trainer.callbacks", [shell(class_path, marker)]))
    before = searched.files()
    with pytest.raises(AblateError, match=r"trainer\.callbacks.*may not name it"):
        replay("s/0", searched.request())
    with pytest.raises(AblateError, match="may not name it"):
        verify("s/0", searched.request())
    with pytest.raises(AblateError, match="may not name it"):
        confirm("s", searched.request(), top=1, seeds=1)
    with pytest.raises(AblateError, match="may not name it"):
        matrix("s/0", searched.request())
    assert searched.files() == before


def test_a_worker_imports_and_starts_nothing_of_a_stored_config(searched: Project) -> None:
    (searched.folder / "evil.py").write_text("open('imported', 'w')\n")
    marker = searched.folder / "pwned"
    described = shell("ablate.run.environment.subprocess.Popen", marker)
    tampered(put("model.init_args", {"width": 4, "dropout": described}))
    launcher = LocalLauncher(1)
    try:
        request = searched.request(launcher=lambda _: launcher)
        with pytest.raises(AblateError, match=r"dropout.*Popen"):
            replay("s/0", request)
    finally:
        launcher.close()
    assert not marker.exists()
    tampered(put("model.class_path", "evil.Model"))
    with pytest.raises(RequestError, match="--allow-import evil"):
        replay("s/0", searched.request())
    assert not (searched.folder / "imported").exists()


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("model", '{"class_path": "evil.Model"}', r"model: the text .* describes objects|no name"),
        ("model.init_args.width", '{"class_path": "evil.Model"}', "describes objects"),
        ("model", "configs/toy.yaml", "no name of a class"),
        ("trainer.callbacks", ["configs/toy.yaml"], "names the file .* so it is not read"),
        ("model.class_path", "evil.Model", "--allow-import evil"),
        ("model.class_path", ["evil.Model"], "no name of a class"),
    ],
)
def test_a_stored_config_is_refused_before_a_worker_has_it(
    searched: Project, path: str, value: Any, said: str
) -> None:
    (searched.folder / "evil.py").write_text("open('imported', 'w')\n")
    tampered(put(path, value))
    before = searched.files()
    with pytest.raises(RequestError, match=f"the stored config of s is not run: .*({said})"):
        replay("s/0", searched.request())
    assert searched.files() == before


@pytest.mark.parametrize(
    "entry",
    ["ablate.run.entry:execute_entry", "torch.hub:load", "os:system", "../evil.py"],
)
def test_the_entry_of_a_stored_study_is_named_by_a_file_of_its_user(
    searched: Project, entry: str
) -> None:
    with written() as database:
        rows = database.execute("SELECT id, body FROM ablate_definitions").fetchall()
        for key, text in rows:
            changed = json.dumps({**json.loads(text), "cli": entry})
            database.execute("UPDATE ablate_definitions SET body = ? WHERE id = ?", [changed, key])
    with pytest.raises(AblateError):
        replay("s/0", searched.request())


def test_a_point_that_was_put_into_the_database_is_not_tried(project: Project) -> None:
    project.study("s", SEARCH, budget={"trials": 1})
    search("s", project.request())
    with written() as database:
        database.execute("UPDATE trials SET state = 'RUNNING', datetime_complete = NULL")
        found = json.dumps({"name": "CategoricalDistribution", "attributes": {"choices": ["x.y"]}})
        database.execute(
            "UPDATE trial_params SET param_value = 0, distribution_json = ? "
            "WHERE param_name = 'model.init_args.width'",
            [found],
        )
    with pytest.raises(AblateError, match=r"trial 0 of s as stored: .*'x\.y'"):
        search("s", project.request())


@pytest.mark.parametrize("name", ["../elsewhere", "/elsewhere", "..", "a/b"])
def test_a_study_named_like_a_path_is_not_run(project: Project, name: str) -> None:
    with pytest.raises(RequestError, match="folder of runs"):
        study_to_run(project.request().storage, name)


def test_a_file_of_objects_is_read_for_no_stored_config(project: Project) -> None:
    (project.folder / "evil.yaml").write_text('{"init": {"\\u0063lass_path": "evil.Model"}}')
    (project.folder / "harmless.yaml").write_text("author: me")
    check_names({"model": {"init_args": {"by": "harmless.yaml"}}}, Trust())
    for value in ("evil.yaml", str(project.folder / "evil.yaml")):
        with pytest.raises(AblateError, match=r"names the file .* so it is not read"):
            check_names({"model": {"init_args": {"encoder": value}}}, Trust())
    with pytest.raises(AblateError, match="--allow-import __main__"):
        check_names({"model": {"class_path": "__main__.Model"}}, Trust())
    check_names({"model": {"class_path": "__main__.Model"}}, Trust(("__main__",)))


ENCLOSED = """
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
import torch
from jsonargparse import ArgumentParser
from ablate.run.admission import enclose
from ablate.spec import Trust

enclose(Trust(("toy", "../train.py")))
parser = ArgumentParser(exit_on_error=False)
parser.add_argument("--f", type=Callable)
parser.add_argument("--m", type=torch.nn.Module)
parser.parse_args(["--f=torch.nn.functional.relu", "--m=torch.nn.Identity"])
for wrong in ("os.system", "subprocess.Popen", "torch.hub.load", "torch.os.system", "json.loads"):
    try:
        parser.parse_args([f"--f={wrong}"])
    except Exception as error:
        assert "not allowed" in str(error), error
    else:
        raise SystemExit(f"{wrong} was imported")
"""


def test_the_parser_itself_imports_nothing_else_in_a_worker(project: Project) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENCLOSED], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
