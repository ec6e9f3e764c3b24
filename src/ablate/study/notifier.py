"""Tell somebody outside what happens in a study: a program, or an address."""

import json
import queue
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ablate.spec import Notify, Occasion, Study
from ablate.spec.secrets import put_in

_PATIENCE = 30.0
"""Seconds that a program or an address may take, and that the end waits for what is left."""


class Notifier:
    """Sends news in a thread of its own, in their order; what can't be sent stops nothing.

    A program gets the news as one line of JSON on its standard input; an address gets the same by
    POST. The news is `{"study", "occasion", "text", ...}`. The first failure is said.
    """

    def __init__(self, notify: Notify | None, study: str, say: Callable[[str], None]) -> None:
        self._notify = notify
        self._study = study
        self._say = say
        self._failed = False
        self._news: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="notifier", daemon=True)
        if notify is not None:
            self._thread.start()

    def tell(
        self, occasion: Occasion, text: str, *, asked: bool = False, **facts: str | float | None
    ) -> None:
        """Send news of an occasion that is listened to, or that was `asked` for."""
        if self._notify is not None and (asked or occasion in self._notify.on):
            known = {name: value for name, value in facts.items() if value is not None}
            said = {"study": self._study, "occasion": occasion.value, "text": text}
            self._news.put({**said, **known})

    def close(self) -> None:
        """Wait until all is sent, not for long."""
        if self._notify is not None:
            self._news.put(None)
            self._thread.join(_PATIENCE)

    def _work(self) -> None:
        assert self._notify is not None  # noqa: S101 - else there is no thread
        while (news := self._news.get()) is not None:
            body = json.dumps(news).encode()
            try:
                if self._notify.command is not None:
                    _run(self._notify.command, body)
                if self._notify.url is not None:
                    _post(self._notify.url, body)
            except Exception as error:  # noqa: BLE001 - whatever it is, the study goes on
                self._complain(error)

    def _complain(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            # The reason may hold the address or the arguments, and these a secret.
            self._say(f"notify: the news could not be sent: {type(error).__name__}")


@contextmanager
def notifying(study: Study, say: Callable[[str], None]) -> Iterator[Notifier]:
    """Tell whom a study names; whatever happens, what was to be told is sent before this ends."""
    notifier = Notifier(study.notify, study.name, say)
    try:
        yield notifier
    finally:
        notifier.close()


def _run(command: tuple[str, ...], body: bytes) -> None:
    subprocess.run(  # noqa: S603 - the user's own program, from the user's own file
        [put_in(part) for part in command],
        input=body + b"\n",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        timeout=_PATIENCE,
    )


def _post(url: str, body: bytes) -> None:
    address = put_in(url)
    if not address.startswith(("http://", "https://")):
        raise ValueError("no address of http or https")
    request = urllib.request.Request(  # noqa: S310 - checked above
        address, body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=_PATIENCE):  # noqa: S310
        pass
