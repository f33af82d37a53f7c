"""What a person asks for besides the stages: python -m digitsum summary | ui."""

import argparse
import json
import socket
import sys
from pathlib import Path

from digitsum.errors import InputError

METRICS = Path("reports/metrics.json")


def summary() -> None:
    """Says what the pipeline's last run came to."""
    try:
        metrics = json.loads(METRICS.read_text())
        accuracy, low, high = (metrics[name] for name in ("accuracy", "accuracy_low", "accuracy_high"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{METRICS}: no result to sum up ({error}); make run produces one") from error
    print(
        f"\naccuracy  {accuracy:.2%} of {metrics['strips']:,} test sums right"
        f" (95% interval {low:.2%} to {high:.2%})"
        "\nreport    reports/report.html, and reports/data/quality.html for the data"
        "\ncompare   make ui; or change something: dvc exp run -S train.epochs=3, then dvc exp show"
    )


def ui(port: int) -> None:
    """Serves the MLflow pages of the store that the stages write to, on this machine only."""
    import os

    from digitsum.tracking.store import tracking_uri

    uri = tracking_uri()
    if not uri.startswith("sqlite:"):
        print(f"The runs are in the store that MLFLOW_TRACKING_URI names: {uri}")
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise InputError(f"port {port} is taken; make ui PORT={port + 1}") from error
    os.environ["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # a dozen processes that only generative AI needs
    os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    print(f"http://127.0.0.1:{port}  (control-C ends it)", flush=True)
    server = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    os.execv(sys.executable, [*server, "--host", "127.0.0.1", "--port", str(port), "--workers", "1"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m digitsum", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("summary", help=summary.__doc__)
    commands.add_parser("ui", help=ui.__doc__).add_argument("--port", type=int, default=5000)
    words = parser.parse_args()
    try:
        if words.command == "summary":
            summary()
        else:
            ui(words.port)
    except InputError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
