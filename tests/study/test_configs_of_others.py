"""Studies whose config holds defaults that YAML can't, or folders that every run would share."""

import pytest

from ablate.errors import SpecError
from ablate.spec import Budget, paths, read_yaml
from ablate.spec.hashing import content_hash
from ablate.study import freeze_trial
from tests.study.conftest import ABLATION, CONFIG, SEARCH, STORAGE, replay, search

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

OPAQUE = """
import torch
from torch import nn
from toy import Toy

class Opaque(Toy):
    def __init__(self, width: int = 4, loss=nn.SmoothL1Loss(beta=0.3), scale=torch.tensor([2.0])):
        super().__init__(width=width)
        assert isinstance(loss, nn.Module)
        self.loss, self.scale = loss, scale

    def training_step(self, batch, index):
        return self.loss(self.net(batch[0] * self.scale), batch[1])
"""
MARK = "<default of opaque.Opaque.loss: nn.SmoothL1Loss(beta=0.3)>"


def checkpoint(**arguments):
    return {
        "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
        "init_args": {"monitor": "val_loss", **arguments},
    }


def with_checkpoint(**arguments):
    trainer = {**CONFIG["trainer"], "enable_checkpointing": True, "max_epochs": 1}
    return {**CONFIG, "trainer": {**trainer, "callbacks": [checkpoint(**arguments)]}}


def test_a_shared_folder_is_refused_in_a_search_with_nothing_written(project):
    project.config(with_checkpoint(dirpath="/shared/checkpoints"))
    project.study("s", SEARCH)
    before = project.files()
    with pytest.raises(SpecError) as refused:
        search("s", project.request())
    assert str(refused.value) == (
        "configs/toy.yaml: trainer.callbacks[0].init_args.dirpath: '/shared/checkpoints' is the "
        "same place for every run, and they would overwrite each other's files; write a relative "
        "path, such as 'checkpoints', which lies in the folder of each run, or leave the key out"
    )
    assert project.files() == before


def test_a_shared_folder_that_only_an_arm_has_is_refused_with_the_arm(project):
    arms = {"plain": {}, "saving": {"trainer.callbacks": [checkpoint(dirpath="../all")]}}
    project.config(with_checkpoint(dirpath="mine"))
    project.study("a", {**ABLATION, "arms": arms, "reference": "plain"}, floor={})
    before = project.files()
    with pytest.raises(SpecError, match=r"^a: arms.saving: trainer.callbacks\[0\].*'../all'"):
        replay("a", project.request())
    assert project.files() == before


def test_a_search_of_one_run_may_write_where_it_likes(project, tmp_path):
    project.config(with_checkpoint(dirpath=str(tmp_path / "mine"), filename="best"))
    project.study("s", SEARCH)
    search("s", project.request(), Budget(trials=1))
    assert (tmp_path / "mine" / "best.ckpt").is_file()


def hash_of(path):
    return content_hash(read_yaml(path))


def test_a_default_survives_the_database_and_a_frozen_config_and_is_built_again(project):
    (project.folder / "opaque.py").write_text(OPAQUE)
    project.config({**CONFIG, "model": {"class_path": "opaque.Opaque"}})
    project.study("s", SEARCH, budget={"trials": 2})
    search("s", project.request())
    frozen = freeze_trial("s/0", project.folder / "configs" / "frozen.yaml", STORAGE)
    assert paths.get(read_yaml(frozen), "model.init_args.loss") == MARK
    again = replay("s/0", project.request(), afresh=True)
    assert {run.status for run in again.runs} == {"complete"}
    wide = {"model.init_args.width": 16}
    project.study(
        "a", {**ABLATION, "config": "../configs/frozen.yaml", "arms": {"same": {}, "wide": wide}},
        floor={}, reference="same", seeds=[7],
    )  # fmt: skip
    result = replay("a", project.request())
    assert {run.status for run in result.runs} == {"complete"}
    with project.store() as store:
        assert hash_of(frozen) in {run.config_hash for run in store.runs("s")}
    assert hash_of(frozen) in {run.config_hash for run in result.runs if run.arm == "same"}
