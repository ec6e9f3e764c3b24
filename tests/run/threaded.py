"""A module that starts a thread when it is imported, as some trackers do."""

import threading

from ablate.testing.toy import Toy

THREAD = threading.Thread(target=threading.Event().wait, daemon=True)
THREAD.start()


class Threaded(Toy):
    """Logs whether the thread is alive."""

    def on_train_epoch_end(self) -> None:
        self.log("alive", float(THREAD.is_alive()))
