"""Where the pipeline's files are, relative to the repository's root.

A place that only one module uses is declared in that module.
"""

import os
from pathlib import Path

PIPELINE, PARAMS, LOCK = "dvc.yaml", "params.yaml", "dvc.lock"

EXTERNAL = Path("data/external")  # the original data set, where the user has it
RAW = Path("data/raw")  # out of ingest
PROCESSED = Path("data/processed")  # out of preprocess
TEST = (PROCESSED / "test" / "strips.npy", PROCESSED / "test" / "sums.npy")
DATA_REPORT = Path("reports/data")
MODEL = Path("models/model.safetensors")  # out of train
LEARNING_CURVE = Path("models/learning_curve.csv")  # a row for each epoch
TRAINING_CURVE = Path("models/training_curve.csv")  # a row for every few steps
METRICS = Path("reports/metrics.json")  # out of evaluate
PREDICTIONS = Path("reports/predictions.csv")
EVALUATION = Path("reports/evaluation")
CONFUSION = Path("reports/confusion")  # out of confusion
CONFUSION_METRICS = Path("reports/confusion.json")
REPORT = Path("reports/report.html")

STATE = Path(".digitsum")  # what must outlive a stage's run; neither git nor DVC tracks it


def repository_root() -> Path:
    """DVC runs experiments in temporary copies that it deletes; DVC_ROOT names the real repository even there."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()
