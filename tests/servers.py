"""Real servers on loopback: MLflow's, PostgreSQL, and S3's interface."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unittest import mock
from urllib.parse import urlsplit
from urllib.request import urlopen

import psutil


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def mlflow_server(backend: str, artifacts: object, **environment: str) -> Iterator[str]:
    """Its address; artifacts go through it."""
    port = free_port()
    words = ["mlflow", "server", "--backend-store-uri", backend, "--artifacts-destination", str(artifacts)]
    words += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    here = (
        os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"} | environment
    )
    with _running(words, here, f"http://127.0.0.1:{port}/health"):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def frozen(address: str) -> Iterator[None]:
    """The server of an address accepts connections and answers none of them until the block ends."""
    processes = listeners(address)
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def listeners(address: str) -> list[psutil.Process]:
    """The processes of the server that answers at an address."""
    processes = [process for process in psutil.process_iter() if _listens(process, urlsplit(address).port)]
    assert processes, address
    return processes


def _listens(process: psutil.Process, port: int | None) -> bool:
    with suppress(psutil.Error):  # another user's, or gone meanwhile
        return any(item.status == "LISTEN" and item.laddr.port == port for item in process.net_connections("tcp4"))
    return False


@contextmanager
def model_server(model: str, tracking_uri: str) -> Iterator[str]:
    """Where `mlflow models serve` answers."""
    port = free_port()
    words = ["mlflow", "models", "serve", "-m", model, "--env-manager", "local", "-h", "127.0.0.1", "-p", str(port)]
    here = os.environ | {"MLFLOW_TRACKING_URI": tracking_uri, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with _running(words, here, f"http://127.0.0.1:{port}/ping"):
        yield f"http://127.0.0.1:{port}/invocations"


@contextmanager
def _running(words: list[str], environment: dict[str, str], address: str) -> Iterator[None]:
    """A command that answers at the address, until the block ends."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(words, env=environment, stdout=quiet, stderr=quiet, start_new_session=True) as process:
        try:
            wait(address, process)
            yield
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait(address: str, process: subprocess.Popen[bytes], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, f"the server of {address} ended with {process.returncode}"
        with suppress(OSError), urlopen(address, timeout=5):
            return
        time.sleep(0.2)
    raise AssertionError(f"{address} does not answer")


@contextmanager
def s3_server() -> Iterator[tuple[str, dict[str, str]]]:
    """S3's interface with an empty bucket named digitsum: its address, and the environment that gives access."""
    import boto3

    port = free_port()
    endpoint = f"http://127.0.0.1:{port}"
    with subprocess.Popen(
        ["python", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            wait(f"{endpoint}/moto-api/", process)
            client = boto3.client(
                "s3", endpoint_url=endpoint, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
            )
            client.create_bucket(Bucket="digitsum")
            keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
            yield endpoint, keys
        finally:
            process.kill()


def s3_objects(endpoint: str) -> list[str]:
    """The names of the objects in the bucket."""
    import boto3

    client = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
    )
    pages = client.get_paginator("list_objects_v2").paginate(Bucket="digitsum")
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


@contextmanager
def postgres_and_s3(folder: Path) -> Iterator[tuple[str, Callable[[], list[str]]]]:
    """An MLflow server with both behind it: its address, and what lists the names of the objects."""
    import pgserver

    with mock.patch.dict(os.environ, PATH=f"{os.environ['PATH']}:/usr/sbin"):  # root's server is run by a user it adds
        database = pgserver.get_server(folder / "postgres")
    try:
        with (
            s3_server() as (endpoint, keys),
            mlflow_server(
                database.get_uri(), "s3://digitsum/artifacts", MLFLOW_S3_ENDPOINT_URL=endpoint, **keys
            ) as uri,
        ):
            yield uri, lambda: s3_objects(endpoint)
    finally:
        database.cleanup()
