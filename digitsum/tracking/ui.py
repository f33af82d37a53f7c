"""Serve the MLflow pages, and open the charts of the results."""

import os
import subprocess
import sys
import time
import webbrowser
from contextlib import suppress
from urllib.request import urlopen

from tqdm import tqdm

from digitsum.errors import InputError
from digitsum.places import STATE, repository_root
from digitsum.ports import require_free
from digitsum.tracking.rows.registry import CHAMPION, Registry
from digitsum.tracking.rows.settings import tracking_uri
from digitsum.tracking.rows.store import Store, opened

LOG = STATE / "mlflow.log"  # what the server prints
COMPARED = 5  # results on the page


def serve(port: int) -> None:
    """Serve the store on this machine only, until control-C; if the store is a server, print its pages.

    Raises:
        InputError: if the port is taken, the store cannot be used, or the server fails.
    """
    uri = tracking_uri()
    is_server = uri.startswith(("http://", "https://"))
    with opened() as store:
        address = store.address if is_server else f"http://127.0.0.1:{port}"
        shown = pages(address, store)
    if is_server:
        print("\n".join(shown))
        return
    require_free(port, "make ui")
    here = os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # a dozen processes that only generative AI needs
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_BACKEND_STORE_URI": uri,  # not an argument, which other users of the machine could read
    }
    words = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    log = repository_root() / LOG
    log.parent.mkdir(exist_ok=True)
    print("mlflow: starting the server", flush=True)
    with log.open("w") as output, subprocess.Popen(words, env=here, stdout=output, stderr=output) as process:
        try:
            if _answers(f"{address}/health", process):
                print("\n".join([*shown, "(control-C ends it)"]), flush=True)
                if sys.platform != "linux" or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ:
                    webbrowser.open(f"{address}/{store.charts_page()}")
            code = process.wait()
        except KeyboardInterrupt:
            code = process.wait()
        finally:
            process.terminate()
    if code > 0:
        raise InputError(f"{LOG}: the MLflow server ended with {code}, and this file has its last words")


def pages(address: str, store: Store) -> list[str]:
    """The pages of the results behind an address, a line each."""
    return [
        f"results   {address}/{store.page()}",
        f"charts    {address}/{store.charts_page()}",
        f"compare   {comparison(address, store)}",
    ]


def comparison(address: str, store: Store) -> str:
    """The page that compares the champion, if there is one, and the newest results."""
    chosen = [run.id for run in store.newest(COMPARED)]
    champion = Registry(store).holder(CHAMPION)
    if champion is not None and champion.run not in chosen and store.run(champion.run) is not None:
        chosen = [champion.run, *chosen[: COMPARED - 1]]
    return f"{address}/{store.page() if len(chosen) < 2 else store.comparison_page(chosen)}"


def _answers(address: str, process: "subprocess.Popen[bytes]") -> bool:
    """Wait until the server answers, or has ended."""
    with tqdm(bar_format="{elapsed}", leave=False, disable=None) as bar:  # on a terminal
        while process.poll() is None:
            with suppress(OSError), urlopen(address, timeout=5):
                return True
            time.sleep(0.2)
            bar.refresh()
    return False
