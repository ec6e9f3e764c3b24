"""Standard streams whose end nobody reads any more."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from ablate.errors import RunError


def forgiving(stream: TextIO, *, only_pipes: bool = False) -> TextIO:
    """Return a stream that drops what `stream` can't take, for good once a write has failed.

    What a command says on its way is worth less than its work: it goes on without a reader. With
    `only_pipes`, only a closed pipe is forgiven, and a full disk is a RunError.
    """
    forgiven = (BrokenPipeError,) if only_pipes else (OSError, ValueError)
    return cast("TextIO", _Forgiving(stream, forgiven))


class _Forgiving:
    """Passes everything on to a stream, but for the errors of writing."""

    def __init__(self, stream: TextIO, forgiven: tuple[type[Exception], ...]) -> None:
        self._stream = stream
        self._forgiven = forgiven

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, or drop it."""
        with self._dropping():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Write what is buffered, or drop it."""
        with self._dropping():
            self._stream.flush()

    @contextmanager
    def _dropping(self) -> Iterator[None]:
        try:
            yield
        except self._forgiven:
            self._give_up()
        except OSError as error:
            raise RunError(f"the result can't be printed: {error.strerror}") from None

    def _give_up(self) -> None:
        """Send whatever the stream still holds nowhere, and what its children write too.

        Its buffer would fail again at the end of the process.
        """
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
