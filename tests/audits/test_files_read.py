"""A file that the module of one arm alone reads is a warning, unless a declared key explains it."""

from dataclasses import replace
from typing import Any

import pytest

from ablate.audits.evidence import Evidence, FileRead, Scale, Seeding
from ablate.audits.evidence_checks import Declared
from ablate.audits.evidence_checks.origins import check_files, check_initial_weights
from ablate.audits.evidence_checks.scales import check_scales
from ablate.audits.probes.opened import Opened
from tests.audits.modules import Regressor

FIRST, SECOND = "~/.cache/tool/base-3fd20a41bc77e910.pt", "~/.cache/tool/base-91ac44d0e2f7b635.pt"
STEPS, WIDTH = "model.init_args.base.steps", "model.init_args.width"


def reads(*paths: str, made: tuple[str, ...] = ()) -> Evidence:
    return Evidence(parameters=1, files=tuple(FileRead(p, "model") for p in paths), made=made)


def warned(left: Evidence, right: Evidence, **declared: dict[str, Any]) -> bool:
    found = check_files({"a": left, "b": right}, Declared(declared))
    return "unequal-files-read" in {item.code for item in found}


@pytest.mark.parametrize(
    ("left", "right", "changes", "explained"),
    [
        (reads(), reads(), {}, True),
        (reads(FIRST), reads(FIRST), {}, True),
        (reads(FIRST), reads(), {}, False),
        (reads(FIRST), reads(SECOND), {}, False),
        (reads(FIRST), reads(SECOND), {WIDTH: 8}, True),
        (reads(FIRST), reads(SECOND), {"optimizer.init_args.lr": 0.1}, False),
        (reads(FIRST), reads(), {WIDTH: 8}, False),
        (reads(FIRST), reads(), {STEPS: 0}, True),
        (reads("a/warm.json"), reads(), {"model.init_args.residual": True}, False),
        (reads("net/warm.json"), reads(), {"model.init_args.net.depth": 2}, False),
        (reads("a/bpe.json"), reads("a/unigram.json"), {"model.init_args.kind": "bpe"}, True),
        (reads("a/bpe.json"), reads("a/unigram.json"), {"model.init_args.kind": "chars"}, False),
        (reads("a/bpe.json"), reads("b/unigram.json"), {"model.init_args.kind": "bpe"}, False),
        (reads("bpe/a.json"), reads("chars/a.json"), {"model.init_args.kind": "bpe"}, True),
        (reads("w-20240101.pt"), reads("w-20250101.pt"), {WIDTH: 8}, False),
        (reads("w-deadbeef.pt"), reads("w-facefeed.pt"), {WIDTH: 8}, False),
        (reads(FIRST), reads(SECOND, "extra.pt"), {WIDTH: 8}, False),
    ],
)
def test_a_file_is_explained_by_a_digest_or_a_word_of_what_is_declared(
    left: Evidence, right: Evidence, changes: dict[str, Any], explained: bool
) -> None:
    assert warned(left, right, a=changes) is not explained
    assert warned(right, left, a=changes) is not explained


def test_a_key_that_both_arms_declare_alike_explains_nothing() -> None:
    assert warned(reads(FIRST), reads(), a={STEPS: 0}, b={STEPS: 0})
    assert not warned(reads(FIRST), reads(), a={STEPS: 9}, b={STEPS: 0})


def test_a_file_that_the_first_arm_makes_is_no_news_to_the_others() -> None:
    assert not warned(reads(made=(FIRST,)), reads(FIRST))
    assert warned(reads(made=(SECOND,)), reads(FIRST))


def test_one_arm_whose_files_are_declared_explains_no_other() -> None:
    arms = {"a": reads(), "b": reads(FIRST), "c": reads("warm.json")}
    (found,) = [
        item
        for item in check_files(arms, Declared({"b": {STEPS: 9}}))
        if item.code == "unequal-files-read"
    ]
    assert found.groups == (("a", "b"), ("c",))


def test_weights_that_come_from_a_declared_file_are_meant_to_be_fixed() -> None:
    fixed = Seeding({"w": 100, "v": 100}, ("w", "v"))
    drawn = Seeding({"w": 100, "v": 100}, ())
    arms = {
        "a": Evidence(parameters=1, files=reads(FIRST).files, seeding=fixed),
        "b": Evidence(parameters=1, seeding=drawn),
    }

    def codes(**declared: dict[str, Any]) -> set[str]:
        return {item.code for item in check_initial_weights(arms, Declared(declared))}

    assert "unequal-initial-weights" in codes()
    assert "unequal-initial-weights" in codes(b={WIDTH: 8})
    assert "unequal-initial-weights" not in codes(b={STEPS: 0})


def test_weights_that_are_read_as_declared_may_spread_as_they_do() -> None:
    near, far = ((Scale("w", (10, 10), std),) for std in (0.1, 1.0))
    arms = {"a": replace(reads(FIRST), scales=near), "b": replace(reads(SECOND), scales=far)}
    assert [*check_scales(arms, Declared())]
    assert [*check_scales(arms, Declared({"b": {"optimizer.init_args.lr": 1}}))]
    assert not [*check_scales(arms, Declared({"b": {STEPS: 9}}))]


class Caching(Regressor):
    """Writes a file and puts it into its place, then reads it."""

    def cache(self, folder: Any) -> None:
        (folder / "part").write_text("weights")
        (folder / "part").replace(folder / "whole")
        (folder / "whole").read_text()


def test_files_that_a_module_makes_are_told_from_those_it_reads(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    module, opened = Caching(), Opened()
    with opened.watched(but=tmp_path / "elsewhere"):
        module.cache(tmp_path)
        (tmp_path / "of_nobody").write_text("")
    assert opened.made == ("part", "whole")
    assert opened.files == (FileRead("whole", "model"),)
