"""The dashboard under load: seconds, answers and peak memory of its process.

Two loads: 200 requests for the list of studies at once, and 20 requests at once for a study of
20,000 trials with ten intermediate values each.

    python benchmarks/dashboard.py [trials]
"""

import http.client
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import create_engine, text

from ablate.store import Store

TRIALS = 20_000
TIMEOUT = 300
LOADS = {"200 x list of studies": (200, "/api/studies"), "20 x whole study": (20, None)}
TABLES = {
    "trials": "SELECT i + 1, i, 1, 'COMPLETE', '2026-01-01', '2026-01-02' FROM n",
    "trial_values": "SELECT i + 1, i + 1, 0, 1.0 / (1 + i), 'FINITE' FROM n",
    "trial_params": """SELECT 3 * i + p + 1, i + 1, 'x' || p, 0.5,
        '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, '
        || '"log": false}}' FROM n, p""",
    "trial_user_attributes": "SELECT 3 * i + p + 1, i + 1, 'a' || p, '\"value\"' FROM n, p",
    "trial_intermediate_values": """SELECT 10 * i + s + 1, i + 1, s, 1.0 / (1 + s), 'FINITE'
        FROM n, s""",
}
COLUMNS = {
    "trials": "trial_id, number, study_id, state, datetime_start, datetime_complete",
    "trial_values": "trial_value_id, trial_id, objective, value, value_type",
    "trial_params": "param_id, trial_id, param_name, param_value, distribution_json",
    "trial_user_attributes": "trial_user_attribute_id, trial_id, key, value_json",
    "trial_intermediate_values": "trial_intermediate_value_id, trial_id, step, "
    "intermediate_value, intermediate_value_type",
}


def fill(url: str, trials: int) -> None:
    """Make a study of so many trials, straight in its tables."""
    with Store.open(url, create=True) as store:
        study = store.optuna.create_new_study([], study_name="large")
        assert study == 1
    series = "WITH RECURSIVE {0}(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM {0} WHERE i < {1} - 1)"
    with create_engine(url).begin() as connection:
        connection.execute(
            text("INSERT INTO study_directions(direction, study_id, objective) "
                 "VALUES ('MINIMIZE', 1, 0)")
        )  # fmt: skip
        for table, rows in TABLES.items():
            numbers = f"{series.format('n', trials)}, p(p) AS (VALUES (0), (1), (2)), s(s) AS "
            numbers += f"(VALUES {', '.join(f'({step})' for step in range(10))})"
            connection.execute(text(f"INSERT INTO {table}({COLUMNS[table]}) {numbers} {rows}"))


def ask(port: int, path: str) -> str:
    """Return the status of an answer that came whole, or what went wrong."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
    except OSError as error:
        return type(error).__name__
    except http.client.HTTPException as error:
        return type(error).__name__
    else:
        return str(answer.status)
    finally:
        connection.close()


def peak(process: subprocess.Popen) -> float:
    """Return the most memory that a process has held, in MB."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024


def main() -> None:
    """Put each load on a dashboard of its own."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else TRIALS
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/load.db"
        fill(url, trials)
        for name, (amount, path) in LOADS.items():
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            words = ["dashboard", "--storage", url, "--port", str(port), "--no-token"]
            process = subprocess.Popen([sys.executable, "-m", "ablate", *words])
            try:
                while ask(port, "/api/meta") != "200":
                    time.sleep(0.2)
                before, began = peak(process), time.perf_counter()
                with ThreadPoolExecutor(amount) as pool:
                    found = Counter(pool.map(lambda _: ask(port, path or "/api/studies/1"),  # noqa: B023
                                             range(amount)))  # fmt: skip
                seconds = time.perf_counter() - began
                print(f"{name}: {dict(found)}, {seconds:.1f} s, {peak(process):.0f} MB peak "
                      f"({before:.0f} MB at rest)", flush=True)  # fmt: skip
            finally:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
