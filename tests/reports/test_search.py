"""The report of a search, from searches that are imagined."""

import math
import re
from dataclasses import replace

import pytest

from ablate.analysis import SearchFrames, conclude_search
from ablate.reports import Audit, files, markdown
from ablate.reports.blocks import Figure
from ablate.spec import Constraint, Search, Status, parse_yaml
from ablate.store import FindingRow
from tests.analysis.frames_of import metrics, run, search_frames
from tests.analysis.searches import drawn, trial

TOKEN = "ghp_" + "a1" * 20
SPACE = {
    "optimizer.lr": {"float": (1e-5, 1e-1), "log": True},
    "model.width": {"int": (1, 8)},
    "schedule": {"choice": ["constant", "cosine"]},
    "schedule_end": {"float": (0.0, 0.3), "when": {"schedule": "cosine"}},
}
FOUND = FindingRow("at-the-edge", "warning", (), "lr is at the end", "space.lr", "widen", False, "")


def value_of(point):
    return 1 - 0.1 * math.log10(point["optimizer.lr"]) + 0.01 * point["model.width"]


def searched(n=40, *, space=SPACE, value=value_of, changes=None, **definition):
    """Imagine a search with runs and curves; `changes` are those of trials by number."""
    made = drawn(n, value, space=space, **definition)
    changed = changes or {}
    trials = tuple(replace(one, **changed.get(one.number, {})) for one in made.trials)
    runs = [run(one.number, arm=None, trial=one.number, status=one.state) for one in trials]
    curves = {
        (one.number, "loss"): [
            made.trials[one.number].value + 1 / (1 + epoch) for epoch in range(4)
        ]
        for one in trials
    }
    empty = search_frames(runs, trials, space=space, objective=made.definition.objective)
    return SearchFrames("quest", empty.definition, empty.runs, metrics(curves), trials=trials)


@pytest.fixture(autouse=True, scope="module")
def few_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ablate.analysis.importance.RESAMPLES", (20, 20))
        yield


def written(frames, folder, found=(), **more):
    concluded = conclude_search(frames)
    reported = files.Reported(concluded, Audit(False, found), 1.0, **more)
    document = files.compose(reported, folder)
    return document, markdown.render(document), files.tables(reported, folder)


CONSTRAINT = Constraint(metric="success", at_least=1)


def constrained(changes, n=40):
    """Imagine a search in which a trial has to succeed; `changes` are those of trials by number."""
    made = searched(n, changes=changes)
    definition = made.definition.model_copy(update={"constraints": (CONSTRAINT,)})
    return replace(made, definition=definition)


def broken(number, by=1.0):
    return {number: {"constraints": {CONSTRAINT.text: by}}}


def test_only_a_feasible_trial_is_the_best_and_what_others_break_is_said(tmp_path):
    best = conclude_search(searched()).best.number
    document, page, tables = written(constrained(broken(best)), tmp_path)
    assert f"trial {best} has the" not in page
    assert "of 39 feasible trials" in page
    assert "**Constraints**: 1 complete trial breaks a constraint and can't be the best." in page
    assert "infeasible: success at least 1: off by 1" in page
    assert "keeps success at least 1" in page
    assert "39 complete" not in page
    figures = [block for block in document.walk() if isinstance(block, Figure)]
    (history,) = [figure for figure in figures if figure.file == "history.svg"]
    assert "1 infeasible" in history.drawing.svg
    (line,) = [row for row in tables["trials.csv"].splitlines() if "off by 1" in row]
    assert line.startswith(f"{best},")


def test_a_search_without_a_feasible_trial_says_so(tmp_path):
    all_broken = {k: v for n in range(3) for k, v in broken(n, math.inf).items()}
    page = written(constrained(all_broken, n=3), tmp_path)[1]
    assert "no feasible trial: all of its 3 complete trials break a constraint." in page
    assert "success at least 1: no finite value" in page


PRUNED = {"state": Status.PRUNED, "value": None}
TROUBLE = {
    3: PRUNED,
    5: {"state": Status.FAILED, "value": None},
    7: {"user_attrs": {"reused_from": 2}},
    9: {"user_attrs": {"retries": 5}},
    11: {"value": math.nan},
    13: PRUNED,
}


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    frames = searched(changes=TROUBLE)
    return written(frames, tmp_path_factory.mktemp("report"), (FOUND,))


def section(text, title, level=2):
    found = re.search(
        rf"^{'#' * level} {re.escape(title)}$(.*?)(?=^#{{1,{level}}} |\Z)", text, re.M | re.S
    )
    assert found, title
    return found[1]


def test_the_verdict_comes_first_and_says_what_is_not_known(report):
    _, text, _ = report
    assert text.index("## Verdict") < text.index("## Trust") < text.index("## History")
    said = section(text, "Verdict")
    assert "has the lowest value, **" in said
    assert "can't be told apart from any of 35 other complete trials" in said
    assert "that takes at least three seeds of each trial" in said
    assert (
        "was not run again with fresh seeds, so its value is partly luck; `ablate confirm" in said
    )
    assert "**What mattered**: `optimizer.lr` with" in said
    assert re.search(r"\d of the 9 good trials lie at the \w+ edge of", said)


def test_pruned_failed_and_reused_trials_are_counted(report):
    _, text, tables = report
    counted = (
        "40 trials: 37 complete, 2 pruned, 1 failed; 1 of the complete ones without a finite "
        "value; 1 took over the result of an equal run; 1 of the failed ones tried again"
    )
    assert counted in text
    rows = [line.split(",") for line in tables["trials.csv"].splitlines()]
    by_number = {row[0]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}
    assert by_number["7"]["reused_from"] == "2"
    assert by_number["9"]["repeats"] == "5"
    assert by_number["3"]["value"] == ""
    assert float(by_number["3"]["last"]) > 1
    listed = section(text, "Trials")
    assert "took over the run of #2" in listed
    assert "takes the place of #5" in listed


def test_findings_of_the_audit_stand_in_the_trust_strip_by_code(report):
    _, text, _ = report
    assert "**Warnings of the audit**: 1: [`at-the-edge`](#finding-at-the-edge)." in text


def test_figures_and_their_numbers_are_all_there(report):
    document, _, tables = report
    drawn_files = [block.file for block in document.walk() if isinstance(block, Figure)]
    assert drawn_files == [
        *("history.svg", "curves.svg", "importances.svg", "parallel.svg", "slices.svg"),
        *("contour.svg", "budget.svg"),
    ]
    assert set(tables) == {
        *("trials.csv", "runs.csv", "importances.csv", "budget.csv"),
        "next_space.yaml",
    }
    head, first, *_ = tables["importances.csv"].splitlines()
    assert head.startswith("parameter,importance,low,high,p_shuffled,trials,good,at_low,at_high")
    assert first.startswith("optimizer.lr,0.")
    assert len(tables["budget.csv"].splitlines()) == 1 + 38


def test_the_next_space_is_one_that_a_study_takes(report):
    _, text, tables = report
    study = Search(
        config=({"seed_everything": 1},),
        objective={"metric": "loss"},
        budget={"trials": 1},
        **parse_yaml(tables["next_space.yaml"]),
    )
    low, high = study.space["optimizer.lr"].bounds
    assert low > 1e-5
    assert high >= 0.1
    for line in tables["next_space.yaml"].splitlines():
        assert " ".join(line.split()) in text.replace("\n    ", "\n")
    assert "\n      optimizer.lr:\n        float:\n" in text


def test_equal_searches_give_equal_bytes(report, tmp_path):
    document, text, tables = report
    again = written(searched(changes=TROUBLE), tmp_path, (FOUND,))
    assert again[1:] == (text, tables)
    svgs = [
        [block.drawing.svg for block in one.walk() if isinstance(block, Figure)]
        for one in (document, again[0])
    ]
    assert svgs[0] == svgs[1]


def test_a_short_search_says_what_it_can_not(tmp_path):
    _, text, tables = written(searched(12), tmp_path)
    why = "12 complete trials are too few"
    assert f"**What mattered**: not computed, as {why}" in text
    assert f"No space is proposed: {why}" in section(text, "Next space")
    assert tables["next_space.yaml"].startswith(f"# No space is proposed: {why}")
    assert not re.search(r"\d %", section(text, "Importance").replace("95 % spread", ""))


def test_a_search_without_a_value_has_a_report(tmp_path):
    trials = (trial(0, None, state=Status.FAILED), trial(1, None, state=Status.RUNNING))
    frames = search_frames([], trials)
    document, text, _ = written(frames, tmp_path)
    assert "no trial is complete with a finite value yet" in section(text, "Verdict")
    assert "2 trials: 1 failed, 1 running" in text
    assert not [block for block in document.walk() if isinstance(block, Figure)]


def test_seeds_that_tell_trials_apart_are_believed(tmp_path):
    trials = tuple(trial(n, float(n), {"optimizer.lr": 0.1 / (n + 1)}) for n in range(3))
    runs = [run(10 * n + seed, arm=None, trial=n, seed=seed) for n in range(3) for seed in range(4)]
    empty = search_frames(runs, trials, space=SPACE)
    curves = {(r.id, "val_loss"): [r.trial + 0.001 * r.seed * (r.trial + 1)] for r in runs}
    frames = SearchFrames("quest", empty.definition, empty.runs, metrics(curves), trials=trials)
    _, text, _ = written(frames, tmp_path)
    assert "the best trial is told apart from all of 2 other complete trials by their seeds" in text


def test_what_looks_like_a_secret_is_shown_nowhere(tmp_path):
    space = {**SPACE, "api_token": {"choice": ["none", TOKEN]}, "url": {"choice": ["a", TOKEN]}}
    document, text, tables = written(searched(space=space), tmp_path)
    svgs = [block.drawing.svg for block in document.walk() if isinstance(block, Figure)]
    for content in (text, *svgs):
        assert TOKEN not in content
    assert TOKEN not in tables["next_space.yaml"]


def test_a_long_search_lists_its_best_trials(tmp_path, monkeypatch):
    monkeypatch.setattr("ablate.reports.search.SHOWN", 3)
    frames = searched(12)
    _, text, _ = written(frames, tmp_path)
    listed = section(text, "Trials")
    assert "The best 3 of 12 trials; all are in `trials.csv`." in listed
    best = sorted(frames.trials, key=lambda one: one.value)[:3]
    assert re.findall(r"^\| \[#(\d+)\]", listed, re.M) == [str(one.number) for one in best]


def test_every_trial_that_is_named_leads_to_its_runs(report):
    _, text, _ = report
    named = set(re.findall(r"\]\(#(trial-\d+)\)", text))
    assert named
    assert named <= set(re.findall(r'<a id="(trial-\d+)">', text))
