"""Evidence is used again only while all that it stands on is as it was."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ablate.audits.evidence import Evidence
from ablate.audits.memory import Memory
from ablate.audits.standing import Standing, standing
from ablate.run import Call, WorkerFacts

FACTS = WorkerFacts(
    profile="cpu", device="d", host="h", python="3", system="s", threads=1, cuda=None,
    float32_matmul_precision="highest", deterministic_algorithms=False, cudnn_benchmark=False,
    libraries={"torch": "2"},
)  # fmt: skip
WIDTH = "model.init_args.width"
READ = Evidence(parameters=3, keys={WIDTH: "read"})


def job(width: int = 8, values: tuple[int, ...] = (8, 16)) -> Call:
    request = {"keys": {WIDTH: list(values)}, "metrics": ["val_loss"], "seconds": 20.0}
    config = {"model": {"class_path": "m.Net", "init_args": {"width": width}}}
    return Call(0, config, "f", {"request": request})


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "data.csv").write_text("1,2\n")
    (folder / "notes.md").write_text("hello\n")
    monkeypatch.chdir(folder)
    return folder


def kept(folder: Path, evidence: Evidence = READ) -> Memory:
    told = Standing.now([str(Path("data.csv").absolute())])
    assert told is not None
    memory = Memory(folder / "cache", FACTS)
    memory.keep(job(), {"evidence": evidence.as_dict(), "standing": told.as_dict()})
    return memory


def test_evidence_is_recalled_while_nothing_has_changed(project, tmp_path):
    assert kept(tmp_path).recalled(job()) == READ


def test_evidence_is_found_anew_if_that_is_asked_for(project, tmp_path):
    kept(tmp_path)
    assert Memory(tmp_path / "cache", FACTS, fresh=True).recalled(job()) is None


def test_evidence_that_is_forgotten_is_found_anew(project, tmp_path):
    memory = kept(tmp_path)
    memory.forget(job())
    memory.forget(job())
    assert memory.recalled(job()) is None


@pytest.mark.parametrize(
    ("name", "content", "recalled"),
    [("data.csv", "1,3\n", False), ("new.csv", "1\n", False), ("notes.md", "bye\n", True)],
)
def test_a_changed_or_a_new_file_of_the_project_makes_evidence_stale(
    project, tmp_path, name, content, recalled
):
    memory = kept(tmp_path)
    (project / name).write_text(content)
    assert (memory.recalled(job()) == READ) is recalled


def test_another_config_machine_or_variable_is_another_arm(project, tmp_path, monkeypatch):
    memory = kept(tmp_path)
    assert memory.recalled(job(width=9)) is None
    assert Memory(tmp_path / "cache", replace(FACTS, device="e")).recalled(job()) is None
    monkeypatch.setenv("DATA_ROOT", "elsewhere")
    assert Memory(tmp_path / "cache", FACTS).recalled(job()) is None


def test_an_edit_of_another_arm_leaves_evidence_of_keys_that_are_read(project, tmp_path):
    assert kept(tmp_path).recalled(job(values=(8, 32))) == READ
    dead = replace(READ, keys={WIDTH: "dead"})
    assert kept(tmp_path, dead).recalled(job()) == dead
    assert kept(tmp_path, dead).recalled(job(values=(8, 32))) is None


def test_a_broken_file_is_no_evidence(project, tmp_path):
    memory = kept(tmp_path)
    (path,) = (tmp_path / "cache").glob("*.json")
    path.write_text("{")
    assert memory.recalled(job()) is None


def test_evidence_that_stands_on_who_knows_what_is_not_kept(project, tmp_path):
    memory = Memory(tmp_path / "cache", FACTS)
    memory.keep(job(), {"evidence": READ.as_dict(), "standing": None})
    assert memory.recalled(job()) is None


def test_a_process_that_was_not_watched_stands_on_nothing_known():
    assert standing() is None


@pytest.mark.parametrize(
    ("does", "known"),
    [
        ("open('data.csv').read()", True),
        ("import subprocess; subprocess.run(['true'])", False),
        ("open('kept.csv', 'w').write('1')", False),
    ],
)
def test_a_watched_process_knows_what_it_stands_on(project, does, known):
    code = (
        "from ablate.run.touched import watch; watch()\n"
        f"{does}\n"
        "from ablate.audits.standing import standing\n"
        "stands = standing()\n"
        "print(stands is not None and any(path.endswith('data.csv') for path in stands.files))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.strip() == str(known)
