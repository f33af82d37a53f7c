"""On a GPU training waits for nothing, resumes bit by bit, and computes what a CPU does."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import get_args

import numpy as np
import pytest
import torch
from samples import advance, zeros_apart

from digitsum.model.architecture import SumModel
from digitsum.model.cuda_graph import WARM_UP
from digitsum.model.devices import prepare
from digitsum.model.prediction import predict
from digitsum.model.processes import ProcessGroup
from digitsum.model.training import Training
from digitsum.params.model import ModelParams
from digitsum.params.train import RecomposeParams, TrainParams
from digitsum.strips.dataset import Description, Strips

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
CUT = 8  # the step from which on half of the strips are recomposed
STEPS = 16


@pytest.fixture(autouse=True)
def gpu() -> Iterator[torch.device]:
    yield prepare("cuda", 1, "train.device")
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def strips() -> Strips:
    return zeros_apart(64)


@pytest.fixture
def start(
    strips: Strips,
    tiny_model_params: ModelParams,
    recipe: TrainParams,
    description: Description,
    gpu: torch.device,
) -> Callable[..., Training]:
    """A training of four epochs of four steps with dropout and bent strips."""
    augment = recipe.augment.model_copy(update={"elastic": 2.0})
    recompose = RecomposeParams(
        share=0.5, cut_at=(CUT / STEPS,), strips=16, sure=0.05, hard=0.5, spacing=20, nearest=14, augment=augment
    )
    changed = {"batch_size": 16, "epochs": 4, "dropout": 0.2, "recompose": recompose, "augment": augment}

    def make(**architecture: object) -> Training:
        torch.manual_seed(1)
        model = SumModel(tiny_model_params.model_copy(update=architecture), description).to(gpu)
        model.in_bfloat16 = True
        return Training(model, strips, recipe.model_copy(update=changed), ProcessGroup())

    return make


@contextmanager
def waiting_is_an_error() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that not all waiting is detected
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("graphed", [True, False])
def test_no_step_waits_for_the_device(start: Callable[..., Training], graphed: bool) -> None:
    training = start()
    if not graphed:
        training.run_update = training.update
    for first in (0, CUT):
        while training.step < first + WARM_UP + 1:
            training.train_step()
        with waiting_is_an_error():
            while training.step < first + CUT - 1:
                training.train_step()
    training.require_finite()


def test_graphed_steps_have_the_bits_of_others(start: Callable[..., Training], strips: Strips) -> None:
    plain = start()
    plain.run_update = plain.update
    assert advance(start(), strips, STEPS) == advance(plain, strips, STEPS)


@pytest.mark.parametrize("killed_after", [1, 6, CUT, CUT + 5])
def test_resumes_bit_by_bit(start: Callable[..., Training], strips: Strips, killed_after: int) -> None:
    never_killed = advance(start(), strips, STEPS)
    first = start()
    advance(first, strips, killed_after)
    second = start()
    second.load_state_dict(first.state_dict())
    assert advance(second, strips, STEPS) == never_killed


@pytest.mark.parametrize("head", get_args(ModelParams.model_fields["head"].annotation))
def test_every_head_learns_and_reads_as_on_the_cpu(start: Callable[..., Training], strips: Strips, head: str) -> None:
    training = start(head=head)
    training.model.in_bfloat16 = training.averaged.in_bfloat16 = False
    advance(training, strips, STEPS if head == "columns" else CUT)
    model = training.averaged
    for sums in (None, strips.sums):
        there = predict(model.to("cuda"), strips.images, sums=sums)
        here = predict(model.to("cpu"), strips.images, sums=sums)
        np.testing.assert_allclose(np.exp(there.log_probability), np.exp(here.log_probability), atol=1e-4)
        if here.digits is not None:
            assert (there.digits == here.digits).mean() > 0.95


@pytest.mark.parametrize("backbone", get_args(ModelParams.model_fields["backbone"].annotation))
def test_every_backbone_learns(start: Callable[..., Training], backbone: str) -> None:
    training = start(backbone=backbone)
    for _ in range(WARM_UP + 2):
        training.train_step()
    training.require_finite()
