"""Messages: one line each, whatever they hold, and the same on the other side."""

import json
import math
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.errors import RunError
from ablate.plan import Judgement, Kind, Measured, Verdict
from ablate.run import (
    Answered,
    Built,
    Call,
    Event,
    Finished,
    Job,
    Judged,
    Lost,
    Probe,
    Probed,
    Progress,
    Ready,
    Reported,
    Resolve,
    Resolved,
    ResumedInexactly,
    Run,
    Started,
    WorkerFacts,
)
from ablate.run.messages import Command, Decided, Group, GroupMeans, Interrupt, awaits_decision
from ablate.run.wire import decode_command, decode_event, encode
from ablate.spec import Action, Cause, Direction, Goals, Outcome, Status

numbers = st.integers(0, 10**9)
texts = st.text()
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
mappings = st.dictionaries(texts, plain, max_size=4)
values = st.floats(allow_nan=False)
causes = st.sampled_from(Cause)
outcomes = st.builds(Outcome, st.sampled_from(Status), st.none() | causes, st.none() | texts)
facts = st.builds(
    WorkerFacts,
    profile=texts,
    device=texts,
    host=texts,
    python=texts,
    system=texts,
    threads=numbers,
    cuda=st.none() | texts,
    float32_matmul_precision=texts,
    deterministic_algorithms=st.booleans(),
    cudnn_benchmark=st.booleans(),
    libraries=st.dictionaries(texts, st.none() | texts, max_size=3),
)
group_means = st.builds(
    GroupMeans,
    texts,
    texts,
    numbers,
    numbers,
    st.dictionaries(texts, st.tuples(values, numbers), max_size=3),
)
goals = st.sampled_from(
    [
        Goals(),
        Goals.model_validate(
            {
                "success": [{"metric": "m", "above": 1.5}],
                "milestones": [{"at": {"step": 3}, "expect": {"metric": "m", "at_most": 0}}],
            }
        ),
    ]
)
judgements = st.builds(
    Judgement,
    st.sampled_from(Kind),
    texts,
    st.sampled_from(Verdict),
    numbers,
    numbers,
    st.lists(st.builds(Measured, texts, st.none() | values, st.none() | values, st.booleans())).map(
        tuple
    ),
    st.none() | st.sampled_from(Action),
)
JOBS = {
    Resolve: st.builds(Resolve, numbers, mappings),
    Probe: st.builds(Probe, numbers, mappings, texts, goals=goals),
    Call: st.builds(Call, numbers, mappings, texts, mappings),
    Run: st.builds(
        Run,
        numbers,
        mappings,
        st.none() | texts,
        texts,
        st.dictionaries(texts, texts, max_size=3),
        st.booleans(),
        st.booleans(),
        st.floats(0, 1e9),
        best=st.none() | st.sampled_from(Direction),
        goals=goals,
    ),
}
COMMANDS = {
    Group: st.builds(Group, st.lists(st.one_of(*JOBS.values()), max_size=3).map(tuple)),
    Interrupt: st.builds(Interrupt, st.lists(numbers).map(tuple)),
    Decided: st.builds(Decided, numbers, st.sampled_from(["continue", "stop"])),
}
EVENTS = {
    Ready: st.builds(Ready, facts),
    Resolved: st.builds(Resolved, numbers, mappings),
    Probed: st.builds(Probed, numbers, numbers, st.lists(texts), numbers),
    Answered: st.builds(Answered, numbers, mappings),
    Started: st.builds(Started, numbers, facts),
    Built: st.builds(Built, numbers, numbers, numbers, st.none() | numbers),
    Progress: st.builds(Progress, numbers, numbers, numbers),
    Reported: st.builds(
        Reported,
        numbers,
        st.sampled_from(["train", "val"]),
        numbers,
        numbers,
        st.dictionaries(texts, values),
        st.none() | values,
    ),
    Finished: st.builds(
        Finished,
        numbers,
        outcomes,
        st.none() | numbers,
        st.none() | numbers,
        st.dictionaries(texts, texts),
        groups=st.lists(group_means, max_size=2).map(tuple),
        facts=st.dictionaries(texts, mappings, max_size=2),
    ),
    ResumedInexactly: st.builds(ResumedInexactly, numbers, st.lists(texts)),
    Judged: st.builds(Judged, numbers, judgements),
    Lost: st.builds(Lost, numbers, causes, texts),
}


@pytest.mark.parametrize(
    ("tried", "union"),
    [(EVENTS, Event), (COMMANDS, Command), (JOBS, Job)],
    ids=["event", "command", "job"],
)
def test_every_kind_of_message_is_tried(tried, union):
    assert set(tried) == set(get_args(union))


@given(st.one_of(*EVENTS.values()))
def test_an_event_is_one_line_and_comes_back_the_same(event):
    line = encode(event)
    assert line.index(b"\n") == len(line) - 1
    assert decode_event(line) == event


@given(st.one_of(*COMMANDS.values()))
def test_a_command_is_one_line_and_comes_back_the_same(command):
    line = encode(command)
    assert line.index(b"\n") == len(line) - 1
    assert decode_command(line) == command


@given(facts)
def test_the_facts_of_a_worker_come_back_from_a_record(known):
    assert WorkerFacts.of(json.loads(json.dumps(known.as_dict()))) == known


def test_outcomes_and_causes_come_back_as_such():
    failed = Outcome(Status.FAILED, Cause.DIVERGED, "the loss is nan")
    end = decode_event(encode(Finished(1, failed)))
    assert isinstance(end, Finished)
    assert (type(end.outcome.status), type(end.outcome.cause)) == (Status, Cause)
    lost = decode_event(encode(Lost(1, Cause.STALLED, "no progress")))
    assert isinstance(lost, Lost)
    assert lost.cause is Cause.STALLED


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_values_that_are_no_numbers_survive(value):
    back = decode_event(encode(Reported(1, "val", 2, 3, {"val_loss": value}, value)))
    assert isinstance(back, Reported)
    for number in (back.metrics["val_loss"], back.objective):
        assert number is not None
        assert number == value or (math.isnan(number) and math.isnan(value))


UNKNOWN = [
    {"message": "Nonsense", "job": 1},
    {"job": 1},
    {"message": ["Finished"]},
    [],
    1,
]


@pytest.mark.parametrize("decode", [decode_event, decode_command])
@pytest.mark.parametrize("data", UNKNOWN, ids=str)
def test_a_message_of_an_unknown_kind_is_refused(decode, data):
    with pytest.raises(RunError, match="unknown kind"):
        decode(json.dumps(data).encode())


def test_events_and_commands_are_not_taken_for_each_other():
    with pytest.raises(RunError, match="unknown kind 'Interrupt'"):
        decode_event(encode(Interrupt((1,))))
    with pytest.raises(RunError, match="unknown kind 'Progress'"):
        decode_command(encode(Progress(1, 2, 3)))


def test_a_group_holds_known_jobs_alone():
    with pytest.raises(RunError, match="unknown kind 'Progress'"):
        decode_command(
            b'{"message": "Group", "jobs": [{"message": "Progress", "job": 1, "step": 2}]}'
        )


@pytest.mark.parametrize(
    "line",
    [
        b'{"message": "Progress", "job": 1}',
        b'{"message": "Progress", "job": 1, "step": 2, "epoch": 3, "more": 4}',
        b'{"message": "Lost", "job": 1, "cause": "bad luck", "reason": "none"}',
        b'{"message": "Finished", "job": 1, "outcome": "complete"}',
        b'{"message": "Ready", "facts": {"profile": "cpu"}}',
    ],
)
def test_a_message_that_does_not_hold_is_refused(line):
    with pytest.raises(RunError, match="does not hold"):
        decode_event(line)


def test_a_line_that_is_no_json_is_refused():
    with pytest.raises(RunError, match="no message"):
        decode_event(b"printed by accident")


def test_only_a_report_of_a_supervised_runs_objective_awaits_a_decision():
    def asked(*, supervised: bool) -> Run:
        return Run(1, {}, "loss", "d", {}, supervised=supervised, resume=False, checkpoint_every=1)

    deciding = Reported(1, "val", 2, 3, {"loss": 1.0}, 1.0)
    assert awaits_decision(asked(supervised=True), deciding)
    assert not awaits_decision(asked(supervised=False), deciding)
    assert not awaits_decision(asked(supervised=True), Reported(1, "train", 2, 3, {"x": 1.0}, None))
    assert not awaits_decision(asked(supervised=True), Progress(1, 2, 3))
    assert not awaits_decision(Probe(1, {}, "loss"), deciding)
