"""Files that a run writes into its folder are its trial's artifacts, each exactly once."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta

from ablate.errors import RunError, StorageError
from ablate.spec import Direction
from ablate.store import Store
from ablate.store.artifacts import MAX_FILES, RunFiles
from ablate.study.record import Recorder, waiting
from ablate.testing import definitions

from .conftest import ABLATION, CONFIG, SEARCH, STORAGE, Project, replay, search
from .test_survival import Losing

PAINTER = '''
from pathlib import Path

from PIL import Image
from toy import Toy


class Painter(Toy):
    """Paints a picture at the end of every validation."""

    def __init__(self, many: int = 0, **arguments) -> None:
        super().__init__(**arguments)
        self.many = many

    def on_validation_epoch_end(self) -> None:
        if self.trainer.fast_dev_run or self.trainer.sanity_checking:
            return
        folder = Path(self.trainer.default_root_dir) / "artifacts"
        (folder / "epochs").mkdir(parents=True, exist_ok=True)
        shade = 60 * self.current_epoch
        picture = Image.new("RGB", (32, 16), (shade, 90, 255 - shade))
        picture.save(folder / "motion.png")
        picture.save(folder / "epochs" / f"{self.current_epoch}.gif")
        for number in range(self.many):
            (folder / f"{number:02}.txt").write_text("one of many")
'''

EPOCHS = {"motion.png", "epochs/0.gif", "epochs/1.gif", "epochs/2.gif"}
LR = "optimizer.init_args.lr"


def painting(project: Project, **arguments: Any) -> None:
    """Make the project's module one that paints."""
    (project.folder / "painter.py").write_text(PAINTER)
    model = {"class_path": "painter.Painter", "init_args": {"width": 8, **arguments}}
    project.config({**CONFIG, "model": model})


def artifacts(study: str = "s") -> list[dict[str, bytes]]:
    """Read every trial's artifacts through Optuna: their contents by name."""
    loaded = optuna.load_study(study_name=study, storage=STORAGE)
    store = FileSystemArtifactStore(Path("results", "artifacts"))
    found = []
    for trial in loaded.trials:
        metas = get_all_artifact_meta(trial, storage=loaded._storage)
        contents = {}
        for meta in metas:
            with store.open_reader(meta.artifact_id) as file:
                contents[meta.filename] = file.read()
        assert len(contents) == len(metas), "two artifacts of one name"
        found.append(contents)
    return found


def kept() -> int:
    return len(list(Path("results", "artifacts").iterdir()))


def test_a_search_keeps_the_files_of_every_trial(project: Project) -> None:
    painting(project)
    project.study("s", SEARCH, space={LR: {"float": [1e-4, 1e-1]}}, budget={"trials": 2})
    search("s", project.request())
    found = artifacts()
    assert [set(contents) for contents in found] == [EPOCHS, EPOCHS]
    with project.store() as store:
        for run, contents in zip(store.runs("s"), found, strict=True):
            for name, content in contents.items():
                assert content == Path(run.directory, "artifacts", name).read_bytes()
    assert kept() == 8
    search("s", project.request())
    assert artifacts() == found


def test_a_replay_keeps_the_files_of_every_run(project: Project) -> None:
    painting(project)
    project.study("a", ABLATION, floor={"mean": {"model": {"class_path": "toy.Mean"}}}, seeds=[1])
    replay("a", project.request())
    assert [set(contents) for contents in artifacts("a")] == [EPOCHS, EPOCHS, set()]


def test_runs_without_files_leave_no_trace(project: Project) -> None:
    project.study("s", SEARCH, budget={"trials": 1})
    search("s", project.request())
    assert artifacts() == [{}]
    assert not Path("results", "artifacts").exists()


def test_runs_of_one_trial_are_told_apart_by_their_seed(project: Project) -> None:
    painting(project)
    space = {LR: {"choice": [0.01, 0.02]}}
    project.study("s", SEARCH, seeds=[1, 2], space=space, budget={"trials": 1})
    search("s", project.request())
    (contents,) = artifacts()
    assert set(contents) == {f"seed-{seed}/{name}" for seed in (1, 2) for name in EPOCHS}


def test_a_pruned_trial_has_the_files_of_its_epochs(project: Project) -> None:
    painting(project)
    pruner = {"class_path": "optuna.pruners.ThresholdPruner", "init_args": {"upper": 1e-9}}
    project.study("s", SEARCH, pruner=pruner, budget={"trials": 1})
    assert search("s", project.request()).counts == {"pruned": 1}
    (contents,) = artifacts()
    assert set(contents) == {"motion.png", "epochs/0.gif"}


def test_a_failed_trial_has_what_lies_there(project: Project) -> None:
    painting(project, mishap="raise")
    project.study("s", SEARCH, budget={"trials": 1})
    assert search("s", project.request()).counts == {"failed": 1}
    (contents,) = artifacts()
    assert set(contents) == {"motion.png", "epochs/0.gif"}
    assert kept() == 2


@pytest.mark.parametrize("checkpoint", [0, 1000])
def test_a_run_that_was_lost_and_tried_again_has_every_file_once(
    project: Project, checkpoint: float
) -> None:
    painting(project)
    project.study("s", SEARCH, limits={"checkpoint": checkpoint}, budget={"trials": 1})
    search("s", project.request(launcher=lambda _: Losing(1)))
    (contents,) = artifacts()
    assert set(contents) == EPOCHS
    assert kept() == 4


@pytest.mark.parametrize("at", ["files", "end"])
def test_a_command_that_dies_while_it_records_neither_loses_nor_repeats(
    project: Project, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    painting(project)
    project.study("s", SEARCH, seeds=[1, 2], budget={"trials": 2})
    write, died = Store.write, []

    def dying(self: Store, batch: Any) -> None:
        files = any(k.startswith("artifacts:") for kv in batch.system_attrs.values() for k in kv)
        if files and at == "end":
            write(self, replace(batch, ended_runs={}, ended_trials={}))
        if files:
            died.append(batch)
            raise StorageError("the machine is gone")
        write(self, batch)

    monkeypatch.setattr(Store, "write", dying)
    with pytest.raises(RunError, match="the machine is gone"):
        search("s", project.request())
    assert died
    assert kept()
    monkeypatch.setattr(Store, "write", write)
    assert search("s", project.request()).counts == {"complete": 2}
    names = {f"seed-{seed}/{name}" for seed in (1, 2) for name in EPOCHS}
    assert [set(contents) for contents in artifacts()] == [names, names]
    assert kept() == 16


def test_what_was_noted_is_recorded_after_a_flush(project: Project, told: Any) -> None:
    folder = Path("results", "s", "0-abcdef01", "artifacts")
    folder.mkdir(parents=True)
    with (folder / "weights.bin").open("wb") as file:
        file.truncate(40_000_000)  # it takes a while to copy
    with Store.open(STORAGE, create=True) as store:
        store.define("s", definitions.search())
        recorder = Recorder(store, "s", Direction.MINIMIZE, "val_loss", told)
        recorder.new_trial(0, waiting("a", 1, "0" * 64))
        recorder.flush()
        recorder.keep_files(RunFiles("s", 0, folder.parent, "", Path("results", "artifacts")))
        recorder.flush()
        assert [record.name for record in store.artifacts("s", [0])] == ["weights.bin"]
        recorder.close()


def test_more_than_is_kept_stays_in_the_folder_and_is_said(project: Project, told: Any) -> None:
    painting(project, many=MAX_FILES)
    project.study("s", SEARCH, budget={"trials": 1})
    search("s", project.request(say=told))
    (contents,) = artifacts()
    assert len(contents) == MAX_FILES
    (line,) = [line for line in told if "files" in line]
    assert line.startswith("trial 0: 4 of 54 files are only in results/s/0-")
