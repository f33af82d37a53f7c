"""What must have the same bytes on every x86-64 Linux machine: all outs of all stages, of two tiny models.

`python tests/portable.py` runs the stages in a folder of its own and prints their digests, which tests/portable.json
has. It chooses the arithmetic itself, and so must run in a process of its own.
"""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import yaml

from digitsum import arithmetic

ROOT = Path(__file__).parent.parent
STAGES = ("ingest", "preprocess", "train", "evaluate", "confusion")
WARPS = {"elastic": 1.0}
TINY = {
    "preprocess": {"train_strips": 96, "val_strips": 32, "test_strips": 40},
    "model": {"small_channels": 4},
    "train": {"epochs": 2, "batch_size": 16, "dropout": 0.1},
}


def write_params(head: str) -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for section, values in TINY.items():
        params[section].update(values)
    params["model"]["head"] = head
    params["train"]["augment"].update(WARPS)
    params["train"]["recompose"]["sure"] = 1e-30  # cuts glyphs out of strips that are not read yet, too
    params["train"]["recompose"]["augment"].update(WARPS)
    Path("params.yaml").write_text(yaml.safe_dump(params))


def run(head: str) -> dict[str, str]:
    """Runs all stages in the current folder; the digests of what they wrote."""
    from digitsum.model import training
    from stages import confusion, evaluate, ingest, preprocess, train

    training.READS = 0.0
    write_params(head)
    with redirect_stdout(sys.stderr):
        for stage in (ingest, preprocess, train, evaluate, confusion):
            stage.main()
    outs = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert set(outs) == set(STAGES)
    files = sorted(path for folder in ("data", "models", "reports") for path in Path(folder).rglob("*"))
    return {f"{head}/{path}": hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()}


def main() -> None:
    arithmetic.choose("portable")
    os.environ["DIGITSUM_TRACKING"] = "off"
    sys.path.insert(0, str(ROOT))
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        shutil.copy(ROOT / "requirements.lock", ".")
        for head in ("columns", "direct"):
            Path("data/external").mkdir(parents=True, exist_ok=True)
            found |= run(head)
        os.chdir(ROOT)
    print(json.dumps({"arithmetic": arithmetic.in_effect(), "digests": found}, indent=1))


if __name__ == "__main__":
    main()
