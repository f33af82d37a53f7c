"""Run by torchrun in test_parallel.py: train 20 steps and write their losses and a digest of the weights to a folder.

Several processes restart after 11 steps, in the middle of an epoch, from a state that only the main process has.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import torch

from digitsum.model.architecture import SumModel
from digitsum.model.processes import ProcessGroup, process_group
from digitsum.model.training import Training
from digitsum.params.loader import read_params
from digitsum.params.model import ModelParams
from digitsum.params.train import TrainParams
from digitsum.strips.compose import Layout, compose
from digitsum.strips.cutting import Cuttings
from digitsum.strips.dataset import Description
from digitsum.strips.sources.digits import sklearn_digits

folder = Path(sys.argv[1])
torch.set_num_threads(1)
params = read_params(Path(__file__).parent.with_name("params.yaml"))
recipe = params[TrainParams].model_copy(update={"batch_size": 9, "epochs": 10, "dropout": 0.2})
# six of nine strips are recomposed: all five of the first process, one of the other's four
recompose = recipe.recompose.model_copy(update={"share": 0.7, "cut_at": ()})
recipe = recipe.model_copy(update={"recompose": recompose})
layout = Layout(4, 40, 168, first_left=(0, 14), next_left=(14, 42), top=(0, 12))
strips, _ = compose(sklearn_digits(), layout, 20, np.random.default_rng(0))
architecture = params[ModelParams].model_copy(update={"small_channels": 4})
description = Description("digits", digits=4, height=40, width=168, mean=0.14, std=0.25)


def begun(seed: int, group: ProcessGroup) -> Training:
    torch.manual_seed(seed)
    model = SumModel(architecture, description)
    model.double()  # in single precision, another order of summation flips a rectifier now and then, and that grows
    return Training(model, strips, recipe, group)


with process_group(torch.device("cpu")) as group:
    training = begun(1, group)
    glyphs = sklearn_digits()
    training.cuttings = Cuttings.weighted(glyphs.images, glyphs.digits, np.ones(1797))
    losses = []
    while training.step < 20:
        if training.step == 11 and group.size > 1:
            state = training.state_dict()
            shared = group.from_main(state if group.is_main else {})
            training = begun(2 + group.rank, group)
            training.load_state_dict(shared)
        before = training.totals.now.clone()
        training.train_step()
        loss, _, count = group.total(training.totals.now - before).tolist()
        losses.append(loss / count)
        if training.at_epoch_end:
            training.end_epoch(strips)
    state = b"".join(tensor.numpy().tobytes() for tensor in training.averaged.state_dict().values())
    curve = [{name: value for name, value in vars(row).items() if name != "points"} for row, _ in training.curve]
    result = {"losses": losses, "curve": curve, "weights": hashlib.sha256(state).hexdigest()}
    (folder / f"{group.rank}.json").write_text(json.dumps(result))
