"""How studies stand."""

import optuna
import pytest

from ablate.spec import Budget, ClassConfig, Objective
from ablate.store import Store
from ablate.testing import definitions
from ablate.workflow.standings import status

SEARCH = definitions.search(
    objective=Objective(metric="loss"),
    space={"lr": {"float": [1e-5, 1e-2]}},
    budget=Budget(trials=2),
    sampler=ClassConfig(class_path="optuna.samplers.TPESampler"),
)
ABLATION = definitions.ablation(arms={"a": {}, "b": {"x": 1}}, objective=Objective(metric="loss"))


@pytest.mark.parametrize(("definition", "best"), [(SEARCH, 1), (ABLATION, None)])
def test_only_a_search_has_a_best_trial(tmp_path, definition, best):
    url = f"sqlite:///{tmp_path}/ablate.db"
    with Store.open(url, create=True) as store:
        store.define("s", definition)
        study = optuna.create_study(study_name="s", storage=store.optuna)
        for value in (2.0, 1.0):
            study.add_trial(
                optuna.trial.create_trial(value=value, user_attrs={"state": "complete"})
            )
    result = status(storage=url)
    (found,) = result.studies
    assert (found.best and found.best.number) == best
    assert result.frame()["best_value"].tolist() == [None if best is None else 1.0]
