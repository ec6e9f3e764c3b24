"""Serve a WSGI application on the loopback interface, for reading only."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from waitress.server import create_server

from ablate.errors import RequestError

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
HOST = "127.0.0.1"
THREADS = 4
CONNECTIONS = 100
"""Connections that are open at once; further ones wait in the kernel until one is closed."""
WAITING = 1024
"""Connections that wait in the kernel."""
IDLE_SECONDS = 30
"""After so long a connection is closed that asks nothing, or does not take its answer."""
_READING = {"GET", "HEAD"}
_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "SAMEORIGIN"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
_POLICY = "Content-Security-Policy"
_NOTHING = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
_SANDBOX = "sandbox allow-scripts"
"""A file that a run left may be a page with scripts: it is shown, but is of another origin."""
_SPEAKS_FOR_OTHERS = "access-control-allow-origin"


def guarded(application: Application, port: int) -> Application:
    """Refuse what could change the storage, and pages of other sites that ask for it.

    optuna-dashboard deletes studies without asking who calls; a browser that a foreign page
    steers reaches loopback too, so the Host header must name this server.
    """
    hosts = {f"{name}:{port}" for name in (HOST, "localhost")}

    def guard(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("HTTP_HOST") not in hosts:
            return refuse(start, "403 Forbidden", "unknown Host")
        if environ["REQUEST_METHOD"] not in _READING:
            return refuse(start, "405 Method Not Allowed", "this dashboard is for reading")
        return application(environ, start)

    return guard


def with_headers(application: Application) -> Application:
    """Tell browsers to guess no types, to send no address on, and to let no other site look in."""

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")

        def begin(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            given = {name.lower() for name, _ in headers}
            kept = [item for item in headers if item[0].lower() != _SPEAKS_FOR_OTHERS]
            kept += [item for item in _HEADERS if item[0].lower() not in given]
            if path.startswith("/artifacts/"):
                kept.append((_POLICY, _SANDBOX))
            elif _POLICY.lower() not in given and not path.startswith("/static/"):
                kept.append((_POLICY, _NOTHING))
            return start(status, kept, *more)

        return application(environ, begin)

    return answer


def serve(application: Application, port: int, ready: Callable[[], None]) -> None:
    """Serve until interrupted, a few requests at a time, and call `ready` when it begins.

    Raises RequestError if the port is taken.
    """
    # It would tell of every request that has to wait.
    logging.getLogger("waitress").setLevel(logging.ERROR)
    try:
        server = create_server(
            with_headers(guarded(application, port)),
            host=HOST,
            port=port,
            threads=THREADS,
            connection_limit=CONNECTIONS,
            backlog=WAITING,
            channel_timeout=IDLE_SECONDS,
            max_request_header_size=32 * 1024,
            max_request_body_size=1024,
            asyncore_use_poll=True,
            ident=None,
        )
    except OSError as error:
        raise RequestError(f"port {port} can't be used: {error.strerror}; try --port") from None
    try:
        ready()
        server.run()
    finally:
        server.close()


def collected(
    application: Application, environ: dict[str, Any]
) -> tuple[str, list[tuple[str, str]], bytes]:
    """Ask an application, and return its whole answer: status, headers and body."""
    said: list[tuple[str, list[tuple[str, str]]]] = []

    def begin(status: str, headers: list[tuple[str, str]], *_: Any) -> None:
        said.append((status, headers))

    parts = application(environ, begin)
    try:
        body = b"".join(parts)
    finally:
        if (close := getattr(parts, "close", None)) is not None:
            close()
    return *said[-1], body


def refuse(start: Callable[..., Any], status: str, why: str) -> Iterable[bytes]:
    """Answer with a status and a line of text."""
    body = why.encode()
    start(
        status,
        [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))],
    )
    return [body]
