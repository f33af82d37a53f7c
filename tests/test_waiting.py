"""Nothing is imported that a command does not need: a library costs up to two seconds at every call."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from digitsum.model.architecture import SumModel
from digitsum.model.model_file import write_model

COMPILER = {"torch._dynamo", "torch._inductor", "sympy"}  # what torch.compile needs


def imported_by(*words: str) -> set[str]:
    """The modules that an ordinary Python has imported when `python -m digitsum` with these words ends."""
    code = (
        "import json, sys; sys.argv[0] = 'digitsum'; from digitsum.__main__ import main; main();"
        "print(json.dumps(list(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.usefixtures("project")
def test_predict_imports_no_compiler_and_no_tracking(model: SumModel, strips: np.ndarray) -> None:
    write_model(model, Path("model.safetensors"))
    Image.fromarray(strips[0]).save("strip.png")
    imported = imported_by("predict", "strip.png", "--model", "model.safetensors")
    assert "torch" in imported
    assert not imported & (
        COMPILER | {"mlflow", "dvc", "pandas", "sklearn", "matplotlib", "torchvision", "scipy.stats"}
    )


def test_process_that_leaves_has_written_all_and_run_its_handlers() -> None:
    code = (
        "import atexit, threading, time; from digitsum.process import leave\n"
        "atexit.register(print, 'handler')\n"
        "threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()\n"
        "print('main')\n"
        "leave()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["main", "thread", "handler"]
