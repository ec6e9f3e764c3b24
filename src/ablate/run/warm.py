"""What a warm worker holds ready for its runs, and whether it can be forked with it."""

import contextlib
import gc
import importlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from ablate.errors import SpecError
from ablate.run.admission import check_names
from ablate.run.environment import WorkerFacts, worker_facts
from ablate.run.lightning_cli import rehearse
from ablate.run.log import logged, open_log
from ablate.run.messages import Call, Job, Run
from ablate.run.randomness import RandomState
from ablate.run.sources import SOURCES
from ablate.spec import Trust

_TASKS = Path("/proc/self/task")


class Warmth:
    """The imported libraries and modules of a process that has run nothing.

    `forkable` says whether a copy of this process is as good as a fresh one. It is not where
    forking is unknown, nor after an import that started a thread or CUDA, which a copy would lack,
    or went to another folder, where the runs of other modules would be as well.
    """

    def __init__(self) -> None:
        self.forkable = sys.platform == "linux" and hasattr(os, "pidfd_open") and _TASKS.exists()
        self._random = RandomState.capture(cuda=False)
        self._threads = self._count_threads()
        self._folder = os.getcwd()  # noqa: PTH109
        self._tried: set[str] = set()
        rehearse()
        self._random.restore()
        self.facts: WorkerFacts = self._find_facts()
        SOURCES.note()
        self._settle()

    def prepare(self, job: Job) -> None:
        """Import what a job's config names, once; what can't be imported is the job's to report."""
        names = [name for name in _modules(job) if name not in self._tried]
        if isinstance(job, Run) and self.forkable:
            SOURCES.note_distributions()
        if job.trust is not None and not _is_admitted(job.config, job.trust):
            return
        if not names or not self.forkable:
            return
        self._tried.update(names)
        loaded = len(sys.modules)
        with contextlib.ExitStack() as stack:
            # A full disk of the log, too, is the job's to report.
            with contextlib.suppress(OSError):
                folder = Path(job.directory) if isinstance(job, Run) else None
                stack.enter_context(logged(open_log(folder)))
            for name in names:
                # Numbers drawn while importing are those of a fresh interpreter.
                self._random.restore()
                _import(name)
            self._random.restore()
        SOURCES.note()
        if len(sys.modules) > loaded:
            self.forkable = self._is_forkable() and not self._has_moved()
            self._settle()

    def begin(self) -> None:
        """Give a copy of this process the random numbers that every one starts with."""
        self._random.restore()

    def _find_facts(self) -> WorkerFacts:
        """Describe this process; asking starts CUDA, so a copy is asked where there can be one."""
        if not self.forkable:
            return worker_facts()
        return WorkerFacts.of(_asked_apart(lambda: worker_facts().as_dict()))

    def _is_forkable(self) -> bool:
        started = any(
            now > then for now, then in zip(self._count_threads(), self._threads, strict=True)
        )
        if started or torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            return False
        if self.facts.profile != "cuda":
            return True
        with contextlib.suppress(RuntimeError):
            _asked_apart(torch.cuda.init)
            return True
        return False

    def _has_moved(self) -> bool:
        with contextlib.suppress(OSError):  # the folder may be gone
            return os.getcwd() != self._folder  # noqa: PTH109
        return True

    @staticmethod
    def _count_threads() -> tuple[int, int]:
        native = len(list(_TASKS.iterdir())) if _TASKS.exists() else 0
        return threading.active_count(), native

    @staticmethod
    def _settle() -> None:
        """Keep the garbage collector of every copy off what is shared with it."""
        gc.collect()
        gc.freeze()


def _is_admitted(config: dict[str, Any], trust: Trust) -> bool:
    """Say whether the names in a stored config are of trusted packages; a job says what is not."""
    try:
        check_names(config, trust)
    except SpecError:
        return False
    return True


def _modules(job: Job) -> list[str]:
    """List the modules that a job names, in order, once each."""
    names = [path.rpartition(".")[0] for path in _class_paths(job.config)]
    if isinstance(job, Call):
        names.append(job.function.partition(":")[0])
    return [name for name in dict.fromkeys(names) if name]


def _class_paths(node: Any, key: str = "") -> Iterator[str]:
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from _class_paths(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from _class_paths(value, key)
    elif isinstance(node, str) and key in {"class_path", "model", "data"}:
        yield node


def _import(name: str) -> None:
    """Import a module, or the one around a class that stands in its place; never raises."""
    while name:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            name = name.rpartition(".")[0]
        except BaseException:  # noqa: BLE001 - a user's module may even exit
            return
        else:
            return


def _asked_apart(question: Callable[[], Any]) -> Any:
    """Answer in a copy of this process, which ends with it; raise RuntimeError if it can't.

    The answer is plain data.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "w") as answer:
                json.dump(question(), answer)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading) as answer:
        text = answer.read()
    _, status = os.waitpid(child, 0)
    if status:
        raise RuntimeError(f"a copy of the worker ended with {os.waitstatus_to_exitcode(status)}")
    return json.loads(text)
