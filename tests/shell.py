"""Commands as a user gives them."""

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

BIN = Path(sys.executable).parent


def call(*words: str, code: int = 0, **environment: str) -> str:
    """Run a command. Stages start in a Python that has imported the libraries already (see warm.py)."""
    done = subprocess.run(words, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


class Started(subprocess.Popen[str]):
    """Does not outlive a block that fails."""

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        super().__exit__(kind, value, traceback)


def start(*words: str, warm: bool = False, **environment: str) -> Started:
    """A process that goes on beside the test, with a Python of its own unless it may be a warm one.

    A warm one takes a moment longer to die, and what it started dies with it.
    """
    path = os.environ["PATH"] if warm else f"{BIN}{os.pathsep}{os.environ['PATH']}"
    return Started(
        words,
        env=os.environ | {"PATH": path} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], beginning: str) -> list[str]:
    """The lines up to the first with this beginning."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(beginning):
            return lines
    raise AssertionError(f"no line begins with {beginning!r}:\n{''.join(lines)}")
