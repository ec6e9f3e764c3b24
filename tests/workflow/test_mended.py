"""optuna-dashboard has an answer to every request for reading, and hides what can only fail."""

import io
import json
import re
import shutil
import subprocess
import threading
from importlib.resources import files

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial
from sqlalchemy.exc import OperationalError
from waitress.server import create_server

from ablate.spec import Direction, Objective
from ablate.store import Store
from ablate.testing.batches import define, whole
from ablate.testing.definitions import ablation
from ablate.workflow import dashboards
from ablate.workflow.dashboards import dashboard
from ablate.workflow.mended import STYLE
from ablate.workflow.serving import with_headers

from .replayed import replayed, two_metrics

PLOTS = ("contour", "slice", "parallel_coordinate", "rank", "edf", "timeline", "pareto_front")
X = FloatDistribution(0, 1)
FOREIGN = {
    "empty": [],
    "failed": [create_trial(state=TrialState.FAIL)] * 3,
    "pruned": [create_trial(state=TrialState.PRUNED, intermediate_values={0: float("nan")})] * 3,
    "without parameters": [create_trial(value=float(i)) for i in range(4)],
    "infinite": [
        create_trial(value=float("inf"), params={"x": i / 4}, distributions={"x": X})
        for i in range(4)
    ],
    "waiting": [create_trial(state=TrialState.WAITING), create_trial(state=TrialState.RUNNING)],
    "odd": [create_trial(value=1.0, user_attrs={"a": float("nan"), "b": [{"c": "<b>"}]})],
}


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/ablate.db", create=True) as opened:
        yield opened


@pytest.fixture
def application(store, tmp_path, monkeypatch):
    served = []
    monkeypatch.setattr(dashboards, "serve", lambda application, *_: served.append(application))
    monkeypatch.setattr(dashboards, "other_people", lambda: False)
    monkeypatch.setattr(dashboards.Store, "open", lambda *_, **__: store)
    dashboard(storage=f"sqlite:///{tmp_path}/ablate.db", results=tmp_path / "results", say=str)
    return served[0]


def ask(application, path, query="", **more):
    said, errors = [], io.StringIO()
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query,
        "HTTP_HOST": "127.0.0.1:8080", "wsgi.errors": errors, "wsgi.input": io.BytesIO(),
        "SERVER_NAME": "x", "SERVER_PORT": "1", "wsgi.url_scheme": "http", **more,
    }  # fmt: skip
    parts = application(environ, lambda status, headers, *_: said.append((status, headers)))
    body = b"".join(parts)
    assert errors.getvalue() == ""
    status, headers = said[-1]
    return int(status[:3]), dict(headers), body


def everything(number):
    """Return every address for reading that optuna-dashboard has of a study."""
    study = f"/api/studies/{number}"
    return [
        study, f"{study}/param_importances", f"/csv/{number}", f"/dashboard/studies/{number}",
        *(f"{study}/plot/{plot}" for plot in (*PLOTS, "unheard-of")),
        f"/artifacts/{number}/ab", f"/artifacts/{number}/{number}/ab",
        f"/artifacts/{number}/987654/ab",
    ]  # fmt: skip


def fill(store):
    """Record an ablation, a search, one of which nothing ran, and what other programs make."""
    objective = Objective(metric="val_loss", direction=Direction.MINIMIZE, at="last")
    made = ablation(metrics=two_metrics(), objective=objective, seeds=(1, 2))
    curves = {("a", 1): {"val_loss": [1.0]}, ("a", 2): {"val_loss": [2.0]}}
    replayed(store, made, curves, "arms")
    replayed(store, made, {}, "not begun")
    search = define(store, "search")
    for number in range(2):
        store.write(whole(search, number, "search"))
    for name, trials in FOREIGN.items():
        optuna.create_study(study_name=name, storage=store.optuna).add_trials(trials)


def test_no_request_for_reading_ends_in_an_error_of_the_server(application, store):
    fill(store)
    studies = json.loads(ask(application, "/api/studies")[2])["study_summaries"]
    assert len(studies) == 3 + len(FOREIGN)
    said = {
        path: ask(application, path)[0]
        for study in (*(one["study_id"] for one in studies), 98765, 10**30)
        for path in everything(study)
    }
    said |= {f"after={after}": ask(application, "/api/studies/1", f"after={after}")[0]
             for after in ("x", "-1", "", "1", "9" * 40)}  # fmt: skip
    said |= {path: ask(application, path)[0] for path in ("/favicon.ico", "/static/bundle.js")}
    assert not {path: status for path, status in said.items() if status >= 500}
    assert said["/api/studies/98765"] == said["/api/studies/98765/plot/edf"] == 404
    assert said["/artifacts/1/987654/ab"] == 404
    assert (said["after=x"], said["after=1"]) == (400, 200)
    assert all(said[f"/api/studies/{one['study_id']}"] == 200 for one in studies)


def test_importance_is_empty_without_parameters_and_told_of_arms(application, store):
    fill(store)
    numbers = {
        one["study_name"]: one["study_id"]
        for one in json.loads(ask(application, "/api/studies")[2])["study_summaries"]
    }

    def importance(study):
        status, _, body = ask(application, f"/api/studies/{numbers[study]}/param_importances")
        assert status == 200
        return json.loads(body)["param_importances"]

    assert importance("without parameters") == importance("empty") == [[]]
    assert {one["name"] for one in importance("arms")[0]} == {"arm", "seed"}


def test_the_pages_are_told_the_names_of_metrics_and_what_arms_change(application, store):
    fill(store)
    number = store.optuna.get_study_id_from_name("arms")
    study = json.loads(ask(application, f"/api/studies/{number}")[2])
    assert study["objective_names"] == ["val_loss"]
    assert [one["name"] for one in study["intersection_search_space"]] == ["arm", "seed"]
    assert {"key": "val_loss", "sortable": True} in study["union_user_attrs"]
    table = ask(application, f"/csv/{number}")[2].decode()
    assert table.startswith("Number,State,val_loss,Param arm,Param seed,")


def test_a_database_that_is_away_is_said_to_be(application, store, monkeypatch):
    fill(store)

    def away(*_):
        raise OperationalError("SELECT", {}, Exception("locked"))

    monkeypatch.setattr(store.optuna, "get_study_name_from_id", away)
    status, _, body = ask(application, "/api/studies/1")
    assert (status, json.loads(body)) == (503, {"reason": "the database can't be read now"})


def test_what_would_write_is_hidden_and_the_reports_are_linked(application):
    for path in ("/dashboard", "/dashboard/", "/dashboard/studies/1"):
        status, headers, body = ask(application, path, HTTP_IF_MODIFIED_SINCE="now")
        assert status == 200
        assert int(headers["Content-Length"]) == len(body)
        assert "Last-Modified" not in headers
        head, page = body.decode().split("</head>")
        assert 'button[aria-label="delete study"]' in head
        assert "display: none" in head
        assert '<a href="/">reports</a>' in page
        assert "style-src 'self' data: 'unsafe-inline'" in headers["Content-Security-Policy"]
    status, headers, body = ask(application, "/dashboard", REQUEST_METHOD="HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 1000


BROWSER = shutil.which("chromium")


@pytest.mark.skipif(BROWSER is None, reason="there is no chromium on the path")
def test_a_browser_shows_an_ablation_without_a_word_of_complaint(application, store):
    fill(store)
    number = store.optuna.get_study_id_from_name("arms")
    server = create_server(with_headers(application), host="127.0.0.1", port=0)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        where = f"http://127.0.0.1:{server.effective_port}/dashboard/studies/{number}"
        done = subprocess.run(
            [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
             "--virtual-time-budget=10000", "--dump-dom", where],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    finally:
        server.close()
    assert "CONSOLE" not in done.stderr
    assert "val_loss" in done.stdout
    assert "Objective 0" not in done.stdout
    assert "Best Trial" in done.stdout
    assert "arm: a, seed: 1" in done.stdout
    assert '<a href="/">reports</a>' in done.stdout


def test_the_controls_that_are_hidden_are_those_of_this_optuna_dashboard():
    """A new optuna-dashboard may call them otherwise: look at its pages then."""
    script = files("optuna_dashboard").joinpath("public/bundle.js").read_text()
    labels = re.findall(r'aria-label="([^"]+)"', STYLE)
    icons = [name.removesuffix("Icon") for name in re.findall(r'data-testid="(\w+)"', STYLE)]
    assert len(labels) == 5
    assert len(icons) == 3
    assert [label for label in labels if f'"aria-label":"{label}"' not in script] == []
    assert [icon for icon in icons if f'"{icon}")' not in script] == []
