"""What a report says of the budgets with which arms were tuned, from imagined searches."""

from ablate.reports import markdown
from ablate.reports.blocks import Document
from ablate.reports.tuning import sections
from ablate.spec import Direction, Objective, Status
from tests.analysis.frames_of import search_frames
from tests.analysis.searches import trial


def searched(*values):
    objective = Objective(metric="acc", direction=Direction.MAXIMIZE)
    return search_frames([], tuple(trial(n, v) for n, v in enumerate(values)), objective=objective)


def test_the_report_says_which_arm_leads_at_which_budget():
    found = sections({"safe": searched(0.6, 0.6, 0.6), "bold": searched(0.1, 0.1, 0.9, 0.9)})
    text = markdown.render(Document("", (), found))
    assert "- 1 trial: the highest expected acc has `safe`." in text
    assert "- 2 to 3 trials: the highest expected acc has `bold`." in text
    assert "](budget.svg)" in text


def test_one_arm_that_was_tuned_leads_nobody():
    text = markdown.render(Document("", (), sections({"safe": searched(0.6, 0.7)})))
    assert "](budget.svg)" in text
    assert "the highest expected acc has" not in text


def test_arms_without_a_search_have_no_such_section():
    assert sections({}) == ()
    assert sections({"a": search_frames([], (trial(0, None, state=Status.FAILED),))}) == ()
