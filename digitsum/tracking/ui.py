"""The MLflow pages, with the comparison that a person most likely wants."""

import json
import os
import subprocess
import sys
import time
import webbrowser
from contextlib import suppress
from urllib.parse import quote
from urllib.request import urlopen

from digitsum.ports import require_free
from digitsum.tracking.rows.rows import Rows
from digitsum.tracking.rows.store import opened, shown, tracking_uri

COMPARED = 5  # results on the page


def serve(port: int) -> None:
    """Serves the store on this machine only, until control-C; of a server it says where that is.

    Raises:
        InputError: if the port is taken or the store cannot be used.
    """
    uri, address = tracking_uri(), f"http://127.0.0.1:{port}"
    with opened() as (client, experiment):
        is_server = uri.startswith(("http://", "https://"))
        page = comparison(shown(uri).rstrip("/") if is_server else address, Rows(client, experiment))
    if is_server:
        print(f"results   {shown(uri)}\ncompare   {page}")
        return
    require_free(port, "make ui")
    here = os.environ | {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # a dozen processes that only generative AI needs
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    server = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    words = [*server, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
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


def comparison(address: str, rows: Rows) -> str:
    """The page on which the champion, where there is one, and the newest results stand side by side."""
    chosen = [run.info.run_id for run in rows.newest(COMPARED)]
    champion = rows.champion()
    if champion is not None and champion.info.run_id not in chosen:
        chosen = [champion.info.run_id, *chosen[: COMPARED - 1]]
    if len(chosen) < 2:
        return f"{address}/#/experiments/{rows.experiment}"
    runs, experiments = quote(json.dumps(chosen)), quote(json.dumps([rows.experiment]))
    return f"{address}/#/compare-runs?runs={runs}&experiments={experiments}"


def _answers(address: str, process: "subprocess.Popen[bytes]") -> bool:
    """Waits until the server does, or has ended."""
    while process.poll() is None:
        with suppress(OSError), urlopen(address, timeout=5):
            return True
        time.sleep(0.2)
    return False
