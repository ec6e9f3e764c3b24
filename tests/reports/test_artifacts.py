"""Reports show the pictures that runs left, and name files so that nothing in them is markup."""

import base64
import json
import os
import re
from io import BytesIO
from pathlib import Path

import optuna
import pytest
from PIL import Image

from ablate.reports.pictures import MAX_SHOWN
from ablate.store import Batch
from ablate.store.artifacts import FOLDER, RunFiles, keep
from tests.reports.conftest import add_run, an_ablation, report

NASTY = '"><script>x</script>](y)&.png'


def picture(shade, kind="PNG"):
    buffer = BytesIO()
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(buffer, kind)
    return buffer.getvalue()


class Studio:
    """Gives trials pictures, as their runs would."""

    def __init__(self, store, home):
        self.store = store
        self.artifacts = home / "results" / FOLDER
        self.home = home

    def hang(self, study, trial, prefix="", **files):
        directory = self.home / "results" / study / f"{trial}-abcdef01"
        for name, content in files.items():
            path = directory / FOLDER / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        run = RunFiles(study, trial, directory, prefix, self.artifacts)
        self.store.write(Batch(study, system_attrs={trial: keep(run, print)}))

    def build(self, study):
        out = self.home / "results" / study / "report"
        return report(self.store, study, out, artifacts=self.artifacts)


@pytest.fixture
def studio(store, tmp_path):
    return Studio(store, tmp_path)


def section(markdown):
    """Return the report's section of pictures as lines, or None."""
    found = re.search(r"\n## Pictures\n\n(.*?)\n\n## ", markdown.read_text(), re.DOTALL)
    return found and [line for line in found[1].splitlines() if line]


def embedded(page):
    return [
        (kind, base64.b64decode(data))
        for kind, data in re.findall(r'<img src="data:([^;]*);base64,([^"]*)"', page.read_text())
    ]


@pytest.fixture
def arms(store):
    """Make an ablation of two arms, two seeds and a floor, with its trials in Optuna."""
    two_arms = an_ablation(arms={"champion": {}, "late": {}}, seeds=(308, 307))
    definition = store.define("arms", two_arms)
    study = optuna.create_study(study_name="arms", storage=store.optuna)
    cells = [(arm, seed) for seed in (307, 308) for arm in ("late", "champion", "copy_input")]
    for trial, (arm, seed) in enumerate(cells):
        study.add_trial(optuna.trial.create_trial(value=1.0))
        add_run(store, "arms", trial, definition, arm=arm, seed=seed, curve=[1.0])
    return "arms"


def test_each_arm_shows_the_pictures_of_its_first_seed(studio, arms):
    for trial in range(6):
        studio.hang(arms, trial, **{"motion.png": picture(trial), "notes.txt": b"no picture"})
    files = studio.build(arms)
    lines = section(files.markdown)
    assert lines[::2] == [
        "`champion`, seed 308 (trial 4):",
        "`late`, seed 308 (trial 3):",
        "`copy_input`, seed 308 (trial 5):",
    ]
    shown = [re.fullmatch(r"!\[motion.png\]\((.*)\)", line)[1] for line in lines[1::2]]
    assert [(files.folder / name).read_bytes() for name in shown] == list(map(picture, (4, 3, 5)))
    assert embedded(files.html) == [("image/png", picture(shade)) for shade in (4, 3, 5)]
    assert set(shown) <= {path.name for path in files.figures}


def test_an_arm_whose_first_seed_has_no_picture_shows_those_of_the_next(studio, arms):
    studio.hang(arms, 0, **{"motion.gif": picture(1, "GIF")})
    studio.hang(arms, 3, **{"plan.svg": b"<svg/>"})
    files = studio.build(arms)
    assert section(files.markdown)[0] == "`late`, seed 307 (trial 0):"
    assert embedded(files.html) == [("image/gif", picture(1, "GIF"))]


def test_a_search_shows_the_pictures_of_its_best_trial(studio, search):
    (best,) = [t.number for t in [optuna.load_study(study_name=search, storage=studio.store.optuna)
                                  .best_trial]]  # fmt: skip
    for trial in range(12):
        studio.hang(search, trial, "seed-7/", **{"a/motion.webp": picture(trial, "WEBP")})
    files = studio.build(search)
    head, shown = section(files.markdown)
    assert head == f"Best trial, {best}:"
    assert shown.startswith("![seed-7/a/motion.webp](picture-")
    assert embedded(files.html) == [("image/webp", picture(best, "WEBP"))]


@pytest.mark.parametrize("study", ["ablation", "search", "arms"])
def test_without_pictures_there_is_no_section(studio, study, request):
    name = request.getfixturevalue(study)
    files = studio.build(name)
    assert section(files.markdown) is None
    assert embedded(files.html) == []
    if study == "arms":
        studio.hang(name, 0, **{"notes.txt": b"no picture"})
        assert section(studio.build(name).markdown) is None


def test_names_are_no_markup_and_no_paths(studio, arms):
    studio.hang(arms, 3, **{NASTY.replace("/", "_"): picture(1), f"../{FOLDER}/b.png": picture(2)})
    files = studio.build(arms)
    assert files.html.read_text().count("<script") == 1
    assert "<script" not in files.markdown.read_text()
    assert 'alt="&#34;&gt;&lt;script&gt;x&lt;_script&gt;](y)&amp;.png"' in files.html.read_text()
    made = {path.name for path in files.folder.iterdir() if path.name.startswith("picture-")}
    assert len(made) == 2
    assert all(re.fullmatch(r"picture-3-[\w-]*-[0-9a-f]{8}\.png", name) for name in made)
    assert len(embedded(files.html)) == 2


def test_too_many_pictures_are_not_all_shown(studio, arms):
    many = {f"{number:02}.png": picture(number) for number in range(MAX_SHOWN + 3)}
    studio.hang(arms, 3, **many)
    lines = section(studio.build(arms).markdown)
    assert len(lines) == MAX_SHOWN + 2
    assert lines[-1] == "The dashboard shows 3 more pictures."


def test_pictures_that_weigh_too_much_are_not_shown(studio, arms, monkeypatch):
    monkeypatch.setattr("ablate.reports.pictures.MAX_BYTES", len(picture(1)) + 20)
    studio.hang(arms, 3, **{"a.png": picture(1), "b.png": picture(2)})
    studio.hang(arms, 4, **{"c.png": picture(3)})
    lines = section(studio.build(arms).markdown)
    assert [line.partition("]")[0] for line in lines] == [
        "`champion`, seed 308 (trial 4):",
        "![c.png",
        "`late`, seed 308 (trial 3):",
        "The dashboard shows 2 more pictures.",
    ]


def test_pictures_that_are_on_another_machine_are_counted(studio, arms):
    studio.hang(arms, 3, **{"a.png": picture(1), "b.png": picture(2)})
    for path in studio.artifacts.iterdir():
        if path.read_bytes() == picture(1):
            path.unlink()
    lines = section(studio.build(arms).markdown)
    assert lines[1].startswith("![b.png]")
    assert lines[2] == "1 picture can't be read on this machine."


def test_equal_pictures_give_equal_reports(studio, arms):
    studio.hang(arms, 3, **{"a.png": picture(1)})
    first = {path.name: path.read_bytes() for path in studio.build(arms).folder.iterdir()}
    again = {path.name: path.read_bytes() for path in studio.build(arms).folder.iterdir()}
    assert first == again
    assert not any(Path(name).is_absolute() for name in first)


def rename(studio, study, trial, written):
    """Write what the database says of the files of a trial, as another program could."""
    attributes = {f"artifacts:{place}": text for place, text in enumerate(written)}
    studio.store.write(Batch(study, system_attrs={trial: attributes}))


@pytest.mark.parametrize(
    "stored",
    ["../secret.png", "/etc/hostname", "sub/secret.png", "sub", "link", "..", ".", "", "a\0b",
     "\ud800", "gone", "x" * 5000, "pipe", "..\\secret.png", None, 7, ["a"]],
    ids=repr,
)  # fmt: skip
def test_a_stored_id_reads_nothing_outside_the_folder(studio, arms, stored):
    folder = studio.artifacts
    (folder / "sub").mkdir(parents=True)
    for secret in (folder.parent / "secret.png", folder / "sub" / "secret.png"):
        secret.write_bytes(picture(9))
    (folder / "link").symlink_to(folder.parent / "secret.png")
    os.mkfifo(folder / "pipe")
    rename(studio, arms, 3, [json.dumps({"artifact_id": stored, "filename": "a.png"})])
    files = studio.build(arms)
    assert section(files.markdown)[1] == "1 picture can't be read on this machine."
    assert embedded(files.html) == []


def test_what_does_not_describe_a_file_is_no_picture(studio, arms):
    studio.hang(arms, 3, **{"a.png": picture(1)})
    rename(studio, arms, 3, ["[]", "{}", '{"filename": 5}', '"a.png"', "null", "7"])
    assert embedded(studio.build(arms).html) == [("image/png", picture(1))]
