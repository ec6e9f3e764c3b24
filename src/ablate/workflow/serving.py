"""Serve a WSGI application on the loopback interface, for reading only."""

from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from ablate.errors import RequestError

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
HOST = "127.0.0.1"
_READING = {"GET", "HEAD"}


def guarded(application: Application, port: int) -> Application:
    """Refuse what could change the storage, and pages of other sites that ask for it.

    optuna-dashboard deletes studies without asking who calls; a browser that a foreign page
    steers reaches loopback too, so the Host header must name this server.
    """
    hosts = {f"{name}:{port}" for name in (HOST, "localhost")}

    def guard(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ.get("HTTP_HOST") not in hosts:
            return _refuse(start, "403 Forbidden", "unknown Host")
        if environ["REQUEST_METHOD"] not in _READING:
            return _refuse(start, "405 Method Not Allowed", "this dashboard is for reading")
        return application(environ, start)

    return guard


def serve(application: Application, port: int) -> None:
    """Serve until interrupted; raise RequestError if the port is taken."""
    try:
        server = make_server(HOST, port, guarded(application, port), _Server, _Handler)
    except OSError as error:
        raise RequestError(f"port {port} can't be used: {error.strerror}; try --port") from None
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


def _refuse(start: Callable[..., Any], status: str, why: str) -> Iterable[bytes]:
    start(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [why.encode()]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Handler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep requests off the terminal."""
