"""The command line in this process, what MLflow has after it, and a result to give it."""

import io
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient
from shell import BIN, call

from digitsum.__main__ import main
from digitsum.tracking.recording.outbox import Parcel
from digitsum.tracking.results.result import Occurrence

ON = {"DIGITSUM_TRACKING": "on"}


def store(uri: str = "") -> tuple[MlflowClient, str]:
    client = MlflowClient(uri or f"sqlite:///{Path('mlflow.db').resolve()}")
    experiment = client.get_experiment_by_name("digitsum")
    assert experiment is not None
    return client, experiment.experiment_id


def rows(uri: str = "") -> list[Any]:
    client, experiment = store(uri)
    return list(client.search_runs([experiment], "tags.`digitsum.result` != ''", order_by=["start_time ASC"]))


def children(row: Any, uri: str = "") -> dict[str, Any]:
    client, experiment = store(uri)
    runs = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{row.info.run_id}'")
    return {run.data.tags["digitsum.stage"]: run for run in runs}


def digitsum(*words: str, code: int = 0, **environment: str) -> str:
    """`python -m digitsum`, in this process, since importing MLflow takes seconds."""
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as said:
        for name, value in (ON | environment).items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["digitsum", *words])
        patch.setattr(sys, "executable", shutil.which("python"))  # a warm one, for what it starts
        ended: int | str | None = 0
        try:
            main()
        except SystemExit as end:
            ended = end.code
    text = said.getvalue()
    if isinstance(ended, str):  # an error
        ended, text = 1, f"{text}{ended}\n"
    assert ended == code, text
    return text


def sync(*words: str, **environment: str) -> str:
    return digitsum("sync", *words, **environment)


def stage_runs(uri: str = "") -> list[Any]:
    """The runs of stages that ran, unlike those that stand for one that did not."""
    client, experiment = store(uri)
    return list(client.search_runs([experiment], "tags.`digitsum.parcel` != ''"))


def aliases(client: MlflowClient) -> dict[str, int]:
    return {name: int(version) for name, version in client.get_registered_model("digitsum").aliases.items()}


def a_result(key: str, q: int = 1, accuracy: float = 0.75) -> Occurrence:
    """A result that no stage computed; others have another key, of up to 32 hexadecimal digits."""
    stages = {
        "make": {"cmd": "m", "params": {"params.yaml": {"p": {"q": q}}}, "outs": [{"path": "data/raw", "md5": key}]},
        "judge": {
            "cmd": "j",
            "deps": [{"path": "data/raw", "md5": key}, {"path": "code.py", "md5": "c" * 32}],
            "outs": [{"path": "reports/m.json", "md5": "5" * 32}, {"path": "models/m", "md5": "d" * 32}],
        },
    }
    lock = json.dumps({"stages": stages})
    pipeline = json.dumps({"stages": {"make": {}, "judge": {"metrics": ["reports/m.json"]}}})
    figures = {"reports/m.json": json.dumps({"accuracy": accuracy, "mistakes": 3})}
    return Occurrence(
        "commit 1", lock, pipeline, figures, None, key[::-1] + "0" * 8, True, "0" * 40, "diff", 1_700_000_000_000
    )


def write_parcel(uri: str) -> Parcel:
    """A run with something of each kind."""
    with Parcel.begin(uri, "train", {"digitsum.stage": "train"}) as parcel:
        parcel.add("params", values={f"train.p{number}": "1" for number in range(150)})
        for step in range(1, 4):
            parcel.add("metrics", values={"loss": 1 / step, "accuracy": 0.5}, step=step)
        parcel.add("data", path="data/raw", digest="0" * 32 + ".dir", context="training")
        parcel.add_text("note.txt", "hello")
        parcel.add("tags", values={"torch": "2"})
        parcel.add("end", status="FINISHED")
    return parcel


def begin(*words: str) -> subprocess.Popen[bytes]:
    """A command of digitsum in a process group and a Python of its own; what it prints goes to the file `log`."""
    here = os.environ | ON | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    with Path("log").open("ab") as log:
        return subprocess.Popen(["python", "-m", "digitsum", *words], env=here, stdout=log, stderr=log, process_group=0)


def experiments(beginning: str) -> set[str]:
    """The names of DVC's experiments that begin so."""
    names = (line.split("/")[-1] for line in call("git", "for-each-ref", "refs/exps").splitlines())
    return {name for name in names if name.startswith(beginning)}


def wait_until_training(process: subprocess.Popen[bytes], beginning: str, count: int) -> None:
    """Wait until there are so many experiments with this beginning, and the process trains the next one."""
    parent = psutil.Process(process.pid)
    while True:
        assert process.poll() is None, Path("log").read_text()
        with suppress(psutil.NoSuchProcess):
            words = [word for child in parent.children(recursive=True) for word in child.cmdline()]
            if "stages.train" in words and len(experiments(beginning)) >= count:
                return
        time.sleep(0.1)
