"""Answers that several requests share."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Any

from ablate.workflow.serving import Application, collected

FRESH_SECONDS = 2.0
ROOM = 32_000_000
"""Bytes of answers that are kept; the newest is kept whatever its size."""
_TABLES = "/csv/"
_COMPUTED = ("/api/", _TABLES)


@dataclass(frozen=True, slots=True)
class _Answer:
    status: str
    headers: list[tuple[str, str]]
    body: bytes
    until: float


class SharedAnswers:
    """Make what is computed from the storage one answer at a time, and hand it out again.

    An answer is given again for two seconds, or for as long as it took to make. Python computes
    one thing at a time anyway, so making answers side by side would cost memory and gain nothing.
    Tables for spreadsheets hold no formulas.
    """

    def __init__(self, application: Application) -> None:
        self._application = application
        self._kept: OrderedDict[tuple[str, str], _Answer] = OrderedDict()
        self._lock = Lock()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        path = environ.get("PATH_INFO", "")
        if not path.startswith(_COMPUTED):
            return self._application(environ, start)
        key = path, environ.get("QUERY_STRING", "")
        with self._lock:
            answer = self._kept.get(key)
            if answer is None or answer.until < time.monotonic():
                self._kept.pop(key, None)
                answer = self._make({**environ, "REQUEST_METHOD": "GET"})
                self._keep(key, answer)
        start(answer.status, list(answer.headers))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _make(self, environ: dict[str, Any]) -> _Answer:
        began = time.monotonic()
        status, headers, body = collected(self._application, environ)
        if environ["PATH_INFO"].startswith(_TABLES) and status.startswith("200"):
            from ablate.reports.cells import without_formulas  # noqa: PLC0415 - slow to import

            body = without_formulas(body.decode()).encode()
            headers = [item for item in headers if item[0].lower() != "content-length"]
            headers.append(("Content-Length", str(len(body))))
        now = time.monotonic()
        return _Answer(status, headers, body, now + max(FRESH_SECONDS, now - began))

    def _keep(self, key: tuple[str, str], answer: _Answer) -> None:
        if not answer.status.startswith("200"):
            return
        self._kept[key] = answer
        while len(self._kept) > 1 and sum(len(one.body) for one in self._kept.values()) > ROOM:
            self._kept.popitem(last=False)
