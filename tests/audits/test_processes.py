"""What hangs on the process an arm is built in: looked for in other processes, for real."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from ablate.audits.check import audit
from ablate.audits.evidence import Evidence
from ablate.audits.evidence_checks import Declared
from ablate.audits.evidence_checks.processes import check_repetition
from ablate.audits.memory import Memory
from ablate.run import InProcessLauncher, Launcher, LocalLauncher
from ablate.spec import read_study
from tests.study.conftest import ABLATION, CONFIG, Project, project

__all__ = ["project"]

DATA = """
from importlib import import_module
from pathlib import Path

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, TensorDataset

WORDS = "alder ash aspen beech birch cedar elm fir hazel larch lime oak pine rowan yew".split()


class Trees(LightningDataModule):
    def numbers(self):
        return [len(word) for word in WORDS]

    def setup(self, stage):
        x = torch.tensor(self.numbers(), dtype=torch.float32)[:, None].repeat(1, 4)
        self.points = TensorDataset(x, x.sum(1, keepdim=True))

    def train_dataloader(self):
        return DataLoader(self.points, batch_size=8)

    def val_dataloader(self):
        return DataLoader(self.points, batch_size=8)


class BySet(Trees):
    def numbers(self):
        return [len(word) + place for place, word in enumerate({*WORDS})]


class ByCounter(Trees):
    def numbers(self):
        path = Path("seen.txt")
        count = int(path.read_text()) + 1 if path.exists() else 0
        path.write_text(str(count))
        return [len(word) + count for word in WORDS]


class Sound(Trees):
    def numbers(self):
        return [len(word) for word in sorted({*WORDS})]
"""
SET = "        return [len(word) + place for place, word in enumerate({*WORDS})]"


def audited(
    project: Project, data: str, launcher: Launcher, memory: Memory | None = None
) -> dict[str, Any]:
    """Audit an arm on data of a class; return findings by code."""
    (project.folder / "trees.py").write_text(DATA)
    project.config({**CONFIG, "data": {"class_path": f"trees.{data}"}})
    arms = {"narrow": {"model.init_args.width": 2}}
    project.study("x", ABLATION, arms=arms, reference=None, floor={})
    try:
        found = audit(read_study("x").prepare("cpu"), launcher, memory=memory)
    finally:
        launcher.close()
    return {item.code: item for item in found}


@pytest.mark.long
def test_data_in_the_order_of_a_set_are_found_in_processes_of_other_hash_seeds(
    project: Project,
) -> None:
    found = audited(project, "BySet", LocalLauncher(1))
    assert found["hash-order"].severity == "warning"
    assert "other training data" in found["hash-order"].what
    assert found["hash-order"].where == f"trees, line {DATA.splitlines().index(SET) + 1}"
    assert "nondeterministic" not in found


def test_what_outlives_a_run_is_found_by_setting_the_data_up_again(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of this process, other code goes by the order of a set, too.
    examine = import_module("ablate.audits.probes.examine")
    monkeypatch.setattr(examine, "order_matters", lambda: None)
    launcher, forgotten = InProcessLauncher(), []
    memory = Memory(tmp_path / "evidence", launcher.facts())
    monkeypatch.setattr(memory, "forget", lambda job: forgotten.append(job.id))
    found = audited(project, "ByCounter", launcher, memory)
    assert found["nondeterministic"].where == "setup"
    assert "such as seen.txt, which it writes" in found["nondeterministic"].what
    assert forgotten == [0]  # nobody can rely on this evidence
    assert "nondeterministic" not in audited(project, "Trees", launcher, memory)
    assert forgotten == [0]


def test_data_that_are_not_the_same_again_are_named_and_steps_of_the_machine_are_not() -> None:
    seen = {"training data": "a", "data order": "b", "training steps": "c"}
    arms = {
        "steps": Evidence(seen=seen, again={**seen, "training steps": "d"}),
        "order": Evidence(seen=seen, again={**seen, "data order": "d"}, made=("count",)),
        "unseen": Evidence(seen=seen),
    }
    (found,) = check_repetition(arms, Declared())
    assert (found.code, found.arms, found.where) == ("nondeterministic", ("order",), "setup")
    assert "there is other data order:" in found.what
    assert "such as count, which it writes" in found.what
