"""A Python that has the large libraries imported already.

`python -m stages.train` imports torch for three seconds, then trains a tiny model for a tenth of one, and the tests
run hundreds of stages. A server with the libraries imported, and nothing of the project, forks for each of them. The
fork takes over the arguments, the environment, the current directory and the open files of its client, imports the
project from that directory as any Python does, and gets the signals that the client gets.
"""

import atexit
import gc
import importlib
import json
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

MODULES = (
    "stages",
    "digitsum",
    "torch",
    "two_processes",
)  # what is worth a fork; for all else a client becomes an ordinary Python
LIBRARIES = """
    dvc.utils.strictyaml jaxtyping jinja2 markupsafe matplotlib.backends.backend_agg matplotlib.pyplot mlflow
    mlflow.pyfunc mlflow.pytorch mlflow.store.tracking.sqlalchemy_store numpy pandas PIL.Image pydantic psutil
    ruamel.yaml safetensors.torch scipy.ndimage scipy.optimize scipy.stats sklearn.datasets sklearn.metrics torch
    torch.distributed torch.nn.functional torchvision.models tqdm yaml
"""


@contextmanager
def server(folder: Path) -> Iterator[Path]:
    """A folder with a `python` for PATH, which stands for this one for as long as the block lasts."""
    address, client = folder / "socket", folder / "bin" / "python"
    client.parent.mkdir()
    client.write_text(f'#!/bin/sh\nexec "{sys.executable}" -IS "{__file__}" ask "{address}" "$0" "$@"\n')
    client.chmod(0o755)
    with (folder / "log").open("w") as log, listening(address) as listener:
        words = [sys.executable, __file__, "serve", str(listener.fileno())]
        process = subprocess.Popen(
            words, pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield client.parent
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
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    loaded = False
    while True:
        connection, _ = listener.accept()
        if not loaded:
            load()
            loaded = True
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            attend(connection)
            return
        connection.close()


def load() -> None:
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name in LIBRARIES.split():
        importlib.import_module(name)
    gc.freeze()  # or a collection in a fork would copy every page


def attend(connection: socket.socket) -> None:
    """Forks once more and returns in that fork; tells the client how it ended, and ends it if the client is gone."""
    message, files, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    call = json.loads(message)
    if (fork := os.fork()) == 0:
        connection.close()
        become(call, files)
        return
    connection.sendall(f"{fork}\n".encode())
    ended = os.pidfd_open(fork)
    readable, _, _ = select.select([connection, ended], [], [])
    if ended not in readable:
        os.kill(fork, signal.SIGKILL)
    _, status = os.waitpid(fork, 0)
    with suppress(OSError):
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def become(call: dict[str, Any], files: list[int]) -> None:
    import psutil

    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(call["environment"])
    os.chdir(call["folder"])
    sys.argv[:], sys.executable = call["words"], call["executable"]
    sys.path[:1] = [call["folder"], *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    parents = psutil.Process.parents  # the client's are ours, as for a dvc above it
    psutil.Process.parents = lambda process: parents(
        psutil.Process(call["client"]) if process.pid == os.getpid() else process
    )


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


def ask(address: str, executable: str, words: list[str]) -> None:
    """The client: what its module does, and its end, are those of a fork."""
    given = words[1:] if words[:1] == ["-u"] else words  # as torchrun gives it
    if given[:1] != ["-m"] or given[1].partition(".")[0] not in MODULES:
        os.execv(sys.executable, [sys.executable, *words])
    call = {"words": given[1:], "folder": str(Path.cwd()), "environment": dict(os.environ)}
    call |= {"client": os.getpid(), "executable": executable}
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [json.dumps(call).encode()], [0, 1, 2])
        with connection.makefile() as answers:
            fork = int(answers.readline())

            def pass_on(number: int, _: object) -> None:
                with suppress(ProcessLookupError):  # it has just ended
                    os.kill(fork, number)

            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, pass_on)
            code = int(answers.readline())
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    sys.exit(code)


if __name__ == "__main__":
    if sys.argv[1] == "ask":
        ask(sys.argv[2], sys.argv[3], sys.argv[4:])
    else:
        serve(socket.socket(fileno=int(sys.argv[2])))
        run(sys.argv[0])
