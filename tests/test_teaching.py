"""A model that others teach learns what they believe, and nothing else."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from digitsum.errors import InputError
from digitsum.model.network import SumModel
from digitsum.model.parallel import Workers
from digitsum.model.params import ModelParams, TrainParams
from digitsum.model.teaching import Teachers, cross_entropy
from digitsum.model.training import Training
from digitsum.strips.compose import Layout, compose
from digitsum.strips.cutting import Cuttings
from digitsum.strips.dataset import Description, Strips
from digitsum.strips.glyphs import sklearn_digits


@pytest.fixture(scope="module")
def strips() -> Strips:
    layout = Layout(4, 40, 168, first_left=(0, 14), next_left=(14, 42), top=(0, 12))
    return compose(sklearn_digits(), layout, 16, np.random.default_rng(0))[0]


@pytest.fixture
def pupil(tiny_model_params: ModelParams, description: Description) -> SumModel:
    torch.manual_seed(1)
    return SumModel(tiny_model_params, description)


@pytest.fixture
def taught(
    tiny_model_params: ModelParams, recipe: TrainParams, description: Description, tmp_path: Path
) -> TrainParams:
    """A recipe with two teachers that believe something, one of them of pixels otherwise normalised."""
    files = []
    for seed, mean in ((2, 0.14), (3, 0.2)):
        torch.manual_seed(seed)
        teacher = SumModel(tiny_model_params, replace(description, mean=mean))
        torch.nn.init.normal_(teacher.head.beliefs.weight, std=0.2)
        files.append(tmp_path / f"{seed}.safetensors")
        teacher.write(files[-1])
    recompose = recipe.recompose.model_copy(update={"cut_at": ()})
    return recipe.model_copy(update={"teachers": tuple(map(str, files)), "epochs": 40, "recompose": recompose})


def test_beliefs_are_the_geometric_mean(taught: TrainParams, pupil: SumModel, strips: Strips) -> None:
    images = torch.from_numpy(np.array(strips.images[:6])).float()
    beliefs = Teachers(taught, pupil).beliefs(images, dense=2, k=8)
    assert beliefs.shape == (6, 73)
    models = [SumModel.read(Path(file)).eval() for file in taught.teachers]
    for row, digits in ((slice(0, 2), 8), (slice(2, 6), 4)):
        each = [model.for_strips(digits, 168).eval()(images[row]).softmax(-1) for model in models]
        mean = (each[0] * each[1]).sqrt()
        wanted = torch.nn.functional.pad(mean / mean.sum(1, keepdim=True), (0, 73 - mean.shape[1]))
        torch.testing.assert_close(beliefs[row], wanted.detach(), atol=1e-5, rtol=1e-3)


def test_cross_entropy_is_least_for_the_beliefs_themselves() -> None:
    beliefs = torch.tensor([[0.5, 0.5, 0.0], [0.1, 0.2, 0.7]])
    entropy = -(beliefs[0, :2] @ beliefs[0, :2].log() + beliefs[1] @ beliefs[1].log())
    torch.testing.assert_close(cross_entropy(beliefs.log(), beliefs), entropy)
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        other = torch.rand(2, 3, generator=generator).softmax(-1).log()
        assert cross_entropy(other, beliefs) > entropy


def test_beliefs_are_learnt_and_labels_are_not(
    taught: TrainParams, tiny_model_params: ModelParams, description: Description, strips: Strips
) -> None:
    images = torch.from_numpy(np.array(strips.images)).float()

    def learnt(data: Strips) -> tuple[float, float, bytes]:
        """How far from the beliefs the model is before and after, in nats a strip, and its weights."""
        torch.manual_seed(1)
        model = SumModel(tiny_model_params.model_copy(update={"head": "direct"}), description)  # which starts at once
        teachers = Teachers(taught, model)
        beliefs = teachers.beliefs(images, dense=0, k=0)

        def distance() -> float:
            said = model.train()(images).detach()
            return (cross_entropy(said, beliefs) - cross_entropy(beliefs.log(), beliefs)).item() / len(images)

        training = Training(model, data, taught, Workers(), teachers)
        before = distance()
        for _ in range(training.steps):
            training.learn()
        return before, distance(), b"".join(weight.numpy().tobytes() for weight in model.state_dict().values())

    before, after, weights = learnt(strips)
    assert after < before / 2
    *_, others = learnt(Strips(strips.images, (strips.sums + 1) % 37))
    assert weights == others


def test_teachers_teach_recomposed_strips(
    taught: TrainParams, tiny_model_params: ModelParams, description: Description, strips: Strips
) -> None:
    model = SumModel(tiny_model_params, description)
    training = Training(model, strips, taught, Workers(), Teachers(taught, model))
    glyphs = sklearn_digits()
    training.cuttings = Cuttings(
        torch.from_numpy(glyphs.images), torch.from_numpy(glyphs.digits).long(), torch.ones(1797)
    )
    training.learn()
    training.require_finite()
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in model.parameters())


def test_unfit_teachers_are_refused(
    taught: TrainParams,
    pupil: SumModel,
    tiny_model_params: ModelParams,
    description: Description,
    tmp_path: Path,
) -> None:
    file = tmp_path / "teacher.safetensors"
    named = taught.model_copy(update={"teachers": (str(file),)})
    with pytest.raises(InputError, match=r"teacher\.safetensors: no such file; .*`train\.teachers`"):
        Teachers(named, pupil)
    file.write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=r"teacher\.safetensors: truncated, or not a model"):
        Teachers(named, pupil)
    SumModel(tiny_model_params, replace(description, digits=5)).write(file)
    with pytest.raises(InputError, match=r"has learnt from strips of digits 5, these have 4; .*`train\.teachers`"):
        Teachers(named, pupil)
    SumModel(tiny_model_params.model_copy(update={"head": "slots"}), description).write(file)
    with pytest.raises(InputError, match=r"the head slots says nothing of recomposed strips; .*`train\.recompose\.sh"):
        Teachers(named, pupil)
    plain = named.model_copy(update={"recompose": named.recompose.model_copy(update={"share": 0.0})})
    assert len(Teachers(plain, pupil).models) == 1
