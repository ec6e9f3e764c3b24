import inspect
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ablate.audits
from ablate.audits.codes import CODES, between, check_codes, finding
from ablate.audits.findings import Finding, allow, blocking, ordered
from ablate.errors import NotFoundError, RequestError

SOURCES = {
    path: path.read_text()
    for path in Path(inspect.getfile(ablate.audits)).parent.rglob("*.py")
    if path.name != "codes.py"
}
severities = st.sampled_from(["error", "warning", "note"])
findings = st.lists(
    st.builds(
        Finding, st.sampled_from(sorted(CODES)), severities, st.just(()), st.text(max_size=3),
        st.just("w"), st.just("a"),
    )
)  # fmt: skip


def test_codes_are_names_in_kebab_case_with_a_title():
    for name, code in CODES.items():
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", name)
        assert code.title[:1].islower()


@pytest.mark.parametrize("name", sorted(CODES))
def test_every_code_is_found_by_some_check(name):
    assert any(f'"{name}"' in source for source in SOURCES.values())


def test_a_finding_is_as_severe_as_its_code_unless_said_otherwise():
    assert finding("sees-the-future", (), "", "", "").severity == "error"
    assert finding("sees-the-future", (), "", "", "", severity="note").severity == "note"
    assert between("unequal-data", [["a"], ["b"]], "", "", "").severity == "error"


@pytest.mark.parametrize("name", sorted(CODES))
def test_a_finding_has_groups_of_arms_if_and_only_if_its_code_stands_between_arms(name):
    apart, alone = [["a", "b"], ["c"]], ["a", "b", "c"]
    if CODES[name].between:
        made = between(name, apart, "", "", "")
        assert made.groups == (("a", "b"), ("c",))
        assert made.arms == ("a", "b", "c")
        with pytest.raises(RequestError, match="does not say which are alike"):
            finding(name, alone, "", "", "")
        with pytest.raises(RequestError, match="does not say which are alike"):
            between(name, [], "", "", "")
    else:
        assert finding(name, alone, "", "", "").groups == ()
        with pytest.raises(RequestError, match="is of single arms"):
            between(name, apart, "", "", "")


def test_a_code_whose_name_or_title_compares_arms_stands_between_them():
    compares = re.compile(r"^(unequal|mixed|other)-|^arms (?!begin)|compared runs")
    named = {n for n, code in CODES.items() if compares.search(n) or compares.search(code.title)}
    # The runs of one arm, and one arm of several that is not as its runs are.
    assert {name for name in named if not CODES[name].between} == {"mixed-configs"}


def test_an_unknown_code_names_the_nearest():
    check_codes(["unequal-data"])
    with pytest.raises(NotFoundError, match="did you mean 'same-function'"):
        check_codes(["unequal-data", "same-fonction"])


@given(findings)
def test_the_worst_findings_come_first_and_none_is_lost_or_said_twice(found):
    arranged = ordered(found)
    ranks = [["error", "warning", "note"].index(item.severity) for item in arranged]
    assert ranks == sorted(ranks)
    assert set(arranged) == set(found)
    assert len(arranged) == len(set(found))


@given(findings, st.sets(st.sampled_from(sorted(CODES))))
def test_allowed_errors_do_not_block(found, codes):
    marked = allow(found, codes)
    assert [item.code for item in marked] == [item.code for item in found]
    assert {item.code for item in blocking(marked)} == {
        item.code for item in found if item.severity == "error"
    } - codes


def test_what_a_study_allows_is_allowed_for_the_arms_it_names_only():
    def leak(*arms):
        return Finding("sees-the-future", "error", arms, "w", "model", "a")

    declared = {"sees-the-future": ("shows", "tells")}
    for arms, blocked in [
        (("shows",), False),
        (("shows", "tells"), False),
        (("shows", "sound"), True),
        (("sound",), True),
        ((), True),
    ]:
        assert bool(blocking(allow([leak(*arms)], (), declared))) is blocked
    other = Finding("train-val-overlap", "error", ("shows",), "w", "data", "a")
    assert blocking(allow([other], (), declared)) == [other]
