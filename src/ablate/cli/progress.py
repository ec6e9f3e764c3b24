"""The live view of a running study."""

import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ablate.cli import output

if TYPE_CHECKING:
    from ablate.study import Snapshot


class Live:
    """Shows snapshots on stderr: a live line on a terminal, a line per finished trial elsewhere."""

    def __init__(self, quiet: bool) -> None:
        from rich.console import Console  # noqa: PLC0415
        from rich.live import Live as RichLive  # noqa: PLC0415

        self._quiet = quiet
        self._console = Console(stderr=True)
        self._live = (
            RichLive(console=self._console, refresh_per_second=4, transient=True)
            if sys.stderr.isatty() and not quiet
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

    def say(self, text: str) -> None:
        """Show a line that stays."""
        if not self._quiet:
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)

    def show(self, snapshot: "Snapshot") -> None:
        """Show the newest state."""
        if self._live is not None:
            self._live.start()
            self._live.update(_line(snapshot, running=True))
            return
        finished = sum(snapshot.counts.values())
        if finished != self._finished:
            self._finished = finished
            self.say(_line(snapshot, running=False))


def _line(snapshot: "Snapshot", *, running: bool) -> str:
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
    parts.append(f"{output.clock(snapshot.elapsed)} so far")
    if snapshot.left is not None:
        parts.append(f"about {output.clock(snapshot.left)} left")
    return " | ".join(parts)
