"""The dashboard answers many at once from one copy, for reading, and to whom it should."""

import http.client
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import optuna
import pytest
from optuna.trial import TrialState

from ablate.errors import RequestError, StorageError
from ablate.store import Store, shared_reading
from ablate.store.shared_reading import SharedReading
from ablate.workflow import answers, people
from ablate.workflow.answers import SharedAnswers
from ablate.workflow.dashboards import dashboard
from ablate.workflow.serving import guarded, with_headers
from ablate.workflow.tokens import new_token, with_token

PORT = 8080
TOKEN = "x" * 32


def ask(application, path="/", query="", **more):
    """Ask a WSGI application; return the status, the headers by name in lower case, the body."""
    said = []
    environ = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query,
        "HTTP_HOST": f"127.0.0.1:{PORT}", **more,
    }  # fmt: skip
    body = b"".join(
        application(environ, lambda status, headers, *_: said.append((status, headers)))
    )
    status, headers = said[-1]
    return int(status[:3]), {name.lower(): value for name, value in headers}, body


def seen(asked):
    """Make an application that notes what it is asked."""

    def application(environ, start):
        asked.append(environ)
        start("200 OK", [("Access-Control-Allow-Origin", "*")])
        return [b"hello"]

    return application


@pytest.fixture
def asked():
    return []


@pytest.fixture
def closed(asked):
    return with_headers(guarded(with_token(seen(asked), TOKEN, PORT), PORT))


def test_the_token_is_taken_once_from_the_address_and_then_from_the_cookie(closed, asked):
    status, headers, _ = ask(closed, "/dashboard/é", f"a=1&token={TOKEN}&b=%26")
    assert status == 303
    assert headers["location"] == "http://127.0.0.1:8080/dashboard/%E9?a=1&b=%26"
    assert not asked
    cookie, *rules = headers["set-cookie"].split("; ")
    assert set(rules) == {"Path=/", "HttpOnly", "SameSite=Strict"}
    status, _, body = ask(closed, query="a=1", HTTP_COOKIE=f"other=1; {cookie}")
    assert (status, body) == (200, b"hello")
    assert TOKEN not in str(asked)


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"query": "token="},
        {"query": f"token={TOKEN[:-1]}"},
        {"query": f"token={TOKEN}x"},
        {"query": "token=%FF%00é"},
        {"HTTP_COOKIE": f"token={TOKEN}"},
        {"HTTP_COOKIE": f"ablate-dashboard-8081={TOKEN}"},
        {"HTTP_COOKIE": "ablate-dashboard-8080="},
        {"HTTP_COOKIE": "é;;==\0"},
        {"query": "&".join(["token=a"] * 100)},
        {"query": f"token={TOKEN}", "HTTP_HOST": "evil.example"},
        {"query": f"token={TOKEN}", "REQUEST_METHOD": "DELETE"},
    ],
)
def test_who_does_not_know_the_token_is_told_nothing(closed, asked, request_):
    status, headers, body = ask(closed, **request_)
    assert status in (400, 403, 405)
    assert not asked
    assert TOKEN not in f"{headers}{body!r}"


def test_tokens_differ_and_are_long():
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) >= 32


def test_a_foreign_site_is_not_sent_to_by_the_address_with_the_token(closed):
    _, headers, _ = ask(closed, "//evil.example/", f"token={TOKEN}")
    assert headers["location"].startswith("http://127.0.0.1:8080//evil")


def test_every_answer_has_headers_that_keep_it_to_itself(asked):
    application = with_headers(guarded(seen(asked), PORT))
    for path, policy in (
        ("/api/studies", "default-src 'none'"),
        ("/artifacts/1/1/a-b", "sandbox"),
        ("/static/main.js", None),
    ):
        _, headers, _ = ask(application, path)
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "SAMEORIGIN"
        assert "access-control-allow-origin" not in headers
        assert headers.get("content-security-policy", "").startswith(policy or "")
        assert ("content-security-policy" in headers) is (policy is not None)


def test_people_are_told_from_services_and_from_oneself():
    assert not people.others(1000, [0, 1, 33, 999, 1000, 65534])
    assert people.others(1000, [1001])
    assert people.others(0, [1000])
    assert isinstance(people.other_people(), bool)


def test_requests_of_one_moment_share_one_answer():
    made, go = [], threading.Event()

    def application(environ, start):
        go.wait(10)
        made.append(environ["REQUEST_METHOD"])
        start("200 OK", [])
        return [b"x" * 10]

    shared = SharedAnswers(application)
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(ask, shared, "/api/studies") for _ in range(7)]
        waiting.append(pool.submit(ask, shared, "/api/studies", REQUEST_METHOD="HEAD"))
        go.set()
        bodies = [one.result()[2] for one in waiting]
    assert made == ["GET"]
    assert bodies == [b"x" * 10] * 7 + [b""]
    ask(shared, "/api/studies", "after=1")
    ask(shared, "/static/x")
    ask(shared, "/static/x")
    assert len(made) == 4


def test_answers_age_and_take_bounded_room(monkeypatch):
    made = []

    def application(environ, start):
        made.append(environ["PATH_INFO"])
        start("200 OK" if "bad" not in environ["PATH_INFO"] else "500 Oh", [])
        return [b"x" * 10]

    shared = SharedAnswers(application)
    monkeypatch.setattr(answers, "ROOM", 20)
    for path in (
        "/api/1",
        "/api/2",
        "/api/3",
        "/api/3",
        "/api/2",
        "/api/1",
        "/api/bad",
        "/api/bad",
    ):
        ask(shared, path)
    assert made == ["/api/1", "/api/2", "/api/3", "/api/1", "/api/bad", "/api/bad"]
    clock = [0.0]
    monkeypatch.setattr(answers.time, "monotonic", lambda: clock[0])
    made.clear()
    aging = SharedAnswers(application)
    for seconds in (0.0, answers.FRESH_SECONDS, answers.FRESH_SECONDS + 1):
        clock[0] = seconds
        ask(aging, "/api/1")
    assert made == ["/api/1"] * 2


def test_a_downloaded_table_holds_no_formula():
    def application(environ, start):
        start("200 OK", [("Content-Length", "25"), ("X", "y")])
        return ["Number,é\r\n-1,=1+2\r\n0,".encode(), b'"a,\nb"\r\n']

    status, headers, body = ask(SharedAnswers(application), "/csv/1")
    assert (status, headers["x"]) == (200, "y")
    assert body.decode() == 'Number,é\n-1,\'=1+2\n0,"a,\nb"\n'
    assert headers["content-length"] == str(len(body))


@pytest.fixture
def store(tmp_path):
    with Store.open(f"sqlite:///{tmp_path}/ablate.db", create=True) as opened:
        study = optuna.create_study(study_name="s", storage=opened.optuna)
        study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
        yield opened


def test_readers_share_one_copy_of_the_trials(store):
    shared = SharedReading(store.optuna)
    number = shared.get_study_id_from_name("s")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: shared.get_all_trials(number, deepcopy=False), range(20)))
    assert {id(trials[0]) for trials in found} == {id(found[0][0])}
    assert shared.get_best_trial(number).value == min(trial.value for trial in found[0])
    assert shared.get_n_trials(number, TrialState.COMPLETE) == 3
    assert shared.get_all_trials(number)[0] is not found[0][0]


def test_what_is_new_is_read_and_now_and_then_everything(store, monkeypatch):
    shared = SharedReading(store.optuna)
    number = shared.get_study_id_from_name("s")
    clock = [0.0]
    monkeypatch.setattr(shared_reading.time, "monotonic", lambda: clock[0])
    first = shared.get_all_trials(number, deepcopy=False)
    study = optuna.load_study(study_name="s", storage=store.optuna)
    study.add_trial(optuna.trial.create_trial(value=0.0))
    assert len(shared.get_all_trials(number)) == 3
    clock[0] = shared_reading.FRESH_SECONDS + 1
    more = shared.get_all_trials(number, deepcopy=False)
    assert len(more) == 4
    assert all(new is old for new, old in zip(more, first, strict=False))
    clock[0] += shared_reading.WHOLE_SECONDS
    assert shared.get_all_trials(number) == more
    assert shared.get_all_trials(number, deepcopy=False)[0] is not first[0]


def test_a_deleted_study_is_gone(store):
    shared = SharedReading(store.optuna)
    number = shared.get_study_id_from_name("s")
    shared.get_all_trials(number)
    optuna.delete_study(study_name="s", storage=store.optuna)
    with pytest.raises(KeyError):
        shared.get_all_trials(number)


def test_reading_writes_nothing(store):
    shared = SharedReading(store.optuna)
    for write in (
        lambda: shared.create_new_study([], "t"),
        lambda: shared.delete_study(1),
        lambda: shared.set_study_user_attr(1, "a", 1),
        lambda: shared.set_study_system_attr(1, "a", 1),
        lambda: shared.create_new_trial(1),
        lambda: shared.set_trial_param(1, "x", 0.0, None),
        lambda: shared.set_trial_state_values(1, TrialState.FAIL),
        lambda: shared.set_trial_intermediate_value(1, 0, 0.0),
        lambda: shared.set_trial_user_attr(1, "a", 1),
        lambda: shared.set_trial_system_attr(1, "a", 1),
    ):
        with pytest.raises(StorageError, match="nothing was changed"):
            write()


def get(port, path, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


@pytest.fixture
def served(store, tmp_path):
    """Serve the study with a token; yield the port, the token, and what ends it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"sqlite:///{tmp_path}/ablate.db"
    process = subprocess.Popen(
        [sys.executable, "-m", "ablate", "dashboard", "--token", "--storage", url,
         "--port", str(port), "--results", str(tmp_path)],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    said = process.stderr.readline()
    yield process, port, re.search(r"\?token=(\S+)", said)[1]
    if process.poll() is None:
        process.kill()
    process.communicate()


def test_two_hundred_requests_at_once_are_answered_and_ctrl_c_ends_it(served, tmp_path):
    process, port, token = served
    _, headers, _ = get(port, f"/?token={token}")
    cookie = headers["Set-Cookie"].partition(";")[0]
    assert get(port, "/api/studies")[0] == 403
    with ThreadPoolExecutor(200) as pool:
        found = list(pool.map(lambda _: get(port, "/api/studies", Cookie=cookie), range(200)))
    assert {status for status, _, _ in found} == {200}
    (study,) = json.loads(found[0][2])["study_summaries"]
    trials = json.loads(get(port, f"/api/studies/{study['study_id']}", Cookie=cookie)[2])["trials"]
    assert len(trials) == 3
    status, headers, page = get(port, "/dashboard", Cookie=cookie)
    assert status == 200
    assert "script-src 'self'" in headers["Content-Security-Policy"]
    scripts = re.findall(rb'<script[^>]*src="([^"]+)"', page)
    assert scripts
    assert all(get(port, name.decode(), Cookie=cookie)[0] == 200 for name in scripts)
    assert get(port, "/reports/s")[0] == 403
    status, _, said = get(port, "/reports/s", Cookie=cookie)
    assert (status, said.partition(b" in ")[0]) == (404, b"there is no study 's'")
    status, _, page = get(port, "/", Cookie=cookie)
    assert (status, b'href="/dashboard/studies/1"' in page) == (200, True)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert token not in said
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_a_wrong_request(store, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(RequestError, match=f"port {port} can't be used: .*; try --port"):
            dashboard(storage=f"sqlite:///{tmp_path}/ablate.db", port=port, say=pytest.fail)


def test_a_file_that_is_not_there_is_not_found(store, tmp_path, monkeypatch):
    served = []
    monkeypatch.setattr(
        "ablate.workflow.dashboards.serve", lambda application, *_: served.append(application)
    )
    (trial,) = store.past("s")[:1]
    key = "0" * 8
    meta = {"artifact_id": key, "filename": "a.html", "mimetype": "text/html", "encoding": None}
    from ablate.store import Batch

    store.write(Batch("s", system_attrs={trial.number: {f"artifacts:{key}": json.dumps(meta)}}))
    dashboard(storage=f"sqlite:///{tmp_path}/ablate.db", results=tmp_path, token=False)
    errors = io.StringIO()
    more = {"wsgi.errors": errors, "wsgi.input": io.BytesIO(), "SERVER_NAME": "x",
            "SERVER_PORT": "1", "wsgi.url_scheme": "http"}  # fmt: skip
    place = f"/artifacts/1/1/{key}"
    assert ask(served[0], place, **more)[0] == 404
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / key).symlink_to(tmp_path / "secret")
    status, _, body = ask(served[0], place, **more)
    assert status == 404
    assert b"secret" not in body
    (tmp_path / "artifacts" / key).unlink()
    (tmp_path / "artifacts" / key).write_text("hello")
    assert ask(served[0], place, **more)[::2] == (200, b"hello")
    assert errors.getvalue() == ""
