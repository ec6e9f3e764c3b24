"""What is mutated is accepted, or refused in a sentence, in bounded time, with nothing written.

`benchmarks/fuzz.py` does the same for thousands of files.
"""

from pathlib import Path

import pytest

from ablate.spec import read_study

from . import corpus, wording
from .harness import Project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("fuzz"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return Project(tmp_path_factory.mktemp("small"), small=True)


def test_what_is_mutated_holds_before(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.folder)
    subjects = corpus.subjects()
    assert len(subjects) >= 11
    for subject in subjects:
        read_study(subject.study).prepare("cpu")


@pytest.mark.parametrize("tens", range(15))
def test_a_mutated_file_is_read_or_refused_in_a_sentence(project: Project, tens: int) -> None:
    verdicts = [project.judge(f"read-{10 * tens + number}") for number in range(10)]
    assert not [str(verdict) for verdict in verdicts if verdict.fault]


@pytest.mark.parametrize("kind", ["command", "words"])
def test_a_command_ends_well_whatever_it_is_given(small: Project, kind: str) -> None:
    verdicts = [small.judge(f"{kind}-{number}") for number in range(8)]
    assert not [str(verdict) for verdict in verdicts if verdict.fault]
    assert {verdict.ending for verdict in verdicts} >= {"refused"}


def test_a_case_is_the_same_every_time(project: Project, tmp_path: Path) -> None:
    again = Project(tmp_path)
    for number in range(20):
        seed = f"read-{number}"
        assert again.mutated_file(seed) == project.mutated_file(seed)


@pytest.mark.parametrize(
    "message",
    [
        "",
        "studies/a.yaml: ",
        "studies/a.yaml: space.lr: list index out of range",
        "studies/a.yaml: 'NoneType' object has no attribute 'get'",
        "studies/a.yaml: name: expected str instance, int found",
        "\n".join(["studies/a.yaml: a line"] * 20),
        "studies/a.yaml: " + "x" * 10_000,
        "studies/a.yaml: the key '\x1b[31m' is unknown",
    ],
)
def test_the_fuzzer_knows_a_message_that_helps_nobody(message: str) -> None:
    assert list(wording.flaws(message))


def test_the_fuzzer_knows_a_good_message() -> None:
    message = "studies/a.yaml: unknown key 'sede': did you mean 'seed' or 'seeds'?"
    assert not list(wording.flaws(message))
    assert wording.names_a_place(message, ("studies/a.yaml",))
    assert not wording.names_a_place(message, ("configs/a.yaml",))
