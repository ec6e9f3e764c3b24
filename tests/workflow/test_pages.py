"""The dashboard serves the report of every study, fresh from the database."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from html import unescape

import optuna
import pytest

from ablate.errors import StorageError
from ablate.spec import Direction, Objective
from ablate.store import Store
from ablate.store.shared_reading import SharedReading
from ablate.testing.batches import define, whole
from ablate.testing.definitions import ablation
from ablate.workflow import pages
from ablate.workflow.pages import Pages, policy_of, report_path
from ablate.workflow.reports import report
from ablate.workflow.serving import guarded, with_headers
from ablate.workflow.tokens import with_token

from .replayed import replayed, two_metrics

PORT = 8080
ODD = "a/<b>&\"'é %2F?#x"
CURVES = {("a", 1): {"val_loss": [1.0, 0.5]}, ("b", 1): {"val_loss": [2.0, 0.7]}}


def arms(**changes):
    objective = Objective(metric="val_loss", direction=Direction.MINIMIZE, at="last")
    known = {"arms": {"b": {}, "a": {"x": 1}}, "config": {"x": 0}, "seeds": (1,),
             "metrics": two_metrics(), "objective": objective}  # fmt: skip
    return ablation(**(known | changes))


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/ablate.db", create=True) as opened:
        yield opened


@pytest.fixture
def served(store, tmp_path):
    def rest(environ, start):
        start("200 OK", [])
        return [b"optuna-dashboard"]

    made = Pages(rest, store, SharedReading(store.optuna), tmp_path / "results")
    return with_headers(guarded(made, PORT))


def ask(application, path, **more):
    said = []
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path.encode().decode("latin-1"), "QUERY_STRING": "",
        "HTTP_HOST": f"127.0.0.1:{PORT}", **more,
    }  # fmt: skip
    parts = application(environ, lambda status, headers, *_: said.append((status, headers)))
    body = b"".join(parts)
    status, headers = said[-1]
    return int(status[:3]), {name.lower(): value for name, value in headers}, body.decode()


def test_the_report_is_the_one_that_ablate_report_writes_and_none_is_written(
    served, store, tmp_path
):
    replayed(store, arms(), CURVES)
    status, headers, page = ask(served, "/reports/s")
    assert status == 200
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert not (tmp_path / "results").exists()
    url = f"sqlite:///{tmp_path}/ablate.db"
    written = report("s", storage=url, results=tmp_path / "results")
    assert written.files.html.read_text() == page


def test_the_header_allows_what_the_page_itself_does_and_no_frame(served, store):
    replayed(store, arms(), CURVES)
    _, headers, page = ask(served, "/reports/s")
    own = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert headers["content-security-policy"] == f"{unescape(own[1])}; frame-ancestors 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    given = '<meta http-equiv="Content-Security-Policy" content="script-src &#39;sha256-x&#39;">'
    assert policy_of(given) == "script-src 'sha256-x'"
    for odd in ("", given.replace("x", "\n"), given.replace("x", "é")):
        assert policy_of(odd).startswith("default-src 'none'")


def test_the_start_page_leads_to_every_study_and_runs_nothing_of_a_name(served, store):
    replayed(store, arms(), CURVES, ODD)
    store.write(whole(define(store, "found"), 0, "found"))
    optuna.create_study(study_name="<i>plain</i>", storage=store.optuna)
    status, headers, page = ask(served, "/")
    assert status == 200
    assert "script" not in headers["content-security-policy"]
    assert "<i>" not in page
    assert "<b>" not in page
    assert 'href="/dashboard"' in page
    assert page.count(">report</a>") == 2
    assert page.count(">optuna-dashboard</a>") == 4
    links = [unescape(link) for link in re.findall(r'href="(/reports/[^"]+)"', page)]
    assert sorted(links) == sorted([report_path("found"), report_path(ODD)])
    for study in ("found", ODD):
        status, _, page = ask(served, f"/reports/{study}")
        assert status == 200
        assert "<b>&" not in page
    for path in ("/reports", "/reports/"):
        status, headers, _ = ask(served, path)
        assert (status, headers["location"]) == (302, "/")
    assert ask(served, "/dashboard")[2] == "optuna-dashboard"
    assert ask(served, "/reportsx")[2] == "optuna-dashboard"


def test_a_database_without_studies_says_so(served):
    assert "There is no study yet." in ask(served, "/")[2]


def test_an_unknown_study_is_not_found_and_the_nearest_are_named_in_one_line(served, store):
    replayed(store, arms(), CURVES, "ladder")
    status, headers, said = ask(served, "/reports/lader")
    assert status == 404
    assert headers["content-type"].startswith("text/plain")
    assert "there is no study 'lader'" in said
    assert said.endswith("did you mean 'ladder'?")
    status, _, said = ask(served, "/reports/<script>\n\x00")
    assert status == 404
    assert "\n" not in said
    optuna.create_study(study_name="plain", storage=store.optuna)
    assert ask(served, "/reports/plain")[0] == 404


def test_what_can_not_be_read_is_a_sentence(served, store, monkeypatch):
    replayed(store, arms(), CURVES)

    def newer(*_):
        raise StorageError("the study 's' was written by a newer version of ablate;\nupdate it")

    monkeypatch.setattr(store, "study", newer)
    status, _, said = ask(served, "/reports/s")
    assert (status, said) == (
        503,
        "the study 's' was written by a newer version of ablate; update it",
    )


def test_a_report_is_made_once_per_state_of_the_study(served, store, monkeypatch):
    made, clock = [], [0.0]
    page_of = pages.page_of
    monkeypatch.setattr(pages, "page_of", lambda *asked: made.append(1) or page_of(*asked))
    monkeypatch.setattr(pages.time, "monotonic", lambda: clock[0])
    replayed(store, arms(), {("a", 1): CURVES["a", 1]})
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: ask(served, "/reports/s")[::2], range(200)))
    assert len(found) == len(made) == 1
    clock[0] += pages.FRESH_SECONDS + 1
    first = ask(served, "/reports/s")[2]
    assert len(made) == 1
    replayed(store, arms(), {("b", 1): CURVES["b", 1]})
    assert ask(served, "/reports/s")[2] == first
    clock[0] += pages.FRESH_SECONDS + 1
    assert ask(served, "/reports/s")[2] != first
    assert len(made) == 2
    status, headers, body = ask(served, "/reports/s", REQUEST_METHOD="HEAD")
    assert (status, body) == (200, "")
    assert int(headers["content-length"]) > 1000
    assert len(made) == 2


def test_pages_take_bounded_room(served, store, monkeypatch):
    made = []
    monkeypatch.setattr(pages, "page_of", lambda *asked: made.append(asked[1]) or "x" * 10)
    monkeypatch.setattr(pages, "ROOM", 20)
    for study in "abc":
        define(store, study)
    for study in ("a", "b", "c", "c", "b", "a"):
        ask(served, f"/reports/{study}")
    assert made == ["a", "b", "c", "a"]


def test_a_long_report_holds_up_no_other_page(served, store, monkeypatch):
    begun, go = threading.Event(), threading.Event()

    def slow(*_):
        begun.set()
        assert go.wait(30)
        return "slow"

    monkeypatch.setattr(pages, "page_of", slow)
    define(store, "s")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(ask, served, "/reports/s")
        assert begun.wait(30)
        assert ask(served, "/")[0] == 200
        assert ask(served, "/dashboard")[0] == 200
        go.set()
        assert waiting.result()[2] == "slow"


def test_reports_are_behind_the_guard_and_the_token(store, tmp_path):
    replayed(store, arms(), CURVES)
    made = Pages(lambda *_: [], store, SharedReading(store.optuna), tmp_path)
    closed = with_headers(guarded(with_token(made, "x" * 32, PORT), PORT))
    for path in ("/", "/reports/s"):
        assert ask(closed, path)[0] == 403
        assert ask(closed, path, HTTP_HOST="evil.example")[0] == 403
        assert ask(closed, path, REQUEST_METHOD="POST")[0] == 405
        cookie = f"ablate-dashboard-{PORT}={'x' * 32}"
        assert ask(closed, path, HTTP_COOKIE=cookie)[0] == 200


def test_the_state_of_a_study_is_another_one_after_all_that_is_recorded(store):
    seen = [store.state("s")]

    def changes(what):
        what()
        seen.append(store.state("s"))
        assert len(set(seen)) == len(seen)

    changes(lambda: store.create_study("s", Direction.MINIMIZE, "val_loss") or define(store))
    made = store.require_study("s").definition_id
    changes(lambda: store.write(whole(made, 0)))
    changes(lambda: store.write(whole(made, 1)))
    session = store.start_session("s")
    changes(lambda: None)
    changes(lambda: store.touch_session(session))
    changes(lambda: store.record_audit(made, []))
    before = store.state("s")
    store.write(whole(define(store, "other"), 0, "other"))
    assert store.state("s") == before
