"""A database of somebody else: what reads it works, what would write refuses in one sentence."""

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

NOBODY = 65534
PROGRAM = """
import contextlib, io, os, sys
from pathlib import Path

homes, other, uid = sys.argv[1].split(), Path(sys.argv[2]), int(sys.argv[3])
from ablate.cli.app import app
from ablate.errors import AblateError
from ablate.store import Store
from ablate.study import Request

def does(*words):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            app(words, standalone_mode=False)
        except AblateError as error:
            return error.exit_code, str(error)
    return 0, said.getvalue()

def everything(url, results):
    for name in ("ladder", "quest"):
        yield does("status", name, "--storage", url)
        yield does("report", name, "--storage", url, "--results", str(results))
    for use in (
        lambda: Store.open(url, create=True).close(),
        lambda: Request(storage=url, results=results).require_writable(),
    ):
        try:
            use()
            yield 0, ""
        except AblateError as error:
            yield error.exit_code, str(error)

# What is imported late is imported now: nobody may not be able to read where Python lies.
list(everything(f"sqlite:///{other}/ablate.db", other / "results"))
os.setgroups([]); os.setgid(uid); os.setuid(uid)
for home in homes:
    for code, said in everything(f"sqlite:///{home}/ablate.db", other / "nobody"):
        print(Path(home).name, code, ascii(said))
"""
READ, REFUSED = [0, 0, 0, 0], [2, 2]


@dataclass
class Found:
    """What the commands did with the databases in folders, by the names of those."""

    folder: Path
    before: dict[str, dict[str, bytes]]
    said: dict[str, list[tuple[int, str]]]

    def codes(self, name):
        return [code for code, _ in self.said[name]]


@pytest.fixture
def found(store, ablation, search, tmp_path):
    """Let somebody else use databases of root, all in one process, as imports take seconds."""
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as name, closing(store):
        folder = Path(name)
        folder.chmod(0o755)
        store.close()
        modes = {"plain": 0o755, "open": 0o1777, "written": 0o755, "left": 0o755,
                 "closed": 0o600, "hidden": 0o755, "other": 0o777}  # fmt: skip
        for home, mode in modes.items():
            (folder / home).mkdir()
            shutil.copy(tmp_path / "ablate.db", folder / home / "ablate.db")
            (folder / home / "ablate.db").chmod(0o600 if home == "hidden" else 0o644)
            (folder / home).chmod(mode)
        (folder / "left" / "ablate.db-wal").touch()
        before = {home: files(folder / home) for home in modes}
        with closing(sqlite3.connect(folder / "written" / "ablate.db")) as owner:
            owner.execute("CREATE TABLE more (x)")
            owner.commit()
            assert (folder / "written" / "ablate.db-wal").stat().st_size > 0
            yield Found(folder, before, as_nobody(folder, [*modes][:-1]))


def as_nobody(folder, homes):
    places = " ".join(str(folder / home) for home in homes)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, places, str(folder / "other"), str(NOBODY)],
        capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "MPLCONFIGDIR": str(folder / "other")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = {home: [] for home in homes}
    for line in done.stdout.splitlines():
        home, code, text = line.split(" ", 2)
        said[home].append((int(code), text))
    return said


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_database_of_somebody_else_is_read_or_refused_in_one_sentence(found):
    for home in ("plain", "open", "written"):
        assert found.codes(home) == READ + REFUSED, home
        assert "complete" in found.said[home][2][1]
        assert all("can only be read by this user" in text for _, text in found.said[home][-2:])
    # Beside a file at rest there is nothing new, that its owner could then not write to.
    for home in ("plain", "open"):
        assert files(found.folder / home) == found.before[home]
    report = found.folder / "other" / "nobody" / "quest" / "report" / "report.html"
    assert report.stat().st_uid == NOBODY
    for home, why in (
        ("left", "let its owner run ablate status once"),
        ("closed", "Permission denied"),
        ("hidden", "Permission denied"),
    ):
        assert found.codes(home) == [2] * 6, home
        assert all(why in text and "\\n" not in text for _, text in found.said[home][:4])
