"""Run scripts as `python train.py ...` does, each in a fork of one process that has the imports.

It reads one JSON line per script from standard input (folder, words, environment, log), and
answers with the exit status. What a fresh interpreter would have and a fork has not is set anew:
the arguments, the folder, the import path.
"""

import json
import os
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

import lightning.pytorch.cli  # noqa: F401 - what makes a script slow to start


def main() -> None:
    """Run what is asked for until there is nothing more."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _become(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _become(asked: dict[str, Any]) -> None:
    """Run a script in this process, and end it as the script ends."""
    status = 0
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    empty = os.open(os.devnull, os.O_RDONLY)
    for number, file in ((0, empty), (1, log), (2, log)):
        os.dup2(file, number)
    script, *words = asked["words"]
    os.chdir(asked["folder"])
    os.environ.update(asked["environment"])
    sys.argv[:] = [script, *words]
    sys.path[0] = asked["folder"]
    try:
        runpy.run_path(str(Path(asked["folder"], script)), run_name="__main__")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - the fork ends here, whatever it was
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
