"""The studies in this repository hold together."""

from pathlib import Path

import pytest

from ablate.spec import read_study

ROOT = Path(__file__).parents[1]
NAMES = sorted(path.stem for path in (ROOT / "studies").glob("*.yaml"))


@pytest.mark.parametrize("profile", ["cpu", "cuda"])
@pytest.mark.parametrize("name", NAMES)
def test_every_study_prepares_under_every_profile(
    name: str, profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    study = read_study(name).prepare(profile)
    assert study.definition.config["model"]["class_path"].startswith("ablate.systems.")
