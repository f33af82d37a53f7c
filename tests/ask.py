"""The client of warm.py: what stands for `python`, `dvc` and `mlflow` on PATH. A fork of the server does the work.

The tests start hundreds of these, so it imports next to nothing: `signal` and `socket` take longer than all else here.
"""

import _signal
import _socket
import marshal
import os
import sys
from array import array

MODULES = (
    "stages",
    "digitsum",
    "torch",
    "dvc",
    "mlflow",
    "moto",
    "uvicorn",
    "two_processes",
)  # for all else, a new Python


def ask(address: str, executable: str, words: list[str]) -> None:
    """What the module does, and how it ends, are those of a fork."""
    name = os.path.basename(executable)
    if name == "python":
        given = words[1:] if words[:1] == ["-u"] else words  # as torchrun gives it
        if given[:1] != ["-m"] or given[1].partition(".")[0] not in MODULES:
            os.execv(sys.executable, [sys.executable, *words])
        given, path = given[1:], os.getcwd()
    else:
        given, path = [name, *words], os.path.dirname(executable)
    call = {"words": given, "path": path, "folder": os.getcwd(), "environment": dict(os.environ)}
    call |= {"client": os.getpid(), "executable": os.path.join(os.path.dirname(executable), "python")}
    call["background"] = _signal.getsignal(_signal.SIGINT) == _signal.SIG_IGN
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    connection.connect(address)
    files = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array("i", [0, 1, 2]))]
    connection.sendmsg([marshal.dumps(call)], files)
    fork = answer(connection)

    def pass_on(number: int, _: object) -> None:
        try:
            os.kill(fork, number)
        except ProcessLookupError:  # it has just ended
            pass

    for number in (_signal.SIGTERM, _signal.SIGINT, _signal.SIGHUP):
        _signal.signal(number, pass_on)
    code = answer(connection)
    if code < 0:
        _signal.signal(-code, _signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def answer(connection: _socket.socket) -> int:
    line = b""
    while not line.endswith(b"\n"):
        part = connection.recv(1)
        if not part:
            sys.exit("error: the Python that the tests share is gone")
        line += part
    return int(line)


if __name__ == "__main__":
    ask(sys.argv[1], sys.argv[2], sys.argv[3:])
