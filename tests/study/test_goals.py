"""What a study expects of its runs is acted upon, told, recorded, and heard of outside."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from ablate.errors import SpecError
from ablate.plan.goals import judgements
from ablate.spec import Notify, Occasion, Status
from ablate.study.notifier import Notifier
from ablate.workflow import status

from .conftest import ABLATION, SEARCH, STORAGE, replay, search

STOP = {
    "at": {"epoch": 1},
    "expect": {"metric": "val_loss", "below": 0},
    "action": "stop",
}


def test_an_arm_that_misses_a_milestone_is_pruned_and_the_others_go_on(project):
    project.study(
        "a",
        ABLATION,
        floor={},
        milestones=[{**STOP, "expect": {"metric": "train_loss", "below": 0}}],
    )
    summary = replay("a", project.request())
    assert summary.counts == {Status.PRUNED: 4}
    with project.store() as store:
        facts = store.facts("a")
        reasons = {run.reason for run in store.runs("a")}
    (reason,) = {str(reason).partition(" (")[0] for reason in reasons}
    assert reason == "milestone epoch 1: missed at step 4"
    assert len(facts) == 4
    for of_run in facts.values():
        (found,) = judgements(of_run["goals"])
        assert found.verdict == "missed"


def test_a_search_can_look_for_the_soonest_success(project):
    project.study(
        "s",
        SEARCH,
        objective={"metric": "steps_to_success", "direction": "minimize", "at": "last"},
        success=[{"metric": "val_loss", "below": 5.0}],
        budget={"trials": 2},
    )
    summary = search("s", project.request())
    assert summary.best is not None
    assert summary.best.value is not None
    assert 1 <= summary.best.value <= 13


def test_a_success_that_is_lost_is_told_and_stands_in_the_status(project):
    project.study(
        "a",
        ABLATION,
        floor={},
        arms={"narrow": {}},
        seeds=[1],
        reference="narrow",
        success=[{"metric": "val_loss", "above": 5.2}],  # it falls from 5.7 to 5.0
        notify={"on": ["success"], "command": ["sh", "-c", "cat >> news"]},
    )
    replay("a", project.request())
    news = [json.loads(line)["text"] for line in (project.folder / "news").read_text().splitlines()]
    assert [text.partition(" (")[0] for text in news] == [
        "success: reached at step 4",
        "success: lost at step 12, at the end",
    ]
    (found,) = status(storage=STORAGE).studies
    assert found.successes.kept == 0
    assert found.remarks() == (
        "success was lost: trial 0, seed 1: reached at step 4, lost at step 12",
    )


def test_a_goal_about_a_metric_that_nobody_logs_is_refused(project):
    project.study("a", ABLATION, success=[{"metric": "val_los", "below": 1}])
    with pytest.raises(SpecError, match="'val_los', which is never logged: did you mean 'val_loss"):
        replay("a", project.request())
    assert not (project.folder / "results").exists()


# Notifications


def told(notify, *news):
    said = []
    notifier = Notifier(notify, "a", said.append)
    for occasion, text in news:
        notifier.tell(Occasion(occasion), text, trial=3, arm=None)
    notifier.close()
    return said


def test_a_program_gets_the_news_as_json(tmp_path):
    notify = Notify(on=("done",), command=("sh", "-c", f"cat >> '{tmp_path}/news'"))
    assert told(notify, ("failure", "no"), ("done", "4 complete"), ("done", "5 complete")) == []
    news = [json.loads(line) for line in (tmp_path / "news").read_text().splitlines()]
    assert news[0] == {"study": "a", "occasion": "done", "text": "4 complete", "trial": 3}
    assert [each["text"] for each in news] == ["4 complete", "5 complete"]


def test_an_address_gets_the_news_by_post(monkeypatch):
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append((self.path, json.loads(body)["text"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("WHERE", f"http://127.0.0.1:{server.server_port}")
    try:
        assert told(Notify(url="${env:WHERE}/hook"), ("done", "over")) == []
    finally:
        server.shutdown()
        server.server_close()
    assert got == [("/hook", "over")]


def test_news_that_cannot_be_sent_stop_nothing_and_tell_no_secret():
    notify = Notify(command=("no-such-program", "--token", "hunter2"))
    said = told(notify, ("done", "a"), ("done", "b"))
    assert said == ["notify: the news could not be sent: FileNotFoundError"]


def test_a_replay_tells_when_it_is_done(project):
    command = ["sh", "-c", "cat >> news"]
    milestone = {"at": {"epoch": 1}, "expect": {"metric": "val_loss", "below": 0}}
    project.study(
        "a",
        ABLATION,
        floor={},
        arms={"narrow": {}},
        seeds=[1],
        reference="narrow",
        milestones=[{**milestone, "action": "notify"}],
        notify={"on": ["done"], "command": command},
    )
    replay("a", project.request())
    news = [json.loads(line) for line in (project.folder / "news").read_text().splitlines()]
    assert [each["occasion"] for each in news] == ["milestone", "done"]
    assert news[0] | {"text": ""} == {
        "study": "a",
        "occasion": "milestone",
        "text": "",
        "trial": 0,
        "arm": "narrow",
        "seed": 1,
        "step": 4,
    }
    assert news[1]["text"] == "1 complete"
