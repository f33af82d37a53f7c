"""Serve the MLflow pages, and open the comparison of the champion and the newest results."""

import os
import subprocess
import sys
import time
import webbrowser
from contextlib import suppress
from urllib.request import urlopen

from digitsum.ports import require_free
from digitsum.tracking.rows.registry import CHAMPION, Registry
from digitsum.tracking.rows.settings import tracking_uri, without_password
from digitsum.tracking.rows.store import Store, opened

COMPARED = 5  # results on the page


def serve(port: int) -> None:
    """Serve the store on this machine only, until control-C; if the store is a server, print its address.

    Raises:
        InputError: if the port is taken or the store cannot be used.
    """
    uri, address = tracking_uri(), f"http://127.0.0.1:{port}"
    is_server = uri.startswith(("http://", "https://"))
    with opened() as store:
        page = comparison(without_password(uri).rstrip("/") if is_server else address, store)
    if is_server:
        print(f"results   {without_password(uri)}\ncompare   {page}")
        return
    require_free(port, "make ui")
    here = os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # a dozen processes that only generative AI needs
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_BACKEND_STORE_URI": uri,  # not an argument, which other users of the machine could read
    }
    words = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    with subprocess.Popen(words, env=here) as process:
        try:
            if _answers(f"{address}/health", process):
                print(f"results   {address}\ncompare   {page}\n(control-C ends it)", flush=True)
                if sys.platform != "linux" or "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ:
                    webbrowser.open(page)
            code = process.wait()
        except KeyboardInterrupt:
            code = process.wait()
        finally:
            process.terminate()
    sys.exit(max(code, 0))


def comparison(address: str, store: Store) -> str:
    """The page that compares the champion, if there is one, and the newest results."""
    chosen = [run.id for run in store.newest(COMPARED)]
    champion = Registry(store).holder(CHAMPION)
    if champion is not None and champion.run not in chosen and store.run(champion.run) is not None:
        chosen = [champion.run, *chosen[: COMPARED - 1]]
    return f"{address}/{store.page() if len(chosen) < 2 else store.comparison_page(chosen)}"


def _answers(address: str, process: "subprocess.Popen[bytes]") -> bool:
    """Wait until the server answers, or has ended."""
    while process.poll() is None:
        with suppress(OSError), urlopen(address, timeout=5):
            return True
        time.sleep(0.2)
    return False
