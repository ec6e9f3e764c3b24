"""What the audit found stands in the report, allowed or not."""

import pytest

from ablate.store import FindingRow
from tests.reports import conftest
from tests.reports.conftest import an_ablation

ERROR = FindingRow(
    "unequal-epochs", "error", ("late", "champion"), "max_epochs is 3 in late, 6 in champion",
    "trainer.max_epochs", "train alike", True, "static",
)  # fmt: skip
SAME = FindingRow(
    "same-function", "warning", ("champion", "no_attention"), "equal outputs", "model",
    "read it as noise", False, "probe",
)  # fmt: skip
AFTER = FindingRow("collapse", "warning", ("late",), "it fell", "trials 3", "look", False, "runs")


@pytest.fixture
def definition(store, ablation):
    return store.study(ablation).definition_id


def report(store, out, study, found=()):
    return conftest.report(store, study, out, found).markdown.read_text()


def test_a_study_that_was_not_audited_says_so(store, tmp_path, ablation):
    page = report(store, tmp_path, ablation)
    assert "**Audit**: the study was not audited before it ran; `ablate audit ladder`" in page
    assert "## Audit" not in page


def test_an_audit_that_found_nothing_says_so(store, tmp_path, ablation, definition):
    store.record_audit(definition, ())
    assert "**Audit**: nothing was found that stands against the comparison." in report(
        store, tmp_path, ablation
    )


def test_findings_are_listed_the_worst_first_and_allowed_ones_marked(
    store, tmp_path, ablation, definition
):
    store.record_audit(definition, (SAME, ERROR))
    page = report(store, tmp_path, ablation, (AFTER,))
    assert "**Errors of the audit**: 1, 1 of them allowed: [`unequal-epochs`](#finding-" in page
    assert "**Warnings of the audit**: 2: [`same-function`]" in page
    listed = page.partition("*Findings by code*")[2].partition("<details>")[0]
    rows = [line.split(" | ")[1:3] for line in listed.splitlines() if "finding-" in line]
    assert rows == [["**error (allowed)**", "1"], ["warning", "1"], ["warning", "1"]]
    assert "max_epochs is 3 in late, 6 in champion. At trainer.max_epochs." in page
    assert "it fell. At trials [3](#trial-3). Advice: look." in page


def test_findings_of_one_code_are_one_line_and_folded(store, tmp_path, ablation):
    many = [AFTER._replace(what=f"it fell in run {number}") for number in range(25)]
    page = report(store, tmp_path, ablation, many)
    assert page.count("`collapse`](#finding-collapse)") == 1
    assert "| warning | 25 |" in page
    folded = page.partition("<summary><code>collapse</code>: 25 warnings</summary>")[2]
    assert folded.partition("</details>")[0].count("it fell") == 20
    assert "5 more findings of this code." in folded


def test_only_the_audit_of_the_current_definition_counts(store, tmp_path, ablation, definition):
    store.record_audit(definition, (ERROR,))
    store.define(ablation, an_ablation(seeds=(307,)))
    assert "unequal-epochs" not in report(store, tmp_path, ablation)


def test_a_search_shows_findings_only_if_there_are_some(store, tmp_path, search):
    assert "## Audit" not in report(store, tmp_path, search)
    assert "## Audit" in report(store, tmp_path, search, (AFTER,))


def test_a_study_without_a_reference_has_no_comparisons(store, tmp_path, ablation):
    store.define(ablation, an_ablation(reference=None))
    page = report(store, tmp_path, ablation)
    assert "No arm is compared with another." in page
    assert "## Differences" not in page


def test_notes_that_nearly_every_study_has_are_said_in_one_line(
    store, tmp_path, ablation, definition
):
    usual = ERROR._replace(code="no-floor", severity="note", what="no arm shows it", allowed=False)
    store.record_audit(definition, (usual,))
    page = report(store, tmp_path, ablation)
    assert "**As in most studies**: `no-floor`: no arm shows it." in page
    assert page.count("no-floor") == 1
    assert "## Audit" not in page
