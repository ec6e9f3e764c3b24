"""A secret that opens the dashboard: once in the address, from then on in a cookie."""

import hmac
import secrets
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from ablate.workflow.serving import Application, refuse

_PARAMETER = "token"
_MOST_PARAMETERS = 50


def new_token() -> str:
    """Make a token of 192 random bits."""
    return secrets.token_urlsafe(24)


def with_token(application: Application, token: str, port: int) -> Application:
    """Let in who knows the token; the application sees neither it nor the cookie.

    A browser that brings it in the address gets it as a cookie and goes on to the address without
    it, so that it stays in no history. Cookies know no ports: their name has it.
    """
    cookie = f"ablate-dashboard-{port}"

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        try:
            query = parse_qsl(
                environ.get("QUERY_STRING", ""),
                keep_blank_values=True,
                max_num_fields=_MOST_PARAMETERS,
            )
        except ValueError:
            return refuse(start, "400 Bad Request", "too many parameters")
        given = [value for name, value in query if name == _PARAMETER]
        kept = _cookie(environ.pop("HTTP_COOKIE", ""), cookie)
        if any(_equal(value, token) for value in given):
            rest = urlencode([item for item in query if item[0] != _PARAMETER])
            path = quote(environ.get("PATH_INFO", "").encode("latin-1", "replace")) or "/"
            where = f"http://{environ['HTTP_HOST']}{path}{'?' if rest else ''}{rest}"
            value = f"{cookie}={token}; Path=/; HttpOnly; SameSite=Strict"
            start(
                "303 See Other",
                [("Location", where), ("Set-Cookie", value), ("Content-Length", "0")],
            )
            return []
        if given or not any(_equal(value, token) for value in kept):
            return refuse(
                start, "403 Forbidden", "open the address that `ablate dashboard` printed"
            )
        return application(environ, start)

    return answer


def _cookie(header: str, name: str) -> list[str]:
    pairs = (part.strip().partition("=") for part in header.split(";"))
    return [value for key, _, value in pairs if key == name]


def _equal(one: str, other: str) -> bool:
    """Compare in a time that tells nothing of where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())
