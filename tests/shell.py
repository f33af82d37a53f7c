"""Commands as a user gives them, in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path


def call(*words: str, code: int = 0, **environment: str) -> str:
    here = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment}
    done = subprocess.run(words, env=here, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{words} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def start(*words: str, **environment: str) -> subprocess.Popen[str]:
    here = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **environment}
    return subprocess.Popen(words, env=here, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def wait_for(process: subprocess.Popen[str], beginning: str) -> list[str]:
    """The lines up to the first with this beginning."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith(beginning):
            return lines
    raise AssertionError(f"no line begins with {beginning!r}:\n{''.join(lines)}")
