"""The studies of the world model system in this repository are the published ones."""

from pathlib import Path

import pytest

from ablate.spec import paths, read_study, read_yaml
from ablate.spec.configs import merged

ROOT = Path(__file__).parents[3]


def test_the_ladder_ends_in_the_production_recipe_but_for_logging_and_validation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT)
    written = read_study("worldmodel-ladder")
    study = written.prepare("cuda")
    (arm,) = [arm for arm in study.arms if arm.name == written.spec.full]
    folder = ROOT / "configs" / "worldmodel"
    recipe = merged([read_yaml(folder / f"{name}.yaml") for name in ("development", "production")])
    reached, published = (
        paths.flatten(config) for config in (study.configured(arm.changes, 42), recipe)
    )
    free = ("data.init_args.eval_batch_size", "trainer.log_every_n_steps", "trainer.callbacks")
    differing = {
        path
        for path in reached.keys() | published.keys()
        if reached.get(path) != published.get(path)
    }
    assert {path for path in differing if not path.startswith(free)} == set()
