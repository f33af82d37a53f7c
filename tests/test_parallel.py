"""Two processes that divide every batch among them learn as one process does."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, change
from shell import call

from digitsum.model.processes import ProcessGroup


@pytest.mark.parametrize(("count", "size"), [(1, 5), (2, 5), (3, 7), (4, 4)])
def test_shards_make_up_the_batch(count: int, size: int) -> None:
    batch = torch.arange(size)
    shards = [ProcessGroup(rank, count).shard(batch) for rank in range(count)]
    assert torch.equal(torch.cat(shards), batch)
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1


def run_script(folder: Path, processes: int) -> list[dict]:
    words = ["python"]
    if processes > 1:
        words += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    folder.mkdir()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}
    subprocess.run([*words, "-m", "two_processes", str(folder)], env=environment, check=True, timeout=300)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(processes)]


@pytest.mark.slow
def test_two_processes_give_the_loss_curve_of_one(tmp_path: Path) -> None:
    """Batches are of nine strips, so that shards are uneven."""
    (one,) = run_script(tmp_path / "one", 1)
    first, second = run_script(tmp_path / "two", 2)
    assert len(one["losses"]) == 20
    np.testing.assert_allclose(first["losses"], one["losses"], atol=1e-4, rtol=0)
    assert first["weights"] == second["weights"]
    for row, wanted in zip(first["curve"], one["curve"], strict=True):
        assert row == pytest.approx(wanted, abs=1e-3)


@pytest.mark.slow
def test_stages_run_in_as_many_processes_as_params_say(project: Path) -> None:
    change(project, "train", processes=2, epochs=1)
    output = [call("python", "-m", f"stages.{name}") for name in ("ingest", "preprocess", "train")][-1]
    assert output.count("on 2 x cpu") == 1
    assert Path("models/model.safetensors").exists()
    assert not list(Path(".digitsum/checkpoints").iterdir())

    change(project, "train", batch_size=97)
    output = call("python", "-m", "stages.train", code=1)
    assert output.count("error: params.yaml: `train.batch_size` is 97") == 1
    assert "Traceback" not in output
