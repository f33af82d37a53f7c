"""Measure what tracking costs: the default pipeline with and without it, and one more result in a store with many.

    PYTHONPATH=. python benchmarks/tracking_cost.py [--pairs 2] [--rows 1000]

The stages run in a clean clone of the last commit, in pairs: on, off, off, on.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from digitsum.tracking.results.occurrences import in_commit
from digitsum.tracking.rows.add import add
from digitsum.tracking.rows.store import Store


def pipeline(clone: Path, tracking: str) -> float:
    """Seconds of all stages, none of them from the cache, and of the sync after them, as in make run."""
    here = {**os.environ, "DIGITSUM_TRACKING": tracking}
    words = [["-m", "dvc", "repro", "--force", "--no-run-cache"], ["-m", "digitsum", "sync"]]
    start = time.monotonic()
    for word in words:
        subprocess.run([sys.executable, *word], cwd=clone, env=here, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def one_more(clone: Path, rows: int) -> tuple[float, float]:
    """Seconds of a sync that adds one result to a store with so many, and of importing MLflow alone."""
    store = Store.at(f"sqlite:///{clone / 'many.db'}")
    os.chdir(clone)
    result = in_commit("HEAD", None)
    assert result is not None
    for number in range(rows):
        lock = result.lock.replace(next(iter(result.outs.values())), f"{number:032x}.dir")
        add(store, replace(result, lock=lock, name=f"number {number}"))
    here = {**os.environ, "MLFLOW_TRACKING_URI": store.uri, "DIGITSUM_TRACKING": "on"}
    start = time.monotonic()
    subprocess.run([sys.executable, "-m", "digitsum", "sync"], env=here, check=True)
    took = time.monotonic() - start
    start = time.monotonic()
    imports = "import mlflow, mlflow.pyfunc, mlflow.store.tracking.sqlalchemy_store"
    subprocess.run([sys.executable, "-c", imports], check=True)
    return took, time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=2)
    parser.add_argument("--rows", type=int, default=1000)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "-q", ".", str(clone)], check=True)
        if words.rows:
            took, imports = one_more(clone, words.rows)
            print(f"one more result in a store with {words.rows}: {took:.1f} s, importing MLflow alone {imports:.1f} s")
        for pair in range(words.pairs):
            order = ("on", "off") if pair % 2 == 0 else ("off", "on")
            seconds = {tracking: pipeline(clone, tracking) for tracking in order}
            print(json.dumps(seconds | {"cost": seconds["on"] - seconds["off"]}), flush=True)


if __name__ == "__main__":
    main()
