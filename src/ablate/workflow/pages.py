"""The pages beside optuna-dashboard: what there is, and the report of each study."""

import re
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from html import escape, unescape
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

from optuna.storages import BaseStorage

from ablate.errors import AblateError, NotFoundError
from ablate.store import Store
from ablate.workflow.reports import page_of
from ablate.workflow.serving import Application, refuse

REPORTS = "/reports/"
DASHBOARD = "/dashboard"
FRESH_SECONDS = 2.0
"""How long a page is handed out before the database is asked whether anything is new."""
ROOM = 32_000_000
"""Bytes of pages that are kept; the newest is kept whatever its size."""
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
_HEAD = 4_000
"""Characters at the beginning of a page in which its own policy stands."""
_NO_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@dataclass
class _Page:
    """The report of one study as it was last made: of which state, and how long it is trusted."""

    lock: Lock = field(default_factory=Lock)
    state: tuple[Any, ...] | None = None
    body: bytes = b""
    policy: str = ""
    fresh_until: float = 0.0


class Pages:
    """Answers `/` with what there is, `/reports/STUDY` with a report, and leaves the rest.

    A report is made from the database as it is, once per state of the study: while one request
    makes it the others wait for it. While a study runs, it is made again after two seconds, or as
    long as it took to make.
    """

    def __init__(
        self, application: Application, store: Store, storage: BaseStorage, results: Path
    ) -> None:
        self._application = application
        self._store = store
        self._storage = storage
        self._results = results
        self._lock = Lock()
        self._making = Lock()
        self._pages: OrderedDict[str, _Page] = OrderedDict()

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request."""
        # WSGI hands a path over as Latin-1, whatever it is.
        path = environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace")
        if path in {"", "/"}:
            make = self._start_page
        elif path in {REPORTS, REPORTS.rstrip("/")}:
            start("302 Found", [("Location", "/"), ("Content-Length", "0")])
            return []
        elif path.startswith(REPORTS):

            def make() -> tuple[bytes, str]:
                return self._report(path.removeprefix(REPORTS))

        else:
            return self._application(environ, start)
        try:
            body, policy = make()
        except NotFoundError as error:
            return refuse(start, "404 Not Found", _line(error))
        except AblateError as error:
            return refuse(start, "503 Service Unavailable", _line(error))
        headers = [
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Content-Security-Policy", f"{policy}; frame-ancestors 'none'"),
            ("Cache-Control", "no-cache"),
        ]
        start("200 OK", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _report(self, study: str) -> tuple[bytes, str]:
        """Return the report of a study and the policy of its page.

        Raises NotFoundError for an unknown study, and AblateError if it can't be read.
        """
        with self._lock:
            page = self._pages.get(study)
        if page is None:
            self._store.require_study(study)
            with self._lock:
                page = self._pages.setdefault(study, _Page())
        with page.lock:
            began = time.monotonic()
            if began < page.fresh_until:
                return page.body, page.policy
            state = (self._store.state(study), self._store.state(f"{study}-confirm"))
            if page.state != state:
                with self._making:
                    text = page_of(self._store, study, self._results)
                page.body, page.policy = text.encode(), policy_of(text)
                page.state = state
            now = time.monotonic()
            page.fresh_until = now + max(FRESH_SECONDS, now - began)
            self._make_room(study)
            return page.body, page.policy

    def _make_room(self, study: str) -> None:
        with self._lock:
            if study in self._pages:
                self._pages.move_to_end(study)
            while (
                len(self._pages) > 1 and sum(len(one.body) for one in self._pages.values()) > ROOM
            ):
                self._pages.popitem(last=False)

    def _start_page(self) -> tuple[bytes, str]:
        """Return the page that leads to the reports and to optuna-dashboard."""
        ours = set(self._store.study_names())
        theirs = {study.study_name for study in self._storage.get_all_studies()}
        rows = "".join(
            self._row(name, name in ours, name in theirs) for name in sorted(ours | theirs)
        )
        table = (
            '<table><thead><tr><th scope="col">study</th><th scope="col">comparison</th>'
            f'<th scope="col">trials</th></tr></thead><tbody>{rows}</tbody></table>'
            if rows
            else "<p>There is no study yet.</p>"
        )
        text = _START.format(shown=escape(self._store.url_shown), dashboard=DASHBOARD, table=table)
        return text.encode(), _NO_POLICY

    def _row(self, study: str, ours: bool, theirs: bool) -> str:
        """Write the row of a study that ablate knows, Optuna, or both."""
        cells = [""] * 2
        if ours:
            cells[0] = f'<a href="{escape(report_path(study))}">report</a>'
        if theirs:
            number = self._storage.get_study_id_from_name(study)
            cells[1] = f'<a href="{DASHBOARD}/studies/{number}">optuna-dashboard</a>'
        shown = "".join(f"<td>{cell}</td>" for cell in cells)
        return f'<tr><th scope="row">{escape(study)}</th>{shown}</tr>'


def report_path(study: str) -> str:
    """Return the path under which the report of a study is served."""
    return REPORTS + quote(study)


def policy_of(page: str) -> str:
    """Return the policy that a page sets itself, so that its header allows no less and no more."""
    found = _POLICY.search(page, 0, _HEAD)
    policy = unescape(found[1]) if found else _NO_POLICY
    return policy if policy.isprintable() and policy.isascii() else _NO_POLICY


def _line(error: AblateError) -> str:
    return " ".join(str(error).split())


_START = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ablate: studies</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 50rem;
  padding: 0 1rem; overflow-wrap: anywhere; }}
table {{ border-collapse: collapse; width: 100%; }}
th, td {{ text-align: left; padding: .4rem .8rem .4rem 0; border-bottom: 1px solid #8885; }}
tbody th {{ font-weight: normal; }}
</style>
</head>
<body>
<h1>Studies</h1>
<p>The studies of {shown}, for reading.
All of them in <a href="{dashboard}">optuna-dashboard</a>.</p>
{table}
</body>
</html>
"""
