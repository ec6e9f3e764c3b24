"""The optional methods by which a module and its data tell the probes more."""

from collections.abc import Callable
from typing import Any


def hook(owner: object, name: str) -> Callable[..., Any] | None:
    """Return an optional method; None where there is none."""
    method = getattr(owner, name, None)
    return method if callable(method) else None


def reason(error: BaseException) -> str:
    """Name an error in one line."""
    first = (str(error).strip() or "no message").splitlines()[0]
    return f"{type(error).__name__}: {first}"
