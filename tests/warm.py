"""A Python that has the large libraries imported already.

`python -m stages.train` imports torch for three seconds, then trains a tiny model for a tenth of one, and the tests
run hundreds of stages, and DVC as often. A server with the libraries imported, and nothing of the project, forks for
each of them. The fork takes over the arguments, the environment, the current directory and the open files of its
client (see ask.py), imports the project from that directory as any Python does, and gets the signals that the client
gets.
"""

import atexit
import ctypes
import gc
import importlib
import io
import marshal
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

LIBRARIES = """
    dvc.cli dvc.commands.repro dvc.repo.experiments dvc.repo.reproduce dvc.utils.strictyaml flask graphene jaxtyping
    boto3 jinja2 markupsafe matplotlib.backends.backend_agg matplotlib.pyplot mlflow
    mlflow.pyfunc mlflow.pytorch mlflow.store.tracking.sqlalchemy_store numpy pandas PIL.Image pydantic psutil
    ruamel.yaml safetensors.torch scipy.ndimage scipy.optimize scipy.stats sklearn.datasets sklearn.metrics torch
    torch.distributed torch.nn.functional torchvision.models tqdm uvicorn yaml
"""


TITLE = 2000  # bytes of a command line that a fork can show in place of the server's


@contextmanager
def server(folder: Path) -> Iterator[Path]:
    """A folder for PATH with commands that ask a server for as long as the block lasts."""
    address, clients = folder / "socket", folder / "bin"
    clients.mkdir()
    for name in ("python", "dvc", "mlflow", "uvicorn"):
        ask = Path(__file__).with_name("ask.py")
        (clients / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{ask}" "{address}" "$0" "$@"\n')
        (clients / name).chmod(0o755)
    with (folder / "log").open("w") as log, listening(address) as listener:
        words = [sys.executable, __file__, str(listener.fileno()), " " * TITLE]
        process = subprocess.Popen(
            words, pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield clients
    finally:
        process.kill()
        process.wait()


def listening(address: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(address))
    listener.listen(100)
    return listener


def serve(listener: socket.socket) -> None:
    """Returns in each fork, ready to run its module; the server itself never returns."""
    forks: dict[int, tuple[int, socket.socket]] = {}  # by their pidfds: the processes, and their clients
    loaded = False
    while True:
        clients = {client: fork for fork, client in forks.values()}
        for ready in select.select([listener, *forks, *clients], [], [])[0]:
            if ready is listener:
                if not loaded:
                    load()
                    loaded = True
                client, _ = listener.accept()
                message, files, _, _ = socket.recv_fds(client, 1 << 20, 3)
                fork = os.fork() if message else None
                if fork == 0:
                    for pidfd, (_, other) in forks.items():
                        os.close(pidfd)
                        other.close()
                    listener.close()
                    client.close()
                    become(marshal.loads(message), files)  # noqa: S302 (of ask.py)
                    return
                for file in files:
                    os.close(file)  # or a pipe that the fork closes would stay open
                if fork:
                    reply(client, fork)
                    forks[os.pidfd_open(fork)] = fork, client
            elif ready in forks:
                fork, client = forks.pop(ready)
                _, status = os.waitpid(fork, 0)
                reply(client, os.waitstatus_to_exitcode(status))
                client.close()
                os.close(ready)
            elif ready.fileno() >= 0:  # a client says no more, so it is gone
                end(clients[ready])


def reply(client: socket.socket, number: int) -> None:
    with suppress(OSError):
        client.sendall(f"{number}\n".encode())


def end(fork: int) -> None:
    for kill in (os.killpg, os.kill):  # it may not have its group yet
        with suppress(ProcessLookupError):
            kill(fork, signal.SIGKILL)


def load() -> None:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name in LIBRARIES.split():
        importlib.import_module(name)
    from matplotlib.figure import Figure
    from sqlalchemy.orm import configure_mappers

    configure_mappers()
    figure = Figure(layout="constrained")
    figure.add_subplot(xscale="log")
    for form in ("png", "svg"):  # fonts are found, and the grammar of formulas is built
        figure.savefig(io.BytesIO(), format=form)
    gc.freeze()  # or a collection in a fork would copy every page


def become(call: dict[str, Any], files: list[int]) -> None:
    import psutil

    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.setsid()  # what it starts goes with it
    show(call["words"])
    os.environ.clear()
    os.environ.update(call["environment"])
    os.chdir(call["folder"])
    signal.signal(signal.SIGINT, signal.SIG_IGN if call["background"] else signal.default_int_handler)
    sys.argv[:], sys.executable = call["words"], call["executable"]
    sys.path[:1] = [call["path"], *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    parents = psutil.Process.parents  # the client's are ours, as for a dvc above it
    psutil.Process.parents = lambda process: parents(
        psutil.Process(call["client"]) if process.pid == os.getpid() else process
    )


def show(words: list[str]) -> None:
    """Show these words as the command line of this process; stages look for a dvc above them."""
    start, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[45:47])
    line = b"".join(word.encode() + b"\0" for word in words)[: end - start - 1]
    ctypes.memmove(start, line.ljust(end - start, b"\0"), end - start)


def run(module: str) -> None:
    """As `python -m`, up to the end: tidying up all that was imported would take a second."""
    code: object = 0
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = end.code
    except BaseException:
        traceback.print_exc()
        code = 1
    if isinstance(code, str):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
    run(sys.argv[0])
