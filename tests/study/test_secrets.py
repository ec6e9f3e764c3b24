"""No secret of a study is written anywhere, and one that is referred to works."""

from typing import Any

import pytest

from ablate.errors import SpecError
from ablate.spec import AblationDefinition

from .conftest import ABLATION, CONFIG, SEARCH, Project, replay, search

KEYED = """

class Keyed(Toy):
    def __init__(self, width: int = 4, api_key: str = ""):
        super().__init__(width)
        assert api_key == "hunter2", api_key
"""


def config(api_key: str) -> dict[str, Any]:
    model = {"class_path": "keyed.Keyed", "init_args": {"api_key": api_key}}
    return {**CONFIG, "model": model}


@pytest.fixture
def keyed(project: Project) -> Project:
    (project.folder / "keyed.py").write_text("from toy import Toy\n" + KEYED)
    project.config(config("hunter2"))
    project.study("s", SEARCH, budget={"trials": 1})
    project.study("a", ABLATION)
    return project


def test_a_secret_is_refused_before_anything_is_written(keyed: Project) -> None:
    before = keyed.files()
    for command in (lambda: search("s", keyed.request()), lambda: replay("a", keyed.request())):
        with pytest.raises(SpecError, match=r"toy\.yaml: model\.init_args\.api_key .*\$\{env:API_"):
            command()
    keyed.config(CONFIG)
    overrides = {"model.init_args.api_key": "hunter2"}
    with pytest.raises(SpecError, match=r"--set: model\.init_args\.api_key") as refusal:
        search("s", keyed.request(overrides=overrides))
    assert "hunter2" not in str(refusal.value)
    assert keyed.files() == before


def test_a_reference_is_kept_and_the_secret_is_nowhere(
    keyed: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_KEY", "hunter2")
    keyed.config(config("${env:API_KEY}"))
    assert search("s", keyed.request()).counts == {"complete": 1}
    assert replay("s/0", keyed.request()).counts == {"complete": 1}
    with keyed.store() as store:
        definition = store.require_study("s-0").definition
    assert isinstance(definition, AblationDefinition)
    assert definition.config["model"]["init_args"]["api_key"] == "${env:API_KEY}"
    results = [path for path in (keyed.folder / "results").rglob("*") if path.is_file()]
    assert not [path for path in results if b"hunter2" in path.read_bytes()]
    (keyed.folder / "studies" / "s.yaml").unlink()
    with pytest.raises(Exception, match="reads the variable API_KEY of the environment"):
        replay("s/0", keyed.request(), allowed=["keyed", "toy"])
