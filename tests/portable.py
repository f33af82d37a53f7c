"""The digests of all outs of all stages, of tiny models: what is the same on every x86-64 Linux machine with AVX2.

`python tests/portable.py` compares them with tests/portable.json and prints each file that differs; `--write` rewrites
that file. It chooses the arithmetic, and so runs in a process of its own.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import redirect_stdout
from pathlib import Path

import yaml

from digitsum import arithmetic

ROOT = Path(__file__).parent.parent
DIGESTS = Path(__file__).with_suffix(".json")
STAGES = ("ingest", "preprocess", "train", "evaluate", "confusion")
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
    recompose = params["train"]["recompose"]
    recompose["sure"] = 1e-30  # so that glyphs are cut out of strips that are hardly read yet
    for augment in (params["train"]["augment"], recompose["augment"]):
        augment["elastic"] = 1.0
    Path("params.yaml").write_text(yaml.safe_dump(params))


def run_stages() -> dict[str, str]:
    """The digest of every file that they write, in the current folder."""
    from digitsum.model import self_training
    from stages import confusion, evaluate, ingest, preprocess, train

    self_training.MIN_ACCURACY = 0.0
    for stage in (ingest, preprocess, train, evaluate, confusion):
        stage.main()
    return digests("data", "models", "reports")


def train_in_two_processes() -> dict[str, str]:
    """The digest of every file that training on the strips in the current folder writes."""
    params = yaml.safe_load(Path("params.yaml").read_text())
    params["train"]["processes"] = 2
    Path("params.yaml").write_text(yaml.safe_dump(params))
    words = [sys.executable, "-m", "stages.train"]
    subprocess.run(words, env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=sys.stderr, check=True)
    return digests("models")


def digests(*folders: str) -> dict[str, str]:
    files = sorted(path for folder in folders for path in Path(folder).rglob("*"))
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files if path.is_file()}


def differing(found: dict[str, dict[str, str]]) -> list[str]:
    """The files that are not those of tests/portable.json, each after its model."""
    wanted = json.loads(DIGESTS.read_text())
    return [
        f"{model}: {path}"
        for model in found
        for path in sorted(found[model].keys() | wanted[model].keys())
        if found[model].get(path) != wanted[model].get(path)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--one-process", action="store_true", help="qemu emulates no process that another one starts")
    words = parser.parse_args()
    arithmetic.choose("portable")
    os.environ["DIGITSUM_TRACKING"] = "off"
    found: dict[str, dict[str, str]] = {}
    for head in ("columns", "direct"):
        with tempfile.TemporaryDirectory() as folder, redirect_stdout(sys.stderr):
            os.chdir(folder)
            Path("data/external").mkdir(parents=True)
            shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
            write_params(head)
            found[head] = run_stages()
            if head == "columns" and not words.one_process:
                found["columns in two processes"] = train_in_two_processes()
            os.chdir(ROOT)
    if words.write:
        DIGESTS.write_text(json.dumps(found, indent=1) + "\n")
    elif others := differing(found):
        raise SystemExit("\n".join(others))


if __name__ == "__main__":
    main()
