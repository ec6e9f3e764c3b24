"""What looks like a secret, how it is shown, and the reference that is written in its place.

A study and its config hold references such as `${env:NAME}`. They are stored as they are; only the
process that builds the objects of a run puts in what they stand for.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ablate.errors import SpecError
from ablate.spec import paths

_KEY = re.compile(
    r"^token$|(?:^|_)(?:password|passwd|passphrase|secret|credentials?|api_?key|access_?key|"
    r"secret_?key|private_?key|auth_?token|access_?token|api_?token|bearer)$",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:AKIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|"
    r"hf_[A-Za-z0-9]{30,}|sk-[A-Za-z0-9_-]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|"
    r"glpat-[\w-]{20,}|AIza[\w-]{35}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]{10,})"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?-----END [A-Z ]*PRIVATE KEY-----|.*)",
    re.DOTALL,
)
_CREDENTIALS = re.compile(r"(?P<head>\b[a-zA-Z][\w+.-]*://[^\s/:@]*:)[^\s/]+@")
_OPTION = re.compile(r"(?P<head>[?&](?:password|sslpassword|passfile)=)[^&\s]+", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\{env:([A-Za-z_]\w*)\}")
_VARIABLE = re.compile(r"\$\{[\w.]+:\w+\}|\$\{?\w+\}?")
_PLACEHOLDER = re.compile(rf"(?:{_VARIABLE.pattern})|<[^<>]*>|\*+")
"""How a value only refers to a secret, or stands for one."""
_INDEX = re.compile(r"\[\d+\]")
_SHORTEST = 4
"""Characters of a value that is looked for in texts: fewer stand in any text by chance."""


def is_secret(path: str, value: Any) -> bool:
    """Say whether a configuration value looks like a password, a token or a key.

    A reference such as `${env:TOKEN}` is none.
    """
    if not isinstance(value, str) or not value.strip() or _PLACEHOLDER.fullmatch(value.strip()):
        return False
    literal = _VARIABLE.sub("", value)
    return _names_secret(path) or mask(literal) != literal


def _names_secret(path: str) -> bool:
    """Say whether the key at the end of a path is what secrets are called."""
    return bool(_KEY.search(_INDEX.sub("", path).rpartition(".")[2]))


def mask(text: str) -> str:
    """Replace every password of a URL, and every token of a known shape, inside `text` by stars."""
    text = _CREDENTIALS.sub(r"\g<head>***@", _TOKEN.sub("***", text))
    return _OPTION.sub(r"\g<head>***", text)


def hidden(path: str, value: Any) -> Any:
    """Return a configuration value with three stars for every secret in it."""
    return _replaced(path, value, lambda key, text: "***" if _names_secret(key) else mask(text))


def referring(path: str, value: Any) -> Any:
    """Return a configuration value with a reference to the environment for every secret in it."""
    return _replaced(path, value, lambda key, _: f"${{env:{_variable(key)}}}")


def _replaced(path: str, value: Any, by: Callable[[str, str], str]) -> Any:
    if isinstance(value, dict):
        return {key: _replaced(f"{path}.{key}", item, by) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(path, item, by) for item in value]
    return by(path, value) if is_secret(path, value) else value


def _variable(path: str) -> str:
    """Name the variable of the environment for the secret at a path."""
    return re.sub(r"\W+", "_", _INDEX.sub("", path).rpartition(".")[2]).upper()


def refuse_secrets(config: Mapping[str, Any], where: str = "", above: str = "") -> None:
    """Raise SpecError, naming the key, if a configuration has a secret in it.

    `above` is the key under which it stands.
    """
    for path, value in paths.flatten(dict(config)).items():
        key = ".".join(filter(None, (above, path)))
        if is_secret(key, value):
            raise SpecError(
                f"{f'{where}: ' if where else ''}{key} looks like a secret (not shown here), and "
                f"what a study holds is stored; write ${{env:{_variable(key)}}} there, and set "
                "that variable of the environment"
            )


# --- references --------------------------------------------------------------------------


def variables(config: Any) -> Iterator[tuple[str, str]]:
    """Yield where a configuration refers to the environment, and the variable's name."""
    for path, value in paths.flatten({"": config}).items():
        if isinstance(value, str):
            for name in _REFERENCE.findall(value):
                yield path.removeprefix("."), name


def require_variables(config: Mapping[str, Any]) -> None:
    """Raise SpecError for a variable that a configuration refers to and that is not set."""
    for path, name in variables(config):
        if name not in os.environ:
            raise SpecError(
                f"{path}: the environment has no variable {name}, to which ${{env:{name}}} refers; "
                f"export {name} before the command"
            )


def put_in(value: Any) -> Any:
    """Return a text with what its references stand for; anything else as it is."""
    if not isinstance(value, str):
        return value
    return _REFERENCE.sub(lambda match: os.environ.get(match[1], match[0]), value)


def taken_out(config: Mapping[str, Any]) -> Callable[[str], str]:
    """Return a function that puts the references of a configuration back into a text."""
    values = {name: os.environ.get(name, "") for _, name in variables(dict(config))}
    known = sorted(values.items(), key=lambda item: -len(item[1]))

    def without(text: str) -> str:
        for name, value in known:
            if len(value) >= _SHORTEST:
                forms = {value, repr(value)[1:-1], json.dumps(value)[1:-1]}
                for form in sorted(forms, key=len, reverse=True):
                    text = text.replace(form, f"${{env:{name}}}")
        return text

    return without
