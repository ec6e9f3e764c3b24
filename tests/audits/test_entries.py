"""The table of `docs/ladder-failures.md` holds, and what no other test plants is planted here."""

import ast
import importlib.util
import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import optuna
import pytest

from ablate import analysis
from ablate.audits.check import audit
from ablate.audits.checks import compare_evidence
from ablate.audits.codes import CODES
from ablate.audits.evidence import Evidence, Submodule
from ablate.audits.evidence_checks import Declared
from ablate.audits.evidence_checks.submodules import check_submodules
from ablate.errors import RequestError
from ablate.run import InProcessLauncher, WorkerFacts
from ablate.run.lightning_cli import resolve
from ablate.spec import Direction, Objective, content_hash, paths, read_study, read_yaml
from ablate.store import Store
from ablate.workflow.audited import audit_runs
from tests.analysis import frames_of
from tests.audits.examined import changed, examined
from tests.study.conftest import (
    ABLATION,
    CONFIG,
    SEARCH,
    STORAGE,
    Project,
    build,
    project,
    replay,
    search,
)

__all__ = ["project"]

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "docs" / "ladder-failures.md"
NUMBERS = range(1, 54)
STATES = ("prevented", "flagged", "out of scope")
FEWEST = 45

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


# --- the table ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """A row of the table: `by` names modules and codes, `tests` are written `file::test`."""

    what: str
    status: str
    by: str
    tests: tuple[str, ...]


def read_table(text: str) -> dict[int, Entry]:
    """Read the rows that begin with a number."""
    rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if cells[0].isdigit():
            number, what, status, by, tests = cells
            assert int(number) not in rows, f"{number} stands twice"
            names = tuple(name for name in re.findall(r"`([^`]*)`", tests))
            rows[int(number)] = Entry(what, status, by, names)
    return rows


WRITTEN, *_ = TABLE.read_text(encoding="utf-8").split("\n## ")
ENTRIES = read_table(WRITTEN)


@cache
def functions_in(file: str) -> frozenset[str]:
    """Name the test functions in a file, those of classes too."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def named(entry: Entry) -> tuple[set[str], set[str]]:
    """Return the modules and the finding codes that an entry names."""
    names = set(re.findall(r"`([^`]*)`", entry.by))
    modules = {name for name in names if name.startswith("ablate.")}
    return modules, {name for name in names if re.fullmatch(r"[a-z]+(-[a-z]+)*", name)}


def is_module(name: str) -> bool:
    """Say whether there is a module of this name."""
    return all(
        importlib.util.find_spec(name.rsplit(".", depth)[0])
        for depth in reversed(range(name.count(".") + 1))
    )


def mistakes(entry: Entry) -> list[str]:
    """Return what an entry claims that is not so."""
    modules, codes = named(entry)
    wrong = [f"no module {name}" for name in modules if not is_module(name)]
    wrong += [f"no code {name}" for name in codes if name not in CODES]
    sources = ""
    for test in entry.tests:
        file, _, name = test.partition("::")
        if not (ROOT / file).is_file() or name not in functions_in(file):
            wrong.append(f"no test {test}")
        else:
            sources += (ROOT / file).read_text(encoding="utf-8")
    wrong += [f"no test speaks of {name}" for name in codes if f'"{name}"' not in sources]
    if entry.status not in STATES:
        wrong.append(f"no status {entry.status}")
    if entry.status == "out of scope":
        return wrong
    if not entry.tests:
        wrong.append("no test")
    if not (codes if entry.status == "flagged" else modules):
        wrong.append("nothing that does it")
    return wrong


@pytest.mark.parametrize("number", NUMBERS)
def test_what_the_table_says_of_an_entry_is_so(number: int) -> None:
    assert mistakes(ENTRIES[number]) == []


def test_the_table_has_every_entry_and_nearly_all_are_prevented_or_flagged() -> None:
    assert list(ENTRIES) == list(NUMBERS)
    counts = Counter(entry.status for entry in ENTRIES.values())
    assert counts["prevented"] + counts["flagged"] >= FEWEST
    said = "{prevented} are prevented, {flagged} flagged, {out of scope} out of scope."
    assert said.format_map(counts) in TABLE.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("claim", "mistake"),
    [
        ({"tests": ("tests/audits/test_runs.py::test_never_written",)}, "no test "),
        ({"tests": ("tests/audits/gone.py::test_x",)}, "no test "),
        ({"tests": ()}, "no test"),
        ({"by": "`diverged`, `never-coded`"}, "no code never-coded"),
        ({"by": "`ablate.audits.magic`"}, "no module ablate.audits.magic"),
        ({"by": "great care"}, "nothing that does it"),
        ({"by": "`secret`"}, "no test speaks of secret"),
        ({"status": "verified"}, "no status verified"),
    ],
)
def test_a_claim_that_no_test_or_code_bears_out_is_found(claim: Any, mistake: str) -> None:
    sound = Entry(
        "", "flagged", "`diverged`", ("tests/audits/test_runs.py::test_clean_runs_give_no_finding",)
    )
    assert mistakes(sound) == []
    assert mistake in " ".join(mistakes(replace(sound, **claim)))


# --- arms that are built -----------------------------------------------------------------


def config(model: str, data: str, **arguments: Any) -> dict[str, Any]:
    """Return a resolved config of a module and data of these tests."""
    return resolve(
        {
            "seed_everything": 1,
            "model": {"class_path": f"tests.audits.{model}", "init_args": arguments},
            "data": {"class_path": f"tests.audits.{data}"},
            "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.01}},
            "trainer": {"max_epochs": 5, "accelerator": "cpu"},
        }
    )


def compared(base: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Examine a sound arm and one that differs; return the findings by code."""
    arms = {"sound": {}, "odd": changes}
    asked = {"metrics": ("val_loss",), "seconds": 0}
    seen = {name: examined(changed(base, paths), **asked) for name, paths in arms.items()}
    declared = Declared(arms, {"val_loss": Direction.MINIMIZE})
    return {item.code: item for item in compare_evidence(seen, declared)}


@pytest.fixture(scope="module")
def dropped() -> dict[str, Any]:
    """Compare arms of which one applies its dropout twice and starts from other values."""
    base = config("modules.Translator", "modules.Translations", dropout=0.1)
    odd = {"model.init_args.twice": True, "model.init_args.scale": 12.0}
    return compared(base, **odd)


def test_dropout_that_one_arm_applies_twice_is_found(dropped: dict[str, Any]) -> None:
    item = dropped["unequal-dropout"]
    assert set(item.arms) == {"sound", "odd"}
    assert "0.1 (1x) in sound" in item.what
    assert "0.1 (2x) in odd" in item.what


def test_an_arm_that_starts_from_other_scales_is_found(dropped: dict[str, Any]) -> None:
    item = dropped["unequal-initial-scale"]
    assert set(item.arms) == {"sound", "odd"}
    assert "up to 12.0 times apart: embedding.weight" in item.what


def test_a_guard_that_skips_examples_in_one_arm_is_found() -> None:
    base = config("planted.Guarded", "modules.Translations")
    found = compared(base, **{"model.init_args.shortest": 5})
    item = found["metric-depends-on-batch"]
    assert (item.severity, item.arms) == ("error", ("odd",))


def test_a_filter_on_length_in_one_arm_is_found_and_the_lengths_are_measured() -> None:
    base = config("modules.Translator", "planted.Filtered")
    found = compared(base, **{"data.init_args.limit": 12})
    assert found["unequal-validation-examples"].what == "30 examples in sound; 13 examples in odd"
    assert "60 examples in sound; 18 examples in odd" in found["unequal-train-examples"].what
    assert "longest 20 in sound" in found["unequal-lengths"].what
    assert "longest 11 in odd" in found["unequal-lengths"].what


def test_a_validation_example_that_training_shows_as_context_is_found() -> None:
    base = config("modules.Translator", "planted.Revealed")
    evidence = examined(base, metrics=("val_loss",), seconds=0)
    faults = {fault.code: fault.what for fault in evidence.faults}
    assert set(faults) == {"context-from-validation"}
    assert faults["context-from-validation"].startswith("1 of 30 validation examples")


def test_labels_that_were_overwritten_are_other_examples() -> None:
    base = config("modules.DictClassifier", "planted.Relabelled")
    found = compared(base, **{"data.init_args.merge": True})
    assert "unequal-validation-examples" in found
    assert "unequal-train-examples" not in found


def test_equal_totals_with_the_parameters_elsewhere_are_found(project: Project) -> None:
    model, data = "tests.audits.planted.Matched", "tests.audits.modules.Streams"
    project.config({**CONFIG, "model": {"class_path": model}, "data": {"class_path": data}})
    arms = {"body": {}, "beside": {"model.init_args.beside": True}}
    metrics = {"val_error": "minimize"}
    project.study("a", ABLATION, arms=arms, metrics=metrics, floor={}, reference="body")
    found = audit(read_study("a").prepare("cpu"), InProcessLauncher())
    (item,) = [each for each in found if each.code.startswith("unequal-")]
    assert (item.code, item.severity) == ("unequal-components", "note")
    assert item.arms == ("body", "beside")
    assert "context has 25 in body, 45 in beside" in item.what


def sized(**parts: int) -> Evidence:
    """Imagine an arm of some parts."""
    submodules = tuple(Submodule(path, "Linear", count, 0) for path, count in parts.items())
    return Evidence(parameters=sum(parts.values()), submodules=submodules)


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (sized(body=900, head=100), False),
        (sized(body=860, head=140), False),
        (sized(body=940, head=160), False),  # the totals already say so
        (sized(body=840, head=160), True),
        (sized(body=900, tail=100), True),
        (Evidence(), False),
    ],
)
def test_only_arms_of_one_size_are_compared_by_their_parts(other: Evidence, found: bool) -> None:
    arms = {"a": sized(body=900, head=100), "b": other}
    assert bool(list(check_submodules(arms, Declared()))) is found


# --- runs that are made ------------------------------------------------------------------


def found_after(store: Store, study: str) -> dict[str, Any]:
    """Check what a study has run; return the findings by code."""
    return {item.code: item for item in audit_runs(store, analysis.load(store, study))}


def with_data(project: Project, name: str, **changes: Any) -> None:
    """Write an ablation whose data are a class of these tests."""
    data = {"class_path": f"tests.audits.planted.{name}"}
    project.config({**CONFIG, "data": data, "trainer": {**CONFIG["trainer"], "max_epochs": 1}})
    project.study("a", ABLATION, floor={}, **changes)


def test_data_that_one_arm_does_not_find_stop_the_study_before_anything_is_written(
    project: Project,
) -> None:
    arms = {"here": {}, "gone": {"data.init_args.folder": "nowhere"}}
    with_data(project, "Folder", arms=arms, reference="here")
    before = project.files()
    with pytest.raises(RequestError, match=r"gone.*nowhere"):
        replay("a", project.request())
    assert project.files() == before


def test_the_folder_of_a_run_follows_from_its_configuration_not_from_the_name_of_its_arm(
    project: Project,
) -> None:
    champion = {"champion": {"model.init_args.width": 16}}
    project.study("a", ABLATION, floor={}, arms=champion, reference=None, seeds=[1])
    (first,) = replay("a", project.request()).runs
    other = {"champion": {"model.init_args.width": 4}}
    project.study("a", ABLATION, floor={}, arms=other, reference=None, seeds=[1])
    (second,) = replay("a", project.request()).runs
    for run, width in ((first, 16), (second, 4)):
        assert run.directory.endswith(f"-{run.config_hash[:8]}")
        kept = read_yaml(project.folder / run.directory / "config.yaml")
        assert kept["model"]["init_args"]["width"] == width
        assert content_hash(kept) == run.config_hash
    with project.store() as store:
        standing = analysis.load(store, "a").runs.set_index("run_id")["standing"]
    assert standing[first.id] == "earlier definition"
    assert standing[second.id] == "current"


def test_seeds_share_no_folder_and_nothing_is_appended_to_an_earlier_run(project: Project) -> None:
    project.study("a", ABLATION, floor={}, arms={"full": {}}, reference=None)
    runs = replay("a", project.request()).runs
    assert len({run.directory for run in runs}) == len(runs) == 2
    curve = project.folder / runs[0].directory / "curve.csv"
    curve.write_text("epoch,value\n0,0.5\n")
    again = replay("a", project.request(storage="sqlite:///other.db")).runs
    assert again[0].directory == runs[0].directory
    assert not curve.exists()


def test_the_trainers_resolved_arguments_are_stored_with_what_was_run(project: Project) -> None:
    project.study(
        "a", ABLATION, floor={}, seeds=[1], profiles={"cpu": {"set": {"trainer.max_epochs": 2}}}
    )
    replay("a", project.request(overrides={"trainer.gradient_clip_val": 0.5}))
    with project.store() as store:
        for run in store.runs("a", with_config=True):
            assert run.config is not None
            trainer = run.config["trainer"]
            assert (trainer["max_epochs"], run.epochs) == (2, 2)
            assert trainer["gradient_clip_val"] == 0.5
            assert trainer["max_steps"] == -1, "defaults are stored too"
            assert read_yaml(project.folder / run.directory / "config.yaml") == run.config


def test_a_trial_is_stored_with_the_space_that_made_it(project: Project) -> None:
    project.study("s", SEARCH, budget={"trials": 2})
    search("s", project.request())
    with project.store() as store:
        record = store.study("s")
        configs = [run.config or {} for run in store.runs("s", with_config=True)]
    assert record is not None
    assert record.definition.space.keys() == SEARCH["space"].keys()
    trials = optuna.load_study(study_name="s", storage=STORAGE).trials
    low, high = SEARCH["space"]["optimizer.init_args.lr"]["float"]
    for trial, made in zip(trials, configs, strict=True):
        rate = trial.distributions["optimizer.init_args.lr"]
        assert (rate.low, rate.high, rate.log) == (low, high, True)
        assert paths.get(made, "optimizer.init_args.lr") == trial.params["optimizer.init_args.lr"]
        assert content_hash(made) == trial.user_attrs["config_hash"]


def test_data_that_are_generated_without_a_seed_are_other_examples(project: Project) -> None:
    with_data(project, "Unseeded", seeds=[1])
    replay("a", project.request())
    with project.store() as store:
        item = found_after(store, "a")["other-examples"]
    assert item.arms == ("narrow", "wide")


@pytest.mark.parametrize(
    ("path", "values", "code"),
    [
        ("model.init_args.width", (2, 16), "other-examples"),
        ("model.init_args.dropout", (0.1, 0.3), "data-of-its-own"),
    ],
)
def test_a_split_that_is_drawn_in_the_run_is_found(
    project: Project, path: str, values: tuple[float, float], code: str
) -> None:
    arms = {name: {path: value} for name, value in zip("ab", values, strict=True)}
    with_data(project, "SplitInTheRun", arms=arms, reference="a")
    replay("a", project.request())
    with project.store() as store:
        item = found_after(store, "a")[code]
    assert "'val'" in item.what


def test_every_stored_value_was_logged_by_a_validation_that_took_place(project: Project) -> None:
    project.study("a", ABLATION, seeds=[1])
    runs = {run.id: run for run in replay("a", project.request()).runs}
    with project.store() as store:
        rows = [row for row in store.metrics("a") if row.phase == "val"]
    for number, run in runs.items():
        logged = [(row.name, row.step) for row in rows if row.run_id == number]
        steps = [0] if run.arm == "mean" else [4, 8, 12]
        assert sorted(logged) == [(n, s) for n in ("val_error", "val_loss") for s in steps]
    assert all(row.value > 0 for row in rows)


def test_the_hardware_of_every_run_is_recorded_and_other_hardware_is_found(
    project: Project,
) -> None:
    class Elsewhere(InProcessLauncher):
        def facts(self) -> WorkerFacts:
            return replace(super().facts(), device="another processor", host="elsewhere")

    project.study("a", ABLATION, floor={}, seeds=[1])
    replay("a", project.request())
    project.study("a", ABLATION, floor={}, seeds=[1, 2])
    replay("a", project.request(launcher=lambda _: Elsewhere()))
    with project.store() as store:
        runs, environments = store.runs("a"), store.environments("a")
        found = found_after(store, "a")
    for run in runs:
        assert environments[run.environment].facts["device"] == run.device
        assert environments[run.environment].facts["libraries"]["torch"]
    assert [run.device == "another processor" for run in runs] == [False, False, True, True]
    assert found["mixed-environments"].where == "device"


def test_pruned_and_failed_trials_are_reported_and_the_best_is_read_from_all(
    project: Project,
) -> None:
    key = "optimizer.init_args.lr"
    project.study(
        "s",
        SEARCH,
        space={key: {"choice": [0.05, 1e-7, 0.02]}},
        pruner={"class_path": "optuna.pruners.MedianPruner", "init_args": {"n_startup_trials": 1}},
        window=1,
        budget={"trials": 3},
        enqueue=[{key: rate} for rate in (0.02, 1e-7, 0.05)],
    )
    search("s", project.request())
    with project.store() as store:
        frames = analysis.load(store, "s")
        written = build(store, "s", project.folder / "report")
    table = analysis.trials_table(frames)
    assert table["state"].tolist() == ["complete", "pruned", "complete"]
    best = analysis.best_trial(frames)
    assert best is not None
    assert best.value == min(value for value in table["value"] if value == value)  # noqa: PLR0124
    page = written.markdown.read_text()
    assert "pruned" in page
    assert f"trial [#{best.number}]" in page


# --- numbers that are compared -----------------------------------------------------------

OBJECTIVE = Objective(metric="loss", at="last")
LAST = {("b", 1): 1.0, ("b", 2): 2.0, ("a", 1): 1.5, ("a", 2): 4.5}


def judged(epochs: int) -> Any:
    """Compare arms whose runs end at the same values after some epochs."""
    runs = [frames_of.run(n, arm=arm, seed=seed) for n, (arm, seed) in enumerate(LAST)]
    curves = {
        (n, name): [9.0] * (epochs - 1) + [last]
        for n, last in enumerate(LAST.values())
        for name in ("loss", "acc")
    }
    frames = frames_of.frames(runs, curves, frames_of.definition(objective=OBJECTIVE))
    return analysis.conclude(frames).frame()


def test_seeds_are_the_unit_of_replication_and_epochs_add_none() -> None:
    short, long = judged(2), judged(40)
    assert long["n"].tolist() == short["n"].tolist() == [2, 2]
    assert long["high"].tolist() == short["high"].tolist()


def test_a_ladder_has_a_difference_per_step_and_no_sum_over_its_steps(project: Project) -> None:
    steps = {
        "none": {"model.init_args.dropout": 0.0},
        "wide": {"model.init_args.width": 16},
        "slow": {"optimizer.init_args.lr": 1e-3},
    }
    project.study("a", ABLATION, design="ladder", arms=steps, reference="none", seeds=[1])
    replay("a", project.request())
    with project.store() as store:
        written = build(store, "a", project.folder / "report")
    page = written.markdown.read_text().lower()
    assert "| arm | verdict | against | difference |" in page
    against = dict(re.findall(r"^\| \[`(\w+)`\].*? \| \[`(\w+)`\]", page, re.MULTILINE))
    assert against == {"wide": "none", "slow": "wide"}
    assert not re.search("synerg|interaction|additiv|total effect", page)
