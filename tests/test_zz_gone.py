import shutil

from conftest import change
from tracked import digitsum, rows, store


def out(*w):
    import subprocess
    import sys

    d = subprocess.run([sys.executable, "-m", "digitsum", *w], capture_output=True, text=True)
    return f"{w} -> {d.returncode}\n{d.stdout[-600:]}{d.stderr[-600:]}"


def test_gone(made):
    change(made, "gate", min_strips=20, max_calibration_error=0.9, min_macro_recall=0.0, min_tail_accuracy=0.0)
    digitsum("sync")
    row = rows()[-1].info.run_id
    print(out("promote", row))
    shutil.copytree(made, "/tmp/gone_state", dirs_exist_ok=True)
    shutil.rmtree("mlartifacts")
    import numpy as np

    s = np.load("data/processed/test/strips.npy")[:2]
    np.save("x.npy", s)
    for w in (
        ["sync"],
        ["compare", row],
        ["compare"],
        ["trace", row],
        ["predict", "x.npy", "--model", row],
        ["predict", "x.npy", "--model", "models:/digitsum@champion"],
        ["promote", row, "--dry-run"],
        ["promote", row, "--anew"],
        ["reproduce", row],
        ["sync"],
    ):
        print(out(*w))
    client, _ = store()
    for m in client.search_logged_models([store()[1]]):
        client.delete_logged_model(m.model_id)
    print("---- deleted model")
    for w in (
        ["sync"],
        ["compare", row],
        ["predict", "x.npy", "--model", row],
        ["promote", row, "--dry-run"],
        ["promote", row, "--anew"],
    ):
        print(out(*w))
    assert 0
