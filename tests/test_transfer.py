"""Training can start from the backbone of another model or from ImageNet weights."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from digitsum.errors import InputError
from digitsum.model.architecture import SumModel
from digitsum.model.model_file import read_model, write_model
from digitsum.model.transfer import initial_model
from digitsum.params.model import ModelParams
from digitsum.strips.dataset import Description


def test_pretrained_weights_come_from_a_file_and_are_folded_to_gray(
    tmp_path: Path, tiny_model_params: ModelParams, description: Description
) -> None:
    from torchvision.models import resnet18

    torch.manual_seed(0)
    weights = resnet18().state_dict()
    torch.save(weights, tmp_path / "w.pth")
    wanted = {"backbone": "resnet18", "pretrained": True, "weights_file": str(tmp_path / "w.pth")}
    model = initial_model(tiny_model_params.model_copy(update=wanted), description)
    assert torch.equal(model.backbone[0].weight, weights["conv1.weight"].sum(1, keepdim=True))
    assert torch.equal(model.backbone[-1][1].conv2.weight, weights["layer4.1.conv2.weight"])
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "w.pth")
    with pytest.raises(InputError, match="not the state dict"):
        initial_model(tiny_model_params.model_copy(update=wanted), description)
    for text in ("no weights at all", "error: not found", "a", "tar"):
        (tmp_path / "w.pth").write_text(text)
        with pytest.raises(InputError, match=r"w\.pth: not a file of torchvision's weights"):
            initial_model(tiny_model_params.model_copy(update=wanted), description)
    (tmp_path / "w.safetensors").write_bytes(b"\x08" + bytes(7) + b"no JSON!")
    with pytest.raises(InputError, match=r"w\.safetensors: not a file of torchvision's weights"):
        initial_model(
            tiny_model_params.model_copy(update=wanted | {"weights_file": str(tmp_path / "w.safetensors")}), description
        )
    (tmp_path / "w.pth").unlink()
    with pytest.raises(InputError, match=r"model\.weights_file"):
        initial_model(tiny_model_params.model_copy(update=wanted), description)


def test_backbone_starts_from_another_models(
    tmp_path: Path, model: SumModel, tiny_model_params: ModelParams, description: Description
) -> None:
    file = tmp_path / "other.safetensors"
    write_model(model, file)
    wanted = {"init_from": str(file), "head": "slots"}
    torch.manual_seed(5)
    other = initial_model(tiny_model_params.model_copy(update=wanted), replace(description, digits=2, mean=0.3))
    for name, weight in other.backbone.state_dict().items():
        assert torch.equal(weight, model.backbone.state_dict()[name])
    write_model(other, tmp_path / "again.safetensors")
    file.unlink()
    read_model(tmp_path / "again.safetensors")  # does not need the file it started from
    with pytest.raises(InputError, match=r"other\.safetensors: no such file; set `model\.init_from`"):
        initial_model(tiny_model_params.model_copy(update=wanted), description)
    write_model(model, file)
    with pytest.raises(InputError, match=r"has small_channels 4, but `model\.small_channels` is 6"):
        initial_model(tiny_model_params.model_copy(update={"init_from": str(file), "small_channels": 6}), description)
    with pytest.raises(InputError, match=r"has backbone small, but `model\.backbone` is resnet18"):
        initial_model(
            tiny_model_params.model_copy(update={"init_from": str(file), "backbone": "resnet18"}), description
        )
    write_model(initial_model(tiny_model_params.model_copy(update={"backbone": "resnet18"}), description), file)
    again = {"init_from": str(file), "backbone": "resnet18", "small_channels": 6}  # which a ResNet ignores
    initial_model(tiny_model_params.model_copy(update=again), description)
