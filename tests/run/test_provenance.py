"""What a run rests on is noted: sources, data, files, variables, distributions."""

import importlib
import os
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.run.data_digest import DataDigest, DataSeen, row_hashes
from ablate.run.opened import Opened, watch_files
from ablate.run.sources import Sources
from ablate.spec.facts import Fact
from ablate.testing.jobs import Record, execute, run

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


# --- a whole run -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def facts(tmp_path_factory):
    """The facts of two runs with another seed each, and of one with a larger batch."""
    found = []
    for changes in ({}, {"seed_everything": 8}, {"data.init_args.batch_size": 16}):
        record = Record(None)
        execute(run(1, tmp_path_factory.mktemp("run"), changes), record)
        found.append(record.finished().facts)
    return found


def test_a_run_tells_every_kind_of_fact(facts):
    assert set(facts[0]) == {*Fact, "recipe"}
    assert facts[0][Fact.DISTRIBUTIONS]["torch"] == version("torch")
    assert "tests.run.test_provenance" in facts[0][Fact.SOURCES]
    assert "ablate.run.execute" in facts[0][Fact.SOURCES]
    assert not {"torch", "json", "__main__"} & set(facts[0][Fact.SOURCES])


def test_another_seed_changes_the_order_of_the_examples_and_not_the_examples(facts):
    first, second, larger = (found[Fact.DATA] for found in facts)
    assert first["val"] == second["val"]
    assert first["train"]["set"] == second["train"]["set"] == larger["train"]["set"]
    assert first["train"]["order"] != second["train"]["order"]
    assert larger["val"]["set"] == first["val"]["set"]
    assert first["train"]["examples"] == 32
    assert first["train"]["whole"]


# --- sources and variables ---------------------------------------------------------------


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Make a module of a project of the given source, and import it."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(source, name="prov_mine"):
        (tmp_path / f"{name}.py").write_text(source)
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, name, raising=False)
        importlib.import_module(name)
        return tmp_path / f"{name}.py"

    yield make
    sys.modules.pop("prov_mine", None)


def test_a_source_is_that_of_the_import_not_that_of_a_later_edit(module):
    path = module("a = 1\n")
    sources = Sources()
    sources.note()
    before = sources.digests()["prov_mine"]
    path.write_text("a = 2\n")
    sources.note()
    assert sources.digests()["prov_mine"] == before
    module("a = 3\n")
    sources.note()
    assert sources.digests()["prov_mine"] != before


def test_a_script_that_is_executed_is_a_source(tmp_path):
    script = tmp_path / "train.py"
    script.write_text("print()")
    sources = Sources()
    sources.note_script(str(script))
    before = sources.digests()["train.py"]
    script.write_text("print(1)")
    sources.note_script(str(script))
    assert sources.digests()["train.py"] != before


def test_variables_that_a_source_asks_for_are_noted_and_secrets_by_name_only(module, monkeypatch):
    monkeypatch.setenv("PROV_SCALE", "2")
    monkeypatch.setenv("PROV_TOKEN", "hush")
    monkeypatch.setenv("PROV_OTHER", "1")
    module(
        "import os\nNAMES = ['PROV_SCALE']\nos.environ[NAMES[0]]\nos.getenv('PROV_UNSET')\n"
        "os.environ.get('PROV_TOKEN')\n"
    )
    # Noted with the variables as they are when it is imported.
    sources = Sources()
    sources.note()
    found = sources.variables(["PROV_OTHER"])
    assert (found["PROV_TOKEN"], found["PROV_OTHER"]) == ("set", "set")
    assert found["PROV_UNSET"] is None
    assert "2" != found["PROV_SCALE"] is not None
    monkeypatch.setenv("PROV_SCALE", "3")
    assert sources.variables([])["PROV_SCALE"] != found["PROV_SCALE"]
    unnamed = "prov_unnamed".upper()  # as no source spells it
    monkeypatch.setenv(unnamed, "1")
    assert unnamed not in sources.variables([])


# --- files -------------------------------------------------------------------------------


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Watch files in a folder of its own, with a run's folder in it."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "results" / "s" / "0-abc"
    folder.mkdir(parents=True)
    for name in ("a.csv", "b.csv", "code.py", "results/x.ckpt", "results/s/0-abc/c.ckpt"):
        (tmp_path / name).write_text(name)
    watched = Opened(folder)
    watch_files(watched)
    yield watched
    watch_files(None)


def test_files_that_are_read_below_the_folder_are_noted_and_those_written_are_not(opened, tmp_path):
    for name in ("a.csv", "code.py", "results/x.ckpt", "results/s/0-abc/c.ckpt", __file__):
        Path(name).read_bytes()
    (tmp_path / "b.csv").write_text("b")
    (tmp_path / "b.csv").read_text()
    with pytest.raises(OSError, match="nope"):
        (tmp_path / "nope").read_text()
    before = opened.files()
    assert [*before] == ["a.csv"]


def test_files_that_forked_processes_read_are_noted(opened):
    child = os.fork()
    if child == 0:
        Path("b.csv").read_bytes()
        os._exit(0)
    os.waitpid(child, 0)
    assert [*opened.files()] == ["b.csv"]


def test_an_edit_of_a_file_of_any_size_changes_its_digest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = []
    for last in (b"x", b"y"):
        (tmp_path / "large").write_bytes(b"\0" * (9 << 20) + last)
        (tmp_path / "small").write_bytes(last)
        opened = Opened(tmp_path / "r" / "s" / "0")
        opened.see("large", "rb", 0)
        opened.see("small", "rb", 0)
        found.append(opened.files())
    assert found[0]["large"].endswith("of 32 pieces")
    assert all(found[0][name] != found[1][name] for name in ("large", "small"))


# --- data --------------------------------------------------------------------------------


def digest(batches):
    taken = DataDigest()
    for batch in batches:
        taken.add(batch)
    return taken.result()


@settings(max_examples=40)
@given(st.permutations(range(12)), st.integers(1, 12), st.sampled_from([torch.float32, torch.int8]))
def test_shuffling_and_batching_leave_the_set_as_it_is(order, size, dtype):
    rows = torch.arange(36).reshape(12, 3).to(dtype)
    labels = torch.arange(12)
    straight = digest([(rows, labels)])
    shuffled = rows[list(order)], labels[list(order)]
    other = digest([tuple(t[i : i + size] for t in shuffled) for i in range(0, 12, size)])
    assert other["set"] == straight["set"]
    assert other["examples"] == 12
    assert (other["order"] == straight["order"]) == (list(order) == list(range(12)))


@given(st.integers(0, 11), st.integers(0, 2))
def test_one_changed_number_changes_the_set(row, column):
    rows = torch.arange(36.0).reshape(12, 3)
    changed = rows.clone()
    changed[row, column] += 1
    assert digest([rows])["set"] != digest([changed])["set"]


def test_labels_that_change_places_change_the_set():
    rows, labels = torch.eye(4), torch.arange(4)
    assert digest([(rows, labels)])["set"] != digest([(rows, labels.flip(0))])["set"]


def test_zeros_at_the_end_of_an_example_count_nothing():
    rows = torch.arange(1, 7).reshape(2, 3)
    padded = torch.nn.functional.pad(rows, (0, 4))
    assert (row_hashes(rows) == row_hashes(padded)).all()


def test_batches_without_tensors_and_those_that_cannot_be_read_do_no_harm():
    assert digest(["text", {"a": 1}, torch.tensor(1.0)]) == {}
    assert "unreadable" in digest([torch.eye(3).to_sparse()])
    assert digest([torch.ones(2, 2, dtype=torch.bfloat16), torch.ones(3, 1)])["examples"] == 5


def test_the_first_epoch_and_the_first_validation_count_also_across_processes():
    one, other = DataSeen(), DataSeen()
    one.see("train", torch.ones(2, 1))
    one.close("train")
    one.see("train", torch.zeros(2, 1))
    one.see("val", torch.ones(2, 1))
    one.see("val 1", torch.ones(1, 1))
    first = one.result()
    assert set(first) == {"train", "val", "val 1"}
    other.restore(one.to_plain())
    other.see("train", torch.zeros(2, 1))
    assert other.result() == first
