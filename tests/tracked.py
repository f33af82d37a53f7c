"""The command line in this process, what MLflow has after it, and a result to give it."""

import io
import json
import shutil
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

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
