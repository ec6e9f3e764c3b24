"""optuna-dashboard for reading: answers where it has none, and no buttons that can only fail."""

import json
import re
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any
from urllib.parse import parse_qs

from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from ablate.errors import AblateError
from ablate.workflow.serving import Application, collected

_OF_STUDY = re.compile(r"/(?P<kind>api/studies|csv|artifacts)/(?P<study>\d+)(?P<rest>/.*)?")
_OF_TRIAL = re.compile(r"/(?P<trial>\d+)/[^/]+")
_LARGEST_ID = 2**31 - 1
_PAGE = "/dashboard"
_PLOT = "/plot/"
_KEEPS_A_COPY = {"HTTP_IF_MODIFIED_SINCE", "HTTP_IF_NONE_MATCH", "HTTP_RANGE"}
_OF_THE_FILE = {"content-length", "last-modified", "etag", "accept-ranges"}


def mended(application: Application, storage: BaseStorage) -> Application:
    """Answer what optuna-dashboard answers with an error of its own (HTTP 500).

    It divides by the number of parameters to tell their importance, looks up studies and trials
    that are not there, and draws with plotly where that is not installed.
    """

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        asked = {"HTTP_ACCEPT_ENCODING": "", **environ}
        match = _OF_STUDY.fullmatch(environ.get("PATH_INFO", "").rstrip("/"))
        if match is None:
            return application(asked, start)
        try:
            instead = _instead(storage, match, environ.get("QUERY_STRING", ""))
        except (SQLAlchemyError, StorageInternalError, AblateError):
            instead = "503 Service Unavailable", _reason("the database can't be read now")
        if instead is None and (match["rest"] or "").startswith(_PLOT):
            status, headers, body = collected(application, asked)
            if not status.startswith("500"):
                start(status, headers)
                return [body]
            instead = "404 Not Found", _reason("this figure can't be drawn of this study")
        if instead is None:
            return application(asked, start)
        status, content = instead
        body = json.dumps(content).encode()
        start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    return answer


def for_reading(application: Application) -> Application:
    """Hide on optuna-dashboard's pages what would write, and lead from them to the reports."""

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path != _PAGE and not path.startswith(f"{_PAGE}/"):
            return application(environ, start)
        asked = {key: value for key, value in environ.items() if key not in _KEEPS_A_COPY}
        status, headers, body = collected(application, {**asked, "REQUEST_METHOD": "GET"})
        if status.startswith("200"):
            body = body.replace(b"</head>", STYLE.encode() + b"</head>", 1)
            body = body.replace(b"</body>", _LINK.encode() + b"</body>", 1)
            headers = [item for item in headers if item[0].lower() not in _OF_THE_FILE]
            headers += [("Content-Length", str(len(body))), ("Cache-Control", "no-cache")]
        start(status, headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return answer


def _instead(
    storage: BaseStorage, match: re.Match[str], query: str
) -> tuple[str, dict[str, Any]] | None:
    """Return what is answered to a request about a study; None if optuna-dashboard can."""
    kind, study, rest = match["kind"], int(match["study"]), match["rest"] or ""
    trial = _OF_TRIAL.fullmatch(rest) if kind == "artifacts" else None
    missing = ""
    if not _is_there(storage.get_study_name_from_id, study):
        missing = f"there is no study with the id {study}"
    elif trial and not _is_there(storage.get_trial, int(trial["trial"])):
        missing = f"there is no trial with the id {trial['trial']}"
    elif rest.startswith(_PLOT) and find_spec("plotly") is None:
        missing = "plotly is not installed here; the page draws its figures itself"
    if missing:
        return "404 Not Found", _reason(missing)
    if rest == "/param_importances" and not _has_parameters(storage, study):
        return "200 OK", {"param_importances": [[] for _ in storage.get_study_directions(study)]}
    after = parse_qs(query, keep_blank_values=True).get("after", ["0"])[-1]
    if kind == "api/studies" and not rest and not re.fullmatch("[0-9]{1,9}", after):
        return "400 Bad Request", _reason("after is the number of a trial")
    return None


def _has_parameters(storage: BaseStorage, study: int) -> bool:
    """Say whether any trial that did not fail has a parameter."""
    trials = storage.get_all_trials(study, deepcopy=False)
    return any(trial.distributions for trial in trials if trial.state != TrialState.FAIL)


def _is_there(look_up: Callable[[int], Any], number: int) -> bool:
    if number > _LARGEST_ID:
        return False
    try:
        look_up(number)
    except KeyError:
        return False
    return True


def _reason(why: str) -> dict[str, str]:
    """Word a refusal where optuna-dashboard's pages look for it."""
    return {"reason": why}


STYLE = """<style>
button[aria-label="rename study"], button[aria-label="delete study"],
button[aria-label="delete artifact"], button[aria-label="skip trial"],
button:has([data-testid="AddBoxIcon"]), button:has([data-testid="EditIcon"]),
button:has([data-testid="StopCircleIcon"]), button[type="submit"],
.MuiCard-root:has(input[type="file"]) { display: none; }
button[aria-label="trial-button"] { pointer-events: none; }
#ablate { position: fixed; top: 0; right: 0; height: 64px; padding: 0 24px; z-index: 1250;
  display: flex; align-items: center; gap: 16px; color: #ffffff;
  font: 15px/1.2 Roboto, Helvetica, Arial, sans-serif; }
#ablate a { color: inherit; font-weight: bold; }
@media (max-width: 900px) { #ablate span { display: none; } }
@media print { #ablate { display: none; } }
</style>
"""
_LINK = """<div id="ablate"><span>for reading: what would change the database is hidden</span>
<a href="/">reports</a></div>
"""
