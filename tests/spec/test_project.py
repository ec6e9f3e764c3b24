"""The folders that a study's modules are imported from."""

from pathlib import Path

import pytest

from ablate.spec import dump_yaml, read_study
from ablate.spec.project import import_folders


@pytest.mark.parametrize("mark", ["pyproject.toml", "setup.py", "setup.cfg", ".git"])
def test_a_folder_is_followed_by_the_root_of_its_project(tmp_path: Path, mark: str):
    inner = tmp_path / "project" / "research" / "studies"
    inner.mkdir(parents=True)
    (tmp_path / "project" / mark).touch()
    assert import_folders([inner]) == (inner, tmp_path / "project")


def test_without_a_root_studies_lie_in_the_projects_folder(tmp_path: Path):
    (tmp_path / "studies").mkdir()
    assert import_folders([tmp_path / "studies"]) == (tmp_path / "studies", tmp_path)
    assert import_folders([tmp_path]) == (tmp_path,)


def test_a_study_is_imported_from_its_own_folders_and_its_configs(tmp_path: Path):
    for name in ("here/studies", "there/configs"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "there" / ".git").mkdir()
    (tmp_path / "there" / "configs" / "base.yaml").write_text("{}")
    study = {
        "kind": "search",
        "config": "../../there/configs/base.yaml",
        "objective": {"metric": "val_loss"},
        "space": {"model.init_args.width": {"choice": [1, 2]}},
        "budget": {"trials": 1},
        "seeds": [1],
    }
    path = tmp_path / "here" / "studies" / "s.yaml"
    path.write_text(dump_yaml(study))
    names = ("here/studies", "here", "there/configs", "there")
    assert read_study(path).import_folders() == tuple(tmp_path / name for name in names)
