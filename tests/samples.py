"""Strips and models that tests learn from, the same every time, and what lies outside of the packages."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from conftest import ROOT

from digitsum.model.architecture import SumModel
from digitsum.model.training import Training
from digitsum.strips.compose import Layout, compose
from digitsum.strips.dataset import Strips
from digitsum.strips.sources.digits import sklearn_digits


def composed(count: int) -> Strips:
    """Strips as the default composes them, the same every time."""
    layout = Layout(4, 40, 168, first_left=(0, 14), next_left=(14, 42), top=(0, 12))
    return compose(sklearn_digits(), layout, count, np.random.default_rng(0))[0]


def zeros_apart(count: int) -> Strips:
    """Strips of four zeros each, none of which touches another; their sums are 0."""
    glyphs, rng = sklearn_digits(), np.random.default_rng(0)
    zeros = rng.choice(glyphs.images[glyphs.digits == 0], (count, 4))
    images = np.zeros((count, 40, 168), np.uint8)
    for number, left in enumerate((5, 45, 85, 125)):
        images[:, 6:34, left : left + 28] = zeros[:, number]
    return Strips(images, np.zeros(count, np.int64))


def expect_zeros(model: SumModel) -> SumModel:
    """Give an untrained model's head the bias to read every digit as 0, so that it reads `zeros_apart` right."""
    with torch.no_grad():
        model.head.beliefs.bias[0] += 4
    return model


def advance(training: Training, strips: Strips, until: int) -> bytes:
    """The averaged weights and the curve after so many steps."""
    while training.step < until:
        training.train_step()
        if training.at_epoch_end:
            training.end_epoch(strips)
    tensors = (tensor.cpu().numpy().tobytes() for tensor in training.averaged.state_dict().values())
    return b"".join(tensors) + repr([row for row, _ in training.curve]).encode()


def script(path: str) -> ModuleType:
    """A script of benchmarks or docs as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
