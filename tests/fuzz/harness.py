"""Do what a command does with a mutated file, in this process, and judge how it ended."""

import contextlib
import io
import json
import os
import random
import re
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest.mock import patch

from ablate.errors import AblateError
from ablate.run import execute  # noqa: F401 - torch, before memory is measured
from ablate.run.launchers.in_process import InProcessLauncher
from ablate.run.messages import Job, Probe, Run
from ablate.spec import AblationStudy, content_hash, read_study

from . import corpus, mutations, wording

SECONDS = 20
MEGABYTES = 300
KINDS = ("read", "command", "words")


class WouldTrain(BaseException):
    """Everything was accepted: a command was about to train."""


class Hung(BaseException):
    """It took too long."""


@dataclass(frozen=True)
class Verdict:
    """How a case ended: `accepted`, `refused`, or at fault, which `fault` names in a word."""

    seed: str
    ending: str
    fault: str = ""
    message: str = ""

    def __str__(self) -> str:
        return f"{self.seed}: {self.fault}: {self.message}"


class _Careful(InProcessLauncher):
    """Resolves configs and trains nothing."""

    def __init__(self, *_: object) -> None:
        super().__init__()

    def submit(self, jobs: Sequence[Job]) -> None:
        if any(isinstance(job, Probe | Run) for job in jobs):
            raise WouldTrain
        super().submit(jobs)


class Project:
    """A folder with all studies and configs, of which one file is mutated at a time."""

    def __init__(self, folder: Path, *, small: bool = False) -> None:
        self.folder = folder
        self._texts = corpus.files()
        self._subjects = corpus.subjects(small=small)
        for path, text in self._texts.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")

    def judge(self, seed: str) -> Verdict:
        """Do the case of a seed, which is `KIND-NUMBER`, and judge how it ended."""
        chance = random.Random(seed)
        kind = seed.split("-", maxsplit=1)[0]
        subject = chance.choice(self._subjects)
        if kind == "words":
            words = mutations.words(chance, subject.name)
            return self._judged(seed, lambda: _command(words), ())
        path = chance.choice((subject.study, subject.study, *subject.configs))
        data = mutations.mutated(chance, self._texts[path])
        # What a base config lacks is no arm's fault, but the arms of a path are what it leads to.
        at_fault = (
            (path,)
            if path in subject.configs and "wide" not in path
            else (subject.name, *subject.configs)
        )
        command = ["search" if _is_search(self._texts[subject.study]) else "replay", subject.study]
        command += ["--dry-run"] if command[0] == "replay" else []
        acts = {"read": lambda: _read(subject.study), "command": lambda: _command(command)}
        (self.folder / path).write_bytes(data)
        try:
            return self._judged(seed, acts[kind], at_fault)
        finally:
            (self.folder / path).write_text(self._texts[path], encoding="utf-8")

    def mutated_file(self, seed: str) -> tuple[str, bytes]:
        """Return the path and the content of the file that a seed mutates."""
        chance = random.Random(seed)
        subject = chance.choice(self._subjects)
        path = chance.choice((subject.study, subject.study, *subject.configs))
        return path, mutations.mutated(chance, self._texts[path])

    def _judged(self, seed: str, act: Callable[[], str | None], places: tuple[str, ...]) -> Verdict:
        before, memory = self._listing(), _memory()
        started = time.process_time()
        with contextlib.chdir(self.folder), _bounded(SECONDS):
            verdict = _ended(seed, act, places)
        if verdict.fault:
            return verdict
        if (seconds := time.process_time() - started) > SECONDS:
            return Verdict(seed, "fault", "hang", f"{seconds:.0f} s")
        if (grown := _memory() - memory) > MEGABYTES:
            return Verdict(seed, "fault", "memory", f"{grown:.0f} MB")
        if written := self._listing() - before:
            return Verdict(seed, "fault", "written", ", ".join(sorted(written)))
        return verdict

    def _listing(self) -> set[str]:
        return {
            os.fspath(path) for path in self.folder.rglob("*") if "__pycache__" not in path.parts
        }


def _ended(seed: str, act: Callable[[], str | None], places: tuple[str, ...]) -> Verdict:
    try:
        message = act()
    except WouldTrain:
        message = None
    except Hung:
        return Verdict(seed, "fault", "hang", _last_frames(traceback.format_exc()))
    except AblateError as error:
        message = str(error) if error.exit_code == 2 else f"exit {error.exit_code}: {error}"
    except BaseException as error:  # noqa: BLE001 - a traceback is what is looked for
        return Verdict(seed, "fault", f"traceback {type(error).__name__}", traceback.format_exc())
    if message is None:
        return Verdict(seed, "accepted")
    flaws = list(wording.flaws(message))
    if places and not wording.names_a_place(message, places):
        flaws.append("it names another place")
    if flaws:
        return Verdict(
            seed, "fault", f"message: {flaws[0].split(':')[0]}", f"{flaws[0]}\n{message}"
        )
    return Verdict(seed, "refused", message=message)


def _last_frames(text: str) -> str:
    return "\n".join(text.splitlines()[-14:])


def _read(path: str) -> str | None:
    """Read a study and prepare it, and lay out what it would run and record."""
    study = read_study(path).prepare("cpu")
    json.dumps(study.definition.as_plain()).encode()
    seed = study.seeds[0]
    if isinstance(study, AblationStudy):
        configs = [study.configured(arm.changes, seed) for arm in study.arms]
    else:
        configs = [study.at(point, seed) for _, point in study.space.covering_points()]
    for config in configs:
        content_hash(config)
    return None


def _command(words: list[str]) -> str | None:
    """Type a command; return what it says where it refuses, with exit code 2."""
    from ablate.cli.app import main

    said = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace", write_through=True)
    code: object = 0
    with (
        patch.object(sys, "argv", ["ablate", *words]),
        patch("ablate.study.setup.LocalLauncher", _Careful),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(said),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    text = said.buffer.getvalue().decode()
    if code not in {0, None, 2}:
        raise RuntimeError(f"exit code {code}: {text}")
    if code != 2:
        return None
    _, *reason = re.split("(?m)^error: ", text, maxsplit=1)
    return reason[0].rstrip("\n") if reason else _usage(text)


def _usage(text: str) -> str:
    """Return what typer says of a mistaken option, without the frame it draws."""
    return " ".join(line.strip("│╭╮╰╯─ ") for line in text.splitlines() if line.strip("│╭╮╰╯─ "))


@cache
def _is_search(text: str) -> bool:
    return "kind: search" in text


@contextlib.contextmanager
def _bounded(seconds: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hung

    # On a busy machine only the time that this process itself computes says something.
    bounds = (
        (signal.SIGPROF, signal.ITIMER_PROF, seconds),
        (signal.SIGALRM, signal.ITIMER_REAL, 10 * seconds),
    )
    before = [signal.signal(number, stop) for number, _, _ in bounds]
    for _, timer, bound in bounds:
        signal.setitimer(timer, bound, 1.0)
    try:
        yield
    finally:
        for (number, timer, _), handler in zip(bounds, before, strict=True):
            signal.setitimer(timer, 0)
            signal.signal(number, handler)


def _memory() -> float:
    """Return the most memory that this process has had, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
