"""What the report of an ablation claims, and what it does not."""

import re
from dataclasses import replace

import pandas as pd
import pytest

from ablate.analysis import Verdict, find_lead
from ablate.reports import html, markdown, parts, verdicts
from ablate.reports.anchors import linked
from ablate.reports.blocks import Badge, Link, Section, Strong, Table
from ablate.reports.listed import MOST_ARMS, listed_arms
from ablate.spec import Objective
from ablate.store import FindingRow
from tests.analysis.frames_of import metrics
from tests.reports.wide_study import ERROR, FLOORS, LOWER, document, study, whole, whole_document

LEAK = FindingRow("sees-the-future", "error", ("leak",), "it leaks", "", "mask", True, "probe")
MANY = tuple(range(10))


def page(concluded):
    """Write the report without links and anchors."""
    text = markdown.render(document(concluded))
    text = re.sub(r'<a id="[^"]*"></a>', "", text)
    return re.sub(r"\[([^]]*)\]\(#[^)]*\)", r"\1", text)


def part(concluded, *titles):
    """Return a section of the report by its title, and those of its sections."""
    blocks = (whole_document() if concluded is whole() else document(concluded)).sections
    for title in titles:
        (found,) = [b for b in blocks if isinstance(b, Section) and b.title == title]
        blocks = found.blocks
    return blocks


def tables(blocks):
    return [block for block in blocks if isinstance(block, Table)]


def test_a_leaking_arm_is_never_called_best():
    concluded = study({"full": 0.0, "leak": -9.0, "wide": -4.0}, MANY, (LEAK,))
    assert find_lead(concluded, ERROR).first == ("wide",)
    shown = page(concluded)
    assert "`wide` has the lowest mean of the arms that may be compared" in shown
    assert "Not comparable, and never the best: `leak` (`sees-the-future`, allowed)." in shown
    assert "| `leak` | ⊘ not comparable |" in shown
    cost = tables(part(concluded, "Cost"))[0]
    assert [row[-1] for _, rows in cost.groups for row in rows][1] == "–"  # noqa: RUF001


def test_a_leader_is_named_with_those_that_cannot_be_told_from_it():
    concluded = study({"full": 0.0, "one": -4.0, "two": -3.95, "far": 5.0}, MANY)
    found = find_lead(concluded, ERROR)
    assert {*found.first, *found.rivals} == {"one", "two"}
    assert f"It cannot be told from `{found.rivals[0]}`." in page(concluded)


def test_a_leader_that_is_told_from_all_others_is_said_to_be():
    concluded = study({"full": 0.0, "one": -4.0, "far": 5.0}, MANY)
    assert find_lead(concluded, ERROR).rivals == ()
    assert "over 10 seeds, and can be told from all others." in page(concluded)


def test_an_arm_that_the_audit_doubts_is_told_from_no_other():
    warned = LEAK._replace(code="diverged", severity="warning", allowed=False, arms=("far",))
    values = {"full": 0.0, "one": -4.0, "far": 5.0}
    assert find_lead(study(values, MANY, (warned,)), ERROR).rivals == ("far",)
    said = page(study(values, MANY, (warned,)))
    assert "It cannot be told from `far`. Warnings of the audit stand against telling" in said
    of_first = warned._replace(arms=("one",))
    assert find_lead(study(values, MANY, (of_first,)), ERROR).rivals == ("full", "far")


def test_an_arm_that_is_shown_to_be_worse_than_the_leader_is_no_rival_of_it():
    concluded = whole()
    assert concluded.verdicts[ERROR, "wide"][0] == "better"
    found = find_lead(concluded, ERROR)
    assert found.first == ("wide",)
    assert concluded.frames.definition.reference not in found.rivals
    assert found.rivals


def test_with_three_seeds_every_close_arm_is_a_rival():
    concluded = study({"full": 0.0, "one": -0.5, "two": 0.4}, (0, 1))
    assert len(find_lead(concluded, ERROR).rivals) == 2


def test_no_arm_leads_where_all_are_disqualified():
    everybody = LEAK._replace(arms=())
    concluded = study({"full": 0.0, "leak": -9.0}, (0, 1, 2), (everybody,))
    assert find_lead(concluded, ERROR).first == ()
    assert "No arm may be called the best. Left out: 2 arms not comparable." in page(concluded)


def test_bold_type_marks_nothing_among_the_numbers():
    concluded = whole()
    for title in ("Verdict", "Arms and metrics", "Cost"):
        cells = [
            cell
            for block in tables(part(concluded, title))
            for _, rows in block.groups
            for row in rows
            for cell in row
        ]
        flat = [piece for cell in cells for piece in (cell if isinstance(cell, tuple) else (cell,))]
        assert flat
        assert not [piece for piece in flat if isinstance(piece, Strong)]


def test_every_comparison_has_its_verdict_as_symbol_and_word():
    concluded = study({"full": 0.0, "one": -4.0, "two": 5.0, "even": 0.0}, MANY)
    (listed,) = tables(part(concluded, "Verdict"))
    found = {str(row[0]): row[1] for _, rows in listed.groups for row in rows}
    assert (found["one"], found["one"].symbol, found["one"].tone) == ("better", "▲", "good")
    assert (found["two"], found["two"].symbol, found["two"].tone) == ("worse", "▼", "bad")
    assert {verdicts.badge(verdict).symbol for verdict in Verdict} == {*"▲▼≈?⊘⊥"}
    assert all(isinstance(badge, Badge) for badge in found.values())


def test_a_trivial_predictor_with_one_value_counts_once():
    shown = page(study({"full": 0.0, "one": 1.0}))
    rows = [line for line in shown.splitlines() if line.startswith("| `repeat_last`")]
    assert rows[0].split(" | ")[1] == "1"
    assert rows[1].split(" | ")[1] == "1 (deterministic)"


def test_arms_are_set_beside_the_best_trivial_predictor():
    shown = page(study({"full": 0.0, "bad": 30.0}, MANY))
    said = "The best trivial predictor, `repeat_last` (24.80), is beaten by 1 of 2 arms that may be"
    assert f"{said} compared; not by `bad`." in shown
    assert "| `bad` | ⊥ floor not beaten |" in shown
    assert "lowest floor" not in shown
    assert "noise floor" not in shown


def test_every_trial_named_leads_to_its_run():
    written = html.render(whole_document())
    body = written.partition("<main>")[2].partition("</main>")[0]
    assert len(re.findall(r'<a href="#trial-\d+">', body)) > 63
    body = re.sub(r"<(a|span) (href|id)=[^>]*>#?\d+</\1>", "", body)
    assert re.findall(r"(?<!&)#\d+", re.sub(r"<[^>]*>", " ", body)) == []
    (runs,) = tables(part(whole(), "Reproduction", "Runs"))
    first = runs.groups[0][1][0]
    assert first[6] == "00000000"
    assert first[-2:] == ("0-abc", "ablate replay --verify s/0")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("trials 3, 4, 15", [3, 4, 15]),
        ("trials 1, 2 and 5 more", [1, 2]),
        ("trials 7 and 8", [7, 8]),
        ("trial 9", [9]),
        ("epoch 3 of 4", []),
    ],
)
def test_trials_that_a_finding_names_are_links(said, shown):
    found = linked(said)
    assert "".join(found) == said
    links = [piece.target for piece in found if isinstance(piece, Link)]
    assert links == [f"trial-{n}" for n in shown]


def test_of_very_many_runs_those_are_listed_that_links_lead_to(monkeypatch):
    monkeypatch.setattr(parts, "MOST_RUNS", 5)
    frames = study({"full": 0.0, "one": 1.0}).frames
    runs = frames.runs.assign(status=["complete"] * 10 + ["failed"] + ["complete"])
    directories = dict.fromkeys(runs["run_id"], "d")
    made = parts.runs_section(replace(frames, runs=runs), directories, {"trial-7", "trial-11"})
    assert "5 of 12 runs; all are in " in made.blocks[1].parts
    rows = [str(row[0]) for _, rows in made.blocks[2].groups for row in rows]
    assert rows == ["#0", "#1", "#7", "#10", "#11"]


def test_very_many_values_are_left_to_the_table_beside_the_report():
    shown = page(study({"full": 0.0, **{f"a{n}": 1.0 for n in range(24)}}, range(40)))
    assert f"Values of {ERROR} by seed: 27 arms with 40 seeds, in `arms.csv`.".replace(
        "_", "_"
    ) in shown.replace("\\_", "_")


def test_values_read_at_the_best_epoch_are_marked_and_the_last_stands_beside():
    at_best = Objective(metric=ERROR, direction=LOWER, at="best")
    concluded = study({"full": 0.0, "one": 1.0}, objective=at_best)
    assert "read at the best epoch" in page(concluded)
    assert "The values are optimistic" in page(concluded)
    assert "optimistic" not in page(study({"full": 0.0, "one": 1.0}))
    estimates = {key: replace(row, last=row.mean + 1) for key, row in concluded.estimates.items()}
    assert "(last epoch 13." in page(replace(concluded, estimates=estimates))


def test_arms_that_are_not_paired_say_why():
    because = FindingRow(
        "unpaired-order", "note", ("full", "one"), "another order", "", "draw it", False, "runs",
        (("full",), ("one",)),
    )  # fmt: skip
    blocks = part(study({"full": 0.0, "one": 1.0}, findings=(because,)), "Paired seeds")
    (said,) = blocks[-1].items
    assert "".join(said) == "one is not paired by seed with full: unpaired-order."


def test_what_the_configurations_amount_to_is_said_once_if_it_is_the_same():
    shown = page(study({"full": 0.0, "one": 1.0}))
    said = "The configurations of all arms amount to the same: effective batch 64, epochs 3, "
    assert f"{said}steps 30 and examples seen 1,920." in shown
    arms = {"full": {}, "one": {"data.batch_size": 16}}
    listed = page(study({"full": 0.0, "one": 1.0}, arms=arms))
    assert "| `one` | 32 | 3 | 30 | 960 |" in listed


@pytest.mark.parametrize("size", ["auto", None, True])
def test_a_batch_that_no_whole_numbers_tell_is_left_out(size):
    config = {"data": {"batch_size": size}, "trainer": {"devices": 2}}
    shown = page(study({"full": 0.0, "one": 1.0}, config=config))
    assert "effective batch" not in shown
    assert "steps 30" in shown


def test_the_learning_rate_is_shown_at_milestones_where_it_is_logged():
    concluded = study({"full": 0.0, "one": 1.0})
    rates = {(run, "lr-AdamW"): [0.1, 0.08, 0.06, 0.04, 0.02] for run in range(3)}
    logged = pd.concat([concluded.frames.metrics, metrics(rates).assign(phase="train")])
    frames = replace(concluded.frames, metrics=logged)
    (_, _, derived, *_) = part(replace(concluded, frames=frames), "Configuration")
    row = derived.groups[0][1][0]
    assert [column.title for column in derived.columns][-5:] == [
        f"learning rate at {share} %".replace(" %", "%") for share in (0, 25, 50, 75, 100)
    ]
    assert row[-5:] == ("0.1000", "0.08000", "0.06000", "0.04000", "0.02000")


def test_the_sections_come_in_the_order_in_which_they_are_read():
    titles = [section.title for section in whole_document().sections]
    assert titles == [
        *("Verdict", "Trust", "Differences", "Arms and metrics", "Paired seeds", "Configuration"),
        *("Curves", "Cost", "Audit", "Reproduction"),
    ]


def test_the_same_conclusions_give_the_same_bytes():
    one, two = (document(study({"full": 0.0, "one": 1.0})) for _ in range(2))
    assert html.render(one) == html.render(two)
    assert markdown.render(one) == markdown.render(two)


def test_the_trust_strip_leads_to_what_it_counts():
    (strip,) = part(whole(), "Trust")
    said = ["".join(item) for item in strip.items]
    assert "Errors of the audit: 1, 1 of them allowed: sees-the-future." in said
    assert "Warnings of the audit: 7: no-gradient, collapse." in said
    assert any("a share of 500 validation examples" in line for line in said)
    written = whole_document()
    targets = {piece.target for item in strip.items for piece in item if isinstance(piece, Link)}
    assert targets <= written.anchors
    assert "finding-collapse" in targets


def test_floors_are_marked_in_the_plot_of_differences():
    (figure, *_) = part(study({"full": 0.0, "one": 1.0}), "Differences")
    assert all(floor in figure.drawing.svg for floor in FLOORS)
    assert 'role="img"' in figure.drawing.svg


def test_very_many_seeds_are_not_drawn_one_by_one():
    concluded = study({"full": 0.0, "one": 1.0}, range(31))
    (figure, *_) = part(concluded, "Differences")
    assert "dots are seeds" not in figure.caption
    (said,) = part(concluded, "Paired seeds")
    assert "".join(said.parts).startswith("More than 30 seeds are too many lines")


def test_what_all_arms_are_compared_with_is_said_once():
    (listed,) = tables(part(study({"full": 0.0, "one": 1.0}), "Verdict"))
    assert listed.caption == f"Verdicts on {ERROR}, against full (reference)"
    assert "against" not in [column.title for column in listed.columns]


def test_a_study_of_very_many_arms_lists_the_best_and_says_where_the_others_are():
    shifts = {"full": 0.0, **{f"arm_{n}": n / 10 for n in range(300)}, "best": -9.0}
    concluded = study(shifts, metrics={ERROR: LOWER})
    listed = listed_arms(concluded)
    assert len(listed) == MOST_ARMS
    assert {"full", "best", *FLOORS} <= listed
    page = html.render(document(concluded))
    assert "250 of 304, all are in arms.csv" in page
    assert len(page) < 2_000_000
