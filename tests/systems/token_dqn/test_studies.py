"""A study of the token system from end to end: replayed, divergence and all, reported, verified."""

from pathlib import Path

import pytest

from ablate.run import InProcessLauncher
from ablate.spec import Cause, Status, paths
from ablate.spec.files import dump_yaml, read_yaml
from ablate.store import Store
from ablate.study import Request, verify
from tests.study.conftest import STORAGE, build, replay, search
from tests.systems.token_dqn.test_configs import FOLDER, ROOT

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]
REQUEST = Request(STORAGE, launcher=lambda _: InProcessLauncher())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write studies over a shortened nano config; give what writes another one."""
    monkeypatch.chdir(tmp_path)
    config = read_yaml(FOLDER / "nano.yaml")
    paths.put(config, "trainer.max_epochs", 12)
    (tmp_path / "nano.yaml").write_text(dump_yaml(config))
    (tmp_path / "studies").mkdir()

    def write(name: str, body: dict) -> None:
        (tmp_path / "studies" / f"{name}.yaml").write_text(dump_yaml(body))

    return write


def ablation() -> dict:
    shipped = read_yaml(ROOT / "studies" / "token_dqn.yaml")
    shipped["episodes"].pop("floor")
    shipped["episodes"].pop("ceiling")
    return {
        **shipped,
        "config": "../nano.yaml",
        "arms": {"fast": {}, "stable": {"model.init_args.horizon": 9}},
        "floor": {"do_nothing": {"model.init_args.predictor": "do_nothing"}},
        "seeds": [1],
    }


def test_a_replay_has_its_episodes_in_the_report_and_comes_out_again(project, tmp_path):
    project("token", ablation())
    assert replay("token", REQUEST).counts == {Status.COMPLETE: 3}
    with Store.open(STORAGE, create=False) as store:
        page = build(store, "token", tmp_path / "report").markdown.read_text()
    assert "| program parses, last 100 |" in page
    assert "| `model.init_args.horizon` | `8` | `9` |" in page
    assert "| held-out success | 0 | 0 |" in page
    for arm in ("fast", "stable"):
        assert f"| `{arm}, seed 1` | 0 to 11 |" in page
    assert "The horizon is not equal: fast 8 and stable 9." in page
    assert verify("token/0", REQUEST).exact


def test_a_rate_that_diverges_is_a_failed_trial_that_the_search_counts(project, tmp_path):
    shipped = read_yaml(ROOT / "studies" / "token_dqn-lr.yaml")
    body = {
        **shipped,
        "config": "../nano.yaml",
        "space": {"optimizer.init_args.lr": {"choice": [1e-3, 1e3]}},
        "seeds": [1],
        "budget": {"trials": 2},
        "divergence": {"metric": "train_loss", "times": 100, "first": 1},
    }
    project("rates", body)
    assert search("rates", REQUEST).counts == {Status.COMPLETE: 1, Status.FAILED: 1}
    with Store.open(STORAGE, create=False) as store:
        (wild,) = [run for run in store.runs("rates") if run.status is Status.FAILED]
        page = build(store, "rates", tmp_path / "report").markdown.read_text()
        logged = {row.step for row in store.metrics("rates") if row.run_id == wild.id}
    assert wild.cause is Cause.DIVERGED
    assert (wild.epochs, max(logged)) == (4, wild.steps)
    assert "1 of the failed ones diverged" in page
    assert "train_loss at most 100 times the median of the first 1" in page
