"""The live view of a running study."""

import sys
from importlib.util import find_spec
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from ablate.errors import AblateError
from ablate.plan import Kind, Verdict
from ablate.spec import Action
from ablate.study import FailedRun, GoalNews, Snapshot
from ablate.workflow.streams import forgiving
from ablate.workflow.words import clock, failed, judged, why_failed


class Progress:
    """Shows snapshots on stderr, or below a notebook's cell.

    When trials end, a line says how many there are. On a terminal, and in a notebook with
    ipywidgets, a live line below shows what runs, cut to the width there is. A failure is a line
    that stays, the first time that it comes; how often it came again is said at the end. `verbose`
    adds tracebacks.
    """

    def __init__(self, quiet: bool, verbose: bool = False) -> None:
        self._quiet = quiet
        self._verbose = verbose
        self._failures: dict[object, tuple[FailedRun, int]] = {}
        self._console = _console()
        self._live = (
            Live(console=self._console, refresh_per_second=4, transient=True)
            if _can_redraw(self._console) and not quiet
            else None
        )
        self._finished = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
        for first, times in self._failures.values():
            if times > 1:
                self.say(f"{times} attempts failed alike: {why_failed(first)}")
        if isinstance(error, AblateError):
            self._show_traceback(error.traceback)

    def say(self, text: str) -> None:
        """Show a line that stays."""
        if not self._quiet:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def fail(self, run: FailedRun) -> None:
        """Show that a run has failed, unless another one has failed alike."""
        alike = run.outcome.cause, run.outcome.comparable, run.where
        first, times = self._failures.get(alike, (run, 0))
        self._failures[alike] = first, times + 1
        if not times:
            self.say(failed(run))
            self._show_traceback(run.traceback)

    def judge(self, news: GoalNews) -> None:
        """Show that a run has succeeded or lost that, or a goal that something is done about."""
        found = news.judgement
        succeeded = found.kind is Kind.SUCCESS and found.verdict is Verdict.REACHED
        lost = found.kind is Kind.AT_THE_END and found.verdict is Verdict.MISSED
        if succeeded or lost or found.action not in {None, Action.NOTE}:
            self.say(judged(news))

    def _show_traceback(self, text: str | None) -> None:
        if self._verbose and text:
            self.say(text.rstrip())

    def show(self, snapshot: Snapshot) -> None:
        """Show the newest state."""
        finished = sum(snapshot.counts.values())
        if finished != self._finished:
            if self._live is None or self._finished >= 0:
                self.say(_line(snapshot, running=False))
            self._finished = finished
        if self._live is not None:
            line = Text(_line(snapshot, running=True), no_wrap=True, overflow="ellipsis")
            self._live.start()
            self._live.update(line)


def _console() -> Console:
    console = Console(stderr=True)
    if not console.is_jupyter:
        console.file = forgiving(sys.stderr)
    return console


def _can_redraw(console: Console) -> bool:
    """Say whether a line that was shown can be replaced."""
    if console.is_jupyter:
        return find_spec("ipywidgets") is not None
    return console.is_terminal


def _line(snapshot: Snapshot, *, running: bool) -> str:
    finished = sum(snapshot.counts.values())
    parts = [f"{finished}/{snapshot.total} trials" if snapshot.total else f"{finished} trials"]
    parts += [f"{n} {state}" for state, n in sorted(snapshot.counts.items())]
    if running and snapshot.running:
        parts.append(
            "running " + ", ".join(f"#{number} {what}" for number, what in snapshot.running.items())
        )
    if snapshot.best is not None:
        number, value = snapshot.best
        parts.append(f"best {snapshot.metric} {value:.4g} (trial {number})")
    elif snapshot.infeasible:
        parts.append("none feasible yet")
    parts.append(f"{clock(snapshot.elapsed)} so far")
    if snapshot.left is not None:
        parts.append(f"about {clock(snapshot.left)} left")
    return " | ".join(parts)
